//! Exporting an image from the Docker Engine, as a stream.

use std::io::{self, Read};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::canonical::Canonical;
use super::client::{Client, EngineError};
use super::docker_tar::{self, Choice};
use super::inspect::{Export, Inspected};
use super::{Fetched, ImageError};
use crate::background::Background;
use crate::error::{Cancelled, IoContext};
use crate::monitor::{Monitor, Task, Unit};
use crate::platform;

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
    platforms: &[String],
    address: Option<&str>,
    canonical: &mut Canonical,
    monitor: &dyn Monitor,
) -> Result<Fetched, ImageError> {
    let address = address.unwrap_or(platform::DOCKER_ENGINE);
    let runtime = Background::start().at("start a thread for", address)?;
    let client = connect(address, &runtime, monitor)?;
    let inspected = inspect(&client, address, reference, &runtime, monitor)?;
    let task = Task::begin(monitor, "image", inspected.size(), Unit::Bytes);
    let mut images = Vec::new();
    for export in inspected.exports(platforms)? {
        let choice = Choice {
            id: Some(export.id),
            reference: None,
            platforms: &export.wanted,
        };
        // The image is named by its id, which no tag moved meanwhile.
        let name = format!("sha256:{}", inspected.id()?);
        let query = platform_query(&export)?;
        let mut stream = Stream::begin(client.clone(), &runtime, name, query, monitor);
        let read = docker_tar::read(&mut stream, &choice, canonical, &task);
        images.extend(read.map_err(|error| stream.explain(reference, error))?);
    }
    let fetched = canonical.finish(&images);
    let mut fetched = fetched.map_err(|error| bad_stream(reference, error))?;
    fetched.repo_digests = inspected.repo_digests();
    Ok(fetched)
}

/// What an engine that knows platforms is asked besides.
fn platform_query(export: &Export) -> Result<Option<String>, ImageError> {
    let Some(platform) = &export.platform else {
        return Ok(None);
    };
    let platform = serde_json::to_string(platform).map_err(|error| ImageError::Malformed {
        part: "the engine's answer".to_owned(),
        problem: error.to_string(),
    })?;
    let platform = utf8_percent_encode(&platform, NON_ALPHANUMERIC);
    Ok(Some(format!("platform={platform}")))
}

pub(super) fn connect(
    address: &str,
    runtime: &Background,
    monitor: &dyn Monitor,
) -> Result<Client, ImageError> {
    let no_engine = |source| ImageError::NoEngine {
        address: address.to_owned(),
        source,
    };
    let parsed = Address::parse(address).map_err(no_engine)?;
    runtime
        .wait(monitor, Client::connect(parsed))?
        .map_err(no_engine)
}

/// What the engine knows of the image.
fn inspect(
    client: &Client,
    address: &str,
    reference: &str,
    runtime: &Background,
    monitor: &dyn Monitor,
) -> Result<Inspected, ImageError> {
    let image = runtime.wait(monitor, client.inspect(reference))?;
    image.map_err(|error| match error {
        EngineError::Refused { status: 404, .. } => ImageError::NoImage {
            address: address.to_owned(),
            reference: reference.to_owned(),
        },
        error => refused(reference, error),
    })
}

/// What the engine's failure means: it says why it refuses, or the connection broke.
fn refused(reference: &str, error: EngineError) -> ImageError {
    let reference = reference.to_owned();
    match error {
        EngineError::Refused { message, .. } => ImageError::Engine { reference, message },
        source => ImageError::Broken { reference, source },
    }
}

fn bad_stream(reference: &str, error: ImageError) -> ImageError {
    if error.is_no_damage() {
        return error;
    }
    ImageError::BadStream {
        reference: reference.to_owned(),
        source: Box::new(error),
    }
}

type Chunk = Result<Bytes, EngineError>;

/// The export as a reader.
struct Stream<'a> {
    runtime: &'a Background,
    monitor: &'a dyn Monitor,
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
    fn begin(
        client: Client,
        runtime: &'a Background,
        name: String,
        query: Option<String>,
        monitor: &'a dyn Monitor,
    ) -> Self {
        let (sender, chunks) = channel(WAITING);
        runtime.handle().spawn(async move {
            if let Err(error) = send(&client, &name, query.as_deref(), &sender).await {
                // Nobody listens any more once reading failed.
                let _ = sender.send(Err(error)).await;
            }
        });
        Self {
            runtime,
            monitor,
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
            Err(_) => self
                .runtime
                .wait(self.monitor, self.chunks.recv())
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
        if error.is_no_damage() {
            return error;
        }
        match self.last_words() {
            Some(message) => ImageError::Engine {
                reference: reference.to_owned(),
                message,
            },
            None => bad_stream(reference, error),
        }
    }

    /// The error message at the end of the stream, which may still be on its way.
    fn last_words(&mut self) -> Option<String> {
        let until = Instant::now() + PATIENCE;
        while message(&self.tail).is_none() {
            let chunks = &mut self.chunks;
            let chunk = async { timeout_at(until, chunks.recv()).await };
            match self.runtime.wait(self.monitor, chunk) {
                Ok(Ok(Some(chunk))) => self.accept(Some(chunk)).ok()?,
                _ => break,
            }
        }
        message(&self.tail)
    }
}

/// Passes an export on, as it comes.
async fn send(
    client: &Client,
    name: &str,
    query: Option<&str>,
    to: &Sender<Chunk>,
) -> Result<(), EngineError> {
    let docker = client.large(query)?;
    let mut chunks = std::pin::pin!(docker.export_image(name));
    while let Some(chunk) = chunks.next().await {
        if to.send(Ok(chunk?)).await.is_err() {
            break;
        }
    }
    Ok(())
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
