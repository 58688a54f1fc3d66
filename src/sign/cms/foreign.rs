//! Signatures that other programs made, in BER where they write it (X.690 §8): `gpgsm` gives its
//! outer parts no length and marks their end instead.

use super::{Certificate, Invalid, Verified, verify_with};
use crate::sign::MAX_SIZE;

/// Deeper than any signature; beyond, bytes are not read.
const MAX_DEPTH: usize = 32;

/// Checks a PEM block with a detached signature over `content`, as [`verify`](super::verify) does
/// for one of ours. The signer's certificate may be inside, or among those at hand.
pub fn verify_foreign(
    content: &[u8],
    pem: &str,
    at_hand: &[Certificate],
) -> Result<Verified, Invalid> {
    let (_, bytes) = der::pem::decode_vec(pem.as_bytes()).map_err(|_| Invalid::NotDer)?;
    if bytes.len() > MAX_SIZE {
        return Err(Invalid::TooLarge { size: bytes.len() });
    }
    let der = definite(&bytes).ok_or(Invalid::NotDer)?;
    verify_with(content, &der, at_hand)
}

/// The same value with a length for every part, in the shortest form. What else DER asks for is
/// the reader's to check.
fn definite(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let rest = value(bytes, &mut out, 0)?;
    rest.is_empty().then_some(out)
}

/// Writes the first value of `bytes`; returns what comes after it.
fn value<'a>(bytes: &'a [u8], out: &mut Vec<u8>, depth: usize) -> Option<&'a [u8]> {
    let (tag, rest) = bytes.split_first()?;
    // Tags of several bytes are in no signature.
    if depth > MAX_DEPTH || tag & 0x1f == 0x1f {
        return None;
    }
    let is_constructed = tag & 0x20 != 0;
    let (length, rest) = length(rest)?;
    let mut inner = Vec::new();
    let rest = match length {
        Some(length) => {
            let (mut content, rest) = rest.split_at_checked(length)?;
            if is_constructed {
                while !content.is_empty() {
                    content = value(content, &mut inner, depth + 1)?;
                }
            } else {
                inner.extend_from_slice(content);
            }
            rest
        }
        None if is_constructed => {
            let mut content = rest;
            loop {
                if let Some(rest) = content.strip_prefix(&[0, 0]) {
                    break rest;
                }
                content = value(content, &mut inner, depth + 1)?;
            }
        }
        None => return None,
    };
    out.push(*tag);
    put_length(inner.len(), out);
    out.extend_from_slice(&inner);
    Some(rest)
}

/// A length, none for one that is marked at its end, and what comes after it.
fn length(bytes: &[u8]) -> Option<(Option<usize>, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match first {
        0..=0x7f => Some((Some(usize::from(*first)), rest)),
        0x80 => Some((None, rest)),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let add = |sum: usize, digit: &u8| sum << 8 | usize::from(*digit);
            Some((Some(digits.iter().fold(0, add)), rest))
        }
        _ => None,
    }
}

fn put_length(length: usize, out: &mut Vec<u8>) {
    let bytes = length.to_be_bytes();
    let digits = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    match digits {
        [] => out.push(0),
        [short @ 0..=0x7f] => out.push(*short),
        _ => {
            // At most eight digits.
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or(0x7f));
            out.extend_from_slice(digits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_without_a_length_get_one() {
        let ber = [
            0x30, 0x80, 0x02, 0x01, 0x05, 0x31, 0x80, 0x05, 0x00, 0, 0, 0, 0,
        ];
        let der = [0x30, 0x07, 0x02, 0x01, 0x05, 0x31, 0x02, 0x05, 0x00];
        assert_eq!(definite(&ber).as_deref(), Some(&der[..]));
        assert_eq!(definite(&der).as_deref(), Some(&der[..]));
        let long = [&[0x04, 0x84, 0, 0, 0, 200][..], &[7; 200]].concat();
        let short = [&[0x04, 0x81, 200][..], &[7; 200]].concat();
        assert_eq!(definite(&long), Some(short));
    }

    #[test]
    fn what_is_no_single_value_is_refused() {
        let deep = [0x30, 0x80].repeat(10_000);
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 0x02, 0x05],
            &[0x04, 0x80, 0, 0],
            &[0x05, 0x00, 0x00],
            &[0x1f, 0x01, 0x00],
            &[0x04, 0x88, 0, 0, 0, 0, 0, 0, 0, 0],
            &deep,
        ] {
            assert_eq!(definite(bytes), None, "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(0_u8..=255, 0..200)) {
            if let Some(der) = definite(&bytes) {
                assert_eq!(definite(&der), Some(der));
            }
        }
    }
}
