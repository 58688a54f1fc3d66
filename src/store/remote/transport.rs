//! How `OpenDAL`'s requests are sent: again where that may help, and to nobody they are not for.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, Request, Response};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport};
use reqwest::Url;
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls;

use super::trace::{Refusal, Trace, Trouble, plain};
use crate::attempts::{Attempts, retry_after};
use crate::store::http::{Clients, Paced, Pulse, SILENCE, is_local, is_of_machine};

/// How long a machine's own service may take to give it its role, if there is one.
const OF_MACHINE: Duration = Duration::from_secs(2);
/// More than any error is long, in bytes.
const LONGEST_ERROR: usize = 64 << 10;

/// Sends the requests of one operation.
pub(super) struct Transport {
    clients: Arc<Clients>,
    trace: Arc<Trace>,
}

/// What became of one attempt.
enum Outcome {
    Done(opendal::Result<Response<HttpBody>>),
    /// It may go well the next time, after the pause that the service asks for, if it does.
    Again {
        pause: Option<Duration>,
        last: opendal::Result<Response<HttpBody>>,
    },
}

/// A request that can be sent more than once.
struct Outgoing {
    method: Method,
    url: Url,
    uri: http::Uri,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Outgoing {
    fn new(request: Request<Buffer>) -> opendal::Result<Self> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|_| Error::new(ErrorKind::ConfigInvalid, "the service's address is no URL"))?;
        let is_safe = url.scheme() == "https" || is_local(&url) || is_of_machine(&url);
        if !is_safe {
            let problem = "the service's address is not https://";
            return Err(Error::new(ErrorKind::ConfigInvalid, problem));
        }
        Ok(Self {
            method: parts.method,
            url,
            uri: parts.uri,
            headers: parts.headers,
            body: body.to_bytes(),
        })
    }

    const fn writes(&self) -> bool {
        matches!(self.method, Method::PUT | Method::POST | Method::DELETE)
    }
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let request = Outgoing::new(request)?;
        let query = request.url.query().unwrap_or_default();
        if request.method == Method::GET && !self.trace.may_ask(query) {
            self.trace.note(Trouble::Endless);
            return Err(Error::new(ErrorKind::Unexpected, "no end"));
        }
        let mut attempts = if is_of_machine(&request.url) {
            Attempts::once()
        } else {
            Attempts::new()
        };
        loop {
            match self.attempt(&request).await {
                Outcome::Done(result) => return result,
                Outcome::Again { pause, last } => match attempts.pause(pause) {
                    Some(pause) => sleep(pause).await,
                    None => return last,
                },
            }
        }
    }
}

impl Transport {
    pub(super) const fn new(clients: Arc<Clients>, trace: Arc<Trace>) -> Self {
        Self { clients, trace }
    }

