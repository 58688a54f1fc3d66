//! The commits of other repositories that a release's tree names.
//!
//! What a submodule is called decides only where its repository is looked for: its content is
//! pinned by the commit's id in the tree that names it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::access::{RemoteAccess, is_same_server};
use super::error::{GitError, printable};
use super::{Commit, FileKind, Mirror, Repository, without_userinfo};
use crate::config::is_remote_url;
use crate::monitor::Monitor;

mod gitmodules;
mod local;
mod pinned;
mod url;

use gitmodules::{Entry, Gitmodules};

/// How many submodules may lie inside one another, and how many there may be: far more than any
/// product has, and few enough for every build.
const MOST_DEEP: usize = 16;
const MOST: usize = 1000;

/// A submodule, at any depth, with a mirror that holds its pinned commit.
#[derive(Debug)]
pub struct Submodule {
    /// Its path from the top of the release's tree, through other submodules where it is nested.
    pub path: String,
    /// Its URL as `.gitmodules` has it, without what looks like a password.
    pub url: String,
    /// Its repository.
    pub mirror: Mirror,
    /// The commit that is pinned.
    pub commit: Commit,
}

impl Mirror {
    /// The submodules of a commit's tree and those inside them, by byte order of path, each with
    /// a mirror in a new folder below `work`.
    ///
    /// Their repositories are those of the checkout that this is a mirror of. What is missing
    /// there is fetched where a `remote` is given, the URL against which the relative ones count;
    /// else it is [`GitError::SubmoduleMissing`].
    pub fn submodules(
        &self,
        commit: &str,
        remote: Option<&str>,
        work: &Path,
        monitor: &dyn Monitor,
    ) -> Result<Vec<Submodule>, GitError> {
        let mut finder = Finder {
            work,
            monitor,
            remote,
            access: self.git.access(),
            mirrors: HashMap::new(),
            attempts: 0,
            found: Vec::new(),
        };
        let top = Level {
            mirror: self,
            commit,
            path: "",
            url: remote.map(str::to_owned),
            depth: 0,
        };
        finder.look_into(&top)?;
        finder.found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(finder.found)
    }
}

/// A tree that may name submodules.
struct Level<'a> {
    mirror: &'a Mirror,
    commit: &'a str,
    /// Its path with a slash at the end, empty for the release's own tree.
    path: &'a str,
    /// Where it would be fetched from.
    url: Option<String>,
    depth: usize,
}

struct Finder<'a> {
    work: &'a Path,
    monitor: &'a dyn Monitor,
    remote: Option<&'a str>,
    access: &'a RemoteAccess,
    /// By commit, so that one pinned at many paths is mirrored once.
    mirrors: HashMap<String, Mirror>,
    attempts: usize,
    found: Vec<Submodule>,
}

