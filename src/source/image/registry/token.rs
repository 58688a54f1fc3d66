//! Tokens that let one pull from one repository (Docker registry v2 token authentication).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;

use super::attempts::Failure;
use super::transport::{Transport, shown};
use super::{Login, Reference, RegistryError};
use crate::monitor::Monitor;

/// Tokens have a few KiB.
const LONGEST: u64 = 1 << 20;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// A way to get a token.
pub(super) struct TokenServer<'a> {
    pub(super) transport: &'a Transport,
    pub(super) reference: &'a Reference,
    pub(super) login: Option<&'a Login>,
}

impl TokenServer<'_> {
    /// Asks `realm` for a token to pull with. The scope is ours: a registry that asks for more
    /// does not get it.
    pub(super) fn get(
        &self,
        realm: &str,
        service: &str,
        monitor: &dyn Monitor,
    ) -> Result<HeaderValue, Failure> {
        let mut url: Url = realm
            .parse()
            .map_err(|_| self.refuse("its token server has no address".to_owned()))?;
        if !self.transport.is_safe(&url) {
            let problem = format!("its token server is {}, not over TLS", shown(&url));
            return Err(self.refuse(problem).into());
        }
        let scope = format!("repository:{}:pull", self.reference.repository());
        let request = if let Some(Login::IdentityToken(token)) = self.login {
            let form = [
                ("grant_type", "refresh_token"),
                ("service", service),
                ("scope", &scope),
                ("client_id", "dhfpack"),
                ("refresh_token", token.reveal()),
            ];
            self.transport.post(&url, encoded(&url, &form))
        } else {
            let mut query = url.query_pairs_mut();
            if !service.is_empty() {
                query.append_pair("service", service);
            }
            query.append_pair("scope", &scope);
            drop(query);
            let request = self.transport.plain(&url);
            match self.login.and_then(basic) {
                Some(login) => request.header(AUTHORIZATION, login),
                None => request,
            }
        };
        let mut response = self.transport.send(&url, request, monitor)?;
        match response.status().as_u16() {
            200 => {}
            400 | 401 | 403 => return Err(self.refused().into()),
            status => {
                let error = RegistryError::Status {
                    url: shown(&url),
                    status,
                    codes: String::new(),
                };
                let is_passing = status == 429 || status >= 500;
                return Err(if is_passing {
                    Failure::passing(error)
                } else {
                    error.into()
                });
            }
        }
        let bytes = self.transport.body(&url, &mut response, LONGEST, monitor)?;
        Ok(self.token(&bytes)?)
    }

    fn token(&self, bytes: &[u8]) -> Result<HeaderValue, RegistryError> {
        let answer: Option<Answer> = serde_json::from_slice(bytes).ok();
        let token = answer.map(|answer| {
            if answer.token.is_empty() {
                answer.access_token
            } else {
                answer.token
            }
        });
        let token = token.filter(|token| !token.is_empty());
        let header = token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
        let mut header =
            header.ok_or_else(|| self.refuse("its token server gives no token".to_owned()))?;
        header.set_sensitive(true);
        Ok(header)
    }

    fn refuse(&self, problem: String) -> RegistryError {
        RegistryError::Challenge {
            host: self.reference.host().to_owned(),
            problem,
        }
    }

    fn refused(&self) -> RegistryError {
        login_error(self.reference, self.login.is_some(), String::new())
    }
}

/// The registry lets nobody in, or not with this login.
pub(super) fn login_error(reference: &Reference, has_login: bool, codes: String) -> RegistryError {
    RegistryError::Login {
        host: reference.host().to_owned(),
        repository: reference.repository().to_owned(),
        codes,
        advice: if has_login {
            "check that the name and password are right and may pull from it, and that the repository is there"
        } else {
            "no login was found: run `docker login`, set DOCKER_CONFIG, or set DHFPACK_REGISTRY_USERNAME and DHFPACK_REGISTRY_PASSWORD; and check that the repository is there"
        },
    }
}

/// Name and password as a header; an identity token has no such form.
pub(super) fn basic(login: &Login) -> Option<HeaderValue> {
    let Login::Password { user, password } = login else {
        return None;
    };
    let text = STANDARD.encode(format!("{user}:{}", password.reveal()));
    let mut header = HeaderValue::try_from(format!("Basic {text}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// A form's body.
fn encoded(any: &Url, form: &[(&str, &str)]) -> String {
    let mut url = any.clone();
    url.set_query(None);
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}
