//! The git source: mirrors, tags, bundles, source trees, signatures.

mod bundle;
mod checkout;
mod hardening;
mod hostile;
mod mirror;
mod signature;
mod source_tree;
