//! What a configuration's products registry must satisfy.

use super::{git_file, require_text};
use crate::config::Config;
use crate::toml_file::Step::{self, Key};
use crate::toml_file::{TomlError, TomlText};

const TABLE: Step<'_> = Key("registry");

/// Fails on the first entry that cannot be meant as it is written.
pub(super) fn check(config: &Config, text: &TomlText) -> Result<(), Box<TomlError>> {
    let Some(registry) = &config.registry else {
        return Ok(());
    };
    let mut texts = vec![(vec![TABLE, Key("phase")], &registry.phase)];
    texts.extend(registry.to.iter().map(|to| (vec![TABLE, Key("to")], to)));
    require_text(text, &texts)?;
    match &registry.markdown {
        Some(file) => git_file::check(file, text, &[TABLE, Key("markdown")]),
        None => Ok(()),
    }
}
