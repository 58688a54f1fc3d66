//! The sample product: complete, accepted by git and by engines, and the same each time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dhfpack::config::Config;
use dhfpack::digest::Sha256;
use dhfpack::layout::{Fill, Layout, built_in};
use dhfpack::sbom::{Sbom, Standard};
use dhfpack::toml_file::TomlText;
use globset::{GlobBuilder, GlobMatcher};
use serde_json::Value;

use crate::sample;

fn text(path: &str) -> &'static str {
    sample::files()
        .find_map(|(known, text)| (known == path).then_some(text))
        .unwrap_or_else(|| panic!("the sample has no {path}"))
}

fn config() -> Config {
    Config::parse(&TomlText {
        name: "dhfpack.toml".to_owned(),
        text: text("dhfpack.toml").to_owned(),
    })
    .unwrap_or_else(|error| panic!("{error}"))
}

fn layout() -> Layout {
    TomlText {
        name: config().layout,
        text: built_in(&config().layout).unwrap().to_owned(),
    }
    .parse()
    .unwrap()
}

fn matcher(glob: &str) -> GlobMatcher {
    GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .unwrap()
        .compile_matcher()
}

fn hermetic_git(root: &Path, args: &[&str]) -> Output {
    Command::new("git")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .current_dir(root)
        .args(args)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Says that a test cannot run here, which in CI is a failure.
#[expect(
    clippy::print_stdout,
    reason = "whoever runs the tests must see what was left out"
)]
fn skip(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI has no {what}");
    println!("skipped: no {what}");
}

#[test]
fn the_sample_holds_every_file_of_its_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/infusion-monitor");
    let on_disk: BTreeSet<String> = walkdir::WalkDir::new(&root)
        .into_iter()
        .filter_entry(|entry| entry.file_name() != "__pycache__")
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(&root).unwrap();
            path.to_str().unwrap().replace('\\', "/")
        })
        .collect();
    let embedded: BTreeSet<String> = sample::files().map(|(path, _)| path.to_owned()).collect();
    assert_eq!(on_disk, embedded);
}

#[test]
fn the_sample_fills_every_required_slot_in_a_way_that_the_layout_allows() {
    let (config, layout) = (config(), layout());
    for slot in &config.slots {
        let known = layout.slot(&slot.id);
        let known = known.unwrap_or_else(|| panic!("no slot is named {}", slot.id));
        let fill = match (&slot.reference, &slot.not_applicable) {
            (Some(_), _) => Fill::Reference,
            (_, Some(_)) => Fill::NotApplicable,
            _ => Fill::Files,
        };
        assert!(known.fill.contains(&fill), "{} by {fill:?}", slot.id);
    }
    for slot in layout.slots.iter().filter(|slot| slot.required) {
        let made = slot.fill.contains(&Fill::Git)
            || slot.fill.contains(&Fill::Images) && !config.images.is_empty();
        assert!(made || config.slot(&slot.id).is_some(), "{}", slot.id);
    }
}

#[test]
fn the_sample_shows_each_way_to_fill_a_slot() {
    let config = config();
    assert!(config.slots.iter().any(|slot| !slot.files.is_empty()));
    assert!(config.slots.iter().any(|slot| slot.reference.is_some()));
    assert!(
        config
            .slots
            .iter()
            .any(|slot| slot.not_applicable.is_some())
    );
}

#[test]
fn every_document_of_the_sample_fills_exactly_one_slot() {
    let config = config();
    let mut uses: BTreeMap<&str, u32> = BTreeMap::new();
    for glob in config.slots.iter().flat_map(|slot| &slot.files) {
        let matcher = matcher(glob);
        let mut found = false;
        for (path, _) in sample::files().filter(|(path, _)| matcher.is_match(path)) {
            found = true;
            *uses.entry(path).or_default() += 1;
        }
        assert!(found, "nothing matches {glob}");
    }
    let manual = config.service_manual.as_ref().unwrap();
    *uses.entry(&manual.record).or_default() += 1;
    for (path, _) in sample::files() {
        if path.starts_with("docs/") || path.starts_with("records/") {
            assert_eq!(uses.get(path), Some(&1), "{path}");
        }
    }
}

