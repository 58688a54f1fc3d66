//! Stores: what they promise, and what is put into them.

mod dropbox;
mod upload;
