//! Container images: from an engine, a `docker save` tar or an OCI layout, into one canonical OCI
//! layout folder; from a registry, byte for byte into one.
//!
//! In both, the config is kept verbatim, so its digest stays the image id. In the canonical form
//! layers are stored uncompressed under their `diff_ids`, and everything else follows from these.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::digest::Sha256;
use crate::monitor::Monitor;

mod address;
mod archive;
mod canonical;
mod client;
mod compression;
mod config;
mod descriptor;
mod docker_tar;
mod engine;
mod error;
mod inspect;
mod layer;
mod listing;
mod load;
mod oci;
mod raw;
mod readback;
pub mod registry;
mod tar_entries;
mod tls;

pub use client::EngineError;
pub use error::ImageError;
pub use load::{Engine, Loaded};
pub use readback::{ImageFolder, Parts, read_back};

use canonical::Canonical;
use registry::{Access, RegistryImage};

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// From the Docker Engine, by name, id or digest.
    Docker(String),
    /// From a tar as `docker save` writes it, plain or packed as a whole; of several images in it
    /// the one with this name.
    DockerArchive(PathBuf, Option<String>),
    /// From an OCI image layout: a folder, or a tar of one.
    Oci(PathBuf),
    /// From a registry.
    Registry(RegistryImage),
}

impl FromStr for ImageSource {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        match text.split_once(':') {
            Some(("docker", reference)) if is_reference(reference) => {
                Ok(Self::Docker(reference.to_owned()))
            }
            Some(("docker-archive", rest)) => archive::parse(rest).ok_or_else(|| bad(text)),
            Some(("registry", reference)) => Ok(Self::Registry(RegistryImage {
                reference: reference.parse()?,
                access: Access::default(),
            })),
            Some(("oci", path)) if !path.is_empty() => Ok(Self::Oci(path.into())),
            _ => Err(bad(text)),
        }
    }
}

impl ImageSource {
    /// The same, with a path that is not absolute taken from `folder`.
    #[must_use]
    pub fn below(self, folder: &Path) -> Self {
        match self {
            Self::DockerArchive(path, reference) => {
                Self::DockerArchive(folder.join(path), reference)
            }
            Self::Oci(path) => Self::Oci(folder.join(path)),
            other @ (Self::Docker(_) | Self::Registry(_)) => other,
        }
    }
}

fn bad(text: &str) -> ImageError {
    ImageError::BadSource {
        text: text.to_owned(),
    }
}

/// The characters of an image's name, tag, digest or id; nothing that could lead a request
/// to the engine elsewhere.
fn is_reference(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"./:@_-".contains(&byte);
    !text.is_empty()
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !text.contains("..")
        && text.bytes().all(allowed)
}

/// What was written into an image's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The image, once for each platform.
    pub images: Vec<Image>,
    /// The digest of the registry's index, where one was kept.
    pub index: Option<Sha256>,
    /// The registry digests that the engine knows the image by: true of that engine only.
    pub repo_digests: Vec<String>,
    /// The files of the folder, by path.
    pub files: Vec<ImageFile>,
}

/// An archived image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The image id: the digest of its config.
    pub id: Sha256,
    /// The digests of its uncompressed layers, lowest first.
    pub diff_ids: Vec<Sha256>,
    /// The digests of its layers as stored; empty where these are the `diff_ids`.
    pub blobs: Vec<Sha256>,
    /// The digest of the registry's manifest, where it was kept.
    pub manifest: Option<Sha256>,
    /// As in "linux/amd64" or "linux/arm64/v8".
    pub platform: String,
    /// The labels in its config.
    pub labels: BTreeMap<String, String>,
}

/// A file of an archived image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Its path in the image's folder.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub sha256: Sha256,
    /// Whether it was made here, from the config and the layers.
    pub generated: bool,
    /// For a compressed layer, the digest of its uncompressed bytes.
    pub uncompressed: Option<Sha256>,
}

/// Writes the image into the folder `into`, which must not exist and is made. On any failure
/// nothing is left of it.
///
/// `platforms`, as in "linux/arm64", choose where the source has several; each must be there. With
/// none, the source must have one only. `engine` is the Docker Engine's address, if it is not at its usual socket.
pub fn fetch(
    source: &ImageSource,
    platforms: &[String],
    engine: Option<&str>,
    into: &Path,
    monitor: &dyn Monitor,
) -> Result<Fetched, ImageError> {
    match source {
        ImageSource::Docker(reference) => canonically(platforms, into, |canonical| {
            engine::export(reference, platforms, engine, canonical, monitor)
        }),
        ImageSource::DockerArchive(path, reference) => canonically(platforms, into, |canonical| {
            archive::read(path, reference.as_deref(), platforms, canonical, monitor)
        }),
        ImageSource::Oci(path) => canonically(platforms, into, |canonical| {
            oci::read(path, platforms, canonical, monitor)
        }),
        ImageSource::Registry(image) => registry::fetch(image, platforms, into, monitor),
    }
}

