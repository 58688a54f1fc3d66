//! What a configuration's slots must satisfy, whatever the layout.

use crate::config::{Config, SlotConfig};
use crate::toml_file::Step::{self, Index, Key};
use crate::toml_file::{TomlError, TomlText, closest};

/// Fails on the first slot that cannot be meant as it is written.
pub(super) fn check(config: &Config, text: &TomlText) -> Result<(), Box<TomlError>> {
    for (index, slot) in config.slots.iter().enumerate() {
        let mut earlier = config.slots.iter().take(index);
        if earlier.any(|earlier| earlier.id == slot.id) {
            return Err(text.error(
                &[Key("slot"), Index(index), Key("id")],
                format!("slot `{}` is filled twice", slot.id),
                Some("put all of its globs into one `files` list".to_owned()),
            ));
        }
        check_way(text, index, slot)?;
        check_names(text, index, slot, config)?;
    }
    Ok(())
}

/// Filled in one way, and that one in full.
fn check_way(text: &TomlText, index: usize, slot: &SlotConfig) -> Result<(), Box<TomlError>> {
    let ways = usize::from(!slot.files.is_empty())
        + usize::from(slot.reference.is_some())
        + usize::from(slot.not_applicable.is_some());
    if ways != 1 {
        return Err(text.error(
            &[Key("slot"), Index(index), Key("id")],
            format!(
                "slot `{}` must be filled in exactly one way; here there are {ways}",
                slot.id
            ),
            Some("give one of `files`, `reference` and `not_applicable`".to_owned()),
        ));
    }
    let reason = slot.not_applicable.as_deref();
    if reason.is_some_and(|reason| reason.trim().is_empty()) {
        return Err(text.error(
            &[Key("slot"), Index(index), Key("not_applicable")],
            format!(
                "slot `{}` is called not applicable without a reason",
                slot.id
            ),
            Some("write why it does not apply to this release; the archive shows it".to_owned()),
        ));
    }
    let Some(reference) = &slot.reference else {
        return Ok(());
    };
    for (key, value) in [
        ("location", &reference.location),
        ("revision", &reference.revision),
    ] {
        if value.trim().is_empty() {
            return Err(text.error(
                &[Key("slot"), Index(index), Key("reference"), Key(key)],
                format!("slot `{}` refers to a document without its {key}", slot.id),
                Some("a reference has to find one document years later".to_owned()),
            ));
        }
    }
    Ok(())
}

/// Folders and repositories named before a colon.
fn check_names(
    text: &TomlText,
    index: usize,
    slot: &SlotConfig,
    config: &Config,
) -> Result<(), Box<TomlError>> {
    for (number, pattern) in slot.files.iter().enumerate() {
        let at = [Key("slot"), Index(index), Key("files"), Index(number)];
        check_place(config, text, pattern, &at)?;
    }
    Ok(())
}

/// The folder or repository named before the colon of a glob, if one is.
pub(super) fn check_place(
    config: &Config,
    text: &TomlText,
    pattern: &str,
    at: &[Step<'_>],
) -> Result<(), Box<TomlError>> {
    let Some((name, _)) = pattern.split_once(':') else {
        return Ok(());
    };
    let folders = config.folders.iter().map(|folder| folder.name.as_str());
    let repositories = config.repositories.iter();
    let known = folders.chain(repositories.map(|repository| repository.name.as_str()));
    if known.clone().any(|known| known == name) {
        return Ok(());
    }
    let help = match closest(name, known) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("add a [[folder]] or [[repository]] with name = \"{name}\""),
    };
    let message = format!("no folder or repository is named `{name}`");
    Err(text.error(at, message, Some(help)))
}
