//! How long an archive is to be kept, as its manifest records it.

use serde::{Deserialize, Serialize};

use crate::config::RetentionConfig;

/// The rule that an archive is kept by (IEC 62304 5.8.7, ISO 13485:2016 4.2.5). There is no end
/// in it: on the day of a release, the event that the time counts from lies ahead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionRule {
    /// The rule that asks for it, as in "MDR Art. 10(8)".
    pub rule: String,
    /// The event from which the time counts, as in "last device placed on the market".
    pub trigger: String,
    /// The least time in years, from that event.
    pub minimum_years: u16,
}

impl RetentionRule {
    /// The rule as configured. How a store locks the archive is no part of it.
    pub fn of(config: &RetentionConfig) -> Self {
        Self {
            rule: config.rule.clone(),
            trigger: config.trigger.clone(),
            minimum_years: config.minimum_years,
        }
    }
}
