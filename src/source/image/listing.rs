//! Which of a `docker save` tar's images is meant, by its `manifest.json` and, where it has one,
//! its `index.json`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::ImageError;
use super::config::{Config, blob, json};
use super::descriptor::{self, Blobs, Descriptor, Index, Listed, Manifest};
use super::docker_tar::{Choice, Parts, missing};
use super::error::{require_digest, require_size};
use crate::digest::Sha256;

/// An image, by the names of its config and its layers in the tar.
#[derive(Clone, Deserialize)]
pub(super) struct Image {
    #[serde(rename = "Config")]
    pub(super) config: String,
    #[serde(rename = "Layers", default, deserialize_with = "null_is_empty")]
    pub(super) layers: Vec<String>,
    #[serde(rename = "RepoTags", default, deserialize_with = "null_is_empty")]
    tags: Vec<String>,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// What a manifest or an index leads to.
#[derive(Deserialize)]
struct Named {
    config: Option<Reference>,
    #[serde(default)]
    manifests: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    digest: String,
}

/// The images chosen. Their configs are there, and what is named by its digest has it.
pub(super) fn choose(parts: &Parts, choice: &Choice<'_>) -> Result<Vec<Image>, ImageError> {
    let mut images = listed(parts)?;
    if let Some(reference) = choice.reference {
        images = tagged(images, reference)?;
    }
    let chosen = match parts.json("index.json") {
        Some(index) => by_index(parts, index, &images, choice.platforms),
        None => by_platform(parts, &images, choice.platforms),
    }?;
    if let Some(id) = choice.id {
        for image in &chosen {
            require_id(parts, id, config(parts, image)?)?;
        }
    }
    Ok(chosen)
}

/// The images that `manifest.json` lists; one with several entries once.
fn listed(parts: &Parts) -> Result<Vec<Image>, ImageError> {
    let listing = parts.json("manifest.json");
    let listing = listing.ok_or_else(|| missing("manifest.json"))?;
    let mut images: Vec<Image> = Vec::new();
    for image in json::<Vec<Image>>("manifest.json", listing)? {
        match images.iter_mut().find(|one| one.config == image.config) {
            Some(one) if one.layers == image.layers => one.tags.extend(image.tags),
            _ => images.push(image),
        }
    }
    if images.is_empty() {
        return Err(ImageError::Malformed {
            part: "manifest.json".to_owned(),
            problem: "it names no image".to_owned(),
        });
    }
    Ok(images)
}

/// The images with this name; without a tag it means `latest`, as for engines.
fn tagged(images: Vec<Image>, reference: &str) -> Result<Vec<Image>, ImageError> {
    let wanted = full_name(reference);
    let is_wanted = |image: &Image| image.tags.iter().any(|tag| full_name(tag) == wanted);
    let (found, others): (Vec<Image>, Vec<Image>) = images.into_iter().partition(is_wanted);
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<String> = others.into_iter().flat_map(|image| image.tags).collect();
    Err(ImageError::NoTag {
        reference: reference.to_owned(),
        found: match names.as_slice() {
            [] => "no image has a name".to_owned(),
            names => format!("is {}", names.join(", ")),
        },
    })
}

fn full_name(name: &str) -> String {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) {
        name.to_owned()
    } else {
        format!("{name}:latest")
    }
}

/// Among the images for each platform that the index lists, those that belong to these.
fn by_index(
    parts: &Parts,
    index: &[u8],
    images: &[Image],
    platforms: &[String],
) -> Result<Vec<Image>, ImageError> {
    let mut configs = BTreeSet::new();
    for image in images {
        configs.insert(config(parts, image)?);
    }
    // Of those that the index lists first, each leads to the platforms of one image.
    let mut roots = Vec::new();
    for root in json::<Index>("index.json", index)?.manifests {
        if leads_to(parts, root.sha256()?, &|digest| configs.contains(&digest)) {
            roots.push(root);
        }
    }
    if roots.is_empty() {
        return by_platform(parts, images, platforms);
    }
    let listed = Listed::collect(parts, Index { manifests: roots })?;
    let tags = |config: &Descriptor| {
        let named = config.sha256().ok().and_then(|digest| {
            let of_this = |image: &&Image| config_is(parts, image, digest);
            images.iter().find(of_this)
        });
        named.map_or(&[][..], |image| &image.tags)
    };
    if platforms.is_empty() && listed.present.len() > 1 {
        let present = listed.present.iter();
        let names = present.map(|one| name(&one.platform, tags(&one.config)));
        return Err(several(&names.collect::<Vec<_>>()));
    }
    let chosen = listed.choose(platforms)?;
    let images = chosen.iter().map(|candidate| {
        let manifest = parts.small(&candidate.manifest)?;
        let manifest = manifest.ok_or_else(|| missing(&candidate.manifest.digest))?;
        let manifest = Manifest::parse(&candidate.manifest.digest, &manifest)?;
        let layers = manifest
            .layers
            .iter()
            .map(|layer| Ok(blob(&layer.sha256()?)));
        Ok(Image {
            config: blob(&manifest.config.sha256()?),
            layers: layers.collect::<Result<_, ImageError>>()?,
            tags: Vec::new(),
        })
    });
    images.collect()
}

