//! Writing what the plan lists: images, bundle and documents at the same time, each byte once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::inputs::Inputs;
use super::{BuildError, Request};
use crate::archive::Staging;
use crate::config::ImageConfig;
use crate::digest::Sha256;
use crate::manifest::{FileEntry, ImageIdentity, Origin};
use crate::monitor::{Linked, Monitor, Task, Unit};
use crate::path::ArchivePath;
use crate::plan::{Content, Item, Plan};
use crate::seal::Written;
use crate::source::documents::Library;
use crate::source::image::registry::RegistryImage;
use crate::source::image::{self, ImageSource};

mod attributes;
mod lfs;
mod source;

pub(super) use source::submodules;

/// Writes everything the plan lists into the staging folder.
pub(super) fn write(
    inputs: &Inputs,
    plan: &Plan,
    library: &Library<'_>,
    staging: &Staging,
    request: &Request,
    monitor: &dyn Monitor,
) -> Result<Written, BuildError> {
    // When one part fails, the others stop too.
    let linked = Linked::new(monitor);
    let writer = Writer {
        inputs,
        plan,
        library,
        staging,
        request,
        monitor: &linked,
    };
    // What failed first is what to tell: the others fail because they were asked to stop.
    let failure = Mutex::new(None);
    let told = |part: Result<Written, BuildError>| match part {
        Ok(part) => part,
        Err(error) => {
            let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(error);
            linked.stop();
            Written::default()
        }
    };
    let written = std::thread::scope(|scope| {
        // The engine prepares an export for seconds before its first byte: so images begin first.
        let images = scope.spawn(|| told(writer.images()));
        let git = scope.spawn(|| told(writer.git()));
        let lfs = scope.spawn(|| told(writer.lfs()));
        let documents = told(writer.documents());
        join(images).and(join(git)).and(join(lfs)).and(documents)
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(written),
    }
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    match thread.join() {
        Ok(value) => value,
        // A bug in a worker is this thread's bug too.
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

struct Writer<'a> {
    inputs: &'a Inputs,
    plan: &'a Plan,
    library: &'a Library<'a>,
    staging: &'a Staging,
    request: &'a Request,
    monitor: &'a dyn Monitor,
}

impl Writer<'_> {
    fn images(&self) -> Result<Written, BuildError> {
        let mut written = Written::default();
        for item in &self.plan.items {
            if let Content::Image(image) = &item.content {
                written = written.and(self.image(item, image)?);
            }
        }
        Ok(written)
    }

    fn image(&self, item: &Item, config: &ImageConfig) -> Result<Written, BuildError> {
        let fail = |source| BuildError::Image {
            name: config.name.clone(),
            source,
        };
        let source = self.image_source(config).map_err(fail)?;
        let into = self.staging.folder(&item.path)?;
        let fetched = image::fetch(
            &source,
            &config.platforms,
            self.request.locations.engine.as_deref(),
            &into,
            self.monitor,
        )
        .map_err(fail)?;
        let (version, commit) = (
            &self.inputs.config().release.version,
            &self.inputs.tag.commit,
        );
        let mut written = Written::default();
        for image in &fetched.images {
            image::check_labels(image, version, commit).map_err(fail)?;
        }
        let ids: Vec<String> = fetched.images.iter().map(|i| i.id.to_string()).collect();
        let ids = ids.join(" ");
        for file in fetched.files {
            let path = item
                .path
                .join(&file.path)
                .map_err(crate::archive::ArchiveError::from)?;
            let mut entry = entry(path, file.size, file.sha256, &item.slot, Origin::Input);
            if file.generated {
                entry.origin = Origin::Generated;
                entry.identity.insert("image_id".to_owned(), ids.clone());
            }
            if let Some(uncompressed) = file.uncompressed {
                entry
                    .identity
                    .insert("uncompressed_sha256".to_owned(), uncompressed.to_string());
            }
            written.files.push(entry);
        }
        let repo_digests = fetched.repo_digests.join(" ");
        if !repo_digests.is_empty() {
            written.observations.insert(
                format!("image {} repository digests", config.name),
                repo_digests,
            );
        }
        for image in fetched.images {
            written.images.push(ImageIdentity {
                name: config.name.clone(),
                folder: item.path.clone(),
                id: image.id,
                diff_ids: image.diff_ids,
                blobs: image.blobs,
                manifest: image.manifest,
                index: fetched.index,
                platform: image.platform,
                labels: image.labels,
            });
        }
        Ok(written)
    }

    /// The source given on the command line, or the configured one from the checkout's folder.
    fn image_source(&self, config: &ImageConfig) -> Result<ImageSource, image::ImageError> {
        let locations = &self.request.locations;
        let source = if let Some(given) = locations.images.get(&config.name) {
            given.parse()?
        } else {
            let configured = self.inputs.config().with_version(&config.source);
            let configured: ImageSource = configured.parse()?;
            configured.below(&self.inputs.folder)
        };
        Ok(match source {
            ImageSource::Registry(image) => ImageSource::Registry(RegistryImage {
                access: locations.registries.clone(),
                ..image
            }),
            other => other,
        })
    }

    fn git(&self) -> Result<Written, BuildError> {
        // Here, while the engine prepares its export, it costs no time.
        self.inputs.report_checkout(self.monitor)?;
        let mut written = Written {
            export_ignore: attributes::list(self.inputs, self.monitor)?,
            ..Written::default()
        };
        for item in &self.plan.items {
            written.files.push(match &item.content {
                Content::Bundle => self.bundle(item)?,
                Content::Submodule(pinned) => self.submodule(item, &pinned.commit)?,
                Content::SourceTree => self.source_tree(item)?,
                _ => continue,
            });
        }
        written.observations.insert(
            "git version".to_owned(),
            self.inputs.source().git_version()?,
        );
        Ok(written)
    }

    fn documents(&self) -> Result<Written, BuildError> {
        let mut written = Written::default();
        let mut desk = self.library.desk();
        let total = self.plan.items.iter().map(|item| match &item.content {
            Content::Document { found, .. } => found.size,
            _ => 0,
        });
        let task = Task::begin(self.monitor, "documents", Some(total.sum()), Unit::Bytes);
        for item in &self.plan.items {
            match &item.content {
                Content::Document { place, found } => {
                    let mut writer = self.staging.create(&item.path)?;
                    desk.copy(place, found, &mut task.writer(&mut writer))?;
                    let file = writer.finish()?;
                    let mut entry =
                        entry(file.path, file.size, file.sha256, &item.slot, Origin::Input);
                    entry.document = self.library.record(place, found);
                    written.files.push(entry);
                }
                Content::Note(text) => {
                    let mut writer = self.staging.create(&item.path)?;
                    std::io::Write::write_all(&mut writer, text.as_bytes()).map_err(|source| {
                        crate::error::IoError {
                            action: "write",
                            path: PathBuf::from(item.path.as_str()),
                            source,
                        }
                    })?;
                    let file = writer.finish()?;
                    let mut entry = entry(
                        file.path,
                        file.size,
                        file.sha256,
                        &item.slot,
                        Origin::Generated,
                    );
                    let says = self.plan.slots.iter().find(|slot| slot.id == item.slot);
                    let says = crate::seal::json(&says)?;
                    entry
                        .identity
                        .insert("facts_sha256".to_owned(), Sha256::of(&says).to_string());
                    written.files.push(entry);
                }
                Content::Bundle
                | Content::Submodule(_)
                | Content::SourceTree
                | Content::Lfs
                | Content::Image(_) => {}
            }
        }
        super::environment::write(self.inputs, self.plan, self.staging, &mut written)?;
        Ok(written)
    }
}

fn entry(path: ArchivePath, size: u64, sha256: Sha256, slot: &str, origin: Origin) -> FileEntry {
    FileEntry {
        path,
        size,
        sha256,
        slot: Some(slot.to_owned()),
        origin,
        identity: BTreeMap::new(),
        document: None,
    }
}
