//! Fetching objects with `git lfs`, where nothing of the released repository takes part.
//!
//! `git lfs` starts programs and follows addresses that a repository's configuration and its
//! `.lfsconfig` name. So it runs in a repository of our own, which holds nothing but pointers to
//! the wanted objects, and whose only setting is the URL.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::{LfsError, LfsObject, LfsPointer, LfsStore};
use crate::error::IoContext;
use crate::monitor::{Monitor, Task, Unit};
use crate::source::git::Mirror;
use crate::source::git::command::Process;
use crate::source::git::error::GitError;

/// What a path may not hold as it is in a URL.
const IN_PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b'?').add(b'#');
/// The only branch of the repository of pointers.
const BRANCH: &str = "main";
const FETCHING: &str = "fetching Git LFS objects";

impl Mirror {
    /// Fetches objects from `remote`, or from where the repository itself came, into a store that
    /// goes away with the mirror. What is fetched has to be checked like anything else.
    ///
    /// Fails with [`LfsError::NoRemote`] if there is no URL, and with [`LfsError::NoGitLfs`].
    pub fn fetch_lfs(
        &self,
        objects: &[&LfsObject],
        remote: Option<&str>,
        monitor: &dyn Monitor,
    ) -> Result<LfsStore, GitError> {
        let url = match remote {
            Some(url) => url.to_owned(),
            None => self.remote()?.ok_or_else(|| LfsError::NoRemote {
                repository: self.name.clone(),
            })?,
        };
        let url = self.checked_url(&url)?;
        let git_dir = self.folder.join("lfs.git");
        self.make_pointers(&git_dir, objects)?;
        let mut command = self.git_lfs_fetch(&git_dir, &url);
        let access = self.git.access();
        match remote {
            Some(_) => access.lend(&mut command, &url),
            // The checkout's configuration names the server, and may name anybody's.
            None => access.without_passwords().lend(&mut command, &url),
        }
        let count = objects.len() as u64;
        let task = Task::begin(monitor, "Git LFS fetch", Some(count), Unit::Items);
        let mut process = Process::start(command, FETCHING).map_err(without_git_lfs)?;
        let mut said = process.patient_stdout(&task)?;
        // Unread, it would block git lfs once the pipe is full.
        io::copy(&mut said, &mut io::sink()).map_err(|source| GitError::read(FETCHING, source))?;
        process
            .finish_unless_cancelled(&task)
            .map_err(|error| without_secret(error, &url))?;
        task.advance(count)?;
        Ok(LfsStore::of(git_dir))
    }

    /// The URL that the mirrored repository was cloned from, or that was mirrored.
    fn remote(&self) -> Result<Option<String>, GitError> {
        let git_dir = self.local().unwrap_or(&self.git_dir);
        self.setting(&git_dir.join("config"), "remote.origin.url")
    }

    /// A URL as `git lfs` takes it, of a kind that starts no other program than ssh.
    fn checked_url(&self, url: &str) -> Result<String, GitError> {
        let bad = || GitError::BadName {
            name: crate::source::git::without_userinfo(url),
            expected: "a URL that Git LFS objects can be fetched from",
        };
        if url.chars().any(char::is_control) {
            return Err(bad());
        }
        if let Some((scheme, rest)) = url.split_once("://") {
            let known = ["file", "git", "http", "https", "ssh"].contains(&scheme);
            // A host that ssh would take for an option.
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            if known && !rest.starts_with('-') && !host.starts_with('-') {
                return Ok(url.to_owned());
            }
            return Err(bad());
        }
        let path = self.checkout_root().join(url);
        if path.is_dir() {
            let path = path.canonicalize().at("find", &path)?;
            let path = path.to_str().ok_or_else(bad)?;
            let path = utf8_percent_encode(path, IN_PATH);
            return Ok(format!("file://{path}"));
        }
        // ssh's short form; `ext::` and the like name programs.
        match url.split_once(':') {
            Some((host, path)) if !host.contains('/') && !path.starts_with(':') => {
                let plain = !host.starts_with('-') && !host.contains("@-");
                plain.then(|| url.to_owned()).ok_or_else(bad)
            }
            _ => Err(bad()),
        }
    }

    /// From where relative paths count in the configuration of the repository that was mirrored.
    fn checkout_root(&self) -> &Path {
        match self.local() {
            Some(git_dir) if git_dir.ends_with(".git") => git_dir.parent().unwrap_or(git_dir),
            Some(git_dir) => git_dir,
            None => &self.folder,
        }
    }

