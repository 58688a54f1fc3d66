use dhfpack::manifest::{GitSignature, GitSignatureStatus as Status};
use dhfpack::source::git::{KeysError, OpenPgpKeys};
use pgp::composed::{ArmorOptions, Deserializable, SignedPublicKey};
use proptest::prelude::*;

use super::put_tag;
use crate::support::git::TestRepository;
use crate::support::gnupg::Gnupg;

/// A repository, and people with keys.
struct Scene {
    gnupg: Gnupg,
    repository: TestRepository,
}

const ADA: &str = "Ada <ada@example.com>";
const MALLORY: &str = "Mallory <mallory@example.com>";
/// When tags are signed.
const TODAY: &str = "20260101T000000";

impl Scene {
    fn open() -> Option<Self> {
        let scene = Self {
            gnupg: Gnupg::open()?,
            repository: TestRepository::released(),
        };
        Some(scene)
    }

    /// Signs a new tag of this name today.
    fn sign(&self, key: &str, name: &str) {
        self.sign_with(key, name, "");
    }

    fn sign_with(&self, key: &str, name: &str, configuration: &str) {
        self.gnupg.set(TODAY, configuration);
        let message =
            "release\n\n-----BEGIN PGP SIGNATURE-----\n\nquoted\n-----END PGP SIGNATURE-----\n";
        let key = format!("{key}!");
        let tag = [
            "tag",
            "--sign",
            "--local-user",
            &key,
            "--message",
            message,
            name,
        ];
        self.gnupg.git(&self.repository, &tag);
    }

    fn judge(&self, tag: &str, keys: &str) -> GitSignature {
        let mirror = self.repository.mirror();
        let tag = mirror.tag(tag).unwrap();
        let signed = mirror.tag_signature(&tag).unwrap().unwrap();
        signed.judge_openpgp(Some(&OpenPgpKeys::parse(keys).unwrap()))
    }

    /// Makes a tag of the text of another, changed.
    fn forge(&self, from: &str, name: &str, change: impl Fn(&str) -> String) {
        let text = self.repository.git(["cat-file", "tag", from]) + "\n";
        let text = text.replace(&format!("tag {from}\n"), &format!("tag {name}\n"));
        put_tag(&self.repository, name, &change(&text));
    }
}

#[test]
fn keys_of_every_usual_kind_sign_and_so_do_their_subkeys() {
    let Some(scene) = Scene::open() else { return };
    for algorithm in ["ed25519", "rsa3072", "nistp256", "nistp384"] {
        scene.gnupg.set("20250601T000000", "");
        let user = format!("{algorithm} <{algorithm}@example.com>");
        let primary = scene.gnupg.key(&user, algorithm, "sign,cert");
        let of_subkey = format!(
            "{algorithm}{}",
            if algorithm.starts_with("nist") {
                "/ecdsa"
            } else {
                ""
            }
        );
        scene
            .gnupg
            .gpg(&["--quick-add-key", &primary, &of_subkey, "sign", "2y"]);
        let subkey = scene.gnupg.fingerprint(&user);
        assert_ne!(primary, subkey);
        let keys = scene.gnupg.export(&user);
        for (key, name) in [(&primary, "primary"), (&subkey, "subkey")] {
            let name = format!("{algorithm}-{name}");
            scene.sign(key, &name);
            let found = scene.judge(&name, &keys);
            assert_eq!(found.status, Status::Good, "{name}: {found}");
            assert_eq!(found.kind.as_deref(), Some("openpgp"));
            assert_eq!(found.key.as_deref(), Some(key.as_str()));
            assert_eq!(found.signer.as_deref(), Some(user.as_str()));
        }
    }
}

/// What is done to Ada's keys after she signed, as the keys' file has them then.
type Row = (&'static str, fn(&Gnupg, &str) -> String, &'static str);

