//! Whether a certificate descends from a trusted certification authority (RFC 5280 §6), by
//! rustls-webpki with the algorithms of this module instead of a library in C.

use jiff::Timestamp;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
    UnixTime, alg_id,
};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter};

use super::algorithm::{Hash, PublicKey};
use super::certificate::Certificate;

/// The most certificates between a signer's and the authority's: fewer than webpki's own limit,
/// and more than any real hierarchy has.
const MAX_OTHERS: usize = 16;

/// How a search for a path ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// The certificate descends from the authority, and all were valid.
    Found,
    /// It descends from the authority, but one on the way was expired or not valid yet.
    OutsideValidity,
    /// It does not.
    None,
}

/// Looks for a path from `certificate` over some of `others` to `authority`, at `time`.
pub(super) fn find(
    certificate: &Certificate,
    others: &[Certificate],
    authority: &Certificate,
    time: Timestamp,
) -> Path {
    let (Some(depth), Ok(seconds)) = (authority.authority_depth(), u64::try_from(time.as_second()))
    else {
        return Path::None;
    };
    // webpki leaves the key usage of intermediate certificates alone.
    let others: Vec<CertificateDer<'_>> = others
        .iter()
        .filter(|other| other.authority_depth().is_some())
        .take(MAX_OTHERS)
        .map(|other| CertificateDer::from(other.der()))
        .collect();
    let time_of_path = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    match build(certificate, &others, authority, time_of_path) {
        Ok(length) if length > usize::from(depth) => Path::None,
        // webpki takes an anchor as it is; OpenSSL asks for its validity as well.
        Ok(_) if !authority.is_valid_at(time) => Path::OutsideValidity,
        Ok(_) => Path::Found,
        Err(Error::CertExpired { .. } | Error::CertNotValidYet { .. }) => Path::OutsideValidity,
        Err(_) => Path::None,
    }
}

/// The number of certificates between the two.
fn build(
    certificate: &Certificate,
    others: &[CertificateDer<'_>],
    authority: &Certificate,
    time: UnixTime,
) -> Result<usize, Error> {
    let leaf = CertificateDer::from(certificate.der());
    let anchor = CertificateDer::from(authority.der());
    let anchors = [webpki::anchor_from_trusted_cert(&anchor)?];
    let leaf = EndEntityCert::try_from(&leaf)?;
    let path = leaf.verify_for_usage(ALGORITHMS, &anchors, others, time, AnyUsage, None, None)?;
    Ok(path.intermediate_certificates().count())
}

/// There is no extended key usage for signing documents that everybody uses, so any will do.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}

/// A signature algorithm of a certificate.
#[derive(Debug)]
struct Algorithm {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    hash: Hash,
    read_key: fn(&[u8]) -> Option<PublicKey>,
}

impl SignatureVerificationAlgorithm for Algorithm {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = (self.read_key)(public_key).ok_or(InvalidSignature)?;
        key.verify(self.hash, message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    &p256(alg_id::ECDSA_SHA256, Hash::Sha256),
    &p256(alg_id::ECDSA_SHA384, Hash::Sha384),
    &p256(alg_id::ECDSA_SHA512, Hash::Sha512),
    &p384(alg_id::ECDSA_SHA256, Hash::Sha256),
    &p384(alg_id::ECDSA_SHA384, Hash::Sha384),
    &p384(alg_id::ECDSA_SHA512, Hash::Sha512),
    &rsa(alg_id::RSA_PKCS1_SHA256, Hash::Sha256),
    &rsa(alg_id::RSA_PKCS1_SHA384, Hash::Sha384),
    &rsa(alg_id::RSA_PKCS1_SHA512, Hash::Sha512),
];

const fn p256(signature: AlgorithmIdentifier, hash: Hash) -> Algorithm {
    Algorithm {
        key: alg_id::ECDSA_P256,
        signature,
        hash,
        read_key: |bytes| {
            p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                .ok()
                .map(PublicKey::P256)
        },
    }
}

const fn p384(signature: AlgorithmIdentifier, hash: Hash) -> Algorithm {
    Algorithm {
        key: alg_id::ECDSA_P384,
        signature,
        hash,
        read_key: |bytes| {
            p384::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                .ok()
                .map(PublicKey::P384)
        },
    }
}

const fn rsa(signature: AlgorithmIdentifier, hash: Hash) -> Algorithm {
    Algorithm {
        key: alg_id::RSA_ENCRYPTION,
        signature,
        hash,
        read_key: PublicKey::from_pkcs1,
    }
}
