//! Addresses of stores: a folder's path, or a URL.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use miette::Diagnostic;
use reqwest::Url;
use thiserror::Error;

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A folder, on a disk or a network share.
    Folder(PathBuf),
    /// A service.
    Remote(Remote),
}

/// A place in a service. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The service.
    pub service: Service,
    /// The bucket or container; empty where the service has none.
    pub bucket: String,
    /// The folder in it, without `/` at either end; empty for the top.
    pub folder: String,
    /// How the service is reached, as in `region=eu-central-1`; those that [`Service::options`] names.
    pub options: BTreeMap<String, String>,
}

/// A kind of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Amazon S3, and what is compatible with it.
    S3,
    /// Dropbox.
    Dropbox,
    /// Azure Blob Storage.
    Azblob,
    /// Google Cloud Storage.
    Gs,
}

/// Text that is no address of a store.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("`{url}` is no address of a store: {problem}")]
#[diagnostic(help(
    "expected a folder, s3://BUCKET/PREFIX, dropbox://FOLDER, azblob://CONTAINER/PREFIX or \
     gs://BUCKET/PREFIX; logins come from the environment, never from the address"
))]
pub struct AddressError {
    /// The address, without a login that may be in it.
    pub url: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 4] = [Self::S3, Self::Dropbox, Self::Azblob, Self::Gs];

    /// The scheme of its URLs.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Dropbox => "dropbox",
            Self::Azblob => "azblob",
            Self::Gs => "gs",
        }
    }

    /// The options that its URLs take after `?`.
    pub const fn options(self) -> &'static [&'static str] {
        match self {
            Self::S3 => &["endpoint", "region", "style"],
            Self::Azblob => &["account", "endpoint"],
            Self::Dropbox | Self::Gs => &["endpoint"],
        }
    }
}

/// Services that are asked for and not enabled, with the reason.
const REFUSED: [(&str, &str); 3] = [
    (
        "webdav",
        "WebDAV servers neither create a file only where none is nor take one in parts: mount the share and name its folder",
    ),
    (
        "sftp",
        "an SFTP server shows a file before it is whole: mount it with sshfs and name its folder",
    ),
    (
        "ftp",
        "FTP protects neither login nor bytes: use a folder or s3://",
    ),
];

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some((scheme, _)) = text.split_once("://") else {
            let bad = |problem: &str| AddressError {
                url: text.to_owned(),
                problem: problem.to_owned(),
            };
            return match text {
                "" => Err(bad("it is empty")),
                _ => Ok(Self::Folder(text.into())),
            };
        };
        let bad = |problem: String| AddressError {
            url: without_login(text),
            problem,
        };
        if let Some((_, reason)) = REFUSED.iter().find(|(name, _)| *name == scheme) {
            return Err(bad((*reason).to_owned()));
        }
        let service = Service::ALL
            .into_iter()
            .find(|service| service.scheme() == scheme)
            .ok_or_else(|| bad(format!("`{scheme}` is no kind of store")))?;
        Remote::parse(service, text).map(Self::Remote).map_err(bad)
    }
}

impl Remote {
    fn parse(service: Service, text: &str) -> Result<Self, String> {
        let text = match (service, text.split_once("://")) {
            // Its first name is a folder's, which may hold what no host may.
            (Service::Dropbox, Some((scheme, rest))) => format!("{scheme}:///{rest}"),
            _ => text.to_owned(),
        };
        // Before they are resolved: whoever wrote them may have meant another place.
        let written = text.split(['?', '#']).next().unwrap_or_default();
        let is_relative = |name: &str| matches!(name, "." | "..");
        if written
            .replace("%2e", ".")
            .replace("%2E", ".")
            .split('/')
            .any(is_relative)
        {
            return Err("its path has an empty name, `.` or `..`".to_owned());
        }
        let url = Url::parse(&text).map_err(|error| error.to_string())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it holds a login".to_owned());
        }
        if url.port().is_some() || url.fragment().is_some() {
            return Err("a port and `#` have no meaning in it; see `endpoint`".to_owned());
        }
        let path = percent_encoding::percent_decode_str(url.path())
            .decode_utf8()
            .map_err(|_| "it is not UTF-8".to_owned())?;
        let host = percent_encoding::percent_decode_str(url.host_str().unwrap_or_default())
            .decode_utf8()
            .map_err(|_| "it is not UTF-8".to_owned())?
            .into_owned();
        let path = path.trim_matches('/');
        let (bucket, folder) = match (service, host.as_str(), path) {
            (Service::Dropbox, _, path)
                if path
                    .split('/')
                    .next()
                    .is_some_and(|name| name.contains('@')) =>
            {
                return Err("its first name holds `@`, as a login would".to_owned());
            }
            (Service::Dropbox, _, path) => (String::new(), path.to_owned()),
            (_, "", _) => return Err("it names no bucket".to_owned()),
            (_, host, path) => (host.to_owned(), path.to_owned()),
        };
        let strange = |name: &str| name.is_empty() || is_relative(name);
        if !folder.is_empty() && folder.split('/').any(strange) {
            return Err("its path has an empty name, `.` or `..`".to_owned());
        }
        let mut options = BTreeMap::new();
        for (key, value) in url.query_pairs() {
            if !service.options().contains(&key.as_ref()) {
                let known = service.options().join("`, `");
                return Err(format!("`{key}` is no option; there is `{known}`"));
            }
            if key == "endpoint" {
                check_endpoint(&value)?;
            }
            if options.insert(key.to_string(), value.to_string()).is_some() {
                return Err(format!("`{key}` is in it twice"));
            }
        }
        Ok(Self {
            service,
            bucket,
            folder,
            options,
        })
    }

    /// An option's value.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }
}

