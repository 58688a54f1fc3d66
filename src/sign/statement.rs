//! What is signed: who, in which role, with which meaning, over which manifest.
//!
//! A statement is an in-toto Statement v1. It carries what 21 CFR 11.50 asks of a signature's
//! manifestation (printed name, date and time, meaning) together with the digests that bind it
//! to the archive (21 CFR 11.70).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::grammar::is_statement_name;
use crate::config::Meaning;
use crate::digest::Sha256;
use crate::manifest::{MANIFEST, SUMS};

/// The type of in-toto statements, version 1.
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The type of the predicate below. Whatever would change a verdict raises its number.
const PREDICATE_TYPE: &str = "urn:dhfpack:statement:1";

/// One signed statement about an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    /// The manifest and the checksums, by digest.
    pub subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    /// What is stated about them.
    pub predicate: Predicate,
}

/// A file that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its path from the archive's root.
    pub name: String,
    /// Its digest.
    pub digest: Digests,
}

/// The digests of a subject. Others than SHA-256 are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// SHA-256 of the file's bytes.
    pub sha256: Sha256,
}

/// Who states what, and when. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predicate {
    /// The statements that were there before, so that a removed one is noticed.
    pub earlier: Vec<Earlier>,
    /// The signer's printed name.
    pub name: String,
    /// The role they sign in.
    pub role: String,
    /// What the signature means.
    pub meaning: Meaning,
    /// When they signed: UTC, in whole seconds.
    #[serde(with = "whole_seconds")]
    pub signed_at: Timestamp,
    /// The program that wrote the statement.
    pub tool: Tool,
    /// What was seen while the archive was built and is no part of its content: versions of git
    /// and of the engine, digests at the registry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub observations: BTreeMap<String, String>,
}

/// A statement that was there before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Earlier {
    /// Its file name in the folder of signatures.
    pub name: String,
    /// The digest of its bytes.
    pub sha256: Sha256,
}

/// The program that wrote a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Tool {
    /// This program.
    pub fn this() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// A statement that cannot be understood.
#[derive(Debug, Error)]
pub enum StatementError {
    /// Not the JSON expected.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Another kind of statement, or one made by a later version.
    #[error("its {field} is {found:?}; this version reads `{expected}`")]
    Type {
        /// The field: "_type" or "predicateType".
        field: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// Other subjects than the two.
    #[error("its subjects are not exactly {MANIFEST} and {SUMS}, once each")]
    Subjects,
    /// A name among the earlier statements that no statement can have, or one named twice.
    #[error(
        "it names {name:?} as an earlier statement, which is no statement's name or is named twice"
    )]
    Earlier {
        /// The name.
        name: String,
    },
    /// Nobody, no role, or text that could fake a line of a report.
    #[error("its {field} is empty or has control characters")]
    Text {
        /// The field: "name" or "role".
        field: &'static str,
    },
}

impl Statement {
    /// A statement about the manifest and the checksums with these digests.
    pub fn new(manifest: Sha256, sums: Sha256, predicate: Predicate) -> Self {
        let subject = |name: &str, sha256| Subject {
            name: name.to_owned(),
            digest: Digests { sha256 },
        };
        Self {
            kind: STATEMENT_TYPE.to_owned(),
            subject: vec![subject(MANIFEST, manifest), subject(SUMS, sums)],
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate,
        }
    }

    /// Reads and checks a statement's bytes. Their signature should have been verified before.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        let statement: Self = serde_json::from_slice(bytes)?;
        statement.check()?;
        Ok(statement)
    }

    fn check(&self) -> Result<(), StatementError> {
        for (field, expected, found) in [
            ("_type", STATEMENT_TYPE, &self.kind),
            ("predicateType", PREDICATE_TYPE, &self.predicate_type),
        ] {
            if found != expected {
                return Err(StatementError::Type {
                    field,
                    expected,
                    found: found.chars().take(80).collect(),
                });
            }
        }
        let mut names: Vec<&str> = self.subject.iter().map(|subject| &*subject.name).collect();
        names.sort_unstable();
        let mut expected = [MANIFEST, SUMS];
        expected.sort_unstable();
        if names != expected {
            return Err(StatementError::Subjects);
        }
        self.predicate.check()
    }

    /// True if it is about the manifest and the checksums with these digests.
    pub fn is_about(&self, manifest: &Sha256, sums: &Sha256) -> bool {
        let is = |name: &str, sha256: &Sha256| {
            self.subject
                .iter()
                .any(|subject| subject.name == name && subject.digest.sha256 == *sha256)
        };
        is(MANIFEST, manifest) && is(SUMS, sums)
    }

    /// The bytes to sign and store: JSON with every key on a line of its own, so that `grep`
    /// and `sed` find the digests and the time, ending in a newline.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StatementError> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

