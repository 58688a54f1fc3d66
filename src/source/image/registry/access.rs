//! How this machine gets at registries: logins and certificates. Never part of an archive.

use std::fmt;
use std::path::PathBuf;

/// Logins and certificates of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// A login for every registry asked; goes before those in Docker's configuration.
    pub login: Option<Login>,
    /// The folder with Docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// A PEM file of authorities that count besides those of the system.
    pub authorities: Option<PathBuf>,
    /// A folder in Docker's `certs.d` form: `HOST[:PORT]/*.crt` are authorities for that registry.
    pub certificates: Option<PathBuf>,
}

/// What a registry knows somebody by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// A name and its password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token, in place of both.
    IdentityToken(Secret),
}

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the secret text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that needs it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
