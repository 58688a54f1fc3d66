mod archived;
mod openpgp;
mod x509;

use std::fs;
use std::process::Command;

use dhfpack::manifest::{GitSignature, GitSignatureStatus as Status};
use dhfpack::source::git::{Mirror, SignatureKind};

use crate::support::git::{TestRepository, is_missing, succeed};

/// A repository whose tag `v1.0.0` is signed, and the public key of a kind that ssh-keygen knows.
fn signed(kind: &str) -> (TestRepository, String) {
    let repository = TestRepository::released();
    repository.git(["tag", "--delete", "v1.0.0"]);
    let key = repository.beside("key");
    succeed(
        Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-C", "ada", "-t", kind, "-f"])
            .arg(&key),
    );
    repository.git(["config", "gpg.format", "ssh"]);
    repository.git(["config", "user.signingKey", key.to_str().unwrap()]);
    repository.git(["tag", "--sign", "--message", "release", "v1.0.0"]);
    let public = fs::read_to_string(repository.beside("key.pub")).unwrap();
    (repository, public)
}

/// Makes `text` the tag object of this name.
pub(crate) fn put_tag(repository: &TestRepository, name: &str, text: &str) {
    fs::write(repository.beside("tag"), text).unwrap();
    let file = repository.beside("tag");
    let id = repository.git(["hash-object", "-t", "tag", "-w", file.to_str().unwrap()]);
    repository.git(["update-ref", &format!("refs/tags/{name}"), &id]);
}

fn signature(mirror: &Mirror, tag: &str, allowed: Option<&str>) -> GitSignature {
    let signed = mirror.tag_signature(&mirror.tag(tag).unwrap()).unwrap();
    signed.unwrap().judge_ssh(allowed)
}

#[test]
fn an_ssh_signature_is_good_only_for_an_allowed_signer() {
    if is_missing("ssh-keygen") {
        return;
    }
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let (repository, public) = signed(kind);
        let mirror = repository.mirror();
        let unknown = signature(&mirror, "v1.0.0", None);
        assert_eq!(unknown.status, Status::UnknownSigner, "{kind}");
        assert_eq!(unknown.kind.as_deref(), Some("ssh"));
        let printed = succeed(
            Command::new("ssh-keygen")
                .arg("-lf")
                .arg(repository.beside("key.pub")),
        );
        let printed = String::from_utf8(printed.stdout).unwrap();
        assert_eq!(unknown.key.as_deref(), printed.split(' ').nth(1));
        let allowed = format!("ada@example.com namespaces=\"git\" {public}");
        let good = signature(&mirror, "v1.0.0", Some(&allowed));
        assert_eq!(good.status, Status::Good, "{kind}");
        assert_eq!(good.signer.as_deref(), Some("ada@example.com"));
        for allowed in [
            format!("ada@example.com namespaces=\"file\" {public}"),
            format!("ada@example.com valid-before=\"20251231\" {public}"),
            format!("ada@example.com valid-after=\"20260102\" {public}"),
        ] {
            let refused = signature(&mirror, "v1.0.0", Some(&allowed));
            assert_eq!(refused.status, Status::UnknownSigner, "{allowed}");
            assert_eq!(refused.signer, None);
        }
    }
}

#[test]
fn a_signature_over_another_tag_is_bad() {
    if is_missing("ssh-keygen") {
        return;
    }
    let (repository, public) = signed("ed25519");
    let tag = repository.git(["cat-file", "tag", "v1.0.0"]) + "\n";
    let first = repository.git(["rev-parse", "v1.0.0^{commit}~1"]);
    let commit = repository.git(["rev-parse", "v1.0.0^{commit}"]);
    let allowed = format!("ada@example.com {public}");
    for (name, forged) in [
        ("moved", tag.replace(&commit, &first)),
        ("renamed", tag.clone()),
        ("appended", tag.clone() + "unsigned\n"),
        ("garbled", tag.replace("U1NIU0", "V1NIU0")),
    ] {
        let forged = forged.replace("tag v1.0.0\n", &format!("tag {name}\n"));
        put_tag(&repository, name, &forged);
        let found = signature(&repository.mirror(), name, Some(&allowed));
        assert_eq!(found.status, Status::Bad, "{name}");
        assert_eq!(found.signer, None);
    }
}

#[test]
fn a_signature_made_for_files_is_no_signature_on_a_tag() {
    if is_missing("ssh-keygen") {
        return;
    }
    let (repository, public) = signed("ed25519");
    let tag = repository.git(["cat-file", "tag", "v1.0.0"]) + "\n";
    let (payload, _) = tag.split_once("-----BEGIN SSH").unwrap();
    let file = repository.beside("payload");
    fs::write(&file, payload).unwrap();
    succeed(
        Command::new("ssh-keygen")
            .args(["-Y", "sign", "-q", "-n", "file", "-f"])
            .args([repository.beside("key"), file]),
    );
    let other = fs::read_to_string(repository.beside("payload.sig")).unwrap();
    put_tag(&repository, "v1.0.0", &format!("{payload}{other}"));
    let found = signature(&repository.mirror(), "v1.0.0", Some(&format!("a {public}")));
    assert_eq!(found.status, Status::Bad);
}

#[test]
fn tags_and_commits_without_a_signature_have_none() {
    let repository = TestRepository::released();
    repository.git(["tag", "light"]);
    let mirror = repository.mirror();
    for tag in ["light", "v1.0.0"] {
        let tag = mirror.tag(tag).unwrap();
        assert_eq!(mirror.tag_signature(&tag).unwrap(), None);
        assert_eq!(mirror.commit_signature(&tag.commit).unwrap(), None);
    }
}

#[test]
fn a_signature_that_is_malformed_is_bad_whatever_its_kind() {
    let repository = TestRepository::released();
    let tag = repository.git(["cat-file", "tag", "v1.0.0"]) + "\n";
    for (kind, label) in [
        (SignatureKind::Ssh, "SSH SIGNATURE"),
        (SignatureKind::OpenPgp, "PGP SIGNATURE"),
        (SignatureKind::OpenPgp, "PGP MESSAGE"),
        (SignatureKind::X509, "SIGNED MESSAGE"),
    ] {
        let forged = format!("{tag}-----BEGIN {label}-----\n\nAAAA\n-----END {label}-----\n");
        put_tag(&repository, "v1.0.0", &forged);
        let mirror = repository.mirror();
        let tag = mirror.tag("v1.0.0").unwrap();
        let signed = mirror.tag_signature(&tag).unwrap().unwrap();
        assert_eq!(signed.kind, kind);
        if kind != SignatureKind::X509 {
            let found = match kind {
                SignatureKind::Ssh => signed.judge_ssh(None),
                _ => signed.judge_openpgp(None),
            };
            assert_eq!(found.status, Status::Bad, "{label}");
        }
    }
}
