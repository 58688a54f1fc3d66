//! The products registry: a row for each release, signed by its writer and chained to the row
//! before it.
//!
//! `registry.csv` is text that spreadsheets open and that only ever grows: what becomes known
//! later, and every correction, is a further row that names the one it supersedes. The file is
//! specified in docs/registry.md. Nothing here reads or writes it.

mod cell;
mod chain;
mod entry;
mod finding;
mod line;
mod markdown;
mod releases;
mod row;
mod verify;

pub use cell::{is_neutral, neutral};
pub use entry::{Entry, Status};
pub use finding::{Code, Finding};
pub use markdown::{NoMarkers, insert_table, render_table};
pub use releases::{Release, releases};
pub use row::Row;
pub use verify::{Examination, Expected, Writers, examine, examine_form};

use crate::digest::Sha256;

/// The register's path in its store.
pub const FILE: &str = "registry.csv";
/// The folder of the certificates of those who wrote rows, beside the register: `SHA256.pem`.
pub const KEYS: &str = "registry.keys";
/// The largest register in bytes: about 60,000 rows.
pub const LARGEST: u64 = 64 << 20;
/// The longest line in bytes.
pub const LONGEST_LINE: usize = 16 << 10;

/// The columns, in their order.
pub const COLUMNS: [&str; 23] = [
    "Product Name",
    "Phase",
    "Release Date",
    "Quantity Installed",
    "UDI",
    "Version",
    "Revision",
    "UDI-DI",
    "UDI-PI",
    "Commit",
    "Image ID",
    "Archive Location",
    "Manifest SHA-256",
    "Markets",
    "Clearance",
    "Predecessor",
    "Amends",
    "Status",
    "Supersedes Row",
    "Note",
    "Previous Row",
    "Writer",
    "Signature",
];

/// Without it, spreadsheets on Windows take the text for another encoding than UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";
/// As RFC 4180 ends lines. No digest and no signature covers it.
const LINE_BREAK: &str = "\r\n";

/// A register as it was read: its header and its rows, understood or not.
#[derive(Debug, Clone)]
pub struct Register {
    lines: Vec<Line>,
    /// Whether the last line has an end.
    is_whole: bool,
    /// In bytes.
    size: usize,
}

/// A line of a register.
#[derive(Debug, Clone)]
pub struct Line {
    /// The digest of its bytes without the line break.
    pub sha256: Sha256,
    /// What it says; for the header, or where it cannot be understood, why it is no row.
    pub row: Result<Row, String>,
    /// Its bytes without the line break.
    text: Vec<u8>,
}

impl Register {
    /// A register without rows.
    pub fn empty() -> Self {
        Self::parse(header().as_bytes())
    }

    /// Splits a register into its lines. Judging them is up to [`examine`].
    pub fn parse(bytes: &[u8]) -> Self {
        let mut register = Self {
            lines: Vec::new(),
            is_whole: true,
            size: 0,
        };
        register.read(bytes);
        register
    }

    /// The same register at a later time; what it has in common with this one is not read again.
    pub fn grown(&mut self, old: &[u8], bytes: &[u8]) {
        match bytes.strip_prefix(old) {
            Some(rest) if self.is_whole && self.size == old.len() => {
                if !rest.is_empty() {
                    self.read(rest);
                }
            }
            _ => *self = Self::parse(bytes),
        }
    }

    /// Reads further lines.
    fn read(&mut self, bytes: &[u8]) {
        self.size += bytes.len();
        self.is_whole = bytes.ends_with(b"\n");
        let content = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        for line in content.split(|byte| *byte == b'\n') {
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            let row = if self.lines.is_empty() {
                Err("it is the header".to_owned())
            } else {
                Row::parse(text)
            };
            self.lines.push(Line {
                sha256: Sha256::of(text),
                row,
                text: text.to_vec(),
            });
        }
    }

    /// The lines, with the header first: the line at `index` has the number `index + 1`.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The rows that can be understood, with their lines' numbers, counted from 1 for the header.
    pub fn rows(&self) -> impl Iterator<Item = (u64, &Line, &Row)> {
        let lines = (1..).zip(&self.lines);
        lines.filter_map(|(number, line)| Some((number, line, line.row.as_ref().ok()?)))
    }

    /// The digest of the last line: what the next row is chained to.
    pub fn head(&self) -> Sha256 {
        // There is at least one line, if an empty one.
        self.lines
            .last()
            .map_or(Sha256::of(b""), |line| line.sha256)
    }
}

/// The first line of every register, with its end.
pub fn header() -> String {
    format!("{}{LINE_BREAK}", header_text())
}

fn header_text() -> String {
    format!("{BYTE_ORDER_MARK}{}", line::join(&COLUMNS))
}

/// A register's bytes with one more row.
pub fn appended(bytes: &[u8], row: &Row) -> Vec<u8> {
    [bytes, row.text().as_bytes(), LINE_BREAK.as_bytes()].concat()
}
