//! Who publishes to Dropbox. Access tokens last four hours; a refresh token gives new ones.

use std::sync::{Mutex, PoisonError};

use reqwest::header::HeaderValue;
use serde::Deserialize;

use super::client::Client;
use crate::store::StoreError;

/// A login at Dropbox. Has no `Debug` form: it consists of secrets.
#[derive(Clone)]
pub struct DropboxLogin {
    pub(super) tokens: Tokens,
    pub(super) namespace: Option<String>,
    pub(super) member: Option<String>,
}

#[derive(Clone)]
pub(super) enum Tokens {
    Access(String),
    Refresh {
        token: String,
        app_key: String,
        app_secret: Option<String>,
    },
}

impl DropboxLogin {
    /// An access token; it ends after four hours at the latest.
    pub const fn with_access_token(token: String) -> Self {
        Self::new(Tokens::Access(token))
    }

    /// A refresh token and the key of the app that it was given to; with the app's secret unless
    /// it was given by PKCE (RFC 7636).
    pub const fn with_refresh_token(
        token: String,
        app_key: String,
        app_secret: Option<String>,
    ) -> Self {
        Self::new(Tokens::Refresh {
            token,
            app_key,
            app_secret,
        })
    }

    const fn new(tokens: Tokens) -> Self {
        Self {
            tokens,
            namespace: None,
            member: None,
        }
    }

    /// Paths count from this namespace, such as a team's space, and not from the user's own.
    #[must_use]
    pub fn in_namespace(mut self, id: Option<String>) -> Self {
        self.namespace = id;
        self
    }

    /// A team's token acts as this member, by team member id.
    #[must_use]
    pub fn as_member(mut self, id: Option<String>) -> Self {
        self.member = id;
        self
    }

    /// Everything that no message may show.
    fn secrets(&self) -> Vec<&str> {
        match &self.tokens {
            Tokens::Access(token) => vec![token],
            Tokens::Refresh {
                token, app_secret, ..
            } => std::iter::once(token.as_str())
                .chain(app_secret.as_deref())
                .collect(),
        }
    }
}

/// The login, and the access token that is used now.
pub(super) struct Session {
    login: DropboxLogin,
    access: Mutex<Option<String>>,
}

/// What `oauth2/token` answers.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
}

impl Session {
    pub(super) fn new(login: DropboxLogin) -> Self {
        let access = match &login.tokens {
            Tokens::Access(token) => Some(token.clone()),
            Tokens::Refresh { .. } => None,
        };
        Self {
            login,
            access: Mutex::new(access),
        }
    }

    /// The token to use; asked for if there is none, or no other than `expired`.
    pub(super) fn token(
        &self,
        client: &Client<'_>,
        expired: Option<&str>,
    ) -> Result<String, StoreError> {
        // Others that need a token wait here, and then have it.
        let mut access = self.access.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = access.as_deref().filter(|token| Some(*token) != expired) {
            return Ok(token.to_owned());
        }
        let token = self.renew(client)?;
        *access = Some(token.clone());
        Ok(token)
    }

    /// Whether an expired token can be exchanged for a new one.
    pub(super) const fn is_renewable(&self) -> bool {
        matches!(self.login.tokens, Tokens::Refresh { .. })
    }

    fn renew(&self, client: &Client<'_>) -> Result<String, StoreError> {
        let Tokens::Refresh {
            token,
            app_key,
            app_secret,
        } = &self.login.tokens
        else {
            return Err(client.refuse("the access token expired", EXPIRED));
        };
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", app_key),
        ];
        if let Some(secret) = app_secret {
            form.push(("client_secret", secret));
        }
        let answer = client.grant(&form)?;
        let granted: Option<Granted> = serde_json::from_slice(&answer).ok();
        granted
            .map(|granted| granted.access_token)
            .filter(|token| bearer(token).is_some())
            .ok_or_else(|| client.refuse("it gave no access token for the refresh token", RENEW))
    }

    /// The text without any secret of this login.
    pub(super) fn without_secrets(&self, text: &str, used: Option<&str>) -> String {
        let secrets = self.login.secrets().into_iter().chain(used);
        secrets
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| {
                text.replace(secret, "(secret)")
            })
    }
}

/// What to do about an access token that ended.
pub(super) const EXPIRED: &str = "access tokens last four hours: set \
    DHFPACK_DROPBOX_REFRESH_TOKEN and DHFPACK_DROPBOX_APP_KEY in place of DHFPACK_DROPBOX_TOKEN";
/// What to do about a refresh token that gives nothing.
pub(super) const RENEW: &str = "check DHFPACK_DROPBOX_REFRESH_TOKEN, DHFPACK_DROPBOX_APP_KEY and \
    DHFPACK_DROPBOX_APP_SECRET, and that the app is still connected to the account";

/// The token as a header, if it can be one.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let mut header = HeaderValue::try_from(format!("Bearer {token}"))
        .ok()
        .filter(|_| is_token)?;
    header.set_sensitive(true);
    Some(header)
}
