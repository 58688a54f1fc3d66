//! What several tests need.

pub(crate) mod dropbox;
pub(crate) mod engine;
pub(crate) mod faults;
pub(crate) mod faulty_store;
pub(crate) mod git;
pub(crate) mod gnupg;
pub(crate) mod image;
pub(crate) mod mount;
pub(crate) mod registry;
pub(crate) mod release;
pub(crate) mod s3;
pub(crate) mod small;
pub(crate) mod stand_in;