/// Among these images, those for the platforms that their configs name.
fn by_platform(
    parts: &Parts,
    images: &[Image],
    platforms: &[String],
) -> Result<Vec<Image>, ImageError> {
    let mut found = Vec::new();
    for image in images {
        config(parts, image)?;
        let name = parts.resolve(&image.config)?;
        let bytes = parts.json(&name).ok_or_else(|| missing(&name))?;
        found.push(Config::parse(&name, bytes)?.platform);
    }
    if platforms.is_empty() && images.len() > 1 {
        let names = images.iter().zip(&found);
        let names = names.map(|(image, platform)| name(platform, &image.tags));
        return Err(several(&names.collect::<Vec<_>>()));
    }
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    let chosen = descriptor::choose(&found, &[], platforms)?;
    Ok(chosen.into_iter().map(|at| images[at].clone()).collect())
}

fn several(names: &[String]) -> ImageError {
    ImageError::Several {
        candidates: names.join(", "),
    }
}

/// An image's names, or its platform where it has none.
fn name(platform: &str, tags: &[String]) -> String {
    match tags {
        [] => platform.to_owned(),
        tags => format!("{} ({platform})", tags.join(" ")),
    }
}

/// The digest of an image's config; where the config is named by a digest, it must be this one.
fn config(parts: &Parts, image: &Image) -> Result<Sha256, ImageError> {
    let name = parts.resolve(&image.config)?;
    let bytes = parts.json(&name).ok_or_else(|| missing(&name))?;
    let found = Sha256::of(bytes);
    let last = name.rsplit('/').next().unwrap_or(&name);
    if let Ok(expected) = last.strip_suffix(".json").unwrap_or(last).parse() {
        require_digest(&name, expected, found)?;
    }
    Ok(found)
}

fn config_is(parts: &Parts, image: &Image, digest: Sha256) -> bool {
    config(parts, image).is_ok_and(|found| found == digest)
}

/// An engine's id is the digest of the config; with the containerd store, it is that of a
/// manifest or an index, which must lead to the config.
fn require_id(parts: &Parts, id: Sha256, config: Sha256) -> Result<(), ImageError> {
    if leads_to(parts, id, &|digest| digest == config) {
        return Ok(());
    }
    Err(ImageError::Digest {
        part: "the image".to_owned(),
        expected: id,
        found: config,
    })
}

/// Whether manifests and indexes, each equal to its digest, lead from `start` to what is sought.
/// What is no manifest and no index leads nowhere.
fn leads_to(parts: &Parts, start: Sha256, is_sought: &dyn Fn(Sha256) -> bool) -> bool {
    let mut open = vec![start];
    let mut seen = BTreeSet::new();
    while let Some(digest) = open.pop() {
        if is_sought(digest) {
            return true;
        }
        let Some(bytes) = parts.json(&blob(&digest)) else {
            continue;
        };
        if !seen.insert(digest) || Sha256::of(bytes) != digest {
            continue;
        }
        let Ok(named) = serde_json::from_slice::<Named>(bytes) else {
            continue;
        };
        let digest_of =
            |reference: &Reference| reference.digest.strip_prefix("sha256:")?.parse().ok();
        if named
            .config
            .as_ref()
            .and_then(digest_of)
            .is_some_and(is_sought)
        {
            return true;
        }
        open.extend(named.manifests.iter().filter_map(digest_of));
    }
    false
}

impl Blobs for Parts {
    fn small(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, ImageError> {
        let expected = descriptor.sha256()?;
        let name = blob(&expected);
        let Some(bytes) = self.json(&name) else {
            return Ok(None);
        };
        require_size(&name, descriptor.size, bytes.len() as u64)?;
        require_digest(&name, expected, Sha256::of(bytes))?;
        Ok(Some(bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_tag_or_a_registry_means_the_usual_ones() {
        for (one, other) in [
            ("pump", "docker.io/library/pump:latest"),
            ("firm/pump:1", "docker.io/firm/pump:1"),
            ("localhost:5000/pump", "localhost:5000/pump:latest"),
        ] {
            assert_eq!(full_name(one), full_name(other));
        }
        assert_ne!(full_name("pump:1"), full_name("pump:2"));
    }
}
