//! The manual as a whole: where a release's entry belongs, and that nothing else changes.

use std::ops::Range;

use jiff::Timestamp;
use miette::Diagnostic;
use thiserror::Error;

use super::Entry;
use super::markdown::text;
use crate::digest::Sha256;

/// The line below which the entries stand, newest first.
pub const MARKER: &str = "<!-- dhfpack: releases -->";
const BEGIN: &str = "<!-- dhfpack: release ";
const END: &str = "<!-- dhfpack: end of ";
const CLOSE: &str = " -->";

/// Why an entry has no place in a manual. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum ManualError {
    /// Nothing says where entries begin.
    #[error("it has no line `{MARKER}`")]
    #[diagnostic(help(
        "add that line where the entries of releases are to begin; all else stays as it is"
    ))]
    NoMarker,
    /// More than one line says where entries begin.
    #[error("it has the line `{MARKER}` twice: in line {first} and in line {second}")]
    #[diagnostic(help("leave the one below which the entries of releases stand"))]
    TwoMarkers {
        /// The first.
        first: usize,
        /// The second.
        second: usize,
    },
    /// A marker of an entry that is not as it was written.
    #[error("line {line}: {problem}")]
    #[diagnostic(help(
        "the markers of an entry must stay as dhfpack wrote them: take back what was changed there"
    ))]
    Damaged {
        /// Where.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// The release has an entry, of another archive.
    #[error("it has an entry of {name} already, for the manifest {found}: expected {expected}")]
    #[diagnostic(help(
        "an entry is not replaced: an archive made anew for the same version needs `release.revision` counted up, and gets an entry of its own"
    ))]
    OtherArchive {
        /// The archive's name.
        name: String,
        /// The manifest digest of the entry to add.
        expected: Sha256,
        /// The one that is there.
        found: Sha256,
    },
    /// A name that no archive has.
    #[error("{name:?} is no name of an archive")]
    #[diagnostic(help("verify the archive: this one was made by something else"))]
    BadName {
        /// The name.
        name: String,
    },
}

/// The line before an entry.
pub(super) fn begin_marker(name: &str, manifest: &Sha256, released_at: Timestamp) -> String {
    format!("{BEGIN}{name} {manifest} {released_at}{CLOSE}")
}

/// The line after an entry.
pub(super) fn end_marker(name: &str) -> String {
    format!("{END}{name}{CLOSE}")
}

/// An entry that stands in a manual.
struct Standing<'m> {
    name: &'m str,
    manifest: Sha256,
    released_at: Timestamp,
    /// Its bytes, with its markers' lines.
    bytes: Range<usize>,
}

/// Puts an entry into a manual, given as its bytes, or into a new one. None if it is there already.
///
/// The newest stands first. All other bytes stay as they are, whatever their encoding, and lines
/// end as the marker's line does.
pub fn insert(manual: Option<&[u8]>, entry: &Entry) -> Result<Option<Vec<u8>>, ManualError> {
    require_name(entry)?;
    let Some(manual) = manual else {
        let title = text(&entry.product);
        let new = format!("# Service manual: {title}\n\n{MARKER}\n\n{}", entry.text);
        return Ok(Some(new.into_bytes()));
    };
    let marker = find_marker(manual)?;
    let standing = read_entries(manual, marker.end)?;
    if find(&standing, entry)?.is_some() {
        return Ok(None);
    }
    let age = (entry.released_at, entry.name.as_str());
    let older = |one: &&Standing<'_>| (one.released_at, one.name) < age;
    let place = match (standing.iter().find(older), standing.last()) {
        (Some(older), _) => older.bytes.start,
        (None, Some(last)) => last.bytes.end,
        (None, None) => marker.end,
    };
    let newline = if manual[marker].ends_with(b"\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    Ok(Some(spliced(manual, place, &entry.text, newline)))
}

/// The digest of an entry's text as it stands in a manual, however its lines end there; none if it
/// is not there. Fails as [`insert`] would.
pub fn digest(manual: Option<&[u8]>, entry: &Entry) -> Result<Option<Sha256>, ManualError> {
    require_name(entry)?;
    let Some(manual) = manual else {
        return Ok(None);
    };
    let standing = read_entries(manual, find_marker(manual)?.end)?;
    Ok(find(&standing, entry)?.map(|found| {
        let mut text = Vec::new();
        for line in manual[found.bytes.clone()].split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            text.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
            text.push(b'\n');
        }
        Sha256::of(&text)
    }))
}

/// The entry among those that stand in a manual.
fn find<'s, 'm>(
    standing: &'s [Standing<'m>],
    entry: &Entry,
) -> Result<Option<&'s Standing<'m>>, ManualError> {
    match standing.iter().find(|one| one.name == entry.name) {
        Some(other) if other.manifest != entry.manifest_sha256 => Err(ManualError::OtherArchive {
            name: entry.name.clone(),
            expected: entry.manifest_sha256,
            found: other.manifest,
        }),
        found => Ok(found),
    }
}

