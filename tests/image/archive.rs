//! Tars as `docker save` and others write them.

use std::fs;
use std::path::Path;
use std::process::Command;

use dhfpack::monitor::Silent;
use dhfpack::source::image::{Fetched, ImageError, ImageSource, fetch};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{content, exported, fails};
use crate::support::image::{
    MANIFEST, TarEntry, TestImage, blob, descriptor, gzip, index, layer, plain, tar_of, zstd,
};

fn from_file(tar: &[u8], name: Option<&str>, into: &Path) -> Result<Fetched, ImageError> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("image.tar");
    fs::write(&file, tar).unwrap();
    let source = ImageSource::DockerArchive(file, name.map(str::to_owned));
    fetch(&source, &[], None, &into.join("image"), &Silent)
}

/// A tar as builders write it that pack each layer by itself.
fn packed_layers(image: &TestImage) -> Vec<TarEntry> {
    let names: Vec<String> = (0..image.layers.len())
        .map(|number| format!("{number}.tar.gz"))
        .collect();
    let mut entries = vec![
        TarEntry::file(image.config_name(), &image.config),
        TarEntry::file("manifest.json", &image.listing(&names)),
    ];
    for (name, layer) in names.iter().zip(&image.layers) {
        entries.push(TarEntry::file(name, &gzip(layer)));
    }
    entries
}

#[test]
fn a_saved_tar_becomes_the_same_folder_as_an_export() {
    let image = TestImage::usual();
    let expected = TempDir::new().unwrap();
    exported(&image, &image.legacy(), expected.path()).unwrap();
    for entries in [
        image.legacy(),
        image.hybrid(plain),
        image.hybrid(gzip),
        image.hybrid(zstd),
        packed_layers(&image),
    ] {
        let tar = tar_of(&entries);
        for tar in [gzip(&tar), zstd(&tar), tar] {
            let folder = TempDir::new().unwrap();
            let fetched = from_file(&tar, None, folder.path()).unwrap();
            assert_eq!(fetched.images[0].id, image.id());
            assert!(content(folder.path()) == content(expected.path()));
        }
    }
}

#[test]
fn of_several_images_in_a_tar_the_name_chooses() {
    let (one, two) = (TestImage::new(vec![layer("a", b"1")]), TestImage::usual());
    let mut entries = Vec::new();
    let mut listing = Vec::new();
    for (image, tags) in [
        (&one, json!(["pump:1", "firm/pump:1"])),
        (&two, json!(["tool"])),
    ] {
        for entry in image.legacy() {
            match entry {
                TarEntry::File(name, bytes) if name == "manifest.json" => {
                    let mut listed: Value = serde_json::from_slice(&bytes).unwrap();
                    listed[0]["RepoTags"] = tags.clone();
                    listing.push(listed[0].clone());
                }
                other => entries.push(other),
            }
        }
    }
    // The folders of both images have the same names: only one of each may stay.
    let rename = |entry: &mut TarEntry, listing: &mut Value| {
        if let TarEntry::File(name, _) = entry
            && name.ends_with("layer.tar")
        {
            let new = format!("second/{name}");
            let layers = listing["Layers"].as_array_mut().unwrap();
            for layer in layers.iter_mut().filter(|layer| *layer == name.as_str()) {
                *layer = json!(new);
            }
            *name = new;
        }
    };
    let half = one.legacy().len() - 1;
    for entry in &mut entries[half..] {
        rename(entry, &mut listing[1]);
    }
    let mut seen = std::collections::BTreeSet::new();
    entries.retain(|entry| seen.insert(entry.name().to_owned()));
    let listing = serde_json::to_vec(&listing).unwrap();
    entries.push(TarEntry::file("manifest.json", &listing));
    let tar = tar_of(&entries);

    for (name, image) in [
        ("pump:1", &one),
        ("docker.io/firm/pump:1", &one),
        ("tool:latest", &two),
        ("docker.io/library/tool", &two),
    ] {
        let folder = TempDir::new().unwrap();
        let fetched = from_file(&tar, Some(name), folder.path()).unwrap();
        assert_eq!(fetched.images[0].id, image.id());
        let expected = TempDir::new().unwrap();
        exported(image, &image.legacy(), expected.path()).unwrap();
        assert!(content(folder.path()) == content(expected.path()));
    }
    let told = fails(|into| from_file(&tar, None, into));
    assert!(
        told.contains("several images: pump:1 firm/pump:1 (linux/amd64), tool"),
        "{told}"
    );
    let told = fails(|into| from_file(&tar, Some("pump:2"), into));
    assert!(
        told.contains("no image `pump:2`: there is pump:1, firm/pump:1, tool"),
        "{told}"
    );
}

#[test]
fn a_config_that_has_not_the_digest_in_its_name_is_refused() {
    let image = TestImage::new(vec![layer("a", b"a")]);
    for entries in [image.legacy(), image.hybrid(plain)] {
        let changed = entries.into_iter().map(|entry| match entry {
            TarEntry::File(name, bytes) if bytes == image.config => {
                let text = String::from_utf8(bytes)
                    .unwrap()
                    .replace("\"test\"", "\"best\"");
                TarEntry::File(name, text.into_bytes())
            }
            other => other,
        });
        let tar = tar_of(&changed.collect::<Vec<_>>());
        let told = fails(|into| from_file(&tar, None, into));
        assert!(told.contains("has the digest"), "{told}");
    }
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    for path in [folder.path(), &pipe] {
        let source = ImageSource::DockerArchive(path.to_path_buf(), None);
        let told = fails(|into| fetch(&source, &[], None, &into.join("image"), &Silent));
        assert!(told.contains("no regular file"), "{told}");
    }
    let told = fails(|into| from_file(b"", None, into));
    assert!(told.contains("`manifest.json` is missing"), "{told}");
}

