//! Making keys and certificates, and reading those of others.

use dhfpack::sign::{Certificate, SignError, Signer, generate};

use super::workshop::{P256, P384, RSA, Workshop, days, now, person};

fn roles(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_generated_certificate_names_its_holder_and_roles() {
    let (signer, _) = person("Jörg O'Neil, PhD", &["Quality Systems SME", "R&D"]);
    let certificate = signer.certificate();
    assert_eq!(certificate.name().as_deref(), Some("Jörg O'Neil, PhD"));
    assert_eq!(certificate.roles(), ["Quality Systems SME", "R&D"]);
    assert!(certificate.not_before() < now());
    assert!(certificate.not_after() > now() + days(2 * 365 - 1));
    assert!(certificate.not_after() < now() + days(2 * 365 + 2));
}

#[test]
fn openssl_reads_a_generated_certificate_and_key() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    for passphrase in [None, Some(b"correct horse".as_slice())] {
        let made = generate("Jane Doe", &roles(&["Quality"]), passphrase, now(), 30).unwrap();
        workshop.write("key.pem", made.key_pem.as_bytes());
        workshop.write("cert.pem", made.certificate_pem.as_bytes());
        let text = workshop.openssl("x509 -in cert.pem -noout -text");
        for part in [
            "Version: 3",
            "Digital Signature, Non Repudiation",
            "CA:FALSE",
            "OU = Quality, CN = Jane Doe",
            "Subject Key Identifier",
            "prime256v1",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let public = workshop.openssl("pkey -in key.pem -passin pass:correct~horse -pubout");
        assert_eq!(public, workshop.openssl("x509 -in cert.pem -noout -pubkey"));
        assert!(
            Signer::load(
                made.key_pem.as_bytes(),
                made.certificate_pem.as_bytes(),
                passphrase
            )
            .is_ok()
        );
    }
}

#[test]
fn keys_of_every_usual_form_are_read() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    for (name, key) in [("p256", P256), ("p384", P384), ("rsa", RSA)] {
        workshop.self_signed(name, key, &[]);
        workshop.openssl(&format!("pkey -in {name}.key -traditional -out {name}.old"));
        workshop.openssl(&format!(
            "pkcs8 -topk8 -v2 aes-256-cbc -in {name}.key -passout pass:x -out {name}.locked"
        ));
        let certificate = workshop.pem(name);
        let load = |file: &str, passphrase| {
            let key = workshop.read(&format!("{name}.{file}"));
            Signer::load(&key, certificate.as_bytes(), passphrase).map(|_| ())
        };
        assert_eq!(load("key", None), Ok(()), "{name}");
        assert_eq!(load("old", None), Ok(()), "{name}");
        assert_eq!(load("locked", Some(b"x")), Ok(()), "{name}");
        assert_eq!(load("locked", None), Err(SignError::PassphraseMissing));
        assert_eq!(load("locked", Some(b"y")), Err(SignError::PassphraseWrong));
    }
    // With the block of curve parameters that older commands put first, and text around.
    workshop.openssl("ecparam -name prime256v1 -genkey -out param.key");
    workshop.openssl("req -x509 -new -key param.key -subj /CN=param -out param.crt");
    workshop.openssl("x509 -in param.crt -text -out param.crt");
    assert_eq!(
        workshop.signer(&["param"]).certificate().name().as_deref(),
        Some("param")
    );
}

#[test]
fn certificates_after_the_first_are_those_of_the_issuers() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.self_signed("root", P256, &["basicConstraints=critical,CA:TRUE"]);
    workshop.issued("leaf", "/CN=leaf", "root", 30, "");
    let signer = workshop.signer(&["leaf", "root"]);
    assert_eq!(signer.certificate().name().as_deref(), Some("leaf"));
    assert_eq!(signer.chain()[0].name().as_deref(), Some("root"));
    let key = workshop.read("leaf.key");
    let swapped = workshop.pem("root") + &workshop.pem("leaf");
    assert_eq!(
        Signer::load(&key, swapped.as_bytes(), None).unwrap_err(),
        SignError::KeyMismatch {
            certificate: "root".to_owned()
        }
    );
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_the_reason() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.self_signed("p256", P256, &[]);
    let certificate = workshop.pem("p256");
    let reason = |key: &[u8]| match Signer::load(key, certificate.as_bytes(), None) {
        Err(SignError::KeyForm { reason }) => reason,
        other => panic!("{other:?}"),
    };
    workshop.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out p521.key");
    assert!(reason(&workshop.read("p521.key")).contains("none of P-256"));
    workshop.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out small.key");
    assert!(reason(&workshop.read("small.key")).contains("2048 bits"));
    workshop.openssl("ec -in p256.key -aes256 -passout pass:x -out old.key");
    assert!(reason(&workshop.read("old.key")).contains("old PEM form"));
    assert!(
        reason(b"-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----\n")
            .contains("not a PKCS #8")
    );
    assert!(
        reason(b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n")
            .contains("malformed")
    );
    assert_eq!(
        Signer::load(certificate.as_bytes(), certificate.as_bytes(), None).unwrap_err(),
        SignError::NoKey
    );
}

