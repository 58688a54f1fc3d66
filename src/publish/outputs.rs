//! The outputs of a release beside its archive: the copy of its design outputs in the design
//! history file, its entry in the service manual, and its row in the products registry.

use super::dhf::DesignOutputs;
use super::receipt::{EntryReceipt, Outputs, RowReceipt};
use super::registry::{self, Registration};
use super::service_manual::{self, Recorded};
use super::{GrowingDocument, PublishError, Report, Standing, State, Step};
use crate::archive::{Records, Tree};
use crate::config::ResolvedConfig;
use crate::digest::Sha256;
use crate::manifest::Manifest;
use crate::monitor::Monitor;
use crate::register;
use crate::service_manual::Entry;
use crate::sign::Signer;
use crate::store::{Address, Store};

/// Where the outputs go. One that is not asked for has no place.
#[derive(Clone, Copy, Default)]
pub struct Destinations<'a> {
    /// The release's folder in the design history file.
    pub dhf: Option<&'a dyn Store>,
    /// The service manual.
    pub manual: Option<&'a dyn GrowingDocument>,
    /// The products registry.
    pub registry: Option<RegisterAt<'a>>,
}

/// A products registry, and who writes to it.
#[derive(Clone, Copy)]
pub struct RegisterAt<'a> {
    /// The store that holds it.
    pub store: &'a dyn Store,
    /// Who signs its rows; needed only if there is one to write.
    pub signer: Option<&'a Signer>,
}

/// What is to be done for them. Nothing is written yet.
pub(super) struct Planned<'a> {
    dhf: Option<Copy<'a>>,
    manual: Manual<'a>,
    registry: Option<Row<'a>>,
}

struct Row<'a> {
    to: RegisterAt<'a>,
    registration: Registration,
    is_there: bool,
}

struct Copy<'a> {
    to: &'a dyn Store,
    outputs: DesignOutputs,
    is_there: bool,
}

enum Manual<'a> {
    NotConfigured,
    /// Only a released archive has an entry.
    Waits,
    Entry {
        manual: &'a dyn GrowingDocument,
        entry: Box<Entry>,
        /// Its digest as it stands there.
        there: Option<Sha256>,
    },
}