/// Zstd that becomes 128 KiB for each 4 bytes, for ever: blocks that repeat one byte.
fn bomb() -> Vec<u8> {
    let mut bomb = b"\x28\xb5\x2f\xfd\0\x38".to_vec();
    for _ in 0..20_000 {
        let header = (128 * 1024_u32) << 3 | 1 << 1;
        bomb.extend_from_slice(&header.to_le_bytes()[..3]);
        bomb.push(0);
    }
    bomb
}

#[test]
fn a_decompression_bomb_is_refused() {
    let image = TestImage::new(vec![bomb()]);
    let told = fails(|into| from_file(&tar_of(&image.legacy()), None, into));
    assert!(told.contains("as only a decompression bomb does"), "{told}");
}

/// A layout whose layer and config have these media types.
fn of_kind(config: &str, layer_kind: &str) -> Vec<TarEntry> {
    let image = TestImage::new(vec![layer("a", b"a")]);
    let manifest = json!({
        "config": descriptor(config, &image.config),
        "layers": [descriptor(layer_kind, &image.layers[0])],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut entries = index(&[descriptor(MANIFEST, &manifest)]);
    entries.extend([&manifest, &image.config, &image.layers[0]].map(|blob| TarEntry::blob(blob)));
    entries
}

#[test]
fn media_types_say_what_cannot_be_archived() {
    let oci = "application/vnd.oci.image.config.v1+json";
    let from = |entries: &[TarEntry], into: &Path| {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("layout.tar");
        fs::write(&file, tar_of(entries)).unwrap();
        fetch(
            &ImageSource::Oci(file),
            &[],
            None,
            &into.join("image"),
            &Silent,
        )
    };
    for kind in [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ] {
        from(&of_kind(oci, kind), TempDir::new().unwrap().path()).unwrap();
    }
    for (config, kind, expected) in [
        (
            oci,
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            "is encrypted",
        ),
        (
            oci,
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "is not distributable",
        ),
        (
            oci,
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "is not distributable",
        ),
        (
            oci,
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
            "is not supported here",
        ),
        (oci, "", "is not supported here"),
        (
            "application/vnd.oci.empty.v1+json",
            "application/vnd.oci.image.layer.v1.tar",
            "is not supported here",
        ),
    ] {
        let told = fails(|into| from(&of_kind(config, kind), into));
        assert!(told.contains(expected), "expected {expected:?}: {told}");
    }
}

#[test]
fn long_names_are_read_in_either_form_and_odd_headers_are_refused() {
    let image = TestImage::new(vec![layer("a", b"a")]);
    let name = format!("{}/layer.tar", "long/".repeat(40));
    let listing = image.listing(std::slice::from_ref(&name));
    let rest = tar_of(&[
        TarEntry::file(image.config_name(), &image.config),
        TarEntry::file("manifest.json", &listing),
    ]);
    let mut gnu = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(image.layers[0].len() as u64);
    gnu.append_data(&mut header, &name, &image.layers[0][..])
        .unwrap();
    let mut pax = tar::Builder::new(Vec::new());
    pax.append_pax_extensions([("path", name.as_bytes())])
        .unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("short").unwrap();
    header.set_size(image.layers[0].len() as u64);
    header.set_cksum();
    pax.append(&header, &image.layers[0][..]).unwrap();
    for builder in [gnu, pax] {
        let mut tar = builder.into_inner().unwrap();
        tar.truncate(tar.len() - 1024);
        tar.extend_from_slice(&rest);
        from_file(&tar, None, TempDir::new().unwrap().path()).unwrap();
    }

    let odd = |change: &dyn Fn(&mut tar::Header)| {
        let mut header = tar::Header::new_gnu();
        header.set_path("a/layer.tar").unwrap();
        header.set_size(0);
        change(&mut header);
        header.set_cksum();
        let tar = [header.as_bytes(), &rest[..]].concat();
        fails(|into| from_file(&tar, None, into))
    };
    let sparse = odd(&|header| header.set_entry_type(tar::EntryType::GNUSparse));
    assert!(
        sparse.contains("GNUSparse") || sparse.contains("damaged"),
        "{sparse}"
    );
    for size in [[0xff; 12], *b"-00000000001", *b"99999999999\0"] {
        odd(&|header| header.as_old_mut().size = size);
    }
}

#[test]
fn a_layout_in_a_tar_has_no_entry_twice() {
    let image = TestImage::new(vec![layer("a", b"a")]);
    let mut entries = image.layout(plain);
    entries.push(TarEntry::file("index.json", b"{\"manifests\":[]}"));
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("layout.tar");
    fs::write(&file, tar_of(&entries)).unwrap();
    let source = ImageSource::Oci(file);
    let told = fails(|into| fetch(&source, &[], None, &into.join("image"), &Silent));
    assert!(told.contains("the tar has it twice"), "{told}");
    assert!(!told.contains(&blob(&image.config)), "{told}");
}
