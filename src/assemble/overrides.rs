//! What the command line says, taken into the configuration that is archived.

use std::path::Path;

use super::{AmendsOption, BuildError, ConfigSource, Request};
use crate::config::{Amended, Config, SOURCE};
use crate::source::image::ImageSource;

/// Takes the command line's names into the configuration, as far as they are content: a path of
/// this machine is not, so of an image's path only the last component stays.
pub(super) fn apply(request: &Request, config: &mut Config) -> Result<(), BuildError> {
    let locations = &request.locations;
    let images = config.images.iter().map(|entry| &entry.name);
    require("image", locations.images.keys(), images)?;
    let folders = config.folders.iter().map(|entry| &entry.name);
    require("folder", locations.folders.keys(), folders)?;
    let source = SOURCE.to_owned();
    let source = config.source.repository.as_ref().map(|_| &source);
    let repositories = config.repositories.iter().map(|entry| &entry.name);
    let repositories = repositories.chain(source);
    require("repository", locations.repositories.keys(), repositories)?;
    if matches!(request.config, ConfigSource::Archive(_)) {
        return Ok(());
    }
    if let Some(rev) = &request.records {
        config.records.rev = Some(rev.clone());
    }
    if let Some(option) = &request.amends {
        config.release.amends = Some(amended(option, config.release.amends.take())?);
    }
    for image in &mut config.images {
        if let Some(source) = locations.images.get(&image.name) {
            image.source = without_folder(source);
        }
    }
    Ok(())
}

/// What the command line says of an addendum, and what it leaves to the configuration.
fn amended(option: &AmendsOption, configured: Option<Amended>) -> Result<Amended, BuildError> {
    let (number, reason) = match configured {
        Some(configured) => (Some(configured.number), Some(configured.reason)),
        None => (None, None),
    };
    let reason = option.reason.clone().or(reason);
    Ok(Amended {
        manifest: option.manifest,
        number: option.number.or(number).unwrap_or(1),
        reason: reason
            .filter(|reason| !reason.trim().is_empty())
            .ok_or(BuildError::NoReason)?,
    })
}

/// Fails on a name given that the configuration does not know.
fn require<'a>(
    kind: &'static str,
    mut given: impl Iterator<Item = &'a String>,
    known: impl Iterator<Item = &'a String>,
) -> Result<(), BuildError> {
    let known: Vec<&str> = known.map(String::as_str).collect();
    match given.find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(BuildError::UnknownName {
            kind,
            name: name.clone(),
            known: match known.as_slice() {
                [] => format!("it names none: add a [[{kind}]]"),
                known => format!("it names {}", known.join(", ")),
            },
        }),
    }
}

fn without_folder(source: &str) -> String {
    match source.parse() {
        Ok(ImageSource::Oci(path)) => format!("oci:{}", last(&path)),
        Ok(ImageSource::DockerArchive(path, reference)) => {
            let reference = reference.map(|reference| format!(":{reference}"));
            let reference = reference.unwrap_or_default();
            format!("docker-archive:{}{reference}", last(&path))
        }
        _ => source.to_owned(),
    }
}

/// The last component, whichever system's path it is.
fn last(path: &Path) -> String {
    let separators = ['/', '\\'];
    let path = path.to_string_lossy();
    let path = path.trim_end_matches(separators);
    path.rsplit(separators).next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_path_of_this_machine_the_name_stays() {
        for (source, archived) in [
            ("oci:/tmp/job-17/image.tar", "oci:image.tar"),
            ("oci:image/", "oci:image"),
            ("oci:C:\\jobs\\image", "oci:image"),
            ("docker-archive:a/b.tar", "docker-archive:b.tar"),
            ("docker-archive:a/b.tar:x/y:1", "docker-archive:b.tar:x/y:1"),
            ("docker:registry/pump:2.4.0", "docker:registry/pump:2.4.0"),
        ] {
            assert_eq!(without_folder(source), archived);
        }
    }
}
