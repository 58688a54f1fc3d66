//! A release whose image comes from a registry: built, verified, and built again.

use std::fs;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use dhfpack::digest::Sha256;
use dhfpack::manifest::Manifest;
use tempfile::TempDir;

use crate::support::registry::{DOMAIN, Door, PASSWORD, Storage, USER, entries_of, has, run};
use crate::support::release::{NAME, Product, told};
use crate::support::stand_in::proxy_to;

/// `build` with the image of the sample from `source`, in an environment of its own.
pub(super) fn build(product: &Product, source: &str, output: &TempDir) -> Command {
    let mut command = product.build(output.path());
    command.arg("--image").arg(format!("install={source}"));
    command.env("HOME", output.path());
    command
}

/// What a run told, which holds no secret and left nothing.
pub(super) fn refused(output: &Output, folder: &TempDir) -> String {
    let told = told(output);
    assert!(!output.status.success(), "{told}");
    assert!(
        !told.contains(PASSWORD) && !told.contains("c3dvcmRm"),
        "{told}"
    );
    let left = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left
        .filter(|name| name != "docker" && name != "password")
        .collect();
    assert!(left.is_empty(), "{left:?}: {told}");
    told
}

#[test]
fn a_release_is_built_verified_and_built_again_from_a_registry() {
    if !has(&["docker-registry"]) {
        return;
    }
    let product = Product::new();
    let storage = Storage::new();
    let registry = storage.open(Door::Open);
    let entries = entries_of(&product.path("image"));
    let manifest = registry.push("team/monitor", "2.4.0", &entries);
    let source = format!("registry:{}", registry.name("team/monitor:2.4.0"));
    let output = TempDir::new().unwrap();
    let built = build(&product, &source, &output).output().unwrap();
    assert!(built.status.success(), "{}", told(&built));
    let archive = output.path().join(NAME);
    let bytes = fs::read(archive.join("Manifest/manifest.json")).unwrap();
    let listed: Manifest = Manifest::parse(&bytes).unwrap();
    let image = &listed.images[0];
    assert_eq!(image.manifest, Some(Sha256::of(&manifest)));
    let folder = archive.join(image.folder.as_str());
    let summed = run(
        "sha256sum",
        &[folder
            .join(format!("blobs/sha256/{}", Sha256::of(&manifest)))
            .to_str()
            .unwrap()],
    );
    assert!(
        summed.starts_with(&Sha256::of(&manifest).to_string()),
        "{summed}"
    );
    let shown = crate::support::release::succeed(["show", archive.to_str().unwrap()]);
    let digest = format!("in registry   manifest sha256:{}", Sha256::of(&manifest));
    assert!(shown.contains(&digest), "{shown}");
    let verified = product
        .verify(&archive)
        .args(["--require-role", "Release Builder"])
        .output();
    let verified = told(&verified.unwrap());
    assert!(!verified.contains("manifest-inconsistent"), "{verified}");
    let mut rebuild = crate::support::release::dhfpack();
    rebuild
        .arg("rebuild")
        .arg(&archive)
        .arg("--repo")
        .arg(product.repository());
    rebuild.env("HOME", output.path());
    let rebuilt = rebuild.output().unwrap();
    assert!(rebuilt.status.success(), "{}", told(&rebuilt));
}

#[test]
fn logins_come_from_the_environment_and_from_helpers_and_are_never_shown() {
    if !has(&["docker-registry", "openssl"]) {
        return;
    }
    let product = Product::new();
    let storage = Storage::new();
    let entries = entries_of(&product.path("image"));
    storage.open(Door::Open).push("m", "1", &entries);
    let registry = storage.open(Door::Tls);
    let source = format!("registry:{}", registry.name("m:1"));
    let place = || {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("docker")).unwrap();
        fs::write(folder.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        folder
    };
    let with = |variables: &[(&str, &str)], output: &TempDir| {
        let mut command = build(&product, &source, output);
        command.env("DHFPACK_CA_FILE", storage.authority());
        command.envs(variables.iter().copied()).output().unwrap()
    };
    let user = ("DHFPACK_REGISTRY_USERNAME", USER);
    let folder = place();
    let output = with(&[user, ("DHFPACK_REGISTRY_PASSWORD", PASSWORD)], &folder);
    assert!(output.status.success(), "{}", told(&output));
    assert!(!told(&output).contains(PASSWORD));
    for entry in walkdir::WalkDir::new(folder.path().join(NAME)) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            let secret = PASSWORD.as_bytes();
            assert!(
                !bytes.windows(secret.len()).any(|part| part == secret),
                "{entry:?}"
            );
        }
    }
    let folder = place();
    let file = folder.path().join("password");
    let output = with(
        &[
            user,
            ("DHFPACK_REGISTRY_PASSWORD_FILE", file.to_str().unwrap()),
        ],
        &folder,
    );
    assert!(output.status.success(), "{}", told(&output));
    for (variables, expected) in [
        (
            vec![user, ("DHFPACK_REGISTRY_PASSWORD", "wrong-4712")],
            "does not let this login",
        ),
        (
            vec![("DHFPACK_REGISTRY_PASSWORD", PASSWORD)],
            "is set without DHFPACK_REGISTRY_USERNAME",
        ),
        (vec![user], "is set without DHFPACK_REGISTRY_PASSWORD"),
        (vec![], "no login was found"),
    ] {
        let folder = place();
        let told = refused(&with(&variables, &folder), &folder);
        let flowing = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flowing.contains(expected), "expected {expected:?}: {told}");
        assert!(!told.contains("wrong-4712"), "{told}");
    }
}

#[test]
fn a_proxy_is_used_where_one_is_set() {
    if !has(&["docker-registry", "openssl"]) {
        return;
    }
    let product = Product::new();
    let storage = Storage::new();
    storage
        .open(Door::Open)
        .push("m", "1", &entries_of(&product.path("image")));
    let registry = storage.open(Door::Tls);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let proxy = proxy_to(registry.port, move |line| heard.lock().unwrap().push(line));
    let source = format!("registry:{DOMAIN}/m:1");
    let with = |variable: (&str, &str), folder: &TempDir| {
        let mut command = build(&product, &source, folder);
        command.env("DHFPACK_CA_FILE", storage.authority());
        command.env("DHFPACK_REGISTRY_USERNAME", USER);
        command.env("DHFPACK_REGISTRY_PASSWORD", PASSWORD);
        command.env("HTTPS_PROXY", format!("http://127.0.0.1:{proxy}"));
        command.env(variable.0, variable.1).output().unwrap()
    };
    let folder = TempDir::new().unwrap();
    let output = with(("NO_PROXY", "other.example"), &folder);
    assert!(output.status.success(), "{}", told(&output));
    let lines = asked.lock().unwrap().clone();
    let expected = format!("CONNECT {DOMAIN}:443 HTTP/1.1");
    assert!(lines.contains(&expected), "{lines:?}");
    let folder = TempDir::new().unwrap();
    let told = refused(&with(("NO_PROXY", DOMAIN), &folder), &folder);
    assert!(told.contains("cannot be reached"), "{told}");
    assert_eq!(asked.lock().unwrap().len(), lines.len());
}
