//! Trees, packing, staging and the local store.

mod folder;
mod hostile_tar;
mod hostile_zip;
mod pack;
mod staging;
pub(crate) mod tools;
