//! Making a detached CMS signature.

use cms::cert::IssuerAndSerialNumber;
use cms::content_info::CmsVersion;
use cms::signed_data::{EncapsulatedContentInfo, SignedAttributes, SignerIdentifier, SignerInfo};
use der::asn1::{GeneralizedTime, ObjectIdentifier, OctetString, SetOfVec, UtcTime};
use der::oid::db::rfc5911;
use der::{Any, Decode, Encode, Tag};
use jiff::Timestamp;
use x509_cert::attr::Attribute;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

use super::super::algorithm::Hash;
use super::super::certificate::Certificate;
use super::super::error::SignError;
use super::super::key::Signer;
use super::structure::{SignedData, set_of};

/// Signs `content`: CMS signed data in DER, without the content, with the signer's certificates
/// and the signed attributes content-type, message-digest and signing-time (RFC 5652 §11).
///
/// `time` is written in whole seconds.
pub fn sign(content: &[u8], signer: &Signer, time: Timestamp) -> Result<Vec<u8>, SignError> {
    let failed = |_| SignError::Failed {
        step: "encoding the signature",
    };
    let attributes = signed_attributes(content, signer.hash(), time).map_err(failed)?;
    let signature = signer.sign(&attributes.to_der().map_err(failed)?)?;
    encode(signer, attributes, signature).map_err(failed)
}

fn signed_attributes(content: &[u8], hash: Hash, time: Timestamp) -> der::Result<SignedAttributes> {
    let digest = OctetString::new(hash.digest(content))?;
    SetOfVec::try_from(vec![
        attribute(
            rfc5911::ID_CONTENT_TYPE,
            Any::encode_from(&rfc5911::ID_DATA)?,
        )?,
        attribute(rfc5911::ID_MESSAGE_DIGEST, Any::encode_from(&digest)?)?,
        attribute(
            rfc5911::ID_SIGNING_TIME,
            Any::encode_from(&signing_time(time)?)?,
        )?,
    ])
}

fn attribute(oid: ObjectIdentifier, value: Any) -> der::Result<Attribute> {
    let values = SetOfVec::try_from(vec![value])?;
    Ok(Attribute { oid, values })
}

/// `UTCTime` up to 2049, `GeneralizedTime` after that (RFC 5652 §11.3).
fn signing_time(time: Timestamp) -> der::Result<Time> {
    let seconds = u64::try_from(time.as_second()).map_err(|_| Tag::UtcTime.value_error())?;
    let since_epoch = std::time::Duration::from_secs(seconds);
    UtcTime::from_unix_duration(since_epoch)
        .map(Time::UtcTime)
        .or_else(|_| GeneralizedTime::from_unix_duration(since_epoch).map(Time::GeneralTime))
}

fn encode(
    signer: &Signer,
    attributes: SignedAttributes,
    signature: Vec<u8>,
) -> der::Result<Vec<u8>> {
    let digest_algorithm = AlgorithmIdentifierOwned {
        oid: signer.hash().oid(),
        parameters: None,
    };
    let certificate = &signer.certificate().parsed().tbs_certificate;
    let info = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: certificate.issuer.clone(),
            serial_number: certificate.serial_number.clone(),
        }),
        digest_alg: digest_algorithm.clone(),
        signed_attrs: Some(attributes),
        signature_algorithm: signer.signature_algorithm(),
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let mut certificates: Vec<&[u8]> = vec![signer.certificate().der()];
    certificates.extend(signer.chain().iter().map(Certificate::der));
    // The order that DER wants for a set (X.690 §11.6).
    certificates.sort_unstable();
    certificates.dedup();
    let certificates = certificates.into_iter().map(Any::from_der);
    SignedData {
        version: CmsVersion::V1,
        digest_algorithms: set_of(&digest_algorithm)?,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: rfc5911::ID_DATA,
            econtent: None,
        },
        certificates: Some(certificates.collect::<Result<_, _>>()?),
        crls: None,
        signer_infos: set_of(&info)?,
    }
    .to_content_info()
}
