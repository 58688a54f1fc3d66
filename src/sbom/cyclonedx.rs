//! `CycloneDX` (ECMA-424), the fields that are needed.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::elements::{Part, Tally, clean, says, title};
use super::key::Key;
use super::list::{List, MOST};
use super::subject::{Claim, ClaimKind, Subject, digest_in, image_digest_in_purl};
use super::{Sbom, SbomError, Standard};

#[derive(Deserialize)]
pub(super) struct Document {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    components: List<Node>,
    #[serde(default)]
    dependencies: List<Dependency>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    timestamp: Option<String>,
    #[serde(default)]
    authors: List<Entity>,
    /// Up to 1.5, and from 1.5 on.
    manufacture: Option<Entity>,
    manufacturer: Option<Entity>,
    /// Who supplies the subject.
    supplier: Option<Entity>,
    tools: Option<Tools>,
    component: Option<Component>,
}

#[derive(Deserialize)]
struct Entity {
    name: Option<String>,
    email: Option<String>,
}

/// A list up to 1.4, and an object since.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tools {
    List(Vec<Named>),
    Object {
        #[serde(default)]
        components: Vec<Named>,
        #[serde(default)]
        services: Vec<Named>,
    },
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(rename = "bom-ref")]
    bom_ref: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    version: Option<String>,
    supplier: Option<Entity>,
    purl: Option<String>,
    cpe: Option<String>,
    swid: Option<Swid>,
    #[serde(rename = "omniborId", default)]
    omnibor_id: List<String>,
    #[serde(default)]
    swhid: List<String>,
    #[serde(default)]
    hashes: List<Hash>,
    #[serde(default)]
    properties: List<Property>,
    #[serde(default)]
    components: List<Node>,
}

#[derive(Deserialize)]
struct Swid {
    #[serde(rename = "tagId")]
    tag_id: Option<String>,
}

#[derive(Deserialize)]
struct Hash {
    alg: Option<String>,
    content: Option<String>,
}

#[derive(Deserialize)]
struct Property {
    name: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
struct Dependency {
    #[serde(rename = "ref")]
    of: Key,
    #[serde(rename = "dependsOn", default)]
    depends_on: List<Key>,
    #[serde(default)]
    provides: List<Key>,
}

/// A component of which only what is needed is kept, and those inside it.
#[derive(Deserialize)]
#[serde(from = "Component")]
struct Node {
    part: Part,
    inside: Vec<Node>,
}

impl From<Component> for Node {
    fn from(component: Component) -> Self {
        Self {
            part: component.part(),
            inside: component.components.0,
        }
    }
}

impl Component {
    fn part(&self) -> Part {
        let (name, version) = (self.name.as_deref(), self.version.as_deref());
        let swid = self.swid.as_ref().and_then(|swid| swid.tag_id.as_deref());
        let identifiers = [self.purl.as_deref(), self.cpe.as_deref(), swid];
        let mut more = self.omnibor_id.0.iter().chain(&self.swhid.0);
        Part {
            shown: title(name, version, self.bom_ref.as_deref()).into(),
            has: [
                self.supplier.as_ref().is_some_and(Entity::is_named),
                says(name),
                says(version),
                identifiers.into_iter().any(says) || more.any(|id| says(Some(id))),
            ],
            id: self.bom_ref.as_deref().map(Key::of),
        }
    }

