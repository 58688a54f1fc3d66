//! What is built from a clone that lacks a part, and the proof that a bundle is whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use dhfpack::manifest::Manifest;
use dhfpack::monitor::{Recording, Silent, Task, Unit};
use dhfpack::source::git::{GitError, Mirror, RemoteAccess, Tag, find_repository};

use crate::sample;
use crate::support::git::{TestRepository, git, git_command, succeed};
use crate::support::release::{NAME, Product, commit_and_tag, dhfpack, told};

/// The sample product on a server of its own, with submodules at two levels if wanted.
struct Remote {
    product: Product,
}

impl Remote {
    fn new(with_submodules: bool, names_remote: bool) -> Self {
        let product = Product::new();
        let remote = Self { product };
        let repository = remote.product.repository();
        let config = repository.join("dhfpack.toml");
        let mut text = fs::read_to_string(&config).unwrap();
        text = text.replace("require_signed_tag = true", "require_signed_tag = false");
        if names_remote {
            let line = format!("[source]\nremote = \"{}\"", remote.url());
            text = text.replacen("[source]", &line, 1);
        }
        fs::write(config, text).unwrap();
        if with_submodules {
            remote.make("inner");
            remote.make("lib");
            remote.add("lib", "../inner", "deps/inner");
            remote.add("product", "../lib", "vendor/lib");
        }
        let commit = commit_and_tag(&repository, "v2.4.0");
        git(&repository, ["config", "uploadpack.allowFilter", "true"]);
        sample::make_image(&remote.product.path("tagged-image"), &commit).unwrap();
        remote
    }

    fn url(&self) -> String {
        format!("file://{}", self.product.repository().display())
    }

    fn make(&self, name: &str) {
        let folder = self.product.path(name);
        fs::create_dir(&folder).unwrap();
        git(&folder, ["init", "--quiet", "--initial-branch=main"]);
        for number in 1..=2 {
            fs::write(folder.join(format!("{name}.txt")), number.to_string()).unwrap();
            git(&folder, ["add", "--all"]);
            git(&folder, ["commit", "--quiet", "--message", "change"]);
        }
    }

    fn add(&self, parent: &str, url: &str, path: &str) {
        let folder = self.product.path(parent);
        let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet"];
        git(&folder, [&add[..], &["add", "--", url, path]].concat());
        git(&folder, ["commit", "--quiet", "--message", path]);
    }

    fn clone(&self, name: &str, options: &[&str]) -> PathBuf {
        let target = self.product.path(name);
        let clone = ["-c", "protocol.file.allow=always", "clone", "--quiet"];
        let url = self.url();
        let last = [url.as_str(), target.to_str().unwrap()];
        git(
            &self.product.path("."),
            [&clone[..], options, &last].concat(),
        );
        target
    }

    /// Builds from a clone, into the folder `output` of this test.
    fn build(&self, clone: &Path, output: &str) -> Output {
        let mut command = dhfpack();
        command.arg("build").arg("--repo").arg(clone);
        command.arg("--output").arg(self.product.path(output));
        command.arg("--image").arg(self.image());
        command.arg("--key").arg(self.product.key("builder"));
        let certificate = self.product.certificate("builder");
        command.arg("--certificate").arg(certificate);
        command.output().unwrap()
    }

    fn image(&self) -> String {
        let image = self.product.path("tagged-image");
        format!("install=oci:{}", image.display())
    }

    fn archive(&self, output: &str) -> PathBuf {
        self.product.path(output).join(NAME)
    }

    fn manifest(&self, output: &str) -> Vec<u8> {
        fs::read(self.archive(output).join("Manifest/manifest.json")).unwrap()
    }
}

fn succeeded(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", told(output));
}

#[test]
fn an_archive_with_nested_submodules_is_restored_from_its_bundles_alone() {
    let remote = Remote::new(true, false);
    let checkout = remote.clone("checkout", &["--recurse-submodules"]);
    let mut command = dhfpack();
    command
        .args(["build", "--dry-run", "--repo"])
        .arg(&checkout);
    let planned = told(&command.arg("--image").arg(remote.image()).output().unwrap());
    for path in ["vendor/lib", "vendor/lib/deps/inner"] {
        let line = format!("git bundle of the submodule {path} at ");
        assert!(planned.contains(&line), "{planned}");
    }
    succeeded(&remote.build(&checkout, "out"));
    let mut command = dhfpack();
    command.arg("rebuild").arg(remote.archive("out"));
    command.arg("--repo").arg(&checkout);
    command.arg("--image").arg(remote.image());
    succeeded(&command.output().unwrap());

    for name in ["inner", "lib", "product", "checkout"] {
        fs::remove_dir_all(remote.product.path(name)).unwrap();
    }
    let manifest = Manifest::parse(&remote.manifest("out")).unwrap();
    let submodules = &manifest.source.submodules;
    let paths: Vec<_> = submodules.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["vendor/lib", "vendor/lib/deps/inner"]);
    assert_eq!(submodules[1].url, "../inner");
    let archive = remote.archive("out");
    for one in submodules {
        let entry = manifest.files.iter().find(|file| file.path == one.bundle);
        let identity = &entry.unwrap().identity;
        assert_eq!(identity["git_commit"], one.commit);
        assert_eq!(identity["git_tree"], one.tree);
        let clone = remote.product.path("restored").join(&one.path);
        let bundle = archive.join(one.bundle.as_str());
        let target = clone.to_str().unwrap();
        git(
            &archive,
            ["clone", "--quiet", bundle.to_str().unwrap(), target],
        );
        let found = git(&clone, ["rev-parse", "HEAD", "HEAD^{tree}"]);
        assert_eq!(found, format!("{}\n{}", one.commit, one.tree));
        assert_eq!(
            git(&clone, ["rev-list", "--count", "HEAD"])
                .parse::<u32>()
                .unwrap()
                & !1,
            2
        );
    }
}

