//! Whom to trust, for which role, at which time.

use dhfpack::finding::Code;
use dhfpack::sign::cms::{sign, verify};
use dhfpack::sign::{Signer, Trust};
use jiff::Timestamp;

use super::workshop::{P256, P384, RSA, Workshop, days, now, person, trusting};

const CA: &str = "basicConstraints=critical,CA:TRUE";

fn judge(trust: &Trust, signer: &Signer, role: &str, time: Timestamp) -> Result<(), Code> {
    trust
        .judge(signer.certificate(), signer.chain(), role, time)
        .map_err(|distrust| distrust.code())
}

#[test]
fn a_given_certificate_signs_in_the_roles_that_it_and_the_trust_allow() {
    const NO: Result<(), Code> = Err(Code::SignerNotEntitled);
    for (named, trusted_for, role, expected) in [
        (&["Quality"][..], None, "Quality", Ok(())),
        (&["Quality"], None, "quality", NO),
        (&["Quality"], None, "Engineering", NO),
        (&["Quality"], None, "Release Builder", NO),
        (&["Quality"], Some("Quality"), "Quality", Ok(())),
        (&["Quality"], Some("Engineering"), "Quality", NO),
        (&["Quality"], Some("Engineering"), "Engineering", NO),
        (&["Quality", "Engineering"], None, "Engineering", Ok(())),
        (
            &["Quality", "Engineering"],
            Some("Engineering"),
            "Quality",
            NO,
        ),
        (&["Release Builder"], None, "Release Builder", Ok(())),
        (&["Release Builder"], None, "Quality", NO),
        (&["Release Builder"], Some("Quality"), "Quality", NO),
    ] {
        let (signer, pem) = person("Jane Doe", named);
        let trust = trusting(&[(&pem, trusted_for)]);
        let found = judge(&trust, &signer, role, now());
        assert_eq!(found, expected, "{named:?} {trusted_for:?} {role}");
    }
}

#[test]
fn trust_given_several_times_adds_up() {
    let (signer, pem) = person("Jane Doe", &["Quality", "Engineering"]);
    let trust = trusting(&[(&pem, Some("Engineering")), (&pem, Some("Quality"))]);
    assert_eq!(judge(&trust, &signer, "Quality", now()), Ok(()));
    assert_eq!(judge(&trust, &signer, "Engineering", now()), Ok(()));
}

#[test]
fn a_certificate_that_names_no_role_signs_where_it_was_itself_given_or_its_role_was() {
    const NO: Result<(), Code> = Err(Code::SignerNotEntitled);
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.self_signed("root", P256, &[CA]);
    workshop.issued("leaf", "/CN=Jane", "root", 30, "");
    workshop.issued(
        "both",
        "/OU=Quality/OU=Release~Builder/CN=CI",
        "root",
        30,
        "",
    );
    for (signer, trusted, trusted_for, role, expected) in [
        ("leaf", "leaf", None, "Quality", Ok(())),
        ("leaf", "leaf", None, "Release Builder", NO),
        (
            "leaf",
            "leaf",
            Some("Release Builder"),
            "Release Builder",
            Ok(()),
        ),
        ("leaf", "leaf", Some("Release Builder"), "Quality", NO),
        ("leaf", "root", None, "Quality", NO),
        ("leaf", "root", Some("Quality"), "Quality", Ok(())),
        ("leaf", "root", Some("Quality"), "Engineering", NO),
        ("both", "root", None, "Quality", NO),
        ("both", "root", None, "Release Builder", Ok(())),
    ] {
        let trust = trusting(&[(&workshop.pem(trusted), trusted_for)]);
        let found = judge(&trust, &workshop.signer(&[signer]), role, now());
        assert_eq!(found, expected, "{signer} {trusted} {trusted_for:?} {role}");
    }
}

#[test]
fn without_trust_a_signer_is_unknown_whatever_its_certificate_says() {
    let (signer, _) = person("Jane Doe", &["Quality"]);
    let (_, namesake) = person("Jane Doe", &["Quality"]);
    let unknown = Err(Code::SignerUnknown);
    assert!(Trust::default().is_empty());
    assert_eq!(judge(&Trust::default(), &signer, "Quality", now()), unknown);
    let trust = trusting(&[(&namesake, None)]);
    assert_eq!(judge(&trust, &signer, "Quality", now()), unknown);
}

#[test]
fn validity_is_judged_at_the_signing_time() {
    let (signer, pem) = person("Jane Doe", &["Quality"]);
    let trust = trusting(&[(&pem, None)]);
    let certificate = signer.certificate();
    let (from, to) = (certificate.not_before(), certificate.not_after());
    let second = jiff::SignedDuration::from_secs(1);
    let outside = Err(Code::SignerOutsideValidity);
    assert_eq!(judge(&trust, &signer, "Quality", from), Ok(()));
    assert_eq!(judge(&trust, &signer, "Quality", to), Ok(()));
    assert_eq!(judge(&trust, &signer, "Quality", from - second), outside);
    assert_eq!(judge(&trust, &signer, "Quality", to + second), outside);
}

