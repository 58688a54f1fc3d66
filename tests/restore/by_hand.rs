//! The commands of `docs/restore.md`, typed as they stand, on a release with everything in it.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::whole::Whole;
use super::{CODE, IMAGE};
use crate::readme::{blocks, project_file};
use crate::support::engine::{self, Loaded};
use crate::support::git::{git, is_missing};
use crate::support::release::{NAME, told};

/// Debian's registry on a port of its own, stopped with the test.
struct Registry {
    process: Child,
    host: String,
}

impl Registry {
    fn start(folder: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = free.local_addr().unwrap().to_string();
        drop(free);
        let config = folder.join("registry.yml");
        let root = folder.join("registry");
        let text = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: '{}' }} }}\nhttp: {{ addr: '{host}' }}\n",
            root.display()
        );
        fs::write(&config, text).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let until = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(&host).is_err() {
            assert!(Instant::now() < until, "the registry does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self {
            process: process.unwrap(),
            host,
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn every_command_for_restoring_by_hand_works() {
    if ["git-lfs", "docker-registry", "skopeo"]
        .iter()
        .any(|program| is_missing(program))
    {
        return;
    }
    let _turn = engine::turn();
    let with_engine = engine::answers();
    let whole = Whole::new(3);
    let (place, archive) = whole.archive_by_hand();
    let image = image_of(&archive);
    let _loaded = (with_engine && engine::image(&image).is_none())
        .then(|| Loaded::removed_in_the_end(&image));
    let registry = Registry::start(place.path());
    let mut script = String::new();
    for block in blocks(&project_file("docs/restore.md")) {
        assert_eq!(block.language, "sh");
        script.push_str(&block.text());
    }
    for (from, to) in [
        ("registry.example.org", registry.host.as_str()),
        ("skopeo copy", "skopeo copy --quiet --dest-tls-verify=false"),
    ] {
        assert_eq!(script.matches(from).count(), 1, "{from}");
        script = script.replace(from, to);
    }
    if !with_engine {
        script = script.replace("docker load -i image.tar\n", "");
    }
    let output = Command::new("sh")
        .args(["-e", "-c", &script])
        .current_dir(place.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", place.path())
        .envs(std::env::var_os("DOCKER_HOST").map(|engine| ("DOCKER_HOST", engine)))
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}\n{}", told(&output));
    let source = place.path().join("source");
    let tree = whole.repository.git(["rev-parse", "v2.4.0^{tree}"]);
    assert_eq!(git(&source, ["rev-parse", "HEAD^{tree}"]), tree);
    let logo = fs::read(source.join("assets/logo.dat")).unwrap();
    assert_eq!(logo, super::whole::logo());
    let curves = fs::read(source.join("libs/pump/pump.dat")).unwrap();
    assert_eq!(curves, b"curves of the pump");
    assert!(source.join("libs/pump/vendor/units/units.txt").is_file());
    if with_engine {
        assert_eq!(engine::image(&image), Some(image));
    }
    assert!(archive.ends_with(NAME) && archive.join(CODE).is_dir() && archive.join(IMAGE).is_dir());
}

fn image_of(archive: &Path) -> String {
    let manifest = fs::read_to_string(archive.join("Manifest/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    format!("sha256:{}", manifest["images"][0]["id"].as_str().unwrap())
}
