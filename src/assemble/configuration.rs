//! Which configuration counts: from a file, from an archive, or from the repository at the
//! records' revision.

use std::path::{Path, PathBuf};

use super::{BuildError, ConfigSource, Request};
use crate::config::{Config, FILE_NAME};
use crate::error::IoContext;
use crate::manifest::Records;
use crate::monitor::Monitor;
use crate::plan::own;
use crate::source::git::{GitError, Mirror, Repository};
use crate::toml_file::TomlText;

/// The largest configuration, layout or allowed signers file read.
const LARGEST_TEXT: u64 = 16 * 1024 * 1024;

/// A configuration and where it was read.
pub(super) struct Configuration {
    pub(super) config: Config,
    /// As read.
    pub(super) text: TomlText,
    /// Its folder in the repository, empty for the root.
    pub(super) base: String,
    pub(super) records: Records,
    /// The tag to archive.
    pub(super) tag: String,
}

impl Configuration {
    /// The path in the repository of a file that the configuration names.
    pub(super) fn path_of(&self, written: &str) -> String {
        let below = written.trim_start_matches("./");
        match (written.strip_prefix('/'), self.base.as_str()) {
            (Some(rooted), _) => rooted.to_owned(),
            (None, "") => below.to_owned(),
            (None, base) => format!("{base}/{below}"),
        }
    }
}

/// Finds, reads and checks the configuration.
pub(super) fn read(
    request: &Request,
    repository: &Repository,
    mirror: &Mirror,
    monitor: &dyn Monitor,
) -> Result<Configuration, BuildError> {
    match &request.config {
        ConfigSource::Archive(archived) => Ok(Configuration {
            config: archived.resolved.config.clone(),
            text: TomlText {
                name: own::CONFIG.to_owned(),
                text: archived.text.clone(),
            },
            base: archived.resolved.base.clone(),
            records: Records {
                // The branch may have moved on, or be gone; the commit counts.
                commit: mirror.commit(&archived.records.commit)?.id,
                rev: archived.records.rev.clone(),
            },
            tag: expected_tag(request.tag.as_deref(), &archived.resolved.config)?,
        }),
        ConfigSource::File(file) => {
            let text = named(file.display().to_string(), read_file(file)?);
            let config = Config::parse(&text)?;
            let tag = expected_tag(request.tag.as_deref(), &config)?;
            let given = request.records.as_ref().or(config.records.rev.as_ref());
            let rev = given.unwrap_or(&tag).clone();
            Ok(Configuration {
                records: Records {
                    commit: commit_of(mirror, &rev, &tag)?,
                    rev,
                },
                base: base_of(file, &repository.root),
                config,
                text,
                tag,
            })
        }
        ConfigSource::Repository => at_revision(request, repository, mirror, monitor),
    }
}

/// The configuration as it is now, before any revision can be read; none without a checkout.
pub(super) fn at_hand(
    request: &Request,
    repository: &Repository,
) -> Result<Option<Config>, BuildError> {
    let text = match &request.config {
        ConfigSource::Archive(archived) => return Ok(Some(archived.resolved.config.clone())),
        ConfigSource::File(file) => named(file.display().to_string(), read_file(file)?),
        ConfigSource::Repository => {
            match Search::begin(&request.repository, repository)?.checkout {
                Some((path, file)) => named(path, read_file(&file)?),
                None => return Ok(None),
            }
        }
    };
    Ok(Some(Config::parse(&text)?))
}

/// The configuration at the records' revision. Which revision that is stands on the command
/// line, or in the configuration at the tag, or, when no tag was named, in the checkout's.
fn at_revision(
    request: &Request,
    repository: &Repository,
    mirror: &Mirror,
    monitor: &dyn Monitor,
) -> Result<Configuration, BuildError> {
    let search = Search::begin(&request.repository, repository)?;
    let (rev, wanted) = match (&request.records, &request.tag) {
        (Some(rev), tag) => (rev.clone(), tag.clone()),
        (None, Some(tag)) => (search.records_of(mirror, tag)?, Some(tag.clone())),
        (None, None) => {
            let config = Config::parse(&search.current(mirror)?)?;
            let tag = config.tag();
            let rev = config.records.rev.unwrap_or_else(|| tag.clone());
            (rev, Some(tag))
        }
    };
    let commit = commit_of(mirror, &rev, wanted.as_deref().unwrap_or_default())?;
    let (path, text) = search.read_at(mirror, &rev, &commit)?;
    let config = Config::parse(&text)?;
    if let Ok(current) = std::fs::read_to_string(repository.root.join(&path))
        && current != text.text
    {
        monitor.notice(&format!(
            "{path} in the checkout differs from the one at `{rev}`; the one at `{rev}` counts"
        ));
    }
    Ok(Configuration {
        tag: expected_tag(wanted.as_deref(), &config)?,
        base: parent(&path),
        config,
        text,
        records: Records { rev, commit },
    })
}

/// The commit of the records' revision; a tag to be archived is looked for among tags only, so
/// that nothing else of that name takes its place.
fn commit_of(mirror: &Mirror, rev: &str, tag: &str) -> Result<String, BuildError> {
    if rev == tag {
        return Ok(mirror.tag(tag)?.commit);
    }
    Ok(mirror.commit(rev)?.id)
}

