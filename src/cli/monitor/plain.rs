//! Progress for a log: a line when a step begins, one when it ends, no cursor movements.

use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use dhfpack::monitor::{TaskId, Unit};
use indicatif::HumanBytes;

use crate::cli::monitor::{Display, Lines, Running, lock, note};

/// CI systems end jobs that print nothing for some minutes, so a long step says where it is.
const SIGN_OF_LIFE: Duration = Duration::from_mins(1);

pub(super) struct Plain<W>(Mutex<Lines<W>>);

impl<W: Write> Plain<W> {
    pub(super) fn new(writer: W) -> Self {
        Self(Lines::new(writer))
    }
}

impl<W: Write + Send> Display for Plain<W> {
    fn began(&self, id: TaskId, name: &str, total: Option<u64>, unit: Unit) {
        let mut lines = lock(&self.0);
        let running = lines.begin(id, name, total, unit);
        let line = match total {
            Some(total) => format!("{}: begins, {}", running.name, amount(total, unit)),
            None => format!("{}: begins", running.name),
        };
        lines.line(&line);
    }

    fn advanced(&self, id: TaskId, amount: u64) {
        let mut lines = lock(&self.0);
        if let Some(running) = lines.advance(id, amount, SIGN_OF_LIFE) {
            let line = format!("{}: {} so far", running.name, so_far(running));
            lines.line(&line);
        }
    }

    fn ended(&self, id: TaskId) {
        let mut lines = lock(&self.0);
        if let Some(running) = lines.tasks.remove(&id) {
            let seconds = running.began.elapsed().as_secs_f64();
            let line = format!(
                "{}: ended, {} in {seconds:.1} s",
                running.name,
                so_far(&running)
            );
            lines.line(&line);
        }
    }

    fn notice(&self, text: &str) {
        lock(&self.0).line(&note(text));
    }
}

/// A step that ends early was stopped or failed: then the total is worth a word.
fn so_far(running: &Running) -> String {
    let done = amount(running.done, running.unit);
    match running.total {
        Some(total) if total != running.done => {
            format!("{done} of {}", amount(total, running.unit))
        }
        _ => done,
    }
}

fn amount(count: u64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => HumanBytes(count).to_string(),
        Unit::Items => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::monitor::tests::{Log, monitor};
    use dhfpack::monitor::{Monitor, Task};

    #[test]
    fn a_step_is_two_lines_whatever_its_name() {
        let log = Log::default();
        let monitor = monitor(Plain::new(log.clone()));
        let task = Task::begin(
            &monitor,
            "Hashing a\u{1b}[2J\nb",
            Some(3 << 20),
            Unit::Bytes,
        );
        for _ in 0..4 {
            task.advance(1 << 19).unwrap();
        }
        drop(task);
        let text = log.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0], "Hashing a\\u{1b}[2J\\u{a}b: begins, 3.00 MiB");
        assert!(
            lines[1].contains("b: ended, 2.00 MiB of 3.00 MiB in 0."),
            "{text}"
        );
    }

    #[test]
    fn notes_and_steps_without_a_total_are_lines_too() {
        let log = Log::default();
        let monitor = monitor(Plain::new(log.clone()));
        let task = Task::begin(&monitor, "Reading", None, Unit::Items);
        monitor.notice("the tag\ris lightweight");
        task.advance(7).unwrap();
        drop(task);
        let text = log.text();
        assert!(
            text.starts_with(
                "Reading: begins\nnote: the tag\\u{d}is lightweight\nReading: ended, 7 in "
            ),
            "{text}"
        );
    }
}
