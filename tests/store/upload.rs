use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use dhfpack::archive::{self, open};
use dhfpack::digest::Sha256;
use dhfpack::monitor::Silent;
use dhfpack::path::ArchivePath;
use dhfpack::publish::{Opener, Published, ReadBack, StoreFile, upload};
use dhfpack::store::{self, Access, Address, StoreError};

use crate::archive::tools::{contents, sample_files};

fn listed(files: &BTreeMap<String, Vec<u8>>) -> Vec<StoreFile> {
    files
        .iter()
        .map(|(path, bytes)| StoreFile {
            path: path.parse().unwrap(),
            size: bytes.len() as u64,
            sha256: Sha256::of(bytes),
        })
        .collect()
}

fn reader(bytes: &[u8]) -> Box<dyn Read + Send + '_> {
    Box::new(bytes)
}

fn publish(
    name: &str,
    files: &[StoreFile],
    open: Opener<'_>,
    to: &Path,
) -> Result<Published, StoreError> {
    let address = Address::Folder(to.to_path_buf());
    let store = store::open(&address, &Access::default(), &Silent)?;
    upload(&*store, name, files, open, ReadBack::All, &Silent)
}

fn publish_files(files: &BTreeMap<String, Vec<u8>>, to: &Path) -> Result<Published, StoreError> {
    let open = |path: &ArchivePath| Ok(reader(&files[path.as_str()]));
    publish("pump", &listed(files), &open, to)
}

#[test]
fn an_archive_is_published_whole_and_a_second_time_skipped() {
    let store = tempfile::tempdir().unwrap();
    let files = sample_files();
    let published = publish_files(&files, store.path()).unwrap();
    let location = store.path().join("pump");
    assert_eq!(published.location, Address::Folder(location.clone()));
    assert_eq!((published.copied, published.skipped), (6, 0));
    assert_eq!(contents(&*open(&location).unwrap()), files);
    assert_eq!(fs::read_dir(store.path()).unwrap().count(), 1);

    let again = publish_files(&files, store.path()).unwrap();
    assert_eq!((again.copied, again.skipped), (0, 6));
    assert_eq!(fs::read_dir(store.path()).unwrap().count(), 1);
}

#[test]
fn an_interrupted_run_leaves_whole_files_without_a_manifest_and_is_resumed() {
    let store = tempfile::tempdir().unwrap();
    let files = sample_files();
    let all = listed(&files);
    let interrupted = |path: &ArchivePath| {
        if path.as_str().starts_with("Manifest/") {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(reader(&files[path.as_str()]))
    };
    let failed = publish("pump", &all, &interrupted, store.path()).unwrap_err();
    assert!(failed.to_string().contains("Manifest/"), "{failed}");
    let there = contents(&*open(&store.path().join("pump")).unwrap());
    assert_eq!(there.len(), 4);
    assert!(there.iter().all(|(path, bytes)| files[path] == *bytes));
    assert!(!there.contains_key("Manifest/manifest.json"));

    let resumed = publish_files(&files, store.path()).unwrap();
    assert_eq!((resumed.copied, resumed.skipped), (2, 4));
    assert_eq!(contents(&*open(&store.path().join("pump")).unwrap()), files);
}

#[test]
fn the_manifest_comes_last_whatever_the_order_of_the_list() {
    let store = tempfile::tempdir().unwrap();
    let files = sample_files();
    let mut all = listed(&files);
    all.reverse();
    let order = std::sync::Mutex::new(Vec::new());
    let open = |path: &ArchivePath| {
        order.lock().unwrap().push(path.to_string());
        Ok(reader(&files[path.as_str()]))
    };
    publish("pump", &all, &open, store.path()).unwrap();
    let order = order.into_inner().unwrap();
    assert_eq!(
        order[4..],
        ["Manifest/SHA256SUMS", "Manifest/manifest.json"]
    );
}

#[test]
fn other_bytes_under_a_name_are_refused_and_nothing_is_changed() {
    let store = tempfile::tempdir().unwrap();
    let files = sample_files();
    let mut other = files.clone();
    other.retain(|path, _| path == "index.html");
    other.insert("index.html".to_owned(), b"older".to_vec());
    publish_files(&other, store.path()).unwrap();

    let error = publish_files(&files, store.path()).unwrap_err();
    assert!(matches!(error, StoreError::Differs { .. }), "{error}");
    let text = error.to_string();
    for part in [
        "index.html",
        &Sha256::of(b"").to_string(),
        &Sha256::of(b"older").to_string(),
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(contents(&*open(&store.path().join("pump")).unwrap()), other);
    assert_eq!(fs::read_dir(store.path()).unwrap().count(), 1);
}

#[test]
fn an_archive_that_is_not_what_its_manifest_lists_is_not_published() {
    let store = tempfile::tempdir().unwrap();
    let files = sample_files();
    let open = |_: &ArchivePath| Ok(reader(b"changed"));
    let error = publish("pump", &listed(&files), &open, store.path()).unwrap_err();
    assert!(matches!(error, StoreError::SourceChanged { .. }), "{error}");
    assert_eq!(fs::read_dir(store.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn links_in_the_store_are_not_followed() {
    use std::os::unix::fs::symlink;
    let files = sample_files();
    let outside = tempfile::tempdir().unwrap();
    for (link, target_is_folder) in [
        ("pump", true),
        ("pump/Manifest", true),
        ("pump/index.html", false),
    ] {
        let store = tempfile::tempdir().unwrap();
        let target = outside
            .path()
            .join(if target_is_folder { "" } else { "file" });
        let place = store.path().join(link);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(target, &place).unwrap();
        let error = publish_files(&files, store.path()).unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Obstacle {
                    found: "a link",
                    ..
                }
            ),
            "{link}: {error}"
        );
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "{link}");
    }
}

#[test]
fn a_store_is_given_a_portable_name_and_a_folder_that_exists() {
    let store = tempfile::tempdir().unwrap();
    for name in ["", "..", "a/b", "NUL", "a:b"] {
        let error = publish(name, &[], &|_| Ok(reader(b"")), store.path()).unwrap_err();
        assert!(
            matches!(error, StoreError::BadPath { .. }),
            "{name}: {error}"
        );
    }
    let missing = store.path().join("not mounted");
    let error = publish_files(&sample_files(), &missing).unwrap_err();
    assert!(error.to_string().contains("not mounted"), "{error}");
    assert!(!missing.exists());
}

#[test]
fn a_second_run_at_the_same_time_writes_nothing_twice() {
    let store = tempfile::tempdir().unwrap();
    let files = sample_files();
    let open = |path: &ArchivePath| {
        publish_files(&files, store.path()).unwrap();
        Ok(reader(&files[path.as_str()]))
    };
    let published = publish("pump", &listed(&files), &open, store.path()).unwrap();
    assert_eq!((published.copied, published.skipped), (0, 6));
    let there = contents(&*archive::open(&store.path().join("pump")).unwrap());
    assert_eq!(there, files);
    assert_eq!(fs::read_dir(store.path()).unwrap().count(), 1);
}
