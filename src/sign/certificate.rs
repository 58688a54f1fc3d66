//! X.509 certificates, as far as a signature needs them (RFC 5280).

use std::fmt;

use der::asn1::{PrintableStringRef, TeletexStringRef, Utf8StringRef};
use der::oid::ObjectIdentifier;
use der::oid::db::rfc4519;
use der::pem::{self as pem_rfc7468, LineEnding};
use der::{Any, Decode, Tag, Tagged};
use jiff::Timestamp;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, SubjectKeyIdentifier};
use x509_cert::time::Time;

use super::MAX_PART;
use super::algorithm::PublicKey;
use super::error::SignError;
use super::pem;
use crate::digest::Sha256;

/// An X.509 certificate, with the exact bytes it came as.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
}

impl Certificate {
    /// Reads every certificate of a file: one in DER form, or any number in PEM form.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, SignError> {
        // A DER certificate is a SEQUENCE; text never begins with that byte and a length.
        if bytes.starts_with(&[0x30, 0x82]) {
            return Ok(vec![
                Self::from_der(bytes).map_err(|reason| form(1, reason))?,
            ]);
        }
        let certificates: Vec<Self> = pem::blocks(&String::from_utf8_lossy(bytes))
            .iter()
            .filter(|block| block.label == "CERTIFICATE")
            .enumerate()
            .map(|(index, block)| {
                let number = index + 1;
                let der = block
                    .decode()
                    .ok_or_else(|| form(number, "the PEM block is malformed"))?;
                Self::from_der(der.as_bytes()).map_err(|reason| form(number, reason))
            })
            .collect::<Result<_, _>>()?;
        if certificates.is_empty() {
            return Err(SignError::NoCertificate);
        }
        Ok(certificates)
    }

    /// The bytes are kept as they are, so that neither the fingerprint nor a signature over them
    /// depends on how they would be encoded here.
    pub(super) fn from_der(der: &[u8]) -> Result<Self, &'static str> {
        if der.len() > MAX_PART {
            return Err("it is larger than any sound certificate");
        }
        let parsed = x509_cert::Certificate::from_der(der)
            .map_err(|_| "it is no certificate in DER encoding")?;
        Ok(Self {
            der: der.to_vec(),
            parsed,
        })
    }

    /// The certificate's bytes, in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM form.
    pub fn to_pem(&self) -> Result<String, SignError> {
        pem_rfc7468::encode_string("CERTIFICATE", LineEnding::LF, &self.der).map_err(|_| {
            SignError::Failed {
                step: "writing the certificate as PEM",
            }
        })
    }

    /// The digest of the certificate's DER bytes: its fingerprint.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(&self.der)
    }

    /// The digest of its public key, in the form of RFC 5280 §4.1.2.7. Certificates that were
    /// renewed for one key share it.
    pub fn key_sha256(&self) -> Sha256 {
        match self.public_key() {
            // One key can be written in several ways: an elliptic curve point also compressed.
            Some(PublicKey::P256(key)) => Sha256::of(key.to_encoded_point(true).as_bytes()),
            Some(PublicKey::P384(key)) => Sha256::of(key.to_encoded_point(true).as_bytes()),
            _ => Sha256::of(
                self.parsed
                    .tbs_certificate
                    .subject_public_key_info
                    .subject_public_key
                    .raw_bytes(),
            ),
        }
    }

    /// The printed name of its holder: the common name of its subject, if there is exactly one.
    pub fn name(&self) -> Option<String> {
        let mut names = self.subject_values(rfc4519::CN);
        let name = names.pop()?;
        (names.is_empty() && !name.is_empty()).then_some(name)
    }

    /// The roles that it names: the organizational units of its subject.
    pub fn roles(&self) -> Vec<String> {
        self.subject_values(rfc4519::OU)
    }

    /// When it begins to be valid.
    pub fn not_before(&self) -> Timestamp {
        timestamp(self.parsed.tbs_certificate.validity.not_before)
    }

    /// The last second at which it is valid.
    pub fn not_after(&self) -> Timestamp {
        timestamp(self.parsed.tbs_certificate.validity.not_after)
    }

    pub(super) fn is_valid_at(&self, time: Timestamp) -> bool {
        (self.not_before()..=self.not_after()).contains(&time)
    }

    pub(super) fn parsed(&self) -> &x509_cert::Certificate {
        &self.parsed
    }

    pub(super) fn public_key(&self) -> Option<PublicKey> {
        PublicKey::from_spki(&self.parsed.tbs_certificate.subject_public_key_info)
    }

    pub(super) fn subject_key_identifier(&self) -> Option<SubjectKeyIdentifier> {
        let extension = self.parsed.tbs_certificate.get::<SubjectKeyIdentifier>();
        extension.ok().flatten().map(|(_, identifier)| identifier)
    }

    /// True unless its key usage says otherwise (RFC 5280 §4.2.1.3).
    pub(super) fn may_sign_data(&self) -> bool {
        match self.parsed.tbs_certificate.get::<KeyUsage>() {
            Ok(Some((_, usage))) => usage.digital_signature() || usage.non_repudiation(),
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// The greatest number of certificates allowed between it and the signer's, if it is that
    /// of a certification authority (RFC 5280 §4.2.1.9).
    pub(super) fn authority_depth(&self) -> Option<u8> {
        let constraints = self.parsed.tbs_certificate.get::<BasicConstraints>();
        let (_, constraints) = constraints.ok().flatten()?;
        let may_certify = match self.parsed.tbs_certificate.get::<KeyUsage>() {
            Ok(Some((_, usage))) => usage.key_cert_sign(),
            Ok(None) => true,
            Err(_) => false,
        };
        (constraints.ca && may_certify).then(|| constraints.path_len_constraint.unwrap_or(u8::MAX))
    }

    fn subject_values(&self, attribute: ObjectIdentifier) -> Vec<String> {
        let subject = &self.parsed.tbs_certificate.subject;
        subject
            .0
            .iter()
            .flat_map(|name| name.0.iter())
            .filter(|part| part.oid == attribute)
            .map(|part| text(&part.value).unwrap_or_default())
            .collect()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("name", &self.name())
            .field("roles", &self.roles())
            .field("sha256", &self.sha256())
            .finish_non_exhaustive()
    }
}

fn form(number: usize, reason: &'static str) -> SignError {
    SignError::CertificateForm { number, reason }
}

/// The kinds of text that RFC 5280 §4.1.2.4 allows in names; others read as nothing.
fn text(value: &Any) -> Option<String> {
    match value.tag() {
        Tag::Utf8String => value
            .decode_as::<Utf8StringRef<'_>>()
            .ok()
            .map(|t| t.to_string()),
        Tag::PrintableString => value
            .decode_as::<PrintableStringRef<'_>>()
            .ok()
            .map(|t| t.to_string()),
        Tag::TeletexString => value
            .decode_as::<TeletexStringRef<'_>>()
            .ok()
            .map(|t| t.to_string()),
        _ => None,
    }
}

/// X.509 times and [`Timestamp`] both end with the year 9999, a day apart.
pub(super) fn timestamp(time: Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
