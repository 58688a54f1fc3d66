//! The git source: mirrors, tags, bundles, source trees, signatures.

mod attributes;
mod bundle;
mod checkout;
mod complete;
mod hardening;
mod hostile;
mod lfs;
mod lightweight;
mod mirror;
#[cfg(unix)]
mod remote_access;
mod signature;
mod source_tree;
mod submodules;
mod together;
