//! Several texts, or the reason why there is none.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{MissingField, problem_of};

/// What a record answers where there may be nothing to say.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum Answer<T> {
    /// These, in this order.
    Given(Vec<T>),
    /// There is none.
    None {
        /// Why.
        none: String,
    },
}

impl<T> Default for Answer<T> {
    /// The answer that is missing.
    fn default() -> Self {
        Self::Given(Vec::new())
    }
}

impl<T> Answer<T> {
    /// What was answered; empty if the answer is "none".
    pub fn given(&self) -> &[T] {
        match self {
            Self::Given(given) => given,
            Self::None { .. } => &[],
        }
    }

    /// Says so if there is neither an answer nor a reason.
    pub(super) fn check_reason(&self, field: &str, missing: &mut Vec<MissingField>) {
        let (field, problem) = match self {
            Self::Given(given) if given.is_empty() => (field.to_owned(), "is missing"),
            Self::Given(_) => return,
            Self::None { none } => match problem_of(none) {
                Some(problem) => (format!("{field}.none"), problem),
                None => return,
            },
        };
        let name = field.split('.').next().unwrap_or(&field);
        missing.push(MissingField {
            remedy: format!("{name} = [\"…\"] # or {{ none = \"reason\" }}"),
            field,
            problem,
        });
    }
}

impl Answer<String> {
    /// Says which of its texts say nothing.
    pub(super) fn check(&self, field: &str, missing: &mut Vec<MissingField>) {
        self.check_reason(field, missing);
        for (index, text) in self.given().iter().enumerate() {
            if let Some(problem) = problem_of(text) {
                missing.push(MissingField {
                    field: format!("{field}[{index}]"),
                    problem,
                    remedy: format!("{field} = [\"…\"] # or {{ none = \"reason\" }}"),
                });
            }
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Answer<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnswerVisitor(PhantomData))
    }
}

/// An untagged enum would say only that nothing fits; this says what would.
struct AnswerVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AnswerVisitor<T> {
    type Value = Answer<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or { none = \"reason\" }")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(sequence)).map(Answer::Given)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Reason {
            none: String,
        }
        let Reason { none } = Reason::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Answer::None { none })
    }
}
