//! The service manual: what those who install and maintain a release have to know of it.
//!
//! A record in the repository tells what only people know; the archive tells the rest: version,
//! digests, and when it was released. Both make the release's entry in the manual.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::toml_file::{TomlError, TomlText};

mod answer;
mod entry;
mod manual;
mod markdown;

pub use answer::Answer;
pub use entry::{Entry, render};
pub use manual::{MARKER, ManualError, digest, insert};

/// The usual name of the record.
pub const FILE_NAME: &str = "service-manual-entry.toml";

/// The clauses that ask for what an entry says: requirements for installation and servicing, and
/// that users are told of problems and of what a change means for them.
pub const CLAUSES: &str = "ISO 13485:2016 4.2.3 e) and f), 7.5.3, 7.5.4; IEC 62304 6.2.5";

/// What marks a text that a template left to be written.
const EDIT: &str = "[edit";

/// A release's entry in the service manual, as far as people write it.
///
/// Every field has to say something. Where there is nothing to say, that is the answer, with the
/// reason: `{ none = "reason" }`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EntryRecord {
    /// Whom the entry is for, as in "hospital IT and our field service".
    pub audience: String,
    /// Whether users are made to take the update, or may choose.
    pub update: Option<Update>,
    /// Who wrote the entry: name and role.
    pub author: String,
    /// Who approved the entry: name and role.
    pub approver: String,
    /// What has to be there or done before the installation begins.
    pub prerequisites: Answer<String>,
    /// From which versions one can upgrade, and through which.
    pub supported_upgrade_paths: Answer<String>,
    /// The steps of a new installation.
    pub install: Answer<String>,
    /// The steps of an upgrade.
    pub upgrade: Answer<String>,
    /// The steps back to the version before.
    pub rollback: Answer<String>,
    /// The steps that show that the installation succeeded. The version and the image id to expect
    /// are added from the archive.
    pub post_install_check: Answer<String>,
    /// What this version works with, and no longer works with: systems, browsers, interfaces,
    /// devices.
    pub compatibility: Answer<String>,
    /// Settings that are new, gone, or mean something else.
    pub configuration_changes: Answer<String>,
    /// What users have to do or read differently (IEC 62366-1).
    pub usability_impact: Answer<String>,
    /// The anomalies known on the day of release, each with what to do about it meanwhile.
    pub known_anomalies: Answer<Anomaly>,
    /// Vulnerabilities that are closed or still open, and how to run this version securely.
    pub security_notes: Answer<String>,
    /// How and when users are told of this version.
    pub user_notification: Answer<String>,
    /// Who has to be trained before this version is used, and in what.
    pub training: Answer<String>,
}

/// Whether users are made to take an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Update {
    /// They are: it is installed for them, or the former version stops working.
    Forced,
    /// They choose whether and when.
    Optional,
}

impl Update {
    /// The word in a record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forced => "forced",
            Self::Optional => "optional",
        }
    }
}

/// An anomaly that is known on the day of release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Anomaly {
    /// Its number in the records of problems.
    pub id: String,
    /// What a user sees of it.
    pub description: String,
    /// What to do about it meanwhile.
    pub workaround: String,
}

/// A field of a record that says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingField {
    /// The field, as in `install` or `known_anomalies[0].workaround`.
    pub field: String,
    /// What is wrong with it, as in "is missing".
    pub problem: &'static str,
    /// The field's line, with its value to be written.
    pub remedy: String,
}

/// How the texts of a topic follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One after the other, by number.
    Steps,
    /// Side by side.
    Points,
}

/// One of a record's fields with texts.
struct Topic<'r> {
    field: &'static str,
    title: &'static str,
    form: Form,
    answer: &'r Answer<String>,
}

impl EntryRecord {
    /// Reads a record; fields may be missing.
    pub fn parse(text: &TomlText) -> Result<Self, Box<TomlError>> {
        text.parse()
    }

    /// Every field that says nothing, in the order of the template; empty for a complete record.
    pub fn missing(&self) -> Vec<MissingField> {
        let mut missing = Vec::new();
        check_text("audience", &self.audience, &mut missing);
        if self.update.is_none() {
            missing.push(MissingField {
                field: "update".to_owned(),
                problem: "is missing",
                remedy: "update = \"optional\" # or \"forced\"".to_owned(),
            });
        }
        check_text("author", &self.author, &mut missing);
        check_text("approver", &self.approver, &mut missing);
        for topic in self.topics_before_anomalies() {
            topic.answer.check(topic.field, &mut missing);
        }
        self.check_anomalies(&mut missing);
        for topic in self.topics_after_anomalies() {
            topic.answer.check(topic.field, &mut missing);
        }
        missing
    }

    fn check_anomalies(&self, missing: &mut Vec<MissingField>) {
        let field = "known_anomalies";
        let before = missing.len();
        self.known_anomalies.check_reason(field, missing);
        if let Some(added) = missing.get_mut(before) {
            "known_anomalies = [{ id = \"…\", description = \"…\", workaround = \"…\" }] # or { none = \"reason\" }"
                .clone_into(&mut added.remedy);
        }
        for (index, anomaly) in self.known_anomalies.given().iter().enumerate() {
            for (part, text) in [
                ("id", &anomaly.id),
                ("description", &anomaly.description),
                ("workaround", &anomaly.workaround),
            ] {
                check_text(&format!("{field}[{index}].{part}"), text, missing);
            }
        }
    }

