//! The crosswalk: each folder of the archive against the clauses it answers to.

use super::SealError;
use crate::layout::{Layout, Scheme};

pub(super) fn csv(layout: &Layout) -> Result<Vec<u8>, SealError> {
    let failed = |error: csv::Error| SealError::Record(std::io::Error::other(error));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = ["Folder", "Title", "Slot", "Required"];
    let schemes = Scheme::ALL.iter().map(|scheme| scheme.title());
    writer
        .write_record(head.into_iter().chain(schemes))
        .map_err(failed)?;
    for slot in &layout.slots {
        let required = if slot.required { "yes" } else { "no" };
        let cells = [slot.folder.as_str(), &slot.title, &slot.id, required].map(str::to_owned);
        let clauses = Scheme::ALL.iter().map(|scheme| {
            slot.clauses
                .get(scheme)
                .map(|clauses| clauses.join("; "))
                .unwrap_or_default()
        });
        writer
            .write_record(cells.into_iter().chain(clauses))
            .map_err(failed)?;
    }
    writer
        .into_inner()
        .map_err(|error| SealError::Record(error.into_error()))
}
