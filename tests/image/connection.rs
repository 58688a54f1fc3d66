//! The ways to an engine: TCP with and without TLS, and `ssh`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::engine::{EngineImage, has_engine};
use crate::support::image::{Answer, FakeEngine, TestImage, layer, tar_of};
use crate::support::release::{NAME, Product, dhfpack, told, without_sbom_image};

const PROXY: &str = include_str!("../support/proxy.py");

/// Builds a draft with an image from the engine at `address`.
fn build(product: &Product, image: &str, address: &str, set: impl FnOnce(&mut Command)) -> Output {
    let output = TempDir::new().unwrap();
    let config = product.path("another-image.toml");
    let text = fs::read_to_string(product.repository().join("dhfpack.toml")).unwrap();
    fs::write(&config, without_sbom_image(&text)).unwrap();
    let mut build = dhfpack();
    build.env("DOCKER_HOST", address);
    build
        .args(["build", "--draft", "--repo"])
        .arg(product.repository());
    build.arg("--config").arg(&config);
    build.arg("--output").arg(output.path());
    build.arg("--image").arg(format!("install=docker:{image}"));
    set(&mut build);
    let result = build.output().unwrap();
    let made = output.path().join(NAME).exists();
    assert_eq!(made, result.status.success(), "{}", told(&result));
    if !made {
        assert_eq!(fs::read_dir(output.path()).unwrap().count(), 0);
    }
    result
}

fn engine_with_an_image() -> FakeEngine {
    let image = TestImage::new(vec![layer("a", b"a")]);
    FakeEngine::start(image.id(), Answer::Whole(tar_of(&image.legacy())))
}

/// Keys and certificates of an authority, an engine and its client.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let made = Self(folder);
        made.openssl(&[
            "req", "-x509", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem",
        ]);
        for (name, subject, extension) in [
            ("server", "/CN=engine", "subjectAltName=IP:127.0.0.1"),
            ("", "/CN=client", "extendedKeyUsage=clientAuth"),
        ] {
            let (key, certificate) = (format!("{name}key.pem"), format!("{name}cert.pem"));
            made.openssl(&[
                "req",
                "-x509",
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-subj",
                subject,
                "-addext",
                extension,
                "-addext",
                "basicConstraints=critical,CA:false",
                "-keyout",
                &key,
                "-out",
                &certificate,
            ]);
        }
        made
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn openssl(&self, arguments: &[&str]) {
        let mut openssl = Command::new("openssl");
        openssl.current_dir(self.path()).args(arguments).args([
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ]);
        let output = openssl.output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
    }
}

/// TLS in front of an engine's socket; ends with the test.
struct Tls {
    process: Child,
    address: String,
}

