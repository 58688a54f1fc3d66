//! Text that no spreadsheet takes for a formula, and that stays on its line.

use crate::path::is_invisible;

/// With these a formula begins, in some language's spreadsheet.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// The text as a cell: an apostrophe stands before what a spreadsheet could take for a formula,
/// control characters and line breaks are spaces, and invisible characters are written as
/// `\u{…}`. A cell stays as it is.
pub fn neutral(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    // Where a cell begins: where lists are separated by semicolons, spreadsheets split there.
    let mut begins = true;
    for character in text.trim_matches(is_blank).chars() {
        if begins && FORMULA.contains(&character) {
            cell.push('\'');
        }
        begins = match character {
            ';' => true,
            ' ' | '"' => begins,
            _ => begins && character.is_control(),
        };
        if character.is_control() {
            cell.push(' ');
        } else if is_invisible(character) {
            cell.extend(character.escape_unicode());
        } else {
            cell.push(character);
        }
    }
    cell
}

/// Whether the text is a cell already.
pub fn is_neutral(text: &str) -> bool {
    neutral(text) == text
}

fn is_blank(character: char) -> bool {
    character == ' ' || character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_could_take_for_a_formula_is_neutralised() {
        for (text, cell) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1+2", "'-1+2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'=1"),
            ("\r\n=1", "'=1"),
            (" =1", "'=1"),
            ("＝1", "'＝1"),
            ("a; =1", "a; '=1"),
            ("a;\t=1", "a; '=1"),
            ("a;\"=1", "a;\"'=1"),
            ("\"=1", "\"'=1"),
            ("'=1", "'=1"),
            ("a\nb\r\nc\u{7}", "a b  c"),
            ("a\u{202e}b\u{feff}", "a\\u{202e}b\\u{feff}"),
            ("2.4.0-rc.1+5", "2.4.0-rc.1+5"),
            ("Überwachung, \"groß\"", "Überwachung, \"groß\""),
            ("", ""),
        ] {
            assert_eq!(neutral(text), cell, "{text:?}");
            assert!(is_neutral(cell), "{cell:?}");
        }
    }
}
