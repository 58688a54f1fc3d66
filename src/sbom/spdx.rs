//! SPDX 2 (ISO/IEC 5962), the fields that are needed.

use std::collections::HashSet;

use serde::Deserialize;

use super::elements::{Part, Tally, clean, says, title};
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
    described: List<String>,
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
struct Relationship {
    #[serde(rename = "spdxElementId")]
    from: Option<String>,
    #[serde(rename = "relationshipType")]
    kind: Option<String>,
    #[serde(rename = "relatedSpdxElement")]
    to: Option<String>,
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
            shown: title(name, version, raw.id.as_deref()),
            has: [
                says(raw.supplier.as_deref().map(entity)),
                says(name),
                says(version),
                references.iter().any(|reference| known(&reference)),
            ],
            id: raw.id.clone(),
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
fn related(relationships: &[Relationship], ids: &HashSet<&str>) -> HashSet<String> {
    let mut related = HashSet::new();
    let names_one = |id: &str| ids.contains(id) || id == "NONE" || id.starts_with("DocumentRef-");
    for relationship in relationships {
        let (Some(from), Some(to)) = (relationship.from.as_deref(), relationship.to.as_deref())
        else {
            continue;
        };
        // To be described is no relationship to another component.
        let describes = relationship.describes().is_some();
        if !describes && from != to && names_one(from) && names_one(to) {
            related.extend([from.to_owned(), to.to_owned()]);
        }
    }
    related
}

impl Relationship {
    /// What the document describes, if that is what it says.
    fn describes(&self) -> Option<&str> {
        let (from, to) = (self.from.as_deref()?, self.to.as_deref()?);
        match self.kind.as_deref()? {
            "DESCRIBES" if from == DOCUMENT => Some(to),
            "DESCRIBED_BY" if to == DOCUMENT => Some(from),
            _ => None,
        }
    }
}

impl Document {
    /// The package described: of several the container, or else the first.
    fn subject(&self) -> Option<Subject> {
        let described: HashSet<&str> = self
            .described
            .0
            .iter()
            .map(String::as_str)
            .chain(
                self.relationships
                    .0
                    .iter()
                    .filter_map(Relationship::describes),
            )
            .collect();
        let candidates = self.packages.0.iter().filter(|package| {
            let id = package.part.id.as_deref();
            id.is_some_and(|id| described.contains(id))
        });
        let container = candidates.clone().find(|package| package.is_container);
        let package = container.or_else(|| candidates.clone().next())?;
        Some(Subject {
            title: package.part.shown.clone(),
            version: package.version.clone(),
            claims: package.claims.clone(),
        })
    }
}

pub(super) fn summarise(document: &Document, version: String) -> Result<Sbom, SbomError> {
    let mut ids = HashSet::new();
    let packages = &document.packages.0;
    for id in packages.iter().filter_map(|one| one.part.id.as_deref()) {
        if !ids.insert(id) {
            return Err(SbomError::Duplicate {
                kind: "SPDXID",
                id: clean(id),
            });
        }
    }
    let related = related(&document.relationships.0, &ids);
    let mut tally = Tally::default();
    for package in packages {
        let id = package.part.id.as_deref();
        tally.add(&package.part, id.is_some_and(|id| related.contains(id)));
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
