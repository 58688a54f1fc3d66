//! What an archive keeps of the signatures, and that stock tools repeat the check from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::{put_tag, sign, sign_certified};
use crate::sample;
use crate::support::git::{git_command, is_missing, succeed};
use crate::support::gnupg::Gnupg;
use crate::support::release::{NAME, Product, copy_of, dhfpack, released, told};
use crate::support::small::{Small, manifest, tells};

/// The commands of docs/format.md: those for every kind, and those marked with one of `kinds`.
fn documented(kinds: &[&str]) -> String {
    let text = include_str!("../../../docs/format.md");
    let (_, section) = text.split_once("### Who signed the source\n").unwrap();
    let mut commands = String::new();
    for block in section.split("```sh").skip(1) {
        let (kind, rest) = block.split_once('\n').unwrap();
        let (block, _) = rest.split_once("```").unwrap();
        if kind.is_empty() || kinds.contains(&kind.trim()) {
            commands.push_str(block);
        }
    }
    assert!(commands.contains("verify-tag"), "{commands}");
    commands
}

/// Runs the commands in the archive, which stop at the first that fails.
fn shell(archive: &Path, commands: &str) -> Output {
    let end = "gpgconf --kill all 2>/dev/null";
    Command::new("sh")
        .args(["-c", &format!("trap '{end}' EXIT; set -e\n{commands}")])
        .current_dir(archive)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", archive)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap()
}

/// As documented, for the commit too.
fn for_commit(commands: &str) -> String {
    let line = commands
        .lines()
        .find(|line| line.contains("verify-tag"))
        .unwrap();
    let commit = line.replace("verify-tag \"$TAG\"", "verify-commit \"$TAG^{commit}\"");
    assert_ne!(line, commit);
    commands.replace(line, &commit)
}

fn trust_file(archive: &Path, name: &str) -> PathBuf {
    archive.join("Release Record/Configuration").join(name)
}

#[test]
fn the_documented_commands_repeat_the_check_of_an_ssh_signature() {
    if is_missing("ssh-keygen") {
        return;
    }
    let (_place, archive) = copy_of(&released().archive);
    let commands = documented(&[]);
    let good = shell(&archive, &commands);
    assert!(good.status.success(), "{}", told(&good));
    tells(
        &told(&good),
        &["Good \"git\" signature for mara.lindqvist@example.com"],
    );
    fs::write(trust_file(&archive, "allowed_signers"), "# nobody\n").unwrap();
    let bad = shell(&archive, &commands);
    assert!(!bad.status.success(), "{}", told(&bad));
}

/// The sample product, with a tag signed by `gpg` and its commit by `gpgsm`, or the other way
/// round, and its archive.
fn signed_with_gnupg(gnupg: &Gnupg, on_tag: &str, on_commit: &str) -> (TempDir, PathBuf) {
    let product = Product::new();
    let repository = product.repository();
    let place = TempDir::new().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = git_command(&repository);
        for person in ["AUTHOR", "COMMITTER"] {
            // Not before the certificates.
            command.env_remove(format!("GIT_{person}_DATE"));
        }
        command.args(["-c", "user.signingKey=/CN=Ada", "-c", "tag.gpgSign=false"]);
        succeed(command.env("GNUPGHOME", gnupg.home()).args(arguments))
    };
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        command
            .args(arguments.split_whitespace())
            .current_dir(place.path());
        succeed(&mut command);
    };
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout key -out crt -subj /CN=Ada -days 30 -addext keyUsage=digitalSignature,keyCertSign",
    );
    let crt = place.path().join("crt");
    gnupg.add_certificate(&place.path().join("key"), &crt, &crt);
    gnupg.key("Ada <ada@example.com>", "ed25519", "sign,cert");
    gnupg.set("20260101T000000", "default-key ada@example.com");
    let config = repository.join("dhfpack.toml");
    let text = fs::read_to_string(&config).unwrap();
    let keys = "openpgp_keys = \"release/keys.asc\"\nx509_certificates = \"release/ca.pem\"";
    let changed = text.replace("allowed_signers = \"release/allowed_signers\"", keys);
    assert_ne!(text, changed);
    fs::write(&config, changed).unwrap();
    fs::write(
        repository.join("release/keys.asc"),
        gnupg.export("ada@example.com"),
    )
    .unwrap();
    fs::copy(place.path().join("crt"), repository.join("release/ca.pem")).unwrap();
    run(&["add", "--all"]);
    let with = |kind: &str| match kind {
        "openpgp" => [
            "-c",
            "gpg.format=openpgp",
            "-c",
            "user.signingKey=ada@example.com",
        ],
        _ => ["-c", "gpg.format=x509", "-c", "user.signingKey=/CN=Ada"],
    };
    run(&[
        &with(on_commit)[..],
        &["commit", "-q", "-S", "-m", "Change"],
    ]
    .concat());
    run(&[
        &with(on_tag)[..],
        &["tag", "-f", "-s", "-m", "Release", "v2.4.0"],
    ]
    .concat());
    let head = run(&["rev-parse", "HEAD"]).stdout;
    let head = String::from_utf8(head).unwrap();
    let image = place.path().join("image");
    sample::make_image(&image, head.trim()).unwrap();
    let mut command = dhfpack();
    command.args(["build", "--repo"]).arg(&repository);
    command.arg("--output").arg(place.path());
    command
        .arg("--image")
        .arg(format!("install=oci:{}", image.display()));
    command.arg("--key").arg(product.key("builder"));
    command
        .arg("--certificate")
        .arg(product.certificate("builder"));
    let built = command.output().unwrap();
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    let archive = place.path().join(NAME);
    (place, archive)
}

