//! What a row says of a release.

use std::fmt::Display;
use std::str::FromStr;

use jiff::civil::Date;
use serde::Serialize;

use super::COLUMNS;
use super::cell::is_neutral;
use crate::digest::Sha256;

/// How many columns say something of the release; those after them say who wrote the row.
pub(super) const CONTENT: usize = 20;

/// What a row says of a release. Texts are cells, see [`neutral`](super::neutral).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The product's name.
    pub product_name: String,
    /// The product's phase, as in "Production".
    pub phase: String,
    /// The day, in UTC, on which the last required role signed; none while it is pending.
    pub release_date: Option<Date>,
    /// How many are installed.
    pub quantity_installed: u64,
    /// The UDI: device identifier and production identifier.
    pub udi: String,
    /// The version.
    pub version: String,
    /// 0 at first; counts the archives made anew for one version.
    pub revision: u32,
    /// The device identifier of the UDI.
    pub udi_di: String,
    /// The production identifier of the UDI.
    pub udi_pi: String,
    /// The commit that was released.
    pub commit: String,
    /// The image ids, `sha256:` and the digest, separated by `; `.
    pub image_id: String,
    /// Where the archive is: its name, if it lies beside the register, or else its address.
    pub archive_location: String,
    /// The digest of the archive's manifest.
    pub manifest_sha256: Sha256,
    /// The markets with the device's class in each, separated by `; `.
    pub markets: String,
    /// The markets' clearances, separated by `; `.
    pub clearance: String,
    /// The digest of the previous release's manifest.
    pub predecessor: Option<Sha256>,
    /// For an addendum, the digest of the manifest that it amends.
    pub amends: Option<Sha256>,
    /// How far it has come.
    pub status: Status,
    /// The digest of the row that this one takes the place of.
    pub supersedes_row: Option<Sha256>,
    /// What else there is to say.
    pub note: String,
}

/// How far a release has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Sealed; not yet signed by everyone required.
    Pending,
    /// Signed by everyone required.
    Released,
    /// Released, and replaced by a later revision.
    Superseded,
    /// No longer to be used.
    Withdrawn,
}

impl Status {
    const ALL: [Self; 4] = [
        Self::Pending,
        Self::Released,
        Self::Superseded,
        Self::Withdrawn,
    ];

    /// The word in a cell.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Released => "released",
            Self::Superseded => "superseded",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            format!("its status is {text:?}: expected one of {words}")
        })
    }
}

impl Entry {
    /// Its cells, in the order of the columns.
    pub(super) fn cells(&self) -> [String; CONTENT] {
        [
            self.product_name.clone(),
            self.phase.clone(),
            optional(self.release_date),
            self.quantity_installed.to_string(),
            self.udi.clone(),
            self.version.clone(),
            self.revision.to_string(),
            self.udi_di.clone(),
            self.udi_pi.clone(),
            self.commit.clone(),
            self.image_id.clone(),
            self.archive_location.clone(),
            self.manifest_sha256.to_string(),
            self.markets.clone(),
            self.clearance.clone(),
            optional(self.predecessor),
            optional(self.amends),
            self.status.as_str().to_owned(),
            optional(self.supersedes_row),
            self.note.clone(),
        ]
    }

    /// Reads the cells; fails with what is wrong with them. Only cells that [`Entry::cells`]
    /// could have given are read.
    pub(super) fn read(cells: &[String; CONTENT]) -> Result<Self, String> {
        let formula = cells.iter().position(|cell| !is_neutral(cell));
        if let Some(column) = formula {
            return Err(format!(
                "{:?} holds what could be taken for a formula, or characters that no row has",
                COLUMNS[column]
            ));
        }
        let text = |column: usize| cells[column].clone();
        let entry = Self {
            product_name: text(0),
            phase: text(1),
            release_date: optional_cell(cells, 2)?,
            quantity_installed: cell(cells, 3)?,
            udi: text(4),
            version: text(5),
            revision: cell(cells, 6)?,
            udi_di: text(7),
            udi_pi: text(8),
            commit: text(9),
            image_id: text(10),
            archive_location: text(11),
            manifest_sha256: cell(cells, 12)?,
            markets: text(13),
            clearance: text(14),
            predecessor: optional_cell(cells, 15)?,
            amends: optional_cell(cells, 16)?,
            status: cells[17].parse()?,
            supersedes_row: optional_cell(cells, 18)?,
            note: text(19),
        };
        entry.check()?;
        // Numbers and dates can be written in several ways; a row has them in one.
        if entry.cells() != *cells {
            return Err("its numbers or dates are not in the form that is written".to_owned());
        }
        Ok(entry)
    }

    /// What a row cannot say; asked of rows that are read and of rows to be written.
    pub(super) fn check(&self) -> Result<(), String> {
        for (what, text) in [
            ("product name", &self.product_name),
            ("version", &self.version),
            ("archive location", &self.archive_location),
        ] {
            if text.is_empty() {
                return Err(format!("it has no {what}"));
            }
        }
        match (self.status, self.release_date) {
            (Status::Pending, Some(_)) => Err("it is pending, and has a release date".to_owned()),
            (Status::Released | Status::Superseded, None) => Err(format!(
                "it is {}, without a release date",
                self.status.as_str()
            )),
            _ => Ok(()),
        }
    }

    /// Whether both are about the same archive.
    pub fn is_of_same_archive(&self, other: &Self) -> bool {
        let identity = |entry: &Self| {
            (
                entry.product_name.clone(),
                entry.version.clone(),
                entry.revision,
                entry.manifest_sha256,
                entry.amends,
            )
        };
        identity(self) == identity(other)
    }

    /// The release for a person, as in "Infusion Monitor 2.4.0 revision 1".
    pub fn title(&self) -> String {
        format!("{} {}", self.product_name, self.version_text())
    }

    /// The version with its revision, and whether it is an addendum.
    pub(super) fn version_text(&self) -> String {
        let mut text = self.version.clone();
        if self.revision > 0 {
            text.push_str(" revision ");
            text.push_str(&self.revision.to_string());
        }
        if self.amends.is_some() {
            text.push_str(" addendum");
        }
        text
    }
}

fn optional<T: Display>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn cell<T: FromStr>(cells: &[String], column: usize) -> Result<T, String> {
    let text = &cells[column];
    let what = COLUMNS[column];
    text.parse()
        .map_err(|_| format!("{what:?} cannot be {text:?}"))
}

fn optional_cell<T: FromStr>(cells: &[String], column: usize) -> Result<Option<T>, String> {
    if cells[column].is_empty() {
        return Ok(None);
    }
    cell(cells, column).map(Some)
}
