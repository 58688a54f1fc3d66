//! A diagnostic as it is shown: a copy in which all text is safe for a terminal.

use std::error::Error;
use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};

use crate::cli::escape;

/// A copy of a diagnostic and its causes.
#[derive(Debug)]
pub(crate) struct Shown {
    message: String,
    help: Option<String>,
    labels: Vec<LabeledSpan>,
    source_code: Option<NamedSource<String>>,
    related: Vec<Shown>,
    cause: Option<Box<Cause>>,
}

#[derive(Debug)]
enum Cause {
    /// An error with help or a place of its own.
    Diagnostic(Shown),
    /// Any other.
    Plain(Shown),
}

impl Shown {
    /// Copies `diagnostic`.
    pub(crate) fn of(diagnostic: &dyn Diagnostic) -> Self {
        let cause = match (diagnostic.diagnostic_source(), diagnostic.source()) {
            (Some(cause), _) => Some(Cause::Diagnostic(Self::of(cause))),
            (None, Some(cause)) => Some(Cause::Plain(Self::of_plain(cause))),
            (None, None) => None,
        };
        Self {
            message: escape::lines(&diagnostic.to_string()),
            help: diagnostic
                .help()
                .map(|help| escape::lines(&help.to_string())),
            labels: diagnostic
                .labels()
                .into_iter()
                .flatten()
                .map(|label| safe_label(&label))
                .collect(),
            source_code: diagnostic.source_code().and_then(safe_source),
            related: diagnostic
                .related()
                .into_iter()
                .flatten()
                .map(Self::of)
                .collect(),
            cause: cause.map(Box::new),
        }
    }

    fn of_plain(error: &dyn Error) -> Self {
        Self {
            message: escape::lines(&error.to_string()),
            help: None,
            labels: Vec::new(),
            source_code: None,
            related: Vec::new(),
            cause: error
                .source()
                .map(|cause| Box::new(Cause::Plain(Self::of_plain(cause)))),
        }
    }

    fn next(&self) -> Option<&Self> {
        match self.cause.as_deref()? {
            Cause::Diagnostic(cause) | Cause::Plain(cause) => Some(cause),
        }
    }

    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |shown| shown.next())
    }

    /// The messages of the causes, nearest first.
    pub(crate) fn causes(&self) -> Vec<&str> {
        self.chain()
            .skip(1)
            .map(|shown| shown.message.as_str())
            .collect()
    }

    /// What to do, as the failure or the nearest of its causes says.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.chain().find_map(|shown| shown.help.as_deref())
    }
}

fn safe_label(label: &LabeledSpan) -> LabeledSpan {
    LabeledSpan::new_with_span(label.label().map(escape::lines), *label.inner())
}

/// The whole text, with the places in it unchanged.
fn safe_source(source: &dyn SourceCode) -> Option<NamedSource<String>> {
    let start = SourceSpan::from((0, 0));
    let contents = source.read_span(&start, 0, usize::MAX).ok()?;
    let text = std::str::from_utf8(contents.data()).ok()?;
    let name = contents.name().map(escape::line).unwrap_or_default();
    Some(NamedSource::new(name, escape::in_place(text)))
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Shown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.cause.as_deref()? {
            Cause::Plain(cause) => Some(cause),
            Cause::Diagnostic(_) => None,
        }
    }
}

impl Diagnostic for Shown {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let source_code = self.source_code.as_ref()?;
        Some(source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        // A label without the text it points into cannot be drawn.
        self.source_code.as_ref()?;
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(
            self.related.iter().map(|shown| shown as &dyn Diagnostic),
        ))
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        match self.cause.as_deref()? {
            Cause::Diagnostic(cause) => Some(cause),
            Cause::Plain(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dhfpack::toml_file::TomlText;

    #[test]
    fn a_snippet_of_a_hostile_file_cannot_reach_the_terminal() {
        let file = TomlText {
            name: "a\u{1b}.toml".to_owned(),
            text: "x = \"\u{202e}\"\nlayout = \"\u{1b}]0;title\u{7}\"\n".to_owned(),
        };
        let error = file.parse::<dhfpack::config::Config>().unwrap_err();
        let mut text = String::new();
        miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
            .render_report(&mut text, &Shown::of(error.as_ref()))
            .unwrap();
        assert!(text.contains("layout = \"?]0;title?\""), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text}");
    }

    #[test]
    fn the_chain_of_causes_is_kept() {
        let inner = std::io::Error::other("disk on fire");
        let error = dhfpack::error::IoError {
            action: "read",
            path: "a\nb".into(),
            source: inner,
        };
        let shown = Shown::of(&error);
        assert_eq!(shown.causes(), ["disk on fire"]);
    }
}
