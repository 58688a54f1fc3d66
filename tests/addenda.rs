//! Addenda and revisions: sealed archives that name the one that they amend or replace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use dhfpack::archive::Records;
use dhfpack::catalogue::{self, SiblingError};
use dhfpack::digest::Sha256;
use dhfpack::lineage::LineageError;
use dhfpack::manifest::Manifest;
use dhfpack::monitor::Silent;
use dhfpack::store::{self, Access, Address};
use serde_json::Value;

use crate::support::release::{dhfpack, succeed, told};
use crate::support::small::{Small, manifest, paths, tells};

const ADDENDUM: &str = "[[slot]]\nid = \"any\"\nfiles = [\"docs/build.md\"]\n";

/// A released small product, and the digest of its archive's manifest.
struct Amendable {
    small: Small,
    digest: String,
}

impl Amendable {
    fn new() -> Self {
        let small = Small::new("").release();
        small.manifest();
        let digest = digest_of(&small.archive());
        Self { small, digest }
    }

    /// A configuration that fills one slot and no other.
    fn config(&self, release: &str) -> PathBuf {
        let text = fs::read_to_string(self.small.repository.path().join("dhfpack.toml")).unwrap();
        let (head, _) = text.split_once("\n[[slot]]").unwrap();
        let path = self.small.path("addendum.toml");
        fs::write(&path, format!("{head}\n{release}\n{ADDENDUM}")).unwrap();
        path
    }

    /// `build` with a configuration of its own.
    fn build(&self, release: &str, arguments: &[&str]) -> Output {
        let mut command = self.small.command();
        command.arg("--config").arg(self.config(release));
        command.args(arguments).output().unwrap()
    }

    fn addendum(&self) -> PathBuf {
        let built = self.build(
            "",
            &["--amends", &self.digest, "--reason", "A page lacked."],
        );
        assert_eq!(built.status.code(), Some(0), "{}", told(&built));
        self.small.output().join("small-1.0.0-addendum-1")
    }

    /// Moves the tag to another commit.
    fn move_tag(&self) {
        self.small.repository.commit_file("new.txt", b"new");
        self.small.repository.git(["tag", "-d", "v1.0.0"]);
        self.small.repository.tag("v1.0.0");
    }

    fn verify(&self, archive: &Path) -> String {
        let mut command = dhfpack();
        command.arg("verify").arg(archive).arg("--trust");
        command.arg(self.small.path("cert.pem"));
        let output = command.args(["--require-role", "Release Builder"]).output();
        told(&output.unwrap())
    }
}

fn digest_of(archive: &Path) -> String {
    let bytes = fs::read(archive.join("Manifest/manifest.json")).unwrap();
    Sha256::of(&bytes).to_string()
}

fn read(archive: &Path) -> Manifest {
    let tree = dhfpack::archive::open(archive).unwrap();
    Records::of(&*tree).unwrap().manifest().unwrap().0
}

#[test]
fn an_addendum_holds_what_its_configuration_names_and_says_what_it_amends() {
    let amendable = Amendable::new();
    let archive = amendable.addendum();
    let manifest = manifest(&archive);
    assert_eq!(manifest["name"], "small-1.0.0-addendum-1");
    assert_eq!(manifest["amends"], amendable.digest);
    assert_eq!(manifest["addendum"]["number"], 1);
    assert_eq!(manifest["addendum"]["reason"], "A page lacked.");
    assert_eq!(manifest["draft"], false);
    assert_eq!(paths(&manifest, "any"), ["Any/build.md"]);
    assert!(!archive.join("Source").exists() && !archive.join("File").exists());
    let fill = |slot: &Value| slot["fill"].clone();
    let slots = manifest["slots"].as_array().unwrap();
    let empty = slots.iter().filter(|slot| fill(slot) == "empty").count();
    assert_eq!(empty, slots.len() - 1);

    let expected = format!("addendum 1 to {}: A page lacked.", amendable.digest);
    let shown = succeed(["show".as_ref(), archive.as_os_str()]);
    tells(&shown, &[&expected]);
    tells(&amendable.verify(&archive), &[&expected]);
    assert!(!amendable.verify(&archive).contains("NOT valid"));
    let page = fs::read_to_string(archive.join("index.html")).unwrap();
    tells(&page, &[&expected, "Not part of this addendum."]);
    tells(
        &fs::read_to_string(archive.join("Release Record/release.json")).unwrap(),
        &[&amendable.digest, "A page lacked."],
    );
}

