//! HTTP to Dropbox: certificates, proxies, and no wait without end.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use reqwest::redirect::Policy;
use reqwest::{Certificate, RequestBuilder, Response, Url};

use super::attempts::Failure;
use super::explain::unable;
use crate::background::Background;
use crate::error::{Cancelled, IoContext};
use crate::monitor::Monitor;
use crate::store::{Access, StoreError};

/// How long a connection may take, and how long nothing may come.
const CONNECT: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_mins(1);
/// More than the certificates of all authorities, in bytes.
const LARGEST_AUTHORITIES: u64 = 4 << 20;

/// What to do when nobody answers.
const UNREACHABLE: &str = "check the network, HTTPS_PROXY, and DHFPACK_CA_FILE if a proxy shows \
    its own certificate; run again to go on where this run stopped";

pub(super) struct Transport<'m> {
    http: reqwest::Client,
    runtime: Background,
    monitor: &'m dyn Monitor,
}

/// Why no whole answer came.
pub(super) enum Broken {
    Cancelled(Cancelled),
    /// The connection.
    Cut(reqwest::Error),
    /// Nothing came for so long.
    Silent(Duration),
    /// The answer has more than so many bytes.
    TooLong(usize),
}

impl Broken {
    /// As a failure of an action.
    pub(super) fn on(self, action: &'static str, place: &str) -> Failure {
        let failed =
            |problem: String, source| unable(action, place, (problem, UNREACHABLE), source);
        match self {
            Self::Cancelled(cancelled) => cancelled.into(),
            Self::Cut(error) => {
                let problem = if error.is_connect() {
                    "no connection to Dropbox"
                } else {
                    "the connection to Dropbox broke off"
                };
                let source = Some(error.without_url().into());
                Failure::Passing(failed(problem.to_owned(), source))
            }
            Self::Silent(limit) => {
                let problem = format!("Dropbox did not answer for {} s", limit.as_secs());
                Failure::Passing(failed(problem, None))
            }
            Self::TooLong(limit) => {
                let problem = format!("the answer has more than {limit} bytes");
                Failure::Lasting(failed(problem, None))
            }
        }
    }
}

impl<'m> Transport<'m> {
    pub(super) fn new(
        host: &Url,
        access: &Access,
        monitor: &'m dyn Monitor,
    ) -> Result<Self, StoreError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("dhfpack/", env!("CARGO_PKG_VERSION")))
            // Dropbox has no need of redirects, and the login goes nowhere else.
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(CONNECT);
        // No other machine may be asked without TLS, so that such a host is this one.
        if host.scheme() == "http" {
            builder = builder.no_proxy();
        }
        if let Some(path) = &access.authorities {
            builder = builder.tls_certs_merge(authorities(path)?);
        }
        let failed = |error: reqwest::Error| {
            let told = ("no TLS on this machine".to_owned(), UNREACHABLE);
            unable("connect to", host.as_str(), told, Some(error.into()))
        };
        Ok(Self {
            http: builder.build().map_err(failed)?,
            runtime: Background::start().at("start a thread for", host.as_str())?,
            monitor,
        })
    }

    pub(super) const fn monitor(&self) -> &'m dyn Monitor {
        self.monitor
    }

    /// A request to a path below a host.
    pub(super) fn post(&self, host: &Url, path: &str) -> RequestBuilder {
        let mut url = host.clone();
        url.set_path(&format!("{}{path}", host.path()));
        self.http.post(url)
    }

    /// Sends a request with so many bytes, and waits for the head of its answer.
    pub(super) fn send(&self, request: RequestBuilder, size: usize) -> Result<Response, Broken> {
        self.wait(patience(size), request.send())
    }

    /// The next piece of the body; none at its end.
    pub(super) fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Broken> {
        self.wait(SILENCE, response.chunk())
    }

    /// The whole body, which has at most `limit` bytes.
    pub(super) fn body(&self, response: &mut Response, limit: usize) -> Result<Vec<u8>, Broken> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(response)? {
            if bytes.len() + chunk.len() > limit {
                return Err(Broken::TooLong(limit));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn wait<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = reqwest::Result<T>>,
    ) -> Result<T, Broken> {
        match self.runtime.wait_for(self.monitor, limit, answer) {
            Ok(Some(Ok(value))) => Ok(value),
            Ok(Some(Err(error))) => Err(Broken::Cut(error)),
            Ok(None) => Err(Broken::Silent(limit)),
            Err(cancelled) => Err(Broken::Cancelled(cancelled)),
        }
    }
}

/// How long a request with so many bytes may take: nobody uploads at less than 32 KiB a second.
fn patience(size: usize) -> Duration {
    SILENCE + Duration::from_secs((size >> 15) as u64)
}

/// The certificates of authorities besides those of the system.
fn authorities(path: &Path) -> Result<Vec<Certificate>, StoreError> {
    let mut bytes = Vec::new();
    let file = File::open(path).at("open", path)?;
    file.take(LARGEST_AUTHORITIES)
        .read_to_end(&mut bytes)
        .at("read", path)?;
    match Certificate::from_pem_bundle(&bytes) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => {
            let problem = "it holds no certificates in PEM".to_owned();
            let help = "set DHFPACK_CA_FILE to a file with the certificates of authorities";
            let place = path.display().to_string();
            Err(unable("use", &place, (problem, help), None))
        }
    }
}
