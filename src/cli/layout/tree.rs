//! A layout for people: its folders as a tree, with what each slot asks for.

use dhfpack::layout::{Fill, Layout, Slot};

/// Narrow enough for any terminal and any printed page.
const WIDTH: usize = 80;

/// The layout as text.
pub(super) fn render(layout: &Layout) -> String {
    let mut text = String::new();
    wrap(&mut text, "", &format!("{}: {}", layout.name, layout.title));
    for paragraph in layout.description.split("\n\n") {
        if !paragraph.trim().is_empty() {
            text.push('\n');
            wrap(&mut text, "", paragraph);
        }
    }
    let roles: Vec<&str> = layout.roles.iter().map(|role| role.name.as_str()).collect();
    text.push_str("\nA release is signed by:\n");
    for role in roles {
        wrap(&mut text, "  ", role);
    }
    for top in Folder::tree(&layout.slots) {
        text.extend(["\n", top.name, "/\n"]);
        top.details(&mut text, "");
        top.children(&mut text, "");
    }
    text
}

/// A folder of the archive, with the slot that it is, if it is one.
#[derive(Default)]
struct Folder<'a> {
    name: &'a str,
    slot: Option<&'a Slot>,
    below: Vec<Folder<'a>>,
}

impl<'a> Folder<'a> {
    /// The folders at the top, in the layout's order.
    fn tree(slots: &'a [Slot]) -> Vec<Self> {
        let mut root = Self::default();
        for slot in slots {
            let mut folder = &mut root;
            for name in slot.folder.as_str().split('/') {
                folder = folder.child(name);
            }
            folder.slot = Some(slot);
        }
        root.below
    }

    fn child(&mut self, name: &'a str) -> &mut Self {
        let place = self.below.iter().position(|folder| folder.name == name);
        let place = place.unwrap_or_else(|| {
            self.below.push(Self {
                name,
                ..Self::default()
            });
            self.below.len() - 1
        });
        &mut self.below[place]
    }

    fn children(&self, text: &mut String, indent: &str) {
        let last = self.below.len().saturating_sub(1);
        for (place, folder) in self.below.iter().enumerate() {
            let (branch, trunk) = if place == last {
                ("└── ", "    ")
            } else {
                ("├── ", "│   ")
            };
            text.extend([indent, branch, folder.name, "/\n"]);
            let indent = format!("{indent}{trunk}");
            folder.details(text, &indent);
            folder.children(text, &indent);
        }
    }

    fn details(&self, text: &mut String, indent: &str) {
        let Some(slot) = self.slot else { return };
        let trunk = if self.below.is_empty() { "  " } else { "│ " };
        let indent = format!("{indent}{trunk}");
        let need = if slot.required {
            "required"
        } else {
            "optional"
        };
        wrap(text, &indent, &format!("{} ({})", slot.title, slot.id));
        wrap(text, &indent, &slot.help);
        wrap(text, &indent, &format!("{need}: {}", fills(slot)));
        wrap(text, &indent, &slot.citation());
    }
}

/// What may fill the slot, in words.
fn fills(slot: &Slot) -> String {
    let words: Vec<&str> = slot
        .fill
        .iter()
        .map(|fill| match fill {
            Fill::Git => "the git snapshot",
            Fill::Images => "the container images",
            Fill::Files => "files",
            Fill::Reference => "a reference with its digest",
            Fill::NotApplicable => "a reason why it does not apply",
        })
        .collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing may fill it".to_owned(),
    }
}

/// Adds `words` in lines of up to [`WIDTH`] columns, each after `indent`; nothing if there are none.
fn wrap(text: &mut String, indent: &str, words: &str) {
    let room = WIDTH.saturating_sub(indent.chars().count());
    let mut column = 0;
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if column == 0 {
            text.push_str(indent);
            column = length;
        } else if column + 1 + length > room {
            text.push('\n');
            text.push_str(indent);
            column = length;
        } else {
            text.push(' ');
            column += 1 + length;
        }
        text.push_str(word);
    }
    if column > 0 {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_before_the_margin() {
        let mut text = String::new();
        wrap(&mut text, "│ ", &"word\n ".repeat(40));
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(text.matches("word").count(), 40);
    }

    #[test]
    fn nothing_makes_no_line() {
        let mut text = String::new();
        wrap(&mut text, "  ", " \n");
        assert_eq!(text, "");
    }
}
