//! Tags, commits, and the dates and names inside them.

use std::process::Command;

use jiff::Timestamp;

use super::Mirror;
use super::command::Process;
use super::error::{GitError, printable};
use super::object::{ObjectReader, is_object_id};
use crate::toml_file::closest;

/// How many tags may point at one another before the commit: one is usual.
const TAG_DEPTH: usize = 8;
/// How many tags a message names.
const TAGS_SHOWN: usize = 5;
/// The longest answer about references that is read.
const ANSWER_LIMIT: u64 = 64 * 1024 * 1024;

/// A release tag and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name, without `refs/tags/`.
    pub name: String,
    /// Id of the tag object, or of the commit for a lightweight tag.
    pub object: String,
    /// Id of the commit.
    pub commit: String,
    /// Id of the commit's tree.
    pub tree: String,
    /// The tagger's date; the committer's for a lightweight tag or one without a tagger.
    pub date: Timestamp,
    /// Whether there is a tag object, with a date, an author and perhaps a signature of its own.
    pub annotated: bool,
}

/// A commit and its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The commit's id.
    pub id: String,
    /// Id of its tree.
    pub tree: String,
}

impl Mirror {
    /// The tag whose name is exactly `name`. Fails with [`GitError::NoTag`] if there is none, and
    /// with [`GitError::TagName`] if its tag object was made under another name.
    pub fn tag(&self, name: &str) -> Result<Tag, GitError> {
        require_plain(name, "a tag's name")?;
        let object = tag_in(self.command(), name)?.ok_or_else(|| self.no_tag(name))?;
        let mut objects = self.objects()?;
        let (mut kind, mut bytes) = objects.record(&object)?;
        let mut date = None;
        let mut commit = object.clone();
        for _ in 0..TAG_DEPTH {
            if kind != "tag" {
                break;
            }
            if date.is_none() {
                require_name(name, &bytes)?;
                date = header(&bytes, "tagger").map(|line| date_of(&commit, line));
            }
            commit = id_in(&commit, &bytes, "object")?;
            (kind, bytes) = objects.record(&commit)?;
        }
        if kind != "commit" {
            return Err(GitError::TagTarget {
                name: name.to_owned(),
                kind,
            });
        }
        let date = match date {
            Some(date) => date?,
            None => date_of(&commit, header(&bytes, "committer").unwrap_or_default())?,
        };
        Ok(Tag {
            name: name.to_owned(),
            annotated: object != commit,
            object,
            tree: id_in(&commit, &bytes, "tree")?,
            commit,
            date,
        })
    }

