//! HTTP to Dropbox: certificates, proxies, and no wait without end.

use bytes::Bytes;
use reqwest::{RequestBuilder, Response, Url};

use super::attempts::Failure;
use super::explain::unable;
use crate::background::Background;
use crate::error::{Cancelled, IoContext};
use crate::monitor::Monitor;
use crate::store::http::{Clients, Paced, Pulse, SILENCE};
use crate::store::{Access, StoreError};

/// What to do when nobody answers.
const UNREACHABLE: &str = "check the network, HTTPS_PROXY, and DHFPACK_CA_FILE if a proxy shows \
    its own certificate; run again to go on where this run stopped";

pub(super) struct Transport<'m> {
    clients: Clients,
    runtime: Background,
    monitor: &'m dyn Monitor,
}

/// Why no whole answer came.
pub(super) enum Broken {
    Cancelled(Cancelled),
    /// The connection.
    Cut(reqwest::Error),
    /// Nothing moved for too long.
    Silent,
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
            Self::Silent => {
                let problem = format!("nothing came from Dropbox for {} s", SILENCE.as_secs());
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
    /// `place` is the store's, for messages.
    pub(super) fn new(
        place: &str,
        access: &Access,
        monitor: &'m dyn Monitor,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            clients: Clients::new(access.authorities.as_deref(), place)?,
            runtime: Background::start().at("start a thread for", place)?,
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
        self.clients.of(&url).post(url)
    }

    /// Sends a request, and waits for the head of its answer.
    pub(super) fn send(&self, request: RequestBuilder, body: Bytes) -> Result<Response, Broken> {
        // A quick answer would come before the wait looks.
        if self.monitor.is_cancelled() {
            return Err(Broken::Cancelled(Cancelled));
        }
        let pulse = Pulse::start();
        let request = request.body(Paced::body(body, pulse.clone()));
        self.wait(pulse, request.send())
    }

    /// The next piece of the body; none at its end.
    pub(super) fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Broken> {
        self.wait(Pulse::start(), response.chunk())
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

    /// Waits as long as something moves now and then.
    fn wait<T>(
        &self,
        pulse: Pulse,
        answer: impl Future<Output = reqwest::Result<T>>,
    ) -> Result<T, Broken> {
        let answer = async move { pulse.wait(SILENCE, answer).await };
        match self.runtime.wait(self.monitor, answer) {
            Ok(Some(Ok(value))) => Ok(value),
            Ok(Some(Err(error))) => Err(Broken::Cut(error)),
            Ok(None) => Err(Broken::Silent),
            Err(cancelled) => Err(Broken::Cancelled(cancelled)),
        }
    }
}