/// Writes what is read in its canonical form, and keeps it if it has the platforms asked for.
fn canonically(
    platforms: &[String],
    into: &Path,
    read: impl FnOnce(&mut Canonical) -> Result<Fetched, ImageError>,
) -> Result<Fetched, ImageError> {
    let mut canonical = Canonical::begin(into)?;
    let fetched = read(&mut canonical)?;
    require_platforms(
        platforms,
        fetched.images.iter().map(|image| &*image.platform),
    )?;
    canonical.keep();
    Ok(fetched)
}

/// Each platform asked for is there; where none is, any will do.
fn require_platforms<'a>(
    wanted: &[String],
    found: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), ImageError> {
    let is_found = |wanted: &&String| found.clone().any(|found| is_platform(wanted, found));
    match wanted.iter().find(|wanted| !is_found(wanted)) {
        None => Ok(()),
        Some(wanted) => Err(ImageError::OtherPlatform {
            wanted: wanted.clone(),
            found: found.collect::<Vec<_>>().join(", "),
        }),
    }
}

/// Whether `found` is the platform `wanted`, or a variant of it: "linux/arm64/v8" of
/// "linux/arm64".
fn is_platform(wanted: &str, found: &str) -> bool {
    let rest = found.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

const VERSION_LABEL: &str = "org.opencontainers.image.version";
const REVISION_LABEL: &str = "org.opencontainers.image.revision";

/// The shortest abbreviation of a commit id that git itself makes.
const SHORTEST_ID: usize = 7;

/// Compares the labels for version and revision, where the image has them, with the release.
/// A `v` before the version and an abbreviated commit id agree.
pub fn check_labels(image: &Image, version: &str, commit: &str) -> Result<(), ImageError> {
    let contradiction = |label: &'static str, found: &str, expected: &str| {
        Err(ImageError::Contradiction {
            label,
            found: found.to_owned(),
            expected: expected.to_owned(),
        })
    };
    if let Some(found) = image.labels.get(VERSION_LABEL)
        && found != version
        && found.strip_prefix('v') != Some(version)
    {
        return contradiction(VERSION_LABEL, found, version);
    }
    if let Some(found) = image.labels.get(REVISION_LABEL)
        && (found.len() < SHORTEST_ID || !commit.starts_with(found.as_str()))
    {
        return contradiction(REVISION_LABEL, found, commit);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_names_its_kind() {
        assert_eq!(
            "docker:infusion-monitor:2.4.0"
                .parse::<ImageSource>()
                .unwrap(),
            ImageSource::Docker("infusion-monitor:2.4.0".to_owned())
        );
        let registry = "registry:127.0.0.1:5000/monitor:2.4.0".parse::<ImageSource>();
        assert!(matches!(registry.unwrap(), ImageSource::Registry(_)));
        assert_eq!(
            "oci:dist/image".parse::<ImageSource>().unwrap(),
            ImageSource::Oci("dist/image".into())
        );
        let archive = |path: &str, name: Option<&str>| {
            ImageSource::DockerArchive(path.into(), name.map(str::to_owned))
        };
        for (text, source) in [
            ("docker-archive:a/b.tar", archive("a/b.tar", None)),
            ("docker-archive:b.tar:x:1", archive("b.tar", Some("x:1"))),
            ("docker-archive:C:\\b.tar", archive("C:\\b.tar", None)),
            ("docker-archive:C:/b.tar:x", archive("C:/b.tar", Some("x"))),
        ] {
            assert_eq!(text.parse::<ImageSource>().unwrap(), source);
        }
        for text in [
            "infusion-monitor:2.4.0",
            "docker-archive:",
            "docker-archive::x",
            "docker-archive:x:",
            "docker-archive:x:a?b",
            "docker:",
            "docker:../containers",
            "docker:a?b",
            "oci:",
            "registry:",
            "registry:monitor:2.4.0",
        ] {
            assert!(text.parse::<ImageSource>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_platform_without_a_variant_means_each_of_its_variants() {
        assert!(is_platform("linux/arm64", "linux/arm64"));
        assert!(is_platform("linux/arm64", "linux/arm64/v8"));
        assert!(!is_platform("linux/arm64/v8", "linux/arm64"));
        assert!(!is_platform("linux/arm", "linux/arm64"));
    }

    #[test]
    fn labels_that_contradict_the_release_are_refused() {
        let commit = "0123456789012345678901234567890123456789";
        let check = |label: &str, value: &str| {
            let image = Image {
                id: Sha256::of(b""),
                diff_ids: Vec::new(),
                platform: String::new(),
                labels: BTreeMap::from([(label.to_owned(), value.to_owned())]),
                blobs: Vec::new(),
                manifest: None,
            };
            check_labels(&image, "2.4.0", commit).is_ok()
        };
        assert!(check(VERSION_LABEL, "2.4.0") && check(VERSION_LABEL, "v2.4.0"));
        assert!(!check(VERSION_LABEL, "2.4.1") && !check(VERSION_LABEL, ""));
        assert!(check(REVISION_LABEL, commit) && check(REVISION_LABEL, "0123456"));
        assert!(!check(REVISION_LABEL, "012345") && !check(REVISION_LABEL, "1123456"));
    }
}
