//! From a reference to the manifests, configs and layers of the platforms wanted.

use std::collections::BTreeSet;

use super::Reference;
use super::client::Client;
use super::document::{self, Content, Descriptor, Document};
use crate::digest::Sha256;
use crate::source::image::config::Config;
use crate::source::image::raw::{RawImage, RawLayer, Top};
use crate::source::image::{ImageError, is_platform};

/// How deep indexes may nest in the one that the reference names, and how many may.
const DEEPEST: usize = 2;
const MOST_NESTED: usize = 16;
/// More manifests than any image has platforms and attestations.
const MOST_MANIFESTS: usize = 1000;

/// What is to be fetched.
pub(super) struct Resolved {
    /// What the reference names.
    pub(super) top: Top,
    /// Its digest, if it is an index.
    pub(super) index: Option<Sha256>,
    /// The indexes, and the manifests of the images.
    pub(super) documents: Vec<Document>,
    pub(super) images: Vec<RawImage>,
}

/// Finds the images for `platforms`; where none is named, the only one.
pub(super) fn resolve(
    client: &Client<'_>,
    reference: &Reference,
    platforms: &[String],
) -> Result<Resolved, ImageError> {
    let first = document::named(client, reference)?;
    let mut top = Top {
        digest: first.digest,
        media_type: first.media_type.clone(),
        size: first.bytes.len() as u64,
        platform: None,
    };
    let Content::Index(listed) = &first.content else {
        let image = image(client, &first)?;
        top.platform = Some(image.config.platform.clone());
        return Ok(Resolved {
            top,
            index: None,
            images: vec![image],
            documents: vec![first],
        });
    };
    let mut search = Search {
        client,
        reference,
        seen: BTreeSet::new(),
        nested: Vec::new(),
        found: Vec::new(),
    };
    search.collect(listed.clone(), DEEPEST)?;
    let chosen = choose(&search.found, platforms)?;
    let mut manifests = Vec::new();
    let mut images = Vec::new();
    for descriptor in chosen {
        let document = document::listed(client, reference, descriptor)?;
        images.push(image(client, &document)?);
        manifests.push(document);
    }
    let mut documents = vec![first];
    documents.append(&mut search.nested);
    documents.append(&mut manifests);
    Ok(Resolved {
        index: Some(top.digest),
        top,
        documents,
        images,
    })
}

/// Goes through an index and those that it lists.
struct Search<'a> {
    client: &'a Client<'a>,
    reference: &'a Reference,
    seen: BTreeSet<String>,
    nested: Vec<Document>,
    found: Vec<Descriptor>,
}

impl Search<'_> {
    fn collect(&mut self, listed: Vec<Descriptor>, depth: usize) -> Result<(), ImageError> {
        for descriptor in listed {
            // An image may be listed twice.
            if !self.seen.insert(descriptor.digest.clone()) {
                continue;
            }
            if self.seen.len() > MOST_MANIFESTS || self.nested.len() > MOST_NESTED {
                return Err(malformed(
                    &self.reference.to_string(),
                    "its index lists far too much",
                ));
            }
            if descriptor.is_manifest() {
                // Build attestations stand beside images, for a platform that does not exist.
                if descriptor.platform() != "unknown/unknown" {
                    self.found.push(descriptor);
                }
            } else if descriptor.is_index() && depth > 0 {
                let document = document::listed(self.client, self.reference, &descriptor)?;
                let Content::Index(inner) = &document.content else {
                    return Err(malformed(&document.url, "it is listed as an index"));
                };
                let inner = inner.clone();
                self.nested.push(document);
                self.collect(inner, depth - 1)?;
            } else {
                let problem = format!(
                    "the media type {:?} is not supported here",
                    descriptor.media_type
                );
                return Err(malformed(&descriptor.digest, &problem));
            }
        }
        Ok(())
    }
}

fn choose<'d>(
    found: &'d [Descriptor],
    platforms: &[String],
) -> Result<Vec<&'d Descriptor>, ImageError> {
    let several = |among: &[&Descriptor]| ImageError::Several {
        candidates: names(among),
    };
    let all: Vec<&Descriptor> = found.iter().collect();
    if platforms.is_empty() {
        return match all.as_slice() {
            [] => Err(ImageError::Missing {
                part: "an image manifest".to_owned(),
            }),
            [only] => Ok(vec![only]),
            all => Err(several(all)),
        };
    }
    let mut chosen: Vec<&Descriptor> = Vec::new();
    for wanted in platforms {
        let alike = all.iter().copied();
        let alike: Vec<&Descriptor> = alike
            .filter(|one| is_platform(wanted, &one.platform()))
            .collect();
        let exact = alike.iter().copied();
        let exact: Vec<&Descriptor> = exact.filter(|one| one.platform() == *wanted).collect();
        let one = match (exact.as_slice(), alike.as_slice()) {
            ([one], _) | (_, [one]) => *one,
            (_, []) => {
                return Err(ImageError::OtherPlatform {
                    wanted: wanted.clone(),
                    found: names(&all),
                });
            }
            (_, alike) => return Err(several(alike)),
        };
        if !chosen.iter().any(|chosen| chosen.digest == one.digest) {
            chosen.push(one);
        }
    }
    Ok(chosen)
}

fn names(among: &[&Descriptor]) -> String {
    let names = among.iter().map(|one| match one.platform() {
        platform if platform.is_empty() => one.digest.clone(),
        platform => platform,
    });
    names.collect::<Vec<_>>().join(", ")
}

/// The image of a manifest, with its config.
fn image(client: &Client<'_>, document: &Document) -> Result<RawImage, ImageError> {
    let Content::Manifest(manifest) = &document.content else {
        return Err(malformed(&document.url, "it is listed as a manifest"));
    };
    let config_bytes = document::blob(client, &manifest.config)?;
    let config = Config::parse(&manifest.config.digest, &config_bytes)?;
    let (stored, expected) = (manifest.layers.len(), config.diff_ids.len());
    if stored != expected {
        let problem = format!("it names {expected} layers, and there are {stored}");
        return Err(malformed(&manifest.config.digest, &problem));
    }
    let layers = manifest.layers.iter().zip(&config.diff_ids);
    let layers = layers.map(|(layer, diff_id)| {
        Ok(RawLayer {
            digest: layer.sha256()?,
            size: layer.size,
            diff_id: *diff_id,
        })
    });
    Ok(RawImage {
        manifest: document.digest,
        id: Sha256::of(&config_bytes),
        layers: layers.collect::<Result<_, ImageError>>()?,
        config,
        config_bytes,
    })
}

fn malformed(part: &str, problem: &str) -> ImageError {
    ImageError::Malformed {
        part: part.to_owned(),
        problem: problem.to_owned(),
    }
}
