//! `dhfpack registry`, on a real archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::git::git;
use crate::support::release::{NAME, Release, copy_of, dhfpack, released, told};

/// A store with the released sample in it.
struct Stage {
    release: &'static Release,
    store: TempDir,
}

impl Stage {
    fn new() -> Self {
        let release = released();
        let (store, _) = copy_of(&release.archive);
        Self { release, store }
    }

    fn store(&self) -> &Path {
        self.store.path()
    }

    fn archive(&self) -> PathBuf {
        self.store().join(NAME)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let product = &self.release.product;
        let mut command = dhfpack();
        command.current_dir(self.store());
        command.env("DHFPACK_KEY", product.key("builder"));
        command.env("DHFPACK_CERTIFICATE", product.certificate("builder"));
        let trust = product.trust_file();
        let arguments = arguments
            .iter()
            .map(|argument| argument.replace("TRUST", trust.to_str().unwrap()));
        command.arg("registry").args(arguments).output().unwrap()
    }

    fn exits(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            told(&output)
        );
        told(&output)
    }
}

#[test]
fn a_release_is_registered_verified_corrected_and_shown() {
    let stage = Stage::new();
    let pending = stage.exits(0, &["add", NAME, "--to", "."]);
    assert!(pending.contains("pending   line 2, added"), "{pending}");
    let add = ["add", NAME, "--to", ".", "--trust", "TRUST"];
    let done = stage.exits(0, &add);
    assert!(done.contains("released  line 3, added"), "{done}");
    let again = stage.exits(0, &add);
    assert!(again.contains("released  line 3, there already"), "{again}");
    let head = done.split("row       ").nth(1).unwrap().trim();
    assert!(again.contains(head));

    let verify = [
        "verify",
        ".",
        "--trust",
        "TRUST",
        "--archives",
        "--expect-head",
        head,
    ];
    let verified = stage.exits(0, &verify);
    assert!(verified.contains("verdict   passed"), "{verified}");
    assert!(
        stage
            .exits(4, &["verify", "."])
            .contains("registry-writer-unknown")
    );

    let correct = [
        "add",
        "--to",
        ".",
        "--correct",
        &head[..10],
        "--set",
        "quantity installed=12",
        "--note",
        "count of June",
    ];
    assert!(stage.exits(0, &correct).contains("line 4, added"));
    let verified = stage.exits(0, &verify);
    assert!(
        verified.contains("there, with 1 rows behind it"),
        "{verified}"
    );
    let shown: Value = serde_json::from_slice(&stage.run(&["show", ".", "--json"]).stdout).unwrap();
    let release = &shown["releases"][0];
    assert_eq!(release["quantity_installed"], 12);
    assert_eq!(release["archive_location"], NAME);
    assert_eq!(release["udi"], "00614141000241 2.4.0");
    assert_eq!(release["status"], "released");
    assert_eq!(shown["releases"].as_array().unwrap().len(), 1);
    let shown = stage.exits(0, &["show", "."]);
    assert!(
        shown.contains("Infusion Monitor 2.4.0, 12 installed"),
        "{shown}"
    );
}