/// The manual with an entry at this place, and an empty line before and after it.
fn spliced(manual: &[u8], place: usize, entry: &str, newline: &str) -> Vec<u8> {
    let (before, after) = manual.split_at(place);
    let mut new = before.to_vec();
    if !before.ends_with(b"\n") {
        new.extend_from_slice(newline.as_bytes());
    }
    let is_blank = |line: &[u8]| line.trim_ascii().is_empty();
    if !before
        .split_inclusive(|byte| *byte == b'\n')
        .next_back()
        .is_none_or(is_blank)
    {
        new.extend_from_slice(newline.as_bytes());
    }
    new.extend_from_slice(entry.replace('\n', newline).as_bytes());
    if !after
        .split_inclusive(|byte| *byte == b'\n')
        .next()
        .is_none_or(is_blank)
    {
        new.extend_from_slice(newline.as_bytes());
    }
    new.extend_from_slice(after);
    new
}

/// Fails unless its name can stand in a marker: one word, with nothing that would end a comment.
fn require_name(entry: &Entry) -> Result<(), ManualError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
    let name = &entry.name;
    if name.is_empty() || !name.bytes().all(is_allowed) {
        return Err(ManualError::BadName { name: name.clone() });
    }
    Ok(())
}

/// Every line with its number and its place, without white space around it.
fn lines(manual: &[u8]) -> impl Iterator<Item = (usize, Range<usize>, &[u8])> {
    let mut start = 0;
    manual
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
        .map(move |(index, line)| {
            let place = start..start + line.len();
            start = place.end;
            (index + 1, place, line.trim_ascii())
        })
}

fn find_marker(manual: &[u8]) -> Result<Range<usize>, ManualError> {
    let mut found = lines(manual).filter(|(.., line)| *line == MARKER.as_bytes());
    let (first, place, _) = found.next().ok_or(ManualError::NoMarker)?;
    match found.next() {
        None => Ok(place),
        Some((second, ..)) => Err(ManualError::TwoMarkers { first, second }),
    }
}

/// The entries below the marker, in the order in which they stand.
fn read_entries(manual: &[u8], below: usize) -> Result<Vec<Standing<'_>>, ManualError> {
    let mut entries: Vec<Standing<'_>> = Vec::new();
    let mut open: Option<(usize, Standing<'_>)> = None;
    for (line, place, content) in lines(manual) {
        let damaged = |problem| Err(ManualError::Damaged { line, problem });
        let begins = content.starts_with(BEGIN.as_bytes());
        if !begins && !content.starts_with(END.as_bytes()) {
            continue;
        }
        let Ok(content) = std::str::from_utf8(content) else {
            return damaged("this marker is not valid UTF-8");
        };
        match (begins, open.take()) {
            (true, None) if place.start < below => {
                return damaged("an entry stands above the line that says where entries begin");
            }
            (true, None) => match parse_begin(content, place) {
                Some(entry) => open = Some((line, entry)),
                None => {
                    return damaged(
                        "this marker does not name an archive, its manifest and its release date",
                    );
                }
            },
            (false, Some((_, mut entry))) if content == end_marker(entry.name) => {
                entry.bytes.end = place.end;
                entries.push(entry);
            }
            (true, Some(_)) => return damaged("the entry above this one has no end"),
            (false, _) => return damaged("this marker ends an entry that does not begin"),
        }
    }
    match open {
        None => Ok(entries),
        Some((line, _)) => Err(ManualError::Damaged {
            line,
            problem: "the entry that begins here has no end",
        }),
    }
}

