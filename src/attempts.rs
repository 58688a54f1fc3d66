//! Trying again what may go well the next time: a few times, ever more slowly, and not for ever.

use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::error::Cancelled;
use crate::monitor::Monitor;

/// How often something is tried.
const MOST: u32 = 5;
/// About how long the first pause is; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest that a service may ask to wait.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How long after the first failure no new attempt begins.
const DEADLINE: Duration = Duration::from_mins(10);
/// How often a pause looks whether it should stop.
const TICK: Duration = Duration::from_millis(50);

/// Counts the attempts at one thing.
pub(crate) struct Attempts {
    failed: u32,
    first_failure: Option<Instant>,
    most: u32,
}

impl Attempts {
    pub(crate) const fn new() -> Self {
        Self {
            failed: 0,
            first_failure: None,
            most: MOST,
        }
    }

    /// For what is not there at all more often than it fails.
    pub(crate) const fn once() -> Self {
        Self {
            failed: 0,
            first_failure: None,
            most: 1,
        }
    }

    /// Forgets past failures: something worked since.
    pub(crate) const fn reset(&mut self) {
        self.failed = 0;
        self.first_failure = None;
    }

    /// After a failure: how long to pause before the next attempt, or none if there is no next.
    /// `asked` is what the service asks for.
    pub(crate) fn pause(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let first = *self.first_failure.get_or_insert_with(Instant::now);
        self.failed += 1;
        if self.failed >= self.most {
            return None;
        }
        let pause = asked.unwrap_or_else(|| jitter(FIRST_PAUSE * 2_u32.pow(self.failed - 1)));
        let is_too_long = pause > LONGEST_PAUSE || first.elapsed() + pause > DEADLINE;
        (!is_too_long).then_some(pause)
    }
}

/// Between the whole pause and half as much again, so that many who failed together do not all
/// come back together.
pub(crate) fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 512;
    pause + pause.mul_f64(f64::from(u16::try_from(random).unwrap_or(0)) / 1024.0)
}

/// How long the service asks to wait, in seconds or until a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    let until = SystemTime::from(until);
    // A date that has passed asks for no pause at all.
    Some(until.duration_since(now).unwrap_or_default())
}

/// Pauses, unless it is asked to stop.
pub(crate) fn sleep(pause: Duration, monitor: &dyn Monitor) -> Result<(), Cancelled> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        // 1994-11-06T08:49:00Z
        let now = SystemTime::UNIX_EPOCH + Duration::from_mins(13_068_529);
        retry_after(&headers, now)
    }

    #[test]
    fn a_service_asks_to_wait_in_seconds_or_until_a_date() {
        assert_eq!(asked("3"), Some(Duration::from_secs(3)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(asked(date), Some(Duration::from_secs(37)));
        let past = "Sun, 06 Nov 1994 08:48:37 GMT";
        assert_eq!(asked(past), Some(Duration::ZERO));
        for nonsense in ["", "-1", "soon", "99999999999999999999999"] {
            assert_eq!(asked(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn attempts_end_after_a_few_and_when_asked_to_wait_too_long() {
        let mut attempts = Attempts::new();
        let pauses: Vec<_> = std::iter::from_fn(|| attempts.pause(None)).collect();
        assert_eq!(pauses.len(), 4);
        for (index, pause) in pauses.iter().enumerate() {
            let least = FIRST_PAUSE * (1 << index);
            assert!((least..=least * 3 / 2).contains(pause), "{pause:?}");
        }
        let mut attempts = Attempts::new();
        let asked = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(attempts.pause(asked(60)), asked(60));
        assert_eq!(attempts.pause(asked(61)), None);
        assert_eq!(Attempts::once().pause(None), None);
    }
}
