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

    /// Fails if the store cannot lock.
    pub(super) fn require(&self, store: &dyn Store) -> Result<(), PublishError> {
        Ok(retention::require(store, &self.planned())?)
    }

    /// The locks that are asked for.
    pub(super) fn planned(&self) -> Planned {
        match self {
            Self::Asked(planned) => *planned,
            Self::NotConfigured | Self::NoLock | Self::Waits => Planned::default(),
        }
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

    /// Locks the archive, whose objects are locked as in `present` if that is known; gives how
    /// they are locked then, if they were looked at.
    pub(super) fn carry_out(
        &self,
        store: &dyn Store,
        name: &str,
        present: Option<Vec<Locked>>,
        confirmation: Confirmation,
        monitor: &dyn Monitor,
    ) -> Result<(Report, Option<Vec<Locked>>), PublishError> {
        let Self::Asked(planned) = self else {
            return Ok((self.step(), present));
        };
        let present = match present {
            Some(present) => present,
            None => retention::check(store, name, monitor)?,
        };
        let changes = retention::changes_of(present, name, planned, monitor)?;
        let applied = changes.apply(store, confirmation, monitor)?;
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
