//! The name of an image in a registry: `HOST[:PORT]/REPOSITORY:TAG` or `…@sha256:DIGEST`.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::RegistryError;
use crate::digest::Sha256;

/// The longest name of a repository, and of a tag (OCI distribution specification, "Pulling").
const LONGEST_REPOSITORY: usize = 255;
const LONGEST_TAG: usize = 128;
/// Where Docker Hub answers; its name in references has no registry behind it.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// An image in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    host: String,
    repository: String,
    /// Which image of the repository.
    pub version: Version,
}

/// Which image of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// The one that has this tag now.
    Tag(String),
    /// The one whose manifest or index has this digest.
    Digest(Sha256),
}

impl Reference {
    /// Registry and repository, without tag or digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }

    /// Host and port, as written.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// Host and port that answer for it.
    pub(super) fn server(&self) -> &str {
        if self.is_docker_hub() {
            DOCKER_HUB
        } else {
            &self.host
        }
    }

    pub(super) fn is_docker_hub(&self) -> bool {
        matches!(self.host.as_str(), "docker.io" | "index.docker.io")
    }

    /// Whether the registry is this machine, where plain HTTP is no risk.
    pub(super) fn is_loopback(&self) -> bool {
        let (name, _) = split_port(&self.host);
        is_loopback(name)
    }
}

/// Whether a host, without its port, is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let is_v4 = host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
    is_v4 || matches!(host, "localhost" | "[::1]")
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(f, "{}/{}:{tag}", self.host, self.repository),
            Version::Digest(digest) => {
                write!(f, "{}/{}@sha256:{digest}", self.host, self.repository)
            }
        }
    }
}

impl FromStr for Reference {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        parse(text).map_err(|problem| RegistryError::Reference {
            text: without_login(text).to_owned(),
            problem,
        })
    }
}

/// A reference without the login that somebody wrote before its host.
fn without_login(text: &str) -> &str {
    let host = text.rsplit_once('/').and_then(|(host, _)| host.rfind('@'));
    host.map_or(text, |at| &text[at + 1..])
}

fn parse(text: &str) -> Result<Reference, &'static str> {
    if without_login(text) != text {
        return Err("a login stands before its host; say it in the environment instead");
    }
    // Docker reads a name without a registry as one of Docker Hub. Here it is written, so that
    // a configuration says by itself where an image comes from.
    let hub = "it names no registry; for one of Docker Hub write docker.io/library/NAME:TAG, or docker.io/OWNER/NAME:TAG";
    let (host, rest) = text.split_once('/').ok_or(hub)?;
    let host = host.to_ascii_lowercase();
    if is_repository(&host) && !host.contains('.') && host != "localhost" {
        return Err(hub);
    }
    if !is_host(&host) {
        return Err("what stands before the first `/` is no host with an optional port");
    }
    let (name, version) = if let Some((name, digest)) = rest.split_once('@') {
        let hex = digest
            .strip_prefix("sha256:")
            .ok_or("its digest is not of the kind sha256")?;
        let digest = hex
            .parse()
            .map_err(|_| "its digest has not 64 lower-case hexadecimal digits")?;
        // A tag beside the digest says nothing more.
        let name = name.split_once(':').map_or(name, |(name, _)| name);
        (name, Version::Digest(digest))
    } else {
        let (name, tag) = rest
            .split_once(':')
            .ok_or("it has neither tag nor digest")?;
        if !is_tag(tag) {
            return Err("its tag has characters that no tag has, or too many");
        }
        (name, Version::Tag(tag.to_owned()))
    };
    if !is_repository(name) {
        return Err("the repository's name has parts that no name has");
    }
    let mut reference = Reference {
        host,
        repository: name.to_owned(),
        version,
    };
    if reference.is_docker_hub() && !name.contains('/') {
        reference.repository = format!("library/{name}");
    }
    Ok(reference)
}