/// The tag to archive; one that was asked for must be the configured version's.
fn expected_tag(asked: Option<&str>, config: &Config) -> Result<String, BuildError> {
    let expected = config.tag();
    match asked {
        Some(tag) if tag != expected => Err(BuildError::TagIsNotVersion {
            tag: tag.to_owned(),
            version: config.release.version.clone(),
            expected,
        }),
        _ => Ok(expected),
    }
}

/// Where in the repository the configuration is looked for.
struct Search {
    /// Paths in the repository, the nearest to where the search began first.
    paths: Vec<String>,
    /// The nearest that the checkout has.
    checkout: Option<(String, PathBuf)>,
    /// Whether there is no checkout at all.
    is_bare: bool,
    start: PathBuf,
}

impl Search {
    fn begin(start: &Path, repository: &Repository) -> Result<Self, BuildError> {
        let start = start.canonicalize().at("open", start)?;
        let root = repository
            .root
            .canonicalize()
            .at("open", &repository.root)?;
        // A bare repository has no checkout: there the root of its tree is where to look.
        if repository.root == repository.git_dir {
            return Ok(Self {
                paths: vec![FILE_NAME.to_owned()],
                checkout: None,
                is_bare: true,
                start,
            });
        }
        let files: Vec<PathBuf> = start
            .ancestors()
            .take_while(|folder| folder.starts_with(&root))
            .map(|folder| folder.join(FILE_NAME))
            .collect();
        let path_of = |file: &PathBuf| slashed(file.strip_prefix(&root).unwrap_or(file));
        let nearest = files.iter().find(|file| file.is_file());
        Ok(Self {
            paths: files.iter().map(path_of).collect(),
            checkout: nearest.map(|file| (path_of(file), file.clone())),
            is_bare: false,
            start,
        })
    }

    /// The records' revision that goes with a tag: what the configuration at the tag names, or
    /// else the tag. Where the tag is in another repository, the checkout's configuration says.
    fn records_of(&self, mirror: &Mirror, tag: &str) -> Result<String, BuildError> {
        let missing = match mirror.tag(tag) {
            Ok(found) => {
                let (_, text) = self.read_at(mirror, tag, &found.commit)?;
                let named = Config::parse(&text)?.records.rev;
                return Ok(named.unwrap_or_else(|| tag.to_owned()));
            }
            Err(error) => error,
        };
        let config = Config::parse(&self.current(mirror)?)?;
        match (config.source.repository, config.records.rev) {
            (Some(_), Some(rev)) => Ok(rev),
            _ => Err(missing.into()),
        }
    }

    /// The configuration as it is now: in the checkout, or without one at `HEAD`.
    fn current(&self, mirror: &Mirror) -> Result<TomlText, BuildError> {
        if let Some((path, file)) = &self.checkout {
            return Ok(named(path.clone(), read_file(file)?));
        }
        match mirror.commit("HEAD") {
            Ok(head) => Ok(self.read_at(mirror, "HEAD", &head.id)?.1),
            // A repository without a commit.
            Err(GitError::NoRevision { .. }) => Err(self.nothing("HEAD")),
            Err(error) => Err(error.into()),
        }
    }

    /// The configuration at a revision, with its path. One that the checkout has must be there;
    /// without one, the nearest that is there counts.
    fn read_at(
        &self,
        mirror: &Mirror,
        rev: &str,
        commit: &str,
    ) -> Result<(String, TomlText), BuildError> {
        if let Some((path, _)) = &self.checkout {
            let text = read_text(mirror, rev, commit, path)?;
            return Ok((path.clone(), named(format!("{path} at {rev}"), text)));
        }
        for path in &self.paths {
            match read_text(mirror, rev, commit, path) {
                Err(BuildError::NotAtRevision { .. }) => {}
                Err(error) => return Err(error),
                Ok(text) => return Ok((path.clone(), named(format!("{path} at {rev}"), text))),
            }
        }
        Err(self.nothing(rev))
    }

    fn nothing(&self, rev: &str) -> BuildError {
        if self.is_bare {
            return BuildError::NoConfigInBare {
                file: FILE_NAME,
                start: self.start.clone(),
                rev: rev.to_owned(),
            };
        }
        BuildError::NoConfig {
            file: FILE_NAME,
            start: self.start.clone(),
        }
    }
}

/// A text file of the repository at a commit that `rev` names.
pub(super) fn read_text(
    mirror: &Mirror,
    rev: &str,
    commit: &str,
    path: &str,
) -> Result<String, BuildError> {
    let bytes =
        mirror
            .read(commit, path, LARGEST_TEXT)?
            .ok_or_else(|| BuildError::NotAtRevision {
                path: path.to_owned(),
                rev: rev.to_owned(),
            })?;
    String::from_utf8(bytes).map_err(|_| BuildError::NotText {
        path: path.to_owned(),
        rev: rev.to_owned(),
    })
}

fn read_file(file: &Path) -> Result<String, BuildError> {
    Ok(std::fs::read_to_string(file).at("read", file)?)
}

fn named(name: String, text: String) -> TomlText {
    TomlText { name, text }
}

/// The folder of a configuration file, as a path in the repository; the root if it lies outside.
fn base_of(file: &Path, root: &Path) -> String {
    let below = match (file.canonicalize(), root.canonicalize()) {
        (Ok(file), Ok(root)) => file.strip_prefix(&root).map(slashed).unwrap_or_default(),
        _ => String::new(),
    };
    parent(&below)
}

fn parent(path: &str) -> String {
    path.rsplit_once('/')
        .map(|(folder, _)| folder.to_owned())
        .unwrap_or_default()
}

fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}
