//! Making statements.

use std::collections::BTreeMap;

use dhfpack::config::Meaning;
use dhfpack::digest::Sha256;
use dhfpack::sign::{Occasion, SignError, Statement, Trust, already_signed, prepare};

use super::workshop::{Signatures, Workshop, days, now, person};

#[test]
fn a_new_statement_names_the_earlier_ones() {
    let mut signatures = Signatures::none();
    let (machine, _) = person("CI", &["Release Builder"]);
    let (jane, _) = person("Jane Doe", &["Quality Systems SME"]);
    let builder = signatures.sign(&machine, "Release Builder", Meaning::Author);
    let name = signatures.sign(&jane, "Quality Systems SME", Meaning::Release);
    let fingerprint = jane.certificate().sha256().to_string();
    assert_eq!(
        name,
        format!("quality-systems-sme-release-{}.json", &fingerprint[..12])
    );
    let statement = Statement::parse(&signatures.files[&name]).unwrap();
    let [earlier] = &statement.predicate.earlier[..] else {
        panic!("{statement:?}")
    };
    assert_eq!(earlier.name, builder);
    assert_eq!(earlier.sha256, Sha256::of(&signatures.files[&builder]));
}

#[test]
fn statements_that_are_not_valid_are_not_named_and_never_replaced() {
    let mut signatures = Signatures::none();
    let (jane, _) = person("Jane Doe", &["Quality"]);
    let first = signatures.sign(&jane, "Quality", Meaning::Release);
    signatures
        .files
        .insert(format!("{first}.p7s"), b"damaged".to_vec());
    let second = signatures.sign(&jane, "Quality", Meaning::Release);
    assert_eq!(second, first.replace(".json", "-2.json"));
    let statement = Statement::parse(&signatures.files[&second]).unwrap();
    assert_eq!(statement.predicate.earlier, []);
}

#[test]
fn whoever_has_signed_does_not_sign_the_same_again() {
    let mut signatures = Signatures::none();
    let (jane, _) = person("Jane Doe", &["Quality", "Engineering"]);
    signatures.sign(&jane, "Quality", Meaning::Release);
    let again = |signatures: &Signatures, role, meaning| {
        signatures.prepare(&jane, role, meaning).unwrap().is_some()
    };
    assert!(!again(&signatures, "Quality", Meaning::Release));
    assert!(again(&signatures, "Quality", Meaning::Approve));
    assert!(again(&signatures, "Engineering", Meaning::Release));
    let has = |manifest: &[u8]| {
        let manifest = Sha256::of(manifest);
        let certificate = jane.certificate();
        already_signed(
            &signatures.files,
            &manifest,
            &signatures.sums,
            certificate,
            "Quality",
            Meaning::Release,
        )
    };
    assert!(has(b"the manifest"));
    assert!(!has(b"another manifest"));
}

#[test]
fn what_verification_would_refuse_is_not_signed() {
    let signatures = Signatures::none();
    let (jane, _) = person("Jane Doe", &["Quality"]);
    let (machine, _) = person("CI", &["Release Builder"]);
    let refused = |signer, role, meaning| signatures.prepare(signer, role, meaning).unwrap_err();
    assert!(matches!(
        refused(&jane, "Engineering", Meaning::Approve),
        SignError::NotEntitled { .. }
    ));
    assert!(matches!(
        refused(&jane, "Release Builder", Meaning::Author),
        SignError::NotEntitled { .. }
    ));
    assert!(matches!(
        refused(&machine, "Quality", Meaning::Author),
        SignError::NotEntitled { .. }
    ));
    assert!(matches!(
        refused(&machine, "Release Builder", Meaning::Release),
        SignError::MachineRelease { .. }
    ));
    assert!(matches!(
        refused(&jane, "", Meaning::Release),
        SignError::Name { .. }
    ));
    let late = Occasion {
        role: "Quality",
        meaning: Meaning::Release,
        time: now() + days(900),
        observations: &BTreeMap::new(),
    };
    let (manifest, sums) = (&signatures.manifest, &signatures.sums);
    let found = prepare(&signatures.files, manifest, sums, &jane, late);
    assert!(matches!(found, Err(SignError::Unfit { .. })));
}

#[test]
fn the_time_is_cut_to_the_second_and_observations_are_kept() {
    let signatures = Signatures::none();
    let (machine, _) = person("CI", &["Release Builder"]);
    let observations = BTreeMap::from([("git".to_owned(), "2.47.3".to_owned())]);
    let occasion = Occasion {
        role: "Release Builder",
        meaning: Meaning::Author,
        time: now() + jiff::SignedDuration::from_millis(999),
        observations: &observations,
    };
    let (manifest, sums) = (&signatures.manifest, &signatures.sums);
    let made = prepare(&signatures.files, manifest, sums, &machine, occasion);
    let made = made.unwrap().unwrap();
    let statement = Statement::parse(&made.statement).unwrap();
    assert_eq!(statement.predicate.signed_at.subsec_nanosecond(), 0);
    assert_eq!(statement.predicate.observations, observations);
}

#[test]
fn a_statement_that_verification_would_find_too_large_is_not_signed() {
    let signatures = Signatures::none();
    let (machine, _) = person("CI", &["Release Builder"]);
    let observations = BTreeMap::from([("log".to_owned(), "x".repeat(dhfpack::sign::MAX_SIZE))]);
    let occasion = Occasion {
        role: "Release Builder",
        meaning: Meaning::Author,
        time: now(),
        observations: &observations,
    };
    let (manifest, sums) = (&signatures.manifest, &signatures.sums);
    let found = prepare(&signatures.files, manifest, sums, &machine, occasion);
    assert!(matches!(found, Err(SignError::StatementTooLarge { .. })));
}

#[test]
fn stock_openssl_verifies_a_statement_with_the_time_that_grep_finds_in_it() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let mut signatures = Signatures::none();
    let (jane, pem) = person("Jane Doe", &["Quality"]);
    let name = signatures.sign(&jane, "Quality", Meaning::Release);
    workshop.write("s.json", &signatures.files[&name]);
    workshop.write("s.json.p7s", &signatures.files[&format!("{name}.p7s")]);
    workshop.write("jane.crt", pem.as_bytes());
    let text = String::from_utf8(signatures.files[&name].clone()).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("\"signed_at\": "))
        .unwrap();
    let time: jiff::Timestamp = line.split('"').nth(3).unwrap().parse().unwrap();
    workshop.openssl(&format!(
        "cms -verify -binary -inform DER -in s.json.p7s -content s.json -CAfile jane.crt -purpose any -attime {} -out same",
        time.as_second()
    ));
    assert!(signatures.examine(&Trust::default()).signers[0].valid);
}
