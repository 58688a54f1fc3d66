//! What an SBOM says it is about, and whether that is an archived image.

use std::collections::BTreeSet;

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Sha256;
use crate::manifest::ImageIdentity;

/// What an SBOM is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its name and version, cut and cleaned.
    pub title: String,
    /// Its version as stated, cut and cleaned; none for a digest in a version's place.
    pub version: Option<String>,
    /// The digests by which it is named.
    pub claims: Vec<Claim>,
}

/// A digest by which an SBOM names its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The field that has it.
    pub field: &'static str,
    /// What it is the digest of.
    pub kind: ClaimKind,
    /// The digest.
    pub digest: Sha256,
}

/// What a digest in an SBOM is the digest of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimKind {
    /// The image: its manifest, the index it is in, or its config. Tools differ.
    Image,
    /// The image's config.
    ImageId,
    /// One of all the image's uncompressed layers.
    Layer,
    /// Something that need not be an image: what is unequal proves nothing.
    Unclear,
}

/// How an SBOM and an archived image belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// The SBOM names the image by a digest that is the archived image's.
    Digest,
    /// The SBOM names no digest: only the configuration says that it belongs to the image.
    NoDigest,
    /// The SBOM names a digest of a kind that the archive does not record, as that of a manifest
    /// in a registry for an image that was not taken from one.
    NotComparable,
}

impl Link {
    /// What the link rests on, in words.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Digest => "names the archived image's digest",
            Self::NoDigest => "names no digest of its image",
            Self::NotComparable => {
                "names a digest that cannot be compared with the archived image, as one from a registry for an image from elsewhere"
            }
        }
    }
}

/// An SBOM that is about another image.
#[derive(Debug, Error, Diagnostic)]
#[error(
    "it is about another image: its {field} says sha256:{stated}, and the archived image {image} has {archived}"
)]
#[diagnostic(help(
    "make the SBOM from the image that is archived, or archive the image that it was made from"
))]
pub struct Contradiction {
    /// The field that says so.
    pub field: &'static str,
    /// What it says.
    pub stated: Sha256,
    /// The archived image's name and platform.
    pub image: String,
    /// What the archived image has, in words.
    pub archived: String,
}

/// Compares a subject with an archived image. `written` are the digests of manifests that were
/// written for the image when it was archived: an SBOM made from the archive names them.
pub fn link(
    subject: &Subject,
    image: &ImageIdentity,
    written: &[Sha256],
) -> Result<Link, Contradiction> {
    let contradiction = |claim: &Claim, archived: String| Contradiction {
        field: claim.field,
        stated: claim.digest,
        image: format!("{} ({})", image.name, image.platform),
        archived,
    };
    let mut result = Link::NoDigest;
    let of_kind = |kind| {
        subject
            .claims
            .iter()
            .filter(move |claim| claim.kind == kind)
    };
    for claim in of_kind(ClaimKind::ImageId) {
        if claim.digest != image.id {
            return Err(contradiction(claim, format!("the id sha256:{}", image.id)));
        }
        result = Link::Digest;
    }
    let stated: BTreeSet<Sha256> = of_kind(ClaimKind::Layer)
        .map(|claim| claim.digest)
        .collect();
    if let Some(first) = of_kind(ClaimKind::Layer).next() {
        let archived: BTreeSet<Sha256> = image.diff_ids.iter().copied().collect();
        if stated != archived {
            let odd = of_kind(ClaimKind::Layer).find(|claim| !archived.contains(&claim.digest));
            let others = format!("{} other layers", archived.len());
            return Err(contradiction(odd.unwrap_or(first), others));
        }
        result = Link::Digest;
    }
    let known: BTreeSet<Sha256> = [Some(image.id), image.manifest, image.index]
        .into_iter()
        .flatten()
        .chain(written.iter().copied())
        .collect();
    let fields: BTreeSet<&str> = of_kind(ClaimKind::Image).map(|claim| claim.field).collect();
    for field in fields {
        // An image has a digest in each registry: one of a field's has to be known.
        let mut claims = of_kind(ClaimKind::Image).filter(|claim| claim.field == field);
        let Some(first) = claims.clone().next() else {
            continue;
        };
        if claims.any(|claim| known.contains(&claim.digest)) {
            result = Link::Digest;
            continue;
        }
        if let Some(manifest) = image.manifest {
            return Err(contradiction(
                first,
                format!(
                    "the id sha256:{} and the manifest sha256:{manifest}",
                    image.id
                ),
            ));
        }
        if result == Link::NoDigest {
            result = Link::NotComparable;
        }
    }
    for claim in of_kind(ClaimKind::Unclear) {
        result = match result {
            _ if known.contains(&claim.digest) => Link::Digest,
            Link::NoDigest => Link::NotComparable,
            settled => settled,
        };
    }
    Ok(result)
}

/// The digest in `sha256:…`, in `NAME@sha256:…` or in a package URL, where a colon may be escaped.
pub(super) fn digest_in(text: &str) -> Option<Sha256> {
    let text = text.trim();
    let text = text.split(['?', '#']).next().unwrap_or(text);
    let version = text.rsplit_once('@').map_or(text, |(_, version)| version);
    let version = version.to_ascii_lowercase().replace("%3a", ":");
    version.strip_prefix("sha256:")?.parse().ok()
}

/// The digest in a package URL, if that is one of a container image: others may be named by the
/// digest of a file.
pub(super) fn image_digest_in_purl(purl: &str) -> Option<Sha256> {
    let is_image = ["pkg:oci/", "pkg:docker/"]
        .iter()
        .any(|kind| purl.trim().to_ascii_lowercase().starts_with(kind));
    is_image.then(|| digest_in(purl)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_found_wherever_tools_put_it() {
        let digest = Sha256::of(b"image");
        for text in [
            format!("sha256:{digest}"),
            format!("registry.example.org:5000/pump@sha256:{digest}"),
            format!("pkg:oci/pump@sha256:{digest}?arch=amd64"),
            format!("pkg:oci/pump@sha256%3A{digest}?repository_url=a%40b"),
            format!("pkg:docker/pump@SHA256%3a{digest}#sub"),
        ] {
            assert_eq!(digest_in(&text), Some(digest), "{text}");
        }
        for text in ["", "2.4.0", "sha256:12", "pkg:oci/pump@2.4.0", "@"] {
            assert_eq!(digest_in(text), None, "{text}");
        }
        let library = format!("pkg:generic/pump@sha256:{digest}");
        assert_eq!(image_digest_in_purl(&library), None);
    }
}
