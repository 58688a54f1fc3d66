//! What the folder of signatures proves.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::MAX_SIZE;
use super::certificate::Certificate;
use super::cms::{self, Verified};
use super::grammar::{Kind, kind, signature_name};
use super::statement::Statement;
use super::trust::Trust;
use crate::config::Meaning;
use crate::digest::Sha256;
use crate::finding::{Code, Finding};
use crate::manifest::SIGNATURES;

/// How far a signer's clock may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// What the folder of signatures proves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Examination {
    /// Who signed, by file name. A statement whose signature does not verify names nobody.
    pub signers: Vec<SignerReport>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What was seen and not judged.
    pub notes: Vec<String>,
}

/// One statement with a signature that verifies.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SignerReport {
    /// The statement's file name in the folder.
    pub file: String,
    /// The signer's printed name, as stated.
    pub name: String,
    /// The role signed in.
    pub role: String,
    /// What the signature means.
    pub meaning: Meaning,
    /// When it was made, as the signer states it.
    pub signed_at: Timestamp,
    /// Fingerprint of the signer's certificate.
    pub certificate_sha256: Sha256,
    /// Digest of the signer's public key, which renewed certificates share.
    pub key_sha256: Sha256,
    /// The statement is about this archive and agrees with its signature.
    pub valid: bool,
    /// The caller trusts the certificate, and it may sign in this role with this meaning.
    pub trusted: bool,
}

/// Judges all that lies in the folder of signatures: `files` by name in the folder, with their
/// bytes; the digests of the manifest and of `SHA256SUMS`; whom to trust; and the time.
pub fn examine(
    files: &BTreeMap<String, Vec<u8>>,
    manifest: &Sha256,
    sums: &Sha256,
    trust: &Trust,
    now: Timestamp,
) -> Examination {
    let mut examination = Examination::default();
    let context = Context {
        files,
        manifest,
        sums,
        trust,
        now,
    };
    for (file, bytes) in files {
        let problem = match kind(file) {
            Some(_) if bytes.len() > MAX_SIZE => Some((
                Code::SignatureStray,
                format!("it has {} bytes; {MAX_SIZE} are allowed here", bytes.len()),
            )),
            None => Some((
                Code::SignatureStray,
                "only NAME.json, NAME.json.p7s, NAME.json.tsr, NAME.crt and NAME.crl belong here, with NAME in lower-case letters, digits and hyphens".to_owned(),
            )),
            Some(Kind::Statement) => {
                context.examine_statement(file, bytes, &mut examination);
                None
            }
            Some(other) => context.misplaced(other, bytes),
        };
        if let Some((code, detail)) = problem {
            examination.findings.push(at(code, file, detail));
        }
    }
    if !examination.signers.iter().any(|signer| signer.valid) {
        examination.findings.push(Finding::whole(
            Code::Unsigned,
            format!("{SIGNATURES} holds no valid statement about this manifest"),
        ));
    }
    examination.notes = notes(files);
    examination
}

/// A finding about a file in the folder. What the file says of itself may be quoted in `detail`:
/// it is kept to one line of sensible length.
fn at(code: Code, file: &str, detail: impl AsRef<str>) -> Finding {
    const LONGEST: usize = 1000;
    let detail: String = detail
        .as_ref()
        .chars()
        .map(|character| {
            if character.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                character
            }
        })
        .take(LONGEST)
        .collect();
    Finding::at(code, format!("{SIGNATURES}/{file}"), detail)
}

fn notes(files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let count = |wanted: fn(Kind<'_>) -> bool| {
        files
            .keys()
            .filter(|file| kind(file).is_some_and(wanted))
            .count()
    };
    let stamps = count(|kind| matches!(kind, Kind::Timestamp { .. }));
    let lists = count(|kind| kind == Kind::RevocationList);
    let mut notes = Vec::new();
    if stamps > 0 {
        notes.push(format!(
            "{stamps} time stamp(s) present, not evaluated: signing times are those that the signers state"
        ));
    }
    if lists > 0 {
        notes.push(format!(
            "{lists} revocation list(s) present, not evaluated: revoked certificates are not recognised"
        ));
    }
    notes
}

/// A statement whose signature verifies.
pub(super) struct Signed {
    pub(super) statement: Statement,
    pub(super) signature: Verified,
}

impl Signed {
    /// What is wrong between the statement and its signature or the archive: the code and why.
    fn contradictions(&self, manifest: &Sha256, sums: &Sha256) -> Vec<(Code, String)> {
        let mut found = Vec::new();
        if !self.statement.is_about(manifest, sums) {
            found.push((
                Code::StatementForeign,
                format!(
                    "it is about another manifest or other checksums; here the manifest has SHA-256 {manifest}, and the checksums {sums}"
                ),
            ));
        }
        let predicate = &self.statement.predicate;
        let holder = self.signature.certificate().name();
        if holder.as_deref() != Some(&*predicate.name) {
            found.push((
                Code::StatementMismatch,
                format!(
                    "it names {:?} as signer, and its certificate {:?}",
                    predicate.name,
                    holder.unwrap_or_default()
                ),
            ));
        }
        let (stated, signed) = (predicate.signed_at, self.signature.signing_time());
        if stated != signed {
            found.push((
                Code::StatementMismatch,
                format!("it states {stated} as the time of signing, and its signature {signed}"),
            ));
        }
        found
    }

