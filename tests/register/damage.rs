//! Each kind of tampering has its code, and nothing is appended to what was tampered with.

use std::fs;

use dhfpack::digest::Sha256;
use dhfpack::finding::Class;
use dhfpack::publish::registry::RegistryError;
use dhfpack::register::Code;
use dhfpack::sign::Trust;
use jiff::{SignedDuration, Timestamp};

use super::workshop::{Office, person, released, version};

/// A kind of tampering with a register of five rows, and what is found.
type Row = (&'static str, fn(&Office), &'static [(Code, u64)]);

fn changed(office: &Office, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines = office.lines();
    change(&mut lines);
    office.write_lines(&lines);
}

/// A row by another writer who holds a key of his own, chained to the line before it.
fn forged(office: &Office, place: usize) {
    changed(office, |lines| {
        let stranger = Office::new();
        stranger.write(format!("{}\r\n", lines[..place].join("\r\n")).as_bytes());
        // The stranger's certificate is put beside the register, as anybody could who writes there.
        let keys = office.folder.path().join("registry.keys");
        let own = stranger.folder.path().join("registry.keys");
        fs::create_dir_all(&own).unwrap();
        for key in fs::read_dir(&keys).unwrap() {
            let key = key.unwrap();
            fs::copy(key.path(), own.join(key.file_name())).unwrap();
        }
        stranger.add(&version("9.9.9"), released()).unwrap();
        for key in fs::read_dir(&own).unwrap() {
            let key = key.unwrap();
            fs::copy(key.path(), keys.join(key.file_name())).unwrap();
        }
        lines.insert(place, stranger.lines().pop().unwrap());
    });
}

/// Edits a row, and computes the links behind it anew.
fn recompute(office: &Office) {
    changed(office, |lines| {
        lines[2] = lines[2].replace(",Production,", ",Prototype,");
        for index in 3..lines.len() {
            let before = Sha256::of(lines[index - 1].as_bytes()).to_string();
            let mut cells: Vec<String> = lines[index].rsplitn(4, ',').map(str::to_owned).collect();
            cells[2] = before;
            cells.reverse();
            lines[index] = cells.join(",");
        }
    });
}

/// Changes a digit of the signature, away from its end, which may be padded.
fn swap_digits(line: &mut String) {
    let place = line.len() - 10;
    let other = if line[place..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    line.replace_range(place..=place, other);
}

// A matrix: one row a line.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("nothing", |_| {}, &[]),
    ("an edited row", |o| changed(o, |l| l[2] = l[2].replace(",Production,", ",Prototype,")), &[(Code::RowEdited, 3)]),
    ("an edited first row", |o| changed(o, |l| l[1] = l[1].replace(",Production,", ",Prototype,")), &[(Code::RowEdited, 2)]),
    ("an edited last row", |o| changed(o, |l| l[5] = l[5].replace(",Production,", ",Prototype,")), &[(Code::SignatureInvalid, 6)]),
    ("a deleted row", |o| changed(o, |l| drop(l.remove(3))), &[(Code::RowDeleted, 3)]),
    ("a deleted first row", |o| changed(o, |l| drop(l.remove(1))), &[(Code::RowDeleted, 1)]),
    ("two deleted rows", |o| changed(o, |l| drop(l.drain(2..4))), &[(Code::RowDeleted, 2)]),
    ("two rows changed places", |o| changed(o, |l| l.swap(2, 3)), &[(Code::RowMoved, 3)]),
    ("a row moved to the end", |o| changed(o, |l| { let row = l.remove(2); l.push(row); }), &[(Code::RowMoved, 3), (Code::RowMoved, 4), (Code::RowMoved, 5)]),
    ("a row inserted again", |o| changed(o, |l| l.insert(4, l[2].clone())), &[(Code::RowInserted, 5), (Code::ReleaseDuplicate, 5)]),
    ("a forged row inserted", |o| forged(o, 3), &[(Code::RowInserted, 4), (Code::WriterUnknown, 4)]),
    ("a forged row appended", |o| forged(o, 6), &[(Code::WriterUnknown, 7)]),
    ("a chain computed anew", recompute, &[(Code::SignatureInvalid, 3), (Code::SignatureInvalid, 4), (Code::SignatureInvalid, 5), (Code::SignatureInvalid, 6)]),
    ("a changed header", |o| changed(o, |l| l[0] = l[0].replace("Phase", "Stage")), &[(Code::HeaderChanged, 1)]),
    ("a header without its mark", |o| changed(o, |l| l[0] = l[0].trim_start_matches('\u{feff}').to_owned()), &[(Code::HeaderChanged, 1)]),
    ("a deleted header", |o| changed(o, |l| drop(l.remove(0))), &[(Code::HeaderChanged, 1)]),
    ("a broken line", |o| changed(o, |l| l[3].push('"')), &[(Code::Unreadable, 4)]),
    ("a line with another number of cells", |o| changed(o, |l| l[3].push_str(",x")), &[(Code::Unreadable, 4)]),
    ("a cell quoted for nothing", |o| changed(o, |l| l[3] = l[3].replacen(",Production,", ",\"Production\",", 1)), &[(Code::Unreadable, 4)]),
    ("an empty line", |o| changed(o, |l| l.push(String::new())), &[(Code::Unreadable, 7)]),
    ("a formula", |o| changed(o, |l| l[3] = l[3].replacen(",Production,", ",=cmd(),", 1)), &[(Code::Unreadable, 4)]),
    ("bytes that are no text", |o| { let mut b = o.bytes(); let at = b.len() - 300; b[at] = 0xff; o.write(&b); }, &[(Code::Unreadable, 6)]),
    ("a file cut off within a line", |o| { let b = o.bytes(); o.write(&b[..b.len() - 1]); }, &[(Code::Unreadable, 6)]),
    ("an empty file", |o| o.write(b""), &[(Code::Unreadable, 1), (Code::HeaderChanged, 1)]),
    ("a changed signature", |o| changed(o, |l| swap_digits(&mut l[5])), &[(Code::SignatureInvalid, 6)]),
    ("a writer's certificate taken away", |o| fs::remove_dir_all(o.folder.path().join("registry.keys")).unwrap(), &[(Code::WriterMissing, 2)]),
    ("line ends that git changed", |o| { let text = String::from_utf8(o.bytes()).unwrap(); o.write(text.replace("\r\n", "\n").as_bytes()); }, &[]),
];

