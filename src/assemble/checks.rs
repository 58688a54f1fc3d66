//! What is said of the checkout before anything is written.

use std::path::Path;

use super::BuildError;
use crate::monitor::Monitor;
use crate::source::git::Mirror;

/// What staging folders begin with: they come and go with each run.
const STAGING: &str = ".dhfpack-";

/// What is archived is the tag: says where the checkout has something else.
pub(super) fn report_checkout(
    mirror: &Mirror,
    root: &Path,
    monitor: &dyn Monitor,
) -> Result<(), BuildError> {
    let state = mirror.checkout_state(root, monitor)?;
    for (what, listing) in [
        ("modified", state.modified),
        ("untracked", state.untracked),
        ("ignored", state.ignored),
    ] {
        let more = listing.total.saturating_sub(listing.paths.len());
        let paths: Vec<String> = listing
            .paths
            .into_iter()
            .filter(|path| !is_staging(path))
            .collect();
        if paths.is_empty() {
            continue;
        }
        let more = match more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        monitor.notice(&format!(
            "{what} in the checkout, and not archived, for what is archived is the tag: {}{more}",
            paths.join(", ")
        ));
    }
    Ok(())
}

fn is_staging(path: &str) -> bool {
    let name = path.trim_end_matches('/').rsplit('/').next();
    name.is_some_and(|name| name.starts_with(STAGING))
}
