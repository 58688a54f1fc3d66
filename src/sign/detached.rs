//! Signatures over plain bytes, without CMS around them: what `openssl dgst -verify` checks.

#[cfg(feature = "native")]
use jiff::Timestamp;

use super::Certificate;
#[cfg(feature = "native")]
use super::{SignError, Signer};

/// Signs `message`: ECDSA in DER by RFC 6979, or RSA with PKCS #1 v1.5 padding, over SHA-256, or
/// SHA-384 for a P-384 key. The same key and message give the same bytes.
///
/// Fails with [`SignError::Unfit`] if the signer's certificate is not valid at `time`.
#[cfg(feature = "native")]
pub fn sign_detached(
    signer: &Signer,
    message: &[u8],
    time: Timestamp,
) -> Result<Vec<u8>, SignError> {
    let certificate = signer.certificate();
    if !certificate.is_valid_at(time) {
        let (from, to) = (certificate.not_before(), certificate.not_after());
        return Err(SignError::Unfit {
            name: certificate.name().ok_or(SignError::CertificateUnnamed)?,
            reason: format!("it is valid from {from} to {to}, and the time is {time}"),
        });
    }
    signer.sign(message)
}

/// Whether the key in `certificate` made `signature` over `message`, by the rules of
/// [`sign_detached`]. Whether the certificate is trusted is another question.
pub fn verify_detached(certificate: &Certificate, message: &[u8], signature: &[u8]) -> bool {
    certificate
        .public_key()
        .is_some_and(|key| key.verify(key.hash(), message, signature).is_ok())
}
