//! The register as a table in a Markdown file, between two markers; the rest of the file is
//! somebody else's.

use std::fmt::Write;

use thiserror::Error;

use super::Release;

const BEGIN: &str = "<!-- dhfpack: registry -->";
const END: &str = "<!-- /dhfpack: registry -->";
const COLUMNS: [&str; 9] = [
    "Product Name",
    "Phase",
    "Release Date",
    "Quantity Installed",
    "UDI",
    "Version",
    "Status",
    "Manifest SHA-256",
    "Row SHA-256",
];

/// A file without a place for the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the file does not have the lines `{BEGIN}` and `{END}`, once each and in this order")]
pub struct NoMarkers;

/// The releases as a table, a row each, with line breaks as `\n`.
pub fn render_table(releases: &[Release]) -> String {
    let mut table = row(COLUMNS.map(str::to_owned));
    table.push_str(&row([(); COLUMNS.len()].map(|()| "---".to_owned())));
    for release in releases {
        let entry = &release.entry;
        let date = entry.release_date.map(|date| date.to_string());
        table.push_str(&row([
            escaped(&entry.product_name),
            escaped(&entry.phase),
            date.unwrap_or_default(),
            entry.quantity_installed.to_string(),
            escaped(&entry.udi),
            escaped(&entry.version_text()),
            entry.status.as_str().to_owned(),
            entry.manifest_sha256.to_string(),
            release.row_sha256.to_string(),
        ]));
    }
    table
}

fn row(cells: [String; COLUMNS.len()]) -> String {
    let mut line = String::new();
    for cell in cells {
        // Writing to a string cannot fail.
        let _ = write!(line, "| {cell} ");
    }
    line.push_str("|\n");
    line
}

/// A cell's text, in which Markdown and HTML find nothing to act upon. A cell is one line.
fn escaped(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => cell.push_str("&amp;"),
            '<' => cell.push_str("&lt;"),
            '>' => cell.push_str("&gt;"),
            // Addresses become links by themselves, and names mentions, where GitHub shows it.
            ':' => cell.push_str("&#58;"),
            '@' => cell.push_str("&#64;"),
            'w' | 'W' if cell.ends_with(['w', 'W']) => {
                let _ = write!(cell, "&#{};", u32::from(character));
            }
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '!' | '$' => {
                cell.push('\\');
                cell.push(character);
            }
            _ => cell.push(character),
        }
    }
    cell
}

/// The file with `table` between its markers; a new file if there is none. Its line breaks stay
/// those that it has.
pub fn insert_table(file: Option<&str>, table: &str) -> Result<String, NoMarkers> {
    let Some(file) = file.filter(|file| !file.is_empty()) else {
        return Ok(format!(
            "# Products registry\n\n{BEGIN}\n\n{table}\n{END}\n"
        ));
    };
    let begin = only_line(file, BEGIN)?;
    let end = only_line(file, END)?;
    if end < begin {
        return Err(NoMarkers);
    }
    let break_at = file[begin..].find('\n').ok_or(NoMarkers)?;
    let head = &file[..begin + break_at];
    let line_break = if head.ends_with('\r') { "\r\n" } else { "\n" };
    let table = table.replace('\n', line_break);
    let (head, tail) = (head.trim_end_matches('\r'), &file[end..]);
    Ok(format!(
        "{head}{line_break}{line_break}{table}{line_break}{tail}"
    ))
}

/// Where the only line with this text begins.
fn only_line(file: &str, text: &str) -> Result<usize, NoMarkers> {
    let mut found = None;
    let mut start = 0;
    for line in file.split_inclusive('\n') {
        if line.trim_end() == text && found.replace(start).is_some() {
            return Err(NoMarkers);
        }
        start += line.len();
    }
    found.ok_or(NoMarkers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_and_html_in_a_cell_do_nothing() {
        assert_eq!(
            escaped("a|b `c` <img src=x> [d](https://www.e) @f &lt;"),
            "a\\|b \\`c\\` &lt;img src=x&gt; \\[d\\](https&#58;//w&#119;w.e) &#64;f &amp;lt;"
        );
    }

    #[test]
    fn the_rest_of_a_file_stays_as_it_is() {
        for (line_break, other) in [("\n", "\r\n"), ("\r\n", "\n")] {
            let file = format!(
                "# Ours{line_break}\ttext{other}{BEGIN}{line_break}old{line_break}{END}{line_break}tail"
            );
            let new = insert_table(Some(&file), "| x |\n").unwrap();
            let expected = format!(
                "# Ours{line_break}\ttext{other}{BEGIN}{line_break}{line_break}| x |{line_break}{line_break}{END}{line_break}tail"
            );
            assert_eq!(new, expected);
            assert_eq!(insert_table(Some(&new), "| x |\n").unwrap(), new);
        }
    }

    #[test]
    fn a_file_needs_both_markers_once_and_in_order() {
        for file in [
            "# Registry\n".to_owned(),
            format!("{BEGIN}\n"),
            format!("{END}\n{BEGIN}\n"),
            format!("{BEGIN}\n{BEGIN}\n{END}\n"),
            format!("text {BEGIN}\n{END}\n"),
        ] {
            assert_eq!(insert_table(Some(&file), ""), Err(NoMarkers), "{file}");
        }
        let new = insert_table(None, "| x |\n").unwrap();
        assert_eq!(insert_table(Some(&new), "| x |\n").unwrap(), new);
    }
}