/// A server's address, over TLS or on this machine, and without a login.
pub(in crate::store) fn check_endpoint(endpoint: &str) -> Result<(), String> {
    let url = Url::parse(endpoint)
        .map_err(|_| "its endpoint is no URL, as in https://s3.example.com".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("its endpoint holds a login or a query".to_owned());
    }
    let local = matches!(
        url.host_str(),
        Some("localhost" | "127.0.0.1" | "[::1]" | "::1")
    );
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        _ => Err("its endpoint is not https://, which only this machine may do without".to_owned()),
    }
}

/// The text up to its query, without a login.
fn without_login(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => text.to_owned(),
    }
}

impl Address {
    /// Whether the text names a service rather than a path.
    pub fn is_url(text: &str) -> bool {
        text.contains("://")
    }

    /// The address of `path` below this one, as a store of its own.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        match self {
            Self::Folder(folder) => Self::Folder(folder.join(path)),
            Self::Remote(remote) if remote.folder.is_empty() => Self::Remote(Remote {
                folder: path.to_owned(),
                ..remote.clone()
            }),
            Self::Remote(remote) => Self::Remote(Remote {
                folder: format!("{}/{path}", remote.folder),
                ..remote.clone()
            }),
        }
    }

    /// The store that this address lies in, and its name there: the address of a published
    /// archive gives its store and the archive's name. None at the top.
    pub fn above(&self) -> Option<(Self, String)> {
        match self {
            Self::Folder(folder) => {
                let name = folder.file_name()?.to_str()?.to_owned();
                let parent = folder.parent()?;
                let parent = if parent.as_os_str().is_empty() {
                    Path::new(".")
                } else {
                    parent
                };
                Some((Self::Folder(parent.to_path_buf()), name))
            }
            Self::Remote(remote) => {
                let (folder, name) = match remote.folder.rsplit_once('/') {
                    Some((folder, name)) => (folder, name),
                    None if remote.folder.is_empty() => return None,
                    None => ("", remote.folder.as_str()),
                };
                let above = Remote {
                    folder: folder.to_owned(),
                    ..remote.clone()
                };
                Some((Self::Remote(above), name.to_owned()))
            }
        }
    }

    /// How the object at `path` is named in messages and receipts.
    pub fn place(&self, path: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(path).display().to_string(),
            Self::Remote(_) => self.below(path).to_string(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.service.scheme(), self.bucket)?;
        if !self.folder.is_empty() {
            if !self.bucket.is_empty() {
                f.write_str("/")?;
            }
            for char in self.folder.chars() {
                match char {
                    // They would end the path, or begin an escape.
                    '%' | '?' | '#' => write!(f, "%{:02X}", u32::from(char))?,
                    char => f.write_char(char)?,
                }
            }
        }
        for (index, (key, value)) in self.options.iter().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            write!(f, "{mark}{key}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_is_read() {
        for text in [
            "/mnt/releases",
            "releases",
            "s3://bucket",
            "s3://bucket/a b/c",
            "s3://bucket/a?endpoint=http://127.0.0.1:9000&region=eu-central-1",
            "s3://bucket/100%25/a%3Fb%23c",
            "dropbox://Releases/Pump",
            "dropbox://Prüfung 2/Ärzte",
            "azblob://container/a?account=maker",
            "gs://bucket/a",
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            let archive = address.below("pump-2.4.0");
            let above = archive.above().unwrap();
            assert_eq!(above, (address, "pump-2.4.0".to_owned()), "{text}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_without_its_login() {
        for text in [
            "",
            "webdav://host/a",
            "sftp://host/a",
            "ftp://host/a",
            "http://host/a",
            "s3://",
            "s3:///a",
            "s3://user:secret@bucket/a",
            "dropbox://user:secret@Releases",
            "dropbox://secret@Releases/Pump",
            "s3://bucket:80/a",
            "s3://bucket/a#secret",
            "s3://bucket/a//b",
            "s3://bucket/a/../b",
            "s3://bucket/./b",
            "s3://bucket/%2E%2e/b",
            "dropbox://../a",
            "s3://bucket/a?secret=1",
            "s3://bucket/a?endpoint=http://s3.example.com",
            "s3://bucket/a?endpoint=https://user:secret@s3.example.com",
            "s3://bucket/a?region=a&region=b",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            let told = error.to_string();
            assert!(
                !told.replace("`secret` is no option", "").contains("secret"),
                "{told}"
            );
        }
    }
}
