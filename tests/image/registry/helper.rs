//! Docker's credential helpers: asked, not believed blindly, and never waited for without end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::release::{build, refused};
use crate::support::registry::{Door, PASSWORD, Storage, USER, entries_of, has};
use crate::support::release::{Product, told};

/// A configuration with one helper for all registries.
const FOR_ALL: &str = "{\"credsStore\":\"test\"}";

/// A helper on a path of its own that runs this script.
fn with_helper(config: &str, script: &str, folder: &TempDir) -> (String, String) {
    let docker = folder.path().join("docker");
    fs::create_dir(&docker).unwrap();
    fs::write(docker.join("config.json"), config).unwrap();
    let helper = docker.join("docker-credential-test");
    fs::write(&helper, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", docker.display(), std::env::var("PATH").unwrap());
    (path, docker.display().to_string())
}

#[test]
fn a_credential_helper_is_asked_and_not_believed_blindly() {
    if !has(&["docker-registry"]) {
        return;
    }
    let product = Product::new();
    let storage = Storage::new();
    let entries = entries_of(&product.path("image"));
    storage.open(Door::Open).push("m", "1", &entries);
    let registry = storage.open(Door::Password);
    let source = format!("registry:{}", registry.name("m:1"));
    let asked = |config: &str, script: &str, folder: &TempDir| {
        let (path, docker) = with_helper(config, script, folder);
        let mut command = build(&product, &source, folder);
        command.env("PATH", path).env("DOCKER_CONFIG", docker);
        command.output().unwrap()
    };
    let host = format!("127.0.0.1:{}", registry.port);
    let answer =
        format!("{{\"ServerURL\":\"x\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}");
    let good = format!("read server; [ \"$1 $server\" = 'get {host}' ] && echo '{answer}'");
    let own = format!("{{\"credHelpers\":{{\"{host}\":\"test\"}},\"credsStore\":\"absent\"}}");
    for config in [FOR_ALL, &own] {
        let folder = TempDir::new().unwrap();
        let output = asked(config, &good, &folder);
        assert!(output.status.success(), "{}", told(&output));
        assert!(!told(&output).contains(PASSWORD));
    }
    for (script, expected) in [
        (
            format!("echo '{PASSWORD}'; echo '{PASSWORD}' >&2; exit 1"),
            "docker-credential-test fails",
        ),
        (format!("echo '{PASSWORD}'"), "gives no login in JSON"),
        ("yes".to_owned(), "says far too much"),
        (
            "echo 'credentials not found in native keychain'; exit 1".to_owned(),
            "no login was found",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let told = refused(&asked(FOR_ALL, &script, &folder), &folder);
        let flowing = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flowing.contains(expected), "expected {expected:?}: {told}");
    }
}

#[test]
fn a_stop_is_obeyed_while_a_helper_hangs() {
    let product = Product::new();
    for script in [
        "exec sleep 100",
        "exec sleep 100 >&-",
        "trap '' PIPE; exec sleep 100 <&-",
    ] {
        let folder = TempDir::new().unwrap();
        let mark = folder.path().join("docker/asked");
        let script = format!("touch '{}'; {script}", mark.display());
        let (path, docker) = with_helper(FOR_ALL, &script, &folder);
        let mut command = build(&product, "registry:127.0.0.1:1/m:1", &folder);
        command.env("PATH", path).env("DOCKER_CONFIG", docker);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while !mark.exists() && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        // Long enough to have heard that nothing more is said.
        thread::sleep(Duration::from_millis(300));
        let id = child.id().to_string();
        let sent = Command::new("kill").args(["-s", "INT", &id]).status();
        assert!(sent.unwrap().success());
        let asked = Instant::now();
        let output = child.wait_with_output().unwrap();
        assert!(asked.elapsed() < Duration::from_secs(10), "{script}");
        let told = refused(&output, &folder);
        assert_eq!(output.status.code(), Some(130), "{script}: {told}");
    }
}
