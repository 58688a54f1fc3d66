//! Values of the form `NAME=VALUE`.

use std::collections::BTreeMap;
use std::str::FromStr;

use dhfpack::assemble::Locations;

use thiserror::Error;

use crate::cli::error::CliError;
use crate::cli::{git_access, image_registry};

/// `NAME=VALUE`: what the configuration calls NAME is taken from VALUE in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Not of the form `NAME=VALUE`.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("expected NAME=VALUE, as in `install=docker:pump:2.4.0`")]
pub(crate) struct NotNamed;

impl FromStr for Named {
    type Err = NotNamed;

    fn from_str(text: &str) -> Result<Self, NotNamed> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(NotNamed),
        }
    }
}

/// The options that say, for this run, where content is found.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Where content is found")]
pub(crate) struct Sources {
    /// Take the image NAME of the configuration from SOURCE: docker:REFERENCE,
    /// registry:REFERENCE, docker-archive:PATH or oci:PATH
    ///
    /// A registry's login is that of `docker login`, or in the variables
    /// `DHFPACK_REGISTRY_USERNAME` and `DHFPACK_REGISTRY_PASSWORD` (or, as a file,
    /// `DHFPACK_REGISTRY_PASSWORD_FILE`); `DHFPACK_CA_FILE` names authorities besides the system's.
    #[arg(long = "image", value_name = "NAME=SOURCE")]
    pub(crate) images: Vec<Named>,
    /// Take the folder NAME of the configuration from PATH
    #[arg(long = "folder", value_name = "NAME=PATH")]
    pub(crate) folders: Vec<Named>,
    /// Take the repository NAME of the configuration from LOCATION, a path or a URL
    #[arg(long = "repository", value_name = "NAME=LOCATION")]
    pub(crate) repositories: Vec<Named>,
    /// The engine's address: unix://, tcp:// or ssh:// [default: Docker's usual socket]
    #[arg(long, value_name = "URL", env = "DOCKER_HOST", hide_env_values = true)]
    pub(crate) engine: Option<String>,
}

impl Sources {
    /// The same, by name; of two for one name the later counts.
    pub(crate) fn locations(&self) -> Result<Locations, CliError> {
        fn by_name<T: From<String>>(named: &[Named]) -> BTreeMap<String, T> {
            let pairs = named.iter().cloned();
            pairs
                .map(|named| (named.name, named.value.into()))
                .collect()
        }
        Ok(Locations {
            images: by_name(&self.images),
            folders: by_name(&self.folders),
            repositories: by_name(&self.repositories),
            // As for the Docker client, an empty address is none.
            engine: self.engine.clone().filter(|address| !address.is_empty()),
            registries: image_registry::access()?,
            remotes: git_access::access(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_equals_sign_ends_the_name() {
        let named: Named = "install=oci:a=b".parse().unwrap();
        assert_eq!(
            (named.name.as_str(), named.value.as_str()),
            ("install", "oci:a=b")
        );
    }

    #[test]
    fn both_sides_must_be_there() {
        for text in ["", "install", "=x", "install="] {
            assert_eq!(text.parse::<Named>(), Err(NotNamed), "{text}");
        }
    }
}
