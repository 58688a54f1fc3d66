//! Whether the layout has the slots that a configuration fills, and takes what fills them.

use crate::config::{Config, SlotConfig};
use crate::layout::{Fill, Layout, Slot};
use crate::toml_file::{Step, TomlError, TomlText, closest};

/// Fails on the first slot that the layout does not know, or that is filled in a way that it does
/// not allow.
pub(super) fn slots(
    config: &Config,
    text: &TomlText,
    layout: &Layout,
) -> Result<(), Box<TomlError>> {
    for (index, entry) in config.slots.iter().enumerate() {
        let at = |key| [Step::Key("slot"), Step::Index(index), Step::Key(key)];
        let Some(slot) = layout.slot(&entry.id) else {
            let message = format!("the layout {} has no slot `{}`", layout.name, entry.id);
            let known = layout.slots.iter().map(|slot| slot.id.as_str());
            let help = match closest(&entry.id, known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => see(layout),
            };
            return Err(text.error(&at("id"), message, Some(help)));
        };
        for (fill, key) in ways(entry) {
            if !slot.fill.contains(&fill) {
                let message = format!(
                    "slot `{}` ({}) cannot be filled by `{key}` in the layout {}",
                    entry.id, slot.title, layout.name
                );
                return Err(text.error(&at(key), message, Some(allowed(slot, layout))));
            }
        }
        if slot.fill.contains(&Fill::Images) && entry.files.is_empty() && !config.images.is_empty()
        {
            return Err(text.error(
                &at("id"),
                format!("slot `{}` is filled by [[image]] and by [[slot]]", slot.id),
                Some("keep one of them".to_owned()),
            ));
        }
    }
    let takes_images = |slot: &Slot| slot.fill.contains(&Fill::Images);
    if !config.images.is_empty() && !layout.slots.iter().any(takes_images) {
        return Err(text.error(
            &[Step::Key("image"), Step::Index(0), Step::Key("name")],
            format!("the layout {} has no slot for images", layout.name),
            Some("take [[image]] out, or choose another layout".to_owned()),
        ));
    }
    Ok(())
}

fn ways(entry: &SlotConfig) -> impl Iterator<Item = (Fill, &'static str)> {
    [
        (!entry.files.is_empty(), (Fill::Files, "files")),
        (entry.reference.is_some(), (Fill::Reference, "reference")),
        (
            entry.not_applicable.is_some(),
            (Fill::NotApplicable, "not_applicable"),
        ),
    ]
    .into_iter()
    .filter_map(|(used, way)| used.then_some(way))
}

fn allowed(slot: &Slot, layout: &Layout) -> String {
    let ways: Vec<&str> = slot
        .fill
        .iter()
        .map(|fill| match fill {
            Fill::Git => "the git snapshot, which needs no entry",
            Fill::Images => "[[image]]",
            Fill::Files => "`files`",
            Fill::Reference => "`reference`",
            Fill::NotApplicable => "`not_applicable`",
        })
        .collect();
    format!("it takes {}; {}", ways.join(" or "), see(layout))
}

fn see(layout: &Layout) -> String {
    format!(
        "`dhfpack layout show {}` prints every slot and what may fill it",
        layout.name
    )
}
