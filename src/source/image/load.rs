//! Loading an archived image into an engine for a moment, to see what the engine makes of it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bollard::query_parameters::{ImportImageOptions, RemoveImageOptionsBuilder};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::ImageError;
use super::client::{Client, EngineError, within};
use super::config::blob;
use super::engine::connect;
use super::readback::{ImageFolder, Parts, open};
use crate::background::Background;
use crate::digest::{BUFFER, Sha256};
use crate::error::IoContext;
use crate::monitor::Task;

/// Pieces of the tar that may wait.
const WAITING: usize = 4;
/// How often a wait looks whether it should stop.
const TICK: Duration = Duration::from_millis(50);
/// How long the engine may take to remove a name, even after a stop was asked for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an engine made of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// It calls it by its image id.
    SameId,
    /// It calls it by the digest of its manifest, as engines with a containerd store do.
    SameManifest,
    /// It calls it by this digest, which is neither.
    Other(Sha256),
}

/// An engine that images can be loaded into.
pub struct Engine {
    runtime: Background,
    client: Client,
    address: String,
}

impl Engine {
    /// Fails with [`ImageError::NoEngine`] if none answers at this address.
    pub fn connect(address: &str, task: &Task<'_>) -> Result<Self, ImageError> {
        let runtime = Background::start().at("start a thread for", address)?;
        let client = connect(address, &runtime, task.monitor())?;
        Ok(Self {
            runtime,
            client,
            address: address.to_owned(),
        })
    }

    /// Loads the image from its folder under a name that nobody else has, asks the engine for its
    /// id, and takes the name away again. An image that the engine has already stays, with all
    /// its names.
    pub fn try_load(
        &self,
        folder: &dyn ImageFolder,
        parts: &Parts,
        task: &Task<'_>,
    ) -> Result<Loaded, ImageError> {
        let id = format!("sha256:{}", parts.config);
        // With the only name of an image the image itself would go: one without any gets none.
        let before = self.inspect(&id, parts, task)?;
        let name = match before {
            Some(Known {
                has_name: false, ..
            }) => None,
            _ => Some(temporary_name(parts)?),
        };
        let _unnamed = name.as_deref().map(|name| Temporary { engine: self, name });
        self.load(folder, parts, name.as_deref(), task)?;
        let loaded = self.inspect(name.as_deref().unwrap_or(&id), parts, task)?;
        let found = loaded.ok_or_else(|| {
            self.not_loaded(
                parts,
                "it says that it loaded the image, and does not have it",
            )
        })?;
        Ok(match found.id {
            id if id == parts.config => Loaded::SameId,
            id if id == parts.manifest => Loaded::SameManifest,
            other => Loaded::Other(other),
        })
    }

    fn inspect(
        &self,
        name: &str,
        parts: &Parts,
        task: &Task<'_>,
    ) -> Result<Option<Known>, ImageError> {
        let image = match self
            .runtime
            .wait(task.monitor(), self.client.inspect(name))?
        {
            Ok(image) => image,
            Err(EngineError::Refused { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(self.not_loaded(parts, &error.to_string())),
        };
        Ok(Some(Known {
            id: image.id()?,
            has_name: image.has_name(),
        }))
    }

    fn load(
        &self,
        folder: &dyn ImageFolder,
        parts: &Parts,
        name: Option<&str>,
        task: &Task<'_>,
    ) -> Result<(), ImageError> {
        let (sender, receiver) = channel(WAITING);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let mut pipe = Pipe {
                sender,
                handle: self.runtime.handle(),
                stop: &stop,
                buffer: Vec::with_capacity(BUFFER),
                is_refused: false,
            };
            let writer = scope.spawn(move || {
                let written = write_tar(folder, parts, name, task, &mut pipe);
                // Not the end of a tar, but a broken one: the engine must not take it for whole.
                pipe.end(written)
            });
            let mut post = std::pin::pin!(self.post(receiver));
            let answer = self.runtime.wait(task.monitor(), post.as_mut());
            if answer.is_err() && writer.is_finished() {
                // It has the whole image, and would name it after the name was taken away.
                let named = async { tokio::time::timeout(PATIENCE, post).await };
                let _ = self.runtime.handle().block_on(named);
            }
            stop.store(true, Ordering::Relaxed);
            let written = match writer.join() {
                Ok(written) => written,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            let answer = answer?;
            match (written, answer) {
                (Ok(()), Ok(())) => Ok(()),
                // What the archive could not give is the cause of what the engine then says.
                (Err(error), _) => Err(error),
                (Ok(()), Err(message)) => Err(self.not_loaded(parts, &message)),
            }
        })
    }

    async fn post(&self, tar: Receiver<io::Result<Bytes>>) -> Result<(), String> {
        let tar = futures_util::stream::unfold(tar, |mut tar| async move {
            let piece = tar.recv().await?;
            Some((piece, tar))
        });
        let options = ImportImageOptions::default();
        let docker = self.client.large(None).map_err(|error| error.to_string())?;
        let mut answers = Box::pin(docker.import_image_stream(options, tar, None));
        while let Some(answer) = answers.next().await {
            let answer = answer.map_err(|error| error.to_string())?;
            if let Some(detail) = answer.error_detail {
                return Err(detail.message.unwrap_or_default());
            }
        }
        Ok(())
    }

    fn not_loaded(&self, parts: &Parts, message: &str) -> ImageError {
        ImageError::NotLoaded {
            address: self.address.clone(),
            id: parts.config,
            message: message.to_owned(),
        }
    }
}

/// What the engine knows of an image.
struct Known {
    id: Sha256,
    has_name: bool,
}

/// A name that was given to an image for a moment.
struct Temporary<'e> {
    engine: &'e Engine,
    name: &'e str,
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        let options = RemoveImageOptionsBuilder::default().noprune(true).build();
        let client = &self.engine.client;
        let removal =
            async { within(client.small()?.remove_image(self.name, Some(options), None)).await };
        // It may not be there, and a name left behind does no harm but to tidiness.
        let _ = self
            .engine
            .runtime
            .handle()
            .block_on(async { tokio::time::timeout(PATIENCE, removal).await });
    }
}

