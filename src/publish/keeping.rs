//! The step that locks a published archive, as its configuration asks for.

use super::outputs::done;
use super::retention::{self, Confirmation, Locked, Planned};
use super::{PublishError, Report, Standing, State, Step};
use crate::config::RetentionConfig;
use crate::monitor::Monitor;
use crate::store::{Locks, Store};

/// What the archive's configuration asks of its retention.
pub(super) enum Keeping {
    /// It has no table for it.
    NotConfigured,
    /// A rule, and no lock.
    NoLock,
    /// The time counts from a statement, and nobody has signed.
    Waits,
    /// These locks.
    Asked(Planned),
}

impl Keeping {
    pub(super) fn of(
        config: Option<&RetentionConfig>,
        standing: &Standing,
    ) -> Result<Self, PublishError> {
        let Some(config) = config else {
            return Ok(Self::NotConfigured);
        };
        let Some(from) = standing.released_at.or(standing.signed_at) else {
            return Ok(Self::Waits);
        };
        let planned = retention::plan(config, from)?;
        if planned.is_nothing() {
            return Ok(Self::NoLock);
        }
        Ok(Self::Asked(planned))
    }

    /// Fails if the store cannot lock, or if nobody confirmed what could never be undone.
    pub(super) fn require(
        &self,
        store: &dyn Store,
        confirmation: Confirmation,
    ) -> Result<(), PublishError> {
        if let Self::Asked(planned) = self {
            retention::require(store, planned, confirmation)?;
        }
        Ok(())
    }

    /// What would be locked.
    pub(super) fn step(&self) -> Report {
        let (state, detail) = match self {
            Self::NotConfigured => return Report::not_configured(Step::Retention, "[retention]"),
            Self::NoLock => (
                State::NotConfigured,
                "[retention] names no `mode`: no lock".to_owned(),
            ),
            Self::Waits => (State::Waits, "nobody has signed yet".to_owned()),
            Self::Asked(planned) => (State::Planned, locks(planned).to_string()),
        };
        Report::new(Step::Retention, state, detail)
    }

    /// Locks the archive; gives how its objects are locked then, if they were looked at.
    pub(super) fn carry_out(
        &self,
        store: &dyn Store,
        name: &str,
        confirmation: Confirmation,
        monitor: &dyn Monitor,
    ) -> Result<(Report, Option<Vec<Locked>>), PublishError> {
        let Self::Asked(planned) = self else {
            return Ok((self.step(), None));
        };
        let applied = retention::apply(store, name, planned, confirmation, monitor)?;
        let (changed, all) = (applied.changed, applied.objects.len());
        let locks = locks(planned);
        let detail = format!("{all} objects, each at least {locks}; {changed} of them by this run");
        let report = Report::new(Step::Retention, done(changed > 0), detail);
        Ok((report, Some(applied.objects)))
    }

    /// How far it has come, without changing anything.
    pub(super) fn progress(
        &self,
        store: &dyn Store,
        name: &str,
        monitor: &dyn Monitor,
    ) -> Result<Report, PublishError> {
        let Self::Asked(planned) = self else {
            return Ok(self.step());
        };
        let changes = retention::changes(store, name, planned, monitor)?;
        let (kept, open) = (changes.kept().len(), changes.changes().len());
        let all = kept + open;
        Ok(if open == 0 {
            let detail = format!("{all} objects locked as configured");
            Report::new(Step::Retention, State::Done, detail)
        } else {
            let detail = format!("{open} of {all} objects are not locked as configured");
            Report::new(Step::Retention, State::Missing, detail)
        })
    }
}

fn locks(planned: &Planned) -> Locks {
    Locks {
        retention: planned.retention,
        legal_hold: planned.legal_hold,
    }
}
