//! A document that grows in a git repository, changed like one in a store.

use jiff::Timestamp;

use super::exchange::GrowingDocument;
use crate::source::git::{BranchFile, GitError};
use crate::store::{Document, Edition, StoreError, Swapped};

/// A text file on a branch: each change is a commit, pushed and never forced.
#[derive(Debug)]
pub struct GitFile {
    file: BranchFile,
    message: String,
    date: Timestamp,
}

impl GitFile {
    /// The file, changed by commits with this message and date. Both shall follow from what is
    /// published, so that a run that is repeated makes the same commit.
    pub fn new(file: BranchFile, message: String, date: Timestamp) -> Self {
        Self {
            file,
            message,
            date,
        }
    }

    fn failed(&self, action: &'static str, error: GitError) -> StoreError {
        match error {
            GitError::Cancelled(cancelled) => cancelled.into(),
            GitError::Io(error) => error.into(),
            error => StoreError::Service {
                action,
                place: self.place(),
                problem: "git refused".to_owned(),
                help: "check the repository, the branch, and that this machine may push: logins come from the ssh agent, GIT_SSH_COMMAND or GIT_ASKPASS",
                source: Some(Box::new(error)),
            },
        }
    }
}

impl GrowingDocument for GitFile {
    fn place(&self) -> String {
        self.file.place()
    }

    /// The edition is the commit; a file that is not there yet has one too, unless the repository
    /// is empty.
    fn load(&self, limit: u64) -> Result<Option<Document>, StoreError> {
        let loaded = self.file.load(limit);
        let loaded = loaded.map_err(|error| self.failed("read", error))?;
        Ok(loaded.map(|found| Document {
            bytes: found.bytes.unwrap_or_default(),
            edition: Edition(found.commit),
        }))
    }

    fn swap(&self, bytes: &[u8], current: Option<&Edition>) -> Result<Swapped, StoreError> {
        let commit = current.map(|edition| edition.0.as_str());
        let swapped = self.file.swap(bytes, commit, &self.message, self.date);
        match swapped.map_err(|error| self.failed("change", error))? {
            true => Ok(Swapped::Done),
            false => Ok(Swapped::Changed),
        }
    }
}
