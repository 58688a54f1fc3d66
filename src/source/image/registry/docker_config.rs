//! Logins from Docker's `config.json`, as `docker login` leaves them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Login, Reference, RegistryError, Secret, helper};
use crate::error::IoContext;
use crate::monitor::Monitor;
use crate::source::image::ImageError;

/// More than any such file has, in bytes.
const LARGEST: u64 = 1 << 20;
/// What Docker Hub is called there.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    #[serde(rename = "auth")]
    encoded: String,
    username: String,
    password: String,
    identitytoken: String,
}

/// The login for the registry of `reference`, if Docker knows one: from the registry's credential
/// helper, from the one for all, or from the file itself.
pub(super) fn login(
    folder: &Path,
    reference: &Reference,
    monitor: &dyn Monitor,
) -> Result<Option<Login>, ImageError> {
    let path = folder.join("config.json");
    let Some(bytes) = read(&path)? else {
        return Ok(None);
    };
    let broken = |problem: String| RegistryError::DockerConfig {
        path: path.clone(),
        problem,
    };
    // What the parser says could hold a piece of a secret.
    let config: Config = serde_json::from_slice(&bytes)
        .map_err(|error| broken(format!("line {}, column {}", error.line(), error.column())))?;
    let names = names(reference);
    let mut helpers = names.iter().filter_map(|name| {
        let helper = config.cred_helpers.get(name)?;
        Some((name, helper.as_str()))
    });
    let store = Some(config.creds_store.as_str()).filter(|store| !store.is_empty());
    let helper = helpers.next().or(store.map(|store| (&names[0], store)));
    if let Some((server, helper)) = helper
        && let Some(login) = helper::get(helper, server, monitor)?
    {
        return Ok(Some(login));
    }
    let mut entries = names.iter().filter_map(|name| config.auths.get(name));
    match entries.next() {
        Some(entry) => entry
            .login()
            .map_err(|problem| broken(format!("auths, {}: {problem}", names[0])).into()),
        None => Ok(None),
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, ImageError> {
    let refuse = |problem: String| RegistryError::DockerConfig {
        path: path.to_path_buf(),
        problem,
    };
    match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        // A pipe would block for ever.
        Ok(found) if !found.is_file() => {
            return Err(refuse("it is no regular file".to_owned()).into());
        }
        found => found.at("open", path)?,
    };
    let file = File::open(path).at("open", path)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .at("read", path)?;
    if bytes.len() as u64 > LARGEST {
        return Err(refuse(format!("it has more than {LARGEST} bytes")).into());
    }
    Ok(Some(bytes))
}

/// Under which names a registry may stand, the usual first.
fn names(reference: &Reference) -> Vec<String> {
    let host = reference.host();
    let mut names = Vec::new();
    if reference.is_docker_hub() {
        names.push(DOCKER_HUB.to_owned());
    }
    names.push(host.to_owned());
    for scheme in ["https", "http"] {
        for end in ["", "/", "/v1/", "/v2/"] {
            names.push(format!("{scheme}://{host}{end}"));
        }
    }
    names
}

impl Auth {
    fn login(&self) -> Result<Option<Login>, &'static str> {
        if !self.identitytoken.is_empty() {
            let token = Secret::new(self.identitytoken.clone());
            return Ok(Some(Login::IdentityToken(token)));
        }
        let (user, password) = if self.encoded.is_empty() {
            (self.username.clone(), self.password.clone())
        } else {
            let bytes = STANDARD.decode(self.encoded.trim_end());
            let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or("`auth` is not the base64 of a text")?;
            let (user, password) = text
                .split_once(':')
                .ok_or("`auth` has no colon between name and password")?;
            // Docker once wrote zeros behind it.
            (user.to_owned(), password.trim_end_matches('\0').to_owned())
        };
        if user.is_empty() {
            return Ok(None);
        }
        Ok(Some(Login::Password {
            user,
            password: Secret::new(password),
        }))
    }
}