#[test]
fn every_document_of_the_sample_is_approved_and_none_is_a_draft() {
    for (path, text) in sample::files() {
        let folded = text.to_lowercase();
        for mark in ["todo", "fixme", "tbd", "lorem ipsum", "draft"] {
            assert!(!folded.contains(mark), "{path} says {mark}");
        }
        if Path::new(path).extension().is_some_and(|end| end == "md") && path != "README.md" {
            for field in ["Document", "Revision", "Approved by", "Approval date"] {
                assert!(text.contains(&format!("\n| {field} | ")), "{path}: {field}");
            }
            assert!(text.contains("| Infusion Monitor 2.4.0 |"), "{path}");
        }
    }
}

#[test]
fn every_requirement_of_the_sample_is_planned_tested_and_reported() {
    let requirements: Vec<&str> = text("docs/design/design-inputs.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| SRS-")?.split_once(' '))
        .map(|(number, _)| number)
        .collect();
    assert_eq!(requirements.len(), 8);
    for number in requirements {
        let test = format!("test_srs_{number}_");
        for path in [
            "docs/design/verification-plan.md",
            "records/test-records/junit.xml",
            "tests/test_monitor.py",
        ] {
            assert!(text(path).contains(&test), "{path}: {test}");
        }
        let verdict = format!("| SRS-{number} | ");
        assert!(text("records/test-records/summary.md").contains(&verdict));
    }
}

#[test]
fn the_tests_of_the_sample_pass() {
    if Command::new("python3").arg("--version").output().is_err() {
        skip("python3");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/infusion-monitor");
    let output = Command::new("python3")
        .args(["-B", "-m", "unittest", "tests/test_monitor.py"])
        .current_dir(root)
        .output()
        .unwrap();
    stdout(&output);
}

#[test]
fn the_sample_bill_of_materials_has_the_minimum_elements_and_names_the_layers_of_the_image() {
    let bom = text("records/sbom.cdx.json");
    let bom = Sbom::read(&mut Cursor::new(bom)).unwrap();
    assert_eq!(
        (bom.standard, bom.version.as_str()),
        (Standard::CycloneDx, "1.6")
    );
    assert_eq!((bom.components, bom.missing), (4, Vec::new()));
    let claims = bom.subject.unwrap().claims;
    let stated: Vec<String> = claims
        .iter()
        .map(|one| format!("sha256:{}", one.digest))
        .collect();
    assert_eq!(
        stated,
        layers(),
        "records/sbom.cdx.json has to name the image's layers"
    );
}

/// The `diff_ids` of the sample image, which hold no commit.
fn layers() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("image");
    sample::make_image(&layout, "0").unwrap();
    let index = json(layout.join("index.json"));
    let manifest = blob(&layout, &index["manifests"][0]);
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let config: Value = serde_json::from_slice(&blob(&layout, &manifest["config"])).unwrap();
    serde_json::from_value(config["rootfs"]["diff_ids"].clone()).unwrap()
}

#[test]
fn the_sample_repository_is_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let tag_object = |name: &str| {
        let repository = sample::make_repository(&folder.path().join(name)).unwrap();
        assert_eq!(repository.tag, config().tag());
        let commit = stdout(&hermetic_git(&repository.root, &["rev-parse", "v2.4.0^{}"]));
        assert_eq!(commit, repository.commit);
        stdout(&hermetic_git(&repository.root, &["rev-parse", "v2.4.0"]))
    };
    assert_eq!(tag_object("first"), tag_object("second with space"));
}

#[test]
fn the_sample_repository_is_clean_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let root = sample::make_repository(folder.path()).unwrap().root;
    let status = ["status", "--porcelain", "--ignored"];
    assert_eq!(stdout(&hermetic_git(&root, &status)), "");
    let check = ["fsck", "--strict", "--no-dangling", "--no-progress"];
    stdout(&hermetic_git(&root, &check));
}

/// Git asks ssh-keygen about signatures.
fn has_ssh_keygen() -> bool {
    let found = Command::new("ssh-keygen").arg("-?").output().is_ok();
    if !found {
        skip("ssh-keygen");
    }
    found
}

