//! All steps of publishing in one run.
//!
//! What can be known to fail fails before the first write. Each step leaves alone what is there
//! already, so a run that broke off anywhere is resumed by the next, and ends as one clean run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::earlier::{self, Earlier, Remade};
use super::keeping::Keeping;
use super::outputs::{self, Destinations};
use super::receipt::{self, Kept, ObjectReceipt, Outputs, Receipt, RowReceipt};
use super::retention::{self, Confirmation, Locked, Planned};
use super::signatures::{self, Standing};
use super::upload::{self, Prepared, Upload};
use super::{PublishError, Published, ReadBack, Report, Source, State, Step, StoreFile, Stored};
use crate::archive::Records;
use crate::attempts;
use crate::catalogue;
use crate::digest::Sha256;
use crate::manifest::{MANIFEST, SIGNATURES};
use crate::monitor::Monitor;
use crate::path::ArchivePath;
use crate::store::{Address, Locks, Object, Store, StoreError};
use crate::verify::Policy;

/// How often another run that publishes the same archive is waited for.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// Where to publish.
    pub store: &'a dyn Store,
    /// Whose signatures release the archive.
    pub policy: &'a Policy,
    /// What to download again.
    pub read_back: ReadBack,
    /// Whether somebody confirmed locks that can never be lifted.
    pub confirmation: Confirmation,
    /// Where everything else goes that the archive's configuration asks for; none for the archive
    /// and its receipt alone.
    pub others: Option<Destinations<'a>>,
}

/// What a run would do. Nothing is written yet.
#[must_use]
pub struct Plan<'a> {
    order: Order<'a>,
    source: &'a Source<'a>,
    prepared: Prepared<'a>,
    standing: Standing,
    left_out: Vec<String>,
    remade: Remade,
    /// How the archive is locked, if that is known and no file is missing.
    present: Option<Vec<Locked>>,
    /// What else is asked for.
    others: Option<(Keeping, outputs::Planned<'a>)>,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Where the archive is now.
    pub location: Address,
    /// How far it has come.
    pub standing: Standing,
    /// How many files were written.
    pub copied: u64,
    /// How many were there, with the same bytes.
    pub skipped: u64,
    /// The statements that were not published, since the store holds one of the same signer.
    pub left_out: Vec<String>,
    /// Every step, in order.
    pub steps: Vec<Report>,
    /// The receipt that now is the latest.
    pub receipt: Kept,
}

impl Outcome {
    /// Whether everything was there already.
    pub fn is_unchanged(&self) -> bool {
        let mut steps = self.steps.iter();
        // Who has signed is shown, and not this run's work.
        steps.all(|step| step.step == Step::Signatures || step.state != State::Done)
    }
}

/// Carries out all steps. Where another run publishes the same archive, signed at another time,
/// it is waited for.
pub fn publish(
    source: &Source<'_>,
    order: Order<'_>,
    monitor: &dyn Monitor,
) -> Result<Outcome, PublishError> {
    let mut attempt = 1;
    loop {
        let result = plan(source, order, monitor).and_then(|plan| plan.carry_out(monitor));
        match result {
            Err(error) if attempt < ATTEMPTS && is_race(&error) => {
                attempts::sleep(PAUSE * attempt, monitor).map_err(StoreError::from)?;
                attempt += 1;
            }
            done => return done,
        }
    }
}

/// Whether another run may have been quicker to publish a statement of the same signer.
fn is_race(error: &PublishError) -> bool {
    match error {
        PublishError::SignatureTaken { .. } => true,
        PublishError::Store(StoreError::Differs { place, .. }) => {
            place.contains(&format!("/{SIGNATURES}/"))
        }
        _ => false,
    }
}