#[test]
fn certificates_that_cannot_be_used_are_refused_with_the_reason() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.self_signed("locks", P256, &["keyUsage=keyEncipherment"]);
    let key = workshop.read("locks.key");
    let load = |certificate: &[u8]| Signer::load(&key, certificate, None).unwrap_err();
    assert!(matches!(
        load(workshop.pem("locks").as_bytes()),
        SignError::Unfit { .. }
    ));
    assert_eq!(load(&key), SignError::NoCertificate);
    assert_eq!(load(b""), SignError::NoCertificate);
    workshop.openssl("req -x509 -new -key locks.key -subj /O=Firm -out unnamed.crt");
    assert_eq!(
        load(workshop.pem("unnamed").as_bytes()),
        SignError::CertificateUnnamed
    );
    workshop.openssl("req -x509 -new -key locks.key -subj /CN=A/CN=B -out twice.crt");
    assert_eq!(
        load(workshop.pem("twice").as_bytes()),
        SignError::CertificateUnnamed
    );
    let cut = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let mut second = workshop.pem("locks");
    second.push_str(cut);
    assert!(matches!(
        load(second.as_bytes()),
        SignError::CertificateForm { number: 2, .. }
    ));
}

#[test]
fn text_in_an_old_encoding_around_a_certificate_does_no_harm() {
    let (signer, pem) = person("Jane Doe", &["Quality"]);
    let file = [b"for J\xf6rg\r\n", pem.replace('\n', "\r\n").as_bytes()].concat();
    let read = Certificate::read_all(&file).unwrap();
    assert_eq!(read, std::slice::from_ref(signer.certificate()));
}

#[test]
fn a_certificate_in_der_form_is_read() {
    let (signer, _) = person("Jane Doe", &["Quality"]);
    let certificate = signer.certificate();
    assert_eq!(
        Certificate::read_all(certificate.der()).unwrap(),
        std::slice::from_ref(certificate)
    );
    let mut longer = certificate.der().to_vec();
    longer.push(0);
    assert!(Certificate::read_all(&longer).is_err());
}

#[test]
fn names_roles_and_years_that_make_no_sense_are_refused() {
    let long = "x".repeat(65);
    for (name, held, years) in [
        ("", vec!["Quality"], 1),
        (" Jane", vec!["Quality"], 1),
        ("Jane\nDoe", vec!["Quality"], 1),
        (&long, vec!["Quality"], 1),
        ("Jane", vec![], 1),
        ("Jane", vec![""], 1),
        ("Jane", vec!["Quality", "Quality"], 1),
        ("Jane", vec!["Quality", "Release Builder"], 1),
        ("Jane", vec!["Quality"], 0),
        ("Jane", vec!["Quality"], 31),
    ] {
        let made = generate(name, &roles(&held), None, now(), years);
        assert!(made.is_err(), "{name:?} {held:?} {years}");
    }
    let empty = generate("Jane", &roles(&["Quality"]), Some(b""), now(), 1);
    assert_eq!(empty.unwrap_err(), SignError::PassphraseEmpty);
}

#[test]
fn debug_output_and_errors_never_show_a_secret() {
    let made = generate("Jane", &roles(&["Quality"]), Some(b"hunter2"), now(), 1).unwrap();
    let load = |passphrase: &[u8]| {
        Signer::load(
            made.key_pem.as_bytes(),
            made.certificate_pem.as_bytes(),
            Some(passphrase),
        )
    };
    let signer = load(b"hunter2").unwrap();
    let shown = format!("{made:?} {signer:?} {:?}", load(b"hunter3"));
    assert!(!shown.contains("hunter"));
    assert!(!shown.contains("PRIVATE KEY"));
}
