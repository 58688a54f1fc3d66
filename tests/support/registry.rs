//! A real registry, Debian's `docker-registry`, for tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::image::{INDEX, MANIFEST, TarEntry};
use super::release::told;

/// The login that registries with a password know.
pub(crate) const USER: &str = "builder";
pub(crate) const PASSWORD: &str = "swordfish-4711";
/// Its line in an htpasswd file.
const HTPASSWD: &str = "builder:$2y$05$abcdefghijklmnopqrstuuHOQ6Gr2zg64wr2KRqh2YvmblA/wTqvm\n";
/// A name, besides 127.0.0.1, that a registry's certificate is for.
pub(crate) const DOMAIN: &str = "registry.example.test";

/// False, and says so, where one of the programs is not there; with `CI=true` they have to be.
#[expect(
    clippy::print_stdout,
    reason = "whoever runs the tests must see what was left out"
)]
pub(crate) fn has(programs: &[&str]) -> bool {
    let is_there = |program: &&&str| {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).any(|folder| folder.join(program).exists())
    };
    let Some(missing) = programs.iter().find(|program| !is_there(program)) else {
        return true;
    };
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "no {missing}, and CI=true");
    println!("skipped: no {missing}");
    false
}

/// Runs a program that has to succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .unwrap();
    let all = told(&output);
    assert!(output.status.success(), "{program} {arguments:?}: {all}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Where registries keep their images, and what they need to be asked for a password over TLS.
pub(crate) struct Storage {
    folder: TempDir,
}

/// How a registry is to be started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Open, over plain HTTP.
    Open,
    /// With a password, over plain HTTP.
    Password,
    /// With a password, over TLS by a private authority.
    Tls,
}

impl Storage {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The certificate of the authority, made on first use.
    pub(crate) fn authority(&self) -> PathBuf {
        let certificate = self.path("ca.crt");
        if certificate.exists() {
            return certificate;
        }
        let names = format!("subjectAltName=IP:127.0.0.1,DNS:{DOMAIN}\n");
        fs::write(self.path("names"), names).unwrap();
        let script = "set -e; cd \"$1\"
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
                -subj '/CN=Test CA' -keyout ca.key -out ca.crt
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=registry \
                -keyout tls.key -out tls.csr
            openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
                -extfile names -out tls.crt";
        let folder = self.folder.path().to_str().unwrap();
        run("sh", &["-c", script, "sh", folder]);
        certificate
    }

    /// Starts a registry of these images.
    pub(crate) fn open(&self, door: Door) -> Registry {
        // Somebody else may take a port between finding it free and using it.
        (0..5)
            .find_map(|_| self.try_open(door))
            .expect("docker-registry does not start")
    }

    fn try_open(&self, door: Door) -> Option<Registry> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let shown = |name| self.path(name).display().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\n\
             storage: {{ filesystem: {{ rootdirectory: {} }} }}\n",
            shown("images")
        );
        if door != Door::Open {
            let path = shown("htpasswd");
            writeln!(
                config,
                "auth: {{ htpasswd: {{ realm: test, path: {path} }} }}"
            )
            .unwrap();
        }
        writeln!(config, "http:\n  addr: 127.0.0.1:{port}\n  secret: test").unwrap();
        if door == Door::Tls {
            self.authority();
            let (certificate, key) = (shown("tls.crt"), shown("tls.key"));
            writeln!(
                config,
                "  tls: {{ certificate: {certificate}, key: {key} }}"
            )
            .unwrap();
        }
        let file = self.path(&format!("{port}.yml"));
        fs::write(&file, config).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(file)
            .env_clear()
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut registry = Registry { process, port };
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && registry.process.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(registry);
            }
            thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

