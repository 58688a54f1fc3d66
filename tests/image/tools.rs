//! What Podman, Buildah, Skopeo and umoci write is read, and what is archived they read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use dhfpack::digest::Sha256;
use dhfpack::monitor::Silent;
use dhfpack::source::image::{Fetched, ImageSource, fetch};
use tempfile::TempDir;

use super::content;
use crate::support::image::{TestImage, layer, tar_of};
use crate::support::release::told;

/// False, and says so, where a program is missing; in CI that is a failure.
#[expect(
    clippy::print_stdout,
    reason = "whoever runs the tests must see what was left out"
)]
fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(there || !in_ci, "no {program}, and CI=true");
    if !there {
        println!("skipped: no {program}");
    }
    there
}

/// A folder for a tool's images and files, and nothing of the user's.
struct Workshop(TempDir);

impl Workshop {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A tool that keeps its images here.
    fn with_store(&self, program: &str) -> Command {
        let mut command = self.command(program);
        command.arg("--root").arg(self.path("store"));
        command.arg("--runroot").arg(self.path("run"));
        command.args(["--storage-driver", "vfs"]);
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.0.path())
            .env("HOME", self.0.path());
        command
    }

    fn run<const N: usize>(mut command: Command, arguments: [&str; N]) -> String {
        let output: Output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn skopeo(&self, from: &str, to: &str) {
        let mut copy = self.command("skopeo");
        copy.args(["--insecure-policy", "--tmpdir"])
            .arg(self.0.path());
        Self::run(copy, ["copy", "--quiet", from, to]);
    }

    /// What an image in this folder becomes.
    fn fetch(&self, source: &str) -> (Fetched, TempDir) {
        let source: ImageSource = source.parse().unwrap();
        let folder = TempDir::new().unwrap();
        let into = folder.path().join("image");
        let fetched = fetch(&source.below(self.0.path()), &[], None, &into, &Silent).unwrap();
        (fetched, folder)
    }

    /// Writes the archived image as a tar, as `dhfpack image save` does.
    fn save(&self, image: &TempDir, name: &str) {
        let mut tar = self.command("tar");
        tar.arg("-C").arg(image.path().join("image"));
        Self::run(tar, ["-cf", name, "."]);
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // Layers may hold folders that only these tools may remove.
        if self.path("store").exists() {
            let mut reset = self.with_store("podman");
            let _ = reset.args(["image", "rm", "--all", "--force"]).output();
        }
    }
}

fn unique(text: &str) -> TestImage {
    TestImage::new(vec![layer("a", text.as_bytes()), layer("b", b"second")])
}

fn files(image: &TempDir) -> std::collections::BTreeMap<String, Vec<u8>> {
    content(&image.path().join("image"))
}

fn diff_ids(image: &TestImage) -> Vec<Sha256> {
    image.layers.iter().map(|layer| Sha256::of(layer)).collect()
}

#[test]
fn what_podman_saves_is_the_image_that_it_loaded() {
    if !has("podman") {
        return;
    }
    let workshop = Workshop::new();
    let image = unique("podman saves");
    fs::write(workshop.path("in.tar"), tar_of(&image.legacy())).unwrap();
    let podman = || workshop.with_store("podman");
    Workshop::run(podman(), ["load", "--quiet", "--input", "in.tar"]);
    let save = |form, to| {
        let id = image.id().to_string();
        Workshop::run(
            podman(),
            ["save", "--quiet", "--format", form, "--output", to, &id],
        );
    };
    save("docker-archive", "docker.tar");
    save("oci-archive", "oci.tar");
    let (expected, folder) = workshop.fetch("docker-archive:in.tar");
    assert_eq!(expected.images[0].id, image.id());
    let (fetched, saved) = workshop.fetch("docker-archive:docker.tar");
    assert_eq!(fetched, expected);
    assert_eq!(files(&saved), files(&folder));
    // In OCI's form Podman writes another config, for the same layers.
    assert_eq!(
        workshop.fetch("oci:oci.tar").0.images[0].diff_ids,
        diff_ids(&image)
    );

    // Archived, loaded, saved, archived.
    let id = image.id().to_string();
    Workshop::run(podman(), ["image", "rm", "--force", &id]);
    workshop.save(&saved, "archived.tar");
    Workshop::run(podman(), ["load", "--quiet", "--input", "archived.tar"]);
    save("docker-archive", "again.tar");
    assert_eq!(
        files(&workshop.fetch("docker-archive:again.tar").1),
        files(&folder)
    );
}

/// A service of Podman on a socket; ends with the test.
struct Service(Child);

