//! Paths inside an archive: portable to every system an auditor may use.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The longest path, in UTF-16 code units: leaves room under Windows' limit of
/// 260 for the folder an auditor unpacks into.
pub const MAX_PATH: usize = 180;

/// The longest component, in bytes of UTF-8: the limit of common file systems.
pub const MAX_COMPONENT: usize = 255;

/// A relative path with `/` between its components that Windows, macOS and
/// Linux all accept and store unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArchivePath(String);

/// A path that some system would refuse, change or misread.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("{path:?} is not portable: {reason}")]
pub struct PathError {
    /// The path as given; printed with its control characters escaped.
    pub path: String,
    /// What is wrong with it.
    pub reason: Reason,
}

/// Why a path is not portable.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum Reason {
    /// Not valid UTF-8.
    #[error("it is not valid UTF-8")]
    NotUtf8,
    /// Nothing there, or nothing between two slashes.
    #[error("it has an empty component")]
    Empty,
    /// `.`, `..` or a leading slash.
    #[error("it would leave its folder")]
    Escapes,
    /// One of `<>:"|?*\` or a control character.
    #[error("Windows does not allow the character {0:?} in names")]
    Character(char),
    /// Characters that have no shape of their own or reverse the text around them.
    #[error("the invisible character U+{:04X} can disguise a name", *.0 as u32)]
    Invisible(char),
    /// Ends with a dot or a space.
    #[error("Windows drops a dot or space at the end of a name")]
    TrailingDotOrSpace,
    /// `CON`, `NUL`, `COM1` and their like, with any extension.
    #[error("Windows reserves that name for a device")]
    ReservedName,
    /// Not in Unicode normalisation form C.
    #[error("it is not in Unicode form NFC, and macOS would change it")]
    NotNfc,
    /// Longer than [`MAX_PATH`].
    #[error("it is longer than {MAX_PATH} characters")]
    TooLong,
    /// A component longer than [`MAX_COMPONENT`].
    #[error("one of its components is longer than {MAX_COMPONENT} bytes")]
    ComponentTooLong,
}

impl ArchivePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// This path with `rest` below it.
    pub fn join(&self, rest: &str) -> Result<Self, PathError> {
        format!("{}/{rest}", self.0).parse()
    }

    /// The path with `prefix` and the slash after it taken off, if it lies below `prefix`.
    pub fn below(&self, prefix: &str) -> Option<&str> {
        self.0.strip_prefix(prefix)?.strip_prefix('/')
    }

    /// Checks raw bytes, as file systems and containers give them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PathError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => text.parse(),
            Err(_) => Err(PathError {
                path: String::from_utf8_lossy(bytes).into_owned(),
                reason: Reason::NotUtf8,
            }),
        }
    }
}

impl FromStr for ArchivePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        match check(text) {
            Ok(()) => Ok(Self(text.to_owned())),
            Err(reason) => Err(PathError {
                path: text.chars().take(400).collect(),
                reason,
            }),
        }
    }
}

fn check(path: &str) -> Result<(), Reason> {
    path.split('/').try_for_each(check_component)?;
    // Plain ASCII, as nearly every path is, has one form only.
    if !path.is_ascii() && !is_nfc(path) {
        return Err(Reason::NotNfc);
    }
    if path.encode_utf16().count() > MAX_PATH {
        return Err(Reason::TooLong);
    }
    Ok(())
}

fn check_component(name: &str) -> Result<(), Reason> {
    match name {
        "" => return Err(Reason::Empty),
        "." | ".." => return Err(Reason::Escapes),
        _ => {}
    }
    for character in name.chars() {
        if character.is_control() || r#"<>:"|?*\"#.contains(character) {
            return Err(Reason::Character(character));
        }
        if is_invisible(character) {
            return Err(Reason::Invisible(character));
        }
    }
    if name.ends_with(['.', ' ']) {
        return Err(Reason::TrailingDotOrSpace);
    }
    if is_reserved(name) {
        return Err(Reason::ReservedName);
    }
    if name.len() > MAX_COMPONENT {
        return Err(Reason::ComponentTooLong);
    }
    Ok(())
}

/// Bidirectional controls, zero-width characters, line separators, the byte order mark.
pub fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    let stem = stem.to_ascii_uppercase();
    if matches!(
        stem.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
    ) {
        return true;
    }
    let Some(number) = stem
        .strip_prefix("COM")
        .or_else(|| stem.strip_prefix("LPT"))
    else {
        return false;
    };
    let mut digits = number.chars();
    matches!(
        (digits.next(), digits.next()),
        (Some('0'..='9' | '¹' | '²' | '³'), None)
    )
}

