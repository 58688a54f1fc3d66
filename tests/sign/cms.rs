//! CMS signatures, both ways between this library and OpenSSL.

use dhfpack::sign::cms::{Invalid, Verified, sign, verify};

use super::workshop::{P256, P384, RSA, Workshop, now, person};

const CONTENT: &[u8] = b"{\r\n  \"neither line ends nor \xff may change\"\n}\n";

/// Signs the content with OpenSSL, and returns the signature.
fn by_openssl(workshop: &Workshop, signer: &str, options: &str) -> Vec<u8> {
    workshop.write("content", CONTENT);
    workshop.openssl(&format!(
        "cms -sign -binary -outform DER -in content -signer {signer}.crt -inkey {signer}.key -out sig.p7s {options}"
    ));
    workshop.read("sig.p7s")
}

fn by_openssl_is(workshop: &Workshop, options: &str) -> Result<Verified, Invalid> {
    verify(CONTENT, &by_openssl(workshop, "p256", options))
}

#[test]
fn openssl_verifies_our_signatures() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.write("content", CONTENT);
    let (ours, pem) = person("Jane Doe", &["Quality"]);
    workshop.write("ours.crt", pem.as_bytes());
    let mut signers = vec![("ours", ours)];
    for (name, key) in [("p256", P256), ("p384", P384), ("rsa", RSA)] {
        workshop.self_signed(name, key, &[]);
        signers.push((name, workshop.signer(&[name])));
    }
    let time = now();
    for (name, signer) in signers {
        workshop.write("sig.p7s", &sign(CONTENT, &signer, time).unwrap());
        let check = format!(
            "cms -verify -binary -inform DER -in sig.p7s -CAfile {name}.crt -purpose any -attime {} -out same -content",
            time.as_second()
        );
        workshop.openssl(&format!("{check} content"));
        assert_eq!(workshop.read("same"), CONTENT);
        workshop.write("changed", b"other");
        assert!(
            !workshop
                .attempt(&format!("{check} changed"))
                .status
                .success()
        );
    }
}

#[test]
fn openssl_accepts_a_signers_own_certificate_as_its_anchor() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.write("content", CONTENT);
    workshop.self_signed("root", P256, &["basicConstraints=critical,CA:TRUE"]);
    workshop.issued("issued", "/CN=Leaf", "root", 30, "");
    let (ours, pem) = person("Jane Doe", &["Quality"]);
    workshop.write("ours.crt", pem.as_bytes());
    // Without the root, whoever has a certificate of a firm needs `-partial_chain`.
    for (name, signer) in [("ours", ours), ("issued", workshop.signer(&["issued"]))] {
        workshop.write("sig.p7s", &sign(CONTENT, &signer, now()).unwrap());
        workshop.openssl(&format!(
            "cms -verify -binary -inform DER -in sig.p7s -content content -CAfile {name}.crt -partial_chain -purpose any -out same"
        ));
    }
}

#[test]
fn we_verify_what_openssl_signs() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    for (name, key) in [("p256", P256), ("p384", P384), ("rsa", RSA)] {
        workshop.self_signed(name, key, &["subjectKeyIdentifier=hash"]);
        for options in [
            "",
            "-md sha256",
            "-md sha384",
            "-md sha512",
            "-keyid",
            "-nosmimecap",
        ] {
            let signature = by_openssl(&workshop, name, options);
            let verified = verify(CONTENT, &signature)
                .unwrap_or_else(|invalid| panic!("{name} {options}: {invalid}"));
            assert_eq!(verified.certificate().name().as_deref(), Some(name));
            assert!(verified.chain().is_empty());
            assert!((now() - verified.signing_time()).get_seconds().abs() < 120);
            assert_eq!(verify(b"other", &signature), Err(Invalid::ContentChanged));
        }
    }
}

#[test]
fn we_verify_our_own_signatures_with_the_time_and_the_chain_given() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.self_signed("root", RSA, &["basicConstraints=critical,CA:TRUE"]);
    workshop.issued("leaf", "/CN=Leaf", "root", 30, "");
    let signer = workshop.signer(&["leaf", "root", "root"]);
    for time in [
        "2026-03-04T09:15:00Z",
        "2049-12-31T23:59:59Z",
        "2050-01-01T00:00:00Z",
    ] {
        let time = time.parse().unwrap();
        let verified = verify(CONTENT, &sign(CONTENT, &signer, time).unwrap()).unwrap();
        assert_eq!(verified.certificate(), signer.certificate());
        assert_eq!(verified.chain(), &signer.chain()[..1]);
        assert_eq!(verified.signing_time(), time);
    }
}