fn temporary_name(parts: &Parts) -> Result<String, ImageError> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(io::Error::other)
        .at("draw random numbers for", "a temporary name")?;
    let random = u64::from_le_bytes(random);
    let id = parts.config.to_string();
    Ok(format!("dhfpack-restore-{random:016x}:{}", &id[..12]))
}

/// Writes the image as engines load it: by `manifest.json` or, with a containerd store, by
/// `index.json`, both of which name this image alone.
fn write_tar(
    folder: &dyn ImageFolder,
    parts: &Parts,
    name: Option<&str>,
    task: &Task<'_>,
    out: &mut dyn Write,
) -> Result<(), ImageError> {
    let manifest_path = blob(&parts.manifest);
    let manifest_size = folder.size(&manifest_path).unwrap_or_default();
    let layers: Vec<String> = parts.layers.iter().map(blob).collect();
    let annotations: BTreeMap<&str, String> = name
        .into_iter()
        .map(|name| {
            (
                "io.containerd.image.name",
                format!("docker.io/library/{name}"),
            )
        })
        .collect();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": parts.media_type,
            "digest": format!("sha256:{}", parts.manifest),
            "size": manifest_size,
            "annotations": annotations,
        }],
    });
    let tags: Vec<&str> = name.into_iter().collect();
    let config = blob(&parts.config);
    let docker = json!([{ "Config": config, "RepoTags": tags, "Layers": layers }]);
    let layout = json!({ "imageLayoutVersion": "1.0.0" });
    for (path, value) in [
        ("oci-layout", &layout),
        ("index.json", &index),
        ("manifest.json", &docker),
    ] {
        let bytes = value.to_string();
        add(path, bytes.len() as u64, &mut bytes.as_bytes(), task, out)?;
    }
    let mut paths = vec![config, manifest_path];
    paths.extend(layers);
    let mut added = std::collections::BTreeSet::new();
    for path in paths {
        if added.insert(path.clone()) {
            let size = folder.size(&path).unwrap_or_default();
            add(&path, size, &mut *open(folder, &path)?, task, out)?;
        }
    }
    out.write_all(&[0; 1024])
        .and_then(|()| out.flush())
        .map_err(|error| super::layer::read_error("the tar for the engine", &error))
}

fn add(
    path: &str,
    size: u64,
    content: &mut dyn Read,
    task: &Task<'_>,
    out: &mut dyn Write,
) -> Result<(), ImageError> {
    let copy = || -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_path(path)?;
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        out.write_all(header.as_bytes())?;
        let copied = crate::digest::copy(&mut task.reader(content), out)?;
        if copied != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let padding = usize::try_from((512 - size % 512) % 512).map_err(io::Error::other)?;
        out.write_all(&[0; 512][..padding])
    };
    copy().map_err(|error| super::layer::read_error(path, &error))
}

/// Hands what is written to the engine's client, in pieces.
struct Pipe<'a> {
    sender: Sender<io::Result<Bytes>>,
    handle: &'a Handle,
    stop: &'a AtomicBool,
    buffer: Vec<u8>,
    /// Whether the engine takes no more: then what it answers tells why.
    is_refused: bool,
}

impl Pipe<'_> {
    fn send(&mut self, piece: io::Result<Bytes>) -> io::Result<()> {
        let permit = loop {
            if self.stop.load(Ordering::Relaxed) {
                self.is_refused = true;
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let waiting = async { tokio::time::timeout(TICK, self.sender.reserve()).await };
            match self.handle.block_on(waiting) {
                Ok(Ok(permit)) => break permit,
                Ok(Err(_)) => {
                    self.is_refused = true;
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                Err(_) => {}
            }
        };
        permit.send(piece);
        Ok(())
    }

    /// What became of writing, as far as the archive goes: an engine that takes no more is not
    /// its fault.
    fn end(mut self, written: Result<(), ImageError>) -> Result<(), ImageError> {
        if self.is_refused {
            return Ok(());
        }
        if written.is_err() {
            // If nobody listens any more, that is the end too.
            let _ = self.send(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        written
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(BUFFER));
        if full.is_empty() {
            return Ok(());
        }
        self.send(Ok(full.into()))
    }
}
