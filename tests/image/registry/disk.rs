//! Layers on their way to the disk: whatever their size, and whatever the file system can do.

use std::collections::BTreeMap;

use dhfpack::digest::Sha256;
use tempfile::TempDir;

use super::{assert_listed, content, fetch_open};
use crate::support::image::{TestImage, gzip, layer, plain};
use crate::support::mount::{can_mount, inside};
use crate::support::registry::{Door, Registry, Storage, has};
use crate::support::release::told;
use crate::support::small::Small;

/// Bytes that do not shrink.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let words = (0..length.div_ceil(8)).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let mut bytes: Vec<u8> = words.collect();
    bytes.truncate(length);
    bytes
}

#[test]
fn layers_of_every_size_are_kept_plain_and_packed() {
    if !has(&["docker-registry"]) {
        return;
    }
    let storage = Storage::new();
    let registry = storage.open(Door::Open);
    // Around what disks write at once, and what is handed on at once, and far more than waits.
    let lengths = [1, 4095, 4096, 4097, (1 << 20) - 1536, 1 << 20, 9 << 20];
    let layers = lengths.map(|length| layer("file", &noise(length)));
    let image = TestImage::new(layers.to_vec());
    for (tag, pack) in [("plain", plain as fn(&[u8]) -> Vec<u8>), ("packed", gzip)] {
        registry.push("m", tag, &image.layout(pack));
        let folder = TempDir::new().unwrap();
        let fetched = fetch_open(&registry.name(&format!("m:{tag}")), folder.path()).unwrap();
        assert_eq!(fetched.images[0].id, image.id());
        assert_listed(&fetched, folder.path());
    }
}

/// Where a file system of this kind may be mounted, and a product with an image of two layers, of
/// three and four MiB, in the registry.
fn with_large_layers(kind: &str) -> Option<(TempDir, Small, (Registry, Storage))> {
    let place = TempDir::new().unwrap();
    if !has(&["docker-registry"]) || !can_mount(kind, place.path()) {
        return None;
    }
    let storage = Storage::new();
    let registry = storage.open(Door::Open);
    let large = [3 << 20, 4 << 20].map(|length| layer("file", &noise(length)));
    let image = TestImage::new(large.to_vec());
    registry.push("m", "1", &image.layout(plain));
    let source = format!("registry:{}", registry.name("m:1"));
    let small = Small::with_image(&source, &[]).release();
    Some((place, small, (registry, storage)))
}

#[test]
fn a_file_system_that_writes_only_through_the_page_cache_gets_the_same_bytes() {
    let Some((place, small, _registry)) = with_large_layers("ramfs") else {
        return;
    };
    small.manifest();
    let expected = content(&small.archive());
    assert!(expected.values().any(|bytes| bytes.len() > 4 << 20));
    let script =
        "mount -t ramfs none \"$1\"; place=$1; shift; \"$@\"; cp -R \"$place/\"* \"$kept\"";
    let kept = TempDir::new().unwrap();
    let mut build = small.command();
    build.env("DHFPACK_OUTPUT", place.path());
    build.env("kept", kept.path());
    let built = inside(script, place.path(), &build).output().unwrap();
    assert!(built.status.success(), "{}", told(&built));
    let found = content(&kept.path().join("small-1.0.0"));
    let same = |files: &BTreeMap<String, Vec<u8>>| -> Vec<(String, Sha256)> {
        // The seal and what tells of the build differ from one build to the next.
        let files = files
            .iter()
            .filter(|(path, _)| !path.starts_with("Manifest/"));
        files
            .map(|(path, bytes)| (path.clone(), Sha256::of(bytes)))
            .collect()
    };
    assert_eq!(same(&found), same(&expected));
}

#[test]
fn a_disk_that_is_full_in_a_layer_is_told_and_nothing_is_left() {
    let Some((place, small, _registry)) = with_large_layers("tmpfs") else {
        return;
    };
    let script = "mount -t tmpfs -o size=6m none \"$1\"; place=$1; shift; code=0; \
                  \"$@\" || code=$?; ls -A \"$place\"; exit $code";
    let mut build = small.command();
    build.env("DHFPACK_OUTPUT", place.path());
    let built = inside(script, place.path(), &build).output().unwrap();
    let told = told(&built);
    assert_eq!(built.status.code(), Some(1), "{told}");
    for part in ["No space left", "blobs/sha256/"] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(String::from_utf8_lossy(&built.stdout), "", "{told}");
}
