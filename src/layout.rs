//! Layouts: the folders of an archive, what each must hold, and who must sign.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::path::{self, ArchivePath, PathSet};

/// The layouts inside the program: name and text.
pub const BUILT_IN: [(&str, &str); 3] = [
    ("fda-classic", include_str!("../layouts/fda-classic.toml")),
    ("qmsr", include_str!("../layouts/qmsr.toml")),
    ("eu-mdr", include_str!("../layouts/eu-mdr.toml")),
];

/// The text of a built-in layout.
pub fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN
        .iter()
        .find_map(|(known, text)| (*known == name).then_some(*text))
}

/// Slots that hold what software cannot be made or judged without, so that no layout may let
/// them be called not applicable.
pub const ALWAYS_APPLICABLE: [&str; 3] = [
    "mdf.software-specifications",
    "mdf.build-process",
    "mdf.acceptance-criteria",
];

/// The role of the machine that builds archives. It never stands for a person.
pub const RELEASE_BUILDER: &str = "Release Builder";

/// A declarative description of an archive's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// A short name in lower case, as in "fda-classic".
    pub name: String,
    /// What it is, in one line.
    pub title: String,
    /// What a user should know before choosing it.
    #[serde(default)]
    pub description: String,
    /// The roles that must sign before a release counts as released.
    #[serde(rename = "role")]
    pub roles: Vec<Role>,
    /// The slots, in the order in which people read them.
    #[serde(rename = "slot")]
    pub slots: Vec<Slot>,
}

/// A role that must sign a release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The role's name, as in "Quality Systems SME".
    pub name: String,
}

/// A place that a release fills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// A neutral id that is the same in every layout, as in "mdf.installation".
    pub id: String,
    /// The folder, from the archive's root.
    pub folder: ArchivePath,
    /// What a person calls it.
    pub title: String,
    /// What belongs here.
    #[serde(default)]
    pub help: String,
    /// The clauses it answers to, by scheme; see the crosswalk.
    #[serde(default)]
    pub clauses: BTreeMap<Scheme, Vec<String>>,
    /// Whether a release without it is incomplete.
    pub required: bool,
    /// What may fill it.
    pub fill: BTreeSet<Fill>,
}

/// What may fill a slot.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// The snapshot of the git repository, which dhfpack makes.
    Git,
    /// The container images, which dhfpack exports.
    Images,
    /// Documents.
    Files,
    /// A document kept elsewhere, by location, revision and digest.
    Reference,
    /// A written reason why it does not apply.
    NotApplicable,
}

/// A body of clauses.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// 21 CFR 820 as it stood before 2026-02-02.
    #[serde(rename = "21cfr820-before-2026-02-02")]
    Cfr820,
    /// ISO 13485:2016, which 21 CFR 820 refers to since 2026-02-02.
    #[serde(rename = "iso13485")]
    Iso13485,
    /// IEC 62304:2006 with amendment 1:2015.
    #[serde(rename = "iec62304")]
    Iec62304,
    /// Regulation (EU) 2017/745.
    #[serde(rename = "eu-mdr")]
    EuMdr,
    /// Anything else, cited in full.
    Other,
}

impl Scheme {
    /// All schemes, in the order of the crosswalk's columns.
    pub const ALL: [Self; 5] = [
        Self::Cfr820,
        Self::Iso13485,
        Self::Iec62304,
        Self::EuMdr,
        Self::Other,
    ];

    /// What to print before a clause of this scheme, or above a column of them.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Cfr820 => "21 CFR 820 (before 2026-02-02)",
            Self::Iso13485 => "ISO 13485:2016",
            Self::Iec62304 => "IEC 62304",
            Self::EuMdr => "Regulation (EU) 2017/745",
            Self::Other => "Other",
        }
    }
}

