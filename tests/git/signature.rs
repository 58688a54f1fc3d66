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
    signed_by(&["-t", kind])
}

/// As [`signed`], with these arguments of ssh-keygen for the key.
fn signed_by(kind: &[&str]) -> (TestRepository, String) {
    let repository = TestRepository::released();
    make_key(&repository, kind);
    sign(&repository, "key");
    let public = fs::read_to_string(repository.beside("key.pub")).unwrap();
    (repository, public)
}

fn make_key(repository: &TestRepository, kind: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-N", "", "-C", "ada"]).args(kind);
    succeed(command.arg("-f").arg(repository.beside("key")));
}

/// Signs the tag `v1.0.0` anew with a key beside the repository.
fn sign(repository: &TestRepository, key: &str) {
    let key = repository.beside(key);
    repository.git(["config", "gpg.format", "ssh"]);
    repository.git(["config", "user.signingKey", key.to_str().unwrap()]);
    let tag = ["tag", "--force", "--sign", "--message", "release", "v1.0.0"];
    repository.git(tag);
}

/// Signs the tag with a new key that has a certificate; returns the allowed signers file that
/// names who certified it.
fn sign_certified(repository: &TestRepository, kind: &str) -> String {
    make_key(repository, &["-t", kind]);
    let authority = repository.beside("authority");
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-N", "", "-t", "ed25519", "-f"]);
    succeed(command.arg(&authority));
    let mut command = Command::new("ssh-keygen");
    command.arg("-q").arg("-s").arg(&authority);
    command.args(["-I", "ada", "-n", "ada@example.com"]);
    succeed(command.arg(repository.beside("key.pub")));
    sign(repository, "key-cert.pub");
    let public = fs::read_to_string(repository.beside("authority.pub")).unwrap();
    format!("ada@example.com cert-authority,namespaces=\"git\" {public}")
}

/// That git itself calls the tag's signature good.
fn assert_good_for_git(repository: &TestRepository, allowed: &str) {
    let file = repository.beside("allowed");
    fs::write(&file, allowed).unwrap();
    let setting = format!("gpg.ssh.allowedSignersFile={}", file.display());
    repository.git(["-c", &setting, "verify-tag", "v1.0.0"]);
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
fn an_ssh_signature_by_a_key_that_proves_nothing_or_is_not_supported_is_not_checked() {
    if is_missing("ssh-keygen") {
        return;
    }
    for (kind, bits, reason) in [
        ("rsa", "1024", "RSA keys of 1024 bits prove nothing"),
        ("rsa", "4104", "RSA keys of 4104 bits are not supported"),
        (
            "ecdsa",
            "521",
            "keys of the kind ecdsa-sha2-nistp521 are not supported",
        ),
    ] {
        let (repository, public) = signed_by(&["-t", kind, "-b", bits]);
        let allowed = format!("ada@example.com {public}");
        assert_good_for_git(&repository, &allowed);
        let found = signature(&repository.mirror(), "v1.0.0", Some(&allowed));
        assert_eq!(found.status, Status::NotChecked, "{reason}");
        assert_eq!(found.reason.as_deref(), Some(reason));
        assert_eq!(found.signer, None);
        assert!(found.key.unwrap().starts_with("SHA256:"));
    }
}

#[test]
fn an_ssh_signature_by_a_key_with_a_certificate_is_not_checked() {
    if is_missing("ssh-keygen") {
        return;
    }
    for (kind, name) in [
        ("ed25519", "ssh-ed25519"),
        ("ecdsa", "ecdsa-sha2-nistp256"),
        ("rsa", "ssh-rsa"),
    ] {
        let repository = TestRepository::released();
        let allowed = sign_certified(&repository, kind);
        assert_good_for_git(&repository, &allowed);
        let found = signature(&repository.mirror(), "v1.0.0", Some(&allowed));
        assert_eq!(found.status, Status::NotChecked, "{kind}");
        let reason = format!("keys with an OpenSSH certificate ({name}) are not supported");
        assert_eq!(found.reason, Some(reason));
        assert_eq!((found.signer, found.key), (None, None));
    }
}

#[test]
fn a_malformed_signature_by_a_key_with_a_certificate_is_bad() {
    if is_missing("ssh-keygen") {
        return;
    }
    let repository = TestRepository::released();
    sign_certified(&repository, "ed25519");
    let tag = repository.git(["cat-file", "tag", "v1.0.0"]) + "\n";
    let (head, body) = tag.split_once("SIGNATURE-----\n").unwrap();
    let lines: Vec<&str> = body.lines().collect();
    // Two lines of base64 are whole bytes.
    let cut = lines[2..].join("\n");
    let doubled = format!("{}\n{body}", lines[..2].join("\n"));
    let garbled = body.replacen("U1NIU0", "V1NIU0", 1);
    let appended = format!("{body}unsigned\n");
    for body in [cut + "\n", doubled, garbled, appended] {
        put_tag(
            &repository,
            "v1.0.0",
            &format!("{head}SIGNATURE-----\n{body}"),
        );
        let found = signature(&repository.mirror(), "v1.0.0", None);
        assert_eq!(found.status, Status::Bad, "{body}");
        assert_eq!(found.reason.as_deref(), Some("it is malformed"));
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