fn parse_begin(content: &str, bytes: Range<usize>) -> Option<Standing<'_>> {
    let mut words = content.strip_prefix(BEGIN)?.strip_suffix(CLOSE)?.split(' ');
    let entry = Standing {
        name: words.next()?,
        manifest: words.next()?.parse().ok()?,
        released_at: words.next()?.parse().ok()?,
        bytes,
    };
    words.next().is_none().then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(version: &str, day: u8) -> Entry {
        let name = format!("pump-{version}");
        let manifest_sha256 = Sha256::of(version.as_bytes());
        let released_at = format!("2026-03-{day:02}T10:00:00Z").parse().unwrap();
        let begin = begin_marker(&name, &manifest_sha256, released_at);
        let end = end_marker(&name);
        Entry {
            text: format!("{begin}\n## Pump {version}\n{end}\n"),
            product: "Pump".to_owned(),
            name,
            manifest_sha256,
            released_at,
        }
    }

    fn added(manual: &[u8], entry: &Entry) -> Vec<u8> {
        insert(Some(manual), entry).unwrap().unwrap()
    }

    /// The headings and paragraphs of a manual, in order.
    fn order(manual: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(manual);
        let lines = text.lines().filter(|line| line.starts_with("##"));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn a_new_manual_has_a_heading_the_marker_and_the_entry() {
        let new = insert(None, &entry("1.0", 1)).unwrap().unwrap();
        let text = String::from_utf8(new).unwrap();
        assert!(
            text.starts_with("# Service manual: Pump\n\n<!-- dhfpack: releases -->\n\n<!-- dhfpack: release pump-1.0 "),
            "{text}"
        );
    }

    #[test]
    fn entries_stand_by_release_date_whatever_the_order_they_come_in() {
        let (one, two, three) = (entry("1.0", 1), entry("2.0", 2), entry("3.0", 3));
        let first = |entry| insert(None, entry).unwrap().unwrap();
        let expected = added(&added(&first(&one), &two), &three);
        assert_eq!(
            order(&expected),
            ["## Pump 3.0", "## Pump 2.0", "## Pump 1.0"]
        );
        for [a, b, c] in [
            [&three, &two, &one],
            [&two, &one, &three],
            [&one, &three, &two],
        ] {
            let manual = added(&added(&first(a), b), c);
            assert_eq!(
                String::from_utf8_lossy(&manual),
                String::from_utf8_lossy(&expected)
            );
        }
    }

    #[test]
    fn every_other_byte_stays_as_it_is() {
        for (before, after) in [
            (
                &b"\xef\xbb\xbf# Ours\r\n\r\n<!-- dhfpack: releases -->\r\n"[..],
                &b"\r\nEnd\xff"[..],
            ),
            (b"<!-- dhfpack: releases -->", b""),
            (b"  <!-- dhfpack: releases -->  \n", b"## By hand\n"),
        ] {
            let manual = [before, after].concat();
            let new = added(&manual, &entry("1.0", 1));
            assert!(new.starts_with(before) && new.ends_with(after), "{new:?}");
            let middle = &new[before.len()..new.len() - after.len()];
            let newlines = middle.split(|byte| *byte == b'\n').count() - 1;
            let returns = middle.windows(2).filter(|two| *two == b"\r\n").count();
            let is_crlf = before.ends_with(b"\r\n");
            assert_eq!(returns, if is_crlf { newlines } else { 0 }, "{middle:?}");
        }
    }

    #[test]
    fn the_same_release_changes_nothing_and_another_archive_of_its_name_is_refused() {
        let (first, second) = (entry("1.0", 1), entry("1.1", 2));
        let manual = added(&insert(None, &first).unwrap().unwrap(), &second);
        assert_eq!(insert(Some(&manual), &first), Ok(None));
        assert_eq!(insert(Some(&manual), &second), Ok(None));
        let other = Entry {
            manifest_sha256: Sha256::of(b"other"),
            ..first.clone()
        };
        assert_eq!(
            insert(Some(&manual), &other),
            Err(ManualError::OtherArchive {
                name: first.name,
                expected: other.manifest_sha256,
                found: first.manifest_sha256,
            })
        );
    }

    #[test]
    fn a_manual_that_does_not_say_where_entries_go_is_left_alone() {
        let new = entry("1.0", 1);
        let refused = |manual: &str| insert(Some(manual.as_bytes()), &new).unwrap_err();
        assert_eq!(refused("# Ours\n"), ManualError::NoMarker);
        let (first, second) = (1, 3);
        assert_eq!(
            refused(&format!("{MARKER}\n\n{MARKER}\n")),
            ManualError::TwoMarkers { first, second }
        );
        let (begin, end) = (entry("0.9", 1).text, end_marker("pump-0.9"));
        for (manual, line) in [
            (format!("{begin}{MARKER}\n"), 1),
            (format!("{MARKER}\n{BEGIN}pump-0.9 today -->\n"), 2),
            (format!("{MARKER}\n{}", begin.replace(&end, "")), 2),
            (format!("{MARKER}\n{}{begin}", begin.replace(&end, "")), 5),
            (format!("{MARKER}\n{end}\n"), 2),
            (format!("{MARKER}\n{begin}{end}\n"), 5),
        ] {
            let error = refused(&manual);
            let found = matches!(error, ManualError::Damaged { line: found, .. } if found == line);
            assert!(found, "{manual}: {error:?}");
        }
    }

    #[test]
    fn a_name_that_could_end_a_comment_is_refused() {
        for name in ["", "a b", "a-->b", "a\n", "ä"] {
            let entry = Entry {
                name: name.to_owned(),
                ..entry("1.0", 1)
            };
            let error = insert(None, &entry).unwrap_err();
            assert!(matches!(error, ManualError::BadName { .. }), "{name}");
        }
    }
}
