//! Texts of people in a Markdown document: shown as they are written, and nothing else.

use std::fmt::Write;

use crate::path::is_invisible;

/// What means something in `CommonMark` or in GitHub's dialect, wherever it stands.
const SPECIAL: &str = "\\`*_[]<>&|~#$";
/// What means something at the beginning of a paragraph.
const LEADING: &str = "-+=";

/// What cannot stand between backticks and be shown as it is, also in a table.
const NOT_IN_CODE: &str = "`\\|";

/// A text as one line of Markdown that shows exactly its words: no markup, no link, no HTML, no
/// marker of ours. White space becomes single spaces; what cannot be seen is shown by number.
/// Addresses, of which many renderers make links by themselves, stand in a typewriter's face: no
/// escape keeps all of them from it.
pub(super) fn text(written: &str) -> String {
    let mut shown = String::with_capacity(written.len());
    for word in written.split_whitespace() {
        if !shown.is_empty() {
            shown.push(' ');
        }
        let mut rest = word;
        while !rest.is_empty() {
            let breaks = |c: char| is_unseen(c) || NOT_IN_CODE.contains(c);
            let (piece, below) = rest.split_at(rest.find(breaks).unwrap_or(rest.len()));
            if is_address(piece) {
                shown.push_str(&code(piece));
            } else {
                piece.chars().for_each(|c| push(&mut shown, c));
            }
            let mut below = below.chars();
            if let Some(c) = below.next() {
                push(&mut shown, c);
            }
            rest = below.as_str();
        }
    }
    shield_beginning(shown)
}

/// A character that means only itself.
fn push(shown: &mut String, c: char) {
    if is_unseen(c) {
        // Writing to a string cannot fail.
        let _ = write!(shown, "\\\\u{{{:x}}}", u32::from(c));
        return;
    }
    if SPECIAL.contains(c) {
        shown.push('\\');
    }
    shown.push(c);
}

fn is_unseen(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Whether a renderer may take a word for an address of the web or of mail.
fn is_address(word: &str) -> bool {
    let is_mail = || {
        let parts: Vec<&str> = word.split('@').collect();
        let mut pairs = parts.windows(2);
        pairs.any(|pair| !pair[0].is_empty() && pair[1].find('.').is_some_and(|dot| dot > 0))
    };
    word.contains("://") || word.to_ascii_lowercase().contains("www.") || is_mail()
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

/// A word without backticks, such as a digest, in a typewriter's face.
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
            ("![a](http://b)", "`![a](http://b)`"),
            (
                "see https://a.b/c_d?e=1&f=2, now",
                "see `https://a.b/c_d?e=1&f=2,` now",
            ),
            ("Www.a.b/*c*", "`Www.a.b/*c*`"),
            ("Dana <dana@a.b>", "Dana `<dana@a.b>`"),
            ("2 @ 5.0", "2 @ 5.0"),
            ("a|http://b\\_c", "a\\|`http://b`\\\\\\_c"),
            ("`ftp://a`", "\\``ftp://a`\\`"),
            ("x@. @a.b", "x@. @a.b"),
            ("http://a\u{202e}b", "`http://a`\\\\u{202e}b"),
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
