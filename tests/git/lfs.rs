//! Git LFS: pointers of the whole history, and an archive that holds every object behind them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use dhfpack::digest::Sha256;
use dhfpack::manifest::{LfsIdentity, Manifest, Origin};
use dhfpack::source::git::LfsPointer;
use tempfile::TempDir;

use crate::support::git::{git, is_missing, succeed};
use crate::support::release::{
    NAME, Product, commit_and_tag, dhfpack, released, told, without_image,
};

mod fetch;
mod pointers;

const FOLDER: &str = "Design Outputs/Source Code/lfs";

/// Lets the real git-lfs keep `*.bin`.
pub(super) fn track(repository: &Path) {
    git(repository, ["lfs", "install", "--local"]);
    git(repository, ["lfs", "track", "*.bin"]);
}

/// The sample product with files in Git LFS, one of them only in history, and a tag on it.
struct LfsProduct {
    product: Product,
    place: TempDir,
}

const OLD: &[u8] = b"an old model";
const NEW: &[u8] = b"a newer, longer model";

impl LfsProduct {
    fn new() -> Self {
        let product = Product::new();
        let made = Self {
            product,
            place: TempDir::new().unwrap(),
        };
        let repository = made.repository();
        track(&repository);
        made.change_config(|text| {
            // The image names the commit that it was made from, which is another now.
            without_image(text).replace("require_signed_tag = true", "")
        });
        fs::write(repository.join("model.bin"), OLD).unwrap();
        fs::write(repository.join("empty.bin"), b"").unwrap();
        made.tag();
        fs::write(repository.join("model.bin"), NEW).unwrap();
        fs::write(repository.join("copy of the model.bin"), NEW).unwrap();
        made.tag();
        made
    }

    fn repository(&self) -> PathBuf {
        self.product.repository()
    }

