//! Requests over HTTPS, and over plain HTTP to this machine only. Redirects are followed here,
//! so that a login goes to no other host than the one it is for.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, RANGE,
};
use reqwest::redirect::Policy;
use reqwest::{Certificate, RequestBuilder, Response, Url};

use super::attempts::Failure;
use super::reference::is_loopback;
use super::{Access, Reference, RegistryError};
use crate::background::Background;
use crate::error::{IoContext, IoError};
use crate::monitor::Monitor;
use crate::source::image::ImageError;

/// How long a connection may take, and how long nothing may come.
const CONNECT: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_mins(1);
/// How many redirects are followed; storage behind a registry takes one or two.
const MOST_REDIRECTS: usize = 5;
/// More than the certificates of all authorities, in bytes.
const LARGEST_AUTHORITIES: u64 = 4 << 20;

/// What is asked for.
pub(super) struct Ask<'a> {
    pub(super) url: &'a Url,
    pub(super) accept: &'a [&'a str],
    /// From this byte on.
    pub(super) from: u64,
    pub(super) authorization: Option<&'a HeaderValue>,
}

/// An answer, and whether it came from the host asked: only that one may ask for a login.
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) is_from_registry: bool,
}

pub(super) struct Transport {
    http: reqwest::Client,
    runtime: Background,
    authorities: Vec<Certificate>,
    is_local: bool,
}

impl Transport {
    pub(super) fn new(reference: &Reference, access: &Access) -> Result<Self, ImageError> {
        Self::with(reference, authorities(reference, access)?)
    }

    /// The same with connections of its own, for another thread.
    pub(super) fn another(&self, reference: &Reference) -> Result<Self, ImageError> {
        Self::with(reference, self.authorities.clone())
    }

    fn with(reference: &Reference, authorities: Vec<Certificate>) -> Result<Self, ImageError> {
        let is_local = reference.is_loopback();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("dhfpack/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(CONNECT);
        if is_local {
            builder = builder.no_proxy();
        }
        if !authorities.is_empty() {
            builder = builder.tls_certs_merge(authorities.clone());
        }
        Ok(Self {
            http: builder.build().map_err(RegistryError::Setup)?,
            runtime: Background::here().at("set up connections to", reference.host())?,
            authorities,
            is_local,
        })
    }

    /// Whether secrets may go there: over TLS, or to this machine if the registry is here too.
    pub(super) fn is_safe(&self, url: &Url) -> bool {
        let is_local = self.is_local && url.host_str().is_some_and(is_loopback);
        let has_login = !url.username().is_empty() || url.password().is_some();
        let scheme = url.scheme();
        (scheme == "https" || scheme == "http" && is_local) && !has_login
    }

    /// Asks, and follows redirects.
    pub(super) fn get(&self, ask: &Ask<'_>, monitor: &dyn Monitor) -> Result<Answer, Failure> {
        let mut url = ask.url.clone();
        let mut is_from_registry = true;
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self
                .http
                .get(url.clone())
                // Bytes as they are stored: nothing in between is to be decoded.
                .header(ACCEPT_ENCODING, "identity");
            for media_type in ask.accept {
                request = request.header(ACCEPT, *media_type);
            }
            if ask.from > 0 {
                request = request.header(RANGE, format!("bytes={}-", ask.from));
            }
            if let Some(authorization) = ask.authorization.filter(|_| is_from_registry) {
                request = request.header(AUTHORIZATION, authorization.clone());
            }
            let response = self.send(&url, request, monitor)?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(Answer {
                    response,
                    is_from_registry,
                });
            }
            let next = self.next(&url, response.headers().get(LOCATION))?;
            // Once elsewhere, a way back brings no login with it either.
            is_from_registry &= next.origin() == ask.url.origin();
            url = next;
        }
        Err(RegistryError::Redirect {
            url: shown(ask.url),
            problem: format!("more than {MOST_REDIRECTS} times"),
        }
        .into())
    }

    fn next(&self, url: &Url, location: Option<&HeaderValue>) -> Result<Url, RegistryError> {
        let refuse = |problem: String| RegistryError::Redirect {
            url: shown(url),
            problem,
        };
        let location = location.and_then(|value| value.to_str().ok());
        let next = location.and_then(|location| url.join(location).ok());
        let next = next.ok_or_else(|| refuse("it does not say where".to_owned()))?;
        if self.is_safe(&next) {
            return Ok(next);
        }
        Err(refuse(format!("to {}", shown(&next))))
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) fn send(
        &self,
        url: &Url,
        request: RequestBuilder,
        monitor: &dyn Monitor,
    ) -> Result<Response, Failure> {
        let answer = self.runtime.wait_for(monitor, SILENCE, request.send())?;
        received(url, answer)
    }

    /// A form, sent without following redirects.
    pub(super) fn post(&self, url: &Url, form: String) -> RequestBuilder {
        let request = self.http.post(url.clone());
        request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)
    }

    /// A plain request, without following redirects.
    pub(super) fn plain(&self, url: &Url) -> RequestBuilder {
        self.http.get(url.clone())
    }

    /// The next piece of the body; none at its end.
    pub(super) fn chunk(
        &self,
        url: &Url,
        response: &mut Response,
        monitor: &dyn Monitor,
    ) -> Result<Option<Bytes>, Failure> {
        let chunk = self.runtime.wait_for(monitor, SILENCE, response.chunk())?;
        received(url, chunk)
    }

    /// The whole body, which has at most `limit` bytes.
    pub(super) fn body(
        &self,
        url: &Url,
        response: &mut Response,
        limit: u64,
        monitor: &dyn Monitor,
    ) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(url, response, monitor)? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                let url = shown(url);
                return Err(RegistryError::TooLong { url, limit }.into());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

