//! What a signature means, as an option's value.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use dhfpack::config::Meaning;

const MEANINGS: [Meaning; 4] = [
    Meaning::Author,
    Meaning::Review,
    Meaning::Approve,
    Meaning::Release,
];

/// Reads one of the meanings' words.
pub(crate) fn parser() -> impl TypedValueParser<Value = Meaning> {
    PossibleValuesParser::new(MEANINGS.map(Meaning::as_str)).try_map(|word| {
        MEANINGS
            .into_iter()
            .find(|meaning| meaning.as_str() == word)
            .ok_or("not a meaning of a signature")
    })
}
