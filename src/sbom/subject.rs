//! What an SBOM says it is about, and whether that is an archived image.

use std::collections::{BTreeMap, BTreeSet};

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Sha256;

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

/// An archived image, or one platform of it, by the digests that an SBOM may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name and platform, for messages.
    pub shown: String,
    /// The digest of its config.
    pub id: Sha256,
    /// The digests of its uncompressed layers.
    pub layers: Vec<Sha256>,
    /// The digest of its manifest in a registry, if it came from one.
    pub manifest: Option<Sha256>,
    /// Other digests that name it: of the index that it is in, of the manifest that was written
    /// when it was archived.
    pub others: Vec<Sha256>,
}

/// How an SBOM and an archived image belong together, the firmest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// The SBOM names the image by a digest that is the archived image's.
    Digest,
    /// The SBOM names a digest of a kind that the archive does not record, as that of a manifest
    /// in a registry for an image that was not taken from one.
    NotComparable,
    /// The SBOM names no digest: only the configuration says that it belongs to the image.
    NoDigest,
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

/// Compares a subject with an archived image.
pub fn link(subject: &Subject, image: &Identity) -> Result<Link, Contradiction> {
    let ids = compare_ids(subject, image)?;
    let layers = compare_layers(subject, image)?;
    let known: BTreeSet<Sha256> = std::iter::once(image.id)
        .chain(image.manifest)
        .chain(image.others.iter().copied())
        .collect();
    let named = compare_named(subject, image, &known)?;
    let unclear = subject.of_kind(ClaimKind::Unclear).map(|claim| {
        if known.contains(&claim.digest) {
            Link::Digest
        } else {
            Link::NotComparable
        }
    });
    // What one field proves, another that cannot be compared does not undo.
    let links = [ids, layers, named].into_iter().chain(unclear);
    Ok(links.min().unwrap_or(Link::NoDigest))
}

fn compare_ids(subject: &Subject, image: &Identity) -> Result<Link, Contradiction> {
    let mut result = Link::NoDigest;
    for claim in subject.of_kind(ClaimKind::ImageId) {
        if claim.digest != image.id {
            return Err(claim.contradicts(image, format!("the id sha256:{}", image.id)));
        }
        result = Link::Digest;
    }
    Ok(result)
}

fn compare_layers(subject: &Subject, image: &Identity) -> Result<Link, Contradiction> {
    let mut claims = subject.of_kind(ClaimKind::Layer);
    let Some(first) = claims.clone().next() else {
        return Ok(Link::NoDigest);
    };
    let archived: BTreeSet<Sha256> = image.layers.iter().copied().collect();
    let stated: BTreeSet<Sha256> = claims.clone().map(|claim| claim.digest).collect();
    if stated == archived {
        return Ok(Link::Digest);
    }
    let odd = claims.find(|claim| !archived.contains(&claim.digest));
    let layers = format!("{} layers, not the same", archived.len());
    Err(odd.unwrap_or(first).contradicts(image, layers))
}

/// An image has another digest in each registry: of those in one field, one has to be known.
fn compare_named(
    subject: &Subject,
    image: &Identity,
    known: &BTreeSet<Sha256>,
) -> Result<Link, Contradiction> {
    let mut fields: BTreeMap<&str, (&Claim, bool)> = BTreeMap::new();
    for claim in subject.of_kind(ClaimKind::Image) {
        let (_, any) = fields.entry(claim.field).or_insert((claim, false));
        *any |= known.contains(&claim.digest);
    }
    let mut result = Link::NoDigest;
    for (first, any) in fields.into_values() {
        if any {
            result = Link::Digest;
        } else if let Some(manifest) = image.manifest {
            let archived = format!(
                "the id sha256:{} and the manifest sha256:{manifest}",
                image.id
            );
            return Err(first.contradicts(image, archived));
        } else {
            result = result.min(Link::NotComparable);
        }
    }
    Ok(result)
}

impl Subject {
    fn of_kind(&self, kind: ClaimKind) -> impl Iterator<Item = &Claim> + Clone {
        self.claims.iter().filter(move |claim| claim.kind == kind)
    }
}

impl Claim {
    fn contradicts(&self, image: &Identity, archived: String) -> Contradiction {
        Contradiction {
            field: self.field,
            stated: self.digest,
            image: image.shown.clone(),
            archived,
        }
    }
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
