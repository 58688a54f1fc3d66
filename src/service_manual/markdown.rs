//! Texts of people in a Markdown document: shown as they are written, and nothing else.

use std::fmt::Write;

use crate::path::is_invisible;

/// What means something in `CommonMark` or in GitHub's dialect, wherever it stands.
const SPECIAL: &str = "\\`*_[]<>&|~#$";
/// What means something at the beginning of a paragraph.
const LEADING: &str = "-+=";

/// A text as one line of Markdown that shows exactly its words: no markup, no link, no HTML, no
/// marker of ours. White space becomes single spaces; what cannot be seen is shown by number.
pub(super) fn text(written: &str) -> String {
    let mut shown = String::with_capacity(written.len());
    for word in written.split_whitespace() {
        if !shown.is_empty() {
            shown.push(' ');
        }
        for c in word.chars() {
            if c.is_control() || is_invisible(c) {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\\\u{{{:x}}}", u32::from(c));
                continue;
            }
            if SPECIAL.contains(c) {
                shown.push('\\');
            }
            shown.push(c);
        }
    }
    shield_beginning(shown)
}

/// A paragraph that begins like an item of a list is none.
fn shield_beginning(mut text: String) -> String {
    if text.starts_with(|c| LEADING.contains(c)) {
        text.insert(0, '\\');
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text[digits..].strip_prefix(['.', ')']);
    if digits > 0 && number.is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')) {
        text.insert(digits, '\\');
    }
    text
}

/// A digest or another word of letters, digits and colons, in a typewriter's face.
pub(super) fn code(word: &str) -> String {
    format!("`{word}`")
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn what_people_write_cannot_become_markup() {
        for (written, shown) in [
            ("plain, with (brackets): 1.5", "plain, with (brackets): 1.5"),
            ("# heading", "\\# heading"),
            ("two\n\n# lines\r\n", "two \\# lines"),
            (
                "<script>alert(1)</script>",
                "\\<script\\>alert(1)\\</script\\>",
            ),
            (
                "<!-- dhfpack: releases -->",
                "\\<!-- dhfpack: releases --\\>",
            ),
            ("[a](javascript:b)", "\\[a\\](javascript:b)"),
            ("<javascript:b>", "\\<javascript:b\\>"),
            ("![a](http://b)", "!\\[a\\](http://b)"),
            ("`code` *b* _i_ ~s~", "\\`code\\` \\*b\\* \\_i\\_ \\~s\\~"),
            ("a | b", "a \\| b"),
            ("&lt;b&gt;", "\\&lt;b\\&gt;"),
            ("c:\\dir", "c:\\\\dir"),
            ("- item", "\\- item"),
            ("12. item", "12\\. item"),
            ("12.", "12\\."),
            ("2.4.0", "2.4.0"),
            ("=====", "\\====="),
            ("    code", "code"),
            ("a\u{202e}b\u{7}", "a\\\\u{202e}b\\\\u{7}"),
        ] {
            assert_eq!(text(written), shown, "{written}");
        }
    }
}