#[test]
fn an_addendum_is_verified_restored_and_rebuilt_like_any_archive() {
    let amendable = Amendable::new();
    let archive = amendable.addendum();
    let mut command = dhfpack();
    command.arg("verify").arg(&archive).arg("--restore");
    let told_by_verify = told(&command.output().unwrap());
    tells(&told_by_verify, &["no source code was restored"]);
    assert!(
        !told_by_verify.contains("not-restorable"),
        "{told_by_verify}"
    );

    let rebuilt = dhfpack()
        .args(["rebuild", "--json"])
        .arg(&archive)
        .arg("--repo")
        .arg(amendable.small.repository.path())
        .output()
        .unwrap();
    assert_eq!(rebuilt.status.code(), Some(0), "{}", told(&rebuilt));
}

#[test]
fn an_addendum_may_be_configured_and_counted() {
    let amendable = Amendable::new();
    let config = format!(
        "amends = {{ manifest = \"{}\", number = 2, reason = \"Second thoughts.\" }}",
        amendable.digest
    );
    let built = amendable.build(&config, &[]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    let archive = amendable.small.output().join("small-1.0.0-addendum-2");
    assert_eq!(manifest(&archive)["addendum"]["reason"], "Second thoughts.");

    // The command line has the last word.
    let flags = ["--amends", &amendable.digest, "--addendum", "3"];
    let built = amendable.build(&config, &flags);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    let archive = amendable.small.output().join("small-1.0.0-addendum-3");
    assert_eq!(manifest(&archive)["addendum"]["reason"], "Second thoughts.");
}

#[test]
fn an_addendum_without_a_reason_or_a_number_is_refused() {
    let amendable = Amendable::new();
    let digest = amendable.digest.as_str();
    let configured = |number: u32, reason: &str| {
        format!("amends = {{ manifest = \"{digest}\", number = {number}, reason = \"{reason}\" }}")
    };
    let none = String::new();
    for (config, arguments, expected) in [
        (none.clone(), vec!["--amends", digest], "no reason"),
        (
            none.clone(),
            vec!["--amends", digest, "--reason", " "],
            "no reason",
        ),
        (none.clone(), vec!["--reason", "x"], "--amends"),
        (none.clone(), vec!["--amends", "2fd4"], "2fd4"),
        (
            none,
            vec!["--amends", digest, "--reason", "x", "--addendum", "0"],
            "0",
        ),
        (configured(0, "x"), vec![], "counted from 1"),
        (configured(1, ""), vec![], "reason"),
    ] {
        let built = amendable.build(&config, &arguments);
        assert_eq!(built.status.code(), Some(2), "{}", told(&built));
        tells(&told(&built), &[expected]);
    }
}

#[test]
fn a_tag_that_moved_is_an_error_that_names_both_commits() {
    let amendable = Amendable::new();
    let (archive, digest) = (amendable.small.archive(), amendable.digest.as_str());
    let of = archive.to_str().unwrap();
    let was = read(&archive).source.commit;
    let amending = ["--of", of, "--amends", digest, "--reason", "x"];
    let built = amendable.build("", &amending);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    fs::remove_dir_all(amendable.small.output().join("small-1.0.0-addendum-1")).unwrap();

    amendable.move_tag();
    let now = amendable.small.repository.git(["rev-parse", "HEAD"]);
    let revision =
        format!("revision = 1\nsupersedes = {{ manifest = \"{digest}\", reason = \"Again.\" }}");
    for (config, arguments) in [("", &amending[..]), (&revision, &amending[..2])] {
        let built = amendable.build(config, arguments);
        assert_eq!(built.status.code(), Some(1), "{}", told(&built));
        tells(
            &told(&built),
            &["has moved", &was, now.trim(), "small-1.0.0"],
        );
    }
}

#[test]
fn only_the_archive_that_is_named_can_be_given() {
    let amendable = Amendable::new();
    let archive = amendable.small.archive();
    let of = archive.to_str().unwrap();
    let other = "0".repeat(64);
    let digest = amendable.digest.as_str();
    let amending = ["--of", of, "--amends", &other, "--reason", "x"];
    let built = amendable.build("", &amending);
    tells(&told(&built), &[&other, digest, "small-1.0.0"]);
    let built = amendable.build("", &["--of", of]);
    tells(&told(&built), &["neither amends nor supersedes"]);

    let addendum = amendable.addendum();
    let (of, its) = (addendum.to_str().unwrap(), digest_of(&addendum));
    let amending = [
        "--of",
        of,
        "--amends",
        &its,
        "--reason",
        "x",
        "--addendum",
        "2",
    ];
    let built = amendable.build("", &amending);
    assert_eq!(built.status.code(), Some(1), "{}", told(&built));
    tells(&told(&built), &["is itself an addendum", digest]);
}

#[test]
fn a_store_must_have_what_an_addendum_amends_with_the_same_tag() {
    let amendable = Amendable::new();
    let addendum = read(&amendable.addendum());
    let require = |folder: &Path, manifest: &Manifest| {
        let address = Address::Folder(folder.to_path_buf());
        let store = store::open(&address, &Access::default(), &Silent).unwrap();
        catalogue::require_siblings(&*store, manifest, &Silent)
    };
    require(&amendable.small.output(), &addendum).unwrap();
    require(&amendable.small.output(), &read(&amendable.small.archive())).unwrap();

    let refusal = |folder: &Path, manifest: &Manifest| match require(folder, manifest) {
        Err(SiblingError::Lineage(error)) => *error,
        other => panic!("{other:?}"),
    };
    let empty = tempfile::tempdir().unwrap();
    let error = refusal(empty.path(), &addendum);
    assert!(matches!(error, LineageError::NotThere { .. }), "{error}");
    tells(&error.to_string(), &[&amendable.digest, "amends"]);

    let mut moved = addendum;
    moved.source.tag_object = "0".repeat(40);
    let error = refusal(&amendable.small.output(), &moved);
    assert!(matches!(error, LineageError::TagMoved { .. }), "{error}");
    moved.release.version = "1.0.1".to_owned();
    let error = refusal(&amendable.small.output(), &moved);
    assert!(
        matches!(error, LineageError::OtherRelease { .. }),
        "{error}"
    );
}

#[test]
fn a_revision_says_what_it_supersedes_and_why() {
    let amendable = Amendable::new();
    let text = fs::read_to_string(amendable.small.repository.path().join("dhfpack.toml")).unwrap();
    let release = format!(
        "tag = \"v{{version}}\"\nrevision = 1\nsupersedes = {{ manifest = \"{}\", reason = \"A page\\nlacked.\" }}\n",
        amendable.digest
    );
    let config = amendable.small.path("revision.toml");
    fs::write(&config, text.replace("tag = \"v{version}\"\n", &release)).unwrap();
    let mut command = amendable.small.command();
    command.arg("--config").arg(&config).arg("--of");
    let built = command.arg(amendable.small.archive()).output().unwrap();
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    let archive = amendable.small.output().join("small-1.0.0-r1");
    // A reason cannot fake a line.
    let expected = format!(
        "revision 1, supersedes {}: A page?lacked.",
        amendable.digest
    );
    tells(
        &succeed(["show".as_ref(), archive.as_os_str()]),
        &[&expected],
    );
    tells(&amendable.verify(&archive), &[&expected]);
    let page = fs::read_to_string(archive.join("index.html")).unwrap();
    tells(&page, &[&expected]);
}

#[test]
fn an_addendum_beside_a_register_needs_a_row_of_its_own() {
    let amendable = Amendable::new();
    let small = &amendable.small;
    let store = small.output();
    let registry = |arguments: &[&str]| {
        let mut command = dhfpack();
        command.arg("registry").args(arguments);
        command.current_dir(&store);
        command.env("DHFPACK_KEY", small.path("key.pem"));
        command.env("DHFPACK_CERTIFICATE", small.path("cert.pem"));
        command.output().unwrap()
    };
    let verify = || {
        let certificate = small.path("cert.pem");
        let trust = ["--trust", certificate.to_str().unwrap()];
        registry(&[&["verify", ".", "--archives"], &trust[..]].concat())
    };
    assert!(
        registry(&["add", "small-1.0.0", "--to", "."])
            .status
            .success()
    );
    assert_eq!(verify().status.code(), Some(0), "{}", told(&verify()));
    let addendum = amendable.addendum();
    let name = addendum.file_name().unwrap().to_str().unwrap();
    let found = verify();
    assert_eq!(found.status.code(), Some(3), "{}", told(&found));
    tells(
        &told(&found),
        &["registry-archive-unregistered", name, &digest_of(&addendum)],
    );
    assert!(registry(&["add", name, "--to", "."]).status.success());
    assert_eq!(verify().status.code(), Some(0), "{}", told(&verify()));
}
