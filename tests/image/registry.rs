//! Images from a real registry: what it has is kept byte for byte, and can be given back.

mod disk;
mod helper;
mod hostile;
mod login;
mod release;

use std::path::Path;
use std::process::Command;

use dhfpack::digest::Sha256;
use dhfpack::monitor::Silent;
use dhfpack::source::image::registry::{Access, RegistryImage};
use dhfpack::source::image::{Fetched, ImageError, ImageSource, fetch};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{content, fails};
use crate::support::image::{TestImage, blob, digest, gzip, layer, plain};
use crate::support::registry::{Door, Storage, has, run};

/// Fetches the image that `reference` names into a folder named `image`.
fn fetch_as(
    reference: &str,
    platforms: &[&str],
    access: &Access,
    into: &Path,
) -> Result<Fetched, ImageError> {
    let source = ImageSource::Registry(RegistryImage {
        reference: reference.parse()?,
        access: access.clone(),
    });
    let platforms: Vec<String> = platforms.iter().map(|&one| one.to_owned()).collect();
    fetch(&source, &platforms, None, &into.join("image"), &Silent)
}

fn fetch_open(reference: &str, into: &Path) -> Result<Fetched, ImageError> {
    fetch_as(reference, &[], &Access::default(), into)
}

fn zstd(layer: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(layer, ruzstd::encoding::CompressionLevel::Fastest)
}

/// Every file is as listed, and nothing else is there.
fn assert_listed(fetched: &Fetched, into: &Path) {
    let found = content(&into.join("image"));
    let listed = fetched
        .files
        .iter()
        .map(|file| (&file.path, file.size, file.sha256));
    let there = found
        .iter()
        .map(|(path, bytes)| (path, bytes.len() as u64, Sha256::of(bytes)));
    assert_eq!(listed.collect::<Vec<_>>(), there.collect::<Vec<_>>());
}

fn amd() -> Value {
    json!({ "os": "linux", "architecture": "amd64" })
}

fn arm() -> Value {
    json!({ "os": "linux", "architecture": "arm64", "variant": "v8" })
}

#[test]
fn an_image_is_kept_as_the_registry_has_it_by_tag_and_by_digest() {
    if !has(&["docker-registry"]) {
        return;
    }
    let storage = Storage::new();
    let registry = storage.open(Door::Open);
    let image = TestImage::usual();
    for (tag, pack) in [
        ("plain", plain as fn(&[u8]) -> Vec<u8>),
        ("gzip", gzip),
        ("zstd", zstd),
    ] {
        let manifest = registry.push("team/monitor", tag, &image.layout(pack));
        let by_digest = format!("team/monitor@{}", digest(&manifest));
        let mut contents = Vec::new();
        for rest in [format!("team/monitor:{tag}"), by_digest.clone()] {
            let folder = TempDir::new().unwrap();
            let fetched = fetch_open(&registry.name(&rest), folder.path()).unwrap();
            assert_listed(&fetched, folder.path());
            let found = &fetched.images[0];
            assert_eq!((found.id, fetched.images.len()), (image.id(), 1));
            assert_eq!(found.manifest, Some(Sha256::of(&manifest)));
            assert_eq!(found.platform, "linux/amd64");
            assert_eq!(
                found.diff_ids,
                image
                    .layers
                    .iter()
                    .map(|one| Sha256::of(one))
                    .collect::<Vec<_>>()
            );
            assert_eq!(fetched.index, None);
            assert_eq!(fetched.repo_digests, [registry.name(&by_digest)]);
            let stored: Vec<Sha256> = image
                .layers
                .iter()
                .map(|one| Sha256::of(&pack(one)))
                .collect();
            assert_eq!(found.blobs, if tag == "plain" { vec![] } else { stored });
            for layer in &image.layers {
                let path = blob(&pack(layer));
                let file = fetched.files.iter().find(|file| file.path == path).unwrap();
                let expected = (tag != "plain").then(|| Sha256::of(layer));
                assert_eq!(file.uncompressed, expected);
            }
            let files = content(folder.path());
            assert_eq!(files[&format!("image/{}", blob(&manifest))], manifest);
            contents.push(files);
        }
        assert_eq!(contents[0], contents[1]);
    }
}