impl Predicate {
    fn check(&self) -> Result<(), StatementError> {
        for (field, text) in [("name", &self.name), ("role", &self.role)] {
            if text.trim().is_empty() || text.chars().any(char::is_control) {
                return Err(StatementError::Text { field });
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        for earlier in &self.earlier {
            if !is_statement_name(&earlier.name) || !seen.insert(&earlier.name) {
                return Err(StatementError::Earlier {
                    name: earlier.name.chars().take(80).collect(),
                });
            }
        }
        Ok(())
    }
}

/// RFC 3339 in UTC without fractions, in the one spelling that [`Timestamp`] prints.
mod whole_seconds {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .ok()
            .filter(|time: &Timestamp| time.subsec_nanosecond() == 0 && time.to_string() == text)
            .ok_or_else(|| {
                de::Error::custom(format_args!(
                    "{text:?} is no time in UTC and whole seconds, as in 2026-03-04T09:15:00Z"
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        Statement::new(
            Sha256::of(b"manifest"),
            Sha256::of(b"sums"),
            Predicate {
                earlier: vec![Earlier {
                    name: "release-builder-author-0123456789ab.json".to_owned(),
                    sha256: Sha256::of(b"earlier"),
                }],
                name: "Jane Doe".to_owned(),
                role: "Quality Systems SME".to_owned(),
                meaning: Meaning::Release,
                signed_at: "2026-03-04T09:15:00Z".parse().unwrap(),
                tool: Tool::this(),
                observations: BTreeMap::new(),
            },
        )
    }

    fn text() -> String {
        String::from_utf8(statement().to_bytes().unwrap()).unwrap()
    }

    #[test]
    fn a_statement_reads_back_what_it_writes() {
        assert_eq!(Statement::parse(text().as_bytes()).unwrap(), statement());
    }

    #[test]
    fn every_key_has_a_line_of_its_own() {
        let text = text();
        assert!(text.ends_with("}\n"));
        assert!(text.lines().all(|line| line.matches("\": ").count() <= 1));
        let digest = format!("        \"sha256\": \"{}\"\n", Sha256::of(b"manifest"));
        assert!(text.contains(&digest), "{text}");
        assert!(text.contains("\n    \"signed_at\": \"2026-03-04T09:15:00Z\",\n"));
    }

    #[test]
    fn unknown_fields_of_the_predicate_are_ignored() {
        let text = text().replace("\"tool\":", "\"mood\": [1],\n    \"tool\":");
        assert_eq!(Statement::parse(text.as_bytes()).unwrap(), statement());
    }

    #[test]
    fn what_is_ambiguous_or_of_another_kind_is_refused() {
        for (from, to) in [
            ("Statement/v1", "Statement/v2"),
            ("statement:1", "statement:2"),
            ("Manifest/SHA256SUMS", "Manifest/manifest.json"),
            ("Manifest/SHA256SUMS", "Manifest/sha256sums"),
            ("\"release\"", "\"rubber-stamp\""),
            ("09:15:00Z", "09:15:00.5Z"),
            ("09:15:00Z", "09:15:00+00:00"),
            ("\"Jane Doe\"", "\" \""),
            ("Jane Doe", "Jane\\nDoe"),
            ("release-builder-author", "../release-builder"),
            ("    \"role\":", "    \"role\": \"Nobody\",\n    \"role\":"),
            ("}\n", "}\n{}"),
        ] {
            let text = text();
            let position = text.rfind(from).unwrap();
            let changed = format!(
                "{}{to}{}",
                &text[..position],
                &text[position + from.len()..]
            );
            assert!(
                Statement::parse(changed.as_bytes()).is_err(),
                "{from} → {to}"
            );
        }
    }
}
