//! From globs to documents: which file found where goes to which path.

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::fmt;

use super::glob::{Glob, suggest};
use super::{Content, Item, PlanError, own};
use crate::layout::Slot;
use crate::path::{ArchivePath, PathSet};

/// How many problems are told one by one.
const MOST_PROBLEMS: usize = 100;

/// Where documents are found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The product's repository, at the records' revision.
    Product,
    /// A folder or another repository, by its name in the configuration.
    Named(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product => Ok(()),
            Self::Named(name) => write!(f, "{name}:"),
        }
    }
}

/// A file that a place holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path in that place, `/` between components; if its bytes are not UTF-8, the nearest
    /// that is, and the file is then irregular.
    pub path: String,
    /// What it is.
    pub kind: FoundKind,
    /// Its size in bytes.
    pub size: u64,
    /// What its place finds it by: an object id, or nothing where the path is enough.
    pub key: String,
}

/// What a found entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundKind {
    /// A regular file.
    File,
    /// Something that cannot be a document: "a symbolic link", "a submodule", "a device".
    Irregular(&'static str),
}

/// Collects the documents of all slots and everything wrong with them.
pub(super) struct Collector<'a> {
    places: &'a BTreeMap<Place, Vec<Found>>,
    base: &'a str,
    items: Vec<Item>,
    /// Paths of the slot being filled, with the item that has each.
    taken: HashMap<ArchivePath, usize>,
    problems: Vec<String>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(places: &'a BTreeMap<Place, Vec<Found>>, base: &'a str) -> Self {
        Self {
            places,
            base,
            items: Vec::new(),
            taken: HashMap::new(),
            problems: Vec::new(),
        }
    }

    /// Begins with another slot.
    pub(super) fn next_slot(&mut self) {
        self.taken.clear();
    }

    /// How many documents were found so far, problems included.
    pub(super) fn len(&self) -> usize {
        self.items.len() + self.problems.len()
    }

    /// Adds the documents that `pattern`, written at `place_of_pattern`, finds to `slot`.
    pub(super) fn add(&mut self, slot: &Slot, pattern: &str, written_at: impl Fn() -> String) {
        if let Err(problem) = self.add_matches(slot, pattern) {
            self.problem(format!(
                "{}: slot `{}`, files = [{pattern:?}]: {problem}",
                written_at(),
                slot.id
            ));
        }
    }

    fn add_matches(&mut self, slot: &Slot, pattern: &str) -> Result<(), String> {
        let (place, glob) = match pattern.split_once(':') {
            Some((name, glob)) => (Place::Named(name.to_owned()), glob),
            None => (Place::Product, pattern),
        };
        let base = match place {
            Place::Product => self.base,
            Place::Named(_) => "",
        };
        let glob = Glob::parse(base, glob)?;
        let found = self
            .places
            .get(&place)
            .ok_or("its folder or repository was not read")?;
        let mut any = false;
        for file in found.iter().filter(|file| glob.matches(&file.path)) {
            any = true;
            self.add_file(slot, &place, file, glob.shared_folder());
        }
        if any {
            return Ok(());
        }
        Err(suggest(&glob, pattern, &place, found))
    }

    fn add_file(&mut self, slot: &Slot, place: &Place, file: &Found, shared: &str) {
        let shown = || format!("{place}{}", file.path.escape_debug());
        if let FoundKind::Irregular(what) = file.kind {
            return self.problem(format!(
                "{} is {what}; slot `{}` takes regular files only",
                shown(),
                slot.id
            ));
        }
        let below = file.path.strip_prefix(shared).unwrap_or(&file.path);
        let path = match slot.folder.join(below) {
            Ok(path) => path,
            Err(error) => {
                return self.problem(format!("{}: {error}; rename it", shown()));
            }
        };
        let item = Item {
            path: path.clone(),
            slot: slot.id.clone(),
            content: Content::Document {
                place: place.clone(),
                found: file.clone(),
            },
        };
        match self.taken.entry(path) {
            Entry::Vacant(free) => {
                free.insert(self.items.len());
            }
            // Two globs of one slot may find the same file: that is one document.
            Entry::Occupied(there) if self.items.get(*there.get()) == Some(&item) => return,
            // Two files on one path are found when all are there.
            Entry::Occupied(_) => {}
        }
        self.items.push(item);
    }

    pub(super) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// The documents, once none lands on another's path or on one of `others`.
    pub(super) fn finish(mut self, others: &[Item]) -> Result<Vec<Item>, PlanError> {
        self.items.sort_by(|a, b| a.path.cmp(&b.path));
        let mut paths = PathSet::default();
        let fixed = others.iter().map(|item| item.path.as_str());
        for path in own::ALL.into_iter().chain(fixed) {
            if let Err(collision) = paths.insert(path) {
                self.problems.push(collision.to_string());
            }
        }
        let mut before: Option<&Item> = None;
        for item in &self.items {
            if let Err(collision) = paths.insert(item.path.as_str()) {
                // Of two files on one path, the other is the one before it.
                let other = before
                    .filter(|before| before.path == item.path)
                    .map(|before| format!(" as {}", before.content.describe()))
                    .unwrap_or_default();
                let content = item.content.describe();
                self.problems.push(format!("{content}: {collision}{other}"));
            }
            before = Some(item);
        }
        if self.problems.is_empty() {
            return Ok(self.items);
        }
        let more = self.problems.len().saturating_sub(MOST_PROBLEMS);
        self.problems.truncate(MOST_PROBLEMS);
        if more > 0 {
            self.problems.push(format!("and {more} more"));
        }
        Err(PlanError::Documents {
            problems: self.problems,
        })
    }
}
