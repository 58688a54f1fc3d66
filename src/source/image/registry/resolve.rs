//! From a reference to the manifests, configs and layers of the platforms wanted.

use std::collections::BTreeSet;

use super::Reference;
use super::client::Client;
use super::document::{self, Content, Document};
use crate::digest::Sha256;
use crate::source::image::ImageError;
use crate::source::image::config::Config;
use crate::source::image::descriptor::{self, Descriptor, MOST_MANIFESTS};
use crate::source::image::error::malformed;
use crate::source::image::raw::{RawImage, RawLayer, Top};

/// How deep indexes may nest in the one that the reference names, and how many may.
const DEEPEST: usize = 2;
const MOST_NESTED: usize = 16;

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
                if !descriptor.is_attestation() {
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
                return Err(descriptor.unsupported());
            }
        }
        Ok(())
    }
}

/// The manifests for the platforms wanted; where none is, the only one.
fn choose<'d>(
    found: &'d [Descriptor],
    platforms: &[String],
) -> Result<Vec<&'d Descriptor>, ImageError> {
    let names: Vec<String> = found.iter().map(Descriptor::name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let chosen = descriptor::choose(&names, &[], platforms)?;
    Ok(chosen.into_iter().map(|at| &found[at]).collect())
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