    async fn attempt(&self, request: &Outgoing) -> Outcome {
        let pulse = Pulse::start();
        let sent = self
            .clients
            .of(&request.url)
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone())
            .body(Paced::body(request.body.clone(), pulse.clone()))
            .send();
        let silence = if is_of_machine(&request.url) {
            OF_MACHINE
        } else {
            SILENCE
        };
        let response = match pulse.wait(silence, sent).await {
            Some(Ok(response)) => response,
            Some(Err(error)) => return self.unreachable(request, error),
            None => return self.silent(request),
        };
        let status = response.status();
        // 304 tells of a condition, and Google answers 308 to a part of an upload.
        if status.is_success() || matches!(status.as_u16(), 304 | 308) {
            return Outcome::Done(Ok(answer(request, response)));
        }
        self.refused(request, response).await
    }

    /// Reads the error, and decides whether it may pass.
    async fn refused(&self, request: &Outgoing, response: reqwest::Response) -> Outcome {
        let status = response.status();
        let headers = response.headers().clone();
        let body = timeout(SILENCE, error_body(response)).await;
        let body = Bytes::from(body.unwrap_or_default());
        let refusal = Refusal::read(status.as_u16(), &body);
        let passes = passes(&refusal, &request.method);
        if passes && request.writes() {
            self.trace.doubt();
        }
        self.trace.note(Trouble::Refused(refusal));
        let mut answer = Response::new(whole(body));
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        if !passes {
            return Outcome::Done(Ok(answer));
        }
        Outcome::Again {
            pause: retry_after(answer.headers(), SystemTime::now()),
            last: Ok(answer),
        }
    }

    fn unreachable(&self, request: &Outgoing, error: reqwest::Error) -> Outcome {
        if is_of_machine(&request.url) {
            // Most machines have no such service: that is no trouble to tell of.
            return Outcome::Done(Err(Error::new(ErrorKind::Unexpected, "no role")));
        }
        if request.writes() && !error.is_connect() {
            self.trace.doubt();
        }
        // Its address may hold a signature in its query.
        let error = error.without_url();
        let is_untrusted = is_untrusted(&error);
        let problem = told(&error);
        self.trace.note(Trouble::Unreachable {
            problem: problem.clone(),
            is_untrusted,
        });
        let failed = Err(Error::new(ErrorKind::Unexpected, problem));
        if is_untrusted || error.is_builder() {
            // Neither a certificate nor a request becomes right by itself.
            return Outcome::Done(failed);
        }
        Outcome::Again {
            pause: None,
            last: failed,
        }
    }

    fn silent(&self, request: &Outgoing) -> Outcome {
        if is_of_machine(&request.url) {
            return Outcome::Done(Err(Error::new(ErrorKind::Unexpected, "no role")));
        }
        if request.writes() {
            self.trace.doubt();
        }
        let problem = format!("nothing was heard for {} seconds", SILENCE.as_secs());
        self.trace.note(Trouble::Unreachable {
            problem: problem.clone(),
            is_untrusted: false,
        });
        Outcome::Again {
            pause: None,
            last: Err(Error::new(ErrorKind::Unexpected, problem)),
        }
    }
}

/// Whether a refusal may be gone the next time.
fn passes(refusal: &Refusal, method: &Method) -> bool {
    match refusal.status {
        408 | 429 | 500 | 502 | 503 | 504 => true,
        // S3 gave up on a slow connection.
        400 => refusal.code == "RequestTimeout",
        // Two conditional writes met. The parts of a larger upload are lost then, and only a
        // single request can be sent again.
        409 => {
            *method == Method::PUT
                && matches!(
                    refusal.code.as_str(),
                    "ConditionalRequestConflict" | "OperationAborted"
                )
        }
        _ => false,
    }
}

/// The answer as `OpenDAL` reads it.
fn answer(request: &Outgoing, response: reqwest::Response) -> Response<HttpBody> {
    let length = match request.method {
        Method::HEAD => None,
        _ => response.content_length(),
    };
    let mut answer = Response::new(());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = response.headers().clone();
    answer.extensions_mut().insert(request.uri.clone());
    let pieces = futures_util::stream::unfold(Some(response), |response| async {
        let mut response = response?;
        match timeout(SILENCE, response.chunk()).await {
            Ok(Ok(Some(bytes))) => Some((Ok(Buffer::from(bytes)), Some(response))),
            Ok(Ok(None)) => None,
            Ok(Err(error)) => Some((Err(broken(&told(&error.without_url()))), None)),
            Err(_) => Some((Err(broken("nothing more came")), None)),
        }
    });
    answer.map(|()| HttpBody::new(Box::pin(pieces), length))
}

fn broken(problem: &str) -> Error {
    Error::new(ErrorKind::Unexpected, problem).set_temporary()
}

fn whole(bytes: Bytes) -> HttpBody {
    let length = bytes.len() as u64;
    let pieces = futures_util::stream::iter([Ok(Buffer::from(bytes))]);
    HttpBody::new(pieces, Some(length))
}

/// As much of an error's text as any service needs to tell it.
async fn error_body(mut response: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        let room = LONGEST_ERROR - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if body.len() == LONGEST_ERROR {
            break;
        }
    }
    body
}

/// An error and its causes, on one line.
fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    plain(&text)
}

/// Whether no authority that is trusted vouches for the server.
fn is_untrusted(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // What an error of input and output wraps is not its source, but itself.
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}
