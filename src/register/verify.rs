//! Judging a register: its form, who wrote it, and what it says.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::chain::{self, Signature};
use super::finding::{Code, Finding};
use super::releases;
use super::{Register, Row};
use crate::digest::Sha256;
use crate::finding::Class;
use crate::sign::{Certificate, Distrust, Trust, verify_detached};

/// The certificates of those who wrote rows, each with those of its issuers, by the digest of the
/// writer's. Remembers which rows it has checked: a register that grew is not checked all over.
#[derive(Debug, Default)]
pub struct Writers {
    certificates: BTreeMap<Sha256, Vec<Certificate>>,
    checked: HashMap<Sha256, bool>,
}

impl Writers {
    /// Adds a writer's certificate, with those of its issuers behind it. Nothing is added twice.
    pub fn add(&mut self, certificates: Vec<Certificate>) {
        if let Some(writer) = certificates.first() {
            self.certificates
                .entry(writer.sha256())
                .or_insert(certificates);
        }
    }

    /// Whether this writer's certificate is there.
    pub fn has(&self, writer: &Sha256) -> bool {
        self.certificates.contains_key(writer)
    }

    fn signature(&mut self, line: Sha256, row: &Row) -> Signature {
        let Some(writer) = self
            .certificates
            .get(&row.writer)
            .and_then(|all| all.first())
        else {
            return Signature::Unchecked;
        };
        let is_valid = *self.checked.entry(line).or_insert_with(|| {
            verify_detached(writer, row.signed_text().as_bytes(), &row.signature)
        });
        if is_valid {
            Signature::Valid
        } else {
            Signature::Invalid
        }
    }
}

/// What a register is held against.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Whose rows count.
    pub trust: &'a Trust,
    /// The digest of a row that must be there: the last one, as a receipt names it, or one before.
    pub head: Option<Sha256>,
    /// The time.
    pub now: Timestamp,
}

/// What examining a register found.
#[derive(Debug)]
#[must_use = "an examination that nobody reads finds nothing"]
pub struct Examination {
    /// Everything wrong, integrity first.
    pub findings: Vec<Finding>,
    /// How many rows there are behind the expected head.
    pub behind_head: Option<u64>,
}

impl Examination {
    /// Whether a finding is of this class.
    pub fn has(&self, class: Class) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.code.class() == class)
    }

    /// Adds what a closer look found.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
        self.findings
            .sort_by_cached_key(|finding| (finding.code.class(), finding.line, finding.clone()));
        self.findings.dedup();
    }
}

/// What is wrong with the lines of a register, their chain and their signatures. Nothing may be
/// appended to a register of which anything is.
pub fn examine_form(register: &Register, writers: &mut Writers) -> Vec<Finding> {
    let signatures: Vec<Signature> = register
        .lines()
        .iter()
        .map(|line| match &line.row {
            Ok(row) => writers.signature(line.sha256, row),
            Err(_) => Signature::Unchecked,
        })
        .collect();
    let mut findings = chain::findings(register, &signatures);
    let mut missing = BTreeSet::new();
    for (number, _, row) in register.rows() {
        if !writers.has(&row.writer) && missing.insert(row.writer) {
            let detail = format!(
                "the certificate of its writer, SHA-256 {}, is not there",
                row.writer
            );
            findings.push(Finding::at(Code::WriterMissing, number, detail));
        }
    }
    findings
}

/// Everything that is wrong with a register.
pub fn examine(register: &Register, writers: &mut Writers, expected: Expected<'_>) -> Examination {
    let mut examination = Examination {
        findings: Vec::new(),
        behind_head: None,
    };
    let mut findings = examine_form(register, writers);
    findings.extend(distrusted(register, writers, expected));
    findings.extend(releases::findings(register, today(expected.now)));
    if let Some(head) = expected.head {
        let lines = register.lines();
        let place = lines.iter().rposition(|line| line.sha256 == head);
        // The header stands for a register without rows.
        match place {
            Some(index) => examination.behind_head = Some((lines.len() - index - 1) as u64),
            None => findings.push(Finding::whole(
                Code::TailCut,
                format!("no row has the SHA-256 {head}, which was its last one"),
            )),
        }
    }
    examination.extend(findings);
    examination
}

fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// A finding for each writer who is not trusted to have written at some row's time.
///
/// A row says no time of its own: it was written on the latest release date of all rows up to it,
/// or later, and before now. Its writer's certificate must have been valid somewhere in between.
fn distrusted(register: &Register, writers: &Writers, expected: Expected<'_>) -> Vec<Finding> {
    let mut earliest = Timestamp::MIN;
    let mut findings = Vec::new();
    let mut told = BTreeSet::new();
    for (number, _, row) in register.rows() {
        let begin = row.entry.release_date.and_then(start_of);
        earliest = earliest.max(begin.unwrap_or(Timestamp::MIN));
        let Some([writer, others @ ..]) = writers.certificates.get(&row.writer).map(Vec::as_slice)
        else {
            continue;
        };
        let time = earliest.max(writer.not_before());
        let judged = if time > expected.now {
            Err(Distrust::OutsideValidity {
                name: writer.name().unwrap_or_default(),
                from: writer.not_before(),
                to: writer.not_after(),
                at: expected.now,
            })
        } else {
            expected.trust.knows(writer, others, time)
        };
        let Err(distrust) = judged else {
            continue;
        };
        let code = match distrust {
            Distrust::Unknown { .. } => Code::WriterUnknown,
            Distrust::OutsideValidity { .. } => Code::WriterOutsideValidity,
            Distrust::NotForSigning { .. } | Distrust::NotEntitled { .. } => {
                Code::WriterNotEntitled
            }
        };
        if told.insert((row.writer, code)) {
            findings.push(Finding::at(code, number, distrust.to_string()));
        }
    }
    findings
}

/// The first moment of a day in UTC.
fn start_of(date: Date) -> Option<Timestamp> {
    let zoned = date.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}
