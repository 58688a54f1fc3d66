//! A real Docker Engine: what is archived loads again, and is the same image.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tempfile::TempDir;

use super::{content, fails};
use crate::sample;
use crate::support::image::{TestImage, layer, plain, tar_of};
use crate::support::release::{NAME, Product, dhfpack, told};
use dhfpack::monitor::Silent;
use dhfpack::source::image::{Fetched, ImageError, ImageSource, fetch};

/// False, and says so, where no engine answers; in CI that is a failure.
#[expect(
    clippy::print_stdout,
    reason = "whoever runs the tests must see what was left out"
)]
pub(super) fn has_engine() -> bool {
    let mut version = Command::new("docker");
    version.args(["version", "--format", "{{.Server.Version}}"]);
    let answers = version.output().is_ok_and(|output| output.status.success());
    assert!(
        answers || std::env::var_os("CI").is_none(),
        "no Docker Engine"
    );
    if !answers {
        println!("skipped: no Docker Engine");
    }
    answers
}

/// Runs the Docker client and expects it to succeed; returns its standard output.
fn docker<const N: usize>(arguments: [&str; N]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        told(&output)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// An image in the engine, under a name of its own; removed at the end.
pub(super) struct EngineImage {
    pub(super) reference: String,
    id: String,
}

impl EngineImage {
    pub(super) fn name() -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        format!("dhfpack-test-{}-{number}:1", std::process::id())
    }

    /// Loads an image from its tar.
    fn load(image: &TestImage) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("image.tar");
        fs::write(&file, tar_of(&image.hybrid(plain))).unwrap();
        docker(["load", "--input", file.to_str().unwrap()]);
        Self::tag(&format!("sha256:{}", image.id()))
    }

    fn tag(id: &str) -> Self {
        let reference = Self::name();
        docker(["tag", id, &reference]);
        Self {
            reference,
            id: id.to_owned(),
        }
    }

    /// Builds an image from a Dockerfile and two files, `one` and `two`.
    fn build(dockerfile: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
        fs::write(folder.path().join("one"), vec![b'1'; 500_000]).unwrap();
        fs::write(folder.path().join("two"), "two").unwrap();
        let reference = Self::name();
        let mut build = Command::new("docker");
        build
            .env("DOCKER_BUILDKIT", "0")
            .args(["build", "--quiet", "--tag", &reference]);
        let output = build.arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        Self::named(reference)
    }

    /// Imports a tar of files as an image of one layer.
    pub(super) fn import(layer: &[u8]) -> Self {
        let reference = Self::name();
        let mut import = Command::new("docker");
        import
            .args(["import", "-", &reference])
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut import = import.spawn().unwrap();
        import.stdin.take().unwrap().write_all(layer).unwrap();
        assert!(import.wait().unwrap().success());
        Self::named(reference)
    }

    fn named(reference: String) -> Self {
        let id = docker(["image", "inspect", "--format", "{{.Id}}", &reference]);
        Self { reference, id }
    }

    fn fetch(&self, into: &Path) -> Fetched {
        let image = fetch_named(&self.reference, into).unwrap();
        assert_eq!(format!("sha256:{}", image.images[0].id), self.id);
        image
    }
}

impl Drop for EngineImage {
    fn drop(&mut self) {
        let mut remove = Command::new("docker");
        let _ = remove
            .args(["image", "rm", "--force", &self.reference])
            .output();
    }
}

fn fetch_named(reference: &str, into: &Path) -> Result<Fetched, ImageError> {
    let source = ImageSource::Docker(reference.to_owned());
    let engine = std::env::var("DOCKER_HOST").ok();
    fetch(
        &source,
        &[],
        engine.as_deref(),
        &into.join("image"),
        &Silent,
    )
}

/// Archives the image, loads the archived form into the engine again, archives that.
fn goes_round(image: EngineImage) {
    let folder = TempDir::new().unwrap();
    let first = image.fetch(&folder.path().join("."));
    let tar = folder.path().join("image.tar");
    let mut pack = Command::new("tar");
    pack.arg("-C")
        .arg(folder.path().join("image"))
        .arg("-cf")
        .arg(&tar)
        .arg(".");
    assert!(pack.status().unwrap().success());

    let id = image.id.clone();
    drop(image);
    let absent = Command::new("docker")
        .args(["image", "inspect", &id])
        .output();
    assert!(
        !absent.unwrap().status.success(),
        "{id} is still in the engine"
    );
    docker(["load", "--input", tar.to_str().unwrap()]);
    let loaded = EngineImage::tag(&id);
    let again = TempDir::new().unwrap();
    let mut second = loaded.fetch(again.path());
    second.repo_digests.clone_from(&first.repo_digests);
    assert_eq!(first, second);
    assert_eq!(
        content(&folder.path().join("image")),
        content(&again.path().join("image"))
    );
}

