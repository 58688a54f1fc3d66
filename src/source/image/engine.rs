//! Exporting an image from the Docker Engine, as a stream.

use std::io::{self, Read};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as EngineError;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, timeout_at};

use super::canonical::Canonical;
use super::config::digest;
use super::{Fetched, ImageError, docker_tar};
use crate::digest::Sha256;
use crate::error::{Cancelled, IoContext};
use crate::monitor::Task;
use crate::platform;

/// Requests are stopped by the monitor, not by the clock: an engine may prepare an export for
/// minutes before its first byte.
const TIMEOUT: Duration = Duration::from_hours(7 * 24);
/// How often a wait looks whether it should stop.
const TICK: Duration = Duration::from_millis(50);
/// Chunks of the stream that may wait: a few hundred KiB.
const WAITING: usize = 16;
/// How much of the stream's end is kept: an engine that fails half-way writes its error there.
const TAIL: usize = 4096;
/// How long a broken stream is read on, in case it ends in an error message.
const PATIENCE: Duration = Duration::from_secs(1);

/// Exports the image that `reference` names from the engine at `address`, and writes it in its
/// canonical form.
pub(super) fn export(
    reference: &str,
    address: Option<&str>,
    canonical: &mut Canonical,
    task: &Task<'_>,
) -> Result<Fetched, ImageError> {
    let address = address.unwrap_or(platform::DOCKER_ENGINE);
    let runtime = Background::start().at("start a thread for", address)?;
    let docker = connect(address, &runtime, task)?;
    let (id, mut repo_digests) = inspect(&docker, address, reference, &runtime, task)?;
    let mut stream = Stream::begin(docker, &runtime, format!("sha256:{id}"), task);
    let image = docker_tar::read(&mut stream, id, canonical, task);
    let mut image = image.map_err(|error| stream.explain(reference, error))?;
    repo_digests.sort();
    image.repo_digests = repo_digests;
    Ok(image)
}

/// The runtime in which the engine's client works. Dropped, it waits for nothing: an engine that
/// hangs must not keep the program from ending.
pub(super) struct Background {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Background {
    /// What runs in it.
    pub(super) const fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(super) fn start() -> io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(super) fn connect(
    address: &str,
    runtime: &Background,
    task: &Task<'_>,
) -> Result<Docker, ImageError> {
    let no_engine = |source| ImageError::NoEngine {
        address: address.to_owned(),
        source,
    };
    let docker = Docker::connect_with_host(address).map_err(no_engine)?;
    let docker = docker.with_timeout(TIMEOUT);
    wait(runtime, task, docker.negotiate_version())?.map_err(no_engine)
}

/// The image's id, and the digests under which registries have it.
fn inspect(
    docker: &Docker,
    address: &str,
    reference: &str,
    runtime: &Background,
    task: &Task<'_>,
) -> Result<(Sha256, Vec<String>), ImageError> {
    let image = wait(runtime, task, docker.inspect_image(reference))?;
    let image = image.map_err(|error| match error {
        EngineError::DockerResponseServerError {
            status_code: 404, ..
        } => ImageError::NoImage {
            address: address.to_owned(),
            reference: reference.to_owned(),
        },
        error => refused(reference, error),
    })?;
    let id = digest("the engine's answer", &image.id.unwrap_or_default())?;
    Ok((id, image.repo_digests.unwrap_or_default()))
}

/// What the engine's failure means: it says why it refuses, or the connection broke.
fn refused(reference: &str, error: EngineError) -> ImageError {
    let reference = reference.to_owned();
    match error {
        EngineError::DockerResponseServerError { message, .. } => {
            ImageError::Engine { reference, message }
        }
        source => ImageError::Broken { reference, source },
    }
}

/// Waits for an answer, looking now and then whether to stop.
pub(super) fn wait<T>(
    runtime: &Background,
    task: &Task<'_>,
    answer: impl Future<Output = T>,
) -> Result<T, Cancelled> {
    runtime.handle.block_on(async {
        tokio::pin!(answer);
        loop {
            match tokio::time::timeout(TICK, &mut answer).await {
                Ok(value) => return Ok(value),
                Err(_) => task.advance(0)?,
            }
        }
    })
}

type Chunk = Result<Bytes, EngineError>;

/// The export as a reader.
struct Stream<'a> {
    runtime: &'a Background,
    task: &'a Task<'a>,
    chunks: Receiver<Chunk>,
    current: Bytes,
    tail: Vec<u8>,
    /// Why there is no more, if it is not the end.
    failure: Option<Failure>,
}

enum Failure {
    Engine(EngineError),
    Cancelled,
}

impl<'a> Stream<'a> {
    fn begin(docker: Docker, runtime: &'a Background, id: String, task: &'a Task<'a>) -> Self {
        let (sender, chunks) = channel(WAITING);
        runtime.handle.spawn(async move {
            let mut export = docker.export_image(&id);
            while let Some(chunk) = export.next().await {
                // Nobody listens any more once reading failed.
                if sender.send(chunk).await.is_err() {
                    break;
                }
            }
        });
        Self {
            runtime,
            task,
            chunks,
            current: Bytes::new(),
            tail: Vec::new(),
            failure: None,
        }
    }