#[test]
fn of_an_index_the_platforms_named_are_kept_and_the_index_whole() {
    if !has(&["docker-registry"]) {
        return;
    }
    let storage = Storage::new();
    let registry = storage.open(Door::Open);
    let shared = layer("shared", b"in both");
    let images = [
        (amd(), "amd"),
        (arm(), "arm"),
        (json!({ "os": "linux", "architecture": "s390x" }), "s390x"),
    ];
    let images = images.map(|(platform, name)| {
        let layers = vec![shared.clone(), layer(name, name.as_bytes())];
        let image = TestImage::with_platform(layers, &platform);
        (platform, image)
    });
    let layouts: Vec<_> = images
        .iter()
        .map(|(platform, image)| (platform.clone(), image.layout(gzip)))
        .collect();
    let index = registry.push_index("monitor", "all", &layouts);
    for reference in [
        "monitor:all".to_owned(),
        format!("monitor@{}", digest(&index)),
    ] {
        let reference = registry.name(&reference);
        let folder = TempDir::new().unwrap();
        let wanted = ["linux/arm64", "linux/amd64"];
        let fetched = fetch_as(&reference, &wanted, &Access::default(), folder.path()).unwrap();
        assert_listed(&fetched, folder.path());
        assert_eq!(fetched.index, Some(Sha256::of(&index)));
        let platforms: Vec<&str> = fetched.images.iter().map(|one| &*one.platform).collect();
        assert_eq!(platforms, ["linux/arm64/v8", "linux/amd64"]);
        let files = content(&folder.path().join("image"));
        assert_eq!(files[&blob(&index)], index);
        // Two manifests, two configs, three layers, the index and three files beside the blobs.
        assert_eq!(files.len(), 11, "{:?}", files.keys());
        let load: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        assert_eq!(load.as_array().unwrap().len(), 2);
    }
    let reference = registry.name("monitor:all");
    let told = fails(|into| fetch_open(&reference, into));
    assert!(
        told.contains("linux/amd64, linux/arm64/v8, linux/s390x"),
        "{told}"
    );
    let wanted = ["linux/riscv64"];
    let told = fails(|into| fetch_as(&reference, &wanted, &Access::default(), into));
    assert!(told.contains("not for linux/riscv64"), "{told}");
    let single = registry.push("monitor", "one", &images[0].1.layout(gzip));
    assert!(!single.is_empty());
    let told = fails(|into| {
        fetch_as(
            &registry.name("monitor:one"),
            &wanted,
            &Access::default(),
            into,
        )
    });
    assert!(told.contains("for linux/amd64"), "{told}");
}

#[test]
fn an_index_of_one_image_needs_no_platform_and_an_image_may_have_no_layers() {
    if !has(&["docker-registry"]) {
        return;
    }
    let storage = Storage::new();
    let registry = storage.open(Door::Open);
    let image = TestImage::new(Vec::new());
    registry.push_index("monitor", "1", &[(amd(), image.layout(gzip))]);
    let folder = TempDir::new().unwrap();
    let fetched = fetch_open(&registry.name("monitor:1"), folder.path()).unwrap();
    assert_eq!(fetched.images[0].id, image.id());
    let one = layer("a", b"one");
    let image = TestImage::new(vec![one.clone(), layer("b", b"two"), one]);
    registry.push("monitor", "2", &image.layout(gzip));
    let folder = TempDir::new().unwrap();
    let fetched = fetch_open(&registry.name("monitor:2"), folder.path()).unwrap();
    assert_eq!(fetched.images[0].blobs.len(), 3);
    assert_listed(&fetched, folder.path());
}

#[test]
fn what_was_kept_goes_back_into_a_registry_under_the_same_digest() {
    if !has(&["docker-registry", "skopeo"]) {
        return;
    }
    let storage = Storage::new();
    let registry = storage.open(Door::Open);
    for (tag, pack) in [("plain", plain as fn(&[u8]) -> Vec<u8>), ("gzip", gzip)] {
        let manifest = registry.push("monitor", tag, &TestImage::usual().layout(pack));
        let folder = TempDir::new().unwrap();
        fetch_open(&registry.name(&format!("monitor:{tag}")), folder.path()).unwrap();
        let from = format!("oci:{}", folder.path().join("image").display());
        let to = format!("docker://{}", registry.name(&format!("back:{tag}")));
        run(
            "skopeo",
            &[
                "copy",
                "--preserve-digests",
                "--dest-tls-verify=false",
                &from,
                &to,
            ],
        );
        let inspected = run("skopeo", &["inspect", "--raw", "--tls-verify=false", &to]);
        assert_eq!(inspected.as_bytes(), manifest);
    }
}

#[test]
fn an_image_that_docker_pushed_is_kept_and_loads_again() {
    if !has(&["docker-registry", "docker"]) || !crate::support::engine::answers() {
        return;
    }
    let storage = Storage::new();
    let registry = storage.open(Door::Open);
    // The engine takes registries on this machine without TLS.
    for (tag, pack) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("plain", plain)] {
        // Layers of its own, so that the engine has to read these.
        let image = TestImage::new(vec![
            layer("port", registry.port.to_string().as_bytes()),
            layer("tag", tag.as_bytes()),
        ]);
        registry.push("monitor", tag, &image.layout(pack));
        let folder = TempDir::new().unwrap();
        fetch_open(&registry.name(&format!("monitor:{tag}")), folder.path()).unwrap();
        let tar = folder.path().join("image.tar");
        let status = Command::new("tar")
            .arg("-C")
            .arg(folder.path().join("image"))
            .arg("-cf")
            .args([tar.as_os_str(), ".".as_ref()])
            .status();
        assert!(status.unwrap().success());
        let id = format!("sha256:{}", image.id());
        let loaded = crate::support::engine::load(&tar, &id);
        assert_eq!(crate::support::engine::image(&id).as_deref(), Some(&*id));
        let pushed = registry.name(&format!("pushed:{tag}"));
        run("docker", &["tag", &id, &pushed]);
        run("docker", &["push", "--quiet", &pushed]);
        run("docker", &["image", "rm", &pushed]);
        drop(loaded);
        let folder = TempDir::new().unwrap();
        let fetched = fetch_open(&pushed, folder.path()).unwrap();
        assert_eq!(fetched.images[0].id, image.id());
        assert!(!fetched.images[0].blobs.is_empty(), "docker pushes gzip");
        assert_listed(&fetched, folder.path());
    }
}
