//! The signatures on tags and commits: what was signed, by which kind of signature, and whether a
//! key signed that a trust file names. Nobody's keyring is asked.
//!
//! SSH and `OpenPGP` signatures are judged here. An X.509 signature is only taken apart: the
//! certificates and their chains are another adapter's.

mod openpgp;
mod ssh;

use jiff::Timestamp;

use super::error::GitError;
use super::refs::{date_of, header};
use super::{Mirror, Tag};
use crate::manifest::{GitSignature, GitSignatureStatus as Status};

pub use self::openpgp::{KeysError, OpenPgpKeys};

/// The largest signature that is looked at, in bytes; real ones have less than a tenth.
const LARGEST: usize = 64 * 1024;
/// The least size of an RSA modulus, in bits (NIST SP 800-57 part 1, 112-bit strength).
const MIN_RSA_BITS: usize = 2048;
/// The headers of a commit or tag that hold a signature; the first belongs to SHA-1 repositories,
/// the second to SHA-256 ones (git's `commit.c`).
const HEADERS: [&str; 2] = ["gpgsig", "gpgsig-sha256"];
/// How a signature's first line begins, with its kind (git's `gpg-interface.c`).
const STARTS: [(&[u8], SignatureKind); 4] = [
    (b"-----BEGIN SSH SIGNATURE-----", SignatureKind::Ssh),
    (b"-----BEGIN PGP SIGNATURE-----", SignatureKind::OpenPgp),
    (b"-----BEGIN PGP MESSAGE-----", SignatureKind::OpenPgp),
    (b"-----BEGIN SIGNED MESSAGE-----", SignatureKind::X509),
];

/// The kinds of signature that git makes, see `gpg.format` in git-config(1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureKind {
    /// By an SSH key (ssh-keygen(1), "ALLOWED SIGNERS").
    Ssh,
    /// By an `OpenPGP` key (RFC 9580).
    OpenPgp,
    /// By an X.509 certificate's key (RFC 5652).
    X509,
}

impl SignatureKind {
    /// As git's configuration calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::OpenPgp => "openpgp",
            Self::X509 => "x509",
        }
    }
}

/// A tag or commit with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The kind of signature.
    pub kind: SignatureKind,
    /// What was signed: the object without its signatures.
    pub payload: Vec<u8>,
    /// The signature, as the object has it.
    pub signature: Vec<u8>,
    /// The tagger's or committer's date.
    pub date: Timestamp,
}

impl Mirror {
    /// The signature on the tag; none if it has none or is lightweight.
    pub fn tag_signature(&self, tag: &Tag) -> Result<Option<Signed>, GitError> {
        if !tag.annotated {
            return Ok(None);
        }
        Ok(
            split_tag(&self.record(&tag.object)?).map(|(payload, signature)| {
                // The line that was found is the start of a known kind.
                let kind = kind_of(signature).unwrap_or(SignatureKind::OpenPgp);
                Signed {
                    kind,
                    payload: split_headers(payload, &HEADERS).0,
                    signature: signature.to_vec(),
                    date: tag.date,
                }
            }),
        )
    }

    /// The signature on the commit with this id, if it has one.
    pub fn commit_signature(&self, commit: &str) -> Result<Option<Signed>, GitError> {
        let bytes = self.record(commit)?;
        let own = HEADERS[usize::from(commit.len() == 64)];
        let (payload, signature) = split_headers(&bytes, &[own]);
        if signature.is_empty() {
            return Ok(None);
        }
        Ok(Some(Signed {
            // What git could not name is no signature of any kind: it is malformed.
            kind: kind_of(&signature).unwrap_or(SignatureKind::OpenPgp),
            payload: split_headers(&payload, &HEADERS).0,
            signature,
            date: date_of(commit, header(&bytes, "committer").unwrap_or_default())?,
        }))
    }
}

impl Signed {
    /// Judges an SSH signature by the text of an allowed signers file (ssh-keygen(1), "ALLOWED
    /// SIGNERS") as of the tagger's or committer's date.
    pub fn judge_ssh(&self, allowed_signers: Option<&str>) -> GitSignature {
        ssh::judge(self, allowed_signers)
    }

