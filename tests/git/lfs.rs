//! Git LFS: pointers of the whole history, and an archive that holds every object behind them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use dhfpack::digest::Sha256;
use dhfpack::manifest::{LfsIdentity, Manifest, Origin};
use dhfpack::monitor::{Recording, Silent, Task, Unit};
use dhfpack::source::git::{GitError, LfsError, LfsObjects, LfsPointer, Mirror};
use tempfile::TempDir;

use crate::support::git::{TestRepository, git, git_command, is_missing, succeed};
use crate::support::release::{NAME, Product, commit_and_tag, dhfpack, released, told};

mod fetch;

const FOLDER: &str = "Design Outputs/Source Code/lfs";

/// Lets the real git-lfs keep `*.bin`.
fn track(repository: &Path) {
    git(repository, ["lfs", "install", "--local"]);
    git(repository, ["lfs", "track", "*.bin"]);
}

fn found(mirror: &Mirror) -> Result<LfsObjects, GitError> {
    let task = Task::begin(&Silent, "pointers", None, Unit::Items);
    let commit = mirror.tag("v1.0.0")?.commit;
    let mut objects = LfsObjects::default();
    mirror.find_lfs_objects(&commit, 0, &mut objects, &task)?;
    Ok(objects)
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
            let start = text.find("[[image]]").unwrap();
            let end = start + text[start..].find("\n\n").unwrap();
            let none = "[[slot]]\nid = \"design-outputs.image\"\nnot_applicable = \"No image.\"";
            let text = format!("{}{none}{}", &text[..start], &text[end..]);
            text.replace("require_signed_tag = true", "")
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
fn every_pointer_of_the_history_is_found_once() {
    if is_missing("git-lfs") {
        return;
    }
    let repository = TestRepository::new();
    track(&repository.path());
    repository.commit_file("a.bin", b"first");
    repository.commit_file("deep/b.bin", b"second");
    repository.git(["rm", "--quiet", "a.bin"]);
    repository.commit_file("deep/b.bin", b"third");
    // Kept by Git LFS no longer: today's attributes say nothing of old commits.
    repository.write(".gitattributes", b"");
    repository.commit_file("deep/c.bin", b"plain");
    repository.tag("v1.0.0");
    track(&repository.path());
    repository.commit_file("later.bin", b"after the tag");
    let objects = found(&repository.mirror()).unwrap();
    let mut all: Vec<_> = objects.iter().map(|o| (o.file.as_str(), o.oid)).collect();
    all.sort_unstable();
    let (second, third) = (Sha256::of(b"second"), Sha256::of(b"third"));
    let mut expected = vec![
        ("a.bin", Sha256::of(b"first")),
        ("deep/b.bin", second),
        ("deep/b.bin", third),
    ];
    expected.sort_unstable();
    assert_eq!(all, expected);
    assert_eq!((objects.len(), objects.bytes()), (3, 16));
}

#[test]
fn what_git_lfs_takes_for_a_pointer_is_one() {
    if is_missing("git-lfs") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let oid = Sha256::of(b"x").to_string();
    let good = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 1\n");
    let extension = format!("ext-0-case sha256:{oid}\noid");
    let mut pointers = 0;
    for text in [
        good.clone(),
        good.replace("git-lfs.github", "hawser.github"),
        good.replace('\n', "\r\n"),
        good.replace('\n', "\n\n"),
        good.trim_end().to_owned(),
        format!(" \n{good}\n \n"),
        good.replace("oid", &extension),
        good.replace("oid", &extension.replace("sha256", "md5")),
        good.replace("oid", &extension.replace("ext-0", "ext-x")),
        good.replace("size 1", "size 01"),
        good.replace("size 1", "size one"),
        good.replace("size 1", "size -1"),
        good.replace("sha256:", "sha1:"),
        good.replace("spec/v1", "spec/v3"),
        good.clone() + "trailer 1\n",
        good.replace(&oid, &oid.to_uppercase()),
        good.replace(&oid, &oid[..63]),
        format!("version https://git-lfs.github.com/spec/v1\nsize 1\noid sha256:{oid}\n"),
        "version https://git-lfs.github.com/spec/v1\n".to_owned(),
        format!("# see version https://git-lfs.github.com/spec/v1\n{good}"),
    ] {
        let file = folder.path().join("pointer");
        fs::write(&file, &text).unwrap();
        let check = git_command(folder.path())
            .args(["lfs", "pointer", "--check", "--file"])
            .arg(&file)
            .output()
            .unwrap();
        let pointer = LfsPointer::parse(text.as_bytes());
        assert_eq!(pointer.is_some(), check.status.success(), "{text:?}");
        pointers += usize::from(pointer.is_some());
    }
    assert_eq!(pointers, 8);
}

#[test]
fn pointers_that_contradict_each_other_are_refused() {
    let repository = TestRepository::new();
    let pointer = |content: &[u8], size: u64| {
        let oid = Sha256::of(content);
        LfsPointer { oid, size }.to_string()
    };
    repository.commit_file("a.bin", pointer(b"x", 1).as_bytes());
    repository.tag("v1.0.0");
    assert_eq!(found(&repository.mirror()).unwrap().len(), 1);
    repository.commit_file("b.bin", pointer(b"x", 2).as_bytes());
    repository.git(["tag", "--force", "--message", "x", "v1.0.0"]);
    let error = found(&repository.mirror()).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(&error, GitError::Lfs(e) if matches!(**e, LfsError::Sizes { .. })),
        "{text}"
    );
    for part in [
        "a.bin says 1",
        "b.bin says 2",
        &Sha256::of(b"x").to_string(),
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }

    let repository = TestRepository::new();
    repository.commit_file("a.bin", pointer(b"x", 0).as_bytes());
    repository.tag("v1.0.0");
    let error = found(&repository.mirror()).unwrap_err();
    assert!(
        matches!(&error, GitError::Lfs(e) if matches!(**e, LfsError::NotEmpty { .. })),
        "{error}"
    );
}

