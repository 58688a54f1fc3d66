//! Archives are brought back from a store only if they are what was sealed, and signed there.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::archive::tools::contents;
use crate::damage::{Apply, damages};
use crate::support::release::{NAME, copy_of, dhfpack, released, succeed, told};
use crate::support::small::{Small, tells};

mod hostile;
mod sign;

fn fetch(archive: &Path, into: &Path) -> Command {
    let mut command = dhfpack();
    command.arg("fetch").arg(archive).arg(into);
    command
}

/// `fetch` that trusts everyone of the sample.
fn fetch_trusting(archive: &Path, into: &Path) -> Output {
    let mut command = fetch(archive, into);
    command.arg("--trust").arg(released().product.trust_file());
    command.output().unwrap()
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> = entries.map(|e| name(e).into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_fetched_archive_is_the_one_published() {
    let release = released();
    let place = TempDir::new().unwrap();
    let into = place.path().join("new folder");
    let output = fetch(&release.archive, &into).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    tells(&told(&output), &["NOT passed", "not judged", "--trust"]);
    assert_eq!(names(&into), [NAME]);
    let fetched = into.join(NAME);
    let open = |path: &Path| contents(&*dhfpack::archive::open(path).unwrap());
    assert!(open(&fetched) == open(&release.archive));
    for entry in walkdir::WalkDir::new(&fetched) {
        let entry = entry.unwrap();
        let original = release
            .archive
            .join(entry.path().strip_prefix(&fetched).unwrap());
        if entry
            .path()
            .starts_with(fetched.join("Manifest/signatures"))
        {
            continue;
        }
        let time = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        assert!(
            !entry.file_type().is_file() || time(entry.path()) == time(&original),
            "{}",
            entry.path().display()
        );
    }
    let verified = release.product.verify(&fetched).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", told(&verified));
}

#[test]
fn with_certificates_to_trust_the_signatures_decide() {
    let release = released();
    let place = TempDir::new().unwrap();
    let output = fetch_trusting(&release.archive, place.path());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    tells(&told(&output), &["released", "passed"]);

    let place = TempDir::new().unwrap();
    let (_copy, archive) = copy_of(&release.archive);
    fs::remove_dir_all(archive.join("Manifest/signatures")).unwrap();
    let output = fetch_trusting(&archive, place.path());
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    assert_eq!(names(place.path()), [NAME]);
}

#[test]
fn what_is_there_is_never_replaced() {
    let release = released();
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join(NAME)).unwrap();
    fs::write(place.path().join(NAME).join("mine.txt"), "mine").unwrap();
    let output = fetch(&release.archive, place.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert_eq!(names(&place.path().join(NAME)), ["mine.txt"]);
    assert_eq!(names(place.path()), [NAME]);
}

#[test]
fn an_archive_that_is_not_there_or_not_complete_is_named() {
    let release = released();
    let place = TempDir::new().unwrap();
    let (_copy, archive) = copy_of(&release.archive);
    fs::remove_file(archive.join("Manifest/manifest.json")).unwrap();
    let nothing = archive.with_file_name("nothing");
    for (archive, expected) in [
        (archive, "is not complete"),
        (nothing, "there is no archive"),
    ] {
        let output = fetch(&archive, place.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        tells(&told(&output), &[expected, &archive.display().to_string()]);
        assert!(names(place.path()).is_empty());
    }
}

#[test]
fn nothing_appears_of_an_archive_that_is_not_what_was_sealed() {
    let release = released();
    let mut tried = 0;
    for damage in damages() {
        let Apply::ToFolder(apply) = damage.apply else {
            continue;
        };
        let (_copy, archive) = copy_of(&release.archive);
        apply(&archive);
        let place = TempDir::new().unwrap();
        let output = fetch_trusting(&archive, place.path());
        // What stores do not have: links are refused as in every store, and empty folders are none.
        let exit = match (damage.name, damage.codes) {
            ("no manifest", _) | (_, ["not-a-regular-file"]) => 1,
            (_, ["folder-empty"]) => 0,
            _ => damage.exit,
        };
        let told = told(&output);
        assert_eq!(output.status.code(), Some(exit), "{}: {told}", damage.name);
        if exit == 3 {
            // What is renamed is seen before its bytes are.
            let codes = damage.codes.iter();
            let codes = codes.map(|code| code.replace("file-renamed", "file-missing"));
            let codes: Vec<String> = codes.collect();
            let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
            tells(&told, &codes);
        }
        let expected: &[&str] = if matches!(exit, 0 | 4) { &[NAME] } else { &[] };
        assert_eq!(names(place.path()), expected, "{}", damage.name);
        tried += 1;
    }
    assert!(tried > 30, "{tried}");
}

#[test]
fn a_killed_fetch_leaves_no_half_archive_and_the_next_clears_up() {
    let small = Small::new("[[slot]]\nid = \"any\"\nfiles = [\"bulk/**\"]");
    for number in 0..300 {
        let content = format!("{number}\n").repeat(2000);
        let name = format!("bulk/{}/{number}.txt", number % 7);
        small.repository.write(name, content.as_bytes());
    }
    let small = small.release();
    small.manifest();
    let place = TempDir::new().unwrap();
    let fetched = place.path().join("small-1.0.0");
    let begun = std::time::Instant::now();
    succeed([
        "fetch".as_ref(),
        small.archive().as_os_str(),
        place.path().as_os_str(),
    ]);
    let whole = begun.elapsed();
    fs::remove_dir_all(&fetched).unwrap();
    let moments = 12;
    for moment in 1..=moments {
        let mut run = fetch(&small.archive(), place.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole * moment / moments);
        run.kill().unwrap();
        run.wait().unwrap();
        if fetched.exists() {
            let verified = dhfpack().arg("verify").arg(&fetched).output().unwrap();
            assert_ne!(verified.status.code(), Some(3), "{}", told(&verified));
            fs::remove_dir_all(&fetched).unwrap();
        }
    }
    let output = fetch(&small.archive(), place.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    // A run killed before it had its lock leaves an empty folder.
    let is_filled = |name: &String| {
        walkdir::WalkDir::new(place.path().join(name))
            .into_iter()
            .count()
            > 2
    };
    let left: Vec<String> = names(place.path()).into_iter().filter(is_filled).collect();
    assert_eq!(left, ["small-1.0.0"]);
}

#[test]
fn the_result_is_printed_as_json() {
    let release = released();
    let place = TempDir::new().unwrap();
    let output = fetch(&release.archive, place.path()).arg("--json").output();
    let output = output.unwrap();
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = place.path().join(NAME).display().to_string();
    assert_eq!(result["archive"], expected);
    assert_eq!(result["verdict"]["passed"], false);
    assert_eq!(result["verdict"]["release"]["name"], NAME);
}
