//! The build environment: lock files are copied, SBOMs are read and held against the images.

use std::fs::File;

use miette::Diagnostic;
use thiserror::Error;

use super::BuildError;
use super::inputs::Inputs;
use crate::archive::Staging;
use crate::config::BuildEnvironmentConfig;
use crate::digest::Sha256;
use crate::error::IoContext;
use crate::manifest::{
    BuildEnvironment, BuilderImage, FileEntry, ImageIdentity, LockFile, Origin, SbomImage,
    SbomRecord, Tool,
};
use crate::monitor::Monitor;
use crate::path::ArchivePath;
use crate::plan::{Place, Plan, SbomItem};
use crate::sbom::{Contradiction, Identity, Link, Missing, Sbom, SbomError, Subject, link};
use crate::seal::Written;
use crate::source::documents::Library;

/// Why the build environment cannot be recorded.
#[derive(Debug, Error, Diagnostic)]
pub enum EnvironmentError {
    /// A file is no SBOM that can be read.
    #[error("the SBOM {path}")]
    Sbom {
        /// Its path in the archive.
        path: ArchivePath,
        /// What is wrong with it.
        #[source]
        #[diagnostic_source]
        source: SbomError,
    },
    /// An SBOM is about another image.
    #[error("the SBOM {path} does not describe the archived image")]
    OtherImage {
        /// Its path in the archive.
        path: ArchivePath,
        /// What contradicts.
        #[source]
        #[diagnostic_source]
        source: Contradiction,
    },
    /// An SBOM is of a platform that the image does not have.
    #[error(
        "the SBOM {path} describes platform {platform} of image `{image}`, which has {}",
        known.join(", ")
    )]
    #[diagnostic(help("name one of these as `platform`, or archive that platform as well"))]
    NoPlatform {
        /// Its path in the archive.
        path: ArchivePath,
        /// The image's name.
        image: String,
        /// The platform asked for.
        platform: String,
        /// The platforms archived.
        known: Vec<String>,
    },
    /// An SBOM lacks what the configuration requires.
    #[error("the SBOM {path} lacks minimum elements: {}", list(missing))]
    #[diagnostic(help(
        "let your tool add them, or set require_minimum_elements = false to have what is missing recorded instead"
    ))]
    Incomplete {
        /// Its path in the archive.
        path: ArchivePath,
        /// What it lacks.
        missing: Vec<Missing>,
    },
}

fn list(missing: &[Missing]) -> String {
    let texts: Vec<String> = missing.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Adds to a plan which files belong to the build environment.
pub(super) fn plan(inputs: &Inputs, plan: &mut Plan) -> Result<(), BuildError> {
    let base = match inputs.config().source.repository {
        // The configuration lies in another repository than the source.
        Some(_) => "",
        None => &inputs.resolved.base,
    };
    let sources = sources(inputs)?.listing();
    plan.add_environment(inputs.config(), &inputs.config_text, base, &sources)?;
    Ok(())
}

/// The source tree at the tag with its submodules, if lock files are looked for in it.
fn sources(inputs: &Inputs) -> Result<Library<'_>, BuildError> {
    let mut library = Library::default();
    let environment = inputs.config().build_environment.as_ref();
    if environment.is_none_or(|environment| environment.lock_files.is_empty()) {
        return Ok(library);
    }
    let submodules = inputs.submodules.iter();
    let submodules = submodules.map(|submodule| Place::Named(submodule.path.clone()));
    let places = std::iter::once(Place::Product).chain(submodules);
    for (place, (mirror, commit)) in places.zip(inputs.trees()) {
        library.add_git(place, mirror, commit)?;
    }
    Ok(library)
}

/// Copies the lock files, and reads the SBOMs that were written among the documents.
pub(super) fn write(
    inputs: &Inputs,
    plan: &Plan,
    staging: &Staging,
    written: &mut Written,
) -> Result<(), BuildError> {
    for item in &plan.environment.sboms {
        written.sboms.push(read(staging, item, inputs)?);
    }
    if plan.environment.lock_files.is_empty() {
        return Ok(());
    }
    let library = sources(inputs)?;
    let mut desk = library.desk();
    for item in &plan.environment.lock_files {
        let mut writer = staging.create(&item.path)?;
        desk.copy(&item.place, &item.found, &mut writer)?;
        let file = writer.finish()?;
        written.lock_files.push(LockFile {
            path: file.path.clone(),
            source: item.source.clone(),
            sha256: file.sha256,
            git_blob: item.found.key.clone(),
        });
        written.files.push(FileEntry {
            path: file.path,
            size: file.size,
            sha256: file.sha256,
            slot: None,
            origin: Origin::Input,
            identity: std::collections::BTreeMap::new(),
            document: None,
        });
    }
    Ok(())
}

fn read(staging: &Staging, item: &SbomItem, inputs: &Inputs) -> Result<(Sha256, Sbom), BuildError> {
    let place = staging.tree().join(item.path.as_str());
    let mut file = File::open(&place).at("open", &place)?;
    let (sha256, _) = Sha256::of_reader(&mut file).at("read", &place)?;
    let path = || item.path.clone();
    let sbom = Sbom::read(&mut file).map_err(|source| EnvironmentError::Sbom {
        path: path(),
        source,
    })?;
    let environment = inputs.config().build_environment.as_ref();
    let required = environment.is_some_and(|environment| environment.require_minimum_elements);
    if required && !sbom.missing.is_empty() {
        return Err(EnvironmentError::Incomplete {
            path: path(),
            missing: sbom.missing,
        }
        .into());
    }
    Ok((sha256, sbom))
}

