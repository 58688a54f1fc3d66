//! A stand-in for Dropbox, written from its published API.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use dhfpack::monitor::Monitor;
use dhfpack::store::{self, Access, Address, DropboxLogin, Store, StoreError};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::registry::has;

const PROGRAM: &str = include_str!("dropbox.py");
/// What no message may show.
pub(crate) const SECRETS: [&str; 4] = [TOKEN, REFRESH_TOKEN, APP_SECRET, "sl.fresh-"];
pub(crate) const TOKEN: &str = "sl.first-token";
pub(crate) const REFRESH_TOKEN: &str = "refresh-token";
pub(crate) const APP_KEY: &str = "app-key";
pub(crate) const APP_SECRET: &str = "app-secret";
/// The variables of a login that begins with a refresh token.
pub(crate) const LOGIN: [(&str, &str); 3] = [
    ("DHFPACK_DROPBOX_REFRESH_TOKEN", REFRESH_TOKEN),
    ("DHFPACK_DROPBOX_APP_KEY", APP_KEY),
    ("DHFPACK_DROPBOX_APP_SECRET", APP_SECRET),
];

/// An account at the stand-in; ends with the test.
pub(crate) struct Dropbox {
    process: Child,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
}

impl Dropbox {
    /// None, and says so, where Python is not there.
    pub(crate) fn start() -> Option<Self> {
        if !has(&["python3"]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dropbox.py");
        fs::write(&file, PROGRAM).unwrap();
        let mut command = Command::new("python3");
        command.arg(file);
        command.args([TOKEN, REFRESH_TOKEN, APP_KEY, APP_SECRET]);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        lines.read_line(&mut port).unwrap();
        Some(Self {
            process,
            port: port.trim().parse().unwrap(),
            folder,
        })
    }

    /// The address of a folder.
    pub(crate) fn address(&self, folder: &str) -> String {
        format!("dropbox://{folder}?endpoint=http://127.0.0.1:{}", self.port)
    }

    /// The folder as a store, with an access token.
    pub(crate) fn open<'m>(&self, folder: &str, monitor: &'m dyn Monitor) -> Box<dyn Store + 'm> {
        let login = DropboxLogin::with_access_token(TOKEN.to_owned());
        self.open_as(login, folder, monitor).unwrap()
    }

    pub(crate) fn open_as<'m>(
        &self,
        login: DropboxLogin,
        folder: &str,
        monitor: &'m dyn Monitor,
    ) -> Result<Box<dyn Store + 'm>, StoreError> {
        let address: Address = self.address(folder).parse().unwrap();
        let access = Access {
            dropbox: Some(login),
            ..Access::default()
        };
        store::open(&address, &access, monitor)
    }

    /// Faults that strike the next requests, in place of those that were set.
    pub(crate) fn fail(&self, faults: &Value) {
        self.control("POST", "/control/faults", faults);
    }

    /// What was asked.
    pub(crate) fn seen(&self) -> Vec<Value> {
        let seen = self.control("GET", "/control/seen", &Value::Null);
        seen["seen"].as_array().unwrap().clone()
    }

    /// How often a route was asked.
    pub(crate) fn count(&self, route: &str) -> usize {
        let seen = self.seen();
        seen.iter().filter(|seen| seen["route"] == route).count()
    }

    /// The size of the largest request, in bytes.
    pub(crate) fn largest(&self) -> u64 {
        let seen = self.control("GET", "/control/seen", &Value::Null);
        seen["largest"].as_u64().unwrap()
    }

    /// Everything in the account, by path.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let files = self.control("GET", "/control/files", &Value::Null);
        let files = files.as_object().unwrap().iter();
        files
            .map(|(path, digits)| (path.clone(), from_hex(digits.as_str().unwrap())))
            .collect()
    }

    /// Drops all files.
    pub(crate) fn empty(&self) {
        self.control("POST", "/control/empty", &Value::Null);
    }

    fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        write!(
            connection,
            "{method} {path} HTTP/1.1\r\nHost: control\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Dropbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn from_hex(digits: &str) -> Vec<u8> {
    let bytes = (0..digits.len()).step_by(2);
    bytes
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// One fault of a route.
pub(crate) fn fault(route: &str, kind: &str) -> Value {
    json!([{"route": route, "kind": kind}])
}

/// A login that begins with a refresh token.
pub(crate) fn refreshing() -> DropboxLogin {
    DropboxLogin::with_refresh_token(
        REFRESH_TOKEN.to_owned(),
        APP_KEY.to_owned(),
        Some(APP_SECRET.to_owned()),
    )
}
