//! Asking a Docker Engine: plain requests over whatever leads to it, each answer bounded.
//!
//! hyper speaks HTTP and rustls TLS; what there is besides is three requests.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::address::Address;
use super::config::LARGEST_JSON;

/// The newest version of the engine's interface that this program knows; older engines are asked
/// in their own.
const NEWEST: ApiVersion = ApiVersion(1, 51);
/// How long an answer may take that needs no preparation.
const PATIENCE: Duration = Duration::from_mins(2);
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

/// A version of the engine's interface, such as 1.41.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(u16, u16);

impl ApiVersion {
    /// From this version on, an export can be asked for by platform, and an image's platforms.
    pub(super) const PLATFORMS: Self = Self(1, 48);

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "ApiVersion")]
    api: String,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// An engine that answered.
#[derive(Clone)]
pub(super) struct Client {
    address: Address,
    version: ApiVersion,
}

impl Client {
    /// Asks the engine which version of its interface to speak.
    pub(super) async fn connect(address: Address) -> Result<Self, EngineError> {
        let mut client = Self {
            address,
            version: NEWEST,
        };
        let answer: Version = within(client.get_whole("/version")).await?;
        let version = ApiVersion::parse(&answer.api);
        let version = version.ok_or(EngineError::Answer("no version".to_owned()))?;
        client.version = version.min(NEWEST);
        Ok(client)
    }

    pub(super) const fn version(&self) -> ApiVersion {
        self.version
    }

    /// A small answer in JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, EngineError> {
        within(self.get_whole(&self.versioned(path))).await
    }

    /// An answer of any size, which may take any time to begin.
    pub(super) async fn stream(&self, path: &str) -> Result<Incoming, EngineError> {
        Ok(self.get(&self.versioned(path)).await?.into_body())
    }

    fn versioned(&self, path: &str) -> String {
        let ApiVersion(major, minor) = self.version;
        format!("/v{major}.{minor}{path}")
    }

    async fn get_whole<T: DeserializeOwned>(&self, path: &str) -> Result<T, EngineError> {
        let body = whole(self.get(path).await?).await?;
        serde_json::from_slice(&body).map_err(|error| EngineError::Answer(error.to_string()))
    }

    /// Asks over a connection of its own, and fails with what the engine says if it refuses.
    async fn get(&self, path: &str) -> Result<Response<Incoming>, EngineError> {
        let connection = self.address.connect().await?;
        let answer = self.ask(path, connection.stream).await;
        let response = match (answer, connection.words) {
            (Ok(response), _) => response,
            (Err(error), None) => return Err(error),
            (Err(error), Some(words)) => {
                return match tokio::time::timeout(LAST_WORDS, words).await {
                    Ok(Ok(said)) if !said.is_empty() => Err(EngineError::Ssh { said }),
                    _ => Err(error),
                };
            }
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = whole(response).await?;
        let message = match serde_json::from_slice::<Message>(&body) {
            Ok(said) => said.message,
            Err(_) => String::from_utf8_lossy(&body).chars().take(1000).collect(),
        };
        Err(EngineError::Refused { status, message })
    }

    async fn ask(
        &self,
        path: &str,
        stream: Box<dyn super::address::Stream>,
    ) -> Result<Response<Incoming>, EngineError> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the answer; its failure is also told there.
        tokio::spawn(connection);
        let request = Request::get(path)
            .header(HOST, self.address.host())
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new());
        let request = request.map_err(|error| EngineError::Answer(error.to_string()))?;
        Ok(sender.send_request(request).await?)
    }
}

async fn within<T>(answer: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer.unwrap_or(Err(EngineError::Timeout))
}

/// The whole answer, if it is small.
async fn whole(response: Response<Incoming>) -> Result<Bytes, EngineError> {
    let limit = usize::try_from(LARGEST_JSON).unwrap_or(usize::MAX);
    let body = Limited::new(response.into_body(), limit).collect().await;
    match body {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(EngineError::Answer(format!(
            "more than {LARGEST_JSON} bytes are far too many"
        ))),
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(error) => EngineError::Http(*error),
            Err(error) => EngineError::Answer(error.to_string()),
        }),
    }
}