#[test]
fn an_archive_that_is_missing_or_another_is_found() {
    let stage = Stage::new();
    stage.exits(0, &["add", NAME, "--to", "."]);
    let manifest = stage.archive().join("Manifest/manifest.json");
    let text = fs::read(&manifest).unwrap();
    let verify = ["verify", ".", "--trust", "TRUST", "--archives"];
    stage.exits(0, &verify);
    fs::write(&manifest, [&text[..], b"\n"].concat()).unwrap();
    assert!(
        stage
            .exits(3, &verify)
            .contains("registry-archive-differs line 2")
    );
    fs::remove_file(&manifest).unwrap();
    assert!(
        stage
            .exits(3, &verify)
            .contains("registry-archive-missing line 2")
    );
    // One of the two shards has it.
    let codes = ["1/2", "2/2"].map(|shard| {
        let output = stage.run(&[&verify[..], &["--shard", shard]].concat());
        output.status.code().unwrap()
    });
    assert!(codes == [0, 3] || codes == [3, 0], "{codes:?}");
    let output = stage.run(&["verify", ".", "--trust", "TRUST", "--shard", "1/2"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_archive_beside_the_register_that_no_row_names_is_found() {
    let stage = Stage::new();
    stage.exits(0, &["add", NAME, "--to", "."]);
    let verify = ["verify", ".", "--trust", "TRUST", "--archives"];
    // What has no manifest is no archive.
    fs::create_dir(stage.store().join("notes")).unwrap();
    fs::write(stage.store().join("notes/index.html"), "x").unwrap();
    stage.exits(0, &verify);
    // The same archive by another name has a row.
    let copy = stage.store().join("copy/Manifest/manifest.json");
    fs::create_dir_all(copy.parent().unwrap()).unwrap();
    fs::copy(stage.archive().join("Manifest/manifest.json"), &copy).unwrap();
    stage.exits(0, &verify);

    let text = fs::read(&copy).unwrap();
    fs::write(&copy, [&text[..], b"\n"].concat()).unwrap();
    let found = stage.exits(3, &verify);
    assert!(
        found.contains("registry-archive-unregistered: no row names the archive at"),
        "{found}"
    );
    assert!(
        found.contains("copy, manifest") && found.contains("registry add"),
        "{found}"
    );
    stage.exits(0, &verify[..4]);
    // One of the two shards looks into its folder.
    let counts = ["1/2", "2/2"].map(|shard| {
        let told = told(&stage.run(&[&verify[..], &["--shard", shard]].concat()));
        told.matches("registry-archive-unregistered").count()
    });
    assert_eq!(counts.iter().sum::<usize>(), 1);
}

#[test]
fn a_register_that_lies_elsewhere_finds_its_archives() {
    let stage = Stage::new();
    fs::create_dir(stage.store().join("line")).unwrap();
    stage.exits(0, &["add", NAME, "--to", "line"]);
    let verify = ["verify", "line", "--trust", "TRUST", "--archives"];
    stage.exits(0, &verify);
    fs::remove_file(stage.archive().join("Manifest/manifest.json")).unwrap();
    let found = stage.exits(3, &verify);
    assert!(found.contains("registry-archive-missing line 2"), "{found}");
}

#[test]
fn a_folder_of_somebody_else_s_hides_nothing() {
    let stage = Stage::new();
    stage.exits(0, &["add", NAME, "--to", "."]);
    let large = stage.store().join("large/Manifest/manifest.json");
    fs::create_dir_all(large.parent().unwrap()).unwrap();
    fs::File::create(large).unwrap().set_len(6 << 20).unwrap();
    let verify = ["verify", ".", "--trust", "TRUST", "--archives"];
    let output = stage.run(&verify);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(
        told(&output).contains("large is an archive cannot be told"),
        "{}",
        told(&output)
    );
    fs::remove_file(stage.archive().join("Manifest/manifest.json")).unwrap();
    assert!(
        stage
            .exits(3, &verify)
            .contains("registry-archive-missing line 2")
    );
}

#[test]
fn a_row_cut_off_at_the_end_shows_by_the_archive_that_it_named() {
    let stage = Stage::new();
    stage.exits(0, &["add", NAME, "--to", "."]);
    let file = stage.store().join("registry.csv");
    let text = fs::read_to_string(&file).unwrap();
    let header = text.split_inclusive('\n').next().unwrap();
    fs::write(&file, header).unwrap();
    stage.exits(0, &["verify", ".", "--trust", "TRUST"]);
    let found = stage.exits(3, &["verify", ".", "--trust", "TRUST", "--archives"]);
    assert!(found.contains("registry-archive-unregistered"), "{found}");
    assert!(found.contains(NAME), "{found}");
}

#[test]
fn a_damaged_archive_a_missing_key_and_a_missing_register_are_refused() {
    let stage = Stage::new();
    stage.exits(1, &["verify", "."]);
    stage.exits(1, &["show", "."]);
    fs::write(stage.archive().join("index.html"), "x").unwrap();
    stage.exits(3, &["add", NAME, "--to", "."]);
    stage.exits(2, &["add", "--to", "."]);
    stage.exits(
        2,
        &[
            "add",
            "--to",
            ".",
            "--correct",
            "2",
            "--set",
            "Version=9",
            "--note",
            "x",
        ],
    );
    stage.exits(2, &["add", "--to", ".", "--correct", "2"]);
    assert!(!stage.store().join("registry.csv").exists());
}

#[test]
fn a_tampered_register_is_not_appended_to() {
    let stage = Stage::new();
    stage.exits(0, &["add", NAME, "--to", "."]);
    let file = stage.store().join("registry.csv");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(",Production,", ",Prototype,")).unwrap();
    let add = ["add", NAME, "--to", ".", "--trust", "TRUST"];
    assert!(
        stage
            .exits(3, &add)
            .contains("registry-signature-invalid line 2")
    );
    let json = stage.run(&["verify", ".", "--trust", "TRUST", "--json"]);
    assert_eq!(json.status.code(), Some(3));
    let verdict: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(verdict["passed"], false);
    assert_eq!(verdict["findings"][0]["code"], "registry-signature-invalid");
}

#[test]
fn the_table_is_shown_in_a_repository_and_compared() {
    let stage = Stage::new();
    stage.exits(0, &["add", NAME, "--to", "."]);
    let bare = stage.store().join("records.git");
    git(
        stage.store(),
        ["init", "--quiet", "--bare", bare.to_str().unwrap()],
    );
    let show = [
        "markdown",
        ".",
        "--repository",
        "records.git",
        "--file",
        "registry.md",
    ];
    assert!(stage.exits(0, &show).contains("updated"));
    assert!(stage.exits(0, &show).contains("as it was"));
    let file = stage.store().join("copy.md");
    let page = git(&bare, ["show", "main:registry.md"]);
    fs::write(&file, format!("{page}\n")).unwrap();
    let verify = ["verify", ".", "--trust", "TRUST", "--markdown", "copy.md"];
    stage.exits(0, &verify);
    fs::write(&file, page.replace("Production", "Prototype")).unwrap();
    assert!(
        stage
            .exits(3, &verify)
            .contains("registry-markdown-differs")
    );
}
