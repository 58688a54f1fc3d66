//! The folder of signatures: each finding, where it belongs and nowhere else.

use dhfpack::config::Meaning;
use dhfpack::digest::Sha256;
use dhfpack::finding::Code;
use dhfpack::sign::{Signer, Trust, missing_roles};

use super::workshop::{Signatures, days, now, person, trusting};

/// An archive signed by its builder and by one person.
struct Scene {
    signatures: Signatures,
    trust: Trust,
    builder: String,
    jane: Signer,
    release: String,
}

fn scene() -> Scene {
    let mut signatures = Signatures::none();
    let (machine, machine_pem) = person("CI", &["Release Builder"]);
    let (jane, jane_pem) = person("Jane Doe", &["Quality"]);
    let builder = signatures.sign(&machine, "Release Builder", Meaning::Author);
    let release = signatures.sign(&jane, "Quality", Meaning::Release);
    Scene {
        signatures,
        trust: trusting(&[(&machine_pem, None), (&jane_pem, None)]),
        builder,
        jane,
        release,
    }
}

impl Scene {
    fn findings(&self) -> Vec<(Code, String)> {
        self.signatures.findings(&self.trust)
    }

    fn add(&mut self, name: &str, bytes: &[u8]) {
        self.signatures
            .files
            .insert(name.to_owned(), bytes.to_vec());
    }

    fn remove(&mut self, name: &str) {
        self.signatures.files.remove(name).unwrap();
    }

    /// Has Jane sign her statement again, changed.
    fn forge(&mut self, changes: &[(&str, &str)]) {
        let name = self.release.clone();
        let text = String::from_utf8(self.signatures.files[&name].clone()).unwrap();
        let time = text.split_once("\"signed_at\": \"").unwrap().1;
        let time = time.split('"').next().unwrap().parse().unwrap();
        self.signatures.forge(&name, &self.jane, time, changes);
    }
}

#[test]
fn a_well_signed_archive_has_no_finding_and_names_its_signers() {
    let scene = scene();
    assert_eq!(scene.findings(), []);
    let examination = scene.signatures.examine(&scene.trust);
    assert!(examination.notes.is_empty());
    let [quality, builder] = &examination.signers[..] else {
        panic!("{examination:?}")
    };
    assert_eq!((&*quality.name, &*quality.role), ("Jane Doe", "Quality"));
    assert_eq!((&*builder.name, &*builder.role), ("CI", "Release Builder"));
    assert_eq!(quality.file, scene.release);
    assert!(quality.valid && quality.trusted && builder.valid && builder.trusted);
    assert_eq!(
        quality.certificate_sha256,
        scene.jane.certificate().sha256()
    );
    assert_eq!(
        missing_roles(&examination.signers, &["Quality".to_owned()]),
        []
    );
}

#[test]
fn a_file_with_no_place_in_the_folder_is_stray() {
    for (name, bytes) in [
        ("notes.txt", b"hello".to_vec()),
        ("UPPER.json", b"{}".to_vec()),
        ("sub/a.json", b"{}".to_vec()),
        ("a.json.tsr", b"x".to_vec()),
        ("a.crt", b"no certificate".to_vec()),
        ("a.crl", vec![0; dhfpack::sign::MAX_SIZE + 1]),
    ] {
        let mut scene = scene();
        scene.add(name, &bytes);
        assert_eq!(scene.findings(), [(Code::SignatureStray, name.to_owned())]);
    }
}

#[test]
fn time_stamps_certificates_and_revocation_lists_have_a_place_and_are_noted() {
    let mut scene = scene();
    let pem = scene.jane.certificate().to_pem().unwrap();
    let release = scene.release.clone();
    scene.add("jane.crt", pem.as_bytes());
    scene.add("firm.crl", b"list");
    scene.add(&format!("{release}.tsr"), b"stamp");
    scene.add(&format!("{release}.2.tsr"), b"stamp");
    assert_eq!(scene.findings(), []);
    let notes = scene.signatures.examine(&scene.trust).notes;
    assert!(notes[0].starts_with("2 time stamp(s) present, not evaluated"));
    assert!(notes[1].starts_with("1 revocation list(s) present, not evaluated"));
    let renewal = format!("{release}.4.tsr");
    scene.add(&renewal, b"stamp");
    assert_eq!(scene.findings(), [(Code::SignatureIncomplete, renewal)]);
}

