//! Progress bars for a terminal.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use dhfpack::monitor::{TaskId, Unit};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::escape;
use crate::cli::monitor::{Display, lock, note, write_line};

/// So that a step that waits for something still looks alive.
const TICK: Duration = Duration::from_millis(200);

pub(super) struct Bars {
    all: MultiProgress,
    running: Mutex<HashMap<TaskId, ProgressBar>>,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            running: Mutex::default(),
        }
    }

    /// False where standard error is no terminal, or one that cannot move its cursor.
    pub(super) fn can_be_seen(&self) -> bool {
        !self.all.is_hidden()
    }
}

impl Display for Bars {
    fn began(&self, id: TaskId, name: &str, total: Option<u64>, unit: Unit) {
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        let bar = self.all.add(
            bar.with_style(style(total.is_some(), unit))
                .with_message(escape::line(name)),
        );
        bar.enable_steady_tick(TICK);
        lock(&self.running).insert(id, bar);
    }

    fn advanced(&self, id: TaskId, amount: u64) {
        if let Some(bar) = lock(&self.running).get(&id) {
            bar.inc(amount);
        }
    }

    fn ended(&self, id: TaskId) {
        let bar = lock(&self.running).remove(&id);
        if let Some(bar) = bar {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    fn notice(&self, text: &str) {
        self.all
            .suspend(|| write_line(&mut io::stderr(), &note(text)));
    }
}

fn style(has_total: bool, unit: Unit) -> ProgressStyle {
    // A test reads every template.
    ProgressStyle::with_template(template(has_total, unit))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn template(has_total: bool, unit: Unit) -> &'static str {
    match (has_total, unit) {
        (true, Unit::Bytes) => {
            "{wide_msg} {bar:16} {bytes:>10} of {total_bytes:>10} {bytes_per_sec:>12} {eta:>4}"
        }
        (true, Unit::Items) => "{wide_msg} {bar:16} {human_pos:>9} of {human_len:>9} {eta:>4}",
        (false, Unit::Bytes) => "{spinner} {wide_msg} {bytes:>10} {bytes_per_sec:>12} {elapsed:>4}",
        (false, Unit::Items) => "{spinner} {wide_msg} {human_pos:>9} {elapsed:>4}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::monitor::tests::{Log, monitor};
    use dhfpack::monitor::Task;
    use indicatif::TermLike;
    use std::io::Write;

    /// Keeps what is drawn; where it is drawn does not matter here.
    impl TermLike for Log {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.clone().write_all(text.as_bytes())
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.clone().write_all(text.as_bytes())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_bar_shows_name_amount_and_total() {
        let screen = Log::default();
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let monitor = monitor(Bars {
            all: MultiProgress::with_draw_target(target),
            running: Mutex::default(),
        });
        let counted = Task::begin(&monitor, "Exporting\u{1b}c", Some(4 << 20), Unit::Bytes);
        let open = Task::begin(&monitor, "Waiting", None, Unit::Items);
        counted.advance(1 << 20).unwrap();
        std::thread::sleep(TICK * 3);
        drop((counted, open));
        let text = screen.text();
        for part in ["Exporting\\u{1b}c", "1.00 MiB of   4.00 MiB", "Waiting"] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }

    #[test]
    fn every_template_can_be_read() {
        for has_total in [true, false] {
            for unit in [Unit::Bytes, Unit::Items] {
                let template = template(has_total, unit);
                assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
            }
        }
    }
}
