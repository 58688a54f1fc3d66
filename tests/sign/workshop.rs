//! Keys and certificates to test with: our own, and such as OpenSSL makes.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use dhfpack::config::Meaning;
use dhfpack::digest::Sha256;
use dhfpack::finding::Code;
use dhfpack::sign::{
    Examination, NewStatement, Occasion, SignError, Signer, Trust, cms, examine, generate, prepare,
};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

/// The time of the tests: certificates by OpenSSL begin when they are made.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now() + SignedDuration::from_secs(60);
    Timestamp::from_second(now.as_second()).unwrap()
}

pub(super) fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

/// A signer with a certificate of our own making: its PEM too, to be trusted.
pub(super) fn person(name: &str, roles: &[&str]) -> (Signer, String) {
    let roles: Vec<String> = roles.iter().map(|&role| role.to_owned()).collect();
    let made = generate(name, &roles, None, now(), 2).unwrap();
    let signer = Signer::load(
        made.key_pem.as_bytes(),
        made.certificate_pem.as_bytes(),
        None,
    )
    .unwrap();
    (signer, made.certificate_pem)
}

pub(super) fn trusting(certificates: &[(&str, Option<&str>)]) -> Trust {
    let mut trust = Trust::default();
    for (pem, role) in certificates {
        assert_eq!(trust.add(pem.as_bytes(), *role), Ok(1));
    }
    trust
}

/// A folder in which OpenSSL works.
pub(super) struct Workshop {
    folder: TempDir,
}

impl Workshop {
    /// Nothing where OpenSSL is not installed; on a CI system that is a failure.
    #[allow(clippy::print_stdout, reason = "a skipped test says so")]
    pub(super) fn open() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "no OpenSSL");
            println!("skipped: no OpenSSL");
            return None;
        }
        let folder = TempDir::new().unwrap();
        // An empty configuration: what a certificate has is what the test says.
        fs::write(
            folder.path().join("openssl.cnf"),
            "[req]\ndistinguished_name=dn\nx509_extensions=none\n[dn]\n[none]\n",
        )
        .unwrap();
        Some(Self { folder })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Runs OpenSSL with arguments separated by spaces; `~` stands for a space inside one.
    pub(super) fn attempt(&self, arguments: &str) -> Output {
        Command::new("openssl")
            .args(
                arguments
                    .split_whitespace()
                    .map(|word| word.replace('~', " ")),
            )
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("OPENSSL_CONF", self.path("openssl.cnf"))
            .output()
            .unwrap()
    }

    pub(super) fn openssl(&self, arguments: &str) -> String {
        let output = self.attempt(arguments);
        assert!(
            output.status.success(),
            "openssl {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// A key in NAME.key and a certificate that it signed itself in NAME.crt.
    pub(super) fn self_signed(&self, name: &str, key: &str, extensions: &[&str]) {
        self.openssl(&format!("genpkey {key} -out {name}.key"));
        let mut request =
            format!("req -x509 -new -key {name}.key -subj /CN={name} -days 400 -out {name}.crt");
        for extension in extensions {
            request.push_str(" -addext ");
            request.push_str(extension);
        }
        self.openssl(&request);
    }

    /// A key in NAME.key and a certificate by `issuer` in NAME.crt, for some days from now.
    pub(super) fn issued(
        &self,
        name: &str,
        subject: &str,
        issuer: &str,
        days: u32,
        extensions: &str,
    ) {
        self.openssl(&format!("genpkey {P256} -out {name}.key"));
        self.openssl(&format!(
            "req -new -key {name}.key -subj {subject} -out {name}.csr"
        ));
        // With no extension at all, it would be a certificate of version 1.
        let extensions = format!("subjectKeyIdentifier=hash\n{extensions}");
        self.write("extensions", extensions.as_bytes());
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {issuer}.crt -CAkey {issuer}.key -CAcreateserial -days {days} -sha256 -extfile extensions -out {name}.crt"
        ));
    }

    pub(super) fn pem(&self, name: &str) -> String {
        String::from_utf8(self.read(&format!("{name}.crt"))).unwrap()
    }

    /// The signer with the key and certificate of the first name, and the certificates of the
    /// others beside it.
    pub(super) fn signer(&self, names: &[&str]) -> Signer {
        let key = self.read(&format!("{}.key", names[0]));
        let certificates: String = names.iter().map(|name| self.pem(name)).collect();
        Signer::load(&key, certificates.as_bytes(), None).unwrap()
    }
}

pub(super) const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
pub(super) const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
pub(super) const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";

/// The signatures of one archive.
pub(super) struct Signatures {
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) manifest: Sha256,
    pub(super) sums: Sha256,
}

impl Signatures {
    pub(super) fn none() -> Self {
        Self {
            files: BTreeMap::new(),
            manifest: Sha256::of(b"the manifest"),
            sums: Sha256::of(b"the checksums"),
        }
    }

    /// What [`prepare`] makes of the signer's wish, at the time of the tests.
    pub(super) fn prepare(
        &self,
        signer: &Signer,
        role: &str,
        meaning: Meaning,
    ) -> Result<Option<NewStatement>, SignError> {
        let occasion = Occasion {
            role,
            meaning,
            time: now(),
            observations: &BTreeMap::new(),
        };
        prepare(&self.files, &self.manifest, &self.sums, signer, occasion)
    }

    /// Adds a statement; returns its name.
    pub(super) fn sign(&mut self, signer: &Signer, role: &str, meaning: Meaning) -> String {
        let made = self.prepare(signer, role, meaning).unwrap().unwrap();
        self.files.insert(made.signature_name, made.signature);
        self.files.insert(made.name.clone(), made.statement);
        made.name
    }

    /// Changes a statement's text, and has it signed anew at `time`.
    pub(super) fn forge(
        &mut self,
        name: &str,
        signer: &Signer,
        time: Timestamp,
        changes: &[(&str, &str)],
    ) {
        let mut text = String::from_utf8(self.files[name].clone()).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}: {text}");
            text = text.replace(from, to);
        }
        let signature = cms::sign(text.as_bytes(), signer, time).unwrap();
        self.files.insert(format!("{name}.p7s"), signature);
        self.files.insert(name.to_owned(), text.into_bytes());
    }

    pub(super) fn examine(&self, trust: &Trust) -> Examination {
        examine(&self.files, &self.manifest, &self.sums, trust, now())
    }

    /// The codes of all findings, with the file each is about.
    pub(super) fn findings(&self, trust: &Trust) -> Vec<(Code, String)> {
        let file = |path: Option<String>| {
            path.map_or(String::new(), |path| {
                path.strip_prefix("Manifest/signatures/")
                    .unwrap()
                    .to_owned()
            })
        };
        let findings = self.examine(trust).findings.into_iter();
        findings
            .map(|finding| (finding.code, file(finding.path)))
            .collect()
    }
}