    fn change_config(&self, change: impl Fn(&str) -> String) {
        let config = self.repository().join("dhfpack.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(config, change(&text)).unwrap();
    }

    fn tag(&self) {
        commit_and_tag(&self.repository(), "v2.4.0");
    }

    /// Adds lines to the section `[source]`.
    fn source(&self, lines: &str) {
        self.change_config(|text| text.replace("[source]\n", &format!("[source]\n{lines}\n")));
        self.tag();
    }

    fn build_command(&self, output: &str) -> std::process::Command {
        let mut command = dhfpack();
        command.args(["build", "--repo"]).arg(self.repository());
        command.arg("--output").arg(self.place.path().join(output));
        let (key, certificate) = ("builder", "builder");
        command.arg("--key").arg(self.product.key(key));
        let certificate = self.product.certificate(certificate);
        command.arg("--certificate").arg(certificate);
        command
    }

    fn build(&self) -> Output {
        self.build_command("out").output().unwrap()
    }

    fn archive(&self) -> PathBuf {
        self.place.path().join("out").join(NAME)
    }

    fn manifest(&self) -> Manifest {
        let bytes = fs::read(self.archive().join("Manifest/manifest.json")).unwrap();
        Manifest::parse(&bytes).unwrap()
    }

    /// Where git-lfs keeps an object in the checkout.
    fn stored(&self, content: &[u8]) -> PathBuf {
        let place = LfsIdentity::place(&Sha256::of(content));
        self.repository().join(".git/lfs/objects").join(place)
    }

    /// That the archive holds both models and nothing else.
    fn assert_complete(&self) {
        for content in [OLD, NEW] {
            let place = LfsIdentity::place(&Sha256::of(content));
            let archived = self.archive().join(FOLDER).join(place);
            assert_eq!(fs::read(archived).unwrap(), content);
        }
        let lfs = self.manifest().source.lfs.unwrap();
        assert_eq!(lfs.folder.as_str(), FOLDER);
        assert_eq!((lfs.objects, lfs.bytes), (2, 33));
    }

    /// That a build fails with this code and nothing is left; returns what was said.
    fn refused(&self, code: i32) -> String {
        let output = self.build();
        assert_eq!(output.status.code(), Some(code), "{}", told(&output));
        assert_eq!(
            fs::read_dir(self.archive().parent().unwrap())
                .unwrap()
                .count(),
            0
        );
        // A message is wrapped to the width of a terminal.
        let words: Vec<String> = told(&output)
            .split_whitespace()
            .filter(|word| !["│", "×", "╰─▶", "help:"].contains(word))
            .map(str::to_owned)
            .collect();
        words.join(" ")
    }
}

#[test]
fn an_archive_holds_every_git_lfs_object_of_the_history() {
    if is_missing("git-lfs") {
        return;
    }
    let made = LfsProduct::new();
    let planned = made.build_command("out").arg("--dry-run").output().unwrap();
    let line = format!("{FOLDER}/  (Git LFS objects of the history, if there are any)");
    assert!(told(&planned).contains(&line), "{}", told(&planned));
    let built = made.build();
    assert!(built.status.success(), "{}", told(&built));
    made.assert_complete();
    let manifest = made.manifest();
    let objects = manifest.files.iter();
    let objects = objects.filter(|file| file.path.as_str().starts_with(FOLDER));
    for file in objects {
        assert_eq!(file.origin, Origin::Input);
        assert_eq!(file.slot.as_deref(), Some("design-outputs.source"));
    }
    let page = fs::read_to_string(made.archive().join("index.html")).unwrap();
    assert!(page.contains("<th>Git LFS objects</th><td>2, 33 bytes</td>"));
    let shown = dhfpack().arg("show").arg(made.archive()).output().unwrap();
    assert!(
        told(&shown).contains("2 objects, 33 bytes"),
        "{}",
        told(&shown)
    );
    // Only integrity is asked here: nobody has signed but the builder.
    let verified = made.product.verify(&made.archive()).output().unwrap();
    assert_eq!(verified.status.code(), Some(4), "{}", told(&verified));

    let mut rebuild = dhfpack();
    rebuild.arg("rebuild").arg(made.archive());
    rebuild.arg("--repo").arg(made.repository());
    let rebuilt = rebuild.output().unwrap();
    assert_eq!(rebuilt.status.code(), Some(0), "{}", told(&rebuilt));
}

#[test]
fn the_source_tree_holds_pointers_as_committed() {
    if is_missing("git-lfs") {
        return;
    }
    let made = LfsProduct::new();
    assert!(made.build().status.success());
    let tar = made
        .archive()
        .join("Design Outputs/Source Code/source-tree.tar.gz");
    let mut command = std::process::Command::new("tar");
    command.arg("-xzOf").arg(tar);
    let unpacked = succeed(command.arg(format!("{NAME}/model.bin")));
    let pointer = LfsPointer::parse(&unpacked.stdout).unwrap();
    assert_eq!(pointer.oid, Sha256::of(NEW));
}

#[test]
fn a_history_without_git_lfs_leaves_no_folder() {
    let archive = &released().archive;
    assert!(!archive.join(FOLDER).exists());
    let manifest = fs::read(archive.join("Manifest/manifest.json")).unwrap();
    assert_eq!(Manifest::parse(&manifest).unwrap().source.lfs, None);
}

#[test]
fn a_build_without_the_objects_names_files_count_and_command() {
    if is_missing("git-lfs") {
        return;
    }
    let made = LfsProduct::new();
    fs::remove_dir_all(made.repository().join(".git/lfs")).unwrap();
    let message = made.refused(1);
    for part in [
        "lacks 2 of the Git LFS objects",
        "model.bin",
        "lfs fetch --all",
        "fetch_lfs",
    ] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
}

#[test]
fn a_shallow_clone_without_the_objects_is_told_the_commands_that_bring_them() {
    if is_missing("git-lfs") {
        return;
    }
    let made = LfsProduct::new();
    let place = made.place.path();
    let (remote, clone) = (place.join("remote.git"), place.join("clone"));
    let url = format!("file://{}", remote.display());
    made.source(&format!("remote = \"{url}\""));
    let target = remote.to_str().unwrap();
    let repository = made.repository();
    git(&repository, ["clone", "--quiet", "--bare", ".", target]);
    git(&repository, ["remote", "add", "origin", target]);
    git(&repository, ["lfs", "push", "--all", "origin"]);
    let target = clone.to_str().unwrap();
    git(place, ["clone", "--quiet", "--depth=1", &url, target]);
    let build = || {
        let mut command = dhfpack();
        command.args(["build", "--repo", target, "--output"]);
        command.arg(place.join("out"));
        command.arg("--key").arg(made.product.key("builder"));
        let certificate = made.product.certificate("builder");
        command.arg("--certificate").arg(certificate);
        command.output().unwrap()
    };
    let refused = build();
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    let shown = format!("git -C \"{target}\"");
    let commands = format!("{shown} fetch --unshallow --tags && {shown} lfs fetch --all");
    let lacks = format!("{target} lacks 2");
    for part in [&commands, &lacks, "source.fetch_lfs = true"] {
        assert!(told(&refused).contains(part), "{part}: {}", told(&refused));
    }
    git(&clone, ["fetch", "--quiet", "--unshallow", "--tags"]);
    git(&clone, ["lfs", "fetch", "--all"]);
    let built = build();
    assert!(built.status.success(), "{}", told(&built));
    made.assert_complete();
}

#[test]
fn a_damaged_object_is_named_with_its_file() {
    if is_missing("git-lfs") {
        return;
    }
    let made = LfsProduct::new();
    let stored = made.stored(OLD);
    for content in [
        b"an odd model".as_slice(),
        b"an old",
        b"an old model and more",
    ] {
        // git-lfs takes the right to write away.
        fs::remove_file(&stored).unwrap();
        fs::write(&stored, content).unwrap();
        let message = made.refused(1);
        let oid = Sha256::of(OLD).to_string();
        for part in ["model.bin", "is damaged", "12 bytes"] {
            assert!(message.contains(part), "{part} is not in {message}");
        }
        assert!(message.replace(' ', "").contains(&oid), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn no_link_leads_out_of_the_store() {
    if is_missing("git-lfs") {
        return;
    }
    let made = LfsProduct::new();
    let outside = made.place.path().join("outside");
    fs::rename(made.stored(OLD), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, made.stored(OLD)).unwrap();
    let message = made.refused(1);
    assert!(
        message.contains("cannot read the Git LFS object"),
        "{message}"
    );

    fs::remove_file(made.stored(OLD)).unwrap();
    fs::rename(&outside, made.stored(OLD)).unwrap();
    let store = made.repository().join(".git/lfs");
    fs::rename(&store, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &store).unwrap();
    let message = made.refused(1);
    assert!(message.contains("lfs.storage"), "{message}");
}

#[test]
fn objects_are_found_where_the_setting_lfs_storage_says() {
    if is_missing("git-lfs") {
        return;
    }
    let made = LfsProduct::new();
    let elsewhere = made.place.path().join("elsewhere");
    fs::rename(made.repository().join(".git/lfs"), &elsewhere).unwrap();
    let storage = elsewhere.to_str().unwrap();
    git(&made.repository(), ["config", "lfs.storage", storage]);
    let built = made.build();
    assert!(built.status.success(), "{}", told(&built));
    made.assert_complete();
}
