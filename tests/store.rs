//! Stores: what they promise, and what is put into them.

pub(crate) mod contract;
mod dropbox;
mod s3;
mod s3_faults;
mod upload;