#[test]
fn git_accepts_the_signature_on_the_sample_tag() {
    if !has_ssh_keygen() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = sample::make_repository(folder.path()).unwrap().root;
    let signers = config().source.allowed_signers.unwrap();
    let setting = format!("gpg.ssh.allowedSignersFile={signers}");
    let verify = [
        "-c",
        "gpg.format=ssh",
        "-c",
        &setting,
        "tag",
        "-v",
        "v2.4.0",
    ];
    let output = hermetic_git(&root, &verify);
    stdout(&output);
    let verdict = String::from_utf8_lossy(&output.stderr);
    assert!(verdict.contains("Good \"git\" signature for"), "{verdict}");
}

#[test]
fn git_refuses_the_sample_tag_without_its_signer() {
    if !has_ssh_keygen() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = sample::make_repository(folder.path()).unwrap().root;
    let verify = ["-c", "gpg.format=ssh", "tag", "-v", "v2.4.0"];
    assert!(!hermetic_git(&root, &verify).status.success());
}

#[test]
fn the_test_record_names_the_tree_that_the_tag_releases() {
    let folder = tempfile::tempdir().unwrap();
    let root = sample::make_repository(folder.path()).unwrap().root;
    let tree = stdout(&hermetic_git(&root, &["rev-parse", "v2.4.0:src"]));
    for record in ["junit.xml", "summary.md"] {
        let path = format!("records/test-records/{record}");
        assert!(text(&path).contains(&tree), "{path} does not name {tree}");
    }
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The bytes that a descriptor of an OCI layout points to, after a look at digest and size.
fn blob(layout: &Path, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().unwrap();
    let name = digest.strip_prefix("sha256:").unwrap();
    let bytes = fs::read(layout.join("blobs/sha256").join(name)).unwrap();
    assert_eq!(Sha256::of(&bytes).to_string(), name);
    assert_eq!(descriptor["size"].as_u64(), u64::try_from(bytes.len()).ok());
    bytes
}

#[test]
fn the_sample_image_is_a_sound_layout_and_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let commit = "0123456789012345678901234567890123456789";
    let layout = folder.path().join("image");
    let id = sample::make_image(&layout, commit).unwrap();
    let again = sample::make_image(&folder.path().join("again"), commit).unwrap();
    assert_eq!(id, again);

    let index = json(layout.join("index.json"));
    let manifest = blob(&layout, &index["manifests"][0]);
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["config"]["digest"], id.as_str());
    let config: Value = serde_json::from_slice(&blob(&layout, &manifest["config"])).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    assert_eq!((layers.len(), diff_ids.len()), (2, 2));
    for (layer, diff_id) in layers.iter().zip(diff_ids) {
        blob(&layout, layer);
        assert_eq!(&layer["digest"], diff_id);
    }
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["org.opencontainers.image.version"], sample::VERSION);
    assert_eq!(labels["org.opencontainers.image.revision"], commit);
}

/// Removes an image from the engine again, whatever became of the test.
struct LoadedImage(String);

impl Drop for LoadedImage {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; a stale test image does no harm.
        let _ = Command::new("docker")
            .args(["image", "rm", "--force", &self.0])
            .output();
    }
}

#[test]
fn an_engine_loads_the_sample_image_under_its_id() {
    let engine = Command::new("docker").arg("info").output();
    if !engine.is_ok_and(|output| output.status.success()) {
        skip("Docker Engine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tar = folder.path().join("image.tar");
    let name = format!(
        "dhfpack-test-sample-{}:{}",
        std::process::id(),
        sample::VERSION
    );
    let loaded = LoadedImage(name);
    let commit = "0123456789012345678901234567890123456789";
    let id = sample::make_image_tar_for_engine(&tar, commit, &loaded.0).unwrap();
    let docker = |args: &[&str]| stdout(&Command::new("docker").args(args).output().unwrap());
    docker(&["load", "--input", tar.to_str().unwrap()]);
    let found = docker(&["image", "inspect", "--format", "{{.Id}}", &loaded.0]);
    assert_eq!(found, id);
}

#[test]
fn the_engine_knows_the_image_by_the_name_that_the_sample_asks_for() {
    let config = config();
    let source = config.with_version(&config.images[0].source);
    assert_eq!(source, format!("docker:{}", sample::IMAGE));
}