#[test]
fn the_documented_commands_repeat_the_checks_of_openpgp_and_x509_signatures() {
    if ["gpg", "gpgsm", "openssl"].into_iter().any(is_missing) {
        return;
    }
    for (on_tag, on_commit) in [("openpgp", "x509"), ("x509", "openpgp")] {
        let Some(gnupg) = Gnupg::open() else { return };
        let (_place, archive) = signed_with_gnupg(&gnupg, on_tag, on_commit);
        let source = manifest(&archive)["source"].clone();
        for (signature, kind) in [("tag_signature", on_tag), ("commit_signature", on_commit)] {
            assert_eq!(source[signature]["status"], "good", "{source}");
            assert_eq!(source[signature]["kind"], kind);
        }
        let commands = documented(&[on_tag]);
        let good = shell(&archive, &commands);
        assert!(good.status.success(), "{on_tag}: {}", told(&good));
        tells(&told(&good), &["Good signature from"]);
        let commit = shell(&archive, &for_commit(&documented(&[on_commit])));
        assert!(commit.status.success(), "{on_commit}: {}", told(&commit));
        let file = match on_tag {
            "x509" => {
                let openssl = shell(&archive, &documented(&["x509", "openssl"]));
                assert!(openssl.status.success(), "{}", told(&openssl));
                tells(&told(&openssl), &["Verification successful"]);
                "x509-certificates.pem"
            }
            _ => "openpgp-keys.asc",
        };
        // Somebody else's.
        let other = match on_tag {
            "x509" => {
                let builder = released().product.certificate("builder");
                fs::read_to_string(builder).unwrap()
            }
            _ => include_str!("keys.asc").to_owned(),
        };
        fs::write(trust_file(&archive, file), other).unwrap();
        let bad = shell(&archive, &commands);
        assert!(!bad.status.success(), "{on_tag}: {}", told(&bad));
    }
}

#[test]
fn the_page_and_show_say_who_signed_the_tag() {
    let archive = &released().archive;
    let page = fs::read_to_string(archive.join("index.html")).unwrap();
    let shown = crate::support::release::succeed(["show".as_ref(), archive.as_os_str()]);
    for text in [page, shown] {
        tells(
            &text,
            &["a good signature by mara.lindqvist@example.com (ssh key SHA256:"],
        );
        tells(&text, &["no signature"]);
    }
}