    #[cfg(feature = "native")]
    /// True if it is about this archive and agrees with its signature.
    pub(super) fn is_valid(&self, manifest: &Sha256, sums: &Sha256) -> bool {
        self.contradictions(manifest, sums).is_empty()
    }
}

/// Verifies a statement's bytes as stored, then reads them.
pub(super) fn open(
    files: &BTreeMap<String, Vec<u8>>,
    file: &str,
    bytes: &[u8],
) -> Result<Signed, (Code, String)> {
    let Some(signature) = files.get(&signature_name(file)) else {
        return Err((
            Code::SignatureIncomplete,
            format!("its signature {} is not there", signature_name(file)),
        ));
    };
    let signature = cms::verify(bytes, signature)
        .map_err(|invalid| (Code::SignatureInvalid, invalid.to_string()))?;
    let statement =
        Statement::parse(bytes).map_err(|error| (Code::StatementUnreadable, error.to_string()))?;
    Ok(Signed {
        statement,
        signature,
    })
}

struct Context<'a> {
    files: &'a BTreeMap<String, Vec<u8>>,
    manifest: &'a Sha256,
    sums: &'a Sha256,
    trust: &'a Trust,
    now: Timestamp,
}

impl Context<'_> {
    fn examine_statement(&self, file: &str, bytes: &[u8], examination: &mut Examination) {
        let findings = &mut examination.findings;
        let signed = match open(self.files, file, bytes) {
            Ok(signed) => signed,
            Err((code, detail)) => {
                findings.push(at(code, file, detail));
                return;
            }
        };
        let contradictions = signed.contradictions(self.manifest, self.sums);
        let valid = contradictions.is_empty();
        let distrust = self.distrust(&signed);
        let trusted = distrust.is_none();
        for (code, detail) in contradictions.into_iter().chain(distrust) {
            findings.push(at(code, file, detail));
        }
        self.check_earlier(file, &signed.statement, findings);
        let certificate = signed.signature.certificate();
        let predicate = signed.statement.predicate;
        examination.signers.push(SignerReport {
            file: file.to_owned(),
            name: predicate.name,
            role: predicate.role,
            meaning: predicate.meaning,
            signed_at: predicate.signed_at,
            certificate_sha256: certificate.sha256(),
            key_sha256: certificate.key_sha256(),
            valid,
            trusted,
        });
    }

    /// Why the signer is not trusted to have signed this. The time that counts is that inside
    /// the signature.
    fn distrust(&self, signed: &Signed) -> Option<(Code, String)> {
        let predicate = &signed.statement.predicate;
        let time = signed.signature.signing_time();
        let latest = self.now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
        if time > latest {
            return Some((
                Code::SignerOutsideValidity,
                format!("it was signed at {time}, which is in the future"),
            ));
        }
        if super::roles::is_machine_release(&predicate.role, predicate.meaning) {
            return Some((
                Code::SignerNotEntitled,
                format!("a machine, in the role {}, cannot release", predicate.role),
            ));
        }
        self.trust
            .judge(
                signed.signature.certificate(),
                signed.signature.chain(),
                &predicate.role,
                time,
            )
            .err()
            .map(|distrust| (distrust.code(), distrust.to_string()))
    }

    fn check_earlier(&self, file: &str, statement: &Statement, findings: &mut Vec<Finding>) {
        for earlier in &statement.predicate.earlier {
            let found = self.files.get(&earlier.name).map(|bytes| Sha256::of(bytes));
            let detail = match found {
                Some(digest) if digest == earlier.sha256 => continue,
                Some(digest) => format!(
                    "{file} was signed when it had SHA-256 {}; now it has {digest}",
                    earlier.sha256
                ),
                None => format!("it is not there, and was when {file} was signed"),
            };
            findings.push(at(Code::StatementRemoved, &earlier.name, detail));
        }
    }

    /// What is wrong with a file that is no statement, apart from its name.
    fn misplaced(&self, kind: Kind<'_>, bytes: &[u8]) -> Option<(Code, String)> {
        let stray = |detail: String| Some((Code::SignatureStray, detail));
        match kind {
            Kind::Signature { statement } if !self.files.contains_key(statement) => Some((
                Code::SignatureIncomplete,
                format!("its statement {statement} is not there"),
            )),
            Kind::Timestamp { statement, .. }
                if !self.files.contains_key(&signature_name(statement)) =>
            {
                stray(format!(
                    "it stamps {}, which is not there",
                    signature_name(statement)
                ))
            }
            Kind::Timestamp { statement, number } if number > 1 => {
                let before = match number {
                    2 => format!("{statement}.tsr"),
                    _ => format!("{statement}.{}.tsr", number - 1),
                };
                let missing = !self.files.contains_key(&before);
                missing.then(|| {
                    (
                        Code::SignatureIncomplete,
                        format!("it renews {before}, which is not there"),
                    )
                })
            }
            Kind::Certificates => match Certificate::read_all(bytes) {
                Ok(_) => None,
                Err(error) => stray(error.to_string()),
            },
            _ => None,
        }
    }
}