impl fmt::Display for ArchivePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ArchivePath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        text.parse()
    }
}

impl From<ArchivePath> for String {
    fn from(path: ArchivePath) -> Self {
        path.0
    }
}

impl schemars::JsonSchema for ArchivePath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ArchivePath".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A relative path with `/` between its components that every system accepts",
            "minLength": 1,
            "maxLength": MAX_PATH
        })
    }
}

/// What a system that ignores case and normalisation takes a name for.
pub fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.nfd().flat_map(char::to_lowercase).nfc().collect()
}

/// Two paths that cannot lie in one folder on every system.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("{second:?} collides with {first:?}: {why}")]
pub struct Collision {
    /// The path that was there.
    pub first: String,
    /// The path that came later.
    pub second: String,
    /// How they collide.
    pub why: &'static str,
}

/// A set of paths in which no two are the same file on any system.
#[derive(Debug, Default)]
pub struct PathSet {
    // Folded path, of every file and every folder above one, to the spelling first seen.
    seen: BTreeMap<String, (String, Kind)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

impl PathSet {
    /// Adds the path of a file, unless it collides with one that is there.
    pub fn insert(&mut self, path: &str) -> Result<(), Collision> {
        for (slash, _) in path.match_indices('/') {
            self.insert_node(&path[..slash], Kind::Folder)?;
        }
        self.insert_node(path, Kind::File)
    }

    fn insert_node(&mut self, path: &str, kind: Kind) -> Result<(), Collision> {
        match self.seen.entry(folded(path)) {
            Entry::Vacant(place) => {
                place.insert((path.to_owned(), kind));
                Ok(())
            }
            Entry::Occupied(there) => {
                let (first, first_kind) = there.get();
                let why = match (*first_kind, kind) {
                    _ if first != path => "they differ only in case or normalisation",
                    (Kind::Folder, Kind::Folder) => return Ok(()),
                    (Kind::File, Kind::File) => "it is the same path",
                    _ => "one is a file and the other a folder",
                };
                Err(Collision {
                    first: first.clone(),
                    second: path.to_owned(),
                    why,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_names_pass() {
        for path in [
            "a",
            "Design Outputs/Source Code/source.bundle",
            "ä/é.txt",
            "com10",
            "nullable.c",
            "a.b/.gitignore",
        ] {
            assert_eq!(path.parse::<ArchivePath>().unwrap().as_str(), path);
        }
    }

    #[test]
    fn names_that_some_system_refuses_are_refused() {
        let long = "x".repeat(256);
        let deep = "abc/".repeat(50) + "x";
        for (path, reason) in [
            ("", Reason::Empty),
            ("a//b", Reason::Empty),
            ("/etc/passwd", Reason::Empty),
            ("a/../b", Reason::Escapes),
            ("a\nb", Reason::Character('\n')),
            ("a\\b", Reason::Character('\\')),
            ("c:", Reason::Character(':')),
            ("a\u{202e}b", Reason::Invisible('\u{202e}')),
            ("a. ", Reason::TrailingDotOrSpace),
            ("docs/NUL .txt", Reason::ReservedName),
            ("lpt¹", Reason::ReservedName),
            ("e\u{301}", Reason::NotNfc),
            (&long, Reason::ComponentTooLong),
            (&deep, Reason::TooLong),
        ] {
            assert_eq!(
                path.parse::<ArchivePath>().unwrap_err().reason,
                reason,
                "{path:?}"
            );
        }
        assert_eq!(
            ArchivePath::from_bytes(b"\xff").unwrap_err().reason,
            Reason::NotUtf8
        );
    }

    #[test]
    fn paths_that_meet_on_some_system_collide() {
        for (first, second) in [
            ("a/B", "a/b"),
            ("A/x", "a/y"),
            ("a", "a"),
            ("a", "a/b"),
            ("a/b", "a"),
            ("É", "é"),
        ] {
            let mut set = PathSet::default();
            set.insert(first).unwrap();
            assert!(set.insert(second).is_err(), "{first} and {second}");
        }
        let mut set = PathSet::default();
        set.insert("a/b").unwrap();
        set.insert("a/c").unwrap();
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_stays_below_its_root(text in ".{0,60}") {
            if let Ok(path) = text.parse::<ArchivePath>() {
                let path = std::path::Path::new(path.as_str());
                prop_assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
            }
        }
    }
}
