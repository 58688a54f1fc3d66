//! Waiting for answers on a runtime of their own, without missing a stop.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;

use crate::error::Cancelled;
use crate::monitor::Monitor;

/// How often a wait looks whether it should stop. An engine may prepare an export for minutes
/// before its first byte, so that the monitor stops it, and no clock.
const TICK: Duration = Duration::from_millis(50);

/// The runtime in which a client works. Dropped, it waits for nothing: a service that hangs must
/// not keep the program from ending.
pub(crate) struct Background {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Background {
    /// With one thread that drives connections: enough for one transfer.
    pub(crate) fn start() -> io::Result<Self> {
        Self::with_threads(1)
    }

    /// With as many threads as there are transfers to drive at once.
    pub(crate) fn with_threads(threads: usize) -> io::Result<Self> {
        Self::build(Builder::new_multi_thread().worker_threads(threads))
    }

    fn build(builder: &mut Builder) -> io::Result<Self> {
        let runtime = builder.enable_all().build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Without a thread of its own: for a client that one thread uses, which drives its
    /// connections whenever it waits, and has at hand what it waited for.
    pub(crate) fn here() -> io::Result<Self> {
        Self::build(&mut Builder::new_current_thread())
    }

    /// What runs in it.
    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits for an answer, looking now and then whether to stop.
    pub(crate) fn wait<T>(
        &self,
        monitor: &dyn Monitor,
        answer: impl Future<Output = T>,
    ) -> Result<T, Cancelled> {
        let answer = async {
            tokio::pin!(answer);
            loop {
                match timeout(TICK, &mut answer).await {
                    Ok(value) => return Ok(value),
                    Err(_) if monitor.is_cancelled() => return Err(Cancelled),
                    Err(_) => {}
                }
            }
        };
        match &self.runtime {
            Some(runtime) => runtime.block_on(answer),
            // It is only taken to be dropped.
            None => self.handle.block_on(answer),
        }
    }

    /// Waits for an answer, up to `limit`; nothing if it takes longer.
    pub(crate) fn wait_for<T>(
        &self,
        monitor: &dyn Monitor,
        limit: Duration,
        answer: impl Future<Output = T>,
    ) -> Result<Option<T>, Cancelled> {
        let answer = async { timeout(limit, answer).await.ok() };
        self.wait(monitor, answer)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
