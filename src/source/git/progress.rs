//! What git tells of its progress, on its standard error.

/// Counts what git says that it handled, over all its phases.
#[derive(Debug, Default)]
pub(super) struct Progress {
    phase: String,
    handled: u64,
}

impl Progress {
    /// How much git handled more, by the end of what it `said` so far.
    pub(super) fn since(&mut self, said: &str) -> u64 {
        // What comes after the last of these is not a whole line.
        let mut lines = said.rsplit(['\r', '\n']).skip(1);
        let Some((phase, handled)) = lines.find_map(parse) else {
            return 0;
        };
        if phase != self.phase {
            phase.clone_into(&mut self.phase);
            self.handled = 0;
        }
        let more = handled.saturating_sub(self.handled);
        self.handled += more;
        more
    }
}

/// Whether a line is no message, but only tells how far git has come.
pub(super) fn is_progress(line: &str) -> bool {
    parse(line).is_some()
}

/// The phase and how many objects it handled: "Enumerating objects: 12",
/// "Compressing objects:  50% (3/6)".
fn parse(line: &str) -> Option<(&str, u64)> {
    let (phase, rest) = line.split_once(':')?;
    if !phase.ends_with(" objects") {
        return None;
    }
    let count = rest.split_once('(').map_or(rest, |(_, count)| count);
    let count = count.trim_start();
    let end = count
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(count.len());
    Some((phase, count[..end].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_counted_over_all_phases() {
        let mut progress = Progress::default();
        assert_eq!(progress.since("Enumerating objects: 7"), 0);
        assert_eq!(progress.since("Enumerating objects: 7\rEnumer"), 7);
        let mut said =
            "Enumerating objects: 12, done.\nCompressing objects:  50% (3/6)\r".to_owned();
        assert_eq!(progress.since(&said), 3);
        said.push_str("Compressing objects: 100% (6/6)\rCompressing objects: 100% (6/6), done.\n");
        assert_eq!(progress.since(&said), 3);
        assert_eq!(progress.since(&said), 0);
        assert_eq!(progress.since("Compressing objects:  16% (1/6)\r"), 0);
    }

    #[test]
    fn messages_are_no_progress() {
        for line in [
            "fatal: 12 objects are missing",
            "error: 5",
            "fatal: bad objects: none",
            "Total 6 (delta 1), reused 0 (delta 0), pack-reused 0",
            "",
        ] {
            assert!(!is_progress(line), "{line}");
        }
        assert!(is_progress("Counting objects: 100% (6/6), done."));
    }
}
