//! The edge: every failure becomes one message and one exit code.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use dhfpack::error::{Cancelled, IoError};
use dhfpack::toml_file::TomlError;
use miette::{Diagnostic, MietteHandler, MietteHandlerOpts, Report, ReportHandler};
use serde_json::json;

use crate::cli::escape;
use crate::cli::monitor::{Progress, Stop};
use crate::cli::shown::Shown;

/// What kind of failure ends the program; each has its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It could not be done.
    Failed,
    /// The command line, the configuration or the layout is wrong.
    Usage,
    /// The archive is not what was sealed.
    Integrity,
    /// Who answers for the archive is not established.
    Trust,
    /// A release gate does not pass.
    Gate,
    /// Two things that should be equal are not.
    Differs,
    /// A fault in dhfpack.
    Internal,
    /// The user or the system asked to stop.
    Interrupted,
}

impl Kind {
    /// Every kind, by exit code.
    pub(crate) const ALL: [Self; 8] = [
        Self::Failed,
        Self::Usage,
        Self::Integrity,
        Self::Trust,
        Self::Gate,
        Self::Differs,
        Self::Internal,
        Self::Interrupted,
    ];

    /// The exit code. A code is never given another meaning.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Integrity => 3,
            Self::Trust => 4,
            Self::Gate => 5,
            Self::Differs => 6,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
    }

    /// What the exit code means, for the help.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Failed => "failed: it could not be done or could not be checked",
            Self::Usage => "the command line, the configuration or the layout is wrong",
            Self::Integrity => "the archive is not what was sealed",
            Self::Trust => "a signature is missing or not trusted",
            Self::Gate => "a release gate failed",
            Self::Differs => "a comparison found differences",
            Self::Internal => "a fault in dhfpack: please report it",
            Self::Interrupted => "stopped on request",
        }
    }
}

/// A failure on its way to the user.
#[derive(Debug)]
pub(crate) struct CliError {
    kind: Kind,
    report: Report,
}

impl CliError {
    /// The failure `error`, of this kind.
    pub(crate) fn new(kind: Kind, error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self {
            kind,
            report: Report::new(error),
        }
    }

    /// This failure as the cause of another one, which says what it means.
    pub(crate) fn beneath<E: Diagnostic + Send + Sync + 'static>(
        self,
        outer: impl FnOnce(Box<dyn Diagnostic + Send + Sync>) -> E,
    ) -> Self {
        Self::new(self.kind, outer(self.report.into()))
    }

    /// This failure, unless a stop was asked for: then whatever failed did so because of it.
    pub(crate) fn unless_stopped(self, stop: &Stop) -> Self {
        if stop.is_requested() && self.kind != Kind::Internal {
            return Self::new(Kind::Interrupted, Cancelled);
        }
        self
    }

    /// The failure with its causes and what to do.
    pub(crate) fn as_diagnostic(&self) -> &dyn Diagnostic {
        self.report.as_ref()
    }

    /// What to exit with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.exit_code())
    }

    /// Prints the message with its causes and what to do, once, to standard error.
    pub(crate) fn print(&self, progress: Progress) {
        let shown = Shown::of(self.report.as_ref());
        let text = match progress {
            Progress::Json => self.event(&shown),
            _ => Rendered(handler(), shown).to_string(),
        };
        // Nobody is left to tell if even this cannot be printed; the exit code still says it.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    fn event(&self, shown: &Shown) -> String {
        let event = json!({
            "event": "error",
            "exit_code": self.kind.exit_code(),
            "message": shown.to_string(),
            "causes": shown.causes(),
            "help": shown.advice(),
        });
        format!("{}\n", escape::json(&event.to_string()))
    }
}

impl From<IoError> for CliError {
    fn from(error: IoError) -> Self {
        Self::new(Kind::Failed, error)
    }
}

impl From<Box<TomlError>> for CliError {
    fn from(error: Box<TomlError>) -> Self {
        Self::new(Kind::Usage, *error)
    }
}

/// Colours and wrapping only where a person looks on; a log keeps one message on one line.
fn handler() -> MietteHandler {
    let terminal = io::stderr().is_terminal();
    let options = MietteHandlerOpts::new()
        .terminal_links(false)
        .wrap_lines(terminal)
        .break_words(false);
    let options = if terminal {
        options
    } else {
        options.color(false)
    };
    options.build()
}

struct Rendered(MietteHandler, Shown);

impl fmt::Display for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug(&self.1, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_codes_are_those_documented() {
        let codes: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 70, 130]);
    }

    #[test]
    fn a_failure_after_a_stop_was_asked_for_is_the_stop() {
        let failure = || {
            CliError::from(IoError {
                action: "read",
                path: "a".into(),
                source: io::ErrorKind::Other.into(),
            })
        };
        let stop = Stop::default();
        assert_eq!(failure().unless_stopped(&stop).kind, Kind::Failed);
        stop.request();
        let stopped = failure().unless_stopped(&stop);
        assert_eq!(stopped.kind, Kind::Interrupted);
        assert_eq!(stopped.report.to_string(), "stopped on request");
    }
}
