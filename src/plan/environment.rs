//! Which lock files and SBOMs belong to the build environment.

use std::collections::BTreeMap;

use super::glob::{self, Glob};
use super::{Content, Found, FoundKind, Place, Plan, PlanError, own};
use crate::config::{BuildEnvironmentConfig, Config, SbomConfig};
use crate::path::{ArchivePath, PathSet};
use crate::toml_file::{Step, TomlText};

/// The files of the build environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Lock files to copy from the source tree, by byte order of path.
    pub lock_files: Vec<LockItem>,
    /// Where the configured SBOMs are in the archive, in the order of the configuration.
    pub sboms: Vec<SbomItem>,
}

/// A lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockItem {
    /// Its path in the archive.
    pub path: ArchivePath,
    /// Its path from the top of the source tree, through submodules.
    pub source: String,
    /// The release's repository, or a submodule by its path.
    pub place: Place,
    /// The file there.
    pub found: Found,
}

/// An SBOM that a slot archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SbomItem {
    /// Its path in the archive.
    pub path: ArchivePath,
    /// What the configuration says of it.
    pub config: SbomConfig,
}

impl Plan {
    /// Finds the files of the build environment: lock files among `sources`, which has the files
    /// of the release's repository at the tag and of each submodule by its path; SBOMs among what
    /// the slots archive.
    ///
    /// `base` is the folder in the repository from which globs count, empty for the root.
    pub fn add_environment(
        &mut self,
        config: &Config,
        text: &TomlText,
        base: &str,
        sources: &BTreeMap<Place, Vec<Found>>,
    ) -> Result<(), PlanError> {
        let Some(environment) = &config.build_environment else {
            return Ok(());
        };
        let mut problems = Vec::new();
        let lock_files = lock_files(environment, text, base, sources, &mut problems);
        self.check_paths(&lock_files, &mut problems);
        let mut sboms = Vec::new();
        for (index, sbom) in environment.sboms.iter().enumerate() {
            let at = [
                Step::Key("build_environment"),
                Step::Key("sbom"),
                Step::Index(index),
                Step::Key("file"),
            ];
            match self.sbom(config, base, sbom) {
                Ok(path) => sboms.push(SbomItem {
                    path,
                    config: sbom.clone(),
                }),
                Err(problem) => {
                    problems.push(format!(
                        "{}: SBOM {:?}: {problem}",
                        text.place(&at),
                        sbom.file
                    ));
                }
            }
        }
        if !problems.is_empty() {
            return Err(PlanError::Documents { problems });
        }
        self.environment = Environment { lock_files, sboms };
        Ok(())
    }

    /// Lock files lie beside what slots hold, whose folders a layout chooses.
    fn check_paths(&self, lock_files: &[LockItem], problems: &mut Vec<String>) {
        let mut paths = PathSet::default();
        let others = self.items.iter().map(|item| item.path.as_str());
        for path in own::ALL.into_iter().chain(others) {
            // What collides there has been told already.
            let _ = paths.insert(path);
        }
        for file in lock_files {
            if let Err(collision) = paths.insert(file.path.as_str()) {
                problems.push(format!("lock file {}: {collision}", file.source));
            }
        }
    }

    /// The one archived document that an SBOM's glob finds.
    fn sbom(&self, config: &Config, base: &str, sbom: &SbomConfig) -> Result<ArchivePath, String> {
        let pattern = config.with_version(&sbom.file);
        let (place, glob) = match pattern.split_once(':') {
            Some((name, glob)) => (Place::Named(name.to_owned()), Glob::parse("", glob)?),
            None => (Place::Product, Glob::parse(base, &pattern)?),
        };
        let mut archived = self.items.iter().filter_map(|item| match &item.content {
            Content::Document { place: from, found } if *from == place => {
                glob.matches(&found.path).then_some((&item.path, found))
            }
            _ => None,
        });
        let Some((path, first)) = archived.next() else {
            return Err(
                "no slot archives such a file; add it to the `files` of a slot, usually records.sbom"
                    .to_owned(),
            );
        };
        match archived.find(|(_, found)| found.path != first.path) {
            Some((_, other)) => Err(format!(
                "it finds both {:?} and {:?}; name each SBOM in an entry of its own",
                first.path, other.path
            )),
            None => Ok(path.clone()),
        }
    }
}

fn lock_files(
    environment: &BuildEnvironmentConfig,
    text: &TomlText,
    base: &str,
    sources: &BTreeMap<Place, Vec<Found>>,
    problems: &mut Vec<String>,
) -> Vec<LockItem> {
    let files: Vec<(String, &Place, &Found)> = sources
        .iter()
        .flat_map(|(place, files)| files.iter().map(move |found| (place, found)))
        .map(|(place, found)| (full_path(place, &found.path), place, found))
        .collect();
    let mut items = BTreeMap::new();
    for (number, pattern) in environment.lock_files.iter().enumerate() {
        let at = [
            Step::Key("build_environment"),
            Step::Key("lock_files"),
            Step::Index(number),
        ];
        let mut problem = |what: &str| {
            problems.push(format!(
                "{}: lock_files = [{pattern:?}]: {what}",
                text.place(&at)
            ));
        };
        let glob = match Glob::parse(base, pattern) {
            Ok(glob) => glob,
            Err(what) => {
                problem(&what);
                continue;
            }
        };
        let mut any = false;
        for (path, place, found) in files.iter().filter(|(path, ..)| glob.matches(path)) {
            any = true;
            if let FoundKind::Irregular(what) = found.kind {
                problem(&format!("{} is {what}", path.escape_debug()));
                continue;
            }
            match format!("{}/{path}", own::BUILD_ENVIRONMENT).parse::<ArchivePath>() {
                Ok(archived) => {
                    items.insert(
                        archived.clone(),
                        LockItem {
                            path: archived,
                            source: path.clone(),
                            place: (*place).clone(),
                            found: (*found).clone(),
                        },
                    );
                }
                Err(error) => problem(&format!("{error}; rename it")),
            }
        }
        if !any {
            let paths = files.iter().map(|(path, ..)| path.as_str());
            let hint = glob::hint(&glob, pattern, paths);
            problem(&format!(
                "it matches none of the {} files of the source tree at the tag{hint}",
                files.len()
            ));
        }
    }
    items.into_values().collect()
}

fn full_path(place: &Place, path: &str) -> String {
    match place {
        Place::Product => path.to_owned(),
        Place::Named(submodule) => format!("{submodule}/{path}"),
    }
}
