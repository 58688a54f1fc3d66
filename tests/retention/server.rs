//! A server that enforces Object Lock, and what it says without going through dhfpack.

use std::collections::BTreeMap;
use std::process::Output;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::support::release::dhfpack;
use crate::support::s3::{Kind, SECRET, Server};

/// A session's token, which is as secret as the key.
pub(super) const TOKEN: &str = "dG9rZW4tb2YtYS1zZXNzaW9uLTA4MTU=";
/// The bucket with Object Lock.
pub(super) const LOCKED: &str = "locked";
/// As much as a path may hold.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/');
/// The archive's name in it.
pub(super) const NAME: &str = "pump-2.4.0";

/// ministack, with one bucket that has Object Lock and one that has not.
pub(super) struct LockServer(Server);

impl LockServer {
    /// Nothing, and says so, where it is not installed.
    pub(super) fn start() -> Option<Self> {
        let server = Self(Server::start(Kind::Ministack)?);
        let enabled = "x-amz-bucket-object-lock-enabled: true\r\n";
        assert!(
            server
                .ask("PUT", &format!("/{LOCKED}"), enabled, "")
                .is_ok()
        );
        Some(server)
    }

    /// Asks the server as anybody may; what it answers, as an error if it refuses.
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        fields: &str,
        body: &str,
    ) -> Result<String, String> {
        let answer = self.0.ask(method, path, fields, body.as_bytes());
        let status = answer.split(' ').nth(1).unwrap();
        if status.starts_with('2') {
            Ok(answer)
        } else {
            Err(answer)
        }
    }

    /// Puts an object there.
    pub(super) fn put(&self, bucket: &str, path: &str, bytes: &str) {
        self.ask("PUT", &format!("/{bucket}/{path}"), "", bytes)
            .unwrap();
    }

    /// The only version of every object in the locked bucket, by path as it stands in a URL.
    pub(super) fn versions(&self) -> BTreeMap<String, String> {
        let listed = self
            .ask("GET", &format!("/{LOCKED}?versions"), "", "")
            .unwrap();
        let between = |text: &str, from: &str, to: &str| {
            let rest = text.split_once(from).unwrap().1;
            rest.split_once(to).unwrap().0.to_owned()
        };
        let entries = listed.split("<Version>").skip(1);
        entries
            .map(|entry| {
                let key = between(entry, "<Key>", "</Key>");
                let key = utf8_percent_encode(&key, PATH);
                let version = between(entry, "<VersionId>", "</VersionId>");
                (key.to_string(), version)
            })
            .collect()
    }

    /// What the server says of the lock on an object.
    pub(super) fn retention(&self, path: &str) -> Result<String, String> {
        self.ask("GET", &format!("/{LOCKED}/{path}?retention"), "", "")
    }

    /// The address of an archive in a bucket.
    pub(super) fn url(&self, bucket: &str, name: &str) -> String {
        format!(
            "s3://{bucket}/a/{name}?endpoint=http://127.0.0.1:{}",
            self.0.port
        )
    }

    /// The address of the store that archives are in.
    pub(super) fn store(&self, bucket: &str) -> String {
        format!("s3://{bucket}/a?endpoint=http://127.0.0.1:{}", self.0.port)
    }

    /// The variables that hold the login.
    pub(super) fn login(&self) -> Vec<(&'static str, String)> {
        let mut login = self.0.login();
        login.push(("AWS_SESSION_TOKEN", TOKEN.to_owned()));
        login
    }

    /// Runs the program with the login.
    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        run(&self.login(), arguments)
    }
}

/// Runs the program with this login, which it never tells.
pub(super) fn run(login: &[(&'static str, String)], arguments: &[&str]) -> Output {
    let mut command = dhfpack();
    command.args(arguments);
    command.envs(login.iter().map(|(name, value)| (name, value)));
    let output = command.output().unwrap();
    let told = crate::support::release::told(&output);
    for secret in [SECRET, TOKEN] {
        assert!(!told.contains(secret), "{told}");
    }
    output
}