#[test]
fn certificates_beside_the_signers_are_read_in_the_order_that_der_gives_them() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.self_signed("p256", P256, &[]);
    // Several times, for the order depends on random lengths and bytes.
    for _ in 0..8 {
        workshop.self_signed("other", P256, &[]);
        workshop.self_signed("third", P384, &[]);
        let both = workshop.pem("other") + &workshop.pem("third");
        workshop.write("others.crt", both.as_bytes());
        let verified = by_openssl_is(&workshop, "-certfile others.crt").unwrap();
        assert_eq!(verified.chain().len(), 2);
        let signer = workshop.signer(&["p256", "other", "third"]);
        let verified = verify(CONTENT, &sign(CONTENT, &signer, now()).unwrap()).unwrap();
        assert_eq!(verified.certificate(), signer.certificate());
        assert_eq!(verified.chain().len(), 2);
    }
}

#[test]
fn forms_that_the_archive_does_not_use_are_refused() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.self_signed("p256", P256, &[]);
    workshop.self_signed("other", P256, &[]);
    workshop.self_signed("rsa", RSA, &[]);
    let is = |options| by_openssl_is(&workshop, options).unwrap_err();
    assert_eq!(is("-nodetach"), Invalid::NotDetached);
    assert_eq!(
        is("-noattr"),
        Invalid::Attribute {
            name: "content-type"
        }
    );
    assert_eq!(is("-nocerts"), Invalid::Certificate);
    assert_eq!(is("-md sha1"), Invalid::DigestAlgorithm);
    assert_eq!(is("-md sha224"), Invalid::DigestAlgorithm);
    assert_eq!(is("-stream -nodetach"), Invalid::NotDer);
    assert_eq!(is("-econtent_type pkcs7-signedData"), Invalid::NotDetached);
    assert_eq!(
        is("-signer other.crt -inkey other.key"),
        Invalid::Signers { found: 2 }
    );
    let pss = by_openssl(&workshop, "rsa", "-keyopt rsa_padding_mode:pss");
    assert_eq!(verify(CONTENT, &pss), Err(Invalid::SignatureAlgorithm));
    workshop.openssl("cms -data_create -in content -outform DER -out data.der");
    assert_eq!(
        verify(CONTENT, &workshop.read("data.der")),
        Err(Invalid::NotSignedData)
    );
}

#[test]
fn bytes_after_a_signature_and_oversized_ones_are_refused() {
    let (signer, _) = person("Jane Doe", &["Quality"]);
    let mut signature = sign(CONTENT, &signer, now()).unwrap();
    assert!(verify(CONTENT, &signature).is_ok());
    signature.push(0);
    assert_eq!(verify(CONTENT, &signature), Err(Invalid::NotDer));
    signature.resize(dhfpack::sign::MAX_SIZE + 1, 0);
    assert_eq!(
        verify(CONTENT, &signature),
        Err(Invalid::TooLarge {
            size: signature.len()
        })
    );
}

#[test]
fn a_signature_moved_to_another_certificate_does_not_verify() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    // Same names and serial number, so that the signer identifier fits; another key.
    for name in ["a", "b"] {
        workshop.openssl(&format!("genpkey {P256} -out {name}.key"));
        workshop.openssl(&format!(
            "req -x509 -new -key {name}.key -subj /CN=Jane -set_serial 7 -out {name}.crt"
        ));
    }
    let mine = sign(CONTENT, &workshop.signer(&["a"]), now()).unwrap();
    let (a, b) = (workshop.signer(&["a"]), workshop.signer(&["b"]));
    let (from, to) = (a.certificate().der(), b.certificate().der());
    if from.len() == to.len() {
        let at = mine
            .windows(from.len())
            .position(|window| window == from)
            .unwrap();
        let mut moved = mine;
        moved[at..at + to.len()].copy_from_slice(to);
        assert_eq!(verify(CONTENT, &moved), Err(Invalid::Signature));
    }
}
