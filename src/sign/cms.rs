//! Detached CMS signatures (RFC 5652): making them, and checking every rule that the format
//! leaves to its reader.

mod foreign;
#[cfg(feature = "native")]
mod make;
mod structure;

use cms::content_info::CmsVersion;
use cms::signed_data::{SignedAttributes, SignerIdentifier, SignerInfo};
use der::asn1::ObjectIdentifier;
use der::oid::db::rfc5911;
use der::{Any, Decode, Encode, Tag, Tagged};
use jiff::Timestamp;
use thiserror::Error;
use x509_cert::attr::Attribute;
use x509_cert::time::Time;

pub use self::foreign::verify_foreign;
#[cfg(feature = "native")]
pub use self::make::sign;
use self::structure::{SignedData, members, strictly};
use super::algorithm::Hash;
use super::certificate::{Certificate, timestamp};
use super::{MAX_PART, MAX_SIZE};

/// A signature that was found to match its content. Only [`verify`] makes one.
///
/// Nothing is said yet about whether its certificate is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    certificate: Certificate,
    chain: Vec<Certificate>,
    signing_time: Timestamp,
}

impl Verified {
    /// The certificate whose key made the signature.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The other certificates that came with it, in no meaningful order.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// When it was made, as the signer states it.
    pub fn signing_time(&self) -> Timestamp {
        self.signing_time
    }
}

/// Why a CMS signature is not valid.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum Invalid {
    /// Larger than any sound signature, or its part about the signer is.
    #[error(
        "it has {size} bytes; a signature has at most {MAX_SIZE}, and its part about the signer {MAX_PART}"
    )]
    TooLarge {
        /// The size of the whole or of the part, in bytes.
        size: usize,
    },
    /// Not the structure expected, or more than it.
    #[error("it is no CMS signature in DER encoding, or bytes follow it")]
    NotDer,
    /// Another CMS content than signed data.
    #[error("it is CMS, but no signed data")]
    NotSignedData,
    /// A version number that does not fit the content (RFC 5652 §5.1, §5.3).
    #[error("its version number does not fit its content")]
    Version,
    /// The content is inside the signature, or of another type than plain data.
    #[error("it is not a detached signature over plain data")]
    NotDetached,
    /// None, or several.
    #[error("it has {found} signers; exactly one is expected")]
    Signers {
        /// How many there are.
        found: usize,
    },
    /// The list of digest algorithms is not the one signer's.
    #[error(
        "its digest algorithm is not SHA-256, SHA-384 or SHA-512, or is named twice differently"
    )]
    DigestAlgorithm,
    /// A signature algorithm that is not accepted, or not with this key or digest.
    #[error("its signature algorithm is not accepted for its key and digest algorithm")]
    SignatureAlgorithm,
    /// One of the certificates inside cannot be read, or is none.
    #[error("one of the certificates inside it cannot be understood")]
    CertificateForm,
    /// The signer's certificate is not inside, or is there several times.
    #[error("the signer's certificate is not inside it exactly once")]
    Certificate,
    /// The certificate's key is of no accepted kind.
    #[error("the signer's key is not P-256, P-384 or RSA of 2048 to 4096 bits")]
    Key,
    /// A signed attribute that must be there is not, or is there twice, or has two values.
    #[error("its signed attribute {name} is not there exactly once with one value")]
    Attribute {
        /// The attribute: "content-type", "message-digest" or "signing-time", or "types" where
        /// any attribute is repeated.
        name: &'static str,
    },
    /// The signed content type is not that of the content.
    #[error("its signed content type is not plain data")]
    ContentType,
    /// The content has other bytes than were signed.
    #[error("the signed file has other bytes than when it was signed")]
    ContentChanged,
    /// The signature does not match the signed attributes.
    #[error("the signature does not match the signer's key")]
    Signature,
}

/// Checks that `der` is a signature over `content`, by the rules of RFC 5652 §5.4 and §5.6.
///
/// The encoding must be DER throughout, so that no byte of it can be chosen freely.
pub fn verify(content: &[u8], der: &[u8]) -> Result<Verified, Invalid> {
    verify_with(content, der, &[])
}

/// The time that a signature states, whose content is not at hand: nothing is verified.
#[cfg(feature = "native")]
pub(super) fn stated_time(der: &[u8]) -> Result<Timestamp, Invalid> {
    if der.len() > MAX_SIZE {
        return Err(Invalid::TooLarge { size: der.len() });
    }
    let info = single_signer(&SignedData::from_content_info(der)?)?;
    Attributes::new(info.signed_attrs.as_ref())?.signing_time()
}

/// As [`verify`]; the signer's certificate may also be one of those at hand.
fn verify_with(content: &[u8], der: &[u8], at_hand: &[Certificate]) -> Result<Verified, Invalid> {
    if der.len() > MAX_SIZE {
        return Err(Invalid::TooLarge { size: der.len() });
    }
    let signed_data = SignedData::from_content_info(der)?;
    let info = single_signer(&signed_data)?;
    let hash = digest_algorithm(&signed_data, &info)?;
    let (certificate, chain) = certificates(&signed_data, &info.sid, at_hand)?;
    let key = certificate.public_key().ok_or(Invalid::Key)?;
    if !key.accepts(&info.signature_algorithm, hash) {
        return Err(Invalid::SignatureAlgorithm);
    }
    let attributes = Attributes::new(info.signed_attrs.as_ref())?;
    let signing_time = attributes.check(content, hash)?;
    key.verify(hash, &attributes.der, info.signature.as_bytes())
        .map_err(|_| Invalid::Signature)?;
    Ok(Verified {
        certificate,
        chain,
        signing_time,
    })
}

