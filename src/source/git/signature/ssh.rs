//! SSH signatures (OpenSSH's `PROTOCOL.sshsig`).

use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PublicKey, SshSig};

use super::{Signed, Status};
use crate::manifest::GitSignature;
use crate::source::git::allowed_signers;

/// The namespace in which git signs, see `gpg.format` in git-config(1).
const NAMESPACE: &str = "git";
const END: &str = "-----END SSH SIGNATURE-----";

pub(super) fn judge(signed: &Signed, allowed_signers: Option<&str>) -> GitSignature {
    let parsed = signed
        .armour(END)
        .and_then(|text| SshSig::from_pem(text).ok());
    let Some(signature) = parsed else {
        return signed.found(Status::Bad, Some("it is malformed".to_owned()));
    };
    let key = PublicKey::from(signature.public_key().clone());
    let holder = allowed_signers
        .and_then(|text| allowed_signers::holder(text, key.key_data(), NAMESPACE, signed.date));
    let (status, reason) = if !can_check(&key.algorithm()) {
        let reason = format!("keys of the kind {} are not supported", key.algorithm());
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
