//! Which failures may pass, and how long Dropbox is waited for when it is busy.

use std::time::{Duration, Instant};

use crate::attempts::{self, jitter, sleep};
use crate::error::Cancelled;
use crate::monitor::Monitor;
use crate::store::StoreError;

/// How long the first pause is at least; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// How often the pause doubles.
const MOST_DOUBLINGS: u32 = 6;
/// How long a busy service is waited for, all in all.
const DEADLINE: Duration = Duration::from_mins(5);

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

/// Counts the attempts at one thing. Those that are lost are few; to be told to wait is no
/// failure, since writers to one account take turns.
pub(super) struct Attempts {
    began: Instant,
    waited: u32,
    lost: attempts::Attempts,
    is_unsure: bool,
}

impl Attempts {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            waited: 0,
            lost: attempts::Attempts::new(),
            is_unsure: false,
        }
    }

    /// Whether an attempt before may have been carried out.
    pub(super) const fn is_unsure(&self) -> bool {
        self.is_unsure
    }

    /// After a failure: pauses, or gives up with its error.
    pub(super) fn after(
        &mut self,
        failure: Failure,
        monitor: &dyn Monitor,
    ) -> Result<(), StoreError> {
        let (error, pause) = match failure {
            Failure::Busy { error, pause } => (error, self.turn(pause)),
            Failure::Passing(error) => {
                self.is_unsure = true;
                (error, self.lost.pause(None))
            }
            Failure::Expired(error) | Failure::Lasting(error) => return Err(error),
        };
        let Some(pause) = pause else {
            return Err(error);
        };
        sleep(pause, monitor)?;
        Ok(())
    }

    /// How long to wait for the next turn; none if it takes too long.
    fn turn(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let own = jitter(FIRST_PAUSE * 2_u32.pow(self.waited.min(MOST_DOUBLINGS)));
        self.waited += 1;
        let pause = asked.map_or(own, |asked| asked.max(own));
        (self.began.elapsed() + pause <= DEADLINE).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_waited_for_as_long_as_asked_and_not_for_ever() {
        let mut attempts = Attempts::begin();
        let asked = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(attempts.turn(asked(60)), asked(60));
        assert_eq!(attempts.turn(asked(3600)), None);
        for _ in 0..20 {
            assert!(attempts.turn(None) <= asked(20));
        }
    }
}