impl<'a> Planned<'a> {
    /// Checks all that can be checked without writing, for the archive that is, or will be, at
    /// `location`, after a receipt of it named this row.
    pub(super) fn of(
        row: Option<&RowReceipt>,
        records: &Records<'_>,
        whole: (&Manifest, Sha256),
        config: &ResolvedConfig,
        (location, standing, to): (&Address, &Standing, Destinations<'a>),
        monitor: &dyn Monitor,
    ) -> Result<Self, PublishError> {
        let dhf = Copy::of(whole, location, to.dhf)?;
        if let Some(copy) = &dhf {
            copy.outputs.require_place(copy.to)?;
            if !copy.is_there {
                copy.outputs.compare(copy.to, monitor)?;
            }
        }
        Ok(Self {
            dhf,
            manual: Manual::of(records, whole, standing, to.manual)?,
            registry: Row::of(row, whole, config, (location, standing), to.registry)?,
        })
    }

    /// Whether a row is to be added to the register.
    pub(super) fn adds_row(&self) -> bool {
        self.registry.as_ref().is_some_and(|row| !row.is_there)
    }

    /// What would be done, step by step.
    pub(super) fn steps(&self) -> Vec<Report> {
        vec![
            Copy::step(self.dhf.as_ref()),
            self.manual.step(),
            Row::step(self.registry.as_ref()),
        ]
    }

    /// Fails if a row is to be written, and nobody is there to sign it.
    pub(super) fn require_writer(&self) -> Result<(), PublishError> {
        match &self.registry {
            Some(row) if !row.is_there && row.to.signer.is_none() => Err(PublishError::NoWriter {
                place: row.to.store.address().place(register::FILE),
            }),
            _ => Ok(()),
        }
    }

    /// Carries it out.
    pub(super) fn carry_out(
        self,
        tree: &dyn Tree,
        monitor: &dyn Monitor,
    ) -> Result<(Vec<Report>, Outputs), PublishError> {
        let mut outputs = Outputs::default();
        let dhf = match self.dhf {
            None => no_dhf(),
            Some(copy) => {
                let copied = copy.outputs.copy(tree, copy.to, monitor)?;
                let place = copy.to.address().to_string();
                let (new, old) = (copied.copied, copied.skipped);
                let detail = format!("{place}: {new} copied, {old} there already");
                outputs.design_history_file = Some(place);
                Report::new(Step::Dhf, done(!copy.is_there || new > 0), detail)
            }
        };
        let manual = match self.manual {
            Manual::Entry { manual, entry, .. } => {
                let added = service_manual::add(manual, &entry, monitor)?;
                outputs.service_manual = Some(EntryReceipt {
                    location: manual.place(),
                    sha256: Sha256::of(entry.text.as_bytes()),
                });
                Report::new(Step::ServiceManual, done(added), manual.place())
            }
            other => other.step(),
        };
        let registry = match self.registry {
            None => Row::step(None),
            Some(row) => {
                let (report, receipt) = row.record(monitor)?;
                outputs.registry = receipt;
                report
            }
        };
        Ok((vec![dhf, manual, registry], outputs))
    }
}

/// How far they have come, without writing: each by itself, so that one that is broken hides none.
pub(super) fn progress(
    said: Option<&Outputs>,
    records: &Records<'_>,
    whole: (&Manifest, Sha256),
    config: &ResolvedConfig,
    (location, standing, to): (&Address, &Standing, Destinations<'_>),
    monitor: &dyn Monitor,
) -> [(Step, Result<Report, PublishError>); 3] {
    let dhf = Copy::of(whole, location, to.dhf).and_then(|copy| {
        if let Some(copy) = copy.as_ref().filter(|copy| !copy.is_there) {
            copy.outputs.require_same(copy.to, monitor)?;
        }
        Ok(copy)
    });
    let manual = Manual::of(records, whole, standing, to.manual);
    let entry = said.and_then(|said| said.service_manual.as_ref());
    let row = said.and_then(|said| said.registry.as_ref());
    let registry = Row::of(row, whole, config, (location, standing), to.registry);
    [
        (Step::Dhf, dhf.map(|copy| Copy::step(copy.as_ref()))),
        (
            Step::ServiceManual,
            manual.map(|manual| manual.compared(entry)),
        ),
        (Step::Registry, registry.map(|row| Row::step(row.as_ref()))),
    ]
    .map(|(step, report)| (step, report.map(reached)))
}

/// What a step that was only looked at has come to.
fn reached(mut report: Report) -> Report {
    report.state = match report.state {
        State::Planned => State::Missing,
        State::Unchanged => State::Done,
        other => other,
    };
    report
}

impl<'a> Copy<'a> {
    fn of(
        (manifest, digest): (&Manifest, Sha256),
        location: &Address,
        to: Option<&'a dyn Store>,
    ) -> Result<Option<Self>, PublishError> {
        let Some(to) = to else { return Ok(None) };
        let outputs = DesignOutputs::of(manifest, digest, &location.to_string())?;
        Ok(Some(Self {
            is_there: outputs.is_copied(to)?,
            to,
            outputs,
        }))
    }

    fn step(copy: Option<&Self>) -> Report {
        let Some(copy) = copy else { return no_dhf() };
        let place = copy.to.address().to_string();
        Report::new(Step::Dhf, planned(copy.is_there), place)
    }
}

impl<'a> Row<'a> {
    fn of(
        row: Option<&RowReceipt>,
        (manifest, digest): (&Manifest, Sha256),
        config: &ResolvedConfig,
        (location, standing): (&Address, &Standing),
        to: Option<RegisterAt<'a>>,
    ) -> Result<Option<Self>, PublishError> {
        let Some(to) = to else { return Ok(None) };
        let place = registry::archive_location(location, to.store.address());
        let registration =
            Registration::of(manifest, digest, config, standing.released_at, &place)?
                .after(row, to.store.address());
        Ok(Some(Self {
            is_there: registry::check(to.store, &registration)?,
            to,
            registration,
        }))
    }

    fn step(row: Option<&Self>) -> Report {
        let Some(row) = row else {
            return Report::not_configured(Step::Registry, "[registry]");
        };
        let status = row.registration.status();
        let place = row.to.store.address().place(register::FILE);
        let detail = format!("{place}: {}", status.as_str());
        Report::new(Step::Registry, planned(row.is_there), detail)
    }

    fn record(self, monitor: &dyn Monitor) -> Result<(Report, Option<RowReceipt>), PublishError> {
        self.to.store.tidy();
        let place = self.to.store.address().place(register::FILE);
        let Some(signer) = self.to.signer else {
            // A run that has nothing to add needs no key.
            let report = Report::new(Step::Registry, State::Unchanged, place);
            return Ok((report, None));
        };
        let status = self.registration.status();
        let recorded = registry::record(self.to.store, &self.registration, signer, monitor)?;
        let detail = format!("{place}: {} in line {}", status.as_str(), recorded.row);
        let receipt = RowReceipt {
            location: place,
            line: recorded.row,
            sha256: recorded.head,
        };
        let report = Report::new(Step::Registry, done(recorded.added), detail);
        Ok((report, Some(receipt)))
    }
}

impl<'a> Manual<'a> {
    fn of(
        records: &Records<'_>,
        (manifest, digest): (&Manifest, Sha256),
        standing: &Standing,
        to: Option<&'a dyn GrowingDocument>,
    ) -> Result<Self, PublishError> {
        let recorded = Recorded::read(records, manifest, digest)?;
        let (Some(manual), Some(recorded)) = (to, recorded) else {
            return Ok(Self::NotConfigured);
        };
        let Some(released_at) = standing.released_at else {
            return Ok(Self::Waits);
        };
        let entry = recorded.entry(released_at)?;
        Ok(Self::Entry {
            there: service_manual::standing(manual, &entry)?,
            manual,
            entry: Box::new(entry),
        })
    }

    fn step(&self) -> Report {
        let step = Step::ServiceManual;
        match self {
            Self::NotConfigured => Report::not_configured(step, "[service_manual]"),
            Self::Waits => {
                let detail = "the entry is added once the archive is released";
                Report::new(step, State::Waits, detail)
            }
            Self::Entry { manual, there, .. } => {
                Report::new(step, planned(there.is_some()), manual.place())
            }
        }
    }

    /// The step, if the manual should have the entry that a receipt tells of.
    fn compared(&self, said: Option<&EntryReceipt>) -> Report {
        let mut report = self.step();
        if let (
            Self::Entry {
                there: Some(there), ..
            },
            Some(said),
        ) = (self, said)
            && *there != said.sha256
        {
            report.state = State::Differs;
            report.detail.push_str(
                ": the entry is not as it was published: take back what was changed between its markers",
            );
        }
        report
    }
}

fn no_dhf() -> Report {
    let detail = "no configuration names a `dhf` under [storage]";
    Report::new(Step::Dhf, State::NotConfigured, detail)
}

pub(super) fn planned(is_there: bool) -> State {
    if is_there {
        State::Unchanged
    } else {
        State::Planned
    }
}

pub(super) fn done(changed: bool) -> State {
    if changed {
        State::Done
    } else {
        State::Unchanged
    }
}