// A matrix: one row a line.
#[rustfmt::skip]
fn rows() -> Vec<Row> {
    vec![
        ("another's key", |g, _| g.export(MALLORY), "does not hold this key"),
        ("a key revoked in the keyring", |g, key| { import_revocation(g, key); g.export(ADA) }, "its key was revoked"),
        ("a revocation beside the key", |g, key| g.export(ADA) + &g.revocation(key), "its key was revoked"),
        ("a revocation before the key", |g, key| g.revocation(key) + &g.export(ADA), "its key was revoked"),
        ("a key revoked in an older copy only", |g, key| { let newer = g.export(ADA); import_revocation(g, key); g.export(ADA) + &newer }, "its key was revoked"),
        ("a key that had expired", |g, key| { g.set("20251101T000000", ""); g.gpg(&["--quick-set-expire", key, "30d"]); g.export(ADA) }, "its key had expired"),
        ("a key not for signing", |g, _| { g.set("20251101T000000", ""); g.edit(ADA, "change-usage\nS\nQ\nsave\n"); g.export(ADA) }, "is not one for signing"),
    ]
}

fn import_revocation(gnupg: &Gnupg, key: &str) {
    let file = gnupg.path("revocation.asc");
    std::fs::write(&file, gnupg.revocation(key)).unwrap();
    gnupg.gpg(&["--import", file.to_str().unwrap()]);
}

#[test]
fn a_key_that_the_file_does_not_let_sign_makes_no_good_signature() {
    for (name, keys, reason) in rows() {
        let Some(scene) = Scene::open() else { return };
        let key = scene.gnupg.key(ADA, "ed25519", "sign,cert");
        scene.gnupg.key(MALLORY, "ed25519", "sign,cert");
        scene.sign(&key, "v2");
        let good = scene.judge("v2", &scene.gnupg.export(ADA));
        assert_eq!(good.status, Status::Good, "{name}: {good}");
        let found = scene.judge("v2", &keys(&scene.gnupg, &key));
        assert_eq!(found.status, Status::UnknownSigner, "{name}: {found}");
        assert_eq!(found.signer, None, "{name}");
        assert_eq!(found.key.as_deref(), Some(key.as_str()), "{name}");
        let told = found.reason.unwrap();
        assert!(told.contains(reason), "{name}: {told}");
    }
}

#[test]
fn a_user_id_that_was_revoked_does_not_stand_for_the_key() {
    let Some(scene) = Scene::open() else { return };
    let key = scene.gnupg.key(ADA, "ed25519", "sign,cert");
    scene
        .gnupg
        .gpg(&["--quick-add-uid", ADA, "Ada Byron <ada@example.com>"]);
    scene.sign(&key, "v2");
    scene.gnupg.gpg(&["--quick-revoke-uid", &key, ADA]);
    let found = scene.judge("v2", &scene.gnupg.export(&key));
    assert_eq!(found.status, Status::Good, "{found}");
    assert_eq!(found.signer.as_deref(), Some("Ada Byron <ada@example.com>"));
}

#[test]
fn an_expired_key_is_good_again_once_it_was_prolonged() {
    let Some(scene) = Scene::open() else { return };
    let key = scene.gnupg.key(ADA, "ed25519", "sign,cert");
    scene.sign(&key, "v2");
    scene.gnupg.set("20251101T000000", "");
    scene.gnupg.gpg(&["--quick-set-expire", &key, "30d"]);
    let expired = scene.gnupg.export(ADA);
    scene.gnupg.set("20260201T000000", "");
    scene.gnupg.gpg(&["--quick-set-expire", &key, "1y"]);
    let prolonged = scene.gnupg.export(ADA);
    for (keys, status) in [
        (expired.clone(), Status::UnknownSigner),
        (prolonged.clone(), Status::Good),
        (expired + &prolonged, Status::Good),
    ] {
        assert_eq!(scene.judge("v2", &keys).status, status);
    }
}

