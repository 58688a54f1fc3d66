//! Signers who are trusted, and sign what they should not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dhfpack::config::Meaning;
use dhfpack::digest::Sha256;
use dhfpack::sign::{Predicate, Signer, Statement, Tool, cms, generate};
use jiff::{SignedDuration, Timestamp};

use crate::damage::tamper::certificate;

const ENGINEER: &str = "Engineering SME";

/// Makes a trusted person with these roles.
fn person(archive: &Path, name: &str, roles: &[&str]) -> Signer {
    let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
    let made = generate(name, &roles, None, Timestamp::now(), 1).unwrap();
    fs::write(certificate(archive, name), &made.certificate_pem).unwrap();
    Signer::load(
        made.key_pem.as_bytes(),
        made.certificate_pem.as_bytes(),
        None,
    )
    .unwrap()
}

fn predicate(name: &str, role: &str) -> Predicate {
    Predicate {
        earlier: Vec::new(),
        name: name.to_owned(),
        role: role.to_owned(),
        meaning: Meaning::Release,
        signed_at: Timestamp::now().round(jiff::Unit::Second).unwrap(),
        tool: Tool::this(),
        observations: BTreeMap::new(),
    }
}

/// The digests of the two lists of this archive.
fn digests(archive: &Path) -> [Sha256; 2] {
    ["Manifest/manifest.json", "Manifest/SHA256SUMS"]
        .map(|path| Sha256::of(&fs::read(archive.join(path)).unwrap()))
}

fn about(archive: &Path, predicate: Predicate) -> String {
    let [manifest, sums] = digests(archive);
    let bytes = Statement::new(manifest, sums, predicate).to_bytes();
    String::from_utf8(bytes.unwrap()).unwrap()
}

fn put(archive: &Path, name: &str, statement: &str, signer: &Signer, time: Timestamp) {
    let signature = cms::sign(statement.as_bytes(), signer, time).unwrap();
    let folder = archive.join("Manifest/signatures");
    fs::write(folder.join(format!("{name}.json")), statement).unwrap();
    fs::write(folder.join(format!("{name}.json.p7s")), signature).unwrap();
}

pub(super) fn about_another_in_observations(archive: &Path) {
    let signer = person(archive, "insider", &[ENGINEER]);
    let mut predicate = predicate("insider", ENGINEER);
    let time = predicate.signed_at;
    for (name, digest) in ["sha256", "\"sha256\": \""].iter().zip(digests(archive)) {
        predicate
            .observations
            .insert((*name).to_owned(), digest.to_string());
    }
    let statement = Statement::new(Sha256::of(b"other"), Sha256::of(b"another"), predicate);
    let text = String::from_utf8(statement.to_bytes().unwrap()).unwrap();
    put(archive, "insider", &text, &signer, time);
}

pub(super) fn role_twice(archive: &Path) {
    let signer = person(archive, "insider", &[ENGINEER]);
    let predicate = predicate("insider", ENGINEER);
    let time = predicate.signed_at;
    let role = format!("    \"role\": \"{ENGINEER}\",\n");
    let both = format!("{role}    \"role\": \"Quality Systems SME\",\n");
    let text = about(archive, predicate).replace(&role, &both);
    put(archive, "insider", &text, &signer, time);
}

pub(super) fn with_another_time(archive: &Path) {
    let signer = person(archive, "insider", &[ENGINEER]);
    let predicate = predicate("insider", ENGINEER);
    let time = predicate.signed_at + SignedDuration::from_hours(1);
    put(
        archive,
        "insider",
        &about(archive, predicate),
        &signer,
        time,
    );
}

pub(super) fn under_another_name(archive: &Path) {
    let signer = person(archive, "insider", &[ENGINEER]);
    let predicate = predicate("somebody else", ENGINEER);
    let time = predicate.signed_at;
    put(
        archive,
        "insider",
        &about(archive, predicate),
        &signer,
        time,
    );
}

pub(super) fn one_key_in_two_roles(archive: &Path) {
    let roles = [ENGINEER, "Quality Systems SME"];
    let signer = person(archive, "insider", &roles);
    for (name, role) in ["first", "second"].iter().zip(roles) {
        let predicate = predicate("insider", role);
        let time = predicate.signed_at;
        put(archive, name, &about(archive, predicate), &signer, time);
    }
}