impl Finder<'_> {
    fn look_into(&mut self, level: &Level<'_>) -> Result<(), GitError> {
        let files = level.mirror.files(level.commit)?;
        let mut gitlinks = files
            .into_iter()
            .filter(|file| file.kind == FileKind::Submodule)
            .peekable();
        if gitlinks.peek().is_none() {
            return Ok(());
        }
        if level.depth == MOST_DEEP {
            return Err(GitError::SubmoduleCount {
                limit: MOST_DEEP,
                what: " inside one another",
            });
        }
        let listed = Gitmodules::read(level.mirror, level.commit)?;
        for gitlink in gitlinks {
            let path = format!("{}{}", level.path, printable(&gitlink.path));
            let Ok(below) = String::from_utf8(gitlink.path) else {
                return Err(GitError::SubmodulePath { path });
            };
            if self.found.len() == MOST {
                return Err(GitError::SubmoduleCount {
                    limit: MOST,
                    what: "",
                });
            }
            let found = self.find(level, &below, listed.entry(&below), &gitlink.object);
            let (submodule, url) = found.map_err(|error| match error {
                cancelled @ GitError::Cancelled(_) => cancelled,
                source => GitError::Submodule {
                    path,
                    commit: gitlink.object,
                    source: Box::new(source),
                },
            })?;
            self.look_into(&Level {
                mirror: &submodule.mirror,
                commit: &submodule.commit.id,
                path: &format!("{}/", submodule.path),
                url,
                depth: level.depth + 1,
            })?;
            self.found.push(submodule);
        }
        Ok(())
    }

    /// The submodule at the path `below` of a tree, and where it would be fetched from.
    fn find(
        &mut self,
        level: &Level<'_>,
        below: &str,
        entry: Option<&Entry>,
        commit: &str,
    ) -> Result<(Submodule, Option<String>), GitError> {
        let entry = entry.ok_or(GitError::SubmoduleUnlisted)?;
        // Needed only where something has to be fetched: what is at hand may have any URL.
        let url = level.url.as_ref();
        let url = url.and_then(|parent| url::resolve(parent, &entry.url));
        let repositories = match &level.mirror.local {
            Some(parent) => local::repositories(parent, below, &entry.name)?,
            None => Vec::new(),
        };
        let mirror = self.mirror_of(repositories, url.as_deref(), entry, commit)?;
        let submodule = Submodule {
            path: format!("{}{below}", level.path),
            url: shown(&entry.url),
            commit: mirror.commit(commit)?,
            mirror,
        };
        Ok((submodule, url))
    }

    /// A mirror with the commit, from the first of the repositories that has it, or from the URL.
    fn mirror_of(
        &mut self,
        repositories: Vec<Repository>,
        url: Option<&str>,
        entry: &Entry,
        commit: &str,
    ) -> Result<Mirror, GitError> {
        if let Some(known) = self.mirrors.get(commit) {
            return Ok(known.again(repositories.into_iter().next()));
        }
        let mut lack = GitError::SubmoduleMissing {
            url: shown(&entry.url),
        };
        let mut nearest = None;
        for repository in repositories {
            nearest.get_or_insert_with(|| repository.clone());
            if let Err(error) = repository.require_complete() {
                lack = error.or_remote();
                continue;
            }
            let into = self.folder();
            let mirror =
                pinned::from_local(repository, commit, self.access.clone(), &into, self.monitor)?;
            if let Some(mirror) = mirror {
                return Ok(self.keep(commit, mirror));
            }
        }
        let Some(remote) = self.remote else {
            return Err(lack);
        };
        let allowed = |url: &str| is_remote_url(url) && (!is_file(url) || is_file(remote));
        let Some(url) = url.filter(|url| allowed(url)) else {
            return Err(GitError::SubmoduleUrl {
                url: shown(url.unwrap_or(&entry.url)),
            });
        };
        // The tree names the server, and may name anybody's.
        let access = if is_same_server(url, remote) {
            self.access.clone()
        } else {
            self.access.without_passwords()
        };
        let mirror = pinned::from_url(url, commit, access, &self.folder(), self.monitor)?;
        Ok(self.keep(commit, mirror.again(nearest)))
    }

    fn keep(&mut self, commit: &str, mirror: Mirror) -> Mirror {
        let kept = mirror.again(mirror.local.clone());
        self.mirrors.insert(commit.to_owned(), kept);
        mirror
    }

    fn folder(&mut self) -> PathBuf {
        self.attempts += 1;
        self.work.join(self.attempts.to_string())
    }
}

/// A URL in the tree of a product may not name files of the machine that builds it, unless the
/// product itself comes from there.
fn is_file(url: &str) -> bool {
    url.starts_with("file:")
}

/// What stands before the host of a web address is a secret; ssh needs its user name.
fn shown(url: &str) -> String {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let has_password = authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':'));
    if url.starts_with("http") || has_password {
        return without_userinfo(url);
    }
    url.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_recorded_without_its_password() {
        for (url, expected) in [
            ("https://token@h/a", "https://h/a"),
            ("ssh://ci:secret@h/a", "ssh://h/a"),
            ("ssh://git@h/a", "ssh://git@h/a"),
            ("git@h:a", "git@h:a"),
            ("../a", "../a"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }
}
