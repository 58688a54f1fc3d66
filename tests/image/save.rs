//! `image save`: what the manifest lists of an image, and nothing else.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::release::{copy_of, dhfpack, released, told};

type Harm = fn(&PathBuf);

/// A copy of the sample's archive, and the largest file of its image in it.
fn copy() -> (TempDir, PathBuf, PathBuf) {
    let (place, archive) = copy_of(&released().archive);
    let files = walkdir::WalkDir::new(&archive).into_iter().flatten();
    let blobs = files.filter(|file| {
        file.path()
            .components()
            .any(|part| part.as_os_str() == "sha256")
    });
    let largest = blobs.max_by_key(|file| file.metadata().unwrap().len());
    let layer = largest.unwrap().into_path();
    (place, archive, layer)
}

#[test]
fn an_image_that_is_not_as_listed_is_not_saved() {
    let harms: [(&str, Harm); 4] = [
        ("is not there", |layer| fs::remove_file(layer).unwrap()),
        ("has another size", |layer| {
            fs::write(layer, b"short").unwrap();
        }),
        ("has other bytes", |layer| {
            let mut bytes = fs::read(layer).unwrap();
            bytes[0] ^= 1;
            fs::write(layer, bytes).unwrap();
        }),
        ("is not listed", |layer| {
            fs::write(layer.with_file_name("more"), b"").unwrap();
        }),
    ];
    for (problem, harm) in harms {
        let (place, archive, layer) = copy();
        harm(&layer);
        let saved = place.path().join("saved.tar");
        for output in [saved.to_str().unwrap(), "-"] {
            let mut save = dhfpack();
            save.args(["image", "save"]).arg(&archive);
            let saving = save.args(["--output", output]).output().unwrap();
            let told = told(&saving);
            assert_eq!(saving.status.code(), Some(3), "{told}");
            assert!(told.contains(problem), "{problem}: {told}");
            assert!(!saved.exists(), "{problem}");
        }
    }
}
