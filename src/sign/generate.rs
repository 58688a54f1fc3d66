//! Making a key and a certificate that names its holder and their roles.

use std::fmt;

use der::asn1::{GeneralizedTime, SetOfVec};
use der::oid::ObjectIdentifier;
use der::oid::db::rfc4519;
use der::pem::PemLabel;
use der::{Any, EncodePem, Tag};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use p256::ecdsa::DerSignature;
use p256::elliptic_curve::rand_core::{OsRng, RngCore};
use p256::elliptic_curve::zeroize::Zeroizing;
use pkcs8::pkcs5::pbes2;
use pkcs8::{EncodePrivateKey, EncryptedPrivateKeyInfo, LineEnding, PrivateKeyInfo};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::builder::{Builder, CertificateBuilder, Profile};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::{Time, Validity};

use super::error::SignError;
use crate::layout::RELEASE_BUILDER;

/// How far the certificate's validity reaches back, for clocks that are behind.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The longest name or role, in characters (RFC 5280, Appendix A.1: `ub-common-name`).
const MAX_NAME: usize = 64;

const MAX_YEARS: u16 = 30;

/// Rounds of PBKDF2: half a second for whoever knows the passphrase. Unlike scrypt with its
/// usual parameters, every OpenSSL reads it.
const ROUNDS: u32 = 600_000;

/// A new key and its self-signed certificate.
pub struct Generated {
    /// The private key, PKCS #8 in PEM form; wiped from memory on drop.
    pub key_pem: Zeroizing<String>,
    /// The certificate in PEM form.
    pub certificate_pem: String,
}

impl fmt::Debug for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generated")
            .field("certificate_pem", &self.certificate_pem)
            .finish_non_exhaustive()
    }
}

/// Makes a P-256 key and a self-signed certificate: the printed name as its common name, one
/// organizational unit for each role, usable for signatures only.
///
/// The key is encrypted (PBES2 with PBKDF2 and AES-256) if there is a passphrase.
pub fn generate(
    name: &str,
    roles: &[String],
    passphrase: Option<&[u8]>,
    now: Timestamp,
    years: u16,
) -> Result<Generated, SignError> {
    let subject = subject(name, roles)?;
    let validity = validity(now, years)?;
    let key = p256::ecdsa::SigningKey::random(&mut OsRng);
    let certificate = certify(&key, subject, validity).map_err(|_| SignError::Failed {
        step: "making the certificate",
    })?;
    let certificate_pem = certificate
        .to_pem(LineEnding::LF)
        .map_err(|_| SignError::Failed {
            step: "encoding the certificate",
        })?;
    Ok(Generated {
        key_pem: encode(&key, passphrase)?,
        certificate_pem,
    })
}

fn certify(
    key: &p256::ecdsa::SigningKey,
    subject: Name,
    validity: Validity,
) -> Result<x509_cert::Certificate, x509_cert::builder::Error> {
    let profile = Profile::Leaf {
        issuer: subject.clone(),
        enable_key_agreement: false,
        enable_key_encipherment: false,
    };
    let public_key = SubjectPublicKeyInfoOwned::from_key(*key.verifying_key())?;
    CertificateBuilder::new(
        profile,
        serial_number()?,
        validity,
        subject,
        public_key,
        key,
    )?
    .build::<DerSignature>()
}

/// 16 random bytes, made positive and not zero (RFC 5280 §4.1.2.2).
fn serial_number() -> der::Result<SerialNumber> {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::new(&bytes)
}

fn subject(name: &str, roles: &[String]) -> Result<Name, SignError> {
    let refuse = |reason| Err(SignError::Roles { reason });
    if roles.is_empty() {
        return refuse("there is none");
    }
    if (1..roles.len()).any(|index| roles[..index].contains(&roles[index])) {
        return refuse("one is there twice");
    }
    if roles.len() > 1 && roles.iter().any(|role| role == RELEASE_BUILDER) {
        return refuse("a machine and a person cannot share a key");
    }
    let units = roles.iter().map(|role| part("the role", rfc4519::OU, role));
    let parts = units.chain([part("the name", rfc4519::CN, name)]);
    parts.collect::<Result<_, _>>().map(RdnSequence)
}

fn part(
    what: &'static str,
    oid: ObjectIdentifier,
    text: &str,
) -> Result<RelativeDistinguishedName, SignError> {
    let refused = || SignError::Name {
        what,
        text: text.to_owned(),
    };
    let fits = (1..=MAX_NAME).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control);
    if !fits {
        return Err(refused());
    }
    let value = Any::new(Tag::Utf8String, text.as_bytes()).map_err(|_| refused())?;
    let values = SetOfVec::try_from(vec![AttributeTypeAndValue { oid, value }]);
    values.map(RelativeDistinguishedName).map_err(|_| refused())
}

fn validity(now: Timestamp, years: u16) -> Result<Validity, SignError> {
    let refused = SignError::Years { years };
    if !(1..=MAX_YEARS).contains(&years) {
        return Err(refused);
    }
    let begin = now.checked_sub(SKEW).ok().and_then(time);
    let end = now
        .to_zoned(TimeZone::UTC)
        .checked_add(i64::from(years).years())
        .ok()
        .and_then(|end| time(end.timestamp()));
    match (begin, end) {
        (Some(not_before), Some(not_after)) => Ok(Validity {
            not_before,
            not_after,
        }),
        _ => Err(refused),
    }
}

/// The builder turns it into the kind of time that RFC 5280 §4.1.2.5 wants for its year.
fn time(time: Timestamp) -> Option<Time> {
    let seconds = u64::try_from(time.as_second()).ok()?;
    let since_epoch = std::time::Duration::from_secs(seconds);
    GeneralizedTime::from_unix_duration(since_epoch)
        .ok()
        .map(Time::GeneralTime)
}

fn encode(
    key: &p256::ecdsa::SigningKey,
    passphrase: Option<&[u8]>,
) -> Result<Zeroizing<String>, SignError> {
    let failed = |_| SignError::Failed {
        step: "encoding the private key",
    };
    // Through the secret key, which stores the public key too, as OpenSSL does.
    let secret = p256::SecretKey::from(key);
    let Some(passphrase) = passphrase else {
        return secret.to_pkcs8_pem(LineEnding::LF).map_err(failed);
    };
    if passphrase.is_empty() {
        return Err(SignError::PassphraseEmpty);
    }
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    OsRng.fill_bytes(&mut salt);
    OsRng.fill_bytes(&mut iv);
    let scheme = pbes2::Parameters::pbkdf2_sha256_aes256cbc(ROUNDS, &salt, &iv)
        .map_err(|_| pkcs8::Error::ParametersMalformed)
        .map_err(failed)?;
    let plain = secret.to_pkcs8_der().map_err(failed)?;
    PrivateKeyInfo::try_from(plain.as_bytes())
        .and_then(|info| info.encrypt_with_params(scheme, passphrase))
        .and_then(|encrypted| {
            Ok(encrypted.to_pem(EncryptedPrivateKeyInfo::PEM_LABEL, LineEnding::LF)?)
        })
        .map_err(failed)
}
