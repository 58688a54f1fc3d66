//! Whatever happens to an image on its way: it is archived as it is, or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dhfpack::monitor::Silent;
use dhfpack::source::image::{ImageSource, fetch};
use proptest::prelude::*;
use proptest::test_runner::Config;
use tempfile::TempDir;

use super::{answered, content};
use crate::support::image::{Answer, TestImage, gzip, plain, tar_of, zstd};

type Files = BTreeMap<String, Vec<u8>>;

/// Two layers of few bytes: what is in them is nothing that is looked at.
fn image() -> TestImage {
    TestImage::new(vec![b"one".to_vec(), b"\x1f the other".to_vec()])
}

/// The forms in which it comes, as files.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let image = image();
    let legacy = tar_of(&image.legacy());
    vec![
        ("docker-archive", gzip(&legacy)),
        ("docker-archive", zstd(&legacy)),
        ("docker-archive", legacy),
        ("docker-archive", tar_of(&image.hybrid(plain))),
        ("docker-archive", tar_of(&image.hybrid(gzip))),
        ("oci", tar_of(&image.layout(plain))),
        ("oci", tar_of(&image.layout(zstd))),
    ]
}

/// What a file becomes; nothing where it is refused, and then nothing is left.
fn archived(kind: &str, bytes: &[u8], folder: &Path) -> Option<Files> {
    let file = folder.join("file.tar");
    fs::write(&file, bytes).unwrap();
    let source = match kind {
        "oci" => ImageSource::Oci(file),
        _ => ImageSource::DockerArchive(file, None),
    };
    let into = folder.join("image");
    let fetched = fetch(&source, &[], None, &into, &Silent);
    assert_eq!(fetched.is_ok(), into.exists());
    let files = fetched.is_ok().then(|| content(&into));
    if files.is_some() {
        fs::remove_dir_all(&into).unwrap();
    }
    files
}

#[test]
fn a_packed_file_cut_off_at_any_byte_is_refused() {
    let folder = TempDir::new().unwrap();
    for (kind, bytes) in forms().into_iter().take(2) {
        let whole = archived(kind, &bytes, folder.path()).unwrap();
        for end in 0..bytes.len() {
            if let Some(files) = archived(kind, &bytes[..end], folder.path()) {
                // What ends the tar was packed last.
                assert!(files == whole && end + 64 > bytes.len(), "cut at {end}");
            }
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 32, ..Config::default() })]

    #[test]
    fn a_file_cut_off_anywhere_is_refused_or_was_whole(cut in any::<prop::sample::Index>()) {
        let folder = TempDir::new().unwrap();
        for (kind, bytes) in forms() {
            let whole = archived(kind, &bytes, folder.path()).unwrap();
            let cut = &bytes[..cut.index(bytes.len())];
            if let Some(files) = archived(kind, cut, folder.path()) {
                prop_assert!(files == whole);
            }
        }
    }

    #[test]
    fn changed_bytes_are_refused_or_change_nothing(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4)
    ) {
        let folder = TempDir::new().unwrap();
        for (kind, bytes) in forms() {
            let whole = archived(kind, &bytes, folder.path()).unwrap();
            let mut changed = bytes.clone();
            for (at, by) in &changes {
                changed[at.index(bytes.len())] ^= by;
            }
            if let Some(files) = archived(kind, &changed, folder.path()) {
                prop_assert!(files == whole);
            }
        }
    }

    #[test]
    fn an_export_cut_off_or_changed_anywhere_is_refused_or_changes_nothing(
        cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), by in 1_u8..
    ) {
        let image = image();
        let whole = TempDir::new().unwrap();
        let tar = tar_of(&image.hybrid(gzip));
        answered(&image, Answer::Whole(tar.clone()), whole.path()).unwrap();
        let mut changed = tar.clone();
        changed[at.index(tar.len())] ^= by;
        let half = tar[..cut.index(tar.len())].to_vec();
        for answer in [Answer::Whole(changed), Answer::Whole(half.clone()), Answer::Cut(half)] {
            let folder = TempDir::new().unwrap();
            if answered(&image, answer, folder.path()).is_ok() {
                prop_assert!(content(folder.path()) == content(whole.path()));
            }
        }
    }
}