#[test]
fn a_shallow_or_partial_clone_builds_what_a_full_one_builds_where_a_remote_is_named() {
    let remote = Remote::new(true, true);
    let full = remote.clone("full", &["--recurse-submodules"]);
    succeeded(&remote.build(&full, "full-out"));
    let only_commit = remote.clone("no-tag", &["--depth=1"]);
    git(&only_commit, ["tag", "--delete", "v2.4.0"]);
    // As some CI systems fetch a tag: the bare commit under its name.
    let bare_commit = remote.clone("bare-commit", &["--depth=1"]);
    git(&bare_commit, ["tag", "--force", "v2.4.0", "HEAD"]);
    let shallow = ["--depth=1", "--branch=v2.4.0"];
    for (clone, output) in [
        (remote.clone("shallow", &shallow), "shallow-out"),
        (only_commit, "no-tag-out"),
        (bare_commit, "bare-commit-out"),
        (
            remote.clone("partial", &["--filter=blob:none"]),
            "partial-out",
        ),
    ] {
        let before = git(&clone, ["count-objects", "-v"]);
        let built = remote.build(&clone, output);
        succeeded(&built);
        assert!(told(&built).contains("source.remote"), "{}", told(&built));
        assert!(
            remote.manifest(output) == remote.manifest("full-out"),
            "{output}"
        );
        assert_eq!(git(&clone, ["count-objects", "-v"]), before, "{output}");
    }
}

#[test]
fn a_shallow_or_partial_clone_without_a_remote_is_refused_with_the_command() {
    let remote = Remote::new(false, false);
    for (name, option, command) in [
        ("shallow", "--depth=1", "fetch --unshallow --tags"),
        ("partial", "--filter=blob:none", "git clone"),
    ] {
        let output = remote.build(&remote.clone(name, &[option]), "out");
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        for part in [command, "source.remote"] {
            assert!(told(&output).contains(part), "{}", told(&output));
        }
        assert!(!remote.archive("out").exists());
    }
}

#[test]
fn a_tag_that_the_remote_has_moved_is_refused() {
    let remote = Remote::new(false, true);
    let shallow = remote.clone("shallow", &["--depth=1"]);
    fs::write(remote.product.repository().join("new.txt"), "x").unwrap();
    commit_and_tag(&remote.product.repository(), "v2.4.0");
    let output = remote.build(&shallow, "out");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(
        told(&output).contains("another tag v2.4.0"),
        "{}",
        told(&output)
    );
}

#[test]
fn a_remote_that_git_would_run_is_a_mistake_in_the_configuration() {
    let remote = Remote::new(false, true);
    let canary = remote.product.path("executed");
    let clone = remote.clone("clone", &["--depth=1"]);
    let text = fs::read_to_string(clone.join("dhfpack.toml")).unwrap();
    for url in [
        format!("ext::sh -c touch% {}", canary.display()),
        format!("--upload-pack=touch {}", canary.display()),
        "../relative".to_owned(),
        "https://user:secret@git.example.org/x".to_owned(),
    ] {
        let changed = text.replace(&remote.url(), &url);
        fs::write(clone.join("dhfpack.toml"), changed).unwrap();
        let output = remote.build(&clone, "out");
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        let told = told(&output);
        assert!(told.contains("[dhfpack.toml:"), "{told}");
    }
    assert!(!canary.exists());
}

#[test]
fn a_remote_out_of_an_archives_configuration_is_judged_again() {
    let repository = TestRepository::released();
    let canary = repository.beside("executed");
    for url in [
        format!("ext::touch {}", canary.display()),
        "--upload-pack=touch".to_owned(),
        repository.path().display().to_string(),
    ] {
        let clone = find_repository(&repository.path()).unwrap();
        let result = Mirror::of_remote(
            &url,
            clone,
            &RemoteAccess::default(),
            &repository.beside("mirror"),
            &Silent,
        );
        assert!(matches!(result, Err(GitError::BadName { .. })), "{url}");
    }
    assert!(!canary.exists());
}

/// A repository with its mirror, its tag and a bundle of it.
struct Bundled {
    repository: TestRepository,
    mirror: Mirror,
    tag: Tag,
    bytes: Vec<u8>,
}

