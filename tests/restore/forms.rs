//! Images in the forms that registries and layouts have: packed layers, several platforms.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::images::in_engine;
use super::{codes, parts, restored};
use crate::support::engine;
use crate::support::image::{TarEntry, TestImage, gzip, layer, plain, unpack, zstd};
use crate::support::registry::{Door, Storage, has};
use crate::support::release::{dhfpack, told};
use crate::support::small::{Small, manifest};
use crate::support::stand_in::{Reply, StandIn};

type Pack = fn(&[u8]) -> Vec<u8>;

/// An archive of a small product with the image of this source, for these platforms.
fn archive(source: &str, platforms: &[&str]) -> (Small, PathBuf) {
    let small = Small::with_image(source, platforms).release();
    let built = small
        .command()
        .env("HOME", small.path("home"))
        .output()
        .unwrap();
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    let archive = small.archive();
    (small, archive)
}

/// The images of an archive as they were proved, which are all that were recorded.
fn proved(archive: &Path, platforms: &[&str]) -> Vec<String> {
    let verdict = restored(archive, 4);
    assert_eq!(codes(&verdict), [""; 0]);
    let named = platforms.iter().map(|one| format!("image x ({one})"));
    let expected: Vec<String> = ["repository", "source tree"]
        .map(str::to_owned)
        .into_iter()
        .chain(named)
        .collect();
    assert_eq!(parts(&verdict), expected);
    let proofs = verdict["restored"].as_array().unwrap()[2..].iter();
    proofs
        .map(|proof| proof["proved"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_image_of_a_registry_is_read_back_however_its_layers_are_packed() {
    if !has(&["docker-registry"]) {
        return;
    }
    let storage = Storage::new();
    let registry = storage.open(Door::Open);
    for (tag, pack) in [("plain", plain as Pack), ("gzip", gzip), ("zstd", zstd)] {
        let image = TestImage::usual();
        let pushed = registry.push("m", tag, &image.layout(pack));
        let source = format!("registry:{}", registry.name(&format!("m:{tag}")));
        let (_small, archive) = archive(&source, &[]);
        let found = proved(&archive, &["linux/amd64"]);
        let manifest = crate::support::image::digest(&pushed);
        let expected = format!(
            "read back: image id sha256:{}, 2 layers have their diff_id; the registry's manifest is {manifest}",
            image.id()
        );
        assert_eq!(found, [expected], "{tag}");
    }
}

fn platform(architecture: &str) -> Value {
    json!({ "architecture": architecture, "os": "linux" })
}

/// An image for each of two platforms, with a layer that is the same for both.
fn two() -> Vec<(Value, TestImage)> {
    let image = |architecture: &str| {
        let layers = vec![
            layer("all", b"shared"),
            layer("own", architecture.as_bytes()),
        ];
        let platform = platform(architecture);
        let image = TestImage::with_platform(layers, &platform);
        (platform, image)
    };
    ["amd64", "arm64"].map(image).into()
}

#[test]
fn every_platform_of_a_registry_s_index_is_read_back() {
    if !has(&["docker-registry"]) {
        return;
    }
    let storage = Storage::new();
    let registry = storage.open(Door::Open);
    let images: Vec<(Value, Vec<TarEntry>)> = two()
        .into_iter()
        .map(|(platform, image)| (platform, image.layout(gzip)))
        .collect();
    registry.push_index("m", "1", &images);
    let source = format!("registry:{}", registry.name("m:1"));
    let platforms = ["linux/amd64", "linux/arm64"];
    let (_small, both) = archive(&source, &platforms);
    proved(&both, &platforms);
    // The index is kept whole, and names a platform that was not asked for.
    let (_small, one) = archive(&source, &platforms[1..]);
    proved(&one, &platforms[1..]);
    assert_eq!(
        manifest(&one)["images"][0]["index"],
        manifest(&both)["images"][0]["index"]
    );
}

#[test]
fn every_platform_of_a_layout_is_read_back_and_loaded() {
    let place = TempDir::new().unwrap();
    let images = two();
    let mut listed = Vec::new();
    let mut blobs = Vec::new();
    for (platform, image) in &images {
        for entry in image.layout(gzip) {
            match &entry {
                TarEntry::File(name, bytes) if name == "index.json" => {
                    let index: Value = serde_json::from_slice(bytes).unwrap();
                    let mut descriptor = index["manifests"][0].clone();
                    descriptor["platform"] = platform.clone();
                    listed.push(descriptor);
                }
                _ => blobs.push(entry),
            }
        }
    }
    let layout = place.path().join("layout");
    unpack(&blobs, &layout);
    unpack(&crate::support::image::index(&listed), &layout);
    let source = format!("oci:{}", layout.display());
    let platforms = ["linux/amd64", "linux/arm64"];
    let (_small, archive) = archive(&source, &platforms);
    proved(&archive, &platforms);
    let _turn = engine::turn();
    if !engine::answers() {
        return;
    }
    let told = in_engine(&archive);
    for (_, image) in images {
        let id = format!("sha256:{}", image.id());
        assert!(
            told.contains(&format!("the engine calls it {id}")),
            "{told}"
        );
        assert_eq!(engine::image(&id), None, "it was left behind");
    }
}

#[test]
fn an_engine_that_takes_no_image_is_told_of_and_the_archive_is_judged() {
    let place = TempDir::new().unwrap();
    // More than waits anywhere on the way to an engine.
    let image = TestImage::new(vec![layer("large", &vec![7; 24 << 20])]);
    let layout = place.path().join("layout");
    unpack(&image.layout(plain), &layout);
    let (_small, archive) = archive(&format!("oci:{}", layout.display()), &[]);
    let full = "no space left on device";
    let engine = StandIn::start(move |request| match request.path.rsplit('/').next() {
        Some("version") => Reply::ok(r#"{ "ApiVersion": "1.41" }"#),
        Some("_ping") => Reply::ok("OK"),
        Some(load) if load.starts_with("load") => {
            let mut reply = Reply::ok(json!({ "message": full }).to_string());
            reply.status = 500;
            reply.with("Content-Type", "application/json")
        }
        _ => Reply::status(404),
    });
    let address = format!("tcp://{}", engine.name("").trim_end_matches('/'));
    let mut verify = dhfpack();
    verify.args(["verify", "--restore"]).arg(&archive);
    let judged = verify.env("DOCKER_HOST", &address).output().unwrap();
    let said = told(&judged);
    assert_eq!(judged.status.code(), Some(4), "{said}");
    for part in [&*address, "did not load the image", "read back: image id"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let mut verify = dhfpack();
    verify
        .args(["verify", "--restore", "--engine", &address])
        .arg(&archive);
    let failed = verify.output().unwrap();
    let said = told(&failed);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("did not load the image"), "{said}");
}

#[test]
fn an_image_that_an_engine_has_wholly_got_is_taken_away_after_a_stop() {
    let place = TempDir::new().unwrap();
    let image = TestImage::new(vec![layer("a", b"a")]);
    let layout = place.path().join("layout");
    unpack(&image.layout(plain), &layout);
    let (_small, archive) = archive(&format!("oci:{}", layout.display()), &[]);
    let (got, loading) = mpsc::channel();
    let named = Arc::new(AtomicBool::new(false));
    let (removed, removal) = mpsc::channel();
    let got = Mutex::new(got);
    let removed = Mutex::new(removed);
    let engine = StandIn::start(move |request| match request.path.rsplit('/').next() {
        Some("version") => Reply::ok(r#"{ "ApiVersion": "1.41" }"#),
        Some("_ping") => Reply::ok("OK"),
        Some(load) if load.starts_with("load") => {
            got.lock().unwrap().send(()).unwrap();
            thread::sleep(Duration::from_secs(1));
            named.store(true, Ordering::SeqCst);
            Reply::ok("{}").with("Content-Type", "application/json")
        }
        Some(name) if name.starts_with("dhfpack-restore-") => {
            let is_named = named.load(Ordering::SeqCst);
            removed.lock().unwrap().send(is_named).unwrap();
            Reply::ok("[]").with("Content-Type", "application/json")
        }
        _ => Reply::status(404),
    });
    let mut verify = dhfpack();
    let address = format!("tcp://{}", engine.name("").trim_end_matches('/'));
    verify
        .args(["verify", "--restore", "--engine", &address])
        .arg(&archive);
    let child = verify
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    loading.recv_timeout(Duration::from_mins(1)).unwrap();
    // The image is small: whatever was not sent yet is on its way.
    thread::sleep(Duration::from_millis(200));
    let stop = Command::new("kill")
        .args(["-s", "INT", &child.id().to_string()])
        .status();
    assert!(stop.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", told(&output));
    assert_eq!(removal.try_iter().collect::<Vec<_>>(), [true]);
}
