//! The outer structure of a CMS signature, in strict DER.

use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::EncapsulatedContentInfo;
use der::oid::db::rfc5911;
use der::{Any, Decode, Encode, Reader, Sequence, SliceReader, Tag, Tagged};

use super::Invalid;

/// `SignedData` of RFC 5652 §5.1, with the members of its sets as they are.
///
/// The type of that name in the `cms` crate sorts its sets when it reads them: in a time that
/// grows with the square of their length, and not by the encoding of the members, as X.690 §11.6
/// wants it, so that what others sort right comes out wrong.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub(super) struct SignedData {
    pub(super) version: CmsVersion,
    /// A `SET OF`; see [`members`].
    pub(super) digest_algorithms: Any,
    pub(super) encap_content_info: EncapsulatedContentInfo,
    #[asn1(
        context_specific = "0",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) certificates: Option<Vec<Any>>,
    #[asn1(
        context_specific = "1",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) crls: Option<Vec<Any>>,
    /// A `SET OF`; see [`members`].
    pub(super) signer_infos: Any,
}

impl SignedData {
    /// Takes it out of its `ContentInfo` (RFC 5652 §3), if the whole is DER and nothing follows.
    pub(super) fn from_content_info(bytes: &[u8]) -> Result<Self, Invalid> {
        let outer = ContentInfo::from_der(bytes).map_err(|_| Invalid::NotDer)?;
        if outer.content_type != rfc5911::ID_SIGNED_DATA {
            return Err(Invalid::NotSignedData);
        }
        // `ContentInfo` keeps its content as it is; what remains of it has one encoding only.
        strictly(&outer.content)
    }

    #[cfg(feature = "native")]
    /// Wraps it into its `ContentInfo`, and encodes that.
    pub(super) fn to_content_info(&self) -> der::Result<Vec<u8>> {
        ContentInfo {
            content_type: rfc5911::ID_SIGNED_DATA,
            content: Any::encode_from(self)?,
        }
        .to_der()
    }
}

#[cfg(feature = "native")]
/// A `SET OF` with one member, encoded.
pub(super) fn set_of(member: &impl Encode) -> der::Result<Any> {
    Any::new(Tag::Set, member.to_der()?)
}

/// The members of a `SET OF`, in the order they have.
pub(super) fn members(set: &Any) -> Result<Vec<Any>, Invalid> {
    if set.tag() != Tag::Set {
        return Err(Invalid::NotDer);
    }
    let mut members = Vec::new();
    let mut reader = SliceReader::new(set.value()).map_err(|_| Invalid::NotDer)?;
    while !reader.is_finished() {
        members.push(Any::decode(&mut reader).map_err(|_| Invalid::NotDer)?);
    }
    Ok(members)
}

/// Reads a value that must be encoded in DER: the decoder sorts sets and fills in defaults, so
/// only DER comes out as it went in.
pub(super) fn strictly<T>(value: &Any) -> Result<T, Invalid>
where
    T: for<'a> Decode<'a> + Encode,
{
    let bytes = value.to_der().map_err(|_| Invalid::NotDer)?;
    let read = T::from_der(&bytes).map_err(|_| Invalid::NotDer)?;
    match read.to_der() {
        Ok(again) if again == bytes => Ok(read),
        _ => Err(Invalid::NotDer),
    }
}
