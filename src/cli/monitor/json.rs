//! Progress for programs: one JSON object per line.

use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use dhfpack::monitor::{TaskId, Unit};
use serde_json::{Value, json};

use crate::cli::escape;
use crate::cli::monitor::{Display, Lines, lock};

/// A few events per second show all that a person could see.
const INTERVAL: Duration = Duration::from_millis(250);

/// Events: `task` (id, name, total, unit), `advance` (id, done), `end` (id, done, seconds),
/// `notice` (text); a failure adds `error` as the last one.
pub(super) struct Json<W>(Mutex<Lines<W>>);

impl<W: Write> Json<W> {
    pub(super) fn new(writer: W) -> Self {
        Self(Lines::new(writer))
    }
}

impl<W: Write + Send> Display for Json<W> {
    fn began(&self, id: TaskId, name: &str, total: Option<u64>, unit: Unit) {
        let unit_name = match unit {
            Unit::Bytes => "bytes",
            Unit::Items => "items",
        };
        let mut lines = lock(&self.0);
        let number = lines.begin(id, name, total, unit).number;
        lines.event(&json!({
            "event": "task", "id": number, "name": name, "total": total, "unit": unit_name,
        }));
    }

    fn advanced(&self, id: TaskId, amount: u64) {
        let mut lines = lock(&self.0);
        if let Some(running) = lines.advance(id, amount, INTERVAL) {
            let event = json!({"event": "advance", "id": running.number, "done": running.done});
            lines.event(&event);
        }
    }

    fn ended(&self, id: TaskId) {
        let mut lines = lock(&self.0);
        if let Some(running) = lines.tasks.remove(&id) {
            lines.event(&json!({
                "event": "end", "id": running.number, "done": running.done,
                "seconds": running.began.elapsed().as_secs_f64(),
            }));
        }
    }

    fn notice(&self, text: &str) {
        lock(&self.0).event(&json!({"event": "notice", "text": text}));
    }
}

impl<W: Write> Lines<W> {
    fn event(&mut self, event: &Value) {
        let line = escape::json(&event.to_string());
        self.line(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::monitor::tests::{Log, monitor};
    use dhfpack::monitor::{Monitor, Task};

    #[test]
    fn every_line_is_an_event_and_advances_are_few() {
        let log = Log::default();
        let monitor = monitor(Json::new(log.clone()));
        let task = Task::begin(&monitor, "a\u{9b}\"b\n", Some(1000), Unit::Items);
        for _ in 0..1000 {
            task.advance(1).unwrap();
        }
        drop(task);
        monitor.notice("done");
        let text = log.text();
        assert!(!text.contains('\u{9b}'));
        let events: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(events.len() < 100, "{} events", events.len());
        assert_eq!(events[0]["name"], "a\u{9b}\"b\n");
        assert_eq!(events[0]["total"], 1000);
        let end = &events[events.len() - 2];
        assert_eq!((&end["event"], &end["done"]), (&json!("end"), &json!(1000)));
        assert_eq!(
            events[events.len() - 1],
            json!({"event": "notice", "text": "done"})
        );
    }
}
