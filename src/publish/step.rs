//! The steps of publishing, and what became of each.

use miette::Diagnostic;
use serde::{Serialize, Serializer};

/// A step, in the order in which they are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The archive's files, then its signatures, then its manifest.
    Files,
    /// The signatures of everyone required.
    Signatures,
    /// The locks on them.
    Retention,
    /// The copy of the design outputs in the design history file.
    Dhf,
    /// The entry in the service manual.
    ServiceManual,
    /// The row in the products registry.
    Registry,
    /// The receipt, beside the archive.
    Receipt,
}

impl Step {
    /// Every step, in order.
    pub(super) const ALL: [Self; 7] = [
        Self::Files,
        Self::Signatures,
        Self::Retention,
        Self::Dhf,
        Self::ServiceManual,
        Self::Registry,
        Self::Receipt,
    ];

    /// Its name as printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Signatures => "signatures",
            Self::Retention => "retention",
            Self::Dhf => "dhf",
            Self::ServiceManual => "manual",
            Self::Registry => "registry",
            Self::Receipt => "receipt",
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What became of a step, or will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was carried out.
    Done,
    /// There was nothing left to do.
    Unchanged,
    /// It would be carried out.
    Planned,
    /// It is not asked for.
    NotConfigured,
    /// It waits for something that people do.
    Waits,
    /// It was not carried out, or not to its end.
    Missing,
    /// What is there is not what should be.
    Differs,
}

impl State {
    /// Its name as printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Planned => "planned",
            Self::NotConfigured => "not configured",
            Self::Waits => "waits",
            Self::Missing => "missing",
            Self::Differs => "differs",
        }
    }
}

/// A step and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The step.
    pub step: Step,
    /// What became of it.
    pub state: State,
    /// The same for a person: what was written, where, or what it waits for.
    pub detail: String,
}

impl Report {
    /// What became of `step`.
    pub(super) fn new(step: Step, state: State, detail: impl Into<String>) -> Self {
        Self {
            step,
            state,
            detail: detail.into(),
        }
    }

    /// A step of which only this can be told: what is wrong with it, and what to do.
    pub(super) fn broken(step: Step, error: &dyn Diagnostic) -> Self {
        Self::new(step, State::Differs, told(error))
    }

    /// A step that the archive's configuration does not ask for.
    pub(super) fn not_configured(step: Step, table: &str) -> Self {
        let detail = format!("the archive's configuration has no {table}");
        Self::new(step, State::NotConfigured, detail)
    }
}

/// An error with its causes and the nearest advice, on one line.
fn told(error: &dyn Diagnostic) -> String {
    let mut messages = vec![error.to_string()];
    let mut help = error.help().map(|help| help.to_string());
    let mut last = error;
    while let Some(cause) = last.diagnostic_source() {
        messages.push(cause.to_string());
        help = help.or_else(|| cause.help().map(|help| help.to_string()));
        last = cause;
    }
    let causes = std::iter::successors(last.source(), |cause| cause.source());
    messages.extend(causes.map(ToString::to_string));
    let help = help.map(|help| format!("; {help}")).unwrap_or_default();
    let text = messages.join(": ") + &help;
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
