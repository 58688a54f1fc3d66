//! Images: read back from their folders, and loaded into an engine where there is one.

use std::error::Error as _;

use super::listed::{Below, Listed};
use super::{EngineAt, RestoreError, Restored};
use crate::finding::{Code, Finding};
use crate::manifest::{ImageIdentity, Manifest};
use crate::monitor::Task;
use crate::source::image::{Engine, ImageError, Loaded, Parts, read_back};

pub(super) fn restore(
    listed: &Listed<'_>,
    manifest: &Manifest,
    engine: &EngineAt,
    task: &Task<'_>,
    restored: &mut Restored,
) -> Result<(), RestoreError> {
    let mut whole = Vec::new();
    for image in &manifest.images {
        let below = Below {
            listed,
            folder: image.folder.as_str(),
        };
        let read = read_back(&below, image, task);
        listed.failure()?;
        match read {
            Ok(parts) => {
                restored.proved(part_of(image), read_proof(image));
                whole.push((image, below, parts));
            }
            Err(error) => restored.findings.push(finding(image, error)?),
        }
    }
    if whole.is_empty() {
        return Ok(());
    }
    let (address, is_required) = match engine {
        EngineAt::Required(address) => (address, true),
        EngineAt::IfThere(address) => (address, false),
    };
    let engine = match Engine::connect(address, task) {
        Ok(engine) => engine,
        Err(ImageError::NoEngine { .. }) if !is_required => {
            let note = format!("images were not loaded: no engine answers at {address}");
            restored.notes.push(note);
            return Ok(());
        }
        Err(error) => return Err(no_verdict(error)),
    };
    for (image, below, parts) in &whole {
        let loaded = engine.try_load(below, parts, task);
        listed.failure()?;
        match loaded {
            Ok(loaded) => judge(image, parts, loaded, restored),
            Err(error @ ImageError::NotLoaded { .. }) if !is_required => {
                restored.notes.push(error.to_string());
            }
            Err(error) => return Err(no_verdict(error)),
        }
    }
    Ok(())
}

fn part_of(image: &ImageIdentity) -> String {
    format!("image {} ({})", image.name, image.platform)
}

fn read_proof(image: &ImageIdentity) -> String {
    let layers = match image.diff_ids.len() {
        1 => "1 layer has its".to_owned(),
        count => format!("{count} layers have their"),
    };
    let registry = image.manifest.map_or_else(String::new, |digest| {
        format!("; the registry's manifest is sha256:{digest}")
    });
    format!(
        "read back: image id sha256:{}, {layers} diff_id{registry}",
        image.id
    )
}

fn judge(image: &ImageIdentity, parts: &Parts, loaded: Loaded, restored: &mut Restored) {
    match loaded {
        Loaded::SameId => restored.proved(
            part_of(image),
            format!("loaded: the engine calls it sha256:{}", image.id),
        ),
        Loaded::SameManifest => restored.proved(
            part_of(image),
            format!(
                "loaded: the engine calls it by its manifest, sha256:{}",
                parts.manifest
            ),
        ),
        Loaded::Other(found) => restored.findings.push(Finding::at(
            Code::ImageDiffers,
            image.folder.as_str(),
            format!(
                "sha256:{} is recorded, the engine loaded sha256:{found}",
                image.id
            ),
        )),
    }
}

/// What is wrong with an image; or the error, if that cannot be known.
fn finding(image: &ImageIdentity, error: ImageError) -> Result<Finding, RestoreError> {
    let code = match error {
        ImageError::Io(_) | ImageError::Cancelled(_) => return Err(no_verdict(error)),
        ImageError::Differs { .. } => Code::ImageDiffers,
        _ => Code::ImageNotRestorable,
    };
    let mut detail = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        detail = format!("{detail}: {error}");
        cause = error.source();
    }
    Ok(Finding::at(code, image.folder.as_str(), detail))
}

fn no_verdict(error: ImageError) -> RestoreError {
    match error {
        ImageError::Cancelled(cancelled) => cancelled.into(),
        error => RestoreError::Image(Box::new(error)),
    }
}