#[test]
fn trust_files_are_archived_as_they_are_and_an_archive_with_them_is_rebuilt() {
    let Some(gnupg) = Gnupg::open() else { return };
    let key = gnupg.key("Ada <ada@example.com>", "ed25519", "sign,cert");
    let rest = "\n[source]\nopenpgp_keys = \"/keys/ada.asc\"\nallowed_signers = \"signers\"\nrequire_signed_tag = true\n";
    let small = Small::new(rest);
    let keys = format!("Ada's key:\r\n{}", gnupg.export(&key));
    small.repository.write("keys/ada.asc", keys.as_bytes());
    small.repository.write("signers", b"# nobody yet\n");
    small.repository.commit_all("release");
    let unsigned = small.repository.git(["rev-parse", "HEAD"]);
    small.repository.tag("v1.0.0");
    let refused = small.failure::<&str>([], 1);
    tells(
        &refused,
        &["the tag `v1.0.0` has no signature; a good signature is required"],
    );
    gnupg.set("20260101T000000", "");
    let tag = [
        "tag",
        "--force",
        "--sign",
        "--local-user",
        &key,
        "--message",
        "x",
        "v1.0.0",
    ];
    gnupg.git(&small.repository, &tag);
    let manifest = small.manifest();
    assert_eq!(manifest["source"]["commit"], unsigned.as_str());
    assert_eq!(manifest["source"]["commit_signature"]["status"], "none");
    let archive = small.archive();
    assert_eq!(
        fs::read_to_string(trust_file(&archive, "openpgp-keys.asc")).unwrap(),
        keys
    );
    let file = |name: &str| {
        let files = manifest["files"].as_array().unwrap();
        let path = format!("Release Record/Configuration/{name}");
        files
            .iter()
            .find(|file| file["path"] == path.as_str())
            .cloned()
    };
    assert_eq!(file("allowed_signers").unwrap()["origin"], "input");
    assert_eq!(file("openpgp-keys.asc").unwrap()["slot"], Value::Null);
    assert_eq!(file("x509-certificates.pem"), None);
    let mut command = dhfpack();
    command
        .arg("rebuild")
        .arg(&archive)
        .arg("--repo")
        .arg(small.repository.path());
    let rebuilt = command.output().unwrap();
    assert_eq!(rebuilt.status.code(), Some(0), "{}", told(&rebuilt));
    tells(&told(&rebuilt), &["verdict   identical"]);
}

/// A small product whose commit and tag are signed by a key with an OpenSSH certificate.
fn signed_by_a_certified_key(rest: &str) -> Small {
    let small = Small::new(&format!(
        "\n[source]\nallowed_signers = \"signers\"\n{rest}"
    ));
    small.repository.write("signers", b"# nobody yet\n");
    let small = small.release();
    sign_certified(&small.repository, "ed25519");
    let commit = ["commit", "-q", "--allow-empty", "-S", "-m", "signed"];
    small.repository.git(commit);
    sign(&small.repository, "key-cert.pub");
    small
}

#[test]
fn a_signature_by_a_key_with_a_certificate_is_recorded_as_not_checked() {
    if is_missing("ssh-keygen") {
        return;
    }
    let small = signed_by_a_certified_key("require_signed_tag = false\n");
    let manifest = small.manifest();
    for field in ["tag_signature", "commit_signature"] {
        let found = &manifest["source"][field];
        assert_eq!(found["status"], "not-checked");
        let reason = found["reason"].as_str().unwrap();
        assert!(reason.contains("certificate"), "{reason}");
    }
}

#[test]
fn a_signature_that_is_not_checked_is_not_enough_where_a_good_one_is_required() {
    if is_missing("ssh-keygen") {
        return;
    }
    let small = signed_by_a_certified_key("require_signed_tag = true\n");
    tells(
        &small.failure::<&str>([], 1),
        &[
            "the tag `v1.0.0` has a signature that cannot be judged",
            "a good signature is required",
            "with ssh a plain one without a certificate",
        ],
    );
}

#[test]
fn of_a_bad_signature_it_is_not_said_that_a_good_one_is_required_where_none_is() {
    let rest = "\n[source]\nrequire_signed_tag = false\n";
    let small = Small::new(rest).release();
    let tag = small.repository.git(["cat-file", "tag", "v1.0.0"]);
    let forged = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----";
    put_tag(&small.repository, "v1.0.0", &format!("{tag}\n{forged}\n"));
    let message = small.failure::<&str>([], 1);
    tells(
        &message,
        &["does not match it: it is malformed", "make it anew"],
    );
    assert!(!message.contains("required"), "{message}");
}

#[test]
fn a_trust_file_that_names_nobody_who_could_sign_is_refused() {
    for (key, text, reason) in [
        ("openpgp_keys", "nothing", "holds no whole block"),
        ("x509_certificates", "nothing", "holds no certificate"),
        (
            "x509_certificates",
            "-----BEGIN PRIVATE KEY-----\n",
            "holds a private key",
        ),
        (
            "allowed_signers",
            "-----BEGIN OPENSSH PRIVATE KEY-----\n",
            "holds a private key",
        ),
    ] {
        let small = Small::new(&format!("\n[source]\n{key} = \"file\"\n"));
        small.repository.write("file", text.as_bytes());
        let small = small.release();
        let message = small.failure::<&str>([], 2);
        tells(
            &message,
            &[
                &format!("source.{key} cannot be used: file at `v1.0.0`"),
                reason,
            ],
        );
    }
}
