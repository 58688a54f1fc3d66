//! The private key of a signer, with the certificate that says whose it is.

use std::fmt;

use der::oid::ObjectIdentifier;
use der::oid::db::rfc5912;
use der::{Any, SecretDocument};
use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::rand_core::OsRng;
use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo};
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::algorithm::{Hash, PublicKey};
use super::certificate::Certificate;
use super::error::SignError;
use super::pem;

/// A private key with its certificate, ready to sign. The key is wiped from memory on drop.
pub struct Signer {
    key: PrivateKey,
    certificate: Certificate,
    chain: Vec<Certificate>,
}

enum PrivateKey {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Rsa(Box<RsaPrivateKey>),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// Reads a key in PEM form (PKCS #8, encrypted or not, SEC 1 or PKCS #1) and its
    /// certificate, which may be followed by those of its issuers.
    ///
    /// A passphrase for a key that is not encrypted is ignored.
    pub fn load(
        key_pem: &[u8],
        certificate_pem: &[u8],
        passphrase: Option<&[u8]>,
    ) -> Result<Self, SignError> {
        let mut certificates = Certificate::read_all(certificate_pem)?.into_iter();
        let certificate = certificates.next().ok_or(SignError::NoCertificate)?;
        let name = certificate.name().ok_or(SignError::CertificateUnnamed)?;
        let key = PrivateKey::load(key_pem, passphrase)?;
        if certificate.public_key() != Some(key.public_key()) {
            return Err(SignError::KeyMismatch { certificate: name });
        }
        if !certificate.may_sign_data() {
            return Err(SignError::Unfit {
                name,
                reason: "its key usage does not include digital signatures".to_owned(),
            });
        }
        Ok(Self {
            key,
            certificate,
            chain: certificates.collect(),
        })
    }

    /// The signer's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The certificates of its issuers, as far as they were given.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The digest algorithm that fits the key's strength.
    pub(super) fn hash(&self) -> Hash {
        self.key.public_key().hash()
    }

    /// The identifier of its signatures (RFC 5754 §3).
    pub(super) fn signature_algorithm(&self) -> AlgorithmIdentifierOwned {
        match self.key {
            PrivateKey::P256(_) | PrivateKey::P384(_) => AlgorithmIdentifierOwned {
                oid: self.hash().ecdsa_oid(),
                parameters: None,
            },
            PrivateKey::Rsa(_) => AlgorithmIdentifierOwned {
                oid: self.hash().rsa_oid(),
                parameters: Some(Any::null()),
            },
        }
    }

    /// Signs the digest of `message` by [`Signer::hash`].
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = SignError::Failed {
            step: "signing with the private key",
        };
        match &self.key {
            PrivateKey::P256(key) => key
                .try_sign(message)
                .map(|signature: p256::ecdsa::DerSignature| signature.as_bytes().to_vec())
                .map_err(|_| failed),
            PrivateKey::P384(key) => key
                .try_sign(message)
                .map(|signature: p384::ecdsa::DerSignature| signature.as_bytes().to_vec())
                .map_err(|_| failed),
            // Blinded with random numbers, so that timing says little about the key.
            PrivateKey::Rsa(key) => key
                .sign_with_rng(
                    &mut OsRng,
                    self.hash().rsa_padding(),
                    &self.hash().digest(message),
                )
                .map_err(|_| failed),
        }
    }
}

impl PrivateKey {
    fn load(text: &[u8], passphrase: Option<&[u8]>) -> Result<Self, SignError> {
        let malformed = SignError::KeyForm {
            reason: "its PEM block is malformed",
        };
        for block in pem::blocks(&String::from_utf8_lossy(text)) {
            let read: fn(&[u8]) -> Result<Self, SignError> = match block.label {
                "PRIVATE KEY" => Self::from_pkcs8,
                "EC PRIVATE KEY" if !block.has_headers() => Self::from_sec1,
                "RSA PRIVATE KEY" if !block.has_headers() => Self::from_pkcs1,
                "EC PRIVATE KEY" | "RSA PRIVATE KEY" => {
                    return Err(SignError::KeyForm {
                        reason: "it is encrypted in the old PEM form",
                    });
                }
                "ENCRYPTED PRIVATE KEY" => {
                    let encrypted = block.decode().ok_or(malformed)?;
                    let opened = decrypt(encrypted.as_bytes(), passphrase)?;
                    return Self::from_pkcs8(opened.as_bytes());
                }
                _ => continue,
            };
            return read(block.decode().ok_or(malformed)?.as_bytes());
        }
        Err(SignError::NoKey)
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, SignError> {
        let unreadable = SignError::KeyForm {
            reason: "it is not a PKCS #8 private key",
        };
        let info = PrivateKeyInfo::try_from(der).map_err(|_| unreadable.clone())?;
        match (info.algorithm.oid, curve(&info)) {
            (rfc5912::ID_EC_PUBLIC_KEY, Some(rfc5912::SECP_256_R_1)) => {
                let key = p256::SecretKey::try_from(info).map_err(|_| unreadable)?;
                Ok(Self::P256(key.into()))
            }
            (rfc5912::ID_EC_PUBLIC_KEY, Some(rfc5912::SECP_384_R_1)) => {
                let key = p384::SecretKey::try_from(info).map_err(|_| unreadable)?;
                Ok(Self::P384(key.into()))
            }
            (rfc5912::RSA_ENCRYPTION, _) => {
                Self::from_rsa(RsaPrivateKey::try_from(info).map_err(|_| unreadable)?)
            }
            _ => Err(SignError::KeyForm {
                reason: "its algorithm is none of P-256, P-384 and RSA",
            }),
        }
    }

    fn from_sec1(der: &[u8]) -> Result<Self, SignError> {
        if let Ok(key) = p256::SecretKey::from_sec1_der(der) {
            return Ok(Self::P256(key.into()));
        }
        p384::SecretKey::from_sec1_der(der)
            .map(|key| Self::P384(key.into()))
            .map_err(|_| SignError::KeyForm {
                reason: "it is neither a P-256 nor a P-384 key",
            })
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, SignError> {
        RsaPrivateKey::from_pkcs1_der(der)
            .map_err(|_| SignError::KeyForm {
                reason: "it is not an RSA private key of at most 4096 bits",
            })
            .and_then(Self::from_rsa)
    }

    fn from_rsa(key: RsaPrivateKey) -> Result<Self, SignError> {
        use rsa::traits::PublicKeyParts;
        if key.n().bits() < super::algorithm::MIN_RSA_BITS {
            return Err(SignError::KeyForm {
                reason: "an RSA key needs at least 2048 bits",
            });
        }
        Ok(Self::Rsa(Box::new(key)))
    }

    fn public_key(&self) -> PublicKey {
        match self {
            Self::P256(key) => PublicKey::P256(*key.verifying_key()),
            Self::P384(key) => PublicKey::P384(*key.verifying_key()),
            Self::Rsa(key) => PublicKey::Rsa(key.to_public_key()),
        }
    }
}

fn curve(info: &PrivateKeyInfo<'_>) -> Option<ObjectIdentifier> {
    info.algorithm.parameters_oid().ok()
}

fn decrypt(der: &[u8], passphrase: Option<&[u8]>) -> Result<SecretDocument, SignError> {
    let info = EncryptedPrivateKeyInfo::try_from(der).map_err(|_| SignError::KeyForm {
        reason: "it is encrypted in a way that is not read; PBES2 with AES is",
    })?;
    let passphrase = passphrase.ok_or(SignError::PassphraseMissing)?;
    info.decrypt(passphrase)
        .map_err(|_| SignError::PassphraseWrong)
}
