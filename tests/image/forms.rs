//! Every form in which engines export an image becomes the same folder.

use std::collections::BTreeMap;

use dhfpack::digest::Sha256;
use dhfpack::source::image::Fetched;
use serde_json::json;
use tempfile::TempDir;

use super::{answered, content, exported};
use crate::support::image::{
    Answer, FakeEngine, MANIFEST, TarEntry, TestImage, blob, descriptor, digest, gzip, layer,
    plain, tar_of,
};

type Files = BTreeMap<String, Vec<u8>>;

/// The folder that an export of `image` becomes.
fn folder_of(image: &TestImage, entries: &[TarEntry]) -> (Fetched, Files) {
    let folder = TempDir::new().unwrap();
    let fetched = exported(image, entries, folder.path()).unwrap();
    let files = content(&folder.path().join("image"));
    assert_eq!(fetched.images[0].id, image.id());
    assert_files(&fetched, &files);
    (fetched, files)
}

/// What is said of the files must be so.
fn assert_files(image: &Fetched, files: &Files) {
    let listed: Vec<_> = image
        .files
        .iter()
        .map(|file| (&file.path, file.size, file.sha256))
        .collect();
    let found: Vec<_> = files
        .iter()
        .map(|(path, bytes)| (path, bytes.len() as u64, Sha256::of(bytes)))
        .collect();
    assert_eq!(listed, found);
}

#[test]
fn exports_of_old_and_new_engines_become_the_same_folder() {
    let image = TestImage::usual();
    let (fetched, files) = folder_of(&image, &image.legacy());
    assert_eq!(fetched.images[0].platform, "linux/amd64");
    assert_eq!(fetched.repo_digests, ["a@sha256:1", "b@sha256:1"]);
    assert_eq!(files[&blob(&image.config)], image.config);
    for layer in &image.layers {
        assert!(files[&blob(layer)] == *layer);
    }
    assert_eq!(folder_of(&image, &image.hybrid(plain)).1, files);
    assert_eq!(folder_of(&image, &image.hybrid(gzip)).1, files);
}

#[test]
fn equal_layers_become_one_file() {
    let (one, two) = (layer("a", b"one"), layer("b", b"two"));
    let image = TestImage::new(vec![one.clone(), two, one]);
    let (fetched, files) = folder_of(&image, &image.legacy());
    assert_eq!(fetched.images[0].diff_ids.len(), 3);
    assert_eq!(fetched.images[0].diff_ids[0], fetched.images[0].diff_ids[2]);
    assert_eq!(files.len(), 7, "{:?}", files.keys());
    assert_eq!(folder_of(&image, &image.hybrid(plain)).1, files);

    let mut hard_links = image.legacy();
    for entry in &mut hard_links {
        if let TarEntry::Symlink(name, target) = entry {
            let target = target.trim_start_matches("../").to_owned();
            *entry = TarEntry::Hardlink(name.clone(), target);
        }
    }
    assert_eq!(folder_of(&image, &hard_links).1, files);
}

#[test]
fn an_image_without_layers_is_archived() {
    let image = TestImage::new(Vec::new());
    let (fetched, files) = folder_of(&image, &image.legacy());
    assert!(fetched.images[0].diff_ids.is_empty());
    assert_eq!(files.len(), 5, "{:?}", files.keys());
}

#[test]
fn an_empty_layer_file_is_a_layer_too() {
    let image = TestImage::new(vec![Vec::new(), layer("a", b"a")]);
    folder_of(&image, &image.legacy());
}

#[test]
fn a_layer_that_begins_like_json_is_a_layer() {
    let image = TestImage::new(vec![layer("{{name}}", b"{}"), layer("[", b"[]")]);
    folder_of(&image, &image.legacy());
    folder_of(&image, &image.hybrid(plain));
}

#[test]
fn the_export_of_podman_is_read() {
    let image = TestImage::usual();
    let names: Vec<String> = image
        .layers
        .iter()
        .map(|layer| format!("{}.tar", Sha256::of(layer)))
        .collect();
    let mut entries: Vec<_> = names
        .iter()
        .zip(&image.layers)
        .map(|(name, layer)| TarEntry::file(name, layer))
        .collect();
    entries.push(TarEntry::file(
        format!("{}.json", image.id()),
        &image.config,
    ));
    entries.push(TarEntry::file("manifest.json", &image.listing(&names)));
    assert_eq!(
        folder_of(&image, &entries).1,
        folder_of(&image, &image.legacy()).1
    );
}

#[test]
fn blobs_that_no_layer_list_names_are_left_out() {
    let image = TestImage::usual();
    let mut entries = image.hybrid(plain);
    let files = folder_of(&image, &entries).1;
    entries.insert(0, TarEntry::blob(&layer("unused", b"x")));
    entries.insert(0, TarEntry::blob(b"{\"predicateType\":\"provenance\"}"));
    // A bill of materials, as build attestations hold it, may be larger than any config.
    let attestation = format!("[{}0]", "0,".repeat(3_000_000));
    entries.insert(0, TarEntry::blob(attestation.as_bytes()));
    assert_eq!(folder_of(&image, &entries).1, files);
}

#[test]
fn the_id_of_a_manifest_or_an_index_leads_to_the_config() {
    let image = TestImage::usual();
    let mut entries = image.hybrid(gzip);
    let manifest = entries.iter().find_map(|entry| match entry {
        TarEntry::File(_, bytes) if bytes.starts_with(b"{\"config\":{\"digest") => Some(bytes),
        _ => None,
    });
    let manifest = manifest.unwrap().clone();
    let index = json!({ "manifests": [descriptor(MANIFEST, &manifest)] }).to_string();
    entries.push(TarEntry::blob(index.as_bytes()));
    for id in [Sha256::of(&manifest), Sha256::of(index.as_bytes())] {
        let engine = FakeEngine::start(id, Answer::Whole(tar_of(&entries)));
        let folder = TempDir::new().unwrap();
        let fetched = super::fetch_from(&engine.address(), folder.path()).unwrap();
        assert_eq!(fetched.images[0].id, image.id());
    }
    assert_ne!(digest(&manifest), digest(&image.config));
}

#[test]
fn zeros_behind_the_tar_are_its_end() {
    let image = TestImage::usual();
    let mut stream = tar_of(&image.legacy());
    stream.resize(stream.len() + 20_000, 0);
    let folder = TempDir::new().unwrap();
    answered(&image, Answer::Whole(stream), folder.path()).unwrap();
}
