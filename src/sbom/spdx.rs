//! SPDX 2 (ISO/IEC 5962), the fields that are needed.

use std::collections::HashSet;

use serde::Deserialize;

use super::elements::{Part, Tally, clean, says, title};
use super::key::Key;
use super::list::List;
use super::subject::{Claim, ClaimKind, Subject, digest_in, image_digest_in_purl};
use super::{Sbom, SbomError, Standard};

/// What relationships call the document itself.
const DOCUMENT: &str = "SPDXRef-DOCUMENT";

/// Kinds of external references that others know a package by.
const IDENTIFIERS: [&str; 10] = [
    "purl",
    "maven-central",
    "npm",
    "nuget",
    "bower",
    "cpe22Type",
    "cpe23Type",
    "swid",
    "swh",
    "gitoid",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    #[serde(default)]
    creation_info: CreationInfo,
    #[serde(default)]
    packages: List<Package>,
    #[serde(default)]
    relationships: List<Relationship>,
    #[serde(rename = "documentDescribes", default)]
    described: List<Key>,
}

#[derive(Default, Deserialize)]
struct CreationInfo {
    created: Option<String>,
    #[serde(default)]
    creators: List<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPackage {
    #[serde(rename = "SPDXID")]
    id: Option<String>,
    name: Option<String>,
    version_info: Option<String>,
    supplier: Option<String>,
    primary_package_purpose: Option<String>,
    #[serde(default)]
    external_refs: List<ExternalRef>,
    #[serde(default)]
    checksums: List<Checksum>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_type: Option<String>,
    reference_locator: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: Option<String>,
    checksum_value: Option<String>,
}

#[derive(Deserialize)]
struct RawRelationship {
    #[serde(rename = "spdxElementId")]
    from: Option<String>,
    #[serde(rename = "relationshipType")]
    kind: Option<String>,
    #[serde(rename = "relatedSpdxElement")]
    to: Option<String>,
}

/// What a relationship says that is needed; most are about files, and say nothing of a package.
#[derive(Deserialize)]
#[serde(from = "RawRelationship")]
enum Relationship {
    /// The document describes this package.
    Describes(Key),
    /// These two are related.
    Between(End, End),
    Nothing,
}

/// One end of a relationship.
enum End {
    /// Something of this document.
    Here(Key),
    /// Something of another document, or expressly nothing.
    Elsewhere,
}

impl End {
    fn of(id: &str) -> Self {
        if id == "NONE" || id.starts_with("DocumentRef-") {
            Self::Elsewhere
        } else {
            Self::Here(Key::of(id))
        }
    }
}

impl From<RawRelationship> for Relationship {
    fn from(raw: RawRelationship) -> Self {
        let (Some(from), Some(kind), Some(to)) = (raw.from, raw.kind, raw.to) else {
            return Self::Nothing;
        };
        match kind.as_str() {
            "DESCRIBES" if from == DOCUMENT => Self::Describes(Key::of(&to)),
            "DESCRIBED_BY" if to == DOCUMENT => Self::Describes(Key::of(&from)),
            _ if from == to => Self::Nothing,
            _ => Self::Between(End::of(&from), End::of(&to)),
        }
    }
}

/// A package of which only what is needed is kept.
#[derive(Deserialize)]
#[serde(from = "RawPackage")]
struct Package {
    part: Part,
    is_container: bool,
    version: Option<String>,
    claims: Vec<Claim>,
}

impl From<RawPackage> for Package {
    fn from(raw: RawPackage) -> Self {
        let (name, version) = (raw.name.as_deref(), raw.version_info.as_deref());
        let references = &raw.external_refs.0;
        let known = |reference: &&ExternalRef| {
            let kind = reference.reference_type.as_deref().unwrap_or_default();
            // A kind may be written as a URI that ends in its name.
            let kind = kind.rsplit('/').next().unwrap_or(kind);
            IDENTIFIERS.contains(&kind) && says(reference.reference_locator.as_deref())
        };
        let part = Part {
            shown: title(name, version, raw.id.as_deref()).into(),
            has: [
                says(raw.supplier.as_deref().map(entity)),
                says(name),
                says(version),
                references.iter().any(|reference| known(&reference)),
            ],
            id: raw.id.as_deref().map(Key::of),
        };
        Self {
            is_container: raw.is_container(),
            version: version
                .filter(|text| says(Some(text)) && digest_in(text).is_none())
                .map(clean),
            claims: raw.claims(),
            part,
        }
    }
}

impl RawPackage {
    /// SPDX 2.2 has no word for it.
    fn is_container(&self) -> bool {
        self.primary_package_purpose.as_deref() == Some("CONTAINER")
    }

