//! The release's entry in the service manual, as far as people write it.

use super::BuildError;
use super::configuration::{Configuration, read_text};
use crate::manifest::Records;
use crate::plan::Gap;
use crate::service_manual::{EntryRecord, MissingField};
use crate::source::git::Mirror;
use crate::toml_file::TomlText;

/// The record, read at the records' revision.
pub(super) struct ServiceManual {
    path: String,
    text: String,
    missing: Vec<MissingField>,
}

impl ServiceManual {
    /// As it was read.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What it lacks, if it lacks anything.
    pub(super) fn gap(&self) -> Option<Gap> {
        Gap::of_service_manual(&self.path, &self.missing)
    }
}

/// Reads and checks the record, if the configuration names one.
pub(super) fn read(
    mirror: &Mirror,
    read: &Configuration,
) -> Result<Option<ServiceManual>, BuildError> {
    let Some(config) = &read.config.service_manual else {
        return Ok(None);
    };
    let path = read.path_of(&config.record);
    let Records { rev, commit } = &read.records;
    let file = TomlText {
        text: read_text(mirror, rev, commit, &path)?,
        name: format!("{path} at {rev}"),
    };
    let record = EntryRecord::parse(&file)?;
    Ok(Some(ServiceManual {
        path,
        missing: record.missing(),
        text: file.text,
    }))
}
