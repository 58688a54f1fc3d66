//! A release with everything that a repository can have: two levels of submodules, Git LFS
//! objects in two of its repositories, a long history, and a tag signed with an SSH key.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dhfpack::digest::Sha256;
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{CODE, copy, file_of, seal_anew};
use crate::support::git::{TestRepository, git_command, succeed};

/// The release tag, and the folder in the archive of the source tree.
const TAG: &str = "v2.4.0";
const NAME: &str = "infusion-monitor-2.4.0";

/// The repositories of a release.
pub(crate) struct Whole {
    pub(crate) repository: TestRepository,
    pump: TestRepository,
    units: TestRepository,
}

impl Whole {
    /// A repository with this many commits and its submodules, checked out.
    pub(crate) fn new(commits: usize) -> Self {
        let units = TestRepository::new();
        units.commit_file("units.txt", b"ml/h\n");
        let pump = TestRepository::new();
        with_lfs(&pump, "pump.dat", b"curves of the pump");
        add_submodule(&pump, &units, "vendor/units");
        pump.commit_all("units");
        let repository = TestRepository::new();
        history(&repository, commits);
        with_lfs(&repository, "assets/logo.dat", &logo());
        repository.commit_file("README.md", b"A monitor\n");
        std::os::unix::fs::symlink("README.md", repository.path().join("link")).unwrap();
        add_submodule(&repository, &pump, "libs/pump");
        repository.commit_all("release");
        let whole = Self {
            repository,
            pump,
            units,
        };
        whole.sign();
        whole
    }

    /// The tag, signed by a new key, which `allowed_signers` beside the work tree names.
    fn sign(&self) {
        let repository = &self.repository;
        let key = repository.beside("key");
        succeed(
            Command::new("ssh-keygen")
                .args(["-q", "-N", "", "-C", "ada", "-t", "ed25519", "-f"])
                .arg(&key),
        );
        let public = fs::read_to_string(repository.beside("key.pub")).unwrap();
        let allowed = format!("ada@example.com {public}");
        fs::write(repository.beside("allowed_signers"), allowed).unwrap();
        repository.git(["config", "gpg.format", "ssh"]);
        repository.git(["config", "user.signingKey", key.to_str().unwrap()]);
        repository.git(["tag", "--sign", "--message", "release", TAG]);
    }

    /// The sample's archive with these repositories in it, put there with stock tools.
    pub(crate) fn archive_by_hand(&self) -> (TempDir, PathBuf) {
        let (place, archive) = copy();
        let code = archive.join(CODE);
        let repository = &self.repository;
        bundle(
            repository,
            &["HEAD", &format!("refs/tags/{TAG}")],
            &code.join("repository.bundle"),
        );
        fs::create_dir(code.join("submodules")).unwrap();
        let submodules: Vec<Value> = [
            (&self.pump, "libs/pump", "pump"),
            (&self.units, "libs/pump/vendor/units", "units"),
        ]
        .into_iter()
        .map(|(submodule, path, name)| {
            let commit = submodule.git(["rev-parse", "HEAD"]);
            let file = format!("submodules/{name}-{}.bundle", &commit[..12]);
            submodule.git(["branch", "--force", "pinned"]);
            bundle(submodule, &["HEAD", "refs/heads/pinned"], &code.join(&file));
            json!({
                "path": path,
                "url": submodule.path(),
                "commit": commit,
                "tree": submodule.git(["rev-parse", "HEAD^{tree}"]),
                "bundle": format!("{CODE}/{file}"),
            })
        })
        .collect();
        let (objects, bytes) = self.copy_objects(&code.join("lfs"));
        let uncompressed = self.pack_tree(&code.join("source-tree.tar.gz"));
        seal_anew(&archive, |manifest| {
            let source = &mut manifest["source"];
            source["tag_object"] = json!(repository.git(["rev-parse", TAG]));
            source["commit"] = json!(repository.git(["rev-parse", &format!("{TAG}^{{commit}}")]));
            source["tree"] = json!(repository.git(["rev-parse", &format!("{TAG}^{{tree}}")]));
            source["submodules"] = json!(submodules);
            let folder = format!("{CODE}/lfs");
            source["lfs"] = json!({ "folder": folder, "objects": objects, "bytes": bytes });
            let tree = file_of(manifest, &format!("{CODE}/source-tree.tar.gz"));
            tree["identity"]["uncompressed_sha256"] = json!(uncompressed);
        });
        (place, archive)
    }

    /// Copies the Git LFS objects of all repositories; returns how many there are, and their size.
    fn copy_objects(&self, into: &Path) -> (usize, u64) {
        let (mut count, mut bytes) = (0, 0);
        for repository in [&self.repository, &self.pump] {
            let store = repository.path().join(".git/lfs/objects");
            for object in files_below(&store) {
                let target = into.join(object.strip_prefix(&store).unwrap());
                fs::create_dir_all(target.parent().unwrap()).unwrap();
                bytes += fs::copy(&object, &target).unwrap();
                count += 1;
            }
        }
        (count, bytes)
    }

    /// Packs the files of all repositories as committed; returns the tar's digest.
    fn pack_tree(&self, into: &Path) -> Sha256 {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join(NAME);
        write_files(&self.repository, &top);
        write_files(&self.pump, &top.join("libs/pump"));
        write_files(&self.units, &top.join("libs/pump/vendor/units"));
        let pack = "find \"$1\" ! -type d -print0 | tar --null --no-recursion --format=gnu -czf \"$2\" -T -";
        succeed(
            Command::new("sh")
                .args(["-e", "-c", pack, "sh", NAME])
                .arg(into)
                .current_dir(place.path()),
        );
        let mut tar = MultiGzDecoder::new(fs::File::open(into).unwrap());
        Sha256::of_reader(&mut tar).unwrap().0
    }
}

/// A file that Git LFS keeps, larger than one buffer.
pub(crate) fn logo() -> Vec<u8> {
    vec![7; 100_000]
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
    // The objects behind the pointers are not on a server.
    let run = |arguments: &[&str]| {
        let mut command = git_command(&repository.path());
        command.env("GIT_LFS_SKIP_SMUDGE", "1");
        succeed(command.args(allow).args(arguments));
    };
    run(&["add", url.to_str().unwrap(), path]);
    run(&["update", "--init", "--recursive"]);
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

fn bundle(repository: &TestRepository, refs: &[&str], into: &Path) {
    let mut command = git_command(&repository.path());
    command.args(["bundle", "create", "--quiet"]).arg(into);
    succeed(command.args(refs));
}

/// Writes the files of `HEAD` as committed, whatever their attributes say.
fn write_files(repository: &TestRepository, into: &Path) {
    for line in repository.git(["ls-tree", "-r", "HEAD"]).lines() {
        let (head, path) = line.split_once('\t').unwrap();
        let words: Vec<&str> = head.split(' ').collect();
        if words[1] != "blob" {
            continue;
        }
        let target = into.join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let mut command = git_command(&repository.path());
        let content = succeed(command.args(["cat-file", "blob", words[2]])).stdout;
        if words[0] == "120000" {
            let link = String::from_utf8(content).unwrap();
            std::os::unix::fs::symlink(link, &target).unwrap();
        } else {
            fs::write(&target, content).unwrap();
        }
    }
}
