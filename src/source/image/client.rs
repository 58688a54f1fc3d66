//! Asking a Docker Engine: bollard's requests over a way of our own to the engine.
//!
//! bollard's own ways lack what an archive needs: each answer bounded, TLS that trusts the one
//! authority that Docker's client is given and no other, `ssh` without prompts, and a query that
//! it does not know yet, for a platform. What an engine says of an image is read here too: bollard
//! understands no answer that has a new kind of something, or lacks a field of its interface's
//! description, and an export depends on few of them.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bollard::errors::Error as BollardError;
use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, Docker, body_full};
use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Response, Uri};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use thiserror::Error;
use tokio::io::AsyncReadExt;

use super::address::{Address, Stream};
use super::config::LARGEST_JSON;
use super::inspect::Inspected;

/// From this version of the engine's interface on, an export can be asked for by platform, and an
/// image's platforms.
const WITH_PLATFORMS: (usize, usize) = (1, 48);
/// Requests are stopped by the monitor, not by the clock: an engine may prepare an export for
/// minutes before its first byte.
const LONGEST: Duration = Duration::from_hours(7 * 24);
/// How long an answer may take that needs no preparation.
const PATIENCE: Duration = Duration::from_mins(2);
/// What of an image's name stands in a path as it is.
const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b':')
    .remove(b'@')
    .remove(b'.')
    .remove(b'_')
    .remove(b'-');
/// How long what `ssh` has to say may take, once the connection is gone.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why an engine could not be asked.
#[derive(Debug, Error)]
pub enum EngineError {
    /// Not an address.
    #[error("not an engine's address: {0}")]
    Address(&'static str),
    /// The files for TLS cannot be used.
    #[error("the files for TLS in {folder} cannot be used: {problem}")]
    Certificates {
        /// The folder.
        folder: String,
        /// What is wrong with them.
        problem: String,
    },
    /// No connection.
    #[error("no connection")]
    Connect(#[source] io::Error),
    /// The connection broke, or what came was not HTTP.
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
    /// The connection through `ssh` broke.
    #[error("ssh made no connection: {said}")]
    Ssh {
        /// What `ssh` said.
        said: String,
    },
    /// The engine refuses.
    #[error("the engine says ({status}): {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the engine said.
        message: String,
    },
    /// An answer that is none.
    #[error("the engine's answer cannot be understood: {0}")]
    Answer(String),
    /// No answer.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Timeout,
}

impl From<BollardError> for EngineError {
    fn from(error: BollardError) -> Self {
        match error {
            BollardError::DockerResponseServerError {
                status_code,
                message,
            } => Self::Refused {
                status: status_code,
                message,
            },
            // How an error of ours comes through bollard, see `ask`.
            BollardError::IOError { err } => match err.downcast::<Self>() {
                Ok(error) => error,
                Err(error) => Self::Connect(error),
            },
            BollardError::HyperResponseError { err } => Self::Http(err),
            other => Self::Answer(other.to_string()),
        }
    }
}

/// What an engine says when it refuses.
#[derive(Default, Deserialize)]
struct Refusal {
    message: String,
}

/// An engine that answered.
#[derive(Clone)]
pub(super) struct Client {
    address: Address,
    version: ClientVersion,
}

impl Client {
    /// Asks the engine which version of its interface to speak.
    pub(super) async fn connect(address: Address) -> Result<Self, EngineError> {
        let client = Self {
            address,
            version: *API_DEFAULT_VERSION,
        };
        let docker = within(client.small()?.negotiate_version()).await?;
        Ok(Self {
            version: docker.client_version(),
            ..client
        })
    }

    /// Whether the engine can be asked for an image's platforms, and for one of them.
    fn knows_platforms(&self) -> bool {
        (self.version.major_version, self.version.minor_version) >= WITH_PLATFORMS
    }

    /// What the engine knows of an image, and of its platforms where it can be asked for them.
    pub(super) async fn inspect(&self, name: &str) -> Result<Inspected, EngineError> {
        let name = utf8_percent_encode(name, IN_A_PATH);
        let path = format!("/v{}/images/{name}/json", self.version);
        let query = self.knows_platforms().then_some("manifests=1");
        let answer = tokio::time::timeout(PATIENCE, self.get(&path, query)).await;
        let answer = answer.map_err(|_| EngineError::Timeout)??;
        serde_json::from_slice(&answer).map_err(|error| EngineError::Answer(error.to_string()))
    }

