//! The index of a folder of documents: who approved what, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::DocumentsError;
use crate::manifest::DocumentRecord;
use crate::plan::Found;

/// How many problems are told one by one.
const MOST_PROBLEMS: usize = 50;

/// One line of the index.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    file: String,
    id: String,
    revision: String,
    #[serde(default)]
    approver: String,
    #[serde(default)]
    approval_date: String,
    #[serde(default)]
    origin: String,
}

/// Reads the index and checks that every file it names is there, once, with an id and a revision.
pub(super) fn read(
    path: &Path,
    files: &[Found],
) -> Result<BTreeMap<String, DocumentRecord>, DocumentsError> {
    let fail = |problems: Vec<String>| DocumentsError::Index {
        path: path.to_path_buf(),
        problems,
    };
    let there: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|error| fail(vec![error.to_string()]))?;
    require_commas(&mut reader).map_err(|problem| fail(vec![problem]))?;
    let headers = reader.headers().cloned().unwrap_or_default();
    let mut index = BTreeMap::new();
    let mut problems = Vec::new();
    for row in reader.records() {
        let line = row
            .as_ref()
            .ok()
            .and_then(csv::StringRecord::position)
            .map_or(0, csv::Position::line);
        // The error of a row names its line itself.
        let parsed = row.and_then(|row| row.deserialize::<Line>(Some(&headers)));
        let problem = match parsed {
            Err(error) => Some(error.to_string()),
            Ok(parsed) => add(&mut index, &there, parsed)
                .err()
                .map(|problem| format!("line {line}: {problem}")),
        };
        problems.extend(problem);
        if problems.len() >= MOST_PROBLEMS {
            break;
        }
    }
    if problems.is_empty() {
        Ok(index)
    } else {
        Err(fail(problems))
    }
}

/// Programs for tables separate by semicolons in some languages; then all is one column.
fn require_commas(reader: &mut csv::Reader<std::fs::File>) -> Result<(), String> {
    let headers = reader.headers().map_err(|error| error.to_string())?;
    match headers.get(0) {
        Some(first) if headers.len() == 1 && first.contains([';', '\t']) => Err(format!(
            "line 1: the columns of {first:?} are not separated by commas"
        )),
        _ => Ok(()),
    }
}

fn add(
    index: &mut BTreeMap<String, DocumentRecord>,
    there: &BTreeSet<&str>,
    line: Line,
) -> Result<(), String> {
    if !there.contains(line.file.as_str()) {
        return Err(format!("`{}` is not in the folder", line.file));
    }
    for (column, value) in [("id", &line.id), ("revision", &line.revision)] {
        if value.is_empty() {
            return Err(format!("`{}` has no {column}", line.file));
        }
    }
    let record = DocumentRecord {
        id: line.id,
        revision: line.revision,
        approver: line.approver,
        approval_date: line.approval_date,
        origin: line.origin,
    };
    match index.insert(line.file.clone(), record) {
        None => Ok(()),
        Some(_) => Err(format!("`{}` is named twice", line.file)),
    }
}
