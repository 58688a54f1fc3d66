//! Receipts of an archive that is verified: the latest beside it, or one that was kept.

use std::path::{Path, PathBuf};

use dhfpack::archive::{Records, Tree};
use dhfpack::error::IoContext;
use dhfpack::finding::{Code, Finding};
use dhfpack::monitor::Monitor;
use dhfpack::publish::PublishError;
use dhfpack::publish::receipt::{self, Present};
use dhfpack::store::{Access, Address, Store};
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
        if verdict.intact().is_none() {
            let note = "receipts were not compared: the archive is not what was sealed";
            verdict.extend(Vec::new(), vec![note.to_owned()]);
            return Ok(());
        }
        let is_url = archive.to_str().is_some_and(Address::is_url);
        if is_url || archive.is_dir() {
            match beside(archive, &stores::access()?, tree, verdict, monitor) {
                // The folder above an archive may be anybody's, and out of reach.
                Err(error) if !is_url => verdict.extend(
                    Vec::new(),
                    vec![format!("no receipt beside it could be looked for: {error}")],
                ),
                done => done?,
            }
        }
        if let Some(path) = &self.receipt {
            let bytes = std::fs::read(path).at("read", path)?;
            let name = path.display().to_string();
            compare(&name, receipt::parse(&bytes), tree, verdict, None)?;
        }
        Ok(())
    }
}

/// Compares with the latest receipt in the archive's store.
fn beside(
    archive: &Path,
    access: &Access,
    tree: &dyn Tree,
    verdict: &mut Verdict,
    monitor: &dyn Monitor,
) -> Result<(), PublishError> {
    let Some((store, name)) = stores::above(archive, access, monitor)? else {
        return Ok(());
    };
    let store: &dyn Store = &*store;
    let Some((path, receipt)) = receipt::latest(store, &name)? else {
        return Ok(());
    };
    let present = match &receipt {
        Ok(receipt) => {
            let objects = store.list(&name)?;
            Some(Present::of(receipt, store, &name, &objects, monitor)?)
        }
        Err(_) => None,
    };
    compare(&path, receipt, tree, verdict, present.as_ref())
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