    fn subject(&self) -> Subject {
        let (name, version) = (self.name.as_deref(), self.version.as_deref());
        let mut claims = Vec::new();
        let mut claim = |field, kind, digest: Option<_>| {
            claims.extend(digest.map(|digest| Claim {
                field,
                kind,
                digest,
            }));
        };
        let purl = self.purl.as_deref().and_then(image_digest_in_purl);
        claim("metadata.component.purl", ClaimKind::Image, purl);
        let stated = version.and_then(digest_in);
        claim("metadata.component.version", ClaimKind::Image, stated);
        let in_name = name.and_then(digest_in);
        claim("metadata.component.name", ClaimKind::Image, in_name);
        let hashed = match self.kind.as_deref() {
            Some("container") => ClaimKind::Image,
            _ => ClaimKind::Unclear,
        };
        for hash in &self.hashes.0 {
            if hash.alg.as_deref() == Some("SHA-256") {
                let content = hash.content.as_deref().map(str::to_ascii_lowercase);
                let digest = content.and_then(|content| content.parse().ok());
                claim("metadata.component.hashes", hashed, digest);
            }
        }
        for property in &self.properties.0 {
            let (Some(name), Some(value)) = (&property.name, &property.value) else {
                continue;
            };
            // The last part of the names that Trivy gives them.
            let (field, kind) = match name.rsplit(':').next() {
                Some("ImageID") => ("property ImageID", ClaimKind::ImageId),
                Some("DiffID") => ("property DiffID", ClaimKind::Layer),
                Some("RepoDigest") => ("property RepoDigest", ClaimKind::Image),
                _ => continue,
            };
            claim(field, kind, digest_in(value));
        }
        Subject {
            title: title(name, version, self.bom_ref.as_deref()),
            version: version
                .filter(|text| says(Some(text)) && digest_in(text).is_none())
                .map(clean),
            claims,
        }
    }
}

impl Entity {
    fn is_named(&self) -> bool {
        says(self.name.as_deref())
    }
}

impl Metadata {
    /// NTIA: the author may be a person, an organisation or the tool that made the SBOM.
    fn has_author(&self) -> bool {
        let persons = self.authors.0.iter();
        let organisations = [&self.manufacture, &self.manufacturer];
        let named = |tools: &[Named]| tools.iter().any(|tool| says(tool.name.as_deref()));
        persons
            .clone()
            .any(|author| author.is_named() || says(author.email.as_deref()))
            || organisations.into_iter().flatten().any(Entity::is_named)
            || self.tools.as_ref().is_some_and(|tools| match tools {
                Tools::List(tools) => named(tools),
                Tools::Object {
                    components,
                    services,
                } => named(components) || named(services),
                Tools::Other(_) => false,
            })
    }
}

/// What is known of relationships, and of the references that were met.
struct Walk {
    related: HashSet<Key>,
    seen: HashSet<Key>,
    tally: Tally,
    count: usize,
}

impl Walk {
    /// Counts a component; one that stands inside another is related by that.
    fn add(&mut self, part: Part, inside: bool) -> Result<(), SbomError> {
        self.count += 1;
        if self.count > MOST {
            return Err(SbomError::TooMany);
        }
        let related = inside || part.id.is_some_and(|id| self.related.contains(&id));
        self.tally.add(&part, related);
        match part.id {
            Some(id) if !self.seen.insert(id) => Err(SbomError::Duplicate {
                kind: "bom-ref",
                component: part.shown.into(),
            }),
            _ => Ok(()),
        }
    }
}

pub(super) fn summarise(document: Document, version: String) -> Result<Sbom, SbomError> {
    let mut walk = Walk {
        related: HashSet::new(),
        seen: HashSet::new(),
        tally: Tally::default(),
        count: 0,
    };
    for dependency in document.dependencies.0 {
        walk.related.extend(dependency.depends_on.0);
        walk.related.extend(dependency.provides.0);
        walk.related.insert(dependency.of);
    }
    let mut metadata = document.metadata;
    let subject = metadata.component.as_ref().map(Component::subject);
    let mut waiting: Vec<(Node, bool)> = Vec::new();
    let nodes = document.components.0.into_iter();
    waiting.extend(nodes.rev().map(|node| (node, false)));
    if let Some(component) = metadata.component.take() {
        let mut node = Node::from(component);
        let [supplier, ..] = &mut node.part.has;
        *supplier |= metadata.supplier.as_ref().is_some_and(Entity::is_named);
        waiting.push((node, false));
    }
    // In the document's order, each before those inside it.
    while let Some((node, inside)) = waiting.pop() {
        walk.add(node.part, inside)?;
        let within = node.inside.into_iter();
        waiting.extend(within.rev().map(|node| (node, true)));
    }
    let author = metadata.has_author();
    let (components, missing) = walk.tally.finish(author, metadata.timestamp.as_deref());
    Ok(Sbom {
        standard: Standard::CycloneDx,
        version,
        subject,
        components,
        missing,
    })
}
