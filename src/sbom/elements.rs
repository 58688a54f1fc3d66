//! NTIA's minimum elements for an SBOM (July 2021): which of them are there.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::key::Key;
use crate::path::is_invisible;

/// How many components that lack an element are named.
const EXAMPLES: usize = 5;
/// How much is shown of a text from an SBOM, in characters.
const SHOWN: usize = 120;

/// One of the seven minimum elements. All but the last two belong to each component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Element {
    /// Who supplies the component.
    SupplierName,
    /// What the component is called.
    ComponentName,
    /// Its version.
    Version,
    /// A name by which others know it: a package URL, a CPE, a SWID tag.
    UniqueIdentifier,
    /// In what it is included, or what it includes.
    DependencyRelationship,
    /// Who, or which tool, made the SBOM.
    Author,
    /// When the SBOM was made.
    Timestamp,
}

impl Element {
    const OF_COMPONENTS: [Self; 5] = [
        Self::SupplierName,
        Self::ComponentName,
        Self::Version,
        Self::UniqueIdentifier,
        Self::DependencyRelationship,
    ];

    /// The element in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SupplierName => "supplier name",
            Self::ComponentName => "component name",
            Self::Version => "version",
            Self::UniqueIdentifier => "unique identifier",
            Self::DependencyRelationship => "dependency relationship",
            Self::Author => "author of the SBOM",
            Self::Timestamp => "timestamp",
        }
    }
}

/// An element that is not there everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Which one.
    pub element: Element,
    /// How many components lack it; 1 for an element that the SBOM has once, and 0 for one that
    /// no component has since none is listed.
    pub count: u64,
    /// The first few of these components, cut and cleaned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
}

impl fmt::Display for Missing {
    /// As in "supplier name of 2 components (a 1.0, b)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.element.as_str())?;
        match self.count {
            _ if !Element::OF_COMPONENTS.contains(&self.element) => return Ok(()),
            0 => return f.write_str(" (no component is listed)"),
            1 => f.write_str(" of 1 component")?,
            count => write!(f, " of {count} components")?,
        }
        let more = self.count > self.examples.len() as u64;
        let more = if more { ", …" } else { "" };
        write!(f, " ({}{more})", self.examples.join(", "))
    }
}

/// What is kept of a component while an SBOM is read.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// What relationships name it by.
    pub(super) id: Option<Key>,
    /// What to call it in a message.
    pub(super) shown: Box<str>,
    /// Whether it has a supplier, a name, a version and an identifier.
    pub(super) has: [bool; 4],
}

/// Counts what components lack.
#[derive(Debug, Default)]
pub(super) struct Tally {
    components: u64,
    lacking: [(u64, Vec<String>); Element::OF_COMPONENTS.len()],
}

impl Tally {
    pub(super) fn add(&mut self, part: &Part, related: bool) {
        self.components += 1;
        let [supplier, name, version, identifier] = part.has;
        let there = [supplier, name, version, identifier, related];
        for (there, (count, examples)) in there.into_iter().zip(&mut self.lacking) {
            if there {
                continue;
            }
            *count += 1;
            if examples.len() < EXAMPLES {
                examples.push(match &*part.shown {
                    "" => format!("component {}", self.components),
                    shown => shown.to_owned(),
                });
            }
        }
    }

    /// How many components there are, and what is missing.
    pub(super) fn finish(self, author: bool, timestamp: Option<&str>) -> (u64, Vec<Missing>) {
        let of_components = Element::OF_COMPONENTS.into_iter().zip(self.lacking);
        let mut missing: Vec<Missing> = of_components
            .filter(|(_, (count, _))| *count > 0 || self.components == 0)
            .map(|(element, (count, examples))| Missing {
                element,
                count,
                examples,
            })
            .collect();
        let dated = timestamp.is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok());
        for (element, there) in [(Element::Author, author), (Element::Timestamp, dated)] {
            if !there {
                missing.push(Missing {
                    element,
                    count: 1,
                    examples: Vec::new(),
                });
            }
        }
        (self.components, missing)
    }
}

/// Whether a field says something. SPDX has words for saying nothing, which others use as well.
pub(super) fn says(text: Option<&str>) -> bool {
    let text = text.unwrap_or_default().trim();
    !matches!(text, "" | "NOASSERTION" | "NONE")
}

/// A component's name and version, for messages.
pub(super) fn title(name: Option<&str>, version: Option<&str>, id: Option<&str>) -> String {
    match (
        name.filter(|_| says(name)),
        version.filter(|_| says(version)),
    ) {
        (Some(name), Some(version)) => clean(&format!("{name} {version}")),
        (Some(name), None) => clean(name),
        (None, _) => clean(id.unwrap_or_default()),
    }
}

/// One line of text that is safe to show: cut, and with nothing that moves or hides text.
pub(super) fn clean(text: &str) -> String {
    let unsafe_one = |character: char| character.is_control() || is_invisible(character);
    let mut characters = text.trim().chars();
    let mut shown: String = (&mut characters)
        .take(SHOWN)
        .map(|one| if unsafe_one(one) { '\u{fffd}' } else { one })
        .collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_text_is_short_and_in_one_line() {
        assert_eq!(
            clean(" a\u{1b}[2J\nb\u{202e} "),
            "a\u{fffd}[2J\u{fffd}b\u{fffd}"
        );
        assert_eq!(clean(&"ä".repeat(500)).chars().count(), SHOWN + 1);
    }
}