    /// Refuses `tag` if the clone at hand has another one of that name: where a clone lacks history
    /// and its remote is read instead, both must mean the same release. A clone that has the bare
    /// commit under that name, as some CI systems fetch it, agrees.
    pub fn require_same_tag(&self, tag: &Tag) -> Result<(), GitError> {
        let Some(local) = &self.local else {
            return Ok(());
        };
        let mut command = self.git.command();
        // Listing references starts nothing that the configuration names.
        command.arg("--git-dir").arg(&local.git_dir);
        match tag_in(command, &tag.name)? {
            Some(id) if id != tag.object && id != tag.commit => Err(GitError::TagMoved {
                repository: local.root.display().to_string(),
                name: tag.name.clone(),
                remote: self.name.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The commit that a branch, a tag or an object id names.
    pub fn commit(&self, rev: &str) -> Result<Commit, GitError> {
        require_plain(rev, "a branch, tag or commit")?;
        let mut command = self.command();
        command
            .args(["rev-parse", "--quiet", "--verify", "--end-of-options"])
            .arg(format!("{rev}^{{commit}}"));
        let answer = Process::start(command, "resolving a revision")?.capture(ANSWER_LIMIT);
        let id = match answer {
            Ok(answer) => String::from_utf8_lossy(&answer).trim().to_owned(),
            Err(GitError::Failed { .. }) => {
                return Err(GitError::NoRevision {
                    repository: self.name.clone(),
                    rev: rev.to_owned(),
                });
            }
            Err(error) => return Err(error),
        };
        self.commit_at(&mut self.objects()?, id)
    }

    fn commit_at(&self, objects: &mut ObjectReader, id: String) -> Result<Commit, GitError> {
        let (kind, bytes) = objects.record(&id)?;
        if kind != "commit" {
            return Err(GitError::NoRevision {
                repository: self.name.clone(),
                rev: id,
            });
        }
        let tree = id_in(&id, &bytes, "tree")?;
        Ok(Commit { id, tree })
    }

    fn no_tag(&self, name: &str) -> GitError {
        let mut command = self.command();
        command.args([
            "for-each-ref",
            "--sort=-creatordate",
            "--format=%(refname:lstrip=2)",
            "refs/tags/",
        ]);
        let answer = Process::start(command, "listing the tags")
            .and_then(|process| process.capture(ANSWER_LIMIT));
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return error,
        };
        let text = String::from_utf8_lossy(&answer);
        let existing = match closest(name, text.lines()) {
            Some(tag) => vec![tag.to_owned()],
            None => text.lines().take(TAGS_SHOWN).map(str::to_owned).collect(),
        };
        GitError::NoTag {
            repository: self.name.clone(),
            name: name.to_owned(),
            existing,
        }
    }

    /// The bytes of a tag or commit.
    pub(super) fn record(&self, object: &str) -> Result<Vec<u8>, GitError> {
        let mut objects = self.objects()?;
        Ok(objects.record(object)?.1)
    }
}

/// The object of the tag, asked of a git command on a repository.
fn tag_in(mut command: Command, name: &str) -> Result<Option<String>, GitError> {
    let reference = format!("refs/tags/{name}");
    command.args(["for-each-ref", "--format=%(objectname) %(refname)"]);
    command.arg(&reference);
    // The pattern also matches tags in a folder of that name.
    let answer = Process::start(command, "looking for a tag")?.capture(ANSWER_LIMIT)?;
    let text = String::from_utf8_lossy(&answer);
    let found = text.lines().filter_map(|line| line.split_once(' '));
    Ok(found
        .filter(|(id, found)| *found == reference && is_object_id(id))
        .map(|(id, _)| id.to_owned())
        .next())
}

/// Refuses a name that git could read as an option or as an expression, see git-check-ref-format.
fn require_plain(name: &str, expected: &'static str) -> Result<(), GitError> {
    let special = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let plain = !name.is_empty()
        && !name.starts_with(['-', '/'])
        && !name.ends_with(['/', '.'])
        && !name.contains(special)
        && !["..", "@{", "//"].iter().any(|part| name.contains(part));
    if plain {
        return Ok(());
    }
    Err(GitError::BadName {
        name: name.to_owned(),
        expected,
    })
}

fn require_name(name: &str, tag: &[u8]) -> Result<(), GitError> {
    let inside = header(tag, "tag").unwrap_or_default();
    if inside == name.as_bytes() {
        return Ok(());
    }
    Err(GitError::TagName {
        name: name.to_owned(),
        inside: printable(inside),
    })
}

/// The value of a header line of a commit or tag; the headers end at the first empty line.
pub(super) fn header<'a>(record: &'a [u8], name: &str) -> Option<&'a [u8]> {
    record
        .split(|byte| *byte == b'\n')
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b" "))
}

fn id_in(object: &str, record: &[u8], name: &str) -> Result<String, GitError> {
    header(record, name)
        .and_then(|value| std::str::from_utf8(value).ok())
        .filter(|value| is_object_id(value))
        .map(str::to_owned)
        .ok_or_else(|| GitError::Malformed {
            object: object.to_owned(),
            expected: "an object id in its header",
        })
}

/// The seconds since 1970 in `Name <address> SECONDS ZONE`.
pub(super) fn date_of(object: &str, person: &[u8]) -> Result<Timestamp, GitError> {
    let text = String::from_utf8_lossy(person);
    let seconds = text
        .rsplit_once('>')
        .and_then(|(_, date)| date.split_ascii_whitespace().next()?.parse::<u64>().ok())
        .and_then(|seconds| i64::try_from(seconds).ok());
    seconds
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .ok_or_else(|| GitError::Malformed {
            object: object.to_owned(),
            expected: "a date in its header",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_git_reads_as_more_than_a_name_are_refused() {
        for name in [
            "", "-v1", "v1^{}", "v1~2", "HEAD@{1}", ":/fix", "a..b", "a b", "a\n", "*",
        ] {
            assert!(require_plain(name, "a tag's name").is_err(), "{name:?}");
        }
        for name in ["v2.4.0", "release/2.4", "größe", "1f2e"] {
            assert!(require_plain(name, "a tag's name").is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_header_is_not_looked_for_in_the_message() {
        let record = b"object x\n\ntagger A <a> 1 +0000\n";
        assert_eq!(header(record, "tagger"), None);
    }

    #[test]
    fn a_date_stands_after_the_last_angle_bracket() {
        let date = date_of("x", b"A > 5 <a@b> 1700000000 +0100").unwrap();
        assert_eq!(date.as_second(), 1_700_000_000);
        for person in [
            "A <a> -5 +0000",
            "A <a>",
            "",
            "A <a> 99999999999999999 +0000",
        ] {
            assert!(date_of("x", person.as_bytes()).is_err(), "{person}");
        }
    }
}