/// Checks everything that can be checked without writing.
pub fn plan<'a>(
    source: &'a Source<'a>,
    order: Order<'a>,
    monitor: &dyn Monitor,
) -> Result<Plan<'a>, PublishError> {
    let manifest = source.manifest();
    let name = &manifest.name;
    catalogue::require_siblings(order.store, manifest, monitor)?;
    // The receipt first: what another run adds meanwhile is not taken for something that is gone.
    let earlier = Earlier::latest(order.store, name)?;
    let there = upload::list(order.store, name)?;
    if let Some(earlier) = &earlier {
        earlier.require_locked(name, there.iter().map(|object| object.path.as_str()))?;
    }
    require_same(source, order.store, &there)?;
    let merged = signatures::merge(source, signatures::in_store(order.store, name, &there)?)?;
    let standing = Standing::of(&merged.all, (manifest, source.digest()), order.policy);
    let row = earlier.as_ref();
    let row = row.and_then(|earlier| earlier.row(source.digest()));
    let others = order.others;
    let others = others.map(|to| planned_others(source, order, &standing, row, to, monitor));
    let others = others.transpose()?;
    let files = source.files(&merged.all)?;
    let missing = earlier::missing(name, &there, &files);
    let adds_row = others.as_ref().is_some_and(|(_, others)| others.adds_row());
    let remade = match &earlier {
        Some(earlier) => earlier.remade(source.digest(), name, &there, &missing, adds_row)?,
        None => Remade::default(),
    };
    let keeping = others.as_ref().map(|(keeping, _)| keeping.planned());
    let planned = keeping.unwrap_or_default();
    let counts = (there.len(), missing.len());
    let present = locks_before(order, name, earlier.as_ref(), &planned, counts, monitor)?;
    let proved =
        |file: &StoreFile, object: &Object| earlier.as_ref()?.proved(source.digest(), file, object);
    let prepared = Upload {
        store: order.store,
        name,
        read_back: order.read_back,
    }
    .prepare(&files, there, &proved, monitor)?;
    Ok(Plan {
        order,
        source,
        prepared,
        standing,
        left_out: merged.left_out,
        remade,
        present,
        others,
    })
}

/// Fails if another archive is published under this name: with all that is told of its objects,
/// that would be hard to see.
fn require_same(
    source: &Source<'_>,
    store: &dyn Store,
    there: &[Object],
) -> Result<(), PublishError> {
    let name = &source.manifest().name;
    let place = format!("{name}/{MANIFEST}");
    if !there.iter().any(|object| object.path == place) {
        return Ok(());
    }
    let Some(found) = catalogue::load_manifest(store, name)? else {
        return Ok(());
    };
    let found = Sha256::of(&found.bytes);
    if found == source.digest() {
        return Ok(());
    }
    Err(StoreError::Differs {
        place: store.address().place(&place),
        expected: source.digest(),
        found,
    }
    .into())
}

/// What else is asked for, after a receipt of the archive named this row.
fn planned_others<'a>(
    source: &Source<'_>,
    order: Order<'_>,
    standing: &Standing,
    row: Option<&RowReceipt>,
    to: Destinations<'a>,
    monitor: &dyn Monitor,
) -> Result<(Keeping, outputs::Planned<'a>), PublishError> {
    let config = source.config()?;
    let keeping = Keeping::of(config.config.retention.as_ref(), standing)?;
    keeping.require(order.store)?;
    let records = Records::of(source.tree())?;
    let manifest = source.manifest();
    let location = order.store.address().below(&manifest.name);
    let whole = (manifest, source.digest());
    let at = (&location, standing, to);
    let planned = outputs::Planned::of(row, &records, whole, &config, at, monitor)?;
    Ok((keeping, planned))
}

/// How the archive's objects are locked, if none is missing and anything hangs on that before they
/// are compared. Fails if they would be locked less than they were, or for good and without
/// confirmation.
fn locks_before(
    order: Order<'_>,
    name: &str,
    earlier: Option<&Earlier>,
    planned: &Planned,
    (there, missing): (usize, usize),
    monitor: &dyn Monitor,
) -> Result<Option<Vec<Locked>>, PublishError> {
    let confirmed = retention::require_for_new(planned, order.confirmation);
    let is_confirmed = confirmed.is_ok();
    if missing > 0 {
        confirmed?;
    }
    let earlier = earlier.filter(|earlier| earlier.has_locks());
    if there == 0 || (earlier.is_none() && is_confirmed) {
        return Ok(None);
    }
    let present = retention::check(order.store, name, monitor)?;
    if let Some(earlier) = earlier {
        earlier.require_as_strong(name, &present, planned)?;
        if let Some(lifted) = earlier.lifted(name, &present, planned) {
            monitor.notice(&lifted);
        }
    }
    retention::require_for(&present, planned, order.confirmation)?;
    Ok((missing == 0).then_some(present))
}

