//! Where the content of an archive comes from: documents, the git snapshot, container images.

pub mod documents;
pub mod git;
pub mod image;
