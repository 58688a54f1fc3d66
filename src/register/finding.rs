//! What is wrong with a register, in stable codes of its own.

use std::fmt;

use serde::Serialize;

use crate::finding::{Class, codes};

/// One thing that is wrong with a register.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// The number of the line concerned, counted from 1 for the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What was expected and what was found, for a person.
    pub detail: String,
}

impl Finding {
    /// A finding about a line.
    pub fn at(code: Code, line: u64, detail: impl Into<String>) -> Self {
        Self {
            code,
            line: Some(line),
            detail: detail.into(),
        }
    }

    /// A finding about the register as a whole.
    pub fn whole(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            line: None,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

codes! {
    /// The file is cut off, or a line in it is no row.
    Unreadable = "registry-unreadable", Integrity;
    /// The first line is not the header.
    HeaderChanged = "registry-header-changed", Integrity;
    /// A row was changed after the row behind it was written.
    RowEdited = "registry-row-edited", Integrity;
    /// The row to which the next one is chained is not there.
    RowDeleted = "registry-row-deleted", Integrity;
    /// A row to which the chain does not lead.
    RowInserted = "registry-row-inserted", Integrity;
    /// A row stands elsewhere than its place in the chain.
    RowMoved = "registry-row-moved", Integrity;
    /// A row's signature is not its writer's.
    SignatureInvalid = "registry-signature-invalid", Integrity;
    /// The certificate of a row's writer is not there, so that its signature cannot be checked.
    WriterMissing = "registry-writer-missing", Integrity;
    /// The row that was expected as the last one, or before it, is not there.
    TailCut = "registry-tail-cut", Integrity;
    /// Two rows register one release, and neither supersedes the other.
    ReleaseDuplicate = "registry-release-duplicate", Integrity;
    /// A row supersedes one that it cannot take the place of.
    SupersedesWrong = "registry-supersedes-wrong", Integrity;
    /// Rows of one version name different commits: the tag was moved.
    CommitDiffers = "registry-commit-differs", Integrity;
    /// The release that a row names as its predecessor, or as amended, is not registered.
    PredecessorMissing = "registry-predecessor-missing", Integrity;
    /// A release date lies in the future, or before that of the predecessor.
    DateOrder = "registry-date-order", Integrity;
    /// The archive is not at its location.
    ArchiveMissing = "registry-archive-missing", Integrity;
    /// The archive at the location is another than the row's.
    ArchiveDiffers = "registry-archive-differs", Integrity;
    /// An archive lies beside the register, and no row names it.
    ArchiveUnregistered = "registry-archive-unregistered", Integrity;
    /// The table in Markdown does not show what the register says.
    MarkdownDiffers = "registry-markdown-differs", Integrity;
    /// No trusted certificate leads to a writer's.
    WriterUnknown = "registry-writer-unknown", Trust;
    /// A writer's certificate was not valid when its row can have been written.
    WriterOutsideValidity = "registry-writer-outside-validity", Trust;
    /// A writer's certificate is for other uses than signing.
    WriterNotEntitled = "registry-writer-not-entitled", Trust;
}