/// What the manifest says of the build environment, once images and documents are written.
pub(super) fn record(
    inputs: &Inputs,
    plan: &Plan,
    written: &mut Written,
    monitor: &dyn Monitor,
) -> Result<Option<BuildEnvironment>, BuildError> {
    let Some(config) = &inputs.config().build_environment else {
        return Ok(None);
    };
    let mut sboms = Vec::new();
    let read = std::mem::take(&mut written.sboms);
    for (item, (sha256, sbom)) in plan.environment.sboms.iter().zip(read) {
        tell(item, &sbom, inputs, monitor);
        let image = match &item.config.image {
            Some(name) => Some(link_image(item, name, sbom.subject.as_ref(), written)?),
            None => None,
        };
        if let Some(image) = image.as_ref().filter(|image| image.link != Link::Digest) {
            let basis = image.link.describe();
            monitor.notice(&format!("the SBOM {} {basis}: `{}`", item.path, image.name));
        }
        sboms.push(SbomRecord {
            path: item.path.clone(),
            sha256,
            format: sbom.standard,
            format_version: sbom.version,
            subject: sbom.subject.map(|subject| subject.title),
            image,
            components: sbom.components,
            missing: sbom.missing,
        });
    }
    Ok(Some(BuildEnvironment {
        lock_files: std::mem::take(&mut written.lock_files),
        sboms,
        ..configured(config)
    }))
}

fn configured(config: &BuildEnvironmentConfig) -> BuildEnvironment {
    let images = config.images.iter().map(|image| BuilderImage {
        name: image.name.clone(),
        digest: image.digest.sha256(),
    });
    let tools = config.tools.iter().map(|tool| Tool {
        name: tool.name.clone(),
        version: tool.version.clone(),
    });
    BuildEnvironment {
        images: images.collect(),
        tools: tools.collect(),
        ..BuildEnvironment::default()
    }
}

/// Says what an SBOM lacks, and whether it is of another version.
fn tell(item: &SbomItem, sbom: &Sbom, inputs: &Inputs, monitor: &dyn Monitor) {
    let notice = |text: String| monitor.notice(&format!("the SBOM {} {text}", item.path));
    if !sbom.missing.is_empty() {
        notice(format!("lacks minimum elements: {}", list(&sbom.missing)));
    }
    let version = &inputs.config().release.version;
    let stated = sbom.subject.as_ref().and_then(|one| one.version.as_ref());
    if let Some(stated) = stated.filter(|stated| ![version, &inputs.tag.name].contains(stated)) {
        notice(format!(
            "is about version {stated}; the release is {version}"
        ));
    }
}

/// Holds an SBOM against the archived image: against the platform named, or else against each,
/// for an SBOM may be of one of them or of all.
fn link_image(
    item: &SbomItem,
    name: &str,
    subject: Option<&Subject>,
    written: &Written,
) -> Result<SbomImage, EnvironmentError> {
    let of_name = || written.images.iter().filter(|image| image.name == name);
    let platform = item.config.platform.as_deref();
    let mut links = Vec::new();
    for image in of_name().filter(|image| platform.is_none_or(|wanted| is_of(image, wanted))) {
        links.push(match subject {
            Some(subject) => link(subject, &identity(image, written)),
            None => Ok(Link::NoDigest),
        });
    }
    if let (true, Some(platform)) = (links.is_empty(), platform) {
        return Err(EnvironmentError::NoPlatform {
            path: item.path.clone(),
            image: name.to_owned(),
            platform: platform.to_owned(),
            known: of_name().map(|image| image.platform.clone()).collect(),
        });
    }
    let best = links.iter().flatten().min().copied();
    let link = match (best, links.into_iter().find_map(Result::err)) {
        (Some(link), _) => link,
        (None, Some(source)) => {
            return Err(EnvironmentError::OtherImage {
                path: item.path.clone(),
                source,
            });
        }
        (None, None) => Link::NoDigest,
    };
    Ok(SbomImage {
        name: name.to_owned(),
        platform: item.config.platform.clone(),
        link,
    })
}

/// `linux/arm64` is also `linux/arm64/v8`.
fn is_of(image: &ImageIdentity, wanted: &str) -> bool {
    let rest = image.platform.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The digests by which an SBOM may name an image; one that was made from the archive names the
/// manifest that was written for it.
fn identity(image: &ImageIdentity, written: &Written) -> Identity {
    let is_generated = |file: &&FileEntry| file.origin == Origin::Generated;
    let files = written.files.iter().filter(is_generated);
    let names = files.filter_map(|file| file.path.below(image.folder.as_str()));
    let blobs = names.filter_map(|name| name.strip_prefix("blobs/sha256/"));
    let manifests = blobs.filter_map(|name| name.parse().ok());
    Identity {
        shown: format!("{} ({})", image.name, image.platform),
        id: image.id,
        layers: image.diff_ids.clone(),
        manifest: image.manifest,
        others: image.index.into_iter().chain(manifests).collect(),
    }
}
