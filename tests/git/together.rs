//! Submodules at two levels that use Git LFS and hold lock files, through every command.

use std::fs;
use std::path::Path;
use std::process::Output;

use dhfpack::digest::Sha256;
use dhfpack::manifest::LfsIdentity;

use crate::support::git::{TestRepository, git, git_command, is_missing, succeed};
use crate::support::release::{dhfpack, told};
use crate::support::small::{Small, manifest, tells};

const INNER: &[u8] = b"a model of the inner library";
const OUTER: &[u8] = b"a model of the library";

/// A product with the submodule `libs/outer`, and inside that `inner`, both with Git LFS.
fn product() -> Small {
    let small = Small {
        repository: TestRepository::new(),
    };
    let url = format!("file://{}", small.repository.path().display());
    let tables = format!(
        "[source]\nremote = \"{url}\"\nfetch_lfs = true\n\n[build_environment]\nlock_files = [\"/libs/outer/**/*.lock\"]\n"
    );
    small.add_product("", "small", "1.0.0", "v{version}", &tables);
    library(&small.path("inner"), INNER);
    library(&small.path("outer"), OUTER);
    add(&small.path("outer"), "../inner", "inner");
    add(&small.repository.path(), "../outer", "libs/outer");
    small.release()
}

fn library(folder: &Path, model: &[u8]) {
    fs::create_dir(folder).unwrap();
    git(folder, ["init", "--quiet", "--initial-branch=main"]);
    git(folder, ["lfs", "install", "--local"]);
    git(folder, ["lfs", "track", "*.bin"]);
    fs::write(folder.join("model.bin"), model).unwrap();
    fs::write(folder.join("tools.lock"), model).unwrap();
    git(folder, ["add", "--all"]);
    git(folder, ["commit", "--quiet", "--message", "library"]);
}

fn add(parent: &Path, url: &str, path: &str) {
    let mut command = git_command(parent);
    command.args(["-c", "protocol.file.allow=always"]);
    succeed(command.args(["submodule", "--quiet", "add", "--", url, path]));
    git(parent, ["commit", "--quiet", "--message", path]);
}

fn clone(small: &Small, options: &[&str]) {
    let url = format!("file://{}", small.repository.path().display());
    let mut command = git_command(&small.path("."));
    command.args(["-c", "protocol.file.allow=always", "clone", "--quiet"]);
    command.args(options).arg(url).arg(small.path("clone"));
    succeed(&mut command);
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", told(output));
    told(output)
}

#[test]
fn what_a_bare_checkout_of_ci_lacks_is_fetched_for_each_submodule() {
    if is_missing("git-lfs") {
        return;
    }
    let small = product();
    clone(&small, &["--depth", "1", "--branch", "v1.0.0"]);
    let mut build = small.command();
    succeeded(&build.current_dir(small.path("clone")).output().unwrap());

    let archive = small.archive();
    for content in [INNER, OUTER] {
        let place = LfsIdentity::place(&Sha256::of(content));
        let archived = archive.join("Source/lfs").join(place);
        assert_eq!(fs::read(archived).unwrap(), content);
    }
    let locks = &manifest(&archive)["build_environment"]["lock_files"];
    let sources = locks.as_array().unwrap().iter();
    let sources: Vec<_> = sources
        .map(|lock| lock["source"].as_str().unwrap())
        .collect();
    assert_eq!(
        sources,
        ["libs/outer/inner/tools.lock", "libs/outer/tools.lock"]
    );

    let shown = succeeded(&dhfpack().arg("show").arg(&archive).output().unwrap());
    tells(&shown, &["libs/outer", "libs/outer/inner", "2 objects"]);
    let mut rebuild = dhfpack();
    rebuild.arg("rebuild").arg(&archive).arg("--repo");
    succeeded(&rebuild.arg(small.path("clone")).output().unwrap());

    let mut restore = dhfpack();
    restore
        .args(["verify", "--restore", "--json"])
        .arg(&archive);
    let restored = restore.output().unwrap();
    let verdict: serde_json::Value = serde_json::from_slice(&restored.stdout).unwrap();
    let failed = |finding: &&serde_json::Value| {
        let code = finding["code"].as_str().unwrap();
        !["unsigned", "role-missing", "signer-unknown"].contains(&code)
    };
    let findings = verdict["findings"].as_array().unwrap();
    assert_eq!(findings.iter().find(failed), None, "{verdict}");
    let proofs = verdict["restored"].to_string();
    tells(&proofs, &["libs/outer", "libs/outer/inner", "LFS"]);
}

#[test]
fn every_submodule_without_its_git_lfs_objects_is_named_with_its_command() {
    if is_missing("git-lfs") {
        return;
    }
    let small = product();
    let text = fs::read_to_string(small.repository.path().join("dhfpack.toml")).unwrap();
    let text = text.replace("fetch_lfs = true", "fetch_lfs = false");
    small.repository.write("dhfpack.toml", text.as_bytes());
    small.repository.commit_all("nothing is fetched");
    small
        .repository
        .git(["tag", "--force", "-am", "release", "v1.0.0"]);
    clone(&small, &[]);
    let checkout = small.path("clone");
    let mut update = git_command(&checkout);
    update.args(["-c", "protocol.file.allow=always", "submodule", "--quiet"]);
    succeed(update.args(["update", "--init", "--recursive"]));
    let built = small.command().current_dir(&checkout).output().unwrap();
    assert_eq!(built.status.code(), Some(1), "{}", told(&built));
    // A message is wrapped to the width of a terminal.
    let words = told(&built).replace('│', "");
    let words: String = words.split_whitespace().collect();
    tells(&words, &["model.bin", "libs/outer", "lfsfetch--all"]);
    for repository in ["libs/outer", "inner"] {
        let lacks = format!("{repository}lacks1oftheGitLFSobjects");
        assert!(words.contains(&lacks), "{lacks} is not in {words}");
    }
}
