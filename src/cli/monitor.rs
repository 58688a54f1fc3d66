//! Progress and notes on standard error: bars, plain lines, JSON, or nothing.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use dhfpack::monitor::{Monitor, TaskId, Unit};

use crate::cli::escape;

mod bars;
mod json;
mod plain;
mod stop;

pub(crate) use stop::Stop;

use bars::Bars;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// Bars on a terminal, plain lines elsewhere
    Auto,
    /// Bars with amount, rate and time left
    Bar,
    /// A line when a step begins and one when it ends
    Plain,
    /// JSON, one event per line
    Json,
    /// No progress; notes and errors only
    None,
}

/// One way to show progress. May be called from several threads at once.
trait Display: Send + Sync {
    fn began(&self, id: TaskId, name: &str, total: Option<u64>, unit: Unit);
    fn advanced(&self, id: TaskId, amount: u64);
    fn ended(&self, id: TaskId);
    fn notice(&self, text: &str);
}

/// The program's monitor: shows what the library tells, and passes a stop on to it.
pub(crate) struct TerminalMonitor {
    display: Box<dyn Display>,
    stop: Stop,
}

impl TerminalMonitor {
    /// A monitor that shows progress as asked for.
    pub(crate) fn new(progress: Progress, quiet: bool, stop: Stop) -> Self {
        let bars = Bars::new();
        let display: Box<dyn Display> = match progress {
            _ if quiet => Box::new(Quiet),
            Progress::Auto if bars.can_be_seen() => Box::new(bars),
            Progress::Bar => Box::new(bars),
            Progress::Auto | Progress::Plain => Box::new(plain::Plain::new(io::stderr())),
            Progress::Json => Box::new(json::Json::new(io::stderr())),
            Progress::None => Box::new(NoticesOnly),
        };
        Self { display, stop }
    }
}

impl Monitor for TerminalMonitor {
    fn task_began(&self, id: TaskId, name: &str, total: Option<u64>, unit: Unit) {
        self.display.began(id, name, total, unit);
    }
    fn task_advanced(&self, id: TaskId, amount: u64) {
        self.display.advanced(id, amount);
    }
    fn task_ended(&self, id: TaskId) {
        self.display.ended(id);
    }
    fn notice(&self, text: &str) {
        self.display.notice(text);
    }
    fn is_cancelled(&self) -> bool {
        self.stop.is_requested()
    }
}

struct Quiet;

impl Display for Quiet {
    fn began(&self, _: TaskId, _: &str, _: Option<u64>, _: Unit) {}
    fn advanced(&self, _: TaskId, _: u64) {}
    fn ended(&self, _: TaskId) {}
    fn notice(&self, _: &str) {}
}

struct NoticesOnly;

impl Display for NoticesOnly {
    fn began(&self, _: TaskId, _: &str, _: Option<u64>, _: Unit) {}
    fn advanced(&self, _: TaskId, _: u64) {}
    fn ended(&self, _: TaskId) {}
    fn notice(&self, text: &str) {
        write_line(&mut io::stderr(), &note(text));
    }
}

/// A note's line.
fn note(text: &str) -> String {
    format!("note: {}", escape::line(text))
}

/// Writes a line in one piece. Progress that cannot be written is no reason to stop working.
fn write_line(writer: &mut impl Write, line: &str) {
    let _ = writer.write_all(format!("{line}\n").as_bytes());
}

/// A running task, as the displays made of lines keep it.
struct Running {
    /// Counts the tasks of this run, from 1.
    number: u64,
    name: String,
    total: Option<u64>,
    unit: Unit,
    done: u64,
    began: Instant,
    last_line: Instant,
}

impl Running {
    /// True if the last line about this task is at least `interval` old; if so, it is new now.
    fn is_due(&mut self, interval: Duration) -> bool {
        let now = Instant::now();
        let due = now.duration_since(self.last_line) >= interval;
        if due {
            self.last_line = now;
        }
        due
    }
}

/// Where lines go, and the tasks they are about.
struct Lines<W> {
    writer: W,
    tasks: BTreeMap<TaskId, Running>,
    begun: u64,
}

impl<W: Write> Lines<W> {
    fn new(writer: W) -> Mutex<Self> {
        Mutex::new(Self {
            writer,
            tasks: BTreeMap::new(),
            begun: 0,
        })
    }

    fn begin(&mut self, id: TaskId, name: &str, total: Option<u64>, unit: Unit) -> &Running {
        self.begun += 1;
        let now = Instant::now();
        let running = Running {
            number: self.begun,
            name: escape::line(name),
            total,
            unit,
            done: 0,
            began: now,
            last_line: now,
        };
        self.tasks.entry(id).insert_entry(running).into_mut()
    }

    /// Adds to what is done; gives the task back if a line about it is due.
    fn advance(&mut self, id: TaskId, amount: u64, interval: Duration) -> Option<&Running> {
        let running = self.tasks.get_mut(&id)?;
        running.done = running.done.saturating_add(amount);
        running.is_due(interval).then_some(running)
    }

    fn line(&mut self, line: &str) {
        write_line(&mut self.writer, line);
    }
}

/// Progress stays usable even if another thread panicked while it held the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// A writer whose text a test can read.
    #[derive(Clone, Debug, Default)]
    pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        pub(super) fn text(&self) -> String {
            String::from_utf8(lock(&self.0).clone()).unwrap()
        }
    }

    impl Write for Log {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            lock(&self.0).write(data)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Hands a display on to the library's tasks.
    pub(super) fn monitor(display: impl Display + 'static) -> TerminalMonitor {
        TerminalMonitor {
            display: Box::new(display),
            stop: Stop::default(),
        }
    }
}