#[test]
fn what_was_archived_loads_again_and_is_archived_the_same() {
    if !has_engine() {
        return;
    }
    let unique = |text: &str| format!("{text} {}", EngineImage::name()).into_bytes();
    let (one, two) = (layer("a", &unique("one")), layer("b", &unique("two")));
    let labels = EngineImage::name();
    for image in [
        EngineImage::import(&one),
        EngineImage::load(&TestImage::new(vec![two.clone(), one.clone(), two])),
        EngineImage::build(&format!(
            "FROM scratch\nCOPY one /\nCOPY two /\nCOPY one /\nLABEL a={labels}\n"
        )),
    ] {
        goes_round(image);
    }
}

/// Engines up to 24 refuse to export an image without layers; later ones do export it.
#[test]
fn an_image_without_layers_is_archived_or_the_engine_says_why_not() {
    if !has_engine() {
        return;
    }
    let label = EngineImage::name();
    let image = EngineImage::build(&format!("FROM scratch\nLABEL a={label}\n"));
    let folder = TempDir::new().unwrap();
    match fetch_named(&image.reference, folder.path()) {
        Ok(fetched) => assert!(fetched.images[0].diff_ids.is_empty()),
        Err(error) => assert!(error.to_string().contains("empty export"), "{error}"),
    }
}

#[test]
fn the_name_asked_for_changes_no_byte() {
    if !has_engine() {
        return;
    }
    let image = TestImage::with_platform(
        vec![layer("a", EngineImage::name().as_bytes())],
        &json!({ "architecture": "amd64", "os": "linux" }),
    );
    let image = EngineImage::load(&image);
    let other = EngineImage::tag(&image.id);
    let folders = [(); 3].map(|()| TempDir::new().unwrap());
    let names = [&image.reference, &other.reference, &image.id];
    for (folder, name) in folders.iter().zip(names) {
        fetch_named(name, folder.path()).unwrap();
    }
    let [first, second, third] = folders.each_ref().map(|folder| content(folder.path()));
    assert!(first == second && second == third);
}

#[test]
fn an_image_that_the_engine_has_not_is_named() {
    if !has_engine() {
        return;
    }
    let told = fails(|into| fetch_named("dhfpack-test-absent:1", into));
    assert!(
        told.contains("has no image `dhfpack-test-absent:1`"),
        "{told}"
    );
}

#[test]
fn an_image_is_archived_by_the_program_and_saved_for_the_engine() {
    if !has_engine() {
        return;
    }
    let product = Product::new();
    let tar = product.path("for-engine.tar");
    let reference = EngineImage::name();
    let id = sample::make_image_tar_for_engine(&tar, &product.commit, &reference).unwrap();
    docker(["load", "--input", tar.to_str().unwrap()]);
    let image = EngineImage::named(reference);
    assert_eq!(image.id, id);
    let output = product.path("from-engine");
    fs::create_dir(&output).unwrap();
    let mut build = dhfpack();
    if let Some(address) = std::env::var_os("DOCKER_HOST") {
        build.env("DOCKER_HOST", address);
    }
    build
        .args(["build", "--draft", "--repo"])
        .arg(product.repository());
    build.arg("--output").arg(&output).arg("--image");
    build.arg(format!("install=docker:{}", image.reference));
    let result = build.output().unwrap();
    assert!(result.status.success(), "{}", told(&result));
    drop(image);

    let saved = product.path("saved.tar");
    let mut save = dhfpack();
    save.args(["image", "save"])
        .arg(output.join(NAME))
        .arg("--output")
        .arg(&saved);
    let saving = save.output().unwrap();
    assert!(saving.status.success(), "{}", told(&saving));
    let loading = docker(["load", "--input", saved.to_str().unwrap()]);
    assert!(loading.contains(&id), "{loading}");
    let _loaded = EngineImage::tag(&id);
}

#[test]
fn the_program_takes_the_engine_from_docker_host() {
    let product = Product::new();
    let output = product.path("nothing");
    fs::create_dir(&output).unwrap();
    let mut build = dhfpack();
    build.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    build
        .args(["build", "--draft", "--repo"])
        .arg(product.repository());
    build
        .args(["--image", "install=docker:x", "--output"])
        .arg(&output);
    let result = build.output().unwrap();
    assert_eq!(result.status.code(), Some(1), "{}", told(&result));
    let message = told(&result);
    let address = "unix:///nonexistent/docker.sock";
    assert!(message.contains(address), "{message}");
    assert_eq!(fs::read_dir(&output).unwrap().count(), 0);
}
