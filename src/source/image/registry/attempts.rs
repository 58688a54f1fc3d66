//! Trying again what may go well the next time, a few times and ever more slowly.

use std::time::Duration;

use super::RegistryError;
use crate::attempts::{self, sleep};
use crate::error::Cancelled;
use crate::monitor::Monitor;
use crate::source::image::ImageError;

/// How much has to arrive for a transfer to count as making headway, in bytes.
const HEADWAY: u64 = 16 << 20;

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
pub(super) struct Attempts {
    lost: attempts::Attempts,
    position: u64,
    is_first: bool,
}

impl Attempts {
    pub(super) const fn new() -> Self {
        Self {
            lost: attempts::Attempts::new(),
            position: 0,
            is_first: true,
        }
    }

    /// Whether nothing failed yet.
    pub(super) const fn is_first(&self) -> bool {
        self.is_first
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
        self.is_first = false;
        if position >= self.position.saturating_add(HEADWAY) {
            self.position = position;
            self.lost.reset();
        }
        let Some(pause) = self.lost.pause(pause) else {
            return Err(error.into());
        };
        sleep(pause, monitor)?;
        Ok(())
    }
}
