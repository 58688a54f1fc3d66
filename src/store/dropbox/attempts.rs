//! Trying again what may go well the next time: ever more slowly, and not for ever.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use crate::error::Cancelled;
use crate::monitor::Monitor;
use crate::store::StoreError;

/// How often something fails before it is given up.
const MOST: u32 = 6;
/// How long the first pause is at most; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause that the service did not ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How long a busy service is waited for, all in all.
const DEADLINE: Duration = Duration::from_mins(5);
/// How often a pause looks whether it should stop.
const TICK: Duration = Duration::from_millis(50);

/// Why a request failed.
pub(super) enum Failure {
    /// The service asks for less, and maybe says how long to pause. Nothing was done.
    Busy {
        error: StoreError,
        pause: Option<Duration>,
    },
    /// The request or its answer was lost, so that it may have been carried out.
    Passing(StoreError),
    /// The access token ended. Nothing was done.
    Expired(StoreError),
    /// It will fail again.
    Lasting(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Lasting(error)
    }
}

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        Self::Lasting(cancelled.into())
    }
}

/// Counts the attempts at one thing.
pub(super) struct Attempts {
    began: Instant,
    paused: u32,
    failed: u32,
}

impl Attempts {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            paused: 0,
            failed: 0,
        }
    }

    /// Whether an attempt before may have been carried out.
    pub(super) const fn is_unsure(&self) -> bool {
        self.failed > 0
    }

    /// After a failure: pauses, or gives up with its error.
    pub(super) fn after(
        &mut self,
        failure: Failure,
        monitor: &dyn Monitor,
    ) -> Result<(), StoreError> {
        let own = FIRST_PAUSE * 2_u32.pow(self.paused.min(10));
        let own = half_at_random(own.min(LONGEST_PAUSE));
        let (error, pause) = match failure {
            // A bit more than asked for, so that those who wait do not come back all at once.
            Failure::Busy { error, pause } => (error, pause.map_or(own, |pause| pause + own)),
            Failure::Passing(error) => {
                self.failed += 1;
                (error, own)
            }
            Failure::Expired(error) | Failure::Lasting(error) => return Err(error),
        };
        self.paused += 1;
        if self.failed >= MOST || self.began.elapsed() + pause > DEADLINE {
            return Err(error);
        }
        sleep(pause, monitor)?;
        Ok(())
    }
}

/// From half of the pause to all of it.
fn half_at_random(pause: Duration) -> Duration {
    // The keys of a new state are random: enough for a pause, without a generator of our own.
    let random = RandomState::new().build_hasher().finish() % 512;
    pause / 2 + pause / 1024 * u32::try_from(random).unwrap_or_default()
}

fn sleep(pause: Duration, monitor: &dyn Monitor) -> Result<(), Cancelled> {
    let until = Instant::now() + pause;
    loop {
        if monitor.is_cancelled() {
            return Err(Cancelled);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(TICK));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_from_half_of_it_to_all_of_it() {
        let pause = Duration::from_secs(1);
        for _ in 0..100 {
            let some = half_at_random(pause);
            assert!(pause / 2 <= some && some <= pause, "{some:?}");
        }
    }
}