fn received<T>(url: &Url, answer: Option<reqwest::Result<T>>) -> Result<T, Failure> {
    let url = shown(url);
    match answer {
        Some(Ok(value)) => Ok(value),
        Some(Err(source)) => Err(Failure::passing(RegistryError::Unreachable {
            url,
            // The address may hold a signature for the storage in its query.
            source: source.without_url(),
        })),
        None => Err(Failure::passing(RegistryError::Silent {
            url,
            seconds: SILENCE.as_secs(),
        })),
    }
}

/// An address without its query, which may hold a signature, and without a login.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Of an address without a host, which has neither.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.to_string()
}

/// The certificates of authorities besides those of the system.
fn authorities(reference: &Reference, access: &Access) -> Result<Vec<Certificate>, ImageError> {
    let mut files: Vec<PathBuf> = access.authorities.clone().into_iter().collect();
    if let Some(folder) = &access.certificates {
        files.extend(certificates_of(&folder.join(reference.host()))?);
    }
    let mut found = Vec::new();
    for path in files {
        let mut bytes = Vec::new();
        let file = fs::File::open(&path).at("open", &path)?;
        file.take(LARGEST_AUTHORITIES + 1)
            .read_to_end(&mut bytes)
            .at("read", &path)?;
        let problem = match Certificate::from_pem_bundle(&bytes) {
            _ if bytes.len() as u64 > LARGEST_AUTHORITIES => "has more than 4 MiB",
            Ok(certificates) if !certificates.is_empty() => {
                found.extend(certificates);
                continue;
            }
            _ => "holds no certificates in PEM form",
        };
        return Err(RegistryError::Authorities { path, problem }.into());
    }
    Ok(found)
}

/// The `*.crt` files of a registry's folder, if it has one.
fn certificates_of(folder: &Path) -> Result<Vec<PathBuf>, IoError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.at("list", folder)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.at("list", folder)?.path();
        if path.extension().is_some_and(|extension| extension == "crt") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        for (url, expected) in [
            (
                "https://user:secret@storage.example/blob?X-Signature=secret#secret",
                "https://storage.example/blob",
            ),
            (
                "https://r.example/v2/a/manifests/1",
                "https://r.example/v2/a/manifests/1",
            ),
        ] {
            assert_eq!(shown(&url.parse().unwrap()), expected);
        }
    }
}
