//! Making a new statement beside those that are there.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::MAX_SIZE;
use super::certificate::Certificate;
use super::cms;
use super::error::SignError;
use super::folder::open;
use super::grammar::{is_statement_name, signature_name};
use super::key::Signer;
use super::roles::is_machine_release;
use super::statement::{Earlier, Predicate, Statement, Tool};
use super::trust::names_role;
use crate::config::Meaning;
use crate::digest::Sha256;

/// The most characters of a role in a file name.
const MAX_SLUG: usize = 60;

/// A signed statement, to be stored in the folder of signatures under `name` and
/// `signature_name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStatement {
    /// The statement's file name.
    pub name: String,
    /// Its bytes.
    pub statement: Vec<u8>,
    /// The file name of its signature.
    pub signature_name: String,
    /// The signature's bytes, CMS in DER.
    pub signature: Vec<u8>,
}

/// What a signer is about to sign.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// The role to sign in.
    pub role: &'a str,
    /// What the signature shall mean.
    pub meaning: Meaning,
    /// The time; what is below a second is cut off.
    pub time: Timestamp,
    /// What only the builder saw; see [`Predicate::observations`].
    pub observations: &'a BTreeMap<String, String>,
}

/// Signs the manifest and the checksums with these digests, naming the valid statements that
/// are among `files`.
///
/// Returns nothing if this certificate has already signed them in this role and meaning: a
/// statement that is there is kept, not made anew.
pub fn prepare(
    files: &BTreeMap<String, Vec<u8>>,
    manifest: &Sha256,
    sums: &Sha256,
    signer: &Signer,
    occasion: Occasion<'_>,
) -> Result<Option<NewStatement>, SignError> {
    let Occasion { role, meaning, .. } = occasion;
    let certificate = signer.certificate();
    let time = whole_second(occasion.time);
    let name = check_fitness(certificate, role, meaning, time)?;
    if already_signed(files, manifest, sums, certificate, role, meaning) {
        return Ok(None);
    }
    let statement = statement(files, manifest, sums, name, occasion)?;
    let size = statement.len();
    if size > MAX_SIZE {
        return Err(SignError::StatementTooLarge { size });
    }
    let signature = cms::sign(&statement, signer, time)?;
    let name = free_name(files, certificate, role, meaning);
    Ok(Some(NewStatement {
        signature_name: signature_name(&name),
        name,
        statement,
        signature,
    }))
}

/// The statement to a signature that lies among `files` without one, as a run leaves it that
/// broke off between the two: if this signer made that signature, and over this very statement,
/// with nothing chosen by anybody else but the time. Nothing is signed for it.
pub fn complete(
    files: &BTreeMap<String, Vec<u8>>,
    manifest: &Sha256,
    sums: &Sha256,
    signer: &Signer,
    occasion: Occasion<'_>,
) -> Option<NewStatement> {
    let printed = signer.certificate().name()?;
    files.iter().find_map(|(signature_name, signature)| {
        let name = signature_name.strip_suffix(".p7s")?;
        if !is_statement_name(name) || files.contains_key(name) {
            return None;
        }
        let time = cms::stated_time(signature).ok()?;
        let then = Occasion { time, ..occasion };
        let statement = statement(files, manifest, sums, printed.clone(), then).ok()?;
        let verified = cms::verify(&statement, signature).ok()?;
        (verified.certificate() == signer.certificate()).then(|| NewStatement {
            name: name.to_owned(),
            statement,
            signature_name: signature_name.clone(),
            signature: signature.clone(),
        })
    })
}

/// The statement's bytes.
fn statement(
    files: &BTreeMap<String, Vec<u8>>,
    manifest: &Sha256,
    sums: &Sha256,
    name: String,
    occasion: Occasion<'_>,
) -> Result<Vec<u8>, SignError> {
    let predicate = Predicate {
        earlier: earlier(files, manifest, sums),
        name,
        role: occasion.role.to_owned(),
        meaning: occasion.meaning,
        signed_at: whole_second(occasion.time),
        tool: Tool::this(),
        observations: occasion.observations.clone(),
    };
    Statement::new(*manifest, *sums, predicate)
        .to_bytes()
        .map_err(|_| SignError::Failed {
            step: "writing the statement",
        })
}

