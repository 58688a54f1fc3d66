//! What a register says, row over row: which release stands how, and what contradicts what.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;
use serde::Serialize;

use super::finding::{Code, Finding};
use super::{Entry, Register, Status};
use crate::digest::Sha256;

/// A release as the register knows it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    /// The number of the line of its latest row.
    pub line: u64,
    /// The digest of that line.
    pub row_sha256: Sha256,
    /// What that row says. The status is *superseded* for a release of which a later revision is
    /// released, whatever its row says.
    #[serde(flatten)]
    pub entry: Entry,
}

/// Every release, in the order of their first rows.
pub fn releases(register: &Register) -> Vec<Release> {
    // From each row's digest to the place of its release.
    let mut places: HashMap<Sha256, usize> = HashMap::new();
    let mut releases: Vec<Release> = Vec::new();
    for (number, line, row) in register.rows() {
        let release = Release {
            line: number,
            row_sha256: line.sha256,
            entry: row.entry.clone(),
        };
        let earlier = row.entry.supersedes_row.and_then(|row| places.get(&row));
        let place = if let Some(place) = earlier {
            releases[*place] = release;
            *place
        } else {
            releases.push(release);
            releases.len() - 1
        };
        places.insert(line.sha256, place);
    }
    let latest = latest_revisions(&releases);
    for release in &mut releases {
        let entry = &mut release.entry;
        let newer = latest.get(&version_of(entry));
        let is_old = newer.is_some_and(|newer| *newer > entry.revision);
        if is_old && entry.status == Status::Released && entry.amends.is_none() {
            entry.status = Status::Superseded;
        }
    }
    releases
}

fn latest_revisions(releases: &[Release]) -> BTreeMap<(String, String), u32> {
    let mut latest = BTreeMap::new();
    for release in releases {
        let entry = &release.entry;
        if entry.status == Status::Released && entry.amends.is_none() {
            let revision = latest.entry(version_of(entry)).or_insert(entry.revision);
            *revision = entry.revision.max(*revision);
        }
    }
    latest
}

fn version_of(entry: &Entry) -> (String, String) {
    (entry.product_name.clone(), entry.version.clone())
}

/// What the rows contradict each other in.
pub(super) fn findings(register: &Register, today: Date) -> Vec<Finding> {
    let mut findings = superseding(register);
    findings.extend(duplicates(register));
    findings.extend(predecessors(register));
    for (number, _, row) in register.rows() {
        if let Some(date) = row.entry.release_date.filter(|date| *date > today) {
            let detail = format!("it was released on {date}, which is in the future");
            findings.push(Finding::at(Code::DateOrder, number, detail));
        }
    }
    findings
}

/// Rows that supersede none, or one that is not theirs.
fn superseding(register: &Register) -> Vec<Finding> {
    let mut earlier: HashMap<Sha256, &Entry> = HashMap::new();
    let mut superseded: HashSet<Sha256> = HashSet::new();
    let mut findings = Vec::new();
    for (number, line, row) in register.rows() {
        let entry = &row.entry;
        if let Some(named) = entry.supersedes_row {
            let problem = match earlier.get(&named) {
                None => Some("is not a row above it"),
                Some(old) if !entry.is_of_same_archive(old) => Some("is about another archive"),
                Some(old) if old.status != Status::Pending && entry.status == Status::Pending => {
                    Some("was no longer pending")
                }
                Some(_) if !superseded.insert(named) => Some("is superseded already"),
                Some(_) => None,
            };
            if let Some(problem) = problem {
                let detail = format!("the row {named} that it supersedes {problem}");
                findings.push(Finding::at(Code::SupersedesWrong, number, detail));
            }
        }
        earlier.insert(line.sha256, entry);
    }
    findings
}

/// Releases that were registered twice, and versions with two commits.
fn duplicates(register: &Register) -> Vec<Finding> {
    let mut first: BTreeMap<_, u64> = BTreeMap::new();
    let mut commits: BTreeMap<(String, String), (&str, u64)> = BTreeMap::new();
    let mut findings = Vec::new();
    for (number, _, row) in register.rows() {
        let entry = &row.entry;
        let (commit, line) = *commits
            .entry(version_of(entry))
            .or_insert((&entry.commit, number));
        if commit != entry.commit {
            let detail = format!(
                "{} is of commit {}; line {line} has {commit}",
                entry.title(),
                entry.commit
            );
            findings.push(Finding::at(Code::CommitDiffers, number, detail));
        }
        if entry.supersedes_row.is_some() {
            continue;
        }
        // A version may have several addenda; each is an archive of its own.
        let addendum = entry.amends.map(|_| entry.manifest_sha256);
        let key = (version_of(entry), entry.revision, addendum);
        if let Some(line) = first.insert(key, number) {
            let detail = format!("{} is registered in line {line} already", entry.title());
            findings.push(Finding::at(Code::ReleaseDuplicate, number, detail));
        }
    }
    findings
}

/// Predecessors that are not registered, or released later. A register may have been begun after
/// a product's first releases, so that a product's first row may name one from before.
fn predecessors(register: &Register) -> Vec<Finding> {
    let mut dates: HashMap<Sha256, Option<Date>> = HashMap::new();
    for (_, _, row) in register.rows() {
        dates.insert(row.entry.manifest_sha256, row.entry.release_date);
    }
    let mut first: HashMap<&str, Sha256> = HashMap::new();
    let mut findings = Vec::new();
    for (number, _, row) in register.rows() {
        let entry = &row.entry;
        let own = entry.manifest_sha256;
        let is_first = *first.entry(&entry.product_name).or_insert(own) == own;
        for (what, named) in [
            ("predecessor", entry.predecessor),
            ("amended", entry.amends),
        ] {
            let Some(named) = named else { continue };
            match dates.get(&named) {
                None if !is_first => {
                    let detail = format!("no row has the manifest {named} of its {what} release");
                    findings.push(Finding::at(Code::PredecessorMissing, number, detail));
                }
                Some(before) if entry.release_date.is_some() && *before > entry.release_date => {
                    let detail = format!("its {what} release has a later release date");
                    findings.push(Finding::at(Code::DateOrder, number, detail));
                }
                _ => {}
            }
        }
    }
    findings
}
