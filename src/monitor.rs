//! How the library tells what it is doing, and how it is asked to stop.
//!
//! The library never prints. A workflow is handed a [`Monitor`]; the terminal's
//! implementations live in the binary, a silent and a recording one live here.

use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::Cancelled;

/// What a task's progress counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes read or written.
    Bytes,
    /// Files, objects or other things handled.
    Items,
}

/// Identifies one running task; unique within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(u64);

/// Receives progress and notices; may be called from several threads at once.
pub trait Monitor: Send + Sync {
    /// A task begins. `total` is in `unit`s, where it is known beforehand.
    fn task_began(&self, id: TaskId, name: &str, total: Option<u64>, unit: Unit);
    /// A task moved on by `amount` units.
    fn task_advanced(&self, id: TaskId, amount: u64);
    /// A task ended, well or not.
    fn task_ended(&self, id: TaskId);
    /// Something the user should know that is no failure.
    fn notice(&self, text: &str);
    /// True once the program has been asked to stop.
    fn is_cancelled(&self) -> bool;
}

/// A running task. Ends when dropped.
pub struct Task<'a> {
    monitor: &'a dyn Monitor,
    id: TaskId,
}

impl<'a> Task<'a> {
    /// Begins a task and tells the monitor.
    pub fn begin(monitor: &'a dyn Monitor, name: &str, total: Option<u64>, unit: Unit) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = TaskId(NEXT.fetch_add(1, Ordering::Relaxed));
        monitor.task_began(id, name, total, unit);
        Self { monitor, id }
    }

    /// Whom the task reports to.
    pub fn monitor(&self) -> &'a dyn Monitor {
        self.monitor
    }

    /// Moves the task on. Fails with [`Cancelled`] once a stop was asked for,
    /// so that every loop that reports progress can also be stopped.
    pub fn advance(&self, amount: u64) -> Result<(), Cancelled> {
        self.monitor.task_advanced(self.id, amount);
        if self.monitor.is_cancelled() {
            return Err(Cancelled);
        }
        Ok(())
    }

    /// A reader that counts what passes as this task's progress, and breaks off with
    /// [`Cancelled`] inside its error on a stop.
    pub fn reader<R: Read>(&self, inner: R) -> TaskReader<'_, 'a, R> {
        TaskReader { task: self, inner }
    }

    /// A writer that counts what passes, and breaks off like [`Task::reader`].
    pub fn writer<W: Write>(&self, inner: W) -> TaskWriter<'_, 'a, W> {
        TaskWriter { task: self, inner }
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.monitor.task_ended(self.id);
    }
}

/// See [`Task::reader`].
pub struct TaskReader<'t, 'a, R> {
    task: &'t Task<'a>,
    inner: R,
}

impl<R: Read> Read for TaskReader<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.task.advance(count as u64).map_err(io::Error::other)?;
        Ok(count)
    }
}

/// See [`Task::writer`].
pub struct TaskWriter<'t, 'a, W> {
    task: &'t Task<'a>,
    inner: W,
}

impl<W: Write> Write for TaskWriter<'_, '_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(data)?;
        self.task.advance(count as u64).map_err(io::Error::other)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A monitor for work that is done in several threads: once one of them failed, all are asked
/// to stop.
pub struct Linked<'a> {
    inner: &'a dyn Monitor,
    failed: AtomicBool,
}

impl<'a> Linked<'a> {
    /// Links threads that report to `inner`.
    pub fn new(inner: &'a dyn Monitor) -> Self {
        Self {
            inner,
            failed: AtomicBool::new(false),
        }
    }

    /// Asks all threads to stop.
    pub fn stop(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }
}

impl Monitor for Linked<'_> {
    fn task_began(&self, id: TaskId, name: &str, total: Option<u64>, unit: Unit) {
        self.inner.task_began(id, name, total, unit);
    }
    fn task_advanced(&self, id: TaskId, amount: u64) {
        self.inner.task_advanced(id, amount);
    }
    fn task_ended(&self, id: TaskId) {
        self.inner.task_ended(id);
    }
    fn notice(&self, text: &str) {
        self.inner.notice(text);
    }
    fn is_cancelled(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.inner.is_cancelled()
    }
}

/// Discards everything and never asks to stop.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Monitor for Silent {
    fn task_began(&self, _: TaskId, _: &str, _: Option<u64>, _: Unit) {}
    fn task_advanced(&self, _: TaskId, _: u64) {}
    fn task_ended(&self, _: TaskId) {}
    fn notice(&self, _: &str) {}
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Keeps notices, for tests and for callers that report later.
#[derive(Debug, Default)]
pub struct Recording {
    notices: Mutex<Vec<String>>,
    cancelled: AtomicBool,
}

impl Recording {
    /// The notices so far, in order.
    pub fn notices(&self) -> Vec<String> {
        lock(&self.notices).clone()
    }

    /// Asks every task to stop.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl Monitor for Recording {
    fn task_began(&self, _: TaskId, _: &str, _: Option<u64>, _: Unit) {}
    fn task_advanced(&self, _: TaskId, _: u64) {}
    fn task_ended(&self, _: TaskId) {}
    fn notice(&self, text: &str) {
        lock(&self.notices).push(text.to_owned());
    }
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// A list of strings stays usable even if another thread panicked while it held the lock.
fn lock(list: &Mutex<Vec<String>>) -> std::sync::MutexGuard<'_, Vec<String>> {
    list.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
