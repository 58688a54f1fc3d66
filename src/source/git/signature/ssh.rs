//! SSH signatures (OpenSSH's `PROTOCOL.sshsig`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::{BigUint, RsaPublicKey};
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PublicKey, SshSig};

use super::{MIN_RSA_BITS, Signed, Status};
use crate::manifest::GitSignature;
use crate::source::git::allowed_signers;

/// The namespace in which git signs, see `gpg.format` in git-config(1).
const NAMESPACE: &str = "git";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// How a signature's bytes begin: what it is, and its version.
const MAGIC: &[u8] = b"SSHSIG\0\0\0\x01";

pub(super) fn judge(signed: &Signed, allowed_signers: Option<&str>) -> GitSignature {
    let text = signed.armour(END).unwrap_or_default();
    if let Some(kind) = certified(text) {
        let reason = format!("keys with an OpenSSH certificate ({kind}) are not supported");
        return signed.found(Status::NotChecked, Some(reason));
    }
    let Ok(signature) = SshSig::from_pem(text) else {
        return signed.found(Status::Bad, Some("it is malformed".to_owned()));
    };
    let key = PublicKey::from(signature.public_key().clone());
    let holder = allowed_signers
        .and_then(|text| allowed_signers::holder(text, key.key_data(), NAMESPACE, signed.date));
    let (status, reason) = if let Err(reason) = can_check(key.key_data()) {
        (Status::NotChecked, Some(reason))
    } else if key.verify(NAMESPACE, &signed.payload, &signature).is_err() {
        (Status::Bad, None)
    } else if holder.is_some() {
        (Status::Good, None)
    } else {
        let reason = "source.allowed_signers does not let this key sign at that date";
        (Status::UnknownSigner, Some(reason.to_owned()))
    };
    GitSignature {
        signer: holder.filter(|_| status == Status::Good),
        key: Some(key.fingerprint(HashAlg::Sha256).to_string()),
        ..signed.found(status, reason)
    }
}

/// Fails with the reason for a key whose signatures are not judged.
fn can_check(key: &KeyData) -> Result<(), String> {
    match key.algorithm() {
        Algorithm::Rsa { .. } => can_check_rsa(key),
        Algorithm::Ed25519
        | Algorithm::SkEd25519
        | Algorithm::SkEcdsaSha2NistP256
        | Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP256 | EcdsaCurve::NistP384,
        } => Ok(()),
        other => Err(format!("keys of the kind {other} are not supported")),
    }
}

fn can_check_rsa(key: &KeyData) -> Result<(), String> {
    let modulus = key.rsa().and_then(|rsa| BigUint::try_from(&rsa.n).ok());
    match modulus.map(|modulus| modulus.bits()) {
        Some(bits) if bits < MIN_RSA_BITS => Err(format!("RSA keys of {bits} bits prove nothing")),
        Some(bits) if bits > RsaPublicKey::MAX_SIZE => {
            Err(format!("RSA keys of {bits} bits are not supported"))
        }
        // One that is no number matches nothing.
        _ => Ok(()),
    }
}

/// The kind of key, if one with an OpenSSH certificate signed (`PROTOCOL.certkeys`), which
/// [`SshSig`] cannot hold; none if the signature is malformed.
fn certified(text: &str) -> Option<Algorithm> {
    let lines = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let base64: String = lines.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(base64).ok()?;
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut key = field(&mut rest)?;
    for _ in ["namespace", "reserved", "digest", "signature"] {
        field(&mut rest)?;
    }
    let kind = std::str::from_utf8(field(&mut key)?).ok()?;
    let kind = Algorithm::new_certificate(kind).ok()?;
    (rest.is_empty() && !matches!(kind, Algorithm::Other(_))).then_some(kind)
}

/// Takes a string off the front (RFC 4251, section 5).
fn field<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (value, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(value)
}
