//! What `[retention]` must satisfy.

use super::require_text;
use crate::config::Config;
use crate::toml_file::Step::{self, Key};
use crate::toml_file::{TomlError, TomlText};

const TABLE: Step<'_> = Key("retention");

/// Longer than any rule asks for: a slip of the pen that a lock could never take back.
const MOST_YEARS: u16 = 100;

/// Fails on the first entry that cannot be meant as it is written.
pub(super) fn check(config: &Config, text: &TomlText) -> Result<(), Box<TomlError>> {
    let Some(retention) = &config.retention else {
        return Ok(());
    };
    require_text(
        text,
        &[
            (vec![TABLE, Key("rule")], &retention.rule),
            (vec![TABLE, Key("trigger")], &retention.trigger),
        ],
    )?;
    if !(1..=MOST_YEARS).contains(&retention.minimum_years) {
        return Err(text.error(
            &[TABLE, Key("minimum_years")],
            format!(
                "archives are kept for 1 to {MOST_YEARS} years, not {}",
                retention.minimum_years
            ),
            Some(
                "write the least time that the rule asks for, in years from its trigger".to_owned(),
            ),
        ));
    }
    Ok(())
}
