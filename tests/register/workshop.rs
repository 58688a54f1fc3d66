//! Registers to test with: rows of releases that differ in what a test says.

use std::fs;
use std::path::Path;

use dhfpack::config::ResolvedConfig;
use dhfpack::digest::Sha256;
use dhfpack::manifest::Manifest;
use dhfpack::monitor::Silent;
use dhfpack::publish::registry::{Recorded, Registration, RegistryError, load_writers, record};
use dhfpack::register::{Code, Examination, Expected, Register, Writers, examine};
use dhfpack::sign::{Signer, Trust, generate};
use dhfpack::store::{self, Access, Address, Store};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::readme::project_file;

const GOLDEN: &str = "tests/golden/format-1/infusion-monitor-2.4.0";

/// A signer, with the certificate in PEM.
pub(super) fn person(name: &str) -> (Signer, String) {
    let now = Timestamp::now();
    let made = generate(name, &["Release Builder".to_owned()], None, now, 2).unwrap();
    let (key, certificate) = (made.key_pem.as_bytes(), made.certificate_pem.as_bytes());
    let signer = Signer::load(key, certificate, None).unwrap();
    (signer, made.certificate_pem)
}

/// The manifest of the golden archive, changed.
pub(super) fn manifest(change: impl FnOnce(&mut Manifest)) -> (Manifest, Sha256) {
    let text = project_file(&format!("{GOLDEN}/Manifest/manifest.json"));
    let mut manifest = Manifest::parse(text.as_bytes()).unwrap();
    change(&mut manifest);
    let digest = Sha256::of(&manifest.to_bytes().unwrap());
    (manifest, digest)
}

pub(super) fn config() -> ResolvedConfig {
    let path = format!("{GOLDEN}/Release Record/Configuration/resolved.json");
    serde_json::from_str(&project_file(&path)).unwrap()
}

pub(super) fn version(version: &str) -> (Manifest, Sha256) {
    manifest(|manifest| {
        version.clone_into(&mut manifest.release.version);
        let digest = Sha256::of(version.as_bytes()).to_string();
        digest[..40].clone_into(&mut manifest.source.commit);
    })
}

/// The day after the golden release, so that it is in the past.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the counterpart of none, for a pending release"
)]
pub(super) fn released() -> Option<Timestamp> {
    Some("2026-03-05T10:00:00Z".parse().unwrap())
}

pub(super) fn registration(
    release: &(Manifest, Sha256),
    released_at: Option<Timestamp>,
) -> Registration {
    let (manifest, digest) = release;
    let name = format!("infusion-monitor-{}", manifest.release.version);
    Registration::of(manifest, *digest, &config(), released_at, &name).unwrap()
}

pub(super) fn open(folder: &Path) -> Box<dyn Store + 'static> {
    let address = Address::Folder(folder.to_path_buf());
    store::open(&address, &Access::default(), &Silent).unwrap()
}

/// A register in a folder, with a writer whom everybody trusts.
pub(super) struct Office {
    pub(super) folder: TempDir,
    pub(super) signer: Signer,
    pub(super) certificate: String,
}

impl Office {
    pub(super) fn new() -> Self {
        let (signer, certificate) = person("Release CI");
        Self {
            folder: TempDir::new().unwrap(),
            signer,
            certificate,
        }
    }

    /// With released versions 1.0.0 to COUNT.0.0, each the predecessor of the next.
    pub(super) fn with(count: usize) -> Self {
        let office = Self::new();
        let mut predecessor = None;
        for number in 1..=count {
            let mut release = version(&format!("{number}.0.0"));
            release.0.predecessor = predecessor;
            predecessor = Some(release.1);
            office.add(&release, released()).unwrap();
        }
        office
    }

    pub(super) fn store(&self) -> Box<dyn Store + 'static> {
        open(self.folder.path())
    }

    pub(super) fn add(
        &self,
        release: &(Manifest, Sha256),
        released_at: Option<Timestamp>,
    ) -> Result<Recorded, RegistryError> {
        let registration = registration(release, released_at);
        record(&*self.store(), &registration, &self.signer, &Silent)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("registry.csv")).unwrap()
    }

    pub(super) fn write(&self, bytes: &[u8]) {
        fs::write(self.folder.path().join("registry.csv"), bytes).unwrap();
    }

    /// The lines without their ends.
    pub(super) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.bytes()).unwrap();
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }

    pub(super) fn write_lines(&self, lines: &[String]) {
        self.write(format!("{}\r\n", lines.join("\r\n")).as_bytes());
    }

    pub(super) fn register(&self) -> Register {
        Register::parse(&self.bytes())
    }

    pub(super) fn examine(&self, head: Option<Sha256>) -> Examination {
        let mut trust = Trust::default();
        trust.add(self.certificate.as_bytes(), None).unwrap();
        self.examine_trusting(&trust, head, Timestamp::now())
    }

    pub(super) fn examine_trusting(
        &self,
        trust: &Trust,
        head: Option<Sha256>,
        now: Timestamp,
    ) -> Examination {
        let register = self.register();
        let mut writers = Writers::default();
        load_writers(&*self.store(), &register, &mut writers).unwrap();
        let expected = Expected { trust, head, now };
        examine(&register, &mut writers, expected)
    }

    /// The codes of all findings with their lines.
    pub(super) fn findings(&self) -> Vec<(Code, u64)> {
        let findings = self.examine(None).findings.into_iter();
        findings
            .map(|finding| (finding.code, finding.line.unwrap_or(0)))
            .collect()
    }
}