impl Slot {
    /// Every clause with its scheme, for a message.
    pub fn citation(&self) -> String {
        let parts: Vec<String> = self
            .clauses
            .iter()
            .map(|(scheme, clauses)| match scheme {
                Scheme::Other => clauses.join(", "),
                _ => format!("{} {}", scheme.title(), clauses.join(", ")),
            })
            .collect();
        parts.join("; ")
    }
}

impl Layout {
    /// The slot with this id.
    pub fn slot(&self, id: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.id == id)
    }

    /// What is wrong with the layout, beyond its syntax; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut ids = BTreeSet::new();
        let mut folders = PathSet::default();
        for slot in &self.slots {
            let id = &slot.id;
            if !ids.insert(id) {
                problems.push(format!("slot `{id}` is there twice"));
            }
            if let Err(collision) = folders.insert(slot.folder.as_str()) {
                problems.push(format!("slot `{id}`: {collision}"));
            }
            if slot.fill.is_empty() {
                problems.push(format!(
                    "slot `{id}` can be filled by nothing: name what may fill it in `fill`"
                ));
            }
            if slot.fill.contains(&Fill::NotApplicable) && ALWAYS_APPLICABLE.contains(&id.as_str())
            {
                problems.push(format!("slot `{id}` can never be not applicable for software: take `not-applicable` out of its `fill`"));
            }
            if slot.folder.as_str().split('/').next() == Some(crate::manifest::FOLDER) {
                problems.push(format!(
                    "slot `{id}`: the folder `Manifest` is dhfpack's own"
                ));
            }
        }
        for (fill, what) in [(Fill::Git, "git"), (Fill::Images, "images")] {
            let count = self
                .slots
                .iter()
                .filter(|slot| slot.fill.contains(&fill))
                .count();
            if count > 1 {
                problems.push(format!(
                    "{count} slots are filled by `{what}`: one at most can be"
                ));
            }
        }
        for id in ALWAYS_APPLICABLE {
            if self.slot(id).is_none_or(|slot| !slot.required) {
                problems.push(format!(
                    "a required slot `{id}` is missing: no software release is complete without it"
                ));
            }
        }
        if self.roles.is_empty() {
            problems.push("no role is named that must sign a release: add a `[[role]]`".to_owned());
        }
        let mut roles = BTreeSet::new();
        for Role { name } in &self.roles {
            // Names are compared as they are, and printed in commands that people copy.
            let is_odd = |c: char| c.is_control() || path::is_invisible(c) || "\"\\`".contains(c);
            if name.is_empty() || name.trim() != name || name.contains(is_odd) {
                problems.push(format!(
                    "{name:?} cannot name a role: expected text without quotation marks, backslashes and invisible characters"
                ));
            }
            if !roles.insert(name) {
                problems.push(format!("role `{name}` is there twice"));
            }
            if name == RELEASE_BUILDER {
                problems.push(format!(
                    "`{RELEASE_BUILDER}` is a machine's role and cannot release: take it out of the required roles"
                ));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toml_file::TomlText;

    #[test]
    fn a_role_has_a_name_that_can_be_signed_for_and_quoted() {
        let with = |role: &str| {
            let text = built_in("qmsr").unwrap();
            let text = TomlText {
                name: "own.toml".to_owned(),
                text: text.replace("name = \"Engineering SME\"", &format!("name = {role}")),
            };
            text.parse::<Layout>().unwrap().problems()
        };
        for sound in ["\"Officer's Deputy\"", "\"Qualitätsleitung (1)\""] {
            assert_eq!(with(sound), Vec::<String>::new(), "{sound}");
        }
        for odd in [
            "\"\"",
            "\" QA\"",
            r#""a\nb""#,
            r#""a\"b""#,
            r#""a\\b""#,
            "\"a`b\"",
            r#""a\u202Eb""#,
            "\"Quality Systems SME\"",
            "\"Release Builder\"",
        ] {
            assert_eq!(with(odd).len(), 1, "{odd}");
        }
    }
}
