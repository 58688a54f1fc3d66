//! HTTP clients for stores: authorities of one's own, proxies, and limits on silence.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use tokio::time::timeout;

use super::StoreError;
use crate::error::IoContext;

/// How long a connection may take, and how long nothing may move.
const CONNECT: Duration = Duration::from_secs(30);
pub(super) const SILENCE: Duration = Duration::from_mins(1);
/// More than the certificates of all authorities, in bytes.
const LARGEST_AUTHORITIES: u64 = 4 << 20;
/// How much of a body is handed over at once: what the connection took counts as moved.
const PIECE: usize = 256 << 10;

/// Clients for services elsewhere, by the proxies of the environment, and for this machine.
pub(super) struct Clients {
    elsewhere: Client,
    direct: Client,
}

impl Clients {
    /// `place` is the store's, for messages.
    pub(super) fn new(authorities: Option<&Path>, place: &str) -> Result<Self, StoreError> {
        let authorities = match authorities {
            Some(path) => certificates(path, place)?,
            None => Vec::new(),
        };
        let build = |direct: bool| {
            let mut builder = Client::builder()
                .user_agent(concat!("dhfpack/", env!("CARGO_PKG_VERSION")))
                // A signed request is for the host that it names, and for no other.
                .redirect(Policy::none())
                .referer(false)
                .connect_timeout(CONNECT);
            if direct {
                builder = builder.no_proxy();
            }
            if !authorities.is_empty() {
                builder = builder.tls_certs_merge(authorities.clone());
            }
            builder.build().map_err(|error| setup(place, error))
        };
        Ok(Self {
            elsewhere: build(false)?,
            direct: build(true)?,
        })
    }

    /// The client for `url`: no proxy stands between this machine and itself.
    pub(super) fn of(&self, url: &Url) -> &Client {
        if is_local(url) || is_of_machine(url) {
            &self.direct
        } else {
            &self.elsewhere
        }
    }
}

/// Whether the address is this machine's own.
pub(super) fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// Whether it is that of the service that gives a cloud's machine its role, over plain HTTP and
/// without leaving the machine.
pub(super) fn is_of_machine(url: &Url) -> bool {
    let hosts = [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "[fd00:ec2::254]",
        "metadata.google.internal",
    ];
    hosts.contains(&url.host_str().unwrap_or_default())
}

fn certificates(path: &Path, place: &str) -> Result<Vec<Certificate>, StoreError> {
    let mut bytes = Vec::new();
    let file = File::open(path).at("open", path)?;
    file.take(LARGEST_AUTHORITIES)
        .read_to_end(&mut bytes)
        .at("read", path)?;
    match Certificate::from_pem_bundle(&bytes) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(StoreError::Service {
            action: "trust the authorities for",
            place: place.to_owned(),
            problem: format!("{} holds no certificate in PEM form", path.display()),
            help: "expected one or more `-----BEGIN CERTIFICATE-----` blocks",
            source: None,
        }),
    }
}

fn setup(place: &str, error: reqwest::Error) -> StoreError {
    StoreError::Service {
        action: "prepare a connection to",
        place: place.to_owned(),
        problem: "the HTTP client cannot be set up".to_owned(),
        help: "check the certificates of authorities and the proxy variables of the environment",
        source: Some(error.without_url().into()),
    }
}

/// When something last moved.
#[derive(Clone)]
pub(super) struct Pulse(Arc<Mutex<Instant>>);

impl Pulse {
    pub(super) fn start() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits for an answer as long as something moves now and then; nothing after `silence`.
    pub(super) async fn wait<T>(
        &self,
        silence: Duration,
        answer: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::pin!(answer);
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let left = silence.saturating_sub(last.elapsed());
            if left.is_zero() {
                return None;
            }
            if let Ok(value) = timeout(left, &mut answer).await {
                return Some(value);
            }
        }
    }
}

/// A body that tells when some of it was taken.
pub(super) struct Paced {
    bytes: Bytes,
    pulse: Pulse,
}

impl Paced {
    /// The body, which is whole in memory.
    pub(super) fn body(bytes: Bytes, pulse: Pulse) -> reqwest::Body {
        if bytes.len() <= PIECE {
            return bytes.into();
        }
        reqwest::Body::wrap(Self { bytes, pulse })
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        self.pulse.beat();
        let length = self.bytes.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.bytes.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
