//! Requests to Dropbox: its two hosts, its ways to pass arguments, and what is tried again.

use std::fmt::Write;
use std::time::SystemTime;

use bytes::Bytes;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE,
};
use reqwest::{RequestBuilder, Response, Url};
use serde_json::{Value, json};

use super::answer::{Refusal, shown};
use super::attempts::{Attempts, Failure};
use super::explain::{self, unable};
use super::login::{DropboxLogin, RENEW, Session, bearer};
use super::transport::{Broken, Transport};
use crate::attempts::retry_after;
use crate::monitor::Monitor;
use crate::store::{Access, Remote, StoreError};

const API: &str = "https://api.dropboxapi.com/";
const CONTENT: &str = "https://content.dropboxapi.com/";
const ARGUMENT: &str = "dropbox-api-arg";
const PATH_ROOT: &str = "dropbox-api-path-root";
const SELECT_USER: &str = "dropbox-api-select-user";
/// More than an answer with the 2,000 entries of a page has, in bytes.
const LONGEST: usize = 16 << 20;
/// More than a refusal has, in bytes.
const LONGEST_REFUSAL: usize = 64 << 10;

/// A request, and what it is for.
pub(super) struct Request<'a> {
    /// The endpoint, as in `files/upload`.
    pub(super) route: &'static str,
    pub(super) argument: Value,
    pub(super) payload: Payload,
    /// What is attempted, as a verb, and with what.
    pub(super) action: &'static str,
    pub(super) place: &'a str,
}

/// The styles of endpoints.
pub(super) enum Payload {
    /// The argument is the body.
    Rpc,
    /// The body is content.
    Upload(Bytes),
    /// The answer's body is content, from this byte on.
    Download { from: u64 },
}

/// An answer, or why the endpoint refused.
pub(super) struct Asked {
    pub(super) answer: Result<Value, Refusal>,
    /// An attempt before was lost, and may have been carried out.
    pub(super) is_unsure: bool,
}

pub(super) struct Client<'m> {
    transport: Transport<'m>,
    session: Session,
    headers: HeaderMap,
    api: Url,
    content: Url,
}

impl<'m> Client<'m> {
    pub(super) fn new(
        remote: &Remote,
        login: &DropboxLogin,
        access: &Access,
        monitor: &'m dyn Monitor,
    ) -> Result<Self, StoreError> {
        let refused = |reason| StoreError::Refused {
            url: remote.to_string(),
            reason,
        };
        let host = |usual| {
            let text = remote.option("endpoint").unwrap_or(usual);
            let url = Url::parse(&format!("{}/", text.trim_end_matches('/')));
            url.map_err(|_| refused("its endpoint is no URL"))
        };
        let (api, content) = (host(API)?, host(CONTENT)?);
        let headers = headers(login).ok_or_else(|| {
            refused("DHFPACK_DROPBOX_PATH_ROOT or DHFPACK_DROPBOX_SELECT_USER is no id of Dropbox")
        })?;
        Ok(Self {
            transport: Transport::new(&remote.to_string(), access, monitor)?,
            session: Session::new(login.clone()),
            headers,
            api,
            content,
        })
    }