    /// The digests that name the package, if it should be the subject.
    fn claims(&self) -> Vec<Claim> {
        let mut claims = Vec::new();
        let mut claim = |field, kind, digest: Option<_>| {
            claims.extend(digest.map(|digest| Claim {
                field,
                kind,
                digest,
            }));
        };
        for reference in &self.external_refs.0 {
            let locator = reference.reference_locator.as_deref();
            claim(
                "externalRefs",
                ClaimKind::Image,
                locator.and_then(image_digest_in_purl),
            );
        }
        let stated = self.version_info.as_deref().and_then(digest_in);
        claim("versionInfo", ClaimKind::Image, stated);
        let in_name = self.name.as_deref().and_then(digest_in);
        claim("name", ClaimKind::Image, in_name);
        let hashed = if self.is_container() {
            ClaimKind::Image
        } else {
            ClaimKind::Unclear
        };
        for checksum in &self.checksums.0 {
            if checksum.algorithm.as_deref() == Some("SHA256") {
                let value = checksum.checksum_value.as_deref();
                let value = value.map(str::to_ascii_lowercase);
                let digest = value.and_then(|value| value.parse().ok());
                claim("checksums", hashed, digest);
            }
        }
        claims
    }
}

/// The name in `Organization: NAME` or `Tool: NAME`.
fn entity(text: &str) -> &str {
    let kinds = ["Organization:", "Person:", "Tool:"];
    let named = kinds.iter().find_map(|kind| text.trim().strip_prefix(kind));
    named.unwrap_or(text)
}

/// The packages that are related to another, to one of another document, or expressly to none.
fn related(relationships: &[Relationship], packages: &HashSet<Key>) -> HashSet<Key> {
    let mut related = HashSet::new();
    for relationship in relationships {
        let Relationship::Between(from, to) = relationship else {
            continue;
        };
        let ends = [from, to];
        let is_known = |end: &&End| match end {
            End::Here(key) => packages.contains(key),
            End::Elsewhere => true,
        };
        if ends.iter().all(is_known) {
            related.extend(ends.into_iter().filter_map(|end| match end {
                End::Here(key) => Some(*key),
                End::Elsewhere => None,
            }));
        }
    }
    related
}

impl Document {
    /// The package described: of several the container, or else the first.
    fn subject(&self) -> Option<Subject> {
        let mut described: HashSet<Key> = self.described.0.iter().copied().collect();
        described.extend(self.relationships.0.iter().filter_map(|one| match one {
            Relationship::Describes(key) => Some(*key),
            _ => None,
        }));
        let candidates = self
            .packages
            .0
            .iter()
            .filter(|package| package.part.id.is_some_and(|id| described.contains(&id)));
        let container = candidates.clone().find(|package| package.is_container);
        let package = container.or_else(|| candidates.clone().next())?;
        Some(Subject {
            title: package.part.shown.to_string(),
            version: package.version.clone(),
            claims: package.claims.clone(),
        })
    }
}

pub(super) fn summarise(document: &Document, version: String) -> Result<Sbom, SbomError> {
    let mut ids = HashSet::new();
    let packages = &document.packages.0;
    for part in packages.iter().map(|package| &package.part) {
        if part.id.is_some_and(|id| !ids.insert(id)) {
            return Err(SbomError::Duplicate {
                kind: "SPDXID",
                component: part.shown.to_string(),
            });
        }
    }
    let related = related(&document.relationships.0, &ids);
    let mut tally = Tally::default();
    for part in packages.iter().map(|package| &package.part) {
        tally.add(part, part.id.is_some_and(|id| related.contains(&id)));
    }
    let info = &document.creation_info;
    let author = info.creators.0.iter().any(|one| says(Some(entity(one))));
    let (components, missing) = tally.finish(author, info.created.as_deref());
    Ok(Sbom {
        standard: Standard::Spdx,
        version,
        subject: document.subject(),
        components,
        missing,
    })
}