    fn topics_before_anomalies(&self) -> [Topic<'_>; 9] {
        use Form::{Points, Steps};
        let topic = |field, title, form, answer| Topic {
            field,
            title,
            form,
            answer,
        };
        [
            topic(
                "prerequisites",
                "Prerequisites",
                Points,
                &self.prerequisites,
            ),
            topic(
                "supported_upgrade_paths",
                "Supported upgrade paths",
                Points,
                &self.supported_upgrade_paths,
            ),
            topic("install", "Installation", Steps, &self.install),
            topic("upgrade", "Upgrade", Steps, &self.upgrade),
            topic("rollback", "Rollback", Steps, &self.rollback),
            topic(
                "post_install_check",
                "Check after installation",
                Steps,
                &self.post_install_check,
            ),
            topic(
                "compatibility",
                "Compatibility",
                Points,
                &self.compatibility,
            ),
            topic(
                "configuration_changes",
                "Configuration changes",
                Points,
                &self.configuration_changes,
            ),
            topic(
                "usability_impact",
                "Impact on usability",
                Points,
                &self.usability_impact,
            ),
        ]
    }

    fn topics_after_anomalies(&self) -> [Topic<'_>; 3] {
        let topic = |field, title, answer| Topic {
            field,
            title,
            form: Form::Points,
            answer,
        };
        [
            topic("security_notes", "Security", &self.security_notes),
            topic(
                "user_notification",
                "Notification of users",
                &self.user_notification,
            ),
            topic("training", "Training", &self.training),
        ]
    }
}

/// What is wrong with a text, if it says nothing.
fn problem_of(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Some("is empty");
    }
    text.contains(EDIT).then_some("is still to be edited")
}

fn check_text(field: &str, text: &str, missing: &mut Vec<MissingField>) {
    let problem = match problem_of(text) {
        Some(_) if text.is_empty() => Some("is missing"),
        problem => problem,
    };
    if let Some(problem) = problem {
        let name = field.rsplit('.').next().unwrap_or(field);
        missing.push(MissingField {
            field: field.to_owned(),
            problem,
            remedy: format!("{name} = \"…\""),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::TEMPLATES;

    fn parse(text: &str) -> Result<EntryRecord, String> {
        let text = TomlText {
            name: FILE_NAME.to_owned(),
            text: text.to_owned(),
        };
        EntryRecord::parse(&text).map_err(|error| error.to_string())
    }

    fn fields(record: &EntryRecord) -> Vec<String> {
        let missing = record.missing().into_iter();
        missing.map(|one| one.field).collect()
    }

    #[test]
    fn every_missing_field_is_named() {
        let missing = fields(&EntryRecord::default());
        assert_eq!(missing.len(), 17, "{missing:?}");
        let schema = schemars::schema_for!(EntryRecord);
        for field in schema.as_value()["properties"].as_object().unwrap().keys() {
            assert!(missing.contains(field), "{field}");
        }
    }

    #[test]
    fn the_template_shows_every_field_and_each_is_still_to_be_edited() {
        let found = TEMPLATES.iter().find(|(path, _)| *path == FILE_NAME);
        let record = parse(found.unwrap().1).unwrap();
        let missing = record.missing();
        for field in fields(&EntryRecord::default()) {
            let is_told = |one: &&MissingField| {
                one.field.starts_with(&field) && one.problem == "is still to be edited"
            };
            // One of two words is right as it stands.
            let told = missing.iter().find(is_told).is_some() || field == "update";
            assert!(told, "{field}: {missing:#?}");
        }
    }

    #[test]
    fn a_text_that_says_nothing_is_missing() {
        let record = parse(
            "audience = \" \"\ninstall = []\nupgrade = [\"Do it.\", \"\"]\nrollback = { none = \"\" }\n\
             training = { none = \"Nothing changes for users.\" }\n\
             [[known_anomalies]]\nid = \"PR-7\"\ndescription = \"It blinks.\"\n",
        );
        let missing = fields(&record.unwrap());
        for field in [
            "audience",
            "install",
            "upgrade[1]",
            "rollback.none",
            "known_anomalies[0].workaround",
        ] {
            assert!(
                missing.iter().any(|one| one == field),
                "{field}: {missing:?}"
            );
        }
        for field in ["training", "upgrade", "known_anomalies"] {
            assert!(
                !missing.iter().any(|one| one == field),
                "{field}: {missing:?}"
            );
        }
    }

    #[test]
    fn a_field_that_is_unknown_or_has_another_form_is_an_error() {
        for (text, expected) in [
            ("instal = []", "unknown field `instal`"),
            ("install = \"a\"", "a list, or { none = \"reason\" }"),
            ("install = { some = \"a\" }", "unknown field `some`"),
            ("install = [1]", "expected a string"),
            ("update = \"maybe\"", "unknown variant `maybe`"),
            (
                "[[known_anomalies]]\nnumber = \"1\"",
                "unknown field `number`",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
