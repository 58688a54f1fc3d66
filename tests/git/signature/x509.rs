//! X.509 signatures, from a build to the manifest. OpenSSL makes what smimesign would, gpgsm what
//! it makes.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use der::pem::LineEnding;
use dhfpack::sign::{Certificate, Signer, cms, generate};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use super::put_tag;
use crate::support::git::{is_missing, succeed};
use crate::support::gnupg::Gnupg;
use crate::support::release::told;
use crate::support::small::{Small, manifest, tells};

const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const SIGNS: &str = "keyUsage=critical,digitalSignature";
const CERTIFIES: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign";

/// A product whose records, with the certificates that may sign, come after its tag.
struct Scene {
    small: Small,
    /// The tag without a signature.
    tag: String,
}

impl Scene {
    fn open() -> Option<Self> {
        if is_missing("openssl") {
            return None;
        }
        let rest = "\n[source]\nx509_certificates = \"signers.pem\"\n\n[records]\nrev = \"main\"\n";
        let small = Small::new(rest).release();
        let tag = small.repository.git(["cat-file", "tag", "v1.0.0"]) + "\n";
        fs::write(
            small.path("empty.cnf"),
            "[req]\ndistinguished_name=dn\n[dn]\n",
        )
        .unwrap();
        Some(Self { small, tag })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.small.path(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs OpenSSL beside the repository, with arguments separated by spaces.
    fn openssl(&self, arguments: &str) {
        succeed(
            Command::new("openssl")
                .args(arguments.split_whitespace())
                .current_dir(self.path("."))
                .env("OPENSSL_CONF", self.path("empty.cnf")),
        );
    }

    /// A key in NAME.key and a certificate in NAME.crt: by `issuer`, or by itself.
    fn certificate(&self, name: &str, issuer: Option<&str>, key: &str, extensions: &str) {
        let extensions = format!("subjectKeyIdentifier=hash\n{extensions}\n");
        fs::write(self.path("extensions"), extensions).unwrap();
        self.openssl(&format!("genpkey {key} -out {name}.key"));
        self.openssl(&format!(
            "req -new -key {name}.key -subj /CN={name} -out {name}.csr"
        ));
        let by = match issuer {
            Some(issuer) => format!("-CA {issuer}.crt -CAkey {issuer}.key -CAcreateserial"),
            None => format!("-signkey {name}.key"),
        };
        self.openssl(&format!(
            "x509 -req -in {name}.csr {by} -days 30 -extfile extensions -out {name}.crt"
        ));
    }

    /// A tag with this message, signed with OpenSSL by NAME.
    fn signed(&self, name: &str, options: &str, message: &str) -> String {
        let payload = format!("{}{message}", self.tag);
        fs::write(self.path("payload"), &payload).unwrap();
        self.openssl(&format!(
            "cms -sign -binary -in payload -signer {name}.crt -inkey {name}.key -outform PEM -out signature {options}"
        ));
        payload + &self.read("signature").replace(" CMS-", " SIGNED MESSAGE-")
    }

    /// Builds with this tag and these certificates.
    fn build(&self, tag: &str, trusted: &str) -> Output {
        put_tag(&self.small.repository, "v1.0.0", tag);
        self.small
            .repository
            .commit_file("signers.pem", trusted.as_bytes());
        self.small.build(["--tag", "v1.0.0"])
    }

    /// What the manifest says of the tag's signature.
    fn judged(&self, tag: &str, trusted: &str) -> Value {
        let built = self.build(tag, trusted);
        assert_eq!(built.status.code(), Some(0), "{}", told(&built));
        let manifest = manifest(&self.small.archive());
        fs::remove_dir_all(self.small.archive()).unwrap();
        manifest["source"]["tag_signature"].clone()
    }

    /// Everybody who occurs in the tests below.
    fn people(&self) {
        self.certificate("root", None, P256, CERTIFIES);
        self.certificate("other", None, P256, CERTIFIES);
        self.certificate("middle", Some("root"), P256, CERTIFIES);
        self.certificate("ada", Some("root"), P256, SIGNS);
        self.certificate("ben", Some("middle"), P256, SIGNS);
        let rsa = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
        self.certificate("rsa", Some("root"), rsa, SIGNS);
        self.certificate(
            "reader",
            Some("root"),
            P256,
            "keyUsage=critical,keyAgreement",
        );
        self.certificate("modern", Some("root"), "-algorithm ED448", SIGNS);
    }
}

/// Who signs, with which options of OpenSSL; who is trusted; what is found, and why.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

// A matrix: one row a line.
#[rustfmt::skip]
const ROWS: [Row; 11] = [
    ("ada", "", "root", "good", ""),
    ("ada", "-nosmimecap", "ada", "good", ""),
    ("ada", "-keyid -md sha512", "root", "good", ""),
    ("ada", "-nocerts", "ada", "good", ""),
    ("rsa", "", "root", "good", ""),
    ("ben", "-certfile middle.crt", "root", "good", ""),
    ("ben", "", "root", "unknown-signer", "no trusted certificate leads"),
    ("ada", "", "other", "unknown-signer", "no trusted certificate leads"),
    ("ada", "-nocerts", "root", "unknown-signer", "certificate is not inside"),
    ("reader", "", "root", "unknown-signer", "does not include digital signatures"),
    ("ada", "-md sha1", "root", "not-checked", "digest algorithm"),
];

#[test]
fn an_x509_signature_is_good_only_under_a_certificate_of_the_file() {
    let Some(scene) = Scene::open() else { return };
    scene.people();
    for (who, options, trusted, status, reason) in ROWS {
        let name = format!("{who} {options}, {trusted} trusted");
        let quoted = "\n-----BEGIN SIGNED MESSAGE-----\nquoted\n-----END SIGNED MESSAGE-----\n";
        let tag = scene.signed(who, options, quoted);
        let trusted = scene.read(&format!("{trusted}.crt"));
        let found = scene.judged(&tag, &trusted);
        assert_eq!(found["status"], status, "{name}: {found}");
        assert_eq!(found["kind"], "x509");
        if status == "good" {
            assert_eq!(found["signer"], who, "{name}");
            let certificate = fs::read(scene.path(&format!("{who}.crt"))).unwrap();
            let certificate = Certificate::read_all(&certificate).unwrap();
            assert_eq!(found["key"], certificate[0].sha256().to_string().as_str());
        } else {
            assert_eq!(found["signer"], Value::Null, "{name}");
            tells(found["reason"].as_str().unwrap(), &[reason]);
        }
    }
}

#[test]
fn a_tag_that_differs_from_its_x509_signature_is_not_archived() {
    let Some(scene) = Scene::open() else { return };
    scene.people();
    let tag = scene.signed("ada", "", "");
    let root = scene.read("root.crt");
    for (name, forged) in [
        ("changed", tag.replacen("release", "relapse", 1)),
        ("trailing", format!("{tag}more\n")),
        ("twice", format!("{tag}{}", &tag[scene.tag.len()..])),
        ("cut", tag.replacen("MII", "MIA", 1)),
    ] {
        let built = scene.build(&forged, &root);
        assert_eq!(built.status.code(), Some(1), "{name}: {}", told(&built));
        tells(
            &told(&built),
            &["the tag `v1.0.0` has a signature that does not match it"],
        );
    }
}

#[test]
fn a_certificate_counts_as_of_the_time_of_signing() {
    let Some(scene) = Scene::open() else { return };
    let year = SignedDuration::from_hours(24 * 365);
    let then = Timestamp::from_second(1_700_000_000).unwrap();
    let made = generate("Ada", &["Engineering SME".to_owned()], None, then, 2).unwrap();
    let certificate = made.certificate_pem;
    let signer = Signer::load(made.key_pem.as_bytes(), certificate.as_bytes(), None).unwrap();
    for (time, status) in [
        (then + year, "good"),
        (then - year, "unknown-signer"),
        (then + year * 3, "unknown-signer"),
    ] {
        let der = cms::sign(scene.tag.as_bytes(), &signer, time).unwrap();
        fs::write(scene.path("signature.der"), der).unwrap();
        scene.openssl("cms -cmsout -inform DER -in signature.der -outform PEM -out signature");
        let signature = scene.read("signature").replace(" CMS-", " SIGNED MESSAGE-");
        let found = scene.judged(&format!("{}{signature}", scene.tag), &certificate);
        assert_eq!(found["status"], status, "{time}: {found}");
        if status != "good" {
            tells(
                found["reason"].as_str().unwrap(),
                &["was not valid when it signed"],
            );
        }
    }
}

#[test]
fn tags_and_commits_that_gpgsm_signed_are_good() {
    if is_missing("gpgsm") {
        return;
    }
    let (Some(scene), Some(gnupg)) = (Scene::open(), Gnupg::open()) else {
        return;
    };
    scene.people();
    gnupg.add_certificate(
        &scene.path("rsa.key"),
        &scene.path("rsa.crt"),
        &scene.path("root.crt"),
    );
    let root = scene.read("root.crt");
    let repository = &scene.small.repository;
    repository.commit_file("signers.pem", root.as_bytes());
    repository.git(["config", "gpg.format", "x509"]);
    repository.git(["config", "user.signingKey", "/CN=rsa"]);
    gnupg.git(
        repository,
        &["commit", "--quiet", "--amend", "--no-edit", "--gpg-sign"],
    );
    gnupg.git(
        repository,
        &["tag", "--sign", "--force", "--message", "release", "v1.0.0"],
    );
    let built = scene.small.build(["--tag", "v1.0.0"]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    let manifest = manifest(&scene.small.archive());
    for signature in ["tag_signature", "commit_signature"] {
        let found = &manifest["source"][signature];
        assert_eq!(found["status"], "good", "{found}");
        assert_eq!(found["signer"], "rsa");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_signature_never_panics_and_never_covers_something_else(
        changes in proptest::collection::vec((0_usize..4096, 1_u8..=255), 1..4),
        cut in 0_usize..64,
    ) {
        static MADE: OnceLock<(Vec<u8>, String)> = OnceLock::new();
        let (der, certificate) = MADE.get_or_init(|| {
            let roles = ["Engineering SME".to_owned()];
            let made = generate("Ada", &roles, None, Timestamp::now(), 2).unwrap();
            let certificate = made.certificate_pem;
            let signer = Signer::load(made.key_pem.as_bytes(), certificate.as_bytes(), None).unwrap();
            (cms::sign(b"content", &signer, Timestamp::now()).unwrap(), certificate)
        });
        let known = Certificate::read_all(certificate.as_bytes()).unwrap();
        let verify = |content: &[u8], bytes: &[u8]| {
            let pem = der::pem::encode_string("SIGNED MESSAGE", LineEnding::LF, bytes).unwrap();
            cms::verify_foreign(content, &pem, &known)
        };
        prop_assert!(verify(b"content", der).is_ok());
        let mut damaged = der[..der.len() - cut].to_vec();
        for (place, by) in changes {
            let place = place % damaged.len();
            damaged[place] ^= by;
        }
        let _ = verify(b"content", &damaged);
        prop_assert!(verify(b"other", &damaged).is_err());
    }
}