/// True if this certificate has validly signed this manifest and these checksums, in this role
/// and with this meaning.
pub fn already_signed(
    files: &BTreeMap<String, Vec<u8>>,
    manifest: &Sha256,
    sums: &Sha256,
    certificate: &Certificate,
    role: &str,
    meaning: Meaning,
) -> bool {
    files
        .iter()
        .filter(|(file, _)| is_statement_name(file))
        .filter_map(|(file, bytes)| open(files, file, bytes).ok())
        .any(|signed| {
            let predicate = &signed.statement.predicate;
            predicate.role == role
                && predicate.meaning == meaning
                && signed.signature.certificate() == certificate
                && signed.is_valid(manifest, sums)
        })
}

/// Refuses what `examine` would not accept later; returns the printed name.
fn check_fitness(
    certificate: &Certificate,
    role: &str,
    meaning: Meaning,
    time: Timestamp,
) -> Result<String, SignError> {
    let name = certificate.name().ok_or(SignError::CertificateUnnamed)?;
    if is_machine_release(role, meaning) {
        return Err(SignError::MachineRelease { meaning });
    }
    for (what, text) in [("the role", role), ("the name", &*name)] {
        if text.trim() != text || text.is_empty() || text.chars().any(char::is_control) {
            return Err(SignError::Name {
                what,
                text: text.to_owned(),
            });
        }
    }
    if !names_role(certificate, role) {
        return Err(SignError::NotEntitled {
            name,
            role: role.to_owned(),
            roles: certificate.roles(),
        });
    }
    if !certificate.is_valid_at(time) {
        let (from, to) = (certificate.not_before(), certificate.not_after());
        return Err(SignError::Unfit {
            name,
            reason: format!("it is valid from {from} to {to}, and the time is {time}"),
        });
    }
    Ok(name)
}

/// The statements to name as earlier. One that is not valid may be taken away later, so it is
/// not named.
fn earlier(files: &BTreeMap<String, Vec<u8>>, manifest: &Sha256, sums: &Sha256) -> Vec<Earlier> {
    files
        .iter()
        .filter(|(file, _)| is_statement_name(file))
        .filter(|(file, bytes)| {
            open(files, file, bytes).is_ok_and(|signed| signed.is_valid(manifest, sums))
        })
        .map(|(file, bytes)| Earlier {
            name: file.clone(),
            sha256: Sha256::of(bytes),
        })
        .collect()
}

fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// A file name that neither a statement nor a signature has. An invalid statement of the same
/// signer may have the first choice: nothing in the folder is ever replaced.
fn free_name(
    files: &BTreeMap<String, Vec<u8>>,
    certificate: &Certificate,
    role: &str,
    meaning: Meaning,
) -> String {
    let fingerprint: String = certificate.sha256().to_string().chars().take(12).collect();
    let stem = format!("{}-{}-{fingerprint}", slug(role), meaning.as_str());
    let mut name = format!("{stem}.json");
    let mut number = 1_usize;
    while files.keys().any(|file| file.starts_with(&name)) {
        number += 1;
        name = format!("{stem}-{number}.json");
    }
    name
}

/// `role` in lower-case letters, digits and single hyphens.
fn slug(role: &str) -> String {
    let mut slug = String::new();
    for character in role.chars().map(|character| character.to_ascii_lowercase()) {
        if slug.len() == MAX_SLUG {
            break;
        }
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    match slug.trim_end_matches('-') {
        "" => "role".to_owned(),
        slug => slug.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn a_role_becomes_a_part_of_a_file_name() {
        for (role, expected) in [
            ("Quality Systems SME", "quality-systems-sme"),
            (" R&D / QA! ", "r-d-qa"),
            ("Prüfer", "pr-fer"),
            ("品質", "role"),
        ] {
            assert_eq!(slug(role), expected);
        }
        assert_eq!(slug(&"x".repeat(300)).len(), 60);
    }
}
