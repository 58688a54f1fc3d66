//! Which part of an estate a job looks at.

use std::str::FromStr;

use dhfpack::shard::{NotAShard, Shard};
use thiserror::Error;

/// The completion index of a Kubernetes indexed Job, from 0.
const KUBERNETES: &str = "JOB_COMPLETION_INDEX";
/// The index, from 1, and the number of jobs under GitLab's `parallel:`.
const GITLAB: [&str; 2] = ["CI_NODE_INDEX", "CI_NODE_TOTAL"];

/// A part as the command line names it. That a scheduler runs several jobs does not say that they
/// share this work, so its variables are read only on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShardArg(pub(crate) Shard);

/// Text that names no part.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum ShardError {
    /// Neither a part nor a request to read one.
    #[error("{0}; or `auto` under GitLab's parallel:, `auto/N` in a Kubernetes indexed Job")]
    Form(#[from] NotAShard),
    /// A scheduler did not say which part.
    #[error("{0} is not set to a number that fits")]
    Variable(&'static str),
}

impl FromStr for ShardArg {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        parse(text, |name| std::env::var(name).ok()).map(Self)
    }
}

fn parse(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Shard, ShardError> {
    match text.split_once('/') {
        None if text == "auto" => {
            let [index, total] = GITLAB.map(|name| variable(name).unwrap_or_default());
            let shard = format!("{index}/{total}").parse();
            shard.map_err(|_| ShardError::Variable(GITLAB[0]))
        }
        Some(("auto", count)) => {
            let index = variable(KUBERNETES).and_then(|index| index.parse::<u32>().ok());
            let index = index.and_then(|index| index.checked_add(1));
            let index = index.ok_or(ShardError::Variable(KUBERNETES))?;
            let shard = format!("{index}/{count}").parse();
            shard.map_err(|_| ShardError::Variable(KUBERNETES))
        }
        _ => Ok(text.parse()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str) -> Option<String> {
        let value = match name {
            KUBERNETES => "0",
            "CI_NODE_INDEX" => "2",
            "CI_NODE_TOTAL" => "3",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn a_scheduler_s_variables_say_which_part() {
        for (text, shard) in [("2/8", "2/8"), ("auto", "2/3"), ("auto/4", "1/4")] {
            assert_eq!(parse(text, set).unwrap(), shard.parse().unwrap(), "{text}");
        }
        for text in ["auto", "auto/4"] {
            let unset = parse(text, |_| None);
            assert!(matches!(unset, Err(ShardError::Variable(_))), "{text}");
        }
        for text in ["", "0/2", "auto/x/y"] {
            assert!(parse(text, set).is_err(), "{text}");
        }
    }
}