    /// Judges an `OpenPGP` signature by the keys that may sign, as of the time of the signature.
    pub fn judge_openpgp(&self, keys: Option<&OpenPgpKeys>) -> GitSignature {
        openpgp::judge(self, keys)
    }

    /// A judgement of this signature.
    pub fn found(&self, status: Status, reason: Option<String>) -> GitSignature {
        GitSignature {
            status,
            kind: Some(self.kind.as_str().to_owned()),
            key: None,
            signer: None,
            reason,
        }
    }

    /// The signature as text; none if it is none, too large, or has anything but blanks after the
    /// line that begins with `end`: that would be part of the object and covered by nothing.
    pub fn armour(&self, end: &str) -> Option<&str> {
        if self.signature.len() > LARGEST {
            return None;
        }
        let text = std::str::from_utf8(&self.signature).ok()?;
        let (_, after) = text.split_once(end)?;
        let length = text.len() - after.len();
        after.trim().is_empty().then(|| &text[..length])
    }
}

fn kind_of(line: &[u8]) -> Option<SignatureKind> {
    let start = STARTS.iter().find(|(start, _)| line.starts_with(start));
    start.map(|(_, kind)| *kind)
}

/// A tag's content and its signature. Like git, takes the last line that begins a signature for
/// its start: one quoted in the message comes before.
fn split_tag(tag: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut found = None;
    let mut offset = 0;
    for line in tag.split_inclusive(|byte| *byte == b'\n') {
        if kind_of(line).is_some() {
            found = Some(offset);
        }
        offset += line.len();
    }
    Some(tag.split_at(found?))
}

/// A record without the headers of these names, and their values one after the other. A value's
/// further lines begin with a space; the headers end with the first empty line.
fn split_headers(record: &[u8], names: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let (mut rest, mut values) = (Vec::with_capacity(record.len()), Vec::new());
    let mut inside = false;
    let mut offset = 0;
    for line in record.split_inclusive(|byte| *byte == b'\n') {
        if line == b"\n" {
            break;
        }
        offset += line.len();
        let first = names
            .iter()
            .find_map(|name| line.strip_prefix(name.as_bytes())?.strip_prefix(b" "));
        let value = match (first, line.strip_prefix(b" ")) {
            (Some(value), _) => Some(value),
            (None, Some(more)) if inside => Some(more),
            _ => None,
        };
        inside = value.is_some();
        match value {
            Some(value) => values.extend_from_slice(value),
            None => rest.extend_from_slice(line),
        }
    }
    rest.extend_from_slice(&record[offset..]);
    (rest, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_signature_of_a_tag_counts() {
        let quoted = "object x\n\n-----BEGIN PGP SIGNATURE-----\nquoted\n";
        let tag = format!("{quoted}-----BEGIN SSH SIGNATURE-----\nx\n");
        let (payload, signature) = split_tag(tag.as_bytes()).unwrap();
        assert_eq!(payload, quoted.as_bytes());
        assert_eq!(kind_of(signature), Some(SignatureKind::Ssh));
        assert_eq!(
            split_tag(b"object x\n\n -----BEGIN SSH SIGNATURE-----\n"),
            None
        );
    }

    #[test]
    fn only_the_headers_named_are_taken_out_of_a_record() {
        let record = b"tree x\ngpgsig A\n B\n \nmergetag y\n gpgsig C\ngpgsigx D\n\ngpgsig E\n";
        let (rest, values) = split_headers(record, &HEADERS);
        assert_eq!(values, b"A\nB\n\n");
        assert_eq!(
            rest,
            b"tree x\nmergetag y\n gpgsig C\ngpgsigx D\n\ngpgsig E\n"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_record_makes_the_reader_panic(record in "(gpgsig|gpgsig-sha256|-----BEGIN SSH SIGNATURE-----|[ -~\n]){0,40}") {
            let (rest, values) = split_headers(record.as_bytes(), &HEADERS);
            assert!(rest.len() + values.len() <= record.len());
            let _ = split_tag(record.as_bytes());
        }
    }
}
