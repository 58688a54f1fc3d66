//! What the released tree says that would make other archives of it incomplete.

use crate::assemble::BuildError;
use crate::assemble::inputs::Inputs;
use crate::monitor::Monitor;

/// How many lines a notice names; the manifest has all.
const SHOWN: usize = 20;

/// Where the tree and its submodules say `export-ignore`; says so.
pub(super) fn list(inputs: &Inputs, monitor: &dyn Monitor) -> Result<Vec<String>, BuildError> {
    let own = std::iter::once(String::new());
    let submodules = inputs.submodules.iter().map(|one| format!("{}/", one.path));
    let mut told = Vec::new();
    for (prefix, (mirror, commit)) in own.chain(submodules).zip(inputs.trees()) {
        told.extend(mirror.export_attributes(commit, &prefix)?);
    }
    if !told.is_empty() {
        let shown = told.iter().take(SHOWN).map(String::as_str);
        let shown: Vec<&str> = shown.collect();
        let more = match told.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        monitor.notice(&format!(
            "`git archive` would leave out or change files, as .gitattributes says; the source tree holds them all, as committed: {}{more}",
            shown.join(", ")
        ));
    }
    Ok(told)
}
