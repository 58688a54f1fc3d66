//! What `.gitattributes` files say that `git archive` heeds, and an archive of evidence must not.

use std::collections::BTreeMap;

use super::error::{GitError, printable};
use super::{FileKind, Mirror};

const NAME: &[u8] = b".gitattributes";
/// The most bytes that the `.gitattributes` files of a tree may have together.
const BYTES_LIMIT: u64 = 4 * 1024 * 1024;
/// The most lines that are told.
const LINES_LIMIT: usize = 10_000;
/// How much of a pattern is told; git itself reads no longer line.
const PATTERN_LIMIT: usize = 2048;

/// What a line does to its files in `git archive`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Effect {
    /// Leaves them out.
    ignore: bool,
    /// Rewrites `$Format:…$` in them.
    subst: bool,
}

impl Mirror {
    /// Where the `.gitattributes` files of a commit say `export-ignore` or `export-subst`, by path
    /// and line: `docs/.gitattributes:3: *.tmp`, with ` (export-subst)` behind where it is that.
    /// `prefix` stands before the paths.
    pub fn export_attributes(&self, commit: &str, prefix: &str) -> Result<Vec<String>, GitError> {
        let files = self.files(commit)?;
        let files = files.iter().filter(|file| {
            matches!(file.kind, FileKind::File | FileKind::Executable)
                && file.path.rsplit(|byte| *byte == b'/').next() == Some(NAME)
        });
        let mut objects = self.objects()?;
        let mut macros = Macros::default();
        let mut told = Vec::new();
        let mut left = BYTES_LIMIT;
        // The one at the top comes first, by byte order of path but for folders that sort before:
        // its macros hold for all.
        let (top, below): (Vec<_>, Vec<_>) = files.partition(|file| file.path == NAME);
        for file in top.into_iter().chain(below) {
            left = left
                .checked_sub(file.size)
                .ok_or_else(|| GitError::TooLarge {
                    path: format!("{prefix}{}", printable(&file.path)),
                    size: file.size,
                    limit: BYTES_LIMIT,
                })?;
            let mut content = Vec::new();
            objects.copy(&file.object, &mut content)?;
            let at_top = file.path == NAME;
            let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
            for (number, line) in content.split(|byte| *byte == b'\n').enumerate() {
                let Some((pattern, effect)) = macros.read(line, at_top) else {
                    continue;
                };
                if told.len() == LINES_LIMIT {
                    return Err(GitError::TooManyAttributes { limit: LINES_LIMIT });
                }
                let what = if effect.ignore { "" } else { " (export-subst)" };
                told.push(format!(
                    "{prefix}{}:{}: {}{what}",
                    printable(&file.path),
                    number + 1,
                    printable(&pattern[..pattern.len().min(PATTERN_LIMIT)])
                ));
            }
        }
        Ok(told)
    }
}

/// Names that stand for several attributes, gitattributes(5).
#[derive(Debug, Default)]
struct Macros(BTreeMap<Vec<u8>, Effect>);

impl Macros {
    /// The pattern of a line, if it has an effect. Only the file at the top may define macros;
    /// such a line is told like a pattern.
    fn read<'l>(&mut self, line: &'l [u8], at_top: bool) -> Option<(&'l [u8], Effect)> {
        let line = line.trim_ascii();
        if line.starts_with(b"#") {
            return None;
        }
        let (pattern, attributes) = split_pattern(line);
        let effect = self.effect(attributes);
        if let Some(name) = pattern.strip_prefix(b"[attr]") {
            if !at_top {
                return None;
            }
            self.0.insert(name.to_vec(), effect);
        }
        (effect != Effect::default()).then_some((pattern, effect))
    }

    /// What the attributes of one line do together: only those that are set, neither unset with
    /// `-` or `!` nor given a value, count. The last one of a name holds.
    fn effect(&self, attributes: &[u8]) -> Effect {
        let mut effect = Effect::default();
        let words = attributes.split(u8::is_ascii_whitespace);
        for word in words {
            let (name, set) = match word {
                [b'-' | b'!', name @ ..] => (name, false),
                name => (name, true),
            };
            let (name, set) = match name.iter().position(|byte| *byte == b'=') {
                Some(end) => (&name[..end], false),
                None => (name, set),
            };
            match name {
                b"export-ignore" => effect.ignore = set,
                b"export-subst" => effect.subst = set,
                other => {
                    if let (Some(macro_effect), true) = (self.0.get(other), set) {
                        effect.ignore |= macro_effect.ignore;
                        effect.subst |= macro_effect.subst;
                    }
                }
            }
        }
        effect
    }
}

/// The pattern, which may stand in quotes and then hold spaces, and what follows.
fn split_pattern(line: &[u8]) -> (&[u8], &[u8]) {
    let end = if line.starts_with(b"\"") {
        let mut escaped = false;
        let end = line.iter().skip(1).position(|byte| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        });
        end.map(|end| end + 2)
    } else {
        line.iter().position(u8::is_ascii_whitespace)
    };
    line.split_at(end.unwrap_or(line.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(macros: &mut Macros, line: &str) -> Option<(String, bool, bool)> {
        let (pattern, effect) = macros.read(line.as_bytes(), true)?;
        let pattern = String::from_utf8(pattern.to_vec()).unwrap();
        Some((pattern, effect.ignore, effect.subst))
    }

    #[test]
    fn a_line_is_read_as_git_reads_it() {
        let mut macros = Macros::default();
        for (line, expected) in [
            ("*.tmp export-ignore", Some(("*.tmp", true, false))),
            ("  a\ttext\texport-ignore\r", Some(("a", true, false))),
            (
                "\"a \\\" b\" export-ignore",
                Some(("\"a \\\" b\"", true, false)),
            ),
            ("v.c export-subst", Some(("v.c", false, true))),
            ("# a export-ignore", None),
            ("a -export-ignore", None),
            ("a !export-ignore", None),
            ("a export-ignore=false", None),
            ("a export-ignore -export-ignore", None),
            ("export-ignore", None),
            ("a not-export-ignore", None),
            ("", None),
            ("a private", None),
            (
                "[attr]private -text export-ignore",
                Some(("[attr]private", true, false)),
            ),
            ("a private", Some(("a", true, false))),
            ("a -private", None),
        ] {
            let expected = expected.map(|(pattern, i, s)| (pattern.to_owned(), i, s));
            assert_eq!(read(&mut macros, line), expected, "{line:?}");
        }
    }
}
