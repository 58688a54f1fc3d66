//! The signature on a tag, checked without anybody's keyring.

use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PublicKey, SshSig};

use super::allowed_signers;
use super::error::GitError;
use super::{Mirror, Tag};
use crate::manifest::{GitSignature, GitSignatureStatus as Status};

/// The namespace in which git signs, see `gpg.format` in git-config(1).
const NAMESPACE: &str = "git";
/// How a signature's first line begins, with its kind (git's `gpg-interface.c`).
const STARTS: [(&[u8], &str); 4] = [
    (b"-----BEGIN SSH SIGNATURE-----", "ssh"),
    (b"-----BEGIN PGP SIGNATURE-----", "openpgp"),
    (b"-----BEGIN PGP MESSAGE-----", "openpgp"),
    (b"-----BEGIN SIGNED MESSAGE-----", "x509"),
];
const SSH_END: &str = "-----END SSH SIGNATURE-----";

impl Mirror {
    /// What is known of the tag's signature. An SSH signature is checked against the tag, and its
    /// key looked up in the text of an allowed signers file (ssh-keygen(1), "ALLOWED SIGNERS") as
    /// of the tag's date. `OpenPGP` and X.509 signatures are named, not checked: both need keys and
    /// revocations that a repository does not hold.
    pub fn tag_signature(
        &self,
        tag: &Tag,
        allowed_signers: Option<&str>,
    ) -> Result<GitSignature, GitError> {
        if !tag.annotated {
            return Ok(without_details(Status::None, None));
        }
        let bytes = self.tag_bytes(tag)?;
        Ok(match split(&bytes) {
            None => without_details(Status::None, None),
            Some((payload, signature, "ssh")) => {
                check_ssh(payload, signature, tag, allowed_signers)
            }
            Some((_, _, kind)) => without_details(Status::NotChecked, Some(kind)),
        })
    }
}

fn without_details(status: Status, kind: Option<&str>) -> GitSignature {
    GitSignature {
        status,
        kind: kind.map(str::to_owned),
        key: None,
        signer: None,
    }
}

/// A tag's content, its signature and the signature's kind. Like git, takes the last line that
/// begins a signature for its start: one quoted in the message comes before.
fn split(tag: &[u8]) -> Option<(&[u8], &[u8], &'static str)> {
    let mut found = None;
    let mut offset = 0;
    for line in tag.split_inclusive(|byte| *byte == b'\n') {
        let start = STARTS.iter().find(|(start, _)| line.starts_with(start));
        if let Some((_, kind)) = start {
            found = Some((offset, *kind));
        }
        offset += line.len();
    }
    let (offset, kind) = found?;
    let (payload, signature) = tag.split_at(offset);
    Some((payload, signature, kind))
}

fn check_ssh(
    payload: &[u8],
    signature: &[u8],
    tag: &Tag,
    allowed_signers: Option<&str>,
) -> GitSignature {
    let Some(signature) = parse_ssh(signature) else {
        return without_details(Status::Bad, Some("ssh"));
    };
    let key = PublicKey::from(signature.public_key().clone());
    let holder = allowed_signers
        .and_then(|text| allowed_signers::holder(text, key.key_data(), NAMESPACE, tag.date));
    let status = if !can_check(&key.algorithm()) {
        Status::NotChecked
    } else if key.verify(NAMESPACE, payload, &signature).is_err() {
        Status::Bad
    } else if holder.is_some() {
        Status::Good
    } else {
        Status::UnknownSigner
    };
    GitSignature {
        signer: holder.filter(|_| status == Status::Good),
        key: Some(key.fingerprint(HashAlg::Sha256).to_string()),
        ..without_details(status, Some("ssh"))
    }
}

/// Nothing may follow the signature: it would be part of the tag and covered by nothing.
fn parse_ssh(signature: &[u8]) -> Option<SshSig> {
    let text = std::str::from_utf8(signature).ok()?;
    let (_, after) = text.split_once(SSH_END)?;
    if !after.trim().is_empty() {
        return None;
    }
    SshSig::from_pem(text.trim_end()).ok()
}

fn can_check(algorithm: &Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::Ed25519
            | Algorithm::SkEd25519
            | Algorithm::SkEcdsaSha2NistP256
            | Algorithm::Rsa { .. }
            | Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP256 | EcdsaCurve::NistP384
            }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_signature_of_a_tag_counts() {
        let quoted = "object x\n\n-----BEGIN PGP SIGNATURE-----\nquoted\n";
        let tag = format!("{quoted}-----BEGIN SSH SIGNATURE-----\nx\n");
        let (payload, signature, kind) = split(tag.as_bytes()).unwrap();
        assert_eq!(payload, quoted.as_bytes());
        assert!(signature.starts_with(b"-----BEGIN SSH"));
        assert_eq!(kind, "ssh");
        assert_eq!(split(b"object x\n\n -----BEGIN SSH SIGNATURE-----\n"), None);
    }
}
