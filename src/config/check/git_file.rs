//! What the name of a file in a git repository that is pushed to must satisfy.

use super::holds_password;
use crate::config::GitFileConfig;
use crate::config::remote::is_remote_url;
use crate::path::ArchivePath;
use crate::toml_file::Step::{self, Key};
use crate::toml_file::{TomlError, TomlText};

/// Fails on the first part that cannot be meant, or that git could take for something else.
pub(super) fn check(
    file: &GitFileConfig,
    text: &TomlText,
    table: &[Step<'_>],
) -> Result<(), Box<TomlError>> {
    let at = |key| [table, &[Key(key)]].concat();
    let fail = |key, message: String, help: &str| {
        Err(text.error(&at(key), message, Some(help.to_owned())))
    };
    let repository = &file.repository;
    if holds_password(repository) {
        return fail(
            "repository",
            "the location holds a password, and this file is archived".to_owned(),
            "take it out, and change it; logins come from the ssh agent, GIT_SSH_COMMAND or GIT_ASKPASS",
        );
    }
    let before_slash = repository.split('/').next().unwrap_or(repository);
    let is_path = !repository.is_empty()
        && !repository.starts_with('-')
        && !before_slash.contains(':')
        && !repository.chars().any(char::is_control);
    if !is_path && !is_remote_url(repository) {
        return fail(
            "repository",
            format!("`{repository}` is no repository that is pushed to"),
            "give a path, a URL that begins with https://, ssh:// or file://, or git@host:path",
        );
    }
    let bad = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    if file.branch.is_empty() || file.branch.starts_with(['-', '@']) || file.branch.contains(bad) {
        return fail(
            "branch",
            format!("`{}` is no branch's name", file.branch),
            "give its name without `refs/heads/`, as in \"main\"",
        );
    }
    if file.file.parse::<ArchivePath>().is_err() {
        return fail(
            "file",
            format!("`{}` is no path in a repository", file.file),
            "give the path from the repository's top, as in \"products/registry.md\"",
        );
    }
    Ok(())
}
