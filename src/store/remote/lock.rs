//! S3 Object Lock, of which `OpenDAL` knows nothing: a few small requests of our own.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use opendal::raw::oio::ReadStream;
use opendal::{Buffer, HttpTransport, HttpTransporter};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqsign::aws::v4::{Credential, DefaultCredentialProvider, RequestSigner};
use reqsign::{Context, FileRead, OsEnv, Signer};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::s3::Bucket;
use super::trace::{Refusal, Trace, plain};
use super::transport::Transport;
use super::{RemoteStore, failure};
use crate::config::LockMode;
use crate::digest::Sha256;
use crate::store::http::Clients;
use crate::store::{Locks, ObjectLock, Remote, Retention, StoreError};

/// Unreserved characters (RFC 3986 §2.3) stand for themselves.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// In a key, so do slashes.
const KEY: &AsciiSet = &QUERY.remove(b'/');

/// What S3 says where an object has no lock, or a bucket no Object Lock. It says otherwise where there
/// is no such object. A server without any locks answers 501.
const ABSENT: [&str; 3] = [
    "NoSuchObjectLockConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "ObjectLockConfigurationNotFound",
];
/// What S3 says to a login that it knows and that lacks the permission; other answers with the same
/// status mean a wrong login.
const DENIED: &str = "AccessDenied";
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// More than any answer about locks is long, in bytes.
const LONGEST_ANSWER: usize = 64 << 10;

const PERMISSIONS: &str = "the login may not do this: locks need the permissions \
    s3:GetBucketObjectLockConfiguration, s3:GetBucketVersioning, s3:GetObjectRetention, \
    s3:PutObjectRetention, s3:GetObjectLegalHold and s3:PutObjectLegalHold, and compliance mode in \
    the place of governance mode s3:BypassGovernanceRetention";

/// What signs and sends requests about locks.
pub(super) struct Lock {
    bucket: String,
    signer: Signer<Credential>,
    clients: Arc<Clients>,
    obstacle: OnceLock<Option<&'static str>>,
}

/// A request about locks.
struct Ask<'a> {
    /// For messages, as a verb.
    action: &'static str,
    /// The object; none for the bucket.
    path: Option<&'a str>,
    version: Option<&'a str>,
    /// What of it is asked about: `retention`, `legal-hold`, `object-lock`, `versioning`.
    part: &'static str,
    /// What is to be set, in XML; none to ask how it is.
    set: Option<String>,
    /// Whether a lock in governance mode is to be replaced.
    bypass: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RetentionAnswer {
    mode: Mode,
    retain_until_date: Timestamp,
}

#[derive(Deserialize)]
enum Mode {
    #[serde(rename = "GOVERNANCE")]
    Governance,
    #[serde(rename = "COMPLIANCE")]
    Compliance,
}

impl From<Mode> for LockMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Governance => Self::Governance,
            Mode::Compliance => Self::Compliance,
        }
    }
}

/// A hold on an object, and whether a bucket keeps versions.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatusAnswer {
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BucketAnswer {
    object_lock_enabled: Option<String>,
}

impl Lock {
    pub(super) fn new(remote: &Remote, clients: &Arc<Clients>) -> Result<Self, StoreError> {
        let bucket = Bucket::of(remote)?;
        let transport = Transport::new(Arc::clone(clients), Arc::new(Trace::default()));
        let context = Context::new()
            .with_file_read(Files)
            .with_env(OsEnv)
            .with_http_send(HttpTransporter::new(transport));
        Ok(Self {
            bucket: bucket.url(),
            signer: Signer::new(
                context,
                DefaultCredentialProvider::new(),
                RequestSigner::new("s3", &bucket.region),
            ),
            clients: Arc::clone(clients),
            obstacle: OnceLock::new(),
        })
    }
}

/// The files of profiles, which are small.
#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign::Result<Vec<u8>> {
        std::fs::read(path)
            .map_err(|error| reqsign::Error::unexpected("cannot read a profile").with_source(error))
    }
}

