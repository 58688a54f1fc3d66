//! Whether the rows are those that were written, all of them, in their order.
//!
//! Each row names the digest of the line before it. Where that does not fit, the links are
//! followed from the header on: what they do not lead to was put in, what they lead to elsewhere
//! was moved, and where they end too early a row was taken out or changed.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::finding::{Code, Finding};
use super::{Line, Register, header_text};
use crate::digest::Sha256;

/// What is known of a row's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    /// It is its writer's.
    Valid,
    /// It is not.
    Invalid,
    /// The writer's certificate is not there.
    Unchecked,
}

/// What is wrong with the form of a register: its header, its lines, its chain, its signatures.
/// `signatures` has one for each line, also for those that are no rows.
pub(super) fn findings(register: &Register, signatures: &[Signature]) -> Vec<Finding> {
    let lines = register.lines();
    let mut findings = Vec::new();
    if lines
        .first()
        .is_none_or(|line| line.text != header_text().as_bytes())
    {
        let detail = "it is not the header that every register has: see docs/registry.md";
        findings.push(Finding::at(Code::HeaderChanged, 1, detail));
    }
    if !register.is_whole {
        let detail = "the last line has no end: the file was cut off";
        findings.push(Finding::at(
            Code::Unreadable,
            number(lines.len() - 1),
            detail,
        ));
    }
    for (index, line) in lines.iter().enumerate().skip(1) {
        if let Err(problem) = &line.row {
            findings.push(Finding::at(Code::Unreadable, number(index), problem));
        }
    }
    let chain = Chain::follow(lines, signatures);
    findings.extend(chain.gaps(lines, signatures));
    findings.extend(chain.strangers(lines));
    findings.extend(chain.moved());
    findings.extend(invalid(lines, signatures));
    findings
}

fn number(index: usize) -> u64 {
    index as u64 + 1
}

fn previous(line: &Line) -> Option<Sha256> {
    line.row.as_ref().ok().map(|row| row.previous)
}

/// The row whose signature is not its writer's, told by whether the next row knew it like that.
fn invalid(lines: &[Line], signatures: &[Signature]) -> Vec<Finding> {
    let wrong = (1..lines.len()).filter(|index| signatures[*index] == Signature::Invalid);
    let finding = |index: usize| {
        let next = lines.get(index + 1).and_then(previous);
        if next.is_some_and(|next| next != lines[index].sha256) {
            let detail =
                "its writer signed other bytes, and the row behind it is chained to others";
            return Finding::at(Code::RowEdited, number(index), detail);
        }
        let detail = "its writer signed other bytes: the row or its signature was changed";
        Finding::at(Code::SignatureInvalid, number(index), detail)
    };
    wrong.map(finding).collect()
}

/// The lines in the order of their links.
struct Chain {
    /// Indexes of lines.
    order: Vec<usize>,
    /// Those in `order` whose predecessor is not there.
    starts: Vec<usize>,
}

impl Chain {
    fn follow(lines: &[Line], signatures: &[Signature]) -> Self {
        let mut followers: HashMap<Sha256, Vec<usize>> = HashMap::new();
        for (index, line) in lines.iter().enumerate().skip(1) {
            if let Some(previous) = previous(line) {
                followers.entry(previous).or_default().push(index);
            }
        }
        let mut chain = Self {
            order: Vec::new(),
            starts: Vec::new(),
        };
        let mut seen = HashSet::new();
        let mut start = Some(0);
        let mut end = 0;
        while let Some(mut at) = start {
            loop {
                seen.insert(at);
                chain.order.push(at);
                end = end.max(at);
                let next = followers.get(&lines[at].sha256).into_iter().flatten();
                let next = next.copied().filter(|index| !seen.contains(index));
                // Of several that follow one row, the one that others follow is the real one; of
                // equal ones, the first.
                let next = next.max_by_key(|&index| {
                    let is_followed = followers.contains_key(&lines[index].sha256);
                    let is_valid = signatures[index] == Signature::Valid;
                    (is_followed, is_valid, Reverse(index))
                });
                match next {
                    Some(index) => at = index,
                    None => break,
                }
            }
            start = (end + 1..lines.len()).find(|index| !seen.contains(index));
            chain.starts.extend(start);
        }
        chain
    }

    /// Where a row was taken out. A line that cannot be read, or a row that was changed, explains
    /// why the next one is chained to something else.
    fn gaps(&self, lines: &[Line], signatures: &[Signature]) -> Vec<Finding> {
        let broken = |index: usize| {
            let before = &lines[index - 1];
            let is_read = index == 1 || before.row.is_ok();
            let header = index == 1 && before.text != header_text().as_bytes();
            lines[index].row.is_ok()
                && is_read
                && !header
                && signatures[index - 1] != Signature::Invalid
        };
        let starts = self.starts.iter().filter(|index| broken(**index));
        let finding = |index: &usize| {
            let previous = previous(&lines[*index]).map(|digest| digest.to_string());
            let detail = format!(
                "the row behind it is chained to a line with the SHA-256 {}, which is not there",
                previous.unwrap_or_default()
            );
            Finding::at(Code::RowDeleted, number(*index - 1), detail)
        };
        starts.map(finding).collect()
    }

    /// Rows that no link leads to.
    fn strangers(&self, lines: &[Line]) -> Vec<Finding> {
        let known: HashSet<usize> = self.order.iter().copied().collect();
        let strangers = (1..lines.len()).filter(|index| !known.contains(index));
        let strangers = strangers.filter(|index| lines[*index].row.is_ok());
        let detail = "the chain of rows does not lead to it: it was put in";
        strangers
            .map(|index| Finding::at(Code::RowInserted, number(index), detail))
            .collect()
    }

    /// Rows that stand before the row that they are chained to.
    fn moved(&self) -> Vec<Finding> {
        let mut last = 0;
        let mut findings = Vec::new();
        for index in &self.order {
            if *index < last {
                let detail = format!("its place in the chain is behind line {}", number(last));
                findings.push(Finding::at(Code::RowMoved, number(*index), detail));
            }
            last = last.max(*index);
        }
        findings
    }
}