#[test]
fn pointers_of_any_path_are_found_among_thousands_and_the_search_stops_on_request() {
    let repository = TestRepository::new();
    let mut stream =
        b"commit refs/heads/main\ncommitter A <a@b> 1767225600 +0000\ndata 1\nx\n".to_vec();
    for number in 0..3000_u32 {
        let content = number.to_be_bytes();
        let oid = Sha256::of(&content);
        let text = LfsPointer { oid, size: 4 }.to_string();
        let path = format!("\"odd\\n{number}/ \\377 {}\"", "long".repeat(400));
        let file = format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len());
        stream.extend(file.into_bytes());
    }
    let input = repository.beside("stream");
    fs::write(&input, stream).unwrap();
    succeed(
        git_command(&repository.path())
            .args(["fast-import", "--quiet"])
            .stdin(fs::File::open(input).unwrap()),
    );
    repository.git(["tag", "--message", "x", "v1.0.0", "main"]);
    let mirror = repository.mirror();
    assert_eq!(found(&mirror).unwrap().len(), 3000);

    let monitor = Recording::default();
    monitor.cancel();
    let task = Task::begin(&monitor, "pointers", None, Unit::Items);
    let commit = mirror.tag("v1.0.0").unwrap().commit;
    let stopped = mirror.find_lfs_objects(&commit, 0, &mut LfsObjects::default(), &task);
    assert!(
        matches!(stopped, Err(GitError::Cancelled(_))),
        "{stopped:?}"
    );
}

#[test]
fn an_object_of_several_repositories_is_taken_once() {
    let text = LfsPointer {
        oid: Sha256::of(b"x"),
        size: 1,
    };
    let text = text.to_string();
    let mut objects = LfsObjects::default();
    let task = Task::begin(&Silent, "pointers", None, Unit::Items);
    for (number, name) in ["first.bin", "second.bin"].into_iter().enumerate() {
        let repository = TestRepository::new();
        repository.commit_file(name, text.as_bytes());
        let commit = repository.git(["rev-parse", "HEAD"]);
        let mirror = repository.mirror();
        mirror
            .find_lfs_objects(&commit, number, &mut objects, &task)
            .unwrap();
    }
    let all: Vec<_> = objects.iter().collect();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].file.as_str(), all[0].repository), ("first.bin", 0));
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
