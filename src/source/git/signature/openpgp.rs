//! `OpenPGP` signatures (RFC 9580), judged by the keys of a file instead of a keyring.
//!
//! As `gpg` does, a signature is judged at the time that it states; unlike there, a digest or a
//! key that proves nothing today is not accepted from any time.

mod keys;

use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Packet, PacketParser, Signature, SignatureType, SubpacketData};
use pgp::types::{
    EddsaLegacyPublicParams, Fingerprint, KeyDetails, KeyId, PublicParams, VerifyingKey,
};
use rsa::traits::PublicKeyParts;

use super::{LARGEST, MIN_RSA_BITS, Signed, Status};
use crate::manifest::GitSignature;

pub use self::keys::{KeysError, OpenPgpKeys};

const END: &str = "-----END PGP SIGNATURE-----";

pub(super) fn judge(signed: &Signed, keys: Option<&OpenPgpKeys>) -> GitSignature {
    let parsed = signed.armour(END).and_then(parse);
    let Some(signature) = parsed else {
        return signed.found(Status::Bad, Some("it is malformed".to_owned()));
    };
    if let Err(reason) = can_check(&signature) {
        return GitSignature {
            key: claimed_key(&signature),
            ..signed.found(Status::NotChecked, Some(reason))
        };
    }
    let candidates = keys.map(|keys| keys.candidates(&signature));
    let mut last = None;
    for candidate in candidates.into_iter().flatten() {
        let (status, signer, reason) = match candidate.check(&signature, &signed.payload) {
            Ok(signer) => (Status::Good, Some(signer), None),
            Err((status, reason)) => (status, None, reason),
        };
        let found = GitSignature {
            key: Some(printed(&candidate.fingerprint())),
            signer,
            ..signed.found(status, reason)
        };
        if status == Status::Good {
            return found;
        }
        last = Some(found);
    }
    last.unwrap_or_else(|| GitSignature {
        key: claimed_key(&signature),
        ..signed.found(
            Status::UnknownSigner,
            Some("source.openpgp_keys does not hold this key, so nothing was compared".to_owned()),
        )
    })
}

/// The one signature that is in the armour, and nothing beside it.
fn parse(armour: &str) -> Option<Signature> {
    let bytes = decode(armour)?;
    let mut packets = PacketParser::new(&bytes[..]);
    match (packets.next(), packets.next()) {
        (Some(Ok(Packet::Signature(signature))), None) => Some(signature),
        _ => None,
    }
}

/// The bytes inside one armour, which are fewer than its characters.
fn decode(armour: &str) -> Option<Vec<u8>> {
    let options = pgp::armor::DearmorOptions::new().set_limit(armour.len().max(LARGEST));
    let mut reader = pgp::armor::Dearmor::with_options(armour.as_bytes(), options);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut bytes).ok()?;
    Some(bytes)
}

/// Fails with the reason for a signature that could prove nothing, whoever made it.
fn can_check(signature: &Signature) -> Result<(), String> {
    let Some(config) = signature.config() else {
        return Err("its version is not supported".to_owned());
    };
    if config.typ() != SignatureType::Binary {
        return Err("it is not over the exact bytes".to_owned());
    }
    if !is_strong(signature) {
        return Err(format!("its digest {} proves nothing", config.hash_alg));
    }
    if signature.created().is_none() {
        return Err("it does not state its time".to_owned());
    }
    if signature
        .signature_expiration_time()
        .is_some_and(|time| time.as_secs() > 0)
    {
        return Err("it expires, so the answer would change from one day to another".to_owned());
    }
    // RFC 9580 §5.2.3.7: a critical subpacket that is not known makes the signature invalid.
    let unknown = |data: &SubpacketData| {
        matches!(
            data,
            SubpacketData::Other(..) | SubpacketData::Experimental(..) | SubpacketData::Notation(_)
        )
    };
    let mut critical = config.hashed_subpackets().filter(|part| part.is_critical);
    match critical.find(|part| unknown(&part.data)) {
        None => Ok(()),
        Some(_) => Err("it has a critical part that is not understood".to_owned()),
    }
}

/// Whether a signature's digest resists collisions.
fn is_strong(signature: &Signature) -> bool {
    matches!(
        signature.hash_alg(),
        Some(
            HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512
        )
    )
}

/// Whether a key is of a kind and size that is accepted.
fn is_accepted(key: &impl VerifyingKey) -> bool {
    match key.public_params() {
        PublicParams::RSA(rsa) => rsa.key.n().bits() >= MIN_RSA_BITS,
        PublicParams::ECDSA(params) => params.is_supported(),
        PublicParams::EdDSALegacy(EddsaLegacyPublicParams::Ed25519 { .. })
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_) => true,
        _ => false,
    }
}

/// Whether the signature names this key as its maker.
fn names(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        return signature.issuer_key_id().contains(&&key.legacy_key_id());
    }
    fingerprints.contains(&&key.fingerprint())
}

/// The key that the signature names as its maker.
fn claimed_key(signature: &Signature) -> Option<String> {
    let fingerprints = signature.issuer_fingerprint();
    let printed_id = |id: &&KeyId| id.to_string().to_uppercase();
    let id = signature.issuer_key_id().first().map(printed_id);
    fingerprints.first().map(|found| printed(found)).or(id)
}

/// As `gpg` prints it.
fn printed(fingerprint: &Fingerprint) -> String {
    fingerprint.to_string().to_uppercase()
}