#[test]
fn a_statement_without_signature_and_a_signature_without_statement_are_incomplete() {
    let mut scene = scene();
    scene.remove(&format!("{}.p7s", scene.release));
    let name = scene.release.clone();
    assert_eq!(
        scene.findings(),
        [(Code::SignatureIncomplete, name.clone())]
    );
    let mut scene = self::scene();
    let name = scene.release.clone();
    scene.remove(&name);
    assert_eq!(
        scene.findings(),
        [(Code::SignatureIncomplete, format!("{name}.p7s"))]
    );
}

#[test]
fn a_statement_changed_after_it_was_signed_is_invalid() {
    let mut scene = scene();
    let name = scene.release.clone();
    let text = String::from_utf8(scene.signatures.files[&name].clone()).unwrap();
    scene.add(&name, text.replace("\"release\"", "\"approve\"").as_bytes());
    assert_eq!(scene.findings(), [(Code::SignatureInvalid, name)]);
    assert_eq!(scene.signatures.examine(&scene.trust).signers.len(), 1);
}

#[test]
fn a_signed_file_that_is_no_statement_is_unreadable() {
    for change in [
        ("\"meaning\": \"release\"", "\"meaning\": \"maybe\""),
        ("{", "["),
    ] {
        let mut scene = scene();
        scene.forge(&[change]);
        let name = scene.release.clone();
        assert_eq!(scene.findings(), [(Code::StatementUnreadable, name)]);
    }
}

#[test]
fn a_finding_stays_on_one_line_whatever_the_file_says() {
    let mut scene = scene();
    let lines = format!("\"ok\\nall good\\u001b[2K{}\"", "x".repeat(5000));
    scene.forge(&[("\"release\"", &lines)]);
    let findings = scene.signatures.examine(&scene.trust).findings;
    assert_eq!(findings[0].code, Code::StatementUnreadable);
    assert!(
        !findings[0].detail.contains(char::is_control),
        "{findings:?}"
    );
    assert!(findings[0].detail.chars().count() <= 1000);
}

#[test]
fn a_statement_about_another_manifest_or_other_checksums_is_foreign() {
    for own in [b"the manifest".as_slice(), b"the checksums"] {
        let mut scene = scene();
        let (from, to) = (
            Sha256::of(own).to_string(),
            Sha256::of(b"other").to_string(),
        );
        scene.forge(&[(&from, &to)]);
        let name = scene.release.clone();
        assert_eq!(scene.findings(), [(Code::StatementForeign, name)]);
        let signers = scene.signatures.examine(&scene.trust).signers;
        assert!(!signers[0].valid && signers[0].trusted);
        assert_eq!(missing_roles(&signers, &["Quality".to_owned()]).len(), 1);
    }
}

#[test]
fn an_earlier_statement_that_was_removed_or_replaced_is_noticed() {
    let mut scene = scene();
    let builder = scene.builder.clone();
    scene.remove(&builder);
    scene.remove(&format!("{builder}.p7s"));
    assert_eq!(
        scene.findings(),
        [(Code::StatementRemoved, builder.clone())]
    );
    let mut scene = self::scene();
    let (machine, pem) = person("CI", &["Release Builder"]);
    scene.trust.add(pem.as_bytes(), None).unwrap();
    let builder = scene.builder.clone();
    let time = scene.signatures.examine(&scene.trust).signers[1].signed_at;
    scene
        .signatures
        .forge(&builder, &machine, time, &[("{", "{ ")]);
    assert_eq!(scene.findings(), [(Code::StatementRemoved, builder)]);
}

