//! Tags that CI fetched as the bare commit.

use std::path::PathBuf;

use crate::support::git::{git, is_missing, succeed};
use crate::support::release::told;
use crate::support::small::{Small, tells};

/// A clone of the product with the commit in the place of its tag.
fn clone_with_bare_commit(small: &Small) -> PathBuf {
    let clone = small.path("clone");
    let target = clone.to_str().unwrap();
    small.repository.git(["clone", "--quiet", ".", target]);
    let commit = small.repository.git(["rev-parse", "HEAD"]);
    let reference = format!("+{commit}:refs/tags/v1.0.0");
    git(&clone, ["fetch", "--quiet", "origin", &reference]);
    assert_eq!(git(&clone, ["cat-file", "-t", "v1.0.0"]), "commit");
    clone
}

#[test]
fn a_lightweight_tag_is_told_of() {
    let small = Small::new("").release();
    let clone = clone_with_bare_commit(&small);
    let built = small.command().current_dir(clone).output().unwrap();
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    tells(&told(&built), &["v1.0.0 is a lightweight tag", "git fetch"]);
}

#[test]
fn a_lightweight_tag_is_refused_where_it_has_to_be_signed_with_what_brings_the_signed_one() {
    if is_missing("ssh-keygen") {
        return;
    }
    let small = Small::new("[source]\nallowed_signers = \"signers\"\nrequire_signed_tag = true\n");
    let key = small.path("ssh-key");
    let mut keygen = std::process::Command::new("ssh-keygen");
    keygen.args(["-q", "-N", "", "-C", "ada", "-t", "ed25519", "-f"]);
    succeed(keygen.arg(&key));
    let public = std::fs::read_to_string(small.path("ssh-key.pub")).unwrap();
    let signers = format!("ada@example.com {public}");
    small.repository.write("signers", signers.as_bytes());
    small.repository.commit_all("release");
    let git_in_work = |arguments: &[&str]| small.repository.git(arguments);
    git_in_work(&["config", "gpg.format", "ssh"]);
    git_in_work(&["config", "user.signingKey", key.to_str().unwrap()]);
    git_in_work(&["tag", "--sign", "--message", "release", "v1.0.0"]);
    let clone = clone_with_bare_commit(&small);
    let build = || small.command().current_dir(&clone).output().unwrap();
    let refused = build();
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    let advice = "git fetch --force origin refs/tags/v1.0.0:refs/tags/v1.0.0";
    let expected = [
        "v1.0.0 is a lightweight tag, which cannot be signed",
        advice,
    ];
    tells(&told(&refused), &expected);
    git(&clone, advice.split(' ').skip(1));
    let built = build();
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
}
