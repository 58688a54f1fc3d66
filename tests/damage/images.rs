//! The rules for images from a registry: what the manifest says of one lies in its folder.

use std::path::Path;

use dhfpack::digest::Sha256;
use serde_json::{Value, json};

use super::rules::{inconsistent, manifest};

/// The content of an image as a registry has it.
const MANIFEST: &[u8] = b"the registry's manifest";
const INDEX: &[u8] = b"the registry's index";
const PACKED: [&[u8]; 2] = [b"first layer, packed", b"second layer, packed"];
const PLAIN: [&[u8]; 2] = [b"first layer", b"second layer"];

fn of(bytes: &[u8]) -> Sha256 {
    Sha256::of(bytes)
}

/// The sample's first image as from a registry, with compressed layers; then changed.
fn from_registry(change: impl Fn(&mut Value)) -> Vec<u8> {
    manifest(|m| {
        let folder = m["images"][0]["folder"].as_str().unwrap().to_owned();
        let image = &mut m["images"][0];
        image["manifest"] = json!(of(MANIFEST));
        image["index"] = json!(of(INDEX));
        image["diff_ids"] = json!(PLAIN.map(of));
        image["blobs"] = json!(PACKED.map(of));
        for bytes in [MANIFEST, INDEX, PACKED[0], PACKED[1]] {
            add(m, &folder, bytes);
        }
        for (packed, plain) in PACKED.iter().zip(PLAIN) {
            file(m, packed)["identity"] = json!({ "uncompressed_sha256": of(plain) });
        }
        change(m);
    })
}

fn add(manifest: &mut Value, folder: &str, bytes: &[u8]) {
    let path = format!("{folder}/blobs/sha256/{}", of(bytes));
    let files = manifest["files"].as_array_mut().unwrap();
    files
        .push(json!({ "path": path, "size": bytes.len(), "sha256": of(bytes), "origin": "input" }));
    files.sort_by_key(|file| file["path"].as_str().unwrap().to_owned());
}

/// The entry of the blob with these bytes.
fn file<'m>(manifest: &'m mut Value, bytes: &[u8]) -> &'m mut Value {
    let name = of(bytes).to_string();
    let files = manifest["files"].as_array_mut().unwrap();
    let mut files = files.iter_mut();
    let found = files.find(|file| {
        let path = Path::new(file["path"].as_str().unwrap());
        path.file_name().unwrap() == name.as_str()
    });
    found.unwrap()
}

fn without(bytes: &'static [u8]) -> impl Fn(&mut Value) {
    move |m| {
        let entry = file(m, bytes).clone();
        let files = m["files"].as_array_mut().unwrap();
        files.retain(|file| *file != entry);
    }
}

#[test]
fn an_image_from_a_registry_has_its_manifest_index_and_layers_in_its_folder() {
    assert_eq!(inconsistent(&from_registry(|_| {})), [""; 0]);
    for (bytes, what) in [
        (MANIFEST, "the registry's manifest"),
        (INDEX, "the registry's index"),
        (PACKED[0], "the layer"),
        (PACKED[1], "the layer"),
    ] {
        let found = inconsistent(&from_registry(without(bytes)));
        let expected = format!("it does not hold {what} sha256:{}", of(bytes));
        assert_eq!(found, [expected]);
    }
}

#[test]
fn what_lies_in_another_folder_is_not_the_image_s() {
    let found = inconsistent(&from_registry(|m| {
        for bytes in [MANIFEST, PACKED[0]] {
            let entry = file(m, bytes);
            let path = entry["path"].as_str().unwrap();
            entry["path"] = json!(path.replace("/blobs/", "/other/blobs/"));
        }
        let files = m["files"].as_array_mut().unwrap();
        files.sort_by_key(|file| file["path"].as_str().unwrap().to_owned());
    }));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|one| one.contains("it does not hold")));
}

#[test]
fn a_blob_of_a_registry_is_named_by_its_digest() {
    let found = inconsistent(&from_registry(|m| {
        file(m, PACKED[0])["sha256"] = json!(of(b"other"));
    }));
    let missing = format!("it does not hold the layer sha256:{}", of(PACKED[0]));
    assert_eq!(found, [missing.as_str(), "a blob's name is not its digest"]);
}

#[test]
fn a_compressed_layer_says_which_one_it_is() {
    let expected = format!(
        "it does not say that it is the layer sha256:{}",
        of(PLAIN[0])
    );
    for identity in [
        json!({}),
        json!({ "uncompressed_sha256": of(PLAIN[1]) }),
        json!({ "uncompressed_sha256": "" }),
        json!({ "other": of(PLAIN[0]) }),
    ] {
        let found = inconsistent(&from_registry(|m| {
            file(m, PACKED[0])["identity"] = identity.clone();
        }));
        assert_eq!(found, [expected.as_str()], "{identity}");
    }
    // Exchanged, both say something else.
    let found = inconsistent(&from_registry(|m| {
        m["images"][0]["diff_ids"] = json!([of(PLAIN[1]), of(PLAIN[0])]);
    }));
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn an_image_has_as_many_layers_stored_as_it_names() {
    for (key, list) in [
        ("blobs", json!([of(PACKED[0])])),
        ("diff_ids", json!([of(PLAIN[0])])),
        ("diff_ids", json!([])),
    ] {
        let found = inconsistent(&from_registry(|m| m["images"][0][key] = list.clone()));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("layers, and"), "{found:?}");
    }
}

#[test]
fn layers_that_a_registry_has_uncompressed_are_their_own_identity() {
    let found = inconsistent(&from_registry(|m| {
        m["images"][0]["blobs"] = json!([]);
        m["images"][0]["diff_ids"] = json!(PACKED.map(of));
        for bytes in PACKED {
            file(m, bytes).as_object_mut().unwrap().remove("identity");
        }
    }));
    assert_eq!(found, [""; 0]);
}