fn single_signer(signed_data: &SignedData) -> Result<SignerInfo, Invalid> {
    let content = &signed_data.encap_content_info;
    if content.econtent_type != rfc5911::ID_DATA || content.econtent.is_some() {
        return Err(Invalid::NotDetached);
    }
    let infos = members(&signed_data.signer_infos)?;
    let [info] = &infos[..] else {
        return Err(Invalid::Signers { found: infos.len() });
    };
    let size = info.value().len();
    if size > MAX_PART {
        return Err(Invalid::TooLarge { size });
    }
    let info: SignerInfo = strictly(info)?;
    let expected = match info.sid {
        SignerIdentifier::IssuerAndSerialNumber(_) => CmsVersion::V1,
        SignerIdentifier::SubjectKeyIdentifier(_) => CmsVersion::V3,
    };
    if info.version != expected || signed_data.version != expected {
        return Err(Invalid::Version);
    }
    Ok(info)
}

fn digest_algorithm(signed_data: &SignedData, info: &SignerInfo) -> Result<Hash, Invalid> {
    let hash = Hash::from_identifier(&info.digest_alg).ok_or(Invalid::DigestAlgorithm)?;
    match &members(&signed_data.digest_algorithms)?[..] {
        [named] if Hash::from_identifier(&strictly(named)?) == Some(hash) => Ok(hash),
        _ => Err(Invalid::DigestAlgorithm),
    }
}

/// The signer's certificate, and the others.
fn certificates(
    signed_data: &SignedData,
    signer: &SignerIdentifier,
    at_hand: &[Certificate],
) -> Result<(Certificate, Vec<Certificate>), Invalid> {
    let mut found = None;
    let mut others = Vec::new();
    for der in signed_data.certificates.iter().flatten() {
        let certificate = der
            .to_der()
            .ok()
            .and_then(|der| Certificate::from_der(&der).ok())
            .ok_or(Invalid::CertificateForm)?;
        if !identifies(signer, &certificate) {
            others.push(certificate);
        } else if found.replace(certificate).is_some() {
            return Err(Invalid::Certificate);
        }
    }
    let mut known = at_hand.iter().filter(|known| identifies(signer, known));
    found
        .or_else(|| known.next().cloned())
        .map(|certificate| (certificate, others))
        .ok_or(Invalid::Certificate)
}

fn identifies(signer: &SignerIdentifier, certificate: &Certificate) -> bool {
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(wanted) => {
            let has = &certificate.parsed().tbs_certificate;
            wanted.issuer == has.issuer && wanted.serial_number == has.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(wanted) => {
            certificate.subject_key_identifier().as_ref() == Some(wanted)
        }
    }
}

/// The signed attributes, with the bytes that the signature covers.
struct Attributes<'a> {
    all: &'a [Attribute],
    der: Vec<u8>,
}

impl<'a> Attributes<'a> {
    fn new(attributes: Option<&'a SignedAttributes>) -> Result<Self, Invalid> {
        let attributes = attributes.ok_or(Invalid::Attribute {
            name: "content-type",
        })?;
        let all = attributes.as_slice();
        let repeated = |(index, attribute): (usize, &Attribute)| {
            all[..index]
                .iter()
                .any(|earlier| earlier.oid == attribute.oid)
        };
        if all.iter().enumerate().any(repeated) {
            return Err(Invalid::Attribute { name: "types" });
        }
        // Signed as a SET OF, not with the tag it has inside the structure (RFC 5652 §5.4).
        let der = attributes.to_der().map_err(|_| Invalid::NotDer)?;
        Ok(Self { all, der })
    }

    /// Compares them with the content; returns the signing time.
    fn check(&self, content: &[u8], hash: Hash) -> Result<Timestamp, Invalid> {
        let content_type = self.value(rfc5911::ID_CONTENT_TYPE, "content-type")?;
        if content_type.decode_as() != Ok(rfc5911::ID_DATA) {
            return Err(Invalid::ContentType);
        }
        let digest = self.value(rfc5911::ID_MESSAGE_DIGEST, "message-digest")?;
        if digest.tag() != Tag::OctetString || digest.value() != hash.digest(content) {
            return Err(Invalid::ContentChanged);
        }
        self.signing_time()
    }

    fn signing_time(&self) -> Result<Timestamp, Invalid> {
        let time = self.value(rfc5911::ID_SIGNING_TIME, "signing-time")?;
        time.to_der()
            .and_then(|der| Time::from_der(&der))
            .map(timestamp)
            .map_err(|_| Invalid::Attribute {
                name: "signing-time",
            })
    }

    fn value(&self, oid: ObjectIdentifier, name: &'static str) -> Result<&'a Any, Invalid> {
        let attribute = self.all.iter().find(|attribute| attribute.oid == oid);
        match attribute.map(|attribute| attribute.values.as_slice()) {
            Some([value]) => Ok(value),
            _ => Err(Invalid::Attribute { name }),
        }
    }
}
