//! A registry's answers to requests for one repository.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Response, Url};
use serde::Deserialize;

use super::attempts::{Attempts, Failure};
use super::challenge::{self, Challenge};
use super::token::{TokenServer, basic, login_error};
use super::transport::{Answer, Ask, Transport, shown};
use super::{Access, Login, Reference, RegistryError, docker_config};
use crate::attempts::retry_after;
use crate::monitor::Monitor;
use crate::source::image::ImageError;

/// How much of a refusal is read, in bytes.
const LONGEST_REFUSAL: u64 = 16 * 1024;
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Code>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// A small body with what the head says of it.
pub(super) struct Small {
    pub(super) url: String,
    pub(super) bytes: Vec<u8>,
    pub(super) media_type: String,
    pub(super) digest: Option<String>,
}

pub(super) struct Client<'m> {
    transport: Transport,
    reference: Reference,
    base: Url,
    login: Option<Login>,
    authorization: Mutex<Option<HeaderValue>>,
    monitor: &'m dyn Monitor,
}

impl<'m> Client<'m> {
    /// Finds out how to talk to the registry.
    pub(super) fn connect(
        reference: &Reference,
        access: &Access,
        monitor: &'m dyn Monitor,
    ) -> Result<Self, ImageError> {
        let login = match (&access.login, &access.docker_config) {
            (Some(login), _) => Some(login.clone()),
            (None, Some(folder)) => docker_config::login(folder, reference, monitor)?,
            (None, None) => None,
        };
        let transport = Transport::new(reference, access)?;
        let base = base(&transport, reference, monitor)?;
        Ok(Self {
            transport,
            reference: reference.clone(),
            base,
            login,
            authorization: Mutex::new(None),
            monitor,
        })
    }

    /// The same with connections of its own, for another thread.
    pub(super) fn another(&self) -> Result<Self, ImageError> {
        Ok(Self {
            transport: self.transport.another(&self.reference)?,
            reference: self.reference.clone(),
            base: self.base.clone(),
            login: self.login.clone(),
            authorization: Mutex::new(self.known()),
            monitor: self.monitor,
        })
    }

    /// The address of a manifest or a blob.
    pub(super) fn url(&self, kind: &str, name: &str) -> Result<Url, ImageError> {
        let path = format!("{}/{kind}/{name}", self.reference.repository());
        Ok(joined(&self.base, &self.reference, &path)?)
    }

    /// A small thing as a whole; its address is `KIND/NAME` in the repository.
    pub(super) fn small(
        &self,
        kind: &str,
        name: &str,
        accept: &[&str],
        limit: u64,
    ) -> Result<Small, ImageError> {
        let url = self.url(kind, name)?;
        let mut attempts = Attempts::new();
        loop {
            match self.try_small(&url, name, accept, limit) {
                Ok(small) => return Ok(small),
                Err(failure) => attempts.after(failure, 0, self.monitor)?,
            }
        }
    }

    fn try_small(
        &self,
        url: &Url,
        name: &str,
        accept: &[&str],
        limit: u64,
    ) -> Result<Small, Failure> {
        let mut response = self.get(url, name, accept, 0, self.monitor)?;
        let text = |name: &HeaderName| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let media_type = text(&CONTENT_TYPE).unwrap_or_default();
        let digest = text(&CONTENT_DIGEST);
        let bytes = self
            .transport
            .body(url, &mut response, limit, self.monitor)?;
        Ok(Small {
            url: shown(url),
            bytes,
            media_type,
            digest,
        })
    }

    /// Asks for the bytes from `from` on, and logs in if need be; `name` tells what is asked for.
    pub(super) fn get(
        &self,
        url: &Url,
        name: &str,
        accept: &[&str],
        from: u64,
        monitor: &dyn Monitor,
    ) -> Result<Response, Failure> {
        let known = self.known();
        let ask = |authorization: Option<&HeaderValue>| {
            let ask = Ask {
                url,
                accept,
                from,
                authorization,
            };
            self.transport.get(&ask, monitor)
        };
        let mut answer = ask(known.as_ref())?;
        // The first answer, or a token that has run out.
        if answer.response.status() == 401 && answer.is_from_registry {
            let authorization = self.authorize(answer.response.headers(), monitor)?;
            answer = ask(Some(&authorization))?;
        }
        match answer.response.status().as_u16() {
            200 | 206 => Ok(answer.response),
            _ => Err(self.refusal(url, name, answer, monitor)),
        }
    }

    /// The next piece of a body.
    pub(super) fn chunk(
        &self,
        url: &Url,
        response: &mut Response,
        monitor: &dyn Monitor,
    ) -> Result<Option<Bytes>, Failure> {
        self.transport.chunk(url, response, monitor)
    }