    /// Fetches into the repository of pointers. Not through git: when that is stopped, what it
    /// started goes on.
    fn git_lfs_fetch(&self, git_dir: &Path, url: &str) -> Command {
        let mut command = Command::new("git-lfs");
        for (name, value) in self.git.command().get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        // In the environment, where no other user can read it: a URL may hold a password.
        let settings = [
            ("remote.origin.url", url),
            ("lfs.basictransfersonly", "true"),
        ];
        for (number, (key, value)) in settings.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{number}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        command.env("GIT_DIR", git_dir).current_dir(git_dir);
        command.args(["fetch", "origin", BRANCH]);
        command
    }

    /// Makes a repository of one commit, in which every file is a pointer to a wanted object.
    fn make_pointers(&self, git_dir: &Path, objects: &[&LfsObject]) -> Result<(), GitError> {
        if git_dir.exists() {
            fs::remove_dir_all(git_dir).at("remove", git_dir)?;
        }
        let mut command = self.git.command();
        command.args(["init", "--quiet", "--bare", "--template="]);
        command.arg("--").arg(git_dir);
        Process::start(command, "making a repository")?.finish()?;
        let mut command = self.git.command();
        command.arg("--git-dir").arg(git_dir);
        command.args(["fast-import", "--quiet"]);
        let mut process = Process::start(command, "making pointers")?;
        let mut stdin = io::BufWriter::new(process.stdin()?);
        let written = write_pointers(&mut stdin, objects);
        drop(stdin);
        process.finish()?;
        written.map_err(|source| GitError::write("pointers", source))
    }
}

fn without_git_lfs(error: GitError) -> GitError {
    match error {
        GitError::NoGit { source } if source.kind() == io::ErrorKind::NotFound => {
            LfsError::NoGitLfs.into()
        }
        other => other,
    }
}

/// A stream for `git fast-import`.
fn write_pointers(out: &mut impl Write, objects: &[&LfsObject]) -> io::Result<()> {
    write!(
        out,
        "commit refs/heads/{BRANCH}\ncommitter dhfpack <> 0 +0000\ndata 0\n"
    )?;
    for object in objects {
        let pointer = LfsPointer {
            oid: object.oid,
            size: object.size,
        };
        let text = pointer.to_string();
        writeln!(out, "M 100644 inline {}", object.oid)?;
        writeln!(out, "data {}\n{text}", text.len())?;
    }
    out.flush()
}

/// What `git lfs` said, without the user name and password of the URL, in whatever form.
fn without_secret(error: GitError, url: &str) -> GitError {
    let GitError::Failed {
        doing,
        status,
        stderr,
    } = error
    else {
        return error;
    };
    let mut stderr = without_userinfos(&stderr);
    for secret in secrets(url) {
        stderr = stderr.replace(&secret, "…");
    }
    GitError::Failed {
        doing,
        status,
        stderr,
    }
}

/// The password of a URL, or the token that stands in its place, as written and as meant.
fn secrets(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Vec::new();
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let secret = match authority.rsplit_once('@') {
        Some((userinfo, _)) => match userinfo.split_once(':') {
            Some((_, password)) => password,
            // For ssh it is a name such as `git`.
            None if scheme.starts_with("http") => userinfo,
            None => "",
        },
        None => "",
    };
    let decoded = percent_decode_str(secret).decode_utf8_lossy();
    let both = [secret.to_owned(), decoded.into_owned()];
    both.into_iter().filter(|one| !one.is_empty()).collect()
}

/// A text in which no URL has a user name or password.
fn without_userinfos(text: &str) -> String {
    let mut parts = text.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let ends = |c: char| c == '/' || c.is_whitespace() || "\"'`<>".contains(c);
        let authority = part.split(ends).next().unwrap_or_default();
        let start = authority.rfind('@').map_or(0, |at| at + 1);
        clean.push_str("://");
        clean.push_str(&part[start..]);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_in_whatever_form_it_stands() {
        let said = |stderr: &str, url: &str| {
            let error = GitError::Failed {
                doing: "x",
                status: "exit status: 2".to_owned(),
                stderr: stderr.to_owned(),
            };
            without_secret(error, url).to_string()
        };
        for (stderr, url) in [
            (
                "https://ci:s3cret@host/a.git/info/lfs: failed",
                "https://ci:s3cret@host/a.git",
            ),
            (
                "\"https://ci:s3cret!@host/a\"",
                "https://ci:s3cret%21@host/a",
            ),
            (
                "login as ci with s3cret! refused",
                "https://ci:s3cret%21@host/a",
            ),
            (
                "https://s3cret@host/x; token s3cret",
                "https://s3cret@host/x",
            ),
        ] {
            let text = said(stderr, url);
            assert!(!text.contains("s3cret"), "{text}");
        }
        let text = said("ssh://git@host/a: git refused", "ssh://git@host/a");
        assert!(text.contains("ssh://host/a: git refused"), "{text}");
    }
}
