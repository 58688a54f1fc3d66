//! The algorithms that are accepted: ECDSA on P-256 and P-384, RSA with PKCS #1 v1.5 padding
//! from 2048 bits, each with SHA-256, SHA-384 or SHA-512.

use der::oid::ObjectIdentifier;
use der::oid::db::rfc5912;
use der::referenced::OwnedToRef;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use sha2::Digest;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

/// The least size of an RSA modulus, in bits (NIST SP 800-57 part 1, 112-bit strength).
pub(super) const MIN_RSA_BITS: usize = 2048;

/// A digest algorithm of the SHA-2 family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(super) const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => rfc5912::ID_SHA_256,
            Self::Sha384 => rfc5912::ID_SHA_384,
            Self::Sha512 => rfc5912::ID_SHA_512,
        }
    }

    /// The algorithm that `identifier` names, if it is accepted. Its parameters are absent or
    /// NULL (RFC 5754 §2).
    pub(super) fn from_identifier(identifier: &AlgorithmIdentifierOwned) -> Option<Self> {
        let hash = [Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|hash| hash.oid() == identifier.oid)?;
        is_absent_or_null(identifier).then_some(hash)
    }

    pub(super) fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => sha2::Sha256::digest(data).to_vec(),
            Self::Sha384 => sha2::Sha384::digest(data).to_vec(),
            Self::Sha512 => sha2::Sha512::digest(data).to_vec(),
        }
    }

    pub(super) const fn ecdsa_oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => rfc5912::ECDSA_WITH_SHA_256,
            Self::Sha384 => rfc5912::ECDSA_WITH_SHA_384,
            Self::Sha512 => rfc5912::ECDSA_WITH_SHA_512,
        }
    }

    pub(super) const fn rsa_oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => rfc5912::SHA_256_WITH_RSA_ENCRYPTION,
            Self::Sha384 => rfc5912::SHA_384_WITH_RSA_ENCRYPTION,
            Self::Sha512 => rfc5912::SHA_512_WITH_RSA_ENCRYPTION,
        }
    }

    /// The PKCS #1 v1.5 padding for a digest of this algorithm.
    pub(super) fn rsa_padding(self) -> Pkcs1v15Sign {
        match self {
            Self::Sha256 => Pkcs1v15Sign::new::<sha2::Sha256>(),
            Self::Sha384 => Pkcs1v15Sign::new::<sha2::Sha384>(),
            Self::Sha512 => Pkcs1v15Sign::new::<sha2::Sha512>(),
        }
    }
}

/// A signature that does not match, or a key that cannot be used. There is no more to say:
/// which of the two it is helps nobody but a forger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mismatch;

/// A public key of an accepted kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PublicKey {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Rsa(RsaPublicKey),
}

impl PublicKey {
    pub(super) fn from_spki(spki: &SubjectPublicKeyInfoOwned) -> Option<Self> {
        let spki = spki.owned_to_ref();
        if let Ok(key) = p256::PublicKey::try_from(spki.clone()) {
            return Some(Self::P256(key.into()));
        }
        if let Ok(key) = p384::PublicKey::try_from(spki.clone()) {
            return Some(Self::P384(key.into()));
        }
        RsaPublicKey::try_from(spki).ok().and_then(Self::from_rsa)
    }

    /// The content of a `subjectPublicKey` whose algorithm is `rsaEncryption`.
    pub(super) fn from_pkcs1(bytes: &[u8]) -> Option<Self> {
        RsaPublicKey::from_pkcs1_der(bytes)
            .ok()
            .and_then(Self::from_rsa)
    }

    fn from_rsa(key: RsaPublicKey) -> Option<Self> {
        (key.n().bits() >= MIN_RSA_BITS).then_some(Self::Rsa(key))
    }

    /// The digest algorithm that fits the key's strength.
    pub(super) const fn hash(&self) -> Hash {
        match self {
            Self::P256(_) | Self::Rsa(_) => Hash::Sha256,
            Self::P384(_) => Hash::Sha384,
        }
    }

    /// True if `identifier` names a signature by such a key over a digest of `hash`.
    pub(super) fn accepts(&self, identifier: &AlgorithmIdentifierOwned, hash: Hash) -> bool {
        match self {
            // RFC 5754 §3.3: parameters are absent.
            Self::P256(_) | Self::P384(_) => {
                identifier.oid == hash.ecdsa_oid() && identifier.parameters.is_none()
            }
            // RFC 5754 §3.2: either identifier, parameters NULL; absent is to be accepted too.
            Self::Rsa(_) => {
                [rfc5912::RSA_ENCRYPTION, hash.rsa_oid()].contains(&identifier.oid)
                    && is_absent_or_null(identifier)
            }
        }
    }

    /// Checks `signature` over `message`.
    pub(super) fn verify(
        &self,
        hash: Hash,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Mismatch> {
        let digest = hash.digest(message);
        match self {
            Self::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .and_then(|signature| key.verify_prehash(&digest, &signature))
                .map_err(|_| Mismatch),
            Self::P384(key) => p384::ecdsa::Signature::from_der(signature)
                .and_then(|signature| key.verify_prehash(&digest, &signature))
                .map_err(|_| Mismatch),
            Self::Rsa(key) => key
                .verify(hash.rsa_padding(), &digest, signature)
                .map_err(|_| Mismatch),
        }
    }
}

fn is_absent_or_null(identifier: &AlgorithmIdentifierOwned) -> bool {
    identifier.parameters.as_ref().is_none_or(der::Any::is_null)
}