impl Tls {
    fn start(socket: &Path, certificates: &Certificates) -> Self {
        let file = certificates.path().join("proxy.py");
        fs::write(&file, PROXY).unwrap();
        let mut proxy = Command::new("python3");
        proxy.arg(file).arg("tls").arg(socket);
        for name in ["servercert.pem", "serverkey.pem", "ca.pem"] {
            proxy.arg(certificates.path().join(name));
        }
        let mut process = proxy.stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        lines.read_line(&mut port).unwrap();
        let address = format!("tcp://127.0.0.1:{}", port.trim());
        Self { process, address }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The real engine's socket.
fn real_socket() -> PathBuf {
    let address = std::env::var("DOCKER_HOST").unwrap_or_default();
    let path = address.strip_prefix("unix://");
    path.unwrap_or("/var/run/docker.sock").into()
}

#[test]
fn an_image_comes_from_a_real_engine_over_tls() {
    if !has_engine() {
        return;
    }
    let image = EngineImage::import(&layer("tls", EngineImage::name().as_bytes()));
    let certificates = Certificates::new();
    let tls = Tls::start(&real_socket(), &certificates);
    let product = Product::new();
    let result = build(&product, &image.reference, &tls.address, |build| {
        build.env("DOCKER_TLS_VERIFY", "1");
        build.env("DOCKER_CERT_PATH", certificates.path());
    });
    assert!(result.status.success(), "{}", told(&result));
}

#[test]
fn tls_is_refused_with_another_authority_or_name_or_without_a_certificate() {
    let engine = engine_with_an_image();
    let certificates = Certificates::new();
    let tls = Tls::start(&engine.socket(), &certificates);
    let product = Product::new();
    let with = |address: &str, folder: &Path| {
        build(&product, "x", address, |build| {
            build.env("DOCKER_TLS_VERIFY", "1");
            build.env("DOCKER_CERT_PATH", folder);
        })
    };
    let result = with(&tls.address, certificates.path());
    assert!(result.status.success(), "{}", told(&result));

    let folder = |names: &[&str]| {
        let folder = TempDir::new().unwrap();
        for name in names {
            fs::copy(certificates.path().join(name), folder.path().join(name)).unwrap();
        }
        folder
    };
    let other = Certificates::new();
    let strange = folder(&["cert.pem", "key.pem"]);
    fs::copy(other.path().join("ca.pem"), strange.path().join("ca.pem")).unwrap();
    let by_name = tls.address.replace("127.0.0.1", "localhost");
    for (address, folder, expected) in [
        (&tls.address, strange, "invalid peer certificate"),
        (
            &by_name,
            folder(&["ca.pem", "cert.pem", "key.pem"]),
            "not valid for name",
        ),
        (&tls.address, folder(&["ca.pem"]), "does not answer"),
        (
            &tls.address,
            folder(&["cert.pem", "key.pem"]),
            "ca.pem: No such file",
        ),
        (
            &tls.address,
            folder(&["ca.pem", "cert.pem"]),
            "key.pem: No such file",
        ),
    ] {
        let result = with(address, folder.path());
        let message = told(&result)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert_eq!(result.status.code(), Some(1), "{message}");
        assert!(
            message.contains(expected),
            "expected {expected:?}: {message}"
        );
        assert!(!message.contains("PRIVATE KEY"), "{message}");
    }
    let plain = build(&product, "x", &tls.address, |_| {});
    assert_eq!(plain.status.code(), Some(1), "{}", told(&plain));
}

/// A folder with a program `ssh` that runs this script; `$SOCKET` is the engine's.
fn stand_in(script: &str) -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("proxy.py"), PROXY).unwrap();
    let ssh = folder.path().join("ssh");
    fs::write(
        &ssh,
        format!("#!/bin/sh\nhere=$(dirname \"$0\")\n{script}\n"),
    )
    .unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn with_stand_in(build: &mut Command, folder: &TempDir, socket: &Path) {
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::env::split_paths(&path);
    let folders = [folder.path().to_path_buf()].into_iter().chain(folders);
    build.env("PATH", std::env::join_paths(folders).unwrap());
    build.env("SOCKET", socket);
}

#[test]
fn an_image_comes_through_ssh() {
    let engine = engine_with_an_image();
    let product = Product::new();
    let ssh = stand_in(
        "echo \"$*\" >>\"$here/asked\"; exec python3 \"$here/proxy.py\" stdio \"$SOCKET\"",
    );
    let result = build(&product, "x", "ssh://me@pump.example:2222", |build| {
        with_stand_in(build, &ssh, &engine.socket());
    });
    assert!(result.status.success(), "{}", told(&result));
    let asked = fs::read_to_string(ssh.path().join("asked")).unwrap();
    for line in asked.lines() {
        assert!(line.contains("-oBatchMode=yes"), "{line}");
        let end = "-lme -p2222 -- pump.example docker system dial-stdio";
        assert!(line.ends_with(end), "{line}");
    }
}

#[test]
fn what_ssh_says_is_told_when_it_makes_no_connection() {
    let product = Product::new();
    let ssh = stand_in("echo 'me@pump: Permission denied (publickey).' >&2; exit 255");
    let result = build(&product, "x", "ssh://me@pump", |build| {
        with_stand_in(build, &ssh, Path::new("none"));
    });
    let message = told(&result);
    assert_eq!(result.status.code(), Some(1), "{message}");
    assert!(
        message.contains("Permission denied (publickey)"),
        "{message}"
    );
    let hostile = "ssh://-oProxyCommand=touch${IFS}owned";
    let result = build(&product, "x", hostile, |build| {
        with_stand_in(
            build,
            &stand_in("touch \"$here/started\""),
            Path::new("none"),
        );
    });
    assert_eq!(result.status.code(), Some(1), "{}", told(&result));
}
