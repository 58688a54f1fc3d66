//! The releases of a store, and how far each has come.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::release::{NAME, copy_of, dhfpack, released, succeed, told};
use crate::support::small::{Small, tells};

/// A store with a released archive, the same one pending, and a pending one of another product.
struct Shelf {
    folder: TempDir,
    small: Small,
}

impl Shelf {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let small = Small::new("").release();
        small.manifest();
        let shelf = Self { folder, small };
        shelf.put(&shelf.small.archive(), "small-1.0.0");
        shelf.put(&released().archive, NAME);
        // Not an archive, and none of its business.
        fs::create_dir(shelf.path("registry.keys")).unwrap();
        fs::write(shelf.path("registry.keys/a.pem"), "a").unwrap();
        fs::write(shelf.path("registry.csv"), "a").unwrap();
        shelf
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, archive: &Path, name: &str) {
        let (_place, copy) = copy_of(archive);
        let options = walkdir::WalkDir::new(&copy);
        for entry in options {
            let entry = entry.unwrap();
            let target = self
                .path(name)
                .join(entry.path().strip_prefix(&copy).unwrap());
            if entry.file_type().is_dir() {
                fs::create_dir(&target).unwrap();
            } else {
                fs::copy(entry.path(), &target).unwrap();
            }
        }
    }

    fn list(&self, arguments: &[&str]) -> Output {
        let mut command = dhfpack();
        command.arg("list").arg(self.folder.path()).args(arguments);
        command.output().unwrap()
    }

    /// Lists as JSON, with this exit code; returns the releases.
    fn releases(&self, arguments: &[&str], code: i32) -> Vec<Value> {
        let output = self.list(&[&["--json"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{}", told(&output));
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        result["releases"].as_array().unwrap().clone()
    }
}

fn names(releases: &[Value]) -> Vec<&str> {
    let releases = releases.iter();
    releases
        .map(|release| release["name"].as_str().unwrap())
        .collect()
}

#[test]
fn every_release_is_listed_with_its_status() {
    let shelf = Shelf::new();
    let releases = shelf.releases(&[], 0);
    assert_eq!(names(&releases), [NAME, "small-1.0.0"]);
    let [released, pending] = &releases[..] else {
        panic!()
    };
    assert_eq!(released["status"], "released");
    let times = released["signers"].as_array().unwrap().iter();
    let last = times
        .map(|signer| signer["signed_at"].as_str().unwrap())
        .max();
    assert_eq!(released["released_at"].as_str(), last);
    assert_eq!(
        (&pending["status"], &pending["released_at"]),
        (&"pending".into(), &Value::Null)
    );
    let text = told(&shelf.list(&[]));
    tells(
        &text,
        &[
            NAME,
            "released ",
            "pending",
            "not judged",
            pending["manifest_sha256"].as_str().unwrap(),
        ],
    );
}

#[test]
fn with_certificates_to_trust_only_their_signatures_count() {
    let shelf = Shelf::new();
    let stranger = shelf.small.path("cert.pem").display().to_string();
    let own = released().product.trust_file().display().to_string();
    for (certificate, status) in [(stranger, "pending"), (own, "released")] {
        let releases = shelf.releases(&["--trust", &certificate], 0);
        assert_eq!(releases[0]["status"], status, "{certificate}");
    }
}

#[test]
fn what_has_no_manifest_is_no_release() {
    let shelf = Shelf::new();
    fs::remove_file(shelf.path(NAME).join("Manifest/manifest.json")).unwrap();
    assert_eq!(names(&shelf.releases(&[], 0)), ["small-1.0.0"]);
    let all = shelf.releases(&["--all"], 0);
    assert_eq!(names(&all), [NAME, "registry.keys", "small-1.0.0"]);
    assert_eq!(all[0]["status"], "incomplete");
}

#[test]
fn what_is_broken_is_shown_and_hides_nothing() {
    type Break = fn(&Path);
    let breaks: [(Break, &str); 5] = [
        (
            |a| fs::write(a.join("Manifest/manifest.json"), "{").unwrap(),
            "cannot be understood",
        ),
        (
            |a| fs::write(a.join("Manifest/signatures/x.txt"), "x").unwrap(),
            "signature-stray",
        ),
        (
            |a| fs::write(a.join("Manifest/signatures/x.crl"), vec![0; 100_000]).unwrap(),
            "far too large",
        ),
        (
            |a| {
                let manifest = a.join("Manifest/manifest.json");
                let text = fs::read_to_string(&manifest).unwrap();
                fs::write(manifest, text.replacen("2.4.0", "2.4.9", 1)).unwrap();
            },
            "calls it",
        ),
        (
            |a| {
                let manifest = a.join("Manifest/manifest.json");
                let text = fs::read_to_string(&manifest).unwrap();
                fs::write(manifest, text.replacen("Infusion", "Invasion", 1)).unwrap();
            },
            "statement-foreign",
        ),
    ];
    for (damage, problem) in breaks {
        let shelf = Shelf::new();
        damage(&shelf.path(NAME));
        let releases = shelf.releases(&[], 3);
        assert_eq!(names(&releases), [NAME, "small-1.0.0"]);
        tells(&releases[0]["problems"].to_string(), &[problem]);
        assert_ne!(releases[0]["status"], "released");
        let output = shelf.list(&[]);
        assert_eq!(output.status.code(), Some(3), "{}", told(&output));
        tells(&told(&output), &[problem, "small-1.0.0"]);
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_shown_and_is_a_failure() {
    let shelf = Shelf::new();
    let manifest = shelf.path(NAME).join("Manifest/manifest.json");
    fs::remove_file(&manifest).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &manifest).unwrap();
    let releases = shelf.releases(&[], 1);
    assert_eq!(names(&releases), [NAME, "small-1.0.0"]);
    tells(&releases[0]["problems"].to_string(), &["a link"]);
}

#[test]
fn shards_list_every_release_once() {
    let shelf = Shelf::new();
    let mut listed = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        listed.extend(shelf.releases(&["--shard", shard], 0));
    }
    let mut listed = names(&listed);
    listed.sort_unstable();
    assert_eq!(listed, [NAME, "small-1.0.0"]);
    let output = shelf.list(&["--shard", "4/3"]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
}

#[test]
fn addenda_and_revisions_are_shown_with_what_they_follow() {
    let shelf = Shelf::new();
    let digest = shelf.releases(&[], 0)[1]["manifest_sha256"].clone();
    let digest = digest.as_str().unwrap();
    let amending = ["--amends", digest, "--reason", "A page lacked."];
    let built = shelf.small.build(amending);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    let name = "small-1.0.0-addendum-1";
    shelf.put(&shelf.small.output().join(name), name);
    let text = fs::read_to_string(shelf.small.repository.path().join("dhfpack.toml")).unwrap();
    let release = format!(
        "[release]\nrevision = 1\nsupersedes = {{ manifest = \"{digest}\", reason = \"Anew.\" }}\n"
    );
    let config = shelf.small.path("revision.toml");
    fs::write(&config, text.replace("[release]\n", &release)).unwrap();
    let built = shelf.small.build(["--config".as_ref(), config.as_os_str()]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    shelf.put(
        &shelf.small.output().join("small-1.0.0-r1"),
        "small-1.0.0-r1",
    );

    let releases = shelf.releases(&[], 0);
    assert_eq!(
        names(&releases),
        [NAME, "small-1.0.0", name, "small-1.0.0-r1"]
    );
    assert_eq!(releases[2]["amends"], digest);
    assert_eq!(releases[3]["supersedes"]["reason"], "Anew.");
    tells(
        &succeed(["list".as_ref(), shelf.folder.path().as_os_str()]),
        &[
            "addendum 1 to small-1.0.0: A page lacked.",
            "revision 1, supersedes small-1.0.0: Anew.",
            "superseded by small-1.0.0-r1",
        ],
    );
}

#[test]
fn a_store_without_releases_says_so() {
    let empty = TempDir::new().unwrap();
    tells(
        &succeed(["list".as_ref(), empty.path().as_os_str()]),
        &["no releases"],
    );
}

#[test]
fn a_store_that_is_not_there_is_not_empty() {
    let parent = TempDir::new().unwrap();
    let mut command = dhfpack();
    let output = command.arg("list").arg(parent.path().join("mounted"));
    let output = output.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    tells(&told(&output), &["cannot list", "mounted", "reachable"]);
}

#[cfg(unix)]
#[test]
fn a_link_to_an_archive_is_shown_and_is_a_failure() {
    let shelf = Shelf::new();
    let elsewhere = TempDir::new().unwrap();
    let moved = elsewhere.path().join(NAME);
    fs::rename(shelf.path("small-1.0.0"), &moved).unwrap();
    std::os::unix::fs::symlink(&moved, shelf.path("small-1.0.0")).unwrap();
    let releases = shelf.releases(&[], 1);
    assert_eq!(names(&releases), [NAME, "small-1.0.0"]);
    tells(&releases[1]["problems"].to_string(), &["a link"]);
}