    fn known(&self) -> Option<HeaderValue> {
        let known = self.authorization.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does what a 401 asks for.
    fn authorize(
        &self,
        headers: &HeaderMap,
        monitor: &dyn Monitor,
    ) -> Result<HeaderValue, Failure> {
        let offers = headers.get_all(WWW_AUTHENTICATE).iter();
        let offers = offers.filter_map(|offer| offer.to_str().ok());
        let offers: Vec<Challenge> = offers.flat_map(challenge::parse).collect();
        let bearer = offers.iter().find_map(|offer| match offer {
            Challenge::Bearer { realm, service } => Some((realm, service)),
            Challenge::Basic => None,
        });
        let header = if let Some((realm, service)) = bearer {
            let server = TokenServer {
                transport: &self.transport,
                reference: &self.reference,
                login: self.login.as_ref(),
            };
            server.get(realm, service, monitor)?
        } else if offers.contains(&Challenge::Basic) {
            let header = self.login.as_ref().and_then(basic);
            header.ok_or_else(|| self.login_error(String::new()))?
        } else {
            return Err(RegistryError::Challenge {
                host: self.reference.host().to_owned(),
                problem: "neither Basic nor Bearer".to_owned(),
            }
            .into());
        };
        let mut known = self.authorization.lock();
        let known = known.as_deref_mut();
        if let Ok(known) = known {
            *known = Some(header.clone());
        }
        Ok(header)
    }

    fn login_error(&self, codes: String) -> RegistryError {
        login_error(&self.reference, self.login.is_some(), codes)
    }

    /// What an answer means that is not what was asked for.
    fn refusal(&self, url: &Url, name: &str, answer: Answer, monitor: &dyn Monitor) -> Failure {
        let mut response = answer.response;
        let status = response.status().as_u16();
        let pause = retry_after(response.headers(), SystemTime::now());
        let body = self
            .transport
            .body(url, &mut response, LONGEST_REFUSAL, monitor);
        let codes = codes(&body.unwrap_or_default());
        let error = match status {
            401 | 403 => self.login_error(codes),
            404 => RegistryError::NotFound {
                name: self.reference.name(),
                part: name.to_owned(),
                codes,
            },
            429 => RegistryError::TooMany {
                host: self.reference.host().to_owned(),
                wait: pause.map_or_else(String::new, |pause| {
                    format!(": it asks to wait {} seconds", pause.as_secs())
                }),
            },
            _ => RegistryError::Status {
                url: shown(url),
                status,
                codes,
            },
        };
        if matches!(status, 408 | 429 | 500 | 502 | 503 | 504) {
            return Failure::Passing { error, pause };
        }
        error.into()
    }
}

/// The error codes of a refusal, in brackets. Its messages are left out: a registry could say
/// there what it was told.
fn codes(body: &[u8]) -> String {
    let refusal: Option<Refusal> = serde_json::from_slice(body).ok();
    let is_code = |code: &str| {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        !code.is_empty() && code.len() <= 40 && code.bytes().all(allowed)
    };
    let codes = refusal.map(|refusal| refusal.errors).unwrap_or_default();
    let codes = codes.into_iter().map(|error| error.code);
    let codes: Vec<String> = codes.filter(|code| is_code(code)).take(3).collect();
    if codes.is_empty() {
        return String::new();
    }
    format!(" ({})", codes.join(", "))
}

fn joined(base: &Url, reference: &Reference, path: &str) -> Result<Url, RegistryError> {
    base.join(path).map_err(|_| RegistryError::Reference {
        text: reference.to_string(),
        problem: "it gives no address",
    })
}

/// The registry's address: over TLS, or on this machine over plain HTTP if it speaks no TLS.
fn base(
    transport: &Transport,
    reference: &Reference,
    monitor: &dyn Monitor,
) -> Result<Url, ImageError> {
    let address = |scheme: &str| {
        let text = format!("{scheme}://{}/v2/", reference.server());
        text.parse::<Url>().map_err(|_| RegistryError::Reference {
            text: reference.to_string(),
            problem: "its host gives no address",
        })
    };
    let (secure, plain) = (address("https")?, address("http")?);
    if !reference.is_loopback() {
        return Ok(secure);
    }
    let ask = |url| {
        let ask = Ask {
            url,
            accept: &[],
            from: 0,
            authorization: None,
        };
        transport.get(&ask, monitor)
    };
    let mut attempts = Attempts::new();
    loop {
        let failure = match ask(&secure) {
            Ok(_) => return Ok(secure),
            Err(Failure::Lasting(error)) => return Err(error),
            Err(failure) => failure,
        };
        // A server with TLS answers plain requests too, but not as a registry does.
        if let Ok(answer) = ask(&plain)
            && matches!(answer.response.status().as_u16(), 200 | 401)
        {
            return Ok(plain);
        }
        attempts.after(failure, 0, monitor)?;
    }
}