impl Ask<'_> {
    /// Asks how it is.
    const fn how(
        action: &'static str,
        path: Option<&'static str>,
        part: &'static str,
    ) -> Ask<'static> {
        Ask {
            action,
            path,
            version: None,
            part,
            set: None,
            bypass: false,
        }
    }
}

impl RemoteStore<'_> {
    fn lock(&self) -> Result<&Lock, StoreError> {
        self.lock.as_ref().ok_or_else(|| StoreError::Refused {
            url: self.address.to_string(),
            reason: "only S3 locks objects",
        })
    }

    /// Asks about locks. None if the service says that there is nothing of the kind.
    fn ask(&self, ask: &Ask<'_>) -> Result<Option<Vec<u8>>, StoreError> {
        let lock = self.lock()?;
        let (mut head, body) = self.request(lock, ask)?.into_parts();
        if self.wait(lock.signer.sign(&mut head, None))?.is_err() {
            // Its reasons may quote from files that hold secrets.
            let problem = "no login was found".to_owned();
            return Err(self.refusal(ask, problem, failure::logins(self.service)));
        }
        let trace = Arc::new(Trace::default());
        let transport = Transport::new(Arc::clone(&lock.clients), trace.clone());
        let request = Request::from_parts(head, Buffer::from(body));
        let (problem, help) = match self.wait(answer(&transport, request))? {
            Ok((200..=299, bytes)) => return Ok(Some(bytes)),
            Ok((status, bytes)) => {
                let refusal = Refusal::read(status, &bytes);
                // Many servers do not know this part of S3 at all, and then have no locks.
                let is_absent =
                    matches!(status, 405 | 501) || ABSENT.contains(&refusal.code.as_str());
                if is_absent && ask.set.is_none() {
                    return Ok(None);
                }
                match failure::refused(self.service, &refusal) {
                    (problem, _) if refusal.code == DENIED => {
                        return Err(StoreError::Denied {
                            action: ask.action,
                            place: self.place_of(ask),
                            problem,
                            help: PERMISSIONS,
                        });
                    }
                    (problem, _) if status == 403 => (problem, PERMISSIONS),
                    told => told,
                }
            }
            Err(error) => failure::told(self.service, &error, &trace),
        };
        Err(self.refusal(ask, problem, help))
    }

    fn request(&self, lock: &Lock, ask: &Ask<'_>) -> Result<Request<Bytes>, StoreError> {
        let mut url = format!("{}/", lock.bucket);
        if let Some(path) = ask.path {
            let key = self.object_key(path)?;
            url.extend(utf8_percent_encode(&key, KEY));
        }
        url = format!("{url}?{}", ask.part);
        if let Some(version) = ask.version {
            url.push_str("&versionId=");
            url.extend(utf8_percent_encode(version, QUERY));
        }
        let body = ask.set.clone().unwrap_or_default();
        let mut request = Request::builder().uri(url).header(
            "x-amz-content-sha256",
            Sha256::of(body.as_bytes()).to_string(),
        );
        if ask.set.is_some() {
            // S3 takes no lock without a checksum; every server knows this one.
            request = request
                .method(Method::PUT)
                .header("content-type", "application/xml")
                .header("content-md5", STANDARD.encode(Md5::digest(body.as_bytes())));
        }
        if ask.bypass {
            request = request.header("x-amz-bypass-governance-retention", "true");
        }
        request
            .body(body.into())
            .map_err(|error| self.refusal(ask, error.to_string(), "check the address"))
    }

    /// What the answer says, if it is one.
    fn read_answer<T: DeserializeOwned>(
        &self,
        ask: &Ask<'_>,
        bytes: &[u8],
    ) -> Result<T, StoreError> {
        quick_xml::de::from_reader(bytes).map_err(|error| {
            let problem = plain(&format!("the answer cannot be understood: {error}"));
            self.refusal(
                ask,
                problem,
                "this server does not speak as S3 does: use another",
            )
        })
    }

    fn refusal(&self, ask: &Ask<'_>, problem: String, help: &'static str) -> StoreError {
        StoreError::Service {
            action: ask.action,
            place: self.place_of(ask),
            problem,
            help,
            source: None,
        }
    }

    fn place_of(&self, ask: &Ask<'_>) -> String {
        match ask.path {
            Some(path) => self.place(path),
            None => self.address.to_string(),
        }
    }

    fn find_obstacle(&self) -> Result<Option<&'static str>, StoreError> {
        let action = "ask for the Object Lock of";
        let ask = Ask::how(action, None, "object-lock");
        let Some(bytes) = self.ask(&ask)? else {
            return Ok(Some("its bucket has no Object Lock"));
        };
        let bucket: BucketAnswer = self.read_answer(&ask, &bytes)?;
        if bucket.object_lock_enabled.as_deref() != Some("Enabled") {
            return Ok(Some("the Object Lock of its bucket is not enabled"));
        }
        let ask = Ask::how("ask for the versions of", None, "versioning");
        let versions = match self.ask(&ask)? {
            Some(bytes) => self.read_answer::<StatusAnswer>(&ask, &bytes)?.status,
            None => None,
        };
        // A lock is on a version: without versions, the object could be replaced under it.
        Ok((versions.as_deref() != Some("Enabled")).then_some("its bucket keeps no versions"))
    }
}