#[test]
fn a_subkey_signs_for_the_primary_key_that_it_vouches_for_only() {
    let Some(scene) = Scene::open() else { return };
    let primary = scene.gnupg.key(ADA, "ed25519", "cert");
    scene
        .gnupg
        .gpg(&["--quick-add-key", &primary, "ed25519", "sign", "2y"]);
    let subkey = scene.gnupg.fingerprint(ADA);
    scene.gnupg.key(MALLORY, "ed25519", "sign,cert");
    scene.sign(&subkey, "v2");
    let ada = scene.gnupg.export(ADA);
    assert_eq!(scene.judge("v2", &ada).status, Status::Good);
    // Mallory claims Ada's subkey, with her binding and with none.
    let parse = |text: &str| SignedPublicKey::from_string(text).unwrap().0;
    let mut stolen = parse(&scene.gnupg.export(MALLORY));
    stolen.public_subkeys = parse(&ada).public_subkeys;
    let stolen = stolen.to_armored_string(ArmorOptions::default()).unwrap();
    let found = scene.judge("v2", &stolen);
    assert_eq!(found.status, Status::UnknownSigner, "{found}");
    assert!(found.reason.unwrap().contains("does not belong"));
    // The subkey is revoked, not its primary key.
    scene.gnupg.edit(ADA, "key 1\nrevkey\ny\n0\n\ny\nsave\n");
    let found = scene.judge("v2", &scene.gnupg.export(ADA));
    assert_eq!(found.status, Status::UnknownSigner, "{found}");
    assert!(found.reason.unwrap().contains("subkey was revoked"));
}

#[test]
fn a_changed_tag_and_a_signature_with_more_to_it_are_bad() {
    let Some(scene) = Scene::open() else { return };
    let key = scene.gnupg.key(ADA, "ed25519", "sign,cert");
    scene.sign(&key, "v2");
    let keys = scene.gnupg.export(ADA);
    let first = scene.repository.git(["rev-parse", "HEAD~1"]);
    let head = scene.repository.git(["rev-parse", "HEAD"]);
    scene.forge("v2", "renamed", str::to_owned);
    scene.forge("v2", "v2", |tag| tag.replace(&head, &first));
    assert_eq!(scene.judge("v2", &keys).status, Status::Bad);
    assert_eq!(scene.judge("renamed", &keys).status, Status::Bad);
    scene.sign(&key, "v3");
    for (name, change) in [
        (
            "trailing",
            (|tag| format!("{tag}more\n")) as fn(&str) -> String,
        ),
        ("cut", |tag| {
            tag.replace("-----END PGP SIGNATURE-----\n", "")
                .replace("quoted\n", "quoted\n-----END PGP SIGNATURE-----\n")
        }),
        ("emptied", |tag| {
            let start = tag.rfind("-----BEGIN").unwrap();
            format!(
                "{}-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n",
                &tag[..start]
            )
        }),
    ] {
        scene.forge("v3", name, |tag| {
            change(tag).replace(&format!("tag {name}\n"), "tag v3\n")
        });
        let id = scene
            .repository
            .git(["rev-parse", &format!("refs/tags/{name}")]);
        scene.repository.git(["update-ref", "refs/tags/v3", &id]);
        let found = scene.judge("v3", &keys);
        assert_eq!(found.status, Status::Bad, "{name}: {found}");
        assert_eq!(found.reason.as_deref(), Some("it is malformed"), "{name}");
    }
}

#[test]
fn a_broken_digest_and_a_signature_that_expires_are_not_judged() {
    let Some(scene) = Scene::open() else { return };
    let key = scene.gnupg.key(ADA, "rsa2048", "sign,cert");
    let keys = scene.gnupg.export(ADA);
    for (name, configuration, reason) in [
        ("sha1", "digest-algo SHA1", "SHA1 proves nothing"),
        ("expires", "default-sig-expire 2y", "it expires"),
    ] {
        scene.sign_with(&key, name, configuration);
        let found = scene.judge(name, &keys);
        assert_eq!(found.status, Status::NotChecked, "{name}: {found}");
        assert!(found.reason.unwrap().contains(reason), "{name}");
        assert_eq!(found.signer, None);
    }
}

