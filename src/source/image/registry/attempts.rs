//! Trying again what may go well the next time, a few times and ever more slowly.

use std::thread;
use std::time::{Duration, Instant};

use super::RegistryError;
use crate::error::Cancelled;
use crate::monitor::Monitor;
use crate::source::image::ImageError;

/// How often something is tried that makes no headway.
const MOST: u32 = 5;
/// How long the first pause is; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest that a registry may ask to wait.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How much has to arrive for a transfer to count as making headway, in bytes.
const HEADWAY: u64 = 16 << 20;
/// How often a pause looks whether it should stop.
const TICK: Duration = Duration::from_millis(50);

/// Why a request failed.
pub(super) enum Failure {
    /// It may go well the next time, after the pause that the registry asks for, if it does.
    Passing {
        error: RegistryError,
        pause: Option<Duration>,
    },
    /// It will not.
    Lasting(ImageError),
}

impl Failure {
    pub(super) const fn passing(error: RegistryError) -> Self {
        Self::Passing { error, pause: None }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Lasting(error.into())
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        Self::Lasting(error)
    }
}

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        Self::Lasting(cancelled.into())
    }
}

/// Counts the attempts at one thing.
#[derive(Default)]
pub(super) struct Attempts {
    failed: u32,
    position: u64,
}

impl Attempts {
    /// Whether nothing failed yet.
    pub(super) const fn is_first(&self) -> bool {
        self.failed == 0
    }

    /// After a failure with `position` bytes there: pauses, or gives up with its error.
    pub(super) fn after(
        &mut self,
        failure: Failure,
        position: u64,
        monitor: &dyn Monitor,
    ) -> Result<(), ImageError> {
        let (error, pause) = match failure {
            Failure::Passing { error, pause } => (error, pause),
            Failure::Lasting(error) => return Err(error),
        };
        if position >= self.position.saturating_add(HEADWAY) {
            self.position = position;
            self.failed = 0;
        }
        self.failed += 1;
        let pause = pause.unwrap_or(FIRST_PAUSE * 2_u32.pow(self.failed.min(MOST) - 1));
        if self.failed >= MOST || pause > LONGEST_PAUSE {
            return Err(error.into());
        }
        sleep(pause, monitor)?;
        Ok(())
    }
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
        thread::sleep(left.min(TICK));
    }
}
