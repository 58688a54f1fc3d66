//! What becomes of an archive: packed, published.

use std::fs;

use tempfile::TempDir;

use crate::support::release::{NAME, copy_of, dhfpack, released, run, succeed, told};

#[test]
fn a_zip_and_a_tar_verify_like_the_folder_and_are_deterministic() {
    let release = released();
    let place = TempDir::new().unwrap();
    for container in ["zip", "tar"] {
        let files: Vec<_> = ["first", "second"]
            .iter()
            .map(|name| place.path().join(format!("{name}.{container}")))
            .collect();
        for file in &files {
            let mut command = dhfpack();
            command
                .arg("pack")
                .arg(&release.archive)
                .args(["--as", container]);
            let packed = command.arg("--output").arg(file).output().unwrap();
            assert!(packed.status.success(), "{}", told(&packed));
            let verified = release.product.verify(file).output().unwrap();
            assert_eq!(verified.status.code(), Some(0), "{}", told(&verified));
            assert!(succeed(["show".as_ref(), file.as_os_str()]).contains("Infusion Monitor"));
        }
        assert_eq!(fs::read(&files[0]).unwrap(), fs::read(&files[1]).unwrap());
        let mut command = dhfpack();
        command
            .arg("pack")
            .arg(&release.archive)
            .args(["--as", container]);
        let again = command.arg("--output").arg(&files[0]).output().unwrap();
        assert_eq!(
            again.status.code(),
            Some(1),
            "an existing file was overwritten"
        );
    }
}

#[test]
fn publishing_copies_once_and_resumes() {
    let release = released();
    let store = TempDir::new().unwrap();
    let publish = || {
        let mut command = dhfpack();
        command
            .arg("publish")
            .arg(&release.archive)
            .arg("--to")
            .arg(store.path())
            .output()
            .unwrap()
    };
    assert!(publish().status.success());
    let published = store.path().join(NAME);
    assert_eq!(
        release.product.verify(&published).status().unwrap().code(),
        Some(0)
    );
    fs::remove_file(published.join("Manifest/manifest.json")).unwrap();
    fs::remove_file(published.join("index.html")).unwrap();
    assert!(publish().status.success());
    assert_eq!(
        release.product.verify(&published).status().unwrap().code(),
        Some(0)
    );
    fs::write(published.join("index.html"), "other").unwrap();
    let refused = publish();
    assert_eq!(refused.status.code(), Some(1));
    assert!(told(&refused).contains("index.html"), "{}", told(&refused));
    assert_eq!(fs::read(published.join("index.html")).unwrap(), b"other");
}

#[test]
fn publishing_a_damaged_archive_is_refused() {
    let release = released();
    let (_place, archive) = copy_of(&release.archive);
    fs::write(archive.join("index.html"), "other").unwrap();
    let store = TempDir::new().unwrap();
    let mut command = dhfpack();
    let refused = command
        .arg("publish")
        .arg(&archive)
        .arg("--to")
        .arg(store.path())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(3), "{}", told(&refused));
    assert!(
        !store
            .path()
            .join(NAME)
            .join("Manifest/manifest.json")
            .exists()
    );
}

#[test]
fn publishing_what_is_no_archive_is_refused() {
    let (place, store) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(place.path().join("notes.txt"), "x").unwrap();
    let refused = run([
        "publish".as_ref(),
        place.path().as_os_str(),
        "--to".as_ref(),
        store.path().as_os_str(),
    ]);
    assert_eq!(refused.status.code(), Some(3), "{}", told(&refused));
    assert!(told(&refused).contains("manifest-missing"));
    assert_eq!(fs::read_dir(store.path()).unwrap().count(), 0);
}

#[test]
fn publishing_goes_where_the_configuration_says_unless_told_otherwise() {
    let release = released();
    let place = TempDir::new().unwrap();
    let publish = || {
        let mut command = dhfpack();
        command.current_dir(place.path());
        command
            .arg("publish")
            .arg(&release.archive)
            .output()
            .unwrap()
    };
    let nowhere = publish();
    assert_eq!(nowhere.status.code(), Some(2), "{}", told(&nowhere));
    assert!(told(&nowhere).contains("[storage]"), "{}", told(&nowhere));
    let config = fs::read_to_string(release.product.repository().join("dhfpack.toml")).unwrap();
    let config = format!("{config}\n[storage]\nto = \"store\"\n");
    fs::write(place.path().join("dhfpack.toml"), config).unwrap();
    fs::create_dir(place.path().join("store")).unwrap();
    let published = publish();
    assert_eq!(published.status.code(), Some(0), "{}", told(&published));
    assert!(
        place
            .path()
            .join("store")
            .join(NAME)
            .join("Manifest/manifest.json")
            .is_file()
    );
}