/// The status and the body of the answer.
async fn answer(
    transport: &Transport,
    request: Request<Buffer>,
) -> opendal::Result<(u16, Vec<u8>)> {
    let answer = transport.fetch(request).await?;
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    loop {
        let piece = body.read().await?;
        if piece.is_empty() || bytes.len() > LONGEST_ANSWER {
            return Ok((status, bytes));
        }
        bytes.extend_from_slice(&piece.to_bytes());
    }
}

impl ObjectLock for RemoteStore<'_> {
    fn obstacle(&self) -> Result<Option<&'static str>, StoreError> {
        let known = &self.lock()?.obstacle;
        if let Some(obstacle) = known.get() {
            return Ok(*obstacle);
        }
        let found = self.find_obstacle()?;
        Ok(*known.get_or_init(|| found))
    }

    fn locks(&self, path: &str, version: Option<&str>) -> Result<Locks, StoreError> {
        let ask = Ask {
            path: Some(path),
            version,
            ..Ask::how("read the lock of", None, "retention")
        };
        let retention = match self.ask(&ask)? {
            Some(bytes) => {
                let found: RetentionAnswer = self.read_answer(&ask, &bytes)?;
                Some(Retention {
                    mode: found.mode.into(),
                    until: found.retain_until_date,
                })
            }
            None => None,
        };
        let ask = Ask {
            action: "read the legal hold of",
            part: "legal-hold",
            ..ask
        };
        let hold = match self.ask(&ask)? {
            Some(bytes) => self.read_answer::<StatusAnswer>(&ask, &bytes)?.status,
            None => None,
        };
        Ok(Locks {
            retention,
            legal_hold: hold.as_deref() == Some("ON"),
        })
    }

    fn retain(
        &self,
        path: &str,
        version: Option<&str>,
        retention: &Retention,
        present: Option<&Retention>,
    ) -> Result<(), StoreError> {
        let mode = match retention.mode {
            LockMode::Governance => "GOVERNANCE",
            LockMode::Compliance => "COMPLIANCE",
        };
        let until = retention.until;
        let ask = Ask {
            path: Some(path),
            version,
            set: Some(format!(
                "<Retention xmlns=\"{NAMESPACE}\"><Mode>{mode}</Mode>\
                 <RetainUntilDate>{until}</RetainUntilDate></Retention>"
            )),
            bypass: present.is_some_and(|present| {
                present.mode == LockMode::Governance && retention.mode == LockMode::Compliance
            }),
            ..Ask::how("lock", None, "retention")
        };
        self.ask(&ask).map(drop)
    }

    fn hold(&self, path: &str, version: Option<&str>) -> Result<(), StoreError> {
        let ask = Ask {
            path: Some(path),
            version,
            set: Some(format!(
                "<LegalHold xmlns=\"{NAMESPACE}\"><Status>ON</Status></LegalHold>"
            )),
            ..Ask::how("hold", None, "legal-hold")
        };
        self.ask(&ask).map(drop)
    }
}