impl Service {
    fn start(workshop: &Workshop) -> Self {
        let socket = workshop.path("podman.sock");
        let mut service = workshop.with_store("podman");
        service.args(["system", "service", "--time=0"]);
        service.arg(format!("unix://{}", socket.display()));
        service.stdout(Stdio::null()).stderr(Stdio::null());
        let service = Self(service.spawn().unwrap());
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(begun.elapsed() < Duration::from_mins(1), "no service");
            thread::sleep(Duration::from_millis(50));
        }
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn podmans_socket_is_an_engine() {
    if !has("podman") {
        return;
    }
    let workshop = Workshop::new();
    let image = unique("podman serves");
    fs::write(workshop.path("in.tar"), tar_of(&image.legacy())).unwrap();
    let podman = || workshop.with_store("podman");
    Workshop::run(podman(), ["load", "--quiet", "--input", "in.tar"]);
    let id = image.id().to_string();
    Workshop::run(podman(), ["tag", &id, "localhost/pump:2.4.0"]);
    let _service = Service::start(&workshop);
    let address = format!("unix://{}", workshop.path("podman.sock").display());
    let (_, expected) = workshop.fetch("docker-archive:in.tar");
    for name in ["localhost/pump:2.4.0", &id] {
        let source = ImageSource::Docker(name.to_owned());
        let folder = TempDir::new().unwrap();
        let into = folder.path().join("image");
        let fetched = fetch(&source, &[], Some(&address), &into, &Silent).unwrap();
        assert_eq!(fetched.images[0].id, image.id());
        assert_eq!(files(&folder), files(&expected));
    }
}

#[test]
fn what_buildah_builds_is_read_in_each_form_that_it_pushes() {
    if !has("buildah") {
        return;
    }
    let workshop = Workshop::new();
    fs::write(workshop.path("file"), "content").unwrap();
    let buildah = || workshop.with_store("buildah");
    let container = Workshop::run(buildah(), ["from", "scratch"]);
    Workshop::run(buildah(), ["copy", &container, "file", "/"]);
    let format = ["commit", "--quiet", "--format", "docker"];
    let id = Workshop::run(
        buildah(),
        [format[0], format[1], format[2], format[3], &container],
    );
    let push = |to: &str| Workshop::run(buildah(), ["push", "--quiet", &id, to]);
    push("docker-archive:docker.tar:pump:1");
    push("oci-archive:oci.tar");
    let docker = workshop.fetch("docker-archive:docker.tar:pump:1").0;
    assert_eq!(docker.images[0].id.to_string(), id);
    let oci = workshop.fetch("oci:oci.tar").0;
    assert_eq!(oci.images[0].diff_ids, docker.images[0].diff_ids);
}

#[test]
fn what_skopeo_copies_keeps_its_layers_and_in_dockers_form_its_id() {
    if !has("skopeo") {
        return;
    }
    let workshop = Workshop::new();
    let image = unique("skopeo copies");
    fs::write(workshop.path("in.tar"), tar_of(&image.legacy())).unwrap();
    let (_, expected) = workshop.fetch("docker-archive:in.tar");
    workshop.skopeo("docker-archive:in.tar", "docker-archive:docker.tar:pump:1");
    workshop.skopeo("docker-archive:in.tar", "oci-archive:oci.tar:1");
    let (docker, folder) = workshop.fetch("docker-archive:docker.tar");
    assert_eq!(docker.images[0].id, image.id());
    assert_eq!(files(&folder), files(&expected));
    let (oci, folder) = workshop.fetch("oci:oci.tar");
    assert_eq!(oci.images[0].diff_ids, diff_ids(&image));

    // What is archived it reads, as a layout and as a tar, and that is archived as the same.
    workshop.save(&folder, "archived.tar");
    let archived = folder.path().join("image").display().to_string();
    workshop.skopeo(&format!("oci:{archived}"), "oci:layout:1");
    workshop.skopeo(
        "docker-archive:archived.tar",
        "docker-archive:again.tar:pump:1",
    );
    for again in ["oci:layout", "docker-archive:again.tar"] {
        assert_eq!(files(&workshop.fetch(again).1), files(&folder), "{again}");
    }

    let mut copy = workshop.command("skopeo");
    copy.args(["--insecure-policy", "--tmpdir"])
        .arg(workshop.path("."));
    copy.args(["copy", "--quiet", "--dest-compress-format", "zstd"]);
    Workshop::run(copy, ["docker-archive:in.tar", "oci:packed:1"]);
    let (packed, _) = workshop.fetch("oci:packed");
    assert_eq!(packed.images[0].diff_ids, diff_ids(&image));
}

#[test]
fn what_umoci_makes_is_read_with_layers_and_without() {
    if !has("umoci") {
        return;
    }
    let workshop = Workshop::new();
    fs::write(workshop.path("file"), "content").unwrap();
    let umoci = || workshop.command("umoci");
    Workshop::run(umoci(), ["init", "--layout", "layout"]);
    Workshop::run(umoci(), ["new", "--image", "layout:1"]);
    let (empty, _) = workshop.fetch("oci:layout");
    assert!(empty.images[0].diff_ids.is_empty());
    Workshop::run(
        umoci(),
        [
            "insert",
            "--image",
            "layout:1",
            "--rootless",
            "file",
            "/file",
        ],
    );
    let (fetched, _) = workshop.fetch("oci:layout");
    assert_eq!(fetched.images[0].diff_ids.len(), 1);
    assert!(Path::new(&workshop.path("layout/oci-layout")).exists());
}
