//! Reading TOML written by people: an error shows the file, the line and what was probably meant.

use std::ops::Range;

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::de::DeserializeOwned;
use thiserror::Error;
use toml::de::{DeTable, DeValue};

/// A TOML file's name and text, for messages.
#[derive(Debug, Clone)]
pub struct TomlText {
    /// The name to show: a path, with the revision it was read at if there is one.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Something wrong in a TOML file, with the place.
#[derive(Debug, Error, Diagnostic)]
#[error("{file}: {message}")]
pub struct TomlError {
    /// The file's name.
    pub file: String,
    /// What is wrong.
    pub message: String,
    #[source_code]
    source_code: NamedSource<String>,
    #[label("here")]
    span: Option<SourceSpan>,
    /// What to do.
    #[help]
    pub help: Option<String>,
}

/// One step into a TOML document.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// A key of a table.
    Key(&'a str),
    /// An element of an array, from 0.
    Index(usize),
}

impl TomlText {
    /// Reads the text as a `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Box<TomlError>> {
        toml::from_str(&self.text).map_err(|error| {
            let message = error.message().to_owned();
            let help = suggestion(&message);
            Box::new(self.error_at(&message, error.span(), help))
        })
    }

    /// An error about the value that `steps` lead to, or the nearest above it that exists.
    pub fn error(
        &self,
        steps: &[Step<'_>],
        message: impl Into<String>,
        help: Option<String>,
    ) -> Box<TomlError> {
        Box::new(self.error_at(&message.into(), self.locate(steps), help))
    }

    fn error_at(
        &self,
        message: &str,
        span: Option<Range<usize>>,
        help: Option<String>,
    ) -> TomlError {
        TomlError {
            file: self.name.clone(),
            message: without_passwords(message),
            source_code: NamedSource::new(&self.name, without_passwords(&self.text)),
            span: span.map(SourceSpan::from),
            help,
        }
    }

    /// The file's name and the line of the value that `steps` lead to, as in `dhfpack.toml:12`.
    pub fn place(&self, steps: &[Step<'_>]) -> String {
        let Some(span) = self.locate(steps) else {
            return self.name.clone();
        };
        let before = self.text.as_bytes().iter().take(span.start);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        format!("{}:{line}", self.name)
    }

    /// Where the value that `steps` lead to stands in the text.
    pub fn locate(&self, steps: &[Step<'_>]) -> Option<Range<usize>> {
        let table = DeTable::parse(&self.text).ok()?;
        let mut span = None;
        let mut value = DeValue::Table(table.into_inner());
        for step in steps {
            let next = match (step, &mut value) {
                (Step::Key(key), DeValue::Table(table)) => table.remove(*key),
                (Step::Index(index), DeValue::Array(array)) if *index < array.len() => {
                    array.get(*index).cloned()
                }
                _ => None,
            };
            let Some(next) = next else { break };
            span = Some(next.span());
            value = next.into_inner();
        }
        span
    }
}

/// A text with an asterisk for each byte of the passwords and tokens in its URLs, so that places in
/// it stay where they are: what is shown of a file ends up in the log of a CI service.
fn without_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let end = after.find(|c: char| c == '/' || c.is_whitespace());
        let authority = &after[..end.unwrap_or(after.len())];
        let user_info = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let open = match user_info.split_once(':') {
            Some((user, _)) => user.len() + 1,
            // Often a token; for ssh it is a name such as `git`.
            None if before.ends_with("http") || before.ends_with("https") => 0,
            None => user_info.len(),
        };
        shown.push_str(&user_info[..open]);
        shown.extend(user_info[open..].bytes().map(|_| '*'));
        rest = &after[user_info.len()..];
    }
    shown.push_str(rest);
    shown
}

/// For "unknown field `a`, expected one of `b`, `c`": the one most like it.
fn suggestion(message: &str) -> Option<String> {
    let (unknown, expected) = message
        .strip_prefix("unknown field ")
        .or_else(|| message.strip_prefix("unknown variant "))?
        .split_once(", expected")?;
    let unknown = unknown.trim_matches('`');
    closest(unknown, expected.split('`').skip(1).step_by(2))
        .map(|known| format!("did you mean `{known}`?"))
}

/// The known word most like `word`, if one is like it at all.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_value_is_its_line() {
        let text = TomlText {
            name: "a.toml".to_owned(),
            text: "x = 1\n[[slot]]\nid = \"a\"\n[[slot]]\nid = \"b\"\nfiles = [\n  \"1\",\n  \"2\",\n]\n"
                .to_owned(),
        };
        let slot = [Step::Key("slot"), Step::Index(1)];
        assert_eq!(text.place(&[Step::Key("x")]), "a.toml:1");
        assert_eq!(text.place(&[slot[0], slot[1], Step::Key("id")]), "a.toml:5");
        let second = [slot[0], slot[1], Step::Key("files"), Step::Index(1)];
        assert_eq!(text.place(&second), "a.toml:8");
        assert_eq!(text.place(&[Step::Key("none")]), "a.toml");
    }

    #[test]
    fn passwords_in_urls_are_hidden_and_nothing_moves() {
        for (text, shown) in [
            (
                "a = \"https://ci:p@ß@h/x@y\"",
                "a = \"https://ci:****@h/x@y\"",
            ),
            (
                "https://token@h\nssh://git@h",
                "https://*****@h\nssh://git@h",
            ),
            (
                "ssh://ci:pw@h:22/a http://h/@b ://",
                "ssh://ci:**@h:22/a http://h/@b ://",
            ),
        ] {
            assert_eq!(without_passwords(text), shown);
            assert_eq!(shown.len(), text.len());
        }
    }

    #[test]
    fn a_word_unlike_all_known_ones_gets_no_suggestion() {
        assert_eq!(closest("fils", ["files", "reference"]), Some("files"));
        assert_eq!(closest("zzz", ["files", "reference"]), None);
    }
}
