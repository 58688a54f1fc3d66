//! Real S3 servers, and stand-ins for Azure's and Google's storage, on this machine.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The login that every server here takes. A real key would be as long.
pub(crate) const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "c2VjcmV0LWtleS1vZi1hLXRlc3QtNDcxMQ==";
/// Azure's name for an account; Google's and Amazon's logins have none.
const ACCOUNT: &str = "maker";
/// The bucket or container that a server begins with.
pub(crate) const BUCKET: &str = "releases";

/// What stands behind a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// s3s-fs, which keeps objects in files and checks their checksums.
    S3sFs,
    /// ministack, which has versions, Object Lock and atomic conditions.
    Ministack,
    /// The stand-in for Azure Blob Storage.
    Azure,
    /// The stand-in for Google Cloud Storage.
    Gcs,
}

/// A running server, stopped when dropped.
pub(crate) struct Server {
    kind: Kind,
    process: Child,
    pub(crate) port: u16,
    folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// A server with an empty bucket; nothing, and says so, where it is not installed. With
    /// `CI=true` it has to be.
    #[expect(
        clippy::print_stdout,
        reason = "whoever runs the tests must see what was left out"
    )]
    pub(crate) fn start(kind: Kind) -> Option<Self> {
        let program = program(kind);
        let name = program.file_name().unwrap().display();
        let is_there = program.exists() || program.parent() == Some(Path::new(""));
        if !is_there || !runs(&program) {
            let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!in_ci, "no {name}, and CI=true");
            println!("skipped: no {name} (tests/run.sh installs it)");
            return None;
        }
        // Somebody else may take a port between finding it free and using it.
        let server = (0..5).find_map(|_| Self::try_start(kind, &program));
        let server = server.unwrap_or_else(|| panic!("{name} does not start"));
        server.make_bucket(BUCKET);
        Some(server)
    }

    fn try_start(kind: Kind, program: &Path) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mut port = free_port();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TMPDIR", folder.path())
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let support = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support");
        match kind {
            Kind::S3sFs => {
                let number = port.to_string();
                let options = ["--host", "127.0.0.1", "--port", &number];
                let login = ["--access-key", KEY_ID, "--secret-key", SECRET];
                command.args(options).args(login).arg(folder.path());
            }
            Kind::Ministack => {
                command
                    .env("BIND_HOST", "127.0.0.1")
                    .env("GATEWAY_PORT", port.to_string())
                    .env("SERVICES", "s3")
                    .env("LOG_LEVEL", "ERROR")
                    .env("S3_DATA_DIR", folder.path());
            }
            Kind::Azure => {
                command.arg(support.join("azure.py")).arg(ACCOUNT);
                command.stdout(Stdio::piped());
            }
            Kind::Gcs => {
                command.arg(support.join("gcs.py")).arg(SECRET);
                command.stdout(Stdio::piped());
            }
        }
        let mut process = command.spawn().unwrap();
        if let Some(output) = process.stdout.take() {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).unwrap();
            // No port is none that answers.
            port = line.trim().parse().unwrap_or(0);
        }
        let mut server = Self {
            kind,
            process,
            port,
            folder,
        };
        server.is_ready().then_some(server)
    }

    fn is_ready(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until && self.process.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Makes a bucket.
    pub(crate) fn make_bucket(&self, name: &str) {
        match self.kind {
            Kind::S3sFs => fs::create_dir(self.folder.path().join(name)).unwrap(),
            Kind::Ministack => {
                assert!(
                    self.ask("PUT", &format!("/{name}"), "", b"")
                        .contains(" 200 ")
                );
            }
            Kind::Azure | Kind::Gcs => assert_eq!(name, BUCKET),
        }
    }

    /// The address of a folder in the bucket.
    pub(crate) fn url(&self, folder: &str) -> String {
        self.url_at(self.port, folder)
    }

    /// The same, reached by another port.
    pub(crate) fn url_at(&self, port: u16, folder: &str) -> String {
        let (scheme, more) = match self.kind {
            Kind::S3sFs | Kind::Ministack => ("s3", String::new()),
            Kind::Azure => ("azblob", format!("&account={ACCOUNT}")),
            Kind::Gcs => ("gs", String::new()),
        };
        format!("{scheme}://{BUCKET}/{folder}?endpoint=http://127.0.0.1:{port}{more}")
    }

    /// The variables that hold the login.
    pub(crate) fn login(&self) -> Vec<(&'static str, String)> {
        match self.kind {
            Kind::S3sFs | Kind::Ministack => vec![
                ("AWS_ACCESS_KEY_ID", KEY_ID.to_owned()),
                ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ],
            Kind::Azure => vec![("AZURE_STORAGE_KEY", SECRET.to_owned())],
            Kind::Gcs => {
                let token = self.folder.path().join("subject");
                fs::write(&token, "subject").unwrap();
                let file = self.folder.path().join("credentials.json");
                let text = serde_json::json!({
                    "type": "external_account",
                    "audience": "tests",
                    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                    "token_url": format!("http://127.0.0.1:{}/token", self.port),
                    "credential_source": { "file": token, "format": { "type": "text" } },
                });
                fs::write(&file, text.to_string()).unwrap();
                let file = file.display().to_string();
                vec![("GOOGLE_APPLICATION_CREDENTIALS", file)]
            }
        }
    }

    /// Where s3s-fs keeps the objects of the bucket.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }

    /// Every object in the bucket of a server that wants no login, with the header of its answer.
    pub(crate) fn objects(&self) -> Vec<(String, Vec<u8>)> {
        let listed = self.ask("GET", &format!("/{BUCKET}?list-type=2"), "", b"");
        assert!(!listed.contains("<IsTruncated>true"), "{listed}");
        let keys = listed.split("<Key>").skip(1);
        let keys = keys.map(|rest| rest.split_once("</Key>").unwrap().0);
        keys.map(|key| {
            let path = key.replace(' ', "%20");
            let answer = self.ask("GET", &format!("/{BUCKET}/{path}"), "", b"");
            assert!(answer.contains(" 200 "), "{key}: {answer}");
            (key.to_owned(), answer.into_bytes())
        })
        .collect()
    }

    /// Asks a server that wants no login; returns the whole answer.
    pub(crate) fn ask(&self, method: &str, path: &str, fields: &str, body: &[u8]) -> String {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            connection,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n{fields}\
             Content-Length: {}\r\n\r\n",
            self.port,
            body.len()
        )
        .unwrap();
        connection.write_all(body).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// A port that no other test takes meanwhile: another one each time, and below those that the
/// system gives away by itself.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let begin = std::process::id().wrapping_mul(97);
        let number = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 22_000;
        let port = 10_000 + u16::try_from(number).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn program(kind: Kind) -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    match kind {
        Kind::S3sFs => tools.join("bin/s3s-fs"),
        Kind::Ministack => tools.join("ministack/bin/ministack"),
        Kind::Azure | Kind::Gcs => "python3".into(),
    }
}

fn runs(program: &Path) -> bool {
    let asked = Command::new(program).arg("--help").output();
    asked.is_ok_and(|output| output.status.success())
}
