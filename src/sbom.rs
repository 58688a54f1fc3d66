//! Software bills of materials: `CycloneDX` 1.4 to 1.6 and SPDX 2.2 and 2.3, as JSON.
//!
//! What is read of one is small: which components lack which of NTIA's minimum elements, and what
//! it says of its subject, so that an SBOM of another image is noticed. A document's own words are
//! never trusted: sizes and counts are bounded, and what is shown of it is cut and cleaned.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

mod cyclonedx;
mod elements;
mod key;
mod list;
mod spdx;
mod subject;

pub use elements::{Element, Missing};
pub use subject::{Claim, ClaimKind, Contradiction, Identity, Link, Subject, link};

use list::MOST;

/// The largest SBOM that is read, in bytes; those of whole Linux distributions have a tenth of it.
pub const LARGEST: u64 = 256 * 1024 * 1024;

/// What an SBOM says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sbom {
    /// The standard it follows.
    pub standard: Standard,
    /// That standard's version, as in "1.6".
    pub version: String,
    /// What it is about, if it says so.
    pub subject: Option<Subject>,
    /// How many components it lists, its subject among them.
    pub components: u64,
    /// What is missing of the minimum elements, in their order; empty if nothing is.
    pub missing: Vec<Missing>,
}

/// A standard for SBOMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standard {
    /// ECMA-424.
    #[serde(rename = "CycloneDX")]
    CycloneDx,
    /// ISO/IEC 5962.
    #[serde(rename = "SPDX")]
    Spdx,
}

impl Standard {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CycloneDx => "CycloneDX",
            Self::Spdx => "SPDX",
        }
    }

    const fn versions(self) -> &'static [&'static str] {
        match self {
            Self::CycloneDx => &["1.4", "1.5", "1.6"],
            Self::Spdx => &["2.2", "2.3"],
        }
    }
}

/// Why a file cannot be read as an SBOM.
#[derive(Debug, Error, Diagnostic)]
pub enum SbomError {
    /// It is larger than [`LARGEST`].
    #[error("it has {size} bytes; at most {LARGEST} are read")]
    #[diagnostic(help("make one SBOM for each image, and leave lists of files out of it"))]
    TooLarge {
        /// Its size.
        size: u64,
    },
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// It is no JSON, or not what the standard asks for.
    #[error("it is not the JSON that an SBOM is written in")]
    #[diagnostic(help(
        "CycloneDX 1.4 to 1.6 and SPDX 2.2 and 2.3 are read, as JSON in UTF-8; tools convert other forms"
    ))]
    Json(#[source] serde_json::Error),
    /// It is JSON of another kind.
    #[error("it is JSON, but no SBOM: neither `bomFormat` nor `spdxVersion` says which kind it is")]
    #[diagnostic(help("name an SBOM in CycloneDX 1.4 to 1.6 or SPDX 2.2 or 2.3"))]
    NotAnSbom,
    /// A version that is not known here.
    #[error("it is {standard} {version}; {standard} {known} can be read", standard = standard.as_str(), known = standard.versions().join(", "))]
    #[diagnostic(help("let your tool write one of these versions"))]
    Version {
        /// The standard.
        standard: Standard,
        /// The version it names, cut and cleaned.
        version: String,
    },
    /// Two components have one identifier, so that relationships cannot be told apart.
    #[error("two of its components have the same {kind}; the second is `{component}`")]
    #[diagnostic(help("the tool that made the SBOM is at fault: each has to have its own"))]
    Duplicate {
        /// "bom-ref" or "SPDXID".
        kind: &'static str,
        /// The second one's name, cut and cleaned.
        component: String,
    },
    /// More components than are counted.
    #[error("it has more than {MOST} components")]
    #[diagnostic(help("make one SBOM for each image"))]
    TooMany,
}

/// The fields that say which kind of document this is.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "bomFormat")]
    bom_format: Option<String>,
    #[serde(rename = "specVersion")]
    spec_version: Option<String>,
    #[serde(rename = "spdxVersion")]
    spdx_version: Option<String>,
}

impl Sbom {
    /// Reads an SBOM, as a stream; memory grows with the number of components only.
    pub fn read<R: Read + Seek>(reader: &mut R) -> Result<Self, SbomError> {
        let size = reader.seek(SeekFrom::End(0)).map_err(SbomError::Read)?;
        if size > LARGEST {
            return Err(SbomError::TooLarge { size });
        }
        let head: Head = parse(reader)?;
        let (standard, version) = head.kind()?;
        if !standard.versions().contains(&version.as_str()) {
            return Err(SbomError::Version {
                standard,
                version: elements::clean(&version),
            });
        }
        match standard {
            Standard::CycloneDx => cyclonedx::summarise(parse(reader)?, version),
            Standard::Spdx => spdx::summarise(&parse(reader)?, version),
        }
    }
}

impl Head {
    fn kind(self) -> Result<(Standard, String), SbomError> {
        let is_cyclonedx = self.bom_format.as_deref() == Some("CycloneDX");
        match (self.spec_version, self.spdx_version) {
            (Some(version), None) if is_cyclonedx => Ok((Standard::CycloneDx, version)),
            (_, Some(version)) if !is_cyclonedx => {
                let number = version.strip_prefix("SPDX-").unwrap_or(&version);
                Ok((Standard::Spdx, number.to_owned()))
            }
            _ => Err(SbomError::NotAnSbom),
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(reader: &mut (impl Read + Seek)) -> Result<T, SbomError> {
    reader.rewind().map_err(SbomError::Read)?;
    serde_json::from_reader(BufReader::new(reader)).map_err(|error| {
        if error.is_io() {
            SbomError::Read(error.into())
        } else {
            SbomError::Json(error)
        }
    })
}
