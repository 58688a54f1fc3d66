//! A release with everything that a repository can have: two levels of submodules, Git LFS
//! objects in two of its repositories, a long history, and a tag signed with an SSH key.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::sample;
use crate::support::git::{TestRepository, git_command, succeed};
use crate::support::release::{NAME, dhfpack, released, told};

/// The release tag.
const TAG: &str = "v2.4.0";

/// A submodule's path that git quotes where it lists it in lines.
pub(super) const QUOTED: &str = "geräte/ml je \"h\"";
/// A file that attributes convert, as committed.
pub(super) const START: &[u8] = b"echo $Id$\n";
/// Attributes by which a checkout differs from what was committed.
const CONVERTING: &str =
    "*.dat filter=lfs -text\n*.bat text eol=crlf ident\n*.u16 working-tree-encoding=UTF-16\n";

/// The repositories of a release.
pub(crate) struct Whole {
    pub(crate) repository: TestRepository,
    pump: TestRepository,
    units: TestRepository,
}

impl Whole {
    /// The sample product after this many commits, with submodules that are checked out.
    pub(crate) fn new(commits: usize) -> Self {
        Self::with_images(commits, "")
    }

    /// As [`new`](Self::new), with these tables in the configuration.
    pub(crate) fn with_images(commits: usize, images: &str) -> Self {
        let units = TestRepository::new();
        units.commit_file("units.txt", b"ml/h\n");
        let pump = TestRepository::new();
        with_lfs(&pump, "pump.dat", b"curves of the pump");
        add_submodule(&pump, &units, "vendor/units");
        pump.commit_all("units");
        let repository = TestRepository::new();
        history(&repository, commits);
        with_lfs(&repository, "assets/logo.dat", b"the logo of before");
        with_lfs(&repository, "assets/logo.dat", &logo());
        for (path, text) in sample::files() {
            repository.write(path, text.as_bytes());
        }
        let config = repository.path().join("dhfpack.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(
            config,
            text.replacen("[[image]]", &format!("{images}[[image]]"), 1),
        )
        .unwrap();
        std::os::unix::fs::symlink("README.md", repository.path().join("link")).unwrap();
        add_submodule(&repository, &pump, "libs/pump");
        let whole = Self {
            repository,
            pump,
            units,
        };
        whole.release();
        whole
    }

    /// Releases it with what a checkout or a comparison stumbles over as well: files that
    /// attributes convert, in a submodule too; a link to nowhere; a path that git quotes.
    pub(super) fn add_unusual(&self) {
        for repository in [&self.units, &self.repository] {
            repository.write(".gitattributes", CONVERTING.as_bytes());
            repository.write("start.bat", START);
            repository.write("start.u16", b"\xff\xfet\0\n\0");
            repository.commit_all("converted");
        }
        let link = self.repository.path().join("dangling");
        std::os::unix::fs::symlink("nowhere", link).unwrap();
        add_submodule(&self.repository, &self.units, QUOTED);
        self.release();
    }

    /// Commits all, and tags it, signed by a new key that `release/allowed_signers` names.
    pub(crate) fn release(&self) {
        let repository = &self.repository;
        let key = repository.beside("key");
        if !key.exists() {
            succeed(
                Command::new("ssh-keygen")
                    .args(["-q", "-N", "", "-C", "ada", "-t", "ed25519", "-f"])
                    .arg(&key),
            );
        }
        let public = fs::read_to_string(repository.beside("key.pub")).unwrap();
        let allowed = format!("ada@example.com {public}");
        repository.write("release/allowed_signers", allowed.as_bytes());
        repository.commit_all("release");
        repository.git(["config", "gpg.format", "ssh"]);
        repository.git(["config", "user.signingKey", key.to_str().unwrap()]);
        repository.git(["tag", "--force", "--sign", "--message", "release", TAG]);
    }

    /// The commit that is released.
    pub(crate) fn commit(&self) -> String {
        self.repository
            .git(["rev-parse", &format!("{TAG}^{{commit}}")])
    }

    /// An archive of it with the sample's image.
    pub(crate) fn archive(&self) -> (TempDir, PathBuf) {
        let image = self.repository.beside("image");
        if image.exists() {
            fs::remove_dir_all(&image).unwrap();
        }
        sample::make_image(&image, &self.commit()).unwrap();
        self.archive_with(&[&format!("install=oci:{}", image.display())])
    }

    /// An archive of it with these images.
    pub(crate) fn archive_with(&self, images: &[&str]) -> (TempDir, PathBuf) {
        let place = TempDir::new().unwrap();
        let product = &released().product;
        let mut command = dhfpack();
        command
            .arg("build")
            .arg("--repo")
            .arg(self.repository.path());
        command.arg("--output").arg(place.path());
        command.arg("--key").arg(product.key("builder"));
        command
            .arg("--certificate")
            .arg(product.certificate("builder"));
        for image in images {
            command.args(["--image", image]);
        }
        command
            .env("HOME", self.repository.beside(""))
            .envs(std::env::var_os("DOCKER_HOST").map(|engine| ("DOCKER_HOST", engine)));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        let archive = place.path().join(NAME);
        (place, archive)
    }

    /// Deletes the repositories.
    pub(crate) fn delete(self) {
        for repository in [&self.repository, &self.pump, &self.units] {
            fs::remove_dir_all(repository.path()).unwrap();
        }
    }
}

/// A file that Git LFS keeps, larger than one buffer.
pub(crate) fn logo() -> Vec<u8> {
    vec![7; 300_000]
}

/// Every file below a folder, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name();
    let entries = entries.into_iter().map(Result::unwrap);
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// Commits a file that Git LFS keeps.
fn with_lfs(repository: &TestRepository, name: &str, content: &[u8]) {
    repository.git(["lfs", "install", "--local"]);
    repository.git(["lfs", "track", "*.dat"]);
    repository.commit_file(name, content);
}

fn add_submodule(repository: &TestRepository, submodule: &TestRepository, path: &str) {
    let url = submodule.path();
    let allow = ["-c", "protocol.file.allow=always", "submodule", "--quiet"];
    let run = |arguments: &[&str]| {
        let mut command = git_command(&repository.path());
        command.env("GIT_LFS_SKIP_SMUDGE", "1");
        succeed(command.args(allow).args(arguments));
    };
    run(&["add", url.to_str().unwrap(), path]);
    run(&["update", "--init", "--recursive"]);
    // As `git lfs pull` leaves a checkout.
    let objects = url.join(".git/lfs/objects");
    let stored = if objects.exists() {
        files_below(&objects)
    } else {
        Vec::new()
    };
    for object in stored {
        let store = repository
            .path()
            .join(".git/modules")
            .join(path)
            .join("lfs/objects");
        let target = store.join(object.strip_prefix(&objects).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&object, target).unwrap();
    }
}

/// Makes a history of this many commits.
fn history(repository: &TestRepository, commits: usize) {
    let mut command = git_command(&repository.path());
    command
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stream = child.stdin.take().unwrap();
    for number in 0..commits {
        let message = format!("change {number}");
        write!(
            stream,
            "commit refs/heads/main\ncommitter Ada <ada@example.com> {} +0000\n\
             data {}\n{message}\nM 644 inline log.txt\ndata {}\n{message}\n\n",
            1_700_000_000 + number,
            message.len(),
            message.len()
        )
        .unwrap();
    }
    drop(stream);
    assert!(child.wait().unwrap().success());
    repository.git(["reset", "--quiet", "--hard", "main"]);
}
