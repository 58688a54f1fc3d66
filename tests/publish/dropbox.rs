//! Everything that publishing does, on Dropbox.

use std::collections::BTreeSet;
use std::process::Command;

use dhfpack::publish::Step;
use serde_json::{Value, json};

use super::killed::{STEPS, step_of, step_of_death};
use super::shop::{Files, NAME, Shop, difference, fails, step, succeed};
use crate::support::dropbox::{Dropbox, LOGIN};
use crate::support::release::dhfpack;

/// A signed release, and the account that it is published to.
struct Scene {
    shop: Shop,
    dropbox: Dropbox,
}

impl Scene {
    fn new() -> Option<Self> {
        let dropbox = Dropbox::start()?;
        let shop = Shop::with_everything();
        Some(Self { shop, dropbox })
    }

    fn publish(&self) -> Command {
        let mut command = self.shop.trusting("publish", &self.shop.archive());
        command.args(["--json", "--to", &self.dropbox.address("Releases")]);
        command.args(["--dhf", &self.dropbox.address("DHF/{version}")]);
        command.env("DHFPACK_KEY", self.shop.path("key.pem"));
        command.env("DHFPACK_CERTIFICATE", self.shop.path("cert.pem"));
        command.envs(LOGIN);
        command
    }

    fn published(&self) -> Value {
        let output = succeed(&mut self.publish());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Everything in the account; a file of the design history file by `dhf:` and its path. The
    /// service names each version of a file anew: receipts are without these names.
    fn content(&self) -> Files {
        let files = self.dropbox.files().into_iter();
        files
            .map(|(path, bytes)| match path.strip_prefix("/Releases/") {
                Some(path) if path.contains(".receipt-") => (path.to_owned(), unversioned(&bytes)),
                Some(path) => (path.to_owned(), bytes),
                None => (path.replacen("/DHF/", "dhf:", 1), bytes),
            })
            .collect()
    }

    /// Lets nothing arrive after `arrives` files; of the last of them the answer is lost, too, if
    /// it is `unheard`.
    fn break_off(&self, arrives: usize, unheard: bool) {
        let full = json!({
            "route": "files/upload", "kind": "refuse", "times": 1000,
            "error": {".tag": "path", "reason": {".tag": "insufficient_space"}},
            "skip": if unheard { arrives - 1 } else { arrives },
        });
        let lost =
            json!({"route": "files/upload", "kind": "cut-after", "skip": arrives.max(1) - 1});
        let faults = if unheard {
            vec![lost, full]
        } else {
            vec![full]
        };
        self.dropbox.fail(&json!(faults));
    }
}

fn unversioned(receipt: &[u8]) -> Vec<u8> {
    let mut receipt: Value = serde_json::from_slice(receipt).unwrap();
    for object in receipt["objects"].as_array_mut().unwrap() {
        let version = object.as_object_mut().unwrap().remove("version");
        assert!(version.is_some_and(|version| version.is_string()));
    }
    receipt.to_string().into_bytes()
}

#[test]
fn a_run_that_breaks_off_in_any_step_is_resumed_to_the_same_end() {
    let Some(scene) = Scene::new() else {
        return;
    };
    let run = scene.published();
    for name in ["files", "dhf", "manual", "registry", "receipt"] {
        assert_eq!(step(&run, name), "done", "{name}");
    }
    let clean = scene.content();
    let again = scene.published();
    for name in ["files", "dhf", "manual", "registry", "receipt"] {
        assert_eq!(step(&again, name), "unchanged", "{name}");
    }
    assert_eq!(difference(&scene.content(), &clean), [""; 0]);

    let mut died = BTreeSet::new();
    // Some of the many files, and all that come behind them.
    let files = clean.keys().filter(|path| step_of(path) == Step::Files);
    let files = files.count();
    for arrives in (0..files).step_by(5).chain(files..clean.len()) {
        // Every other time the answer to the last file is lost.
        let unheard = arrives % 2 == 1;
        scene.dropbox.empty();
        scene.break_off(arrives, unheard);
        fails(&mut scene.publish(), 1, &["no space left"]);
        let found = scene.content();
        assert_eq!(found.len(), arrives, "unheard: {unheard}");
        for (path, bytes) in &found {
            assert_eq!(clean.get(path), Some(bytes), "{path} after file {arrives}");
        }
        died.extend(step_of_death(&found, &clean));
        scene.dropbox.fail(&json!([]));
        scene.published();
        let differing = difference(&scene.content(), &clean);
        assert_eq!(differing, [""; 0], "broken off after file {arrives}");
    }
    assert_eq!(died.into_iter().collect::<Vec<Step>>(), STEPS);
    // No file was left out.
    scene.dropbox.empty();
    scene.break_off(clean.len(), false);
    scene.published();
    scene.dropbox.fail(&json!([]));

    let url = scene.dropbox.address(&format!("Releases/{NAME}"));
    for name in ["verify", "status"] {
        let mut command = scene.shop.trusting(name, url.as_ref());
        if name == "status" {
            command.args(["--dhf", &scene.dropbox.address("DHF/{version}")]);
        }
        succeed(command.envs(LOGIN));
    }
    let mut verify = dhfpack();
    verify.args(["registry", "verify", &scene.dropbox.address("Releases")]);
    verify.arg("--archives").arg("--trust");
    succeed(verify.arg(scene.shop.path("cert.pem")).envs(LOGIN));
}
