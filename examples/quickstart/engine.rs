//! The sample's image in the Docker Engine, where one answers. What was there before stays.

use std::error::Error;
use std::process::Command;

use crate::place::Place;
use crate::sample;

/// The sample's image in the engine, under the name that the sample's `dhfpack.toml` expects.
/// If the quickstart put it there, dropping this removes it again.
pub(crate) struct EngineImage {
    loaded: bool,
}

impl Drop for EngineImage {
    fn drop(&mut self) {
        if self.loaded {
            // Nothing can be done about a failure here; a stale sample image does no harm.
            let _ = docker(&["image", "rm", sample::IMAGE]);
        }
    }
}

/// Puts the image `id` into the engine. None if no engine answers, or if its use would change
/// something that was there before.
pub(crate) fn load(
    place: &Place,
    commit: &str,
    id: &str,
) -> Result<Option<EngineImage>, Box<dyn Error>> {
    if docker(&["version", "--format", "{{.Server.Version}}"]).is_none() {
        return Ok(None);
    }
    if let Some(there) = docker(&["image", "inspect", "--format", "{{.Id}}", sample::IMAGE]) {
        return Ok((there == id).then_some(EngineImage { loaded: false }));
    }
    // An image without a name is removed together with the name that it is given.
    let names = docker(&["image", "inspect", "--format", "{{len .RepoTags}}", id]);
    if names.is_some_and(|count| count == "0") {
        return Ok(None);
    }
    let tar = place.image_tar();
    sample::make_image_tar_for_engine(&tar, commit, sample::IMAGE)?;
    let loaded = Command::new("docker")
        .args(["--context", "default", "load", "--input"])
        .arg(tar)
        .output()?;
    Ok(loaded
        .status
        .success()
        .then_some(EngineImage { loaded: true }))
}

/// What a docker command prints; none if there is no docker, or if it fails.
///
/// The default context is the engine that dhfpack asks: `DOCKER_HOST`, or the usual socket.
fn docker(arguments: &[&str]) -> Option<String> {
    let output = Command::new("docker")
        .args(["--context", "default"])
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}
