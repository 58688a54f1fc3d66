//! Corrections: a row is superseded, never edited.

use std::fmt;
use std::str::FromStr;

use miette::Diagnostic;
use thiserror::Error;

use super::registration::Next;
use super::{Recorded, RegistryError, append};
use crate::digest::Sha256;
use crate::monitor::Monitor;
use crate::register::{Entry, Line, Register, Row, Status, neutral};
use crate::sign::Signer;
use crate::store::Store;

/// The fewest digits of a digest that name a row.
const FEWEST_DIGITS: usize = 8;
/// What may be corrected. The rest is the archive's own, and needs another archive.
const CORRECTABLE: [&str; 9] = [
    "Phase",
    "Quantity Installed",
    "UDI",
    "UDI-DI",
    "UDI-PI",
    "Archive Location",
    "Markets",
    "Clearance",
    "Status",
];

/// Which row is meant: by its line's number, or by its digest or the first digits of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowName {
    /// The number of its line, counted from 1 for the header.
    Line(u64),
    /// The first digits of its digest.
    Digest(String),
}

/// Text that names no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected the number of a line, or at least {FEWEST_DIGITS} digits of a row's SHA-256")]
pub struct RowNameError;

impl FromStr for RowName {
    type Err = RowNameError;

    fn from_str(text: &str) -> Result<Self, RowNameError> {
        if text.len() < FEWEST_DIGITS {
            return text.parse().map(Self::Line).map_err(|_| RowNameError);
        }
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() <= 64 && text.bytes().all(is_digit) {
            return Ok(Self::Digest(text.to_owned()));
        }
        Err(RowNameError)
    }
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}"),
            Self::Digest(digits) => write!(f, "row {digits}"),
        }
    }
}

impl RowName {
    /// The row; none if there is none, or more than one.
    fn find<'r>(&self, register: &'r Register) -> Option<(u64, &'r Line, &'r Row)> {
        let mut found = register.rows().filter(|(number, line, _)| match self {
            Self::Line(wanted) => number == wanted,
            Self::Digest(digits) => line.sha256.to_string().starts_with(digits),
        });
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}

/// A column and what it shall say: `COLUMN=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    column: String,
    value: String,
}

/// A correction that a row cannot take.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum ChangeError {
    /// No equals sign.
    #[error("expected COLUMN=VALUE, as in `Quantity Installed=12`")]
    Form,
    /// Not a column that is corrected.
    #[error("the column {column:?} cannot be corrected; {} can", CORRECTABLE.join(", "))]
    #[diagnostic(help("what an archive says of itself is corrected by a revision or an addendum"))]
    Column {
        /// The column.
        column: String,
    },
    /// Not a value for the column.
    #[error("the column {column:?} cannot be {value:?}: {expected}")]
    #[diagnostic(help("give the value as it shall stand in the register"))]
    Value {
        /// The column.
        column: String,
        /// The value.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
}

impl FromStr for Change {
    type Err = ChangeError;

    fn from_str(text: &str) -> Result<Self, ChangeError> {
        let (column, value) = text.split_once('=').ok_or(ChangeError::Form)?;
        let known = CORRECTABLE
            .iter()
            .find(|known| known.eq_ignore_ascii_case(column.trim()));
        let Some(known) = known else {
            let column = column.to_owned();
            return Err(ChangeError::Column { column });
        };
        let change = Self {
            column: (*known).to_owned(),
            value: value.to_owned(),
        };
        change.check()?;
        Ok(change)
    }
}

impl Change {
    fn check(&self) -> Result<(), ChangeError> {
        let expected = match self.column.as_str() {
            "Quantity Installed" if self.value.parse::<u64>().is_err() => "a number is expected",
            "Status" if self.status().is_none() => "expected superseded or withdrawn",
            "Archive Location" if self.value.is_empty() || neutral(&self.value) != self.value => {
                "a place is expected that no spreadsheet takes for a formula"
            }
            _ => return Ok(()),
        };
        Err(ChangeError::Value {
            column: self.column.clone(),
            value: self.value.clone(),
            expected,
        })
    }

    /// A release becomes released by its signatures alone.
    fn status(&self) -> Option<Status> {
        let status = self.value.parse().ok()?;
        matches!(status, Status::Superseded | Status::Withdrawn).then_some(status)
    }

    fn apply(&self, entry: &mut Entry) {
        let value = neutral(&self.value);
        match self.column.as_str() {
            "Phase" => entry.phase = value,
            "Quantity Installed" => {
                entry.quantity_installed = value.parse().unwrap_or(entry.quantity_installed);
            }
            "UDI" => entry.udi = value,
            "UDI-DI" => entry.udi_di = value,
            "UDI-PI" => entry.udi_pi = value,
            "Archive Location" => entry.archive_location = value,
            "Markets" => entry.markets = value,
            "Clearance" => entry.clearance = value,
            _ => entry.status = self.status().unwrap_or(entry.status),
        }
    }
}

/// What a row shall say instead, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The row to be superseded: the latest of its release.
    pub row: RowName,
    /// What changes; the rest stays.
    pub changes: Vec<Change>,
    /// Why, for the row's note.
    pub note: String,
}

/// Appends a row that supersedes another. The same correction twice changes nothing.
pub fn correct(
    store: &dyn Store,
    correction: &Correction,
    signer: &Signer,
    monitor: &dyn Monitor,
) -> Result<Recorded, RegistryError> {
    append(store, signer, monitor, |register| correction.next(register))
}

impl Correction {
    fn next(&self, register: &Register) -> Result<Next, RegistryError> {
        let Some((_, line, row)) = self.row.find(register) else {
            let row = self.row.clone();
            return Err(RegistryError::NoRow { row });
        };
        let entry = self.corrected(&row.entry, line.sha256);
        let superseding = register
            .rows()
            .find(|(_, _, later)| later.entry.supersedes_row == Some(line.sha256));
        match superseding {
            Some((number, line, later)) if later.entry == entry => Ok(Next::There {
                head: line.sha256,
                row: number,
            }),
            Some((number, _, _)) => Err(RegistryError::NotLatest {
                row: self.row.clone(),
                line: number,
            }),
            None => Ok(Next::Append(Box::new(entry))),
        }
    }

    fn corrected(&self, entry: &Entry, superseded: Sha256) -> Entry {
        let mut entry = Entry {
            supersedes_row: Some(superseded),
            note: neutral(&self.note),
            ..entry.clone()
        };
        for change in &self.changes {
            change.apply(&mut entry);
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_named_by_its_line_or_its_digest() {
        let digest = "0123abcd".to_owned();
        assert_eq!("12".parse(), Ok(RowName::Line(12)));
        assert_eq!("0123abcd".parse(), Ok(RowName::Digest(digest)));
        for text in ["", "abc", "-1", "0123ABCD", "0123abcx", &"0".repeat(65)] {
            assert_eq!(text.parse::<RowName>(), Err(RowNameError), "{text}");
        }
    }

    #[test]
    fn only_what_is_not_the_archive_s_own_is_corrected() {
        for text in ["Quantity Installed=12", "phase=Retired", "Status=withdrawn"] {
            assert!(text.parse::<Change>().is_ok(), "{text}");
        }
        for text in [
            "Quantity Installed",
            "Quantity Installed=many",
            "Quantity Installed=-1",
            "Status=released",
            "Version=3",
            "Manifest SHA-256=x",
            "Archive Location==x",
            "Archive Location=",
        ] {
            assert!(text.parse::<Change>().is_err(), "{text}");
        }
    }
}