#[test]
fn each_kind_of_tampering_has_its_code() {
    for (what, tamper, expected) in ROWS {
        let office = Office::with(5);
        tamper(&office);
        // What a broken line or a lost row would have said is missing for other rows.
        let consequences = [Code::PredecessorMissing];
        let mut found = office.findings();
        found.retain(|(code, _)| !consequences.contains(code));
        let mut expected = expected.to_vec();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn nothing_is_appended_to_a_register_that_was_tampered_with() {
    for (what, tamper, _) in ROWS {
        let office = Office::with(5);
        tamper(&office);
        let is_form = |(code, _): &(Code, u64)| code.class() == Class::Integrity;
        let mut is_broken = office.findings().iter().any(is_form);
        // The writer's own certificate is put back.
        is_broken &= !office.findings().contains(&(Code::WriterMissing, 2));
        let before = office.bytes();
        let added = office.add(&version("10.0.0"), released());
        if !is_broken {
            assert!(added.unwrap().added, "{what}");
            continue;
        }
        let error = added.unwrap_err();
        assert!(
            matches!(error, RegistryError::Broken { .. }),
            "{what}: {error}"
        );
        assert_eq!(office.bytes(), before, "{what}");
    }
}

#[test]
fn a_tail_that_was_cut_is_noticed_by_the_last_head() {
    let office = Office::with(5);
    let head = office.register().head();
    let whole = office.examine(Some(head));
    assert_eq!((whole.findings, whole.behind_head), (vec![], Some(0)));

    let lines = office.lines();
    office.write_lines(&lines[..4]);
    assert_eq!(office.findings(), []);
    let cut = office.examine(Some(head)).findings;
    assert_eq!(cut.len(), 1);
    assert_eq!(cut[0].code, Code::TailCut);
    assert!(cut[0].detail.contains(&head.to_string()));

    office.write_lines(&lines);
    office.add(&version("6.0.0"), released()).unwrap();
    let grown = office.examine(Some(head));
    assert_eq!((grown.findings, grown.behind_head), (vec![], Some(1)));
}

#[test]
fn a_writer_counts_only_if_trusted_and_while_the_certificate_is_valid() {
    let office = Office::with(2);
    let unknown = office.examine_trusting(&Trust::default(), None, Timestamp::now());
    let codes: Vec<Code> = unknown
        .findings
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert_eq!(codes, [Code::WriterUnknown]);
    assert!(!unknown.has(Class::Integrity));

    let mut trust = Trust::default();
    trust.add(office.certificate.as_bytes(), None).unwrap();
    // Before the certificate was made, no row can have been written with it.
    let before = Timestamp::now() - SignedDuration::from_hours(48);
    let early = office.examine_trusting(&trust, None, before);
    let codes: Vec<Code> = early.findings.iter().map(|finding| finding.code).collect();
    assert!(codes.contains(&Code::WriterOutsideValidity), "{codes:?}");
}

#[test]
fn a_certificate_under_another_s_name_is_not_used() {
    let office = Office::with(2);
    let (_, stranger) = person("Stranger");
    let keys = office.folder.path().join("registry.keys");
    let key = fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
    fs::write(&key, stranger).unwrap();
    let missing = (Code::WriterMissing, 2);
    assert_eq!(office.findings(), [missing]);

    // Nor is a row written whose certificate could not be found.
    fs::remove_file(office.folder.path().join("registry.csv")).unwrap();
    let error = office.add(&version("1.0.0"), released()).unwrap_err();
    assert!(
        matches!(error, RegistryError::OtherCertificate { .. }),
        "{error}"
    );
    assert!(!office.folder.path().join("registry.csv").exists());
}