/// A running registry, stopped when dropped.
pub(crate) struct Registry {
    process: Child,
    pub(crate) port: u16,
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Registry {
    /// `127.0.0.1:PORT/REST`.
    pub(crate) fn name(&self, rest: &str) -> String {
        format!("127.0.0.1:{}/{rest}", self.port)
    }

    /// Puts blobs into a repository, by an open door.
    pub(crate) fn push_blobs(&self, repository: &str, entries: &[TarEntry]) {
        for entry in entries {
            let TarEntry::File(name, bytes) = entry else {
                continue;
            };
            let Some(hex) = name.strip_prefix("blobs/sha256/") else {
                continue;
            };
            let upload = format!("/v2/{repository}/blobs/uploads/");
            let head = self.ask("POST", &upload, "text/plain", b"");
            let place = head["location"].split_once("/v2/").unwrap().1.to_owned();
            let place = format!("/v2/{place}&digest=sha256:{hex}");
            self.ask("PUT", &place, "application/octet-stream", bytes);
        }
    }

    /// Gives a manifest or an index a tag.
    pub(crate) fn push_manifest(&self, name: &str, tag: &str, media_type: &str, bytes: &[u8]) {
        self.ask(
            "PUT",
            &format!("/v2/{name}/manifests/{tag}"),
            media_type,
            bytes,
        );
    }

    /// Pushes the image of a layout's entries as it stands there; returns its manifest.
    pub(crate) fn push(&self, repository: &str, tag: &str, entries: &[TarEntry]) -> Vec<u8> {
        self.push_blobs(repository, entries);
        let manifest = manifest_of(entries);
        self.push_manifest(repository, tag, MANIFEST, &manifest);
        manifest
    }

    /// Pushes images as one index, of which this is the platform in each; returns the index.
    pub(crate) fn push_index(
        &self,
        repository: &str,
        tag: &str,
        images: &[(serde_json::Value, Vec<TarEntry>)],
    ) -> Vec<u8> {
        let mut listed = Vec::new();
        for (platform, entries) in images {
            let manifest = manifest_of(entries);
            self.push_blobs(repository, entries);
            let mut descriptor = super::image::descriptor(MANIFEST, &manifest);
            let digest = descriptor["digest"].as_str().unwrap().to_owned();
            self.push_manifest(repository, &digest, MANIFEST, &manifest);
            descriptor["platform"] = platform.clone();
            listed.push(descriptor);
        }
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": INDEX, "manifests": listed,
            "annotations": { "kept": "byte for byte " },
        });
        let index = serde_json::to_vec_pretty(&index).unwrap();
        self.push_manifest(repository, tag, INDEX, &index);
        index
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> BTreeMap<String, String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        write!(
            connection,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
             Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n",
            self.port
        )
        .unwrap();
        connection.write_all(body).unwrap();
        let mut answer = BufReader::new(connection);
        let (status, head) = head(&mut answer).unwrap();
        assert!(status.contains(" 20"), "{method} {path}: {status}");
        head
    }
}

/// The manifest among a layout's entries.
pub(crate) fn manifest_of(entries: &[TarEntry]) -> Vec<u8> {
    let found = entries.iter().find_map(|entry| match entry {
        TarEntry::File(_, bytes) if bytes.starts_with(b"{\"config\":{\"digest") => Some(bytes),
        _ => None,
    });
    found.unwrap().clone()
}

/// The first line and the fields of an HTTP message; nothing if it is none.
pub(super) fn head(reader: &mut impl BufRead) -> Option<(String, BTreeMap<String, String>)> {
    let mut lines = reader.lines();
    let first = lines.next()?.ok()?;
    let mut fields = BTreeMap::new();
    loop {
        let line = lines.next()?.ok()?;
        let Some((name, value)) = line.split_once(':') else {
            return line.is_empty().then_some((first, fields));
        };
        fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

/// The entries of a layout in a folder.
pub(crate) fn entries_of(folder: &Path) -> Vec<TarEntry> {
    let files = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    let entries = files.map(|entry| {
        let name = entry.path().strip_prefix(folder).unwrap().to_str().unwrap();
        TarEntry::file(name, &fs::read(entry.path()).unwrap())
    });
    entries.collect()
}
