//! Waiting for answers on a runtime of their own, without missing a stop.

use std::io;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::time::Instant;

use crate::error::Cancelled;
use crate::monitor::Monitor;

/// How often a wait looks whether it should stop.
const TICK: Duration = Duration::from_millis(50);

/// The runtime in which the client works. Dropped, it waits for nothing: a registry that hangs
/// must not keep the program from ending.
pub(super) struct Background {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Background {
    pub(super) fn start() -> io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Waits for an answer, up to `limit`; nothing if it takes longer.
    pub(super) fn wait<T>(
        &self,
        monitor: &dyn Monitor,
        limit: Duration,
        answer: impl Future<Output = T>,
    ) -> Result<Option<T>, Cancelled> {
        self.handle.block_on(async {
            tokio::pin!(answer);
            let until = Instant::now() + limit;
            loop {
                if let Ok(value) = tokio::time::timeout(TICK, &mut answer).await {
                    return Ok(Some(value));
                }
                if monitor.is_cancelled() {
                    return Err(Cancelled);
                }
                if Instant::now() >= until {
                    return Ok(None);
                }
            }
        })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