#[test]
fn a_chain_over_an_intermediate_authority_is_followed_as_openssl_does() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    for key in [P256, P384, RSA] {
        workshop.self_signed("root", key, &[CA, "keyUsage=critical,keyCertSign"]);
        let extensions = format!("{CA},pathlen:0\nkeyUsage=critical,keyCertSign");
        workshop.issued("middle", "/CN=Middle", "root", 300, &extensions);
        let usage = "keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning";
        workshop.issued("leaf", "/OU=Quality/CN=Jane", "middle", 30, usage);
        let signer = workshop.signer(&["leaf", "middle"]);
        let root = trusting(&[(&workshop.pem("root"), None)]);
        assert_eq!(judge(&root, &signer, "Quality", now()), Ok(()));
        // The chain travels inside the signature.
        let signature = sign(b"content", &signer, now()).unwrap();
        let verified = verify(b"content", &signature).unwrap();
        let (leaf, others) = (verified.certificate(), verified.chain());
        assert_eq!(root.judge(leaf, others, "Quality", now()), Ok(()));
        workshop.write("content", b"content");
        workshop.write("sig.p7s", &signature);
        workshop.openssl("cms -verify -binary -inform DER -in sig.p7s -content content -CAfile root.crt -purpose any -out same");

        let alone = workshop.signer(&["leaf"]);
        let unknown = Err(Code::SignerUnknown);
        assert_eq!(judge(&root, &alone, "Quality", now()), unknown);
        let middle = trusting(&[(&workshop.pem("middle"), None)]);
        assert_eq!(judge(&middle, &alone, "Quality", now()), Ok(()));
        let outside = Err(Code::SignerOutsideValidity);
        for later in [60, 350, 500] {
            let time = now() + days(later);
            assert_eq!(judge(&root, &signer, "Quality", time), outside, "{later}");
        }
    }
}

#[test]
fn an_expired_authority_vouches_for_nobody() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.self_signed("root", P256, &[CA]);
    workshop.issued("leaf", "/OU=Quality/CN=Jane", "root", 3000, "");
    let trust = trusting(&[(&workshop.pem("root"), None)]);
    let signer = workshop.signer(&["leaf"]);
    assert_eq!(judge(&trust, &signer, "Quality", now() + days(399)), Ok(()));
    assert_eq!(
        judge(&trust, &signer, "Quality", now() + days(401)),
        Err(Code::SignerOutsideValidity)
    );
}

#[test]
fn an_authority_with_the_right_name_and_the_wrong_key_is_not_believed() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.self_signed("root", P256, &[CA]);
    let genuine = workshop.pem("root");
    // The same names once more, with a new key.
    workshop.self_signed("root", P256, &[CA]);
    workshop.issued("leaf", "/OU=Quality/CN=Jane", "root", 30, "");
    let trust = trusting(&[(&genuine, None)]);
    for names in [&["leaf"][..], &["leaf", "root"]] {
        let found = judge(&trust, &workshop.signer(names), "Quality", now());
        assert_eq!(found, Err(Code::SignerUnknown), "{names:?}");
    }
}

#[test]
fn certificates_that_may_not_certify_others_do_not_make_a_chain() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    for (root, middle) in [
        (CA, ""),
        (CA, "basicConstraints=critical,CA:FALSE"),
        (
            CA,
            "basicConstraints=critical,CA:TRUE\nkeyUsage=digitalSignature",
        ),
        ("basicConstraints=critical,CA:TRUE,pathlen:0", CA),
        ("basicConstraints=critical,CA:FALSE", CA),
    ] {
        workshop.self_signed("root", P256, &[root]);
        workshop.issued("middle", "/CN=Middle", "root", 30, middle);
        workshop.issued("leaf", "/OU=Quality/CN=Jane", "middle", 30, "");
        let trust = trusting(&[(&workshop.pem("root"), None)]);
        let found = judge(
            &trust,
            &workshop.signer(&["leaf", "middle"]),
            "Quality",
            now(),
        );
        assert_eq!(found, Err(Code::SignerUnknown), "{root} {middle}");
    }
}

#[test]
fn a_certificate_for_encryption_may_not_sign() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.self_signed("locks", P256, &["keyUsage=keyEncipherment"]);
    let certificates = dhfpack::sign::Certificate::read_all(&workshop.read("locks.crt")).unwrap();
    let trust = trusting(&[(&workshop.pem("locks"), None)]);
    let found = trust.judge(&certificates[0], &[], "Quality", now());
    assert_eq!(found.unwrap_err().code(), Code::SignerNotEntitled);
}

#[test]
fn every_certificate_of_a_file_is_trusted_and_a_file_without_any_is_refused() {
    let (jane, one) = person("Jane", &["Quality"]);
    let (john, other) = person("John", &["Quality"]);
    let mut trust = Trust::default();
    assert_eq!(trust.add((one + &other).as_bytes(), None), Ok(2));
    assert_eq!(judge(&trust, &jane, "Quality", now()), Ok(()));
    assert_eq!(judge(&trust, &john, "Quality", now()), Ok(()));
    assert!(trust.add(b"nothing", None).is_err());
}