impl Plan<'_> {
    /// How far the archive has come.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Where the archive will be.
    pub fn location(&self) -> Address {
        let name = &self.source.manifest().name;
        self.order.store.address().below(name)
    }

    /// The files that are not there yet.
    pub fn missing(&self) -> &[StoreFile] {
        self.prepared.missing()
    }

    /// What would be done, step by step.
    pub fn steps(&self) -> Vec<Report> {
        let missing = self.missing();
        let bytes = missing.iter().map(|file| file.size);
        let bytes = bytes.fold(0, u64::saturating_add);
        let files = format!(
            "{} to copy, {bytes} bytes; {} there already{}",
            missing.len(),
            self.prepared.kept(),
            self.remade.note()
        );
        let state = outputs::planned(missing.is_empty());
        let mut steps = vec![Report::new(Step::Files, state, files), self.standing.step()];
        if let Some((keeping, others)) = &self.others {
            steps.push(keeping.step());
            steps.extend(others.steps());
        }
        steps
    }

    /// Carries it out.
    pub fn carry_out(self, monitor: &dyn Monitor) -> Result<Outcome, PublishError> {
        if let Some((_, others)) = &self.others {
            others.require_writer()?;
        }
        let Self {
            order,
            source,
            prepared,
            standing,
            left_out,
            remade,
            present,
            others,
        } = self;
        let name = &source.manifest().name;
        let open = |path: &ArchivePath| source.open(path);
        let published = prepared.write(&open, monitor)?;
        let mut steps = vec![files_done(&published, &remade), standing.step()];
        let mut outputs = Outputs::default();
        let mut locked = present;
        if let Some((keeping, others)) = others {
            let (step, locks) =
                keeping.carry_out(order.store, name, locked, order.confirmation, monitor)?;
            locked = locks;
            steps.push(step);
            let (done, made) = others.carry_out(source.tree(), monitor)?;
            steps.extend(done);
            outputs = made;
        }
        let locked = match locked {
            Some(locked) => locked,
            None => retention::check_if_allowed(order.store, name, monitor)?.unwrap_or_default(),
        };
        let receipt = Receipt {
            format: receipt::FORMAT,
            archive: name.clone(),
            manifest_sha256: source.digest(),
            store: order.store.address().to_string(),
            released_at: standing.released_at,
            outputs,
            objects: objects(order, name, &published, locked),
        };
        let kept = receipt::keep(order.store, &receipt)?;
        steps.push(receipt_done(order.store, &kept));
        Ok(Outcome {
            location: published.location,
            standing,
            copied: published.copied,
            skipped: published.skipped,
            left_out,
            steps,
            receipt: kept,
        })
    }
}

fn files_done(published: &Published, remade: &Remade) -> Report {
    let Published {
        copied, skipped, ..
    } = published;
    let remade = remade.note();
    let detail = format!("{copied} copied, {skipped} there already{remade}");
    Report::new(Step::Files, outputs::done(*copied > 0), detail)
}

fn receipt_done(store: &dyn Store, kept: &Kept) -> Report {
    let place = store.address().place(&kept.path);
    Report::new(Step::Receipt, outputs::done(kept.added), place)
}

/// The receipts of the objects, with the locks that the store says there are.
fn objects(
    order: Order<'_>,
    name: &str,
    published: &Published,
    locked: Vec<Locked>,
) -> Vec<ObjectReceipt> {
    let locked = locked.into_iter();
    let locks: BTreeMap<String, Locks> = locked.map(|locked| (locked.path, locked.locks)).collect();
    let promises = order.store.promises();
    let receipt = |stored: &Stored| {
        let place = format!("{name}/{}", stored.file.path);
        let locks = locks.get(&place).copied().unwrap_or_default();
        ObjectReceipt::of(stored, locks, order.read_back, promises)
    };
    published.objects.iter().map(receipt).collect()
}
