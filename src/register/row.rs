//! A row: an entry, the row before it, who wrote it, and the signature over all that.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::entry::{CONTENT, Entry};
use super::{COLUMNS, LONGEST_LINE, line};
use crate::digest::Sha256;

/// A row of a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it says of a release.
    pub entry: Entry,
    /// The digest of the line before it: of the header's for the first row.
    pub previous: Sha256,
    /// The digest of the writer's certificate, in DER.
    pub writer: Sha256,
    /// The writer's signature over [`Row::signed_text`].
    pub signature: Vec<u8>,
}

impl Row {
    /// The row that `sign` signs. Fails with what is wrong with the entry.
    pub fn sign<E: From<String>>(
        entry: Entry,
        previous: Sha256,
        writer: Sha256,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let mut row = Self {
            entry,
            previous,
            writer,
            signature: Vec::new(),
        };
        row.entry.check()?;
        row.signature = sign(row.signed_text().as_bytes())?;
        let text = row.text();
        if text.len() > LONGEST_LINE {
            let message = format!("it has {} bytes; {LONGEST_LINE} are allowed", text.len());
            return Err(message.into());
        }
        // What is written can be read, and says the same.
        match Self::parse(text.as_bytes()) {
            Ok(read) if read == row => Ok(row),
            Ok(_) => Err("it would be read as another row".to_owned().into()),
            Err(problem) => Err(problem.into()),
        }
    }

    /// Reads a line without its end; fails with what is wrong with it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() > LONGEST_LINE {
            return Err(format!("it has more than {LONGEST_LINE} bytes"));
        }
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
        let cells = line::split(text)
            .ok_or("it is no line of CSV in the form that is written".to_owned())?;
        let count = cells.len();
        let cells: [String; COLUMNS.len()] = cells
            .try_into()
            .map_err(|_| format!("it has {count} cells; {} are expected", COLUMNS.len()))?;
        let (content, [previous, writer, signature]) = split_cells(cells);
        let digest = |name: &str, text: &str| {
            text.parse::<Sha256>()
                .map_err(|_| format!("{name:?} is no SHA-256 digest"))
        };
        Ok(Self {
            entry: Entry::read(&content)?,
            previous: digest("Previous Row", &previous)?,
            writer: digest("Writer", &writer)?,
            signature: STANDARD
                .decode(&signature)
                .map_err(|_| "\"Signature\" is no base64".to_owned())?,
        })
    }

    /// The line up to and including the writer: what is signed. No other text that is ever signed
    /// with the same key has this form.
    pub fn signed_text(&self) -> String {
        let mut cells = self.entry.cells().to_vec();
        cells.push(self.previous.to_string());
        cells.push(self.writer.to_string());
        line::join(&cells)
    }

    /// The line without its end.
    pub fn text(&self) -> String {
        let signature = STANDARD.encode(&self.signature);
        format!("{},{signature}", self.signed_text())
    }

    /// The digest of the line, by which later rows name it.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(self.text().as_bytes())
    }
}

fn split_cells(cells: [String; COLUMNS.len()]) -> ([String; CONTENT], [String; 3]) {
    let mut cells = cells.into_iter();
    let content = std::array::from_fn(|_| cells.next().unwrap_or_default());
    let rest = std::array::from_fn(|_| cells.next().unwrap_or_default());
    (content, rest)
}
