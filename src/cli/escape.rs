//! Text from files, archives and repositories, made safe for a terminal.
//!
//! A name may hold escape sequences that move the cursor or recolour what stands there, and
//! characters that reverse or hide text. None of these reaches a terminal.

use std::fmt::Write;

use dhfpack::path::is_invisible;

fn is_unsafe(character: char) -> bool {
    character.is_control() || is_invisible(character)
}

/// One line: everything unsafe, line breaks included, is written as `\u{…}`.
pub(crate) fn line(text: &str) -> String {
    escaped(text, |_| false)
}

/// Several lines: line breaks and tabs stay, everything else unsafe is written as `\u{…}`.
pub(crate) fn lines(text: &str) -> String {
    escaped(text, |character| matches!(character, '\n' | '\t'))
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) && !keep(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// The same text with `?` for each byte of what is unsafe: places in it stay the same.
pub(crate) fn in_place(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let ends_line = character == '\r' && characters.peek() == Some(&'\n');
        if is_unsafe(character) && !matches!(character, '\n' | '\t') && !ends_line {
            safe.extend(std::iter::repeat_n('?', character.len_utf8()));
        } else {
            safe.push(character);
        }
    }
    safe
}

/// JSON with what is unsafe as `\uXXXX`, which means the same: such characters can stand
/// nowhere but inside its strings. Line breaks between its elements stay.
pub(crate) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a `String` cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{202e}b\u{9b}\nc";

    #[test]
    fn no_control_character_passes() {
        assert_eq!(line(HOSTILE), "a\\u{1b}[2J\\u{202e}b\\u{9b}\\u{a}c");
        assert_eq!(lines(HOSTILE), "a\\u{1b}[2J\\u{202e}b\\u{9b}\nc");
        assert_eq!(in_place(HOSTILE), "a?[2J???b??\nc");
        assert_eq!(in_place(HOSTILE).len(), HOSTILE.len());
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in [
            "Entwürfe/Änderungen.pdf",
            "it's \"1 \\ 2\"",
            "हिन्दी",
            "日本語",
        ] {
            assert_eq!(line(text), text);
        }
        assert_eq!(in_place("a\tb\r\n"), "a\tb\r\n");
    }

    #[test]
    fn escaped_json_means_the_same() {
        let written = serde_json::to_string(HOSTILE).unwrap();
        let safe = json(&written);
        assert!(!safe.chars().any(is_unsafe), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), HOSTILE);
    }
}
