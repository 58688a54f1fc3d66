//! Signatures by a genuine key over what no honest signer would sign.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use der::asn1::{ObjectIdentifier, OctetString, SetOfVec, UtcTime};
use der::oid::db::{rfc5911, rfc5912};
use der::{Any, Decode, Encode};
use dhfpack::sign::cms::{Invalid, verify};
use dhfpack::sign::generate;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::DecodePrivateKey;
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::attr::Attribute;
use x509_cert::der::DecodePem;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::workshop::now;

const CONTENT: &[u8] = b"content";

/// What goes into a signature; sound unless a test changes it.
struct Craft {
    attributes: Vec<(ObjectIdentifier, Vec<Any>)>,
    version: CmsVersion,
    digest: ObjectIdentifier,
    signature: ObjectIdentifier,
    certificates: usize,
}

impl Craft {
    fn sound() -> Self {
        let any = |der: der::Result<Vec<u8>>| Any::from_der(&der.unwrap()).unwrap();
        let digest = OctetString::new(Sha256::digest(CONTENT).to_vec()).unwrap();
        let since_epoch = std::time::Duration::from_secs(1_790_000_000);
        let time = UtcTime::from_unix_duration(since_epoch).unwrap();
        Self {
            attributes: vec![
                (
                    rfc5911::ID_CONTENT_TYPE,
                    vec![any(rfc5911::ID_DATA.to_der())],
                ),
                (rfc5911::ID_MESSAGE_DIGEST, vec![any(digest.to_der())]),
                (rfc5911::ID_SIGNING_TIME, vec![any(time.to_der())]),
            ],
            version: CmsVersion::V1,
            digest: rfc5912::ID_SHA_256,
            signature: rfc5912::ECDSA_WITH_SHA_256,
            certificates: 1,
        }
    }

    fn verify(self) -> Result<(), Invalid> {
        let (key, certificate) = key_and_certificate();
        let algorithm = |oid| AlgorithmIdentifierOwned {
            oid,
            parameters: None,
        };
        let attributes = self.attributes.into_iter().map(|(oid, values)| Attribute {
            oid,
            values: SetOfVec::try_from(values).unwrap(),
        });
        let attributes = SetOfVec::try_from(attributes.collect::<Vec<_>>()).unwrap();
        let signature: DerSignature = key.sign(&attributes.to_der().unwrap());
        let tbs = &certificate.tbs_certificate;
        let info = SignerInfo {
            version: self.version,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: tbs.issuer.clone(),
                serial_number: tbs.serial_number.clone(),
            }),
            digest_alg: algorithm(rfc5912::ID_SHA_256),
            signed_attrs: Some(attributes),
            signature_algorithm: algorithm(self.signature),
            signature: OctetString::new(signature.as_bytes()).unwrap(),
            unsigned_attrs: None,
        };
        let certificates = (0..self.certificates).map(|index| {
            // Another certificate, of the same issuer and with the same number.
            let mut certificate = certificate.clone();
            if index > 0 {
                certificate.signature_algorithm.parameters = Some(Any::null());
            }
            CertificateChoices::Certificate(certificate)
        });
        let signed_data = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::try_from(vec![algorithm(self.digest)]).unwrap(),
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: rfc5911::ID_DATA,
                econtent: None,
            },
            certificates: Some(certificates.collect::<Vec<_>>().try_into().unwrap()),
            crls: None,
            signer_infos: SignerInfos::try_from(vec![info]).unwrap(),
        };
        let outer = ContentInfo {
            content_type: rfc5911::ID_SIGNED_DATA,
            content: Any::encode_from(&signed_data).unwrap(),
        };
        verify(CONTENT, &outer.to_der().unwrap()).map(|_| ())
    }
}

fn key_and_certificate() -> (SigningKey, Certificate) {
    let made = generate("Jane Doe", &["Quality".to_owned()], None, now(), 1).unwrap();
    (
        SigningKey::from_pkcs8_pem(&made.key_pem).unwrap(),
        Certificate::from_pem(&made.certificate_pem).unwrap(),
    )
}

#[test]
fn a_sound_craft_verifies() {
    assert_eq!(Craft::sound().verify(), Ok(()));
}

#[test]
fn each_signed_attribute_must_be_there() {
    for (index, name) in ["content-type", "message-digest", "signing-time"]
        .into_iter()
        .enumerate()
    {
        let mut craft = Craft::sound();
        craft.attributes.remove(index);
        assert_eq!(craft.verify(), Err(Invalid::Attribute { name }));
    }
}

#[test]
fn a_signed_attribute_must_have_one_value_and_be_there_once() {
    for (index, name) in ["content-type", "message-digest", "signing-time"]
        .into_iter()
        .enumerate()
    {
        let mut craft = Craft::sound();
        let other = craft.attributes[(index + 1) % 3].1[0].clone();
        craft.attributes[index].1.push(other.clone());
        assert_eq!(craft.verify(), Err(Invalid::Attribute { name }));
        let mut craft = Craft::sound();
        let oid = craft.attributes[index].0;
        craft.attributes.push((oid, vec![other]));
        assert_eq!(craft.verify(), Err(Invalid::Attribute { name: "types" }));
        let mut craft = Craft::sound();
        craft.attributes[index].1.clear();
        assert_eq!(craft.verify(), Err(Invalid::Attribute { name }));
    }
}

#[test]
fn a_signed_attribute_must_say_what_it_should() {
    let mut craft = Craft::sound();
    let oid = Any::encode_from(&rfc5911::ID_SIGNED_DATA).unwrap();
    craft.attributes[0].1 = vec![oid.clone()];
    assert_eq!(craft.verify(), Err(Invalid::ContentType));
    let mut craft = Craft::sound();
    craft.attributes[1].1 = vec![oid.clone()];
    assert_eq!(craft.verify(), Err(Invalid::ContentChanged));
    let mut craft = Craft::sound();
    craft.attributes[2].1 = vec![oid];
    let name = "signing-time";
    assert_eq!(craft.verify(), Err(Invalid::Attribute { name }));
}

#[test]
fn versions_and_algorithms_must_fit() {
    let mut craft = Craft::sound();
    craft.version = CmsVersion::V3;
    assert_eq!(craft.verify(), Err(Invalid::Version));
    let mut craft = Craft::sound();
    craft.digest = rfc5912::ID_SHA_384;
    assert_eq!(craft.verify(), Err(Invalid::DigestAlgorithm));
    for oid in [
        rfc5912::ECDSA_WITH_SHA_384,
        rfc5912::SHA_256_WITH_RSA_ENCRYPTION,
    ] {
        let mut craft = Craft::sound();
        craft.signature = oid;
        assert_eq!(craft.verify(), Err(Invalid::SignatureAlgorithm));
    }
}

#[test]
fn it_must_be_plain_which_certificate_is_the_signers() {
    for certificates in [0, 2] {
        let mut craft = Craft::sound();
        craft.certificates = certificates;
        assert_eq!(craft.verify(), Err(Invalid::Certificate));
    }
}