impl Bundled {
    fn new() -> Self {
        let repository = TestRepository::released();
        let mirror = repository.mirror();
        let tag = mirror.tag("v1.0.0").unwrap();
        let task = Task::begin(&Silent, "bundle", None, Unit::Bytes);
        let mut bytes = Vec::new();
        mirror.bundle(&tag, &mut bytes, &task).unwrap();
        Self {
            repository,
            mirror,
            tag,
            bytes,
        }
    }

    fn prove(&self, bytes: &[u8]) -> Result<(), GitError> {
        let file = self.repository.beside("proved.bundle");
        fs::write(&file, bytes).unwrap();
        let task = Task::begin(&Silent, "proof", None, Unit::Bytes);
        self.mirror.prove_bundle(&file, &self.tag, &task)
    }

    /// A bundle with the header of a whole one and only the objects that `kept` keeps.
    fn with_objects(&self, kept: impl Fn(&str) -> bool) -> Vec<u8> {
        let repository = self.repository.path();
        let all = ["cat-file", "--batch-all-objects", "--batch-check"];
        let all = git(&repository, all);
        let kept = all.lines().filter(|line| kept(line));
        let ids: Vec<&str> = kept.map(|line| line.split(' ').next().unwrap()).collect();
        let list = self.repository.beside("ids");
        fs::write(&list, ids.join("\n") + "\n").unwrap();
        let mut command = git_command(&repository);
        command.args(["pack-objects", "--quiet", "--stdout"]);
        let pack = succeed(command.stdin(fs::File::open(list).unwrap())).stdout;
        let end = self
            .bytes
            .windows(2)
            .position(|two| two == b"\n\n")
            .unwrap();
        [&self.bytes[..end + 2], &pack].concat()
    }
}

#[test]
fn a_bundle_is_proved_by_cloning_it() {
    let bundled = Bundled::new();
    bundled.prove(&bundled.bytes).unwrap();
    bundled.prove(&bundled.with_objects(|_| true)).unwrap();
}

#[test]
fn a_bundle_that_lacks_any_object_is_not_proved() {
    let bundled = Bundled::new();
    let all = ["cat-file", "--batch-all-objects", "--batch-check"];
    let all = git(&bundled.repository.path(), all);
    assert_eq!(all.lines().count(), 8);
    for left_out in all.lines() {
        let bytes = bundled.with_objects(|line| line != left_out);
        let error = bundled.prove(&bytes).unwrap_err();
        assert!(
            matches!(error, GitError::Failed { .. }),
            "{left_out}: {error}"
        );
    }
}

#[test]
fn a_bundle_damaged_or_cut_anywhere_is_not_proved() {
    let bundled = Bundled::new();
    let length = bundled.bytes.len();
    for place in (0..length).step_by(length / 12) {
        let mut damaged = bundled.bytes.clone();
        damaged[place] ^= 1;
        assert!(bundled.prove(&damaged).is_err(), "changed at {place}");
        assert!(
            bundled.prove(&bundled.bytes[..place]).is_err(),
            "cut at {place}"
        );
    }
}

#[test]
fn a_bundle_of_another_commit_under_the_tags_name_is_not_proved() {
    let bundled = Bundled::new();
    let repository = &bundled.repository;
    repository.commit_file("other.txt", b"other\n");
    repository.git(["tag", "--force", "--message", "x", "v1.0.0"]);
    let file = repository.beside("other.bundle");
    repository.git([
        "bundle",
        "create",
        "--quiet",
        file.to_str().unwrap(),
        "v1.0.0",
    ]);
    let error = bundled.prove(&fs::read(file).unwrap()).unwrap_err();
    assert!(matches!(error, GitError::NotRestored { .. }), "{error}");
}

#[test]
fn no_bundle_is_made_of_a_mirror_with_its_history_cut_off() {
    let repository = TestRepository::released();
    let into = repository.beside("mirror");
    let location = repository.path();
    let mirror = Mirror::clone(location.to_str().unwrap(), &into, &Silent).unwrap();
    let head = repository.git(["rev-parse", "HEAD"]);
    fs::write(into.join("mirror.git/shallow"), format!("{head}\n")).unwrap();
    let tag = mirror.tag("v1.0.0").unwrap();
    let task = Task::begin(&Silent, "bundle", None, Unit::Bytes);
    let mut bytes = Vec::new();
    let result = mirror.bundle(&tag, &mut bytes, &task);
    assert!(
        matches!(result, Err(GitError::Shallow { .. })),
        "{result:?}"
    );
    assert!(bytes.is_empty());
}

#[test]
fn a_stop_ends_the_proof_and_leaves_nothing() {
    let bundled = Bundled::new();
    let file = bundled.repository.beside("proved.bundle");
    fs::write(&file, &bundled.bytes).unwrap();
    let monitor = Recording::default();
    monitor.cancel();
    let task = Task::begin(&monitor, "proof", None, Unit::Bytes);
    let result = bundled.mirror.prove_bundle(&file, &bundled.tag, &task);
    assert!(matches!(result, Err(GitError::Cancelled(_))), "{result:?}");
}
