//! Receipts of an archive that is verified: the latest beside it, or one that was kept.

use std::path::{Path, PathBuf};

use dhfpack::archive::{Records, Tree};
use dhfpack::error::IoContext;
use dhfpack::finding::{Code, Finding};
use dhfpack::monitor::Monitor;
use dhfpack::publish::PublishError;
use dhfpack::publish::receipt::{self, Found, Present};
use dhfpack::store::{Access, Address, Store, StoreError};
use dhfpack::verify::Verdict;

use crate::cli::error::CliError;
use crate::cli::stores;

/// Which receipt to compare with.
#[derive(Debug, clap::Args)]
pub(crate) struct ReceiptArgs {
    /// A receipt that was kept, to compare the archive with once it is known to be what was sealed;
    /// the latest one that lies beside the archive is compared as well
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

impl ReceiptArgs {
    /// Compares an archive that is intact with its receipts; adds to the verdict what that showed.
    pub(crate) fn check(
        &self,
        archive: &Path,
        tree: &dyn Tree,
        verdict: &mut Verdict,
        monitor: &dyn Monitor,
    ) -> Result<(), CliError> {
        let Some(manifest) = verdict.intact() else {
            let note = "receipts were not compared: the archive is not what was sealed";
            verdict.extend(Vec::new(), vec![note.to_owned()]);
            return Ok(());
        };
        let name = manifest.name.clone();
        let mut notes = Vec::new();
        let found = beside(archive, &name, &mut |note| notes.push(note), monitor)?;
        verdict.extend(Vec::new(), notes);
        if let Some(beside) = found {
            beside.compare(tree, verdict, monitor)?;
        }
        if let Some(path) = &self.receipt {
            let bytes = std::fs::read(path).at("read", path)?;
            let name = path.display().to_string();
            compare(&name, receipt::parse(&bytes), tree, verdict, None)?;
        }
        Ok(())
    }
}

/// The latest receipt beside an archive.
pub(crate) struct Beside<'m> {
    store: Box<dyn Store + 'm>,
    /// The archive's folder in the store.
    folder: String,
    pub(crate) receipt: Found,
}

/// Looks for the latest receipt beside the archive `name`; a zip or tar has none. What cannot be
/// looked into is noted: the folder above an archive may be anybody's, and out of reach.
pub(crate) fn beside<'m>(
    archive: &Path,
    name: &str,
    note: &mut dyn FnMut(String),
    monitor: &'m dyn Monitor,
) -> Result<Option<Beside<'m>>, CliError> {
    let access = stores::access()?;
    let is_url = archive.to_str().is_some_and(Address::is_url);
    let mut places = vec![archive.to_path_buf()];
    if !is_url {
        if !archive.is_dir() {
            return Ok(None);
        }
        // `.` has no name, and a link may lie elsewhere than the archive.
        places = vec![
            std::path::absolute(archive).at("find", archive)?,
            archive.canonicalize().at("find", archive)?,
        ];
        places.dedup();
    }
    for place in places {
        match beside_at(&place, name, &access, monitor) {
            Ok(None) => {}
            Err(error) if !is_url => {
                note(format!("no receipt beside it could be looked for: {error}"));
            }
            found => return Ok(found?),
        }
    }
    Ok(None)
}

/// The latest receipt beside the archive `name` at `place`.
fn beside_at<'m>(
    place: &Path,
    name: &str,
    access: &Access,
    monitor: &'m dyn Monitor,
) -> Result<Option<Beside<'m>>, StoreError> {
    let Some((store, folder)) = stores::above(place, access, monitor)? else {
        return Ok(None);
    };
    let latest = match receipt::latest(&*store, &folder)? {
        // It may have got another name since.
        None if folder != name => receipt::latest(&*store, name)?,
        latest => latest,
    };
    Ok(latest.map(|receipt| Beside {
        store,
        folder,
        receipt,
    }))
}

impl Beside<'_> {
    /// Compares an archive that is intact, and what lies in its store, with the receipt.
    fn compare(
        self,
        tree: &dyn Tree,
        verdict: &mut Verdict,
        monitor: &dyn Monitor,
    ) -> Result<(), PublishError> {
        let (store, (path, receipt)) = (&*self.store, self.receipt);
        let present = match &receipt {
            Ok(receipt) => {
                let objects = store.list(&self.folder)?;
                Some(Present::of(
                    receipt,
                    store,
                    &self.folder,
                    &objects,
                    monitor,
                )?)
            }
            Err(_) => None,
        };
        compare(&path, receipt, tree, verdict, present.as_ref())
    }
}

fn compare(
    name: &str,
    receipt: Result<receipt::Receipt, String>,
    tree: &dyn Tree,
    verdict: &mut Verdict,
    present: Option<&std::collections::BTreeMap<String, Present>>,
) -> Result<(), PublishError> {
    let (Some(manifest), Some(digest)) = (verdict.intact(), verdict.manifest_sha256()) else {
        return Ok(());
    };
    let (findings, note) = match receipt {
        Err(problem) => {
            let finding = Finding::at(Code::ReceiptUnreadable, name, problem);
            (vec![finding], format!("receipt {name} was not compared"))
        }
        Ok(receipt) => {
            let signatures = Records::of(tree)?.signatures()?;
            let findings = receipt::check(&receipt, (manifest, digest), &signatures, present);
            let note = format!(
                "receipt {name} was compared: {} objects as published to {}",
                receipt.objects.len(),
                receipt.store
            );
            (findings, note.replace(char::is_control, "?"))
        }
    };
    verdict.extend(findings, vec![note]);
    Ok(())
}
