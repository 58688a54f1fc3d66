//! Stores: what they promise, and what is put into them.

mod upload;