    /// A small answer, as it came.
    async fn get(&self, path: &str, query: Option<&str>) -> Result<Vec<u8>, EngineError> {
        let mut request = BollardRequest::new(body_full(Bytes::new()));
        let uri = path.parse::<Uri>();
        *request.uri_mut() = uri.map_err(|error| EngineError::Answer(error.to_string()))?;
        let (head, mut body) = ask(&self.address, request, query, LARGEST_JSON)
            .await?
            .into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            if let Ok(data) = frame?.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        if head.status.is_success() {
            return Ok(bytes);
        }
        let said: Refusal = serde_json::from_slice(&bytes).unwrap_or_default();
        Err(EngineError::Refused {
            status: head.status.as_u16(),
            message: said.message,
        })
    }

    /// For requests with small answers; to be asked [`within`] a time.
    pub(super) fn small(&self) -> Result<Docker, EngineError> {
        self.docker(None, LARGEST_JSON)
    }

    /// For requests whose answers have any size and may take any time to begin.
    pub(super) fn large(&self, query: Option<&str>) -> Result<Docker, EngineError> {
        self.docker(query, u64::MAX)
    }

    fn docker(&self, query: Option<&str>, limit: u64) -> Result<Docker, EngineError> {
        let address = self.address.clone();
        let query = query.map(str::to_owned);
        let transport = move |request: BollardRequest| {
            let (address, query) = (address.clone(), query.clone());
            async move {
                let answer = ask(&address, request, query.as_deref(), limit).await;
                answer.map_err(|error| io::Error::other(error).into())
            }
        };
        let host = format!("http://{}", self.address.host());
        let timeout = LONGEST.as_secs();
        let docker =
            Docker::connect_with_custom_transport(transport, Some(host), timeout, &self.version);
        Ok(docker?)
    }
}

/// Asks over a connection of its own, from which no more than `limit` bytes are read.
async fn ask(
    address: &Address,
    request: BollardRequest,
    query: Option<&str>,
    limit: u64,
) -> Result<Response<Incoming>, EngineError> {
    let connection = address.connect().await?;
    let (reader, writer) = tokio::io::split(connection.stream);
    let stream = Box::new(tokio::io::join(reader.take(limit), writer));
    match (
        send(address, request, query, stream).await,
        connection.words,
    ) {
        (Err(error), Some(words)) => match tokio::time::timeout(LAST_WORDS, words).await {
            Ok(Ok(said)) if !said.is_empty() => Err(EngineError::Ssh { said }),
            _ => Err(error),
        },
        (answer, _) => answer,
    }
}

async fn send(
    address: &Address,
    mut request: BollardRequest,
    query: Option<&str>,
    stream: Box<dyn Stream>,
) -> Result<Response<Incoming>, EngineError> {
    let bad = |error: &dyn std::error::Error| EngineError::Answer(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer; its failure is also told there.
    tokio::spawn(connection);
    // HTTP/1.1 names the host in a header, and the path alone in its first line.
    let path = request.uri().path_and_query();
    let mut path = path.map_or_else(|| "/".to_owned(), ToString::to_string);
    if let Some(query) = query {
        let separator = if path.contains('?') { '&' } else { '?' };
        path = format!("{path}{separator}{query}");
    }
    *request.uri_mut() = path.parse::<Uri>().map_err(|error| bad(&error))?;
    let host = HeaderValue::from_str(address.host()).map_err(|error| bad(&error))?;
    request.headers_mut().insert(HOST, host);
    let close = HeaderValue::from_static("close");
    request.headers_mut().insert(CONNECTION, close);
    Ok(sender.send_request(request).await?)
}

/// The answer, if it comes in the time that one takes which needs no preparation.
pub(super) async fn within<T>(
    answer: impl Future<Output = Result<T, BollardError>>,
) -> Result<T, EngineError> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(EngineError::Timeout),
    }
}
