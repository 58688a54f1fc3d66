//! Input made to mislead or to break the checks.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use dhfpack::digest::Sha256;
use dhfpack::sign::cms::{Invalid, sign, verify};
use dhfpack::sign::{Certificate, MAX_PART, MAX_SIZE, Signer, Statement, Trust, examine};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::workshop::{now, person, trusting};

const CONTENT: &[u8] = b"content";

static SIGNED: LazyLock<(Signer, String, Vec<u8>)> = LazyLock::new(|| {
    let (signer, pem) = person("Jane Doe", &["Quality"]);
    let signature = sign(CONTENT, &signer, now()).unwrap();
    (signer, pem, signature)
});

/// The signature covers the signed attributes; the signer identifier, the algorithms and the
/// versions must fit them. What remains is the copy of the certificate: changed where the signer
/// identifier and the key are not, it is another certificate, and nobody trusts that one.
fn is_refused(signature: &[u8]) -> bool {
    let (signer, pem, _) = &*SIGNED;
    let Ok(verified) = verify(CONTENT, signature) else {
        return true;
    };
    let time = verified.signing_time();
    let trust = trusting(&[(pem, None)]);
    let judged = trust.judge(verified.certificate(), verified.chain(), "Quality", time);
    verified.certificate() != signer.certificate() && judged.is_err()
}

#[test]
fn a_signature_with_any_byte_changed_is_refused() {
    let (_, _, signature) = &*SIGNED;
    assert!(!is_refused(signature));
    for position in 0..signature.len() {
        for mask in [0x01, 0x20, 0x80, 0xff] {
            let mut changed = signature.clone();
            changed[position] ^= mask;
            assert!(is_refused(&changed), "byte {position} ^ {mask:#x}");
        }
    }
}

#[test]
fn a_signature_cut_short_anywhere_is_refused() {
    let (_, _, signature) = &*SIGNED;
    for length in 0..signature.len() {
        assert_eq!(verify(CONTENT, &signature[..length]), Err(Invalid::NotDer));
    }
}

/// A DER element of more than 255 and less than 65536 bytes.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, high, low], content].concat()
}

/// A set of this many small members, ascending or, the worst order to sort, descending.
fn long_set(count: usize, ascending: bool) -> Vec<u8> {
    let count = u16::try_from(count).unwrap();
    let members: Vec<u8> = (0..count)
        .flat_map(|index| {
            let number = if ascending { index } else { count - index };
            let [high, low] = number.to_be_bytes();
            [0x04, 0x02, high, low]
        })
        .collect();
    element(0x31, &members)
}

/// Signed data with these sets of digest algorithms and of signers.
fn signed_data(algorithms: &[u8], signers: &[u8]) -> Vec<u8> {
    const DATA: &[u8] = b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
    const SIGNED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
    let inner = [b"\x02\x01\x01", algorithms, DATA, signers].concat();
    let content = element(0xa0, &element(0x30, &inner));
    element(0x30, &[SIGNED_DATA, &content].concat())
}

#[test]
fn long_sets_in_the_worst_order_take_no_long_time() {
    let begin = Instant::now();
    let many = (MAX_SIZE - 100) / 4;
    let signature = signed_data(b"\x31\x00", &long_set(many, false));
    assert!(signature.len() <= MAX_SIZE);
    assert_eq!(
        verify(CONTENT, &signature),
        Err(Invalid::Signers { found: many })
    );
    // One signer, whose first signed attribute has very many values.
    for (members, ascending, expected) in [
        ((MAX_PART - 100) / 4, true, Invalid::Version),
        ((MAX_PART - 100) / 4, false, Invalid::NotDer),
        (
            MAX_PART / 4,
            false,
            Invalid::TooLarge {
                size: 4 * (MAX_PART / 4) + 74,
            },
        ),
    ] {
        let attribute = element(
            0x30,
            &[b"\x06\x03\x2a\x03\x04", &*long_set(members, ascending)].concat(),
        );
        let signer = [
            b"\x02\x01\x03\x80\x14the twenty bytes key\x30\x05\x06\x03\x2a\x03\x04".as_slice(),
            &element(0xa0, &attribute),
            b"\x30\x05\x06\x03\x2a\x03\x04\x04\x10this long signed",
        ];
        let signers = element(0x31, &element(0x30, &signer.concat()));
        let signature = signed_data(b"\x31\x00", &signers);
        assert_eq!(verify(CONTENT, &signature), Err(expected));
    }
    assert!(begin.elapsed() < Duration::from_secs(20));
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..600)) {
        prop_assert!(verify(CONTENT, &bytes).is_err());
        prop_assert!(Statement::parse(&bytes).is_err());
        prop_assert!(Certificate::read_all(&bytes).is_err());
        prop_assert!(Signer::load(&bytes, &bytes, Some(&bytes)).is_err());
    }

    #[test]
    fn no_text_between_pem_lines_makes_a_reader_panic(text in "[A-Za-z0-9+/=\n-]{0,200}") {
        for label in ["CERTIFICATE", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"] {
            let pem = format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
            prop_assert!(Certificate::read_all(pem.as_bytes()).is_err());
            let certificate = SIGNED.1.as_bytes();
            prop_assert!(Signer::load(pem.as_bytes(), certificate, Some(b"x")).is_err());
        }
    }

    #[test]
    fn a_signature_with_a_piece_replaced_is_refused(
        start in any::<prop::sample::Index>(),
        length in 0_usize..40,
        piece in vec(any::<u8>(), 0..40),
    ) {
        let (_, _, signature) = &*SIGNED;
        let start = start.index(signature.len());
        let end = (start + length).min(signature.len());
        let mut changed = signature.clone();
        changed.splice(start..end, piece);
        prop_assert!(changed == *signature || is_refused(&changed));
    }

    #[test]
    fn no_folder_makes_the_examination_panic_or_pass(
        files in btree_map("[a-b/]{1,2}(\\.json|\\.crt|\\.crl|)(\\.p7s|\\.tsr|\\.[0-9]\\.tsr|)", vec(any::<u8>(), 0..40), 0..8)
    ) {
        let digest = Sha256::of(b"");
        let files: BTreeMap<String, Vec<u8>> = files;
        let examination = examine(&files, &digest, &digest, &Trust::default(), now());
        prop_assert!(examination.signers.is_empty());
        prop_assert!(!examination.findings.is_empty());
    }
}