#[test]
fn a_signed_commit_is_judged_by_the_same_keys_in_either_object_format() {
    let Some(gnupg) = Gnupg::open() else { return };
    let key = gnupg.key(ADA, "ed25519", "sign,cert");
    let keys = OpenPgpKeys::parse(&gnupg.export(ADA)).unwrap();
    gnupg.set(TODAY, "");
    for format in ["sha1", "sha256"] {
        let repository = TestRepository::with_format(format);
        repository.write("a", b"a");
        repository.git(["add", "a"]);
        gnupg.git(
            &repository,
            &[
                "commit",
                "--quiet",
                &format!("--gpg-sign={key}"),
                "--message",
                "x",
            ],
        );
        let mirror = repository.mirror();
        let head = repository.git(["rev-parse", "HEAD"]);
        let signed = mirror.commit_signature(&head).unwrap().unwrap();
        let found = signed.judge_openpgp(Some(&keys));
        assert_eq!(found.status, Status::Good, "{format}: {found}");
        // A second author's commit under the first one's signature.
        let text = repository.git(["cat-file", "commit", "HEAD"]) + "\n";
        let forged = text.replacen("author Ada", "author Eve", 1);
        std::fs::write(repository.beside("forged"), forged).unwrap();
        let file = repository.beside("forged");
        let id = repository.git(["hash-object", "-t", "commit", "-w", file.to_str().unwrap()]);
        repository.git(["update-ref", "refs/heads/main", &id]);
        let signed = repository.mirror().commit_signature(&id).unwrap().unwrap();
        assert_eq!(
            signed.judge_openpgp(Some(&keys)).status,
            Status::Bad,
            "{format}"
        );
    }
}

#[test]
fn a_file_that_is_no_list_of_public_keys_is_refused() {
    let parse = |text: &str| OpenPgpKeys::parse(text).err();
    assert_eq!(parse(""), Some(KeysError::NoBlock));
    let begin = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    let end = "-----END PGP PUBLIC KEY BLOCK-----";
    assert_eq!(parse(begin), Some(KeysError::NoBlock));
    let junk = format!("{begin}\n\nAAAA\n{end}\n");
    assert_eq!(parse(&junk), Some(KeysError::Malformed { number: 1 }));
    let Some(gnupg) = Gnupg::open() else { return };
    gnupg.key(ADA, "ed25519", "sign,cert");
    let secret = gnupg.gpg(&["--armor", "--export-secret-keys", ADA]);
    assert_eq!(parse(&secret), Some(KeysError::NoBlock));
    let disguised = secret.replace("PRIVATE", "PUBLIC");
    assert_eq!(parse(&disguised), Some(KeysError::Secret));
    let two = format!("{}\nof two\n{}", gnupg.export(ADA), gnupg.export(ADA));
    assert_eq!(parse(&two), None);
}

/// A key and a signature by it, as text.
const KEYS: &str = include_str!("keys.asc");
const SIGNATURE: &str = include_str!("signature.asc");

fn judge_text(keys: &str, signature: &str) -> Option<GitSignature> {
    let signed = dhfpack::source::git::Signed {
        kind: dhfpack::source::git::SignatureKind::OpenPgp,
        payload: b"hello\n".to_vec(),
        signature: signature.as_bytes().to_vec(),
        date: jiff::Timestamp::UNIX_EPOCH,
    };
    let keys = OpenPgpKeys::parse(keys).ok()?;
    Some(signed.judge_openpgp(Some(&keys)))
}

/// The characters of Base64.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The armour with some bytes inside it changed, and without the checksum.
fn damaged(armour: &str, changes: &[(usize, u8)]) -> String {
    let (head, rest) = armour.split_once("\n\n").unwrap();
    let (body, tail) = rest.split_once("\n=").unwrap();
    let mut bytes: Vec<u8> = body.bytes().collect();
    for (place, to) in changes {
        let place = place % bytes.len();
        if ALPHABET.contains(&bytes[place]) {
            bytes[place] = ALPHABET[usize::from(*to) % 64];
        }
    }
    let body = String::from_utf8(bytes).unwrap();
    let end = &tail[tail.find('\n').unwrap()..];
    format!("{head}\n\n{body}{end}")
}

#[test]
fn the_fixture_of_the_fuzzed_test_is_good() {
    let found = judge_text(KEYS, SIGNATURE).unwrap();
    assert_eq!(found.status, Status::Good, "{found}");
    let found = judge_text(&damaged(KEYS, &[]), &damaged(SIGNATURE, &[])).unwrap();
    assert_eq!(found.status, Status::Good, "{found}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_keys_and_signatures_never_panic(
        in_keys in proptest::collection::vec((0_usize..4096, 0_u8..64), 0..4),
        in_signature in proptest::collection::vec((0_usize..4096, 0_u8..64), 0..4),
    ) {
        let keys = damaged(KEYS, &in_keys);
        let _ = judge_text(&keys, &damaged(SIGNATURE, &in_signature));
    }
}
