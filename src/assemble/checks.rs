//! What is said of the tag and of the checkout before anything is written.

use std::path::Path;

use super::BuildError;
use super::configuration::{Configuration, read_text};
use crate::manifest::{GitSignature, GitSignatureStatus, Records};
use crate::monitor::Monitor;
use crate::source::git::{Mirror, Tag};

/// What staging folders begin with: they come and go with each run.
const STAGING: &str = ".dhfpack-";

/// Checks the tag's signature as far as the configuration says with whose keys.
pub(super) fn judge_tag(
    tagged: &Mirror,
    records: &Mirror,
    tag: &Tag,
    read: &Configuration,
    monitor: &dyn Monitor,
) -> Result<GitSignature, BuildError> {
    let source = &read.config.source;
    let allowed = match &source.allowed_signers {
        Some(path) => {
            let path = read.path_of(path);
            let Records { rev, commit } = &read.records;
            Some(read_text(records, rev, commit, &path)?)
        }
        None => None,
    };
    let signature = tagged.tag_signature(tag, allowed.as_deref())?;
    let good = signature.status == GitSignatureStatus::Good;
    if signature.status == GitSignatureStatus::Bad || (source.require_signed_tag && !good) {
        return Err(BuildError::TagSignature {
            tag: tag.name.clone(),
            status: signature.status,
        });
    }
    if !good {
        monitor.notice(&format!("the tag `{}` {}", tag.name, signature.status));
    }
    Ok(signature)
}

/// What is archived is the tag: says where the checkout has something else.
pub(super) fn report_checkout(
    mirror: &Mirror,
    root: &Path,
    monitor: &dyn Monitor,
) -> Result<(), BuildError> {
    let state = mirror.checkout_state(root)?;
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