#[test]
fn a_name_or_a_time_that_the_signature_does_not_bear_out_is_a_mismatch() {
    let mut scene = scene();
    scene.forge(&[("Jane Doe", "Jane Roe")]);
    let name = scene.release.clone();
    assert_eq!(scene.findings(), [(Code::StatementMismatch, name.clone())]);
    let mut scene = self::scene();
    let name = scene.release.clone();
    let time = now() - days(1) / 24;
    scene.signatures.forge(&name, &scene.jane, time, &[]);
    let found = scene.findings();
    assert!(
        found.contains(&(Code::StatementMismatch, name)),
        "{found:?}"
    );
}

#[test]
fn an_archive_that_nobody_validly_signed_is_unsigned() {
    let signatures = Signatures::none();
    let unsigned = (Code::Unsigned, String::new());
    assert_eq!(
        signatures.findings(&Trust::default()),
        std::slice::from_ref(&unsigned)
    );
    let mut scene = scene();
    scene.add(&format!("{}.p7s", scene.release), b"x");
    scene.add(&format!("{}.p7s", scene.builder), b"x");
    assert_eq!(scene.findings().last(), Some(&unsigned));
}

#[test]
fn signers_whom_nobody_vouches_for_are_unknown() {
    let scene = scene();
    let expected = [scene.release.clone(), scene.builder.clone()];
    let expected = expected.map(|name| (Code::SignerUnknown, name));
    assert_eq!(scene.signatures.findings(&Trust::default()), expected);
    let signers = scene.signatures.examine(&Trust::default()).signers;
    assert!(signers.iter().all(|signer| signer.valid && !signer.trusted));
}

#[test]
fn signatures_before_after_and_far_from_the_validity_are_outside_it() {
    for time in [now() - days(30), now() + days(2), now() + days(900)] {
        let mut scene = scene();
        let name = scene.release.clone();
        let stated = scene.signatures.examine(&scene.trust).signers[0].signed_at;
        let change = (&*stated.to_string(), &*time.to_string());
        scene.signatures.forge(&name, &scene.jane, time, &[change]);
        assert_eq!(
            scene.findings(),
            [(Code::SignerOutsideValidity, name)],
            "{time}"
        );
    }
}

#[test]
fn a_role_that_the_certificate_does_not_allow_is_not_entitled() {
    let mut scene = scene();
    scene.forge(&[("\"role\": \"Quality\"", "\"role\": \"Engineering\"")]);
    let name = scene.release.clone();
    assert_eq!(scene.findings(), [(Code::SignerNotEntitled, name)]);
}

#[test]
fn a_machine_that_releases_is_not_entitled() {
    let mut signatures = Signatures::none();
    let (machine, pem) = person("CI", &["Release Builder"]);
    let name = signatures.sign(&machine, "Release Builder", Meaning::Author);
    let trust = trusting(&[(&pem, Some("Release Builder"))]);
    let time = signatures.examine(&trust).signers[0].signed_at;
    signatures.forge(&name, &machine, time, &[("\"author\"", "\"release\"")]);
    assert_eq!(
        signatures.findings(&trust),
        [(Code::SignerNotEntitled, name)]
    );
}

#[test]
fn one_key_under_two_certificates_fills_one_role() {
    let Some(workshop) = super::workshop::Workshop::open() else {
        return;
    };
    workshop.openssl(&format!("genpkey {} -out a.key", super::workshop::P256));
    workshop.write("b.key", &workshop.read("a.key"));
    workshop.openssl("req -x509 -new -key a.key -subj /OU=Quality/CN=Jane -days 9 -out a.crt");
    workshop.openssl("req -x509 -new -key b.key -subj /OU=Engineering/CN=Jane -days 9 -out b.crt");
    let mut signatures = Signatures::none();
    signatures.sign(&workshop.signer(&["a"]), "Quality", Meaning::Release);
    signatures.sign(&workshop.signer(&["b"]), "Engineering", Meaning::Release);
    let trust = trusting(&[(&workshop.pem("a"), None), (&workshop.pem("b"), None)]);
    let examination = signatures.examine(&trust);
    assert_eq!(examination.findings, []);
    let required = ["Quality", "Engineering"].map(str::to_owned);
    let missing = missing_roles(&examination.signers, &required);
    assert_eq!(missing.len(), 1, "{missing:?}");
}
