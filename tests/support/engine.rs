//! The Docker Engine, for tests that use the sample's image under its own name or id.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tests that use the sample's image take turns: an engine has it once.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// True if an engine answers; if not, says so. With `CI=true` there has to be one.
#[allow(clippy::print_stdout, reason = "a test that cannot run says so")]
pub(crate) fn answers() -> bool {
    let answers = docker(&["info"]).is_some();
    if !answers {
        let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!in_ci, "no Docker Engine, and CI=true");
        println!("skipped: no Docker Engine");
    }
    answers
}

/// The id of the image that has this name or id.
pub(crate) fn image(name: &str) -> Option<String> {
    docker(&["image", "inspect", "--format", "{{.Id}}", name])
}

/// Loads an image from a tar in which it has this name.
pub(crate) fn load(tar: &Path, name: &str) -> Loaded {
    let loaded = docker(&["load", "--input", tar.to_str().unwrap()]);
    assert!(loaded.is_some(), "{} was not loaded", tar.display());
    Loaded::removed_in_the_end(name)
}

/// An image that a test puts into the engine, removed again whatever becomes of the test.
pub(crate) struct Loaded(String);

impl Loaded {
    /// For an image that is not there yet, by name or id.
    pub(crate) fn removed_in_the_end(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; a stale test image does no harm.
        let _ = docker(&["image", "rm", &self.0]);
    }
}

/// What a docker command prints, if it succeeds.
fn docker(arguments: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.trim_end().to_owned())
}