    pub(super) fn monitor(&self) -> &'m dyn Monitor {
        self.transport.monitor()
    }

    /// Asks until there is an answer, or no hope of one.
    pub(super) fn ask(&self, request: &Request<'_>) -> Result<Asked, StoreError> {
        let mut attempts = Attempts::begin();
        let answer = self.persist(request, &mut attempts, |mut response| {
            let body = self.transport.body(&mut response, LONGEST);
            let body = body.map_err(|failure| failure.on(request.action, request.place))?;
            if body.is_empty() {
                return Ok(Value::Null);
            }
            serde_json::from_slice(&body).map_err(|_| self.strange(request).into())
        })?;
        Ok(Asked {
            answer,
            is_unsure: attempts.is_unsure(),
        })
    }

    /// Asks for content until it begins to come.
    pub(super) fn download(
        &self,
        request: &Request<'_>,
        attempts: &mut Attempts,
    ) -> Result<Result<Response, Refusal>, StoreError> {
        self.persist(request, attempts, Ok)
    }

    /// The next piece of content; none at its end.
    pub(super) fn chunk(
        &self,
        response: &mut Response,
        place: &str,
    ) -> Result<Option<Bytes>, Failure> {
        let chunk = self.transport.chunk(response);
        chunk.map_err(|failure| failure.on("read", place))
    }

    fn persist<T>(
        &self,
        request: &Request<'_>,
        attempts: &mut Attempts,
        take: impl Fn(Response) -> Result<T, Failure>,
    ) -> Result<Result<T, Refusal>, StoreError> {
        let mut token = self.session.token(self, None)?;
        let mut may_renew = self.session.is_renewable();
        loop {
            let said = self.attempt(request, &token).and_then(|said| match said {
                Ok(response) => take(response).map(Ok),
                Err(refusal) => Ok(Err(refusal)),
            });
            match said {
                Ok(said) => return Ok(said),
                Err(Failure::Expired(_)) if may_renew => {
                    may_renew = false;
                    token = self.session.token(self, Some(&token))?;
                }
                Err(failure) => attempts.after(failure, self.monitor())?,
            }
        }
    }

    fn attempt(
        &self,
        request: &Request<'_>,
        token: &str,
    ) -> Result<Result<Response, Refusal>, Failure> {
        let bearer = bearer(token).ok_or_else(|| {
            self.refuse(
                "the access token is no token",
                "check DHFPACK_DROPBOX_TOKEN",
            )
        })?;
        let (http, body) = self.built(request);
        let http = http
            .headers(self.headers.clone())
            .header(AUTHORIZATION, bearer)
            // Bytes as they are stored: nothing in between is to be decoded.
            .header(ACCEPT_ENCODING, "identity");
        let answer = self.transport.send(http, body);
        let response = answer.map_err(|failure| failure.on(request.action, request.place))?;
        match response.status().as_u16() {
            200 | 206 => Ok(Ok(response)),
            _ => self.refused(request, response, token).map(Err),
        }
    }

    /// The request without its login, and its body.
    fn built(&self, request: &Request<'_>) -> (RequestBuilder, Bytes) {
        let argument = ascii(&request.argument);
        let host = match request.payload {
            Payload::Rpc => &self.api,
            _ => &self.content,
        };
        let http = self.transport.post(host, &format!("2/{}", request.route));
        match &request.payload {
            Payload::Rpc => {
                let http = http.header(CONTENT_TYPE, "application/json");
                (http, argument.into())
            }
            Payload::Upload(content) => {
                let http = http
                    .header(ARGUMENT, argument)
                    .header(CONTENT_TYPE, "application/octet-stream");
                (http, content.clone())
            }
            Payload::Download { from } => {
                let http = http.header(ARGUMENT, argument);
                let http = match from {
                    0 => http,
                    _ => http.header(RANGE, format!("bytes={from}-")),
                };
                (http, Bytes::new())
            }
        }
    }

    /// What a status other than success means.
    fn refused(
        &self,
        request: &Request<'_>,
        mut response: Response,
        token: &str,
    ) -> Result<Refusal, Failure> {
        let status = response.status().as_u16();
        let pause = retry_after(response.headers(), SystemTime::now());
        let body = self.transport.body(&mut response, LONGEST_REFUSAL);
        let body = body.map_err(|failure| failure.on(request.action, request.place))?;
        let (refusal, told) = self.understood(&body, Some(token));
        let explained = explain::status(status, &refusal, &told);
        let error = unable(request.action, request.place, explained, None);
        let is_busy = status == 429 || refusal.has("too_many_write_operations") || pause.is_some();
        Err(match status {
            408 | 409 | 429 | 500.. if is_busy => Failure::Busy { error, pause },
            408 | 500.. => Failure::Passing(error),
            // Damaged on its way, and not taken.
            409 if refusal.has("content_hash_mismatch") => Failure::Passing(error),
            409 => return Ok(refusal),
            401 if refusal.has("expired_access_token") => Failure::Expired(error),
            _ => Failure::Lasting(error),
        })
    }

    /// The body of a refusal; as text if it has no other form. Servers repeat what they did not
    /// understand, so that it may hold the login.
    fn understood(&self, body: &[u8], token: Option<&str>) -> (Refusal, String) {
        let text = String::from_utf8_lossy(body);
        let text = self.session.without_secrets(&text, token);
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let is_page = text.trim_start().starts_with('<');
        let told = if answer.is_null() && !is_page {
            shown(&text)
        } else {
            String::new()
        };
        (Refusal::of(&answer), told)
    }

    /// Asks for an access token.
    pub(super) fn grant(&self, form: &[(&str, &str)]) -> Result<Vec<u8>, StoreError> {
        let mut attempts = Attempts::begin();
        loop {
            match self.granted(form) {
                Ok(body) => return Ok(body),
                Err(failure) => attempts.after(failure, self.monitor())?,
            }
        }
    }

    fn granted(&self, form: &[(&str, &str)]) -> Result<Vec<u8>, Failure> {
        let host = self.api.as_str();
        let mut url = self.api.clone();
        url.query_pairs_mut().extend_pairs(form);
        let http = self
            .transport
            .post(&self.api, "oauth2/token")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body = url.query().unwrap_or_default().to_owned();
        let on = |failure: Broken| failure.on(LOG_IN, host);
        let mut response = self.transport.send(http, body.into()).map_err(on)?;
        let status = response.status().as_u16();
        let pause = retry_after(response.headers(), SystemTime::now());
        let body = self
            .transport
            .body(&mut response, LONGEST_REFUSAL)
            .map_err(on)?;
        if status == 200 {
            return Ok(body);
        }
        let (refusal, told) = self.understood(&body, None);
        let (problem, help) = explain::status(status, &refusal, &told);
        let help = if status < 408 { RENEW } else { help };
        let error = self.refuse(&problem, help);
        Err(match status {
            429 => Failure::Busy { error, pause },
            408 | 500.. => Failure::Passing(error),
            _ => Failure::Lasting(error),
        })
    }

    /// An error about the login.
    pub(super) fn refuse(&self, problem: &str, help: &'static str) -> StoreError {
        unable(LOG_IN, self.api.as_str(), (problem.to_owned(), help), None)
    }

    /// An answer that Dropbox would not give.
    pub(super) fn strange(&self, request: &Request<'_>) -> StoreError {
        let host = self.api.host_str().unwrap_or_default();
        let problem = format!("the answer of {host} to {} is none", request.route);
        let help = "check `endpoint` in the address, and proxies in between";
        unable(request.action, request.place, (problem, help), None)
    }
}

/// What is attempted with a login.
const LOG_IN: &str = "log in at";

/// What every request says of the login besides its token.
fn headers(login: &DropboxLogin) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    if let Some(id) = &login.namespace {
        let root = json!({".tag": "namespace_id", "namespace_id": id});
        let value = HeaderValue::try_from(ascii(&root)).ok()?;
        headers.insert(HeaderName::from_static(PATH_ROOT), value);
    }
    if let Some(id) = &login.member {
        let value = HeaderValue::try_from(id).ok()?;
        headers.insert(HeaderName::from_static(SELECT_USER), value);
    }
    Some(headers)
}

/// JSON of ASCII alone, as it may stand in a header.
fn ascii(value: &Value) -> String {
    let mut text = String::new();
    for char in value.to_string().chars() {
        if char.is_ascii() && char != '\x7f' {
            text.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_ascii_and_means_the_same() {
        let value = json!({"path": "/Prüfung \u{7f}\u{1F4C4}\n.txt"});
        let text = ascii(&value);
        assert_eq!(
            text,
            "{\"path\":\"/Pr\\u00fcfung \\u007f\\ud83d\\udcc4\\n.txt\"}"
        );
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