/// Splits `HOST:PORT`; the brackets of an IPv6 address stay.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

fn is_host(text: &str) -> bool {
    let (name, port) = split_port(text);
    let is_port = |port: &str| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        digits && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && !label.starts_with('-') && label.bytes().all(allowed)
    };
    let is_v6 = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .is_some_and(|name| name.parse::<std::net::Ipv6Addr>().is_ok());
    port.is_none_or(is_port) && (is_v6 || name.split('.').all(is_label))
}

/// Words of lower-case letters and digits, joined by a dot, one or two underscores, or hyphens.
fn is_repository(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str| {
        let joints = part.split(|character: char| character.is_ascii() && is_word(character as u8));
        let is_joint = |joint: &str| {
            matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|byte| byte == b'-')
        };
        part.bytes().next().is_some_and(is_word)
            && part.bytes().last().is_some_and(is_word)
            && joints.into_iter().all(is_joint)
    };
    text.len() <= LONGEST_REPOSITORY && text.split('/').all(is_part)
}

fn is_tag(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_next = |byte: u8| is_first(byte) || byte == b'.' || byte == b'-';
    text.len() <= LONGEST_TAG
        && text.bytes().next().is_some_and(is_first)
        && text.bytes().all(is_next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_reference_names_registry_repository_and_version() {
        for text in [
            "registry.example.org/team/monitor:2.4.0",
            "127.0.0.1:5000/monitor:2.4.0",
            "[::1]:5000/a/b-c/d__e:v1_x",
            &format!("localhost/monitor@sha256:{HEX}"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), *text);
        }
        let hub: Reference = "docker.io/alpine:3".parse().unwrap();
        assert_eq!(hub.repository(), "library/alpine");
        assert_eq!(hub.server(), "registry-1.docker.io");
        let both: Reference = format!("h.example/m:1@sha256:{HEX}").parse().unwrap();
        assert!(matches!(both.version, Version::Digest(_)));
    }

    #[test]
    fn what_could_lead_a_request_elsewhere_is_refused() {
        for text in [
            "monitor:2.4.0",
            "h.example/monitor",
            "h.example/../monitor:1",
            "h.example/a/../b:1",
            "h.example/a//b:1",
            "h.example/Monitor:1",
            "h.example/a:../../x",
            "h.example/a:1?x=y",
            "h.example/a:1#x",
            "user@h.example/a:1",
            "user:secret@h.example/a:1",
            "h.example:0/a:1",
            "h.example:99999/a:1",
            "ho st/a:1",
            "/a:1",
            "h.example/a@sha512:00",
            "h.example/a@sha256:xyz",
            "h.example/a@sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_without_a_registry_is_refused_with_the_one_to_write() {
        for text in ["alpine:3", "library/alpine:3", "monitor", "team/a/b:1"] {
            let told = text.parse::<Reference>().unwrap_err().to_string();
            assert!(told.contains("docker.io/library/NAME:TAG"), "{told}");
        }
        for text in ["localhost/a:1", "h.example/a:1", "h:5000/a:1", "[::1]/a:1"] {
            assert!(text.parse::<Reference>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_login_before_the_host_is_not_told() {
        for text in [
            "user:secret@h.example/a:1",
            "https://user:secret@h.example/a:1",
            "user:sec/ret@h.example/a:1",
        ] {
            let told = text.parse::<Reference>().unwrap_err().to_string();
            assert!(
                !told.contains("secret") && !told.contains("sec/ret") && !told.contains("user"),
                "{told}"
            );
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (host, expected) in [
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.9.9.9", true),
            ("[::1]:5000", true),
            ("127.0.0.1.example.org", false),
            ("localhost.example.org", false),
            ("10.0.0.1", false),
        ] {
            let reference: Reference = format!("{host}/a:1").parse().unwrap();
            assert_eq!(reference.is_loopback(), expected, "{host}");
        }
    }
}
