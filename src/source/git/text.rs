//! Single files of a commit, and what git itself says of its version.

use super::Mirror;
use super::command::Process;
use super::error::GitError;

/// `git version` answers with one line.
const VERSION_LIMIT: u64 = 4 * 1024;

impl Mirror {
    /// The bytes of the file at `path` in the commit with this id; none if there is no such file.
    /// Fails with [`GitError::TooLarge`] if it has more than `limit` bytes.
    pub fn read(&self, commit: &str, path: &str, limit: u64) -> Result<Option<Vec<u8>>, GitError> {
        let Some(file) = self.file(commit, path)? else {
            return Ok(None);
        };
        if file.size > limit {
            return Err(GitError::TooLarge {
                path: path.to_owned(),
                size: file.size,
                limit,
            });
        }
        let mut bytes = Vec::new();
        self.objects()?.copy(&file.object, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// The version of the git program, as in "2.47.3".
    pub fn git_version(&self) -> Result<String, GitError> {
        let mut command = self.git.command();
        command.arg("version");
        let answer =
            Process::start(command, "asking git for its version")?.capture(VERSION_LIMIT)?;
        let text = String::from_utf8_lossy(&answer);
        Ok(text.trim().trim_start_matches("git version ").to_owned())
    }
}
