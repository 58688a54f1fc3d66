//! Statements are added to an archive where it is published.

use std::fs;
use std::path::Path;

use dhfpack::authorise::{AuthoriseError, authorise_published};
use dhfpack::config::Meaning;
use dhfpack::monitor::Silent;
use dhfpack::sign::Signer;
use dhfpack::store::Store;

use crate::archive::tools::contents;
use crate::support::faulty_store::FaultyStore;
use crate::support::release::{Product, ROLES, copy_of, released, told};

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension() == Some(extension.as_ref())
}

fn signer(product: &Product, who: &str) -> Signer {
    let key = fs::read(product.key(who)).unwrap();
    let certificate = fs::read(product.certificate(who)).unwrap();
    Signer::load(&key, &certificate, None).unwrap()
}

/// The released archive without what people signed.
fn pending() -> (tempfile::TempDir, std::path::PathBuf) {
    let (place, archive) = copy_of(&released().archive);
    for entry in fs::read_dir(archive.join("Manifest/signatures")).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().contains("release-builder") {
            fs::remove_file(path).unwrap();
        }
    }
    (place, archive)
}

fn sign(store: &dyn Store, role: &str) -> Result<Option<String>, AuthoriseError> {
    let signer = signer(&released().product, role);
    authorise_published(store, &signer, role, Meaning::Release, 2, &Silent)
}

fn is_released(archive: &Path) -> bool {
    let verified = released().product.verify(archive).output().unwrap();
    let told = told(&verified);
    // A store in the archive's own folder keeps its unfinished files there while it is open.
    assert!(!told.contains("file-unlisted"), "{told}");
    told.contains("status    released") && verified.status.code() == Some(0)
}

#[test]
fn people_sign_a_published_archive_one_after_the_other_until_it_is_released() {
    let (_place, archive) = pending();
    let before = contents(&*dhfpack::archive::open(&archive).unwrap());
    for role in ROLES {
        assert!(!is_released(&archive));
        let store = FaultyStore::new(&archive);
        assert!(sign(&store, role).unwrap().is_some());
        // A job that is run again changes nothing.
        let store = FaultyStore::new(&archive);
        assert_eq!(sign(&store, role).unwrap(), None);
    }
    assert!(is_released(&archive));
    let after = contents(&*dhfpack::archive::open(&archive).unwrap());
    assert!(before.iter().all(|(path, bytes)| after[path] == *bytes));
    assert_eq!(after.len(), before.len() + 2 * ROLES.len());
}

#[test]
fn a_run_that_broke_off_after_the_signature_is_completed_by_its_signer_alone() {
    let (_place, archive) = pending();
    let mut store = FaultyStore::new(&archive);
    store.refuses = |path| has_extension(path, "json");
    let error = sign(&store, ROLES[0]).unwrap_err();
    assert!(matches!(error, AuthoriseError::Store(_)), "{error}");
    store.refuses = |_| false;

    // For anybody else it is damage.
    let error = sign(&store, ROLES[1]).unwrap_err();
    assert!(matches!(error, AuthoriseError::Damaged { .. }), "{error}");

    let before = contents(&*dhfpack::archive::open(&archive).unwrap());
    assert!(sign(&store, ROLES[0]).unwrap().is_some());
    let after = contents(&*dhfpack::archive::open(&archive).unwrap());
    assert!(before.iter().all(|(path, bytes)| after[path] == *bytes));
    assert_eq!(after.len(), before.len() + 1);
    for role in &ROLES[1..] {
        sign(&store, role).unwrap();
    }
    drop(store);
    assert!(is_released(&archive));
}

#[test]
fn a_stray_signature_of_the_same_key_over_something_else_is_damage() {
    let (_place, archive) = pending();
    let mut store = FaultyStore::new(&archive);
    store.refuses = |path| has_extension(path, "json");
    let signer = signer(&released().product, ROLES[0]);
    let approve = |store: &dyn Store, meaning| {
        authorise_published(store, &signer, ROLES[0], meaning, 2, &Silent)
    };
    approve(&store, Meaning::Approve).unwrap_err();
    store.refuses = |_| false;
    let error = approve(&store, Meaning::Release).unwrap_err();
    assert!(matches!(error, AuthoriseError::Damaged { .. }), "{error}");
    assert!(approve(&store, Meaning::Approve).unwrap().is_some());
}

#[test]
fn whoever_signs_in_the_same_moment_with_the_same_key_is_told() {
    let (_place, archive) = pending();
    let mut store = FaultyStore::new(&archive);
    let other = archive.clone();
    store.before = Box::new(move |path| {
        if has_extension(path, "p7s") {
            sign(&FaultyStore::new(&other), ROLES[0]).unwrap();
        }
    });
    let error = sign(&store, ROLES[0]).unwrap_err();
    assert!(matches!(error, AuthoriseError::Raced { .. }), "{error}");
    assert!(error.to_string().contains(".p7s"), "{error}");
    store.before = Box::new(|_| {});
    assert_eq!(sign(&store, ROLES[0]).unwrap(), None);
}

#[test]
fn a_damaged_archive_is_not_signed_where_it_is_published() {
    let (_place, archive) = pending();
    fs::write(archive.join("index.html"), "other").unwrap();
    let error = sign(&FaultyStore::new(&archive), ROLES[0]).unwrap_err();
    assert!(matches!(error, AuthoriseError::Damaged { .. }), "{error}");
}
