//! Images are read back and loaded, and what is not the recorded image is found.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{IMAGE, codes, copy, restored, seal_anew};
use crate::support::engine::{self, Loaded};
use crate::support::release::{dhfpack, told};

type Damage = fn(&Path);
type Edit = fn(&mut Value);

#[test]
fn an_image_that_cannot_be_put_together_is_found() {
    let damages: [(&str, Damage); 4] = [
        ("no index", |a| {
            fs::remove_file(a.join(IMAGE).join("index.json")).unwrap();
        }),
        ("an index of nothing", |a| {
            fs::write(a.join(IMAGE).join("index.json"), "{\"manifests\":[]}").unwrap();
        }),
        ("no list for engines", |a| {
            fs::write(a.join(IMAGE).join("manifest.json"), "[]").unwrap();
        }),
        ("no layout", |a| {
            fs::write(a.join(IMAGE).join("oci-layout"), "{}").unwrap();
        }),
    ];
    for (name, apply) in damages {
        let (_place, archive) = copy();
        apply(&archive);
        seal_anew(&archive, |_| {});
        let verdict = restored(&archive, 3);
        assert_eq!(codes(&verdict), ["image-not-restorable"], "{name}");
    }
}

#[test]
fn another_image_than_recorded_is_found() {
    let changes: [(&str, Edit); 3] = [
        ("platform", |image| {
            image["platform"] = json!("linux/riscv64");
        }),
        ("labels", |image| {
            image["labels"] = json!({ "some": "other" });
        }),
        ("layers", |image| image["diff_ids"] = json!([])),
    ];
    for (name, change) in changes {
        let (_place, archive) = copy();
        seal_anew(&archive, |manifest| change(&mut manifest["images"][0]));
        let verdict = restored(&archive, 3);
        assert_eq!(codes(&verdict), ["image-differs"], "{name}");
    }
}

/// Restores with the engine that is there.
pub(super) fn in_engine(archive: &Path) -> String {
    let mut command = dhfpack();
    if let Some(engine) = std::env::var_os("DOCKER_HOST") {
        command.env("DOCKER_HOST", engine);
    }
    let output = command.args(["verify", "--restore"]).arg(archive).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    told(&output)
}

#[test]
fn an_image_is_loaded_and_removed_again_unless_it_was_there_before() {
    let _turn = engine::turn();
    if !engine::answers() {
        return;
    }
    let (place, archive) = copy();
    seal_anew(&archive, |_| {});
    let manifest = fs::read_to_string(archive.join("Manifest/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let id = format!("sha256:{}", manifest["images"][0]["id"].as_str().unwrap());
    let loaded = format!("loaded: the engine calls it {id}");

    assert_eq!(engine::image(&id), None);
    assert!(in_engine(&archive).contains(&loaded));
    assert_eq!(engine::image(&id), None, "it was left behind");

    // Without a name, and then with one.
    let tar = place.path().join("image.tar");
    let pack = Command::new("tar")
        .arg("-C")
        .arg(archive.join(IMAGE))
        .arg("-cf")
        .arg(&tar)
        .arg(".")
        .status();
    assert!(pack.unwrap().success());
    let _image = engine::load(&tar, &id);
    assert!(in_engine(&archive).contains(&loaded));
    assert_eq!(engine::image(&id), Some(id.clone()), "it was taken away");
    let name = format!("dhfpack-test-kept:{}", std::process::id());
    let tagged = Command::new("docker").args(["tag", &id, &name]).status();
    assert!(tagged.unwrap().success());
    let _name = Loaded::removed_in_the_end(&name);
    assert!(in_engine(&archive).contains(&loaded));
    assert_eq!(engine::image(&name), Some(id), "it was taken away");
}

#[test]
fn an_engine_that_is_asked_for_has_to_answer() {
    let (_place, archive) = copy();
    let verify = |arguments: &[&str]| {
        let mut command = dhfpack();
        command.arg("verify").arg(&archive).args(arguments);
        command.output().unwrap()
    };
    let output = verify(&["--restore", "--engine", "unix:///nowhere/docker.sock"]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("/nowhere/docker.sock"));
    let output = verify(&["--engine", "unix:///nowhere/docker.sock"]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
}