    /// Takes the next chunk as the current one; empty at the end.
    fn advance(&mut self) -> Result<(), Failure> {
        let chunk = match self.chunks.try_recv() {
            Ok(chunk) => Some(chunk),
            Err(_) => wait(self.runtime, self.task, self.chunks.recv())
                .map_err(|Cancelled| Failure::Cancelled)?,
        };
        self.accept(chunk)
    }

    fn accept(&mut self, chunk: Option<Chunk>) -> Result<(), Failure> {
        let chunk = chunk.transpose().map_err(Failure::Engine)?;
        self.current = chunk.unwrap_or_default();
        let end = self.current.len().saturating_sub(TAIL);
        self.tail.extend_from_slice(&self.current[end..]);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
        Ok(())
    }

    /// Says what was behind a failure to understand the stream: a stop, a broken connection, or
    /// an error message where the tar should go on.
    fn explain(&mut self, reference: &str, error: ImageError) -> ImageError {
        match self.failure.take() {
            Some(Failure::Cancelled) => return Cancelled.into(),
            Some(Failure::Engine(error)) => return refused(reference, error),
            None => {}
        }
        let reference = reference.to_owned();
        if matches!(error, ImageError::Cancelled(_) | ImageError::Io(_)) {
            return error;
        }
        match self.last_words() {
            Some(message) => ImageError::Engine { reference, message },
            None => ImageError::BadStream {
                reference,
                source: Box::new(error),
            },
        }
    }

    /// The error message at the end of the stream, which may still be on its way.
    fn last_words(&mut self) -> Option<String> {
        let until = Instant::now() + PATIENCE;
        while message(&self.tail).is_none() {
            let chunks = &mut self.chunks;
            let chunk = async { timeout_at(until, chunks.recv()).await };
            match wait(self.runtime, self.task, chunk) {
                Ok(Ok(Some(chunk))) => self.accept(Some(chunk)).ok()?,
                _ => break,
            }
        }
        message(&self.tail)
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty()
            && let Err(failure) = self.advance()
        {
            self.failure = Some(failure);
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let count = buffer.len().min(self.current.len());
        buffer[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}

/// The error message in JSON that a stream ends with, if it does: engines write
/// `{"message": …}` or `{"errorDetail": …, "error": …}` behind what they sent before.
fn message(tail: &[u8]) -> Option<String> {
    let tail = tail.trim_ascii_end();
    let mut starts = tail.iter().enumerate().filter(|(_, byte)| **byte == b'{');
    starts.find_map(|(at, _)| {
        let value: Value = serde_json::from_slice(&tail[at..]).ok()?;
        let text = value.get("message").or_else(|| value.get("error"))?;
        Some(text.as_str()?.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_behind_half_a_tar_is_found() {
        assert_eq!(
            message(b"\0\0{\"message\":\"no space\"}\n").as_deref(),
            Some("no space")
        );
        assert_eq!(
            message(b"{\"errorDetail\":{\"x\":1},\"error\":\"gone\"}").as_deref(),
            Some("gone")
        );
        assert_eq!(message(b"{\"architecture\":\"amd64\"}"), None);
        assert_eq!(message(b"{\"message\":\"of a layer\"}\0\0"), None);
    }
}
