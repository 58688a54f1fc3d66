//! What rows say together: pending and released, revisions, corrections, contradictions.

use dhfpack::digest::Sha256;
use dhfpack::manifest::Superseded;
use dhfpack::monitor::Silent;
use dhfpack::publish::registry::{
    Change, Correction, Registration, RegistryError, RowName, correct, record,
};
use dhfpack::register::{Code, Register, Status, insert_table, releases, render_table};

use super::workshop::{Office, config, manifest, registration, released, version};

fn correction(row: &str, changes: &[&str], note: &str) -> Correction {
    Correction {
        row: row.parse::<RowName>().unwrap(),
        changes: changes
            .iter()
            .map(|change| change.parse::<Change>().unwrap())
            .collect(),
        note: note.to_owned(),
    }
}

#[test]
fn a_pending_release_is_released_by_a_second_row_and_neither_is_added_twice() {
    let office = Office::new();
    let release = version("1.0.0");
    let pending = office.add(&release, None).unwrap();
    assert_eq!((pending.row, pending.added), (2, true));
    let again = office.add(&release, None).unwrap();
    assert_eq!((again.head, again.added), (pending.head, false));
    let before = office.lines();

    let done = office.add(&release, released()).unwrap();
    assert_eq!((done.row, done.added), (3, true));
    assert_eq!(office.lines()[..2], before[..]);
    for released_at in [released(), None] {
        let again = office.add(&release, released_at).unwrap();
        assert_eq!((again.head, again.row, again.added), (done.head, 3, false));
    }
    let now = releases(&office.register());
    assert_eq!(now.len(), 1);
    assert_eq!(now[0].entry.status, Status::Released);
    assert_eq!(now[0].entry.release_date.unwrap().to_string(), "2026-03-05");
    assert_eq!(now[0].entry.supersedes_row, Some(pending.head));
    assert_eq!(office.findings(), []);
}

#[test]
fn the_same_release_twice_gives_the_same_bytes() {
    let one = Office::new();
    one.add(&version("1.0.0"), released()).unwrap();
    let other = tempfile::tempdir().unwrap();
    let store = super::workshop::open(other.path());
    let same = registration(&version("1.0.0"), released());
    record(&*store, &same, &one.signer, &Silent).unwrap();
    let written = std::fs::read(other.path().join("registry.csv")).unwrap();
    assert_eq!(written, one.bytes());
}

#[test]
fn another_archive_of_a_version_needs_a_revision_and_a_moved_tag_is_refused() {
    let office = Office::new();
    let first = version("1.0.0");
    office.add(&first, released()).unwrap();
    let mut other = version("1.0.0");
    other.1 = Sha256::of(b"another manifest");
    let error = office.add(&other, released()).unwrap_err();
    assert!(
        matches!(error, RegistryError::OtherArchive { .. }),
        "{error}"
    );
    let mut moved = version("1.0.0");
    moved.0.source.commit = "0".repeat(40);
    let error = office.add(&moved, released()).unwrap_err();
    assert!(matches!(error, RegistryError::TagMoved { .. }), "{error}");

    let mut revision = version("1.0.0");
    revision.0.release.revision = 1;
    revision.0.supersedes = Some(Superseded {
        manifest: first.1,
        reason: "=the wrong manual".to_owned(),
    });
    revision.1 = Sha256::of(b"the revision's manifest");
    let mut addendum = version("1.0.0");
    addendum.0.amends = Some(first.1);
    addendum.1 = Sha256::of(b"the addendum's manifest");
    office.add(&revision, released()).unwrap();
    office.add(&addendum, released()).unwrap();
    let stand: Vec<(u32, Status)> = releases(&office.register())
        .iter()
        .map(|release| (release.entry.revision, release.entry.status))
        .collect();
    assert_eq!(
        stand,
        [
            (0, Status::Superseded),
            (1, Status::Released),
            (0, Status::Released)
        ]
    );
    let note = format!("replaces {}: =the wrong manual", first.1);
    assert!(office.lines()[2].contains(&note));
    assert_eq!(office.findings(), []);
}

#[test]
fn a_correction_supersedes_the_latest_row_and_is_made_once() {
    let office = Office::with(1);
    let wrong = office.register().head();
    let count = correction("2", &["Quantity Installed=12"], "count of June");
    let store = office.store();
    let first = correct(&*store, &count, &office.signer, &Silent).unwrap();
    assert_eq!((first.row, first.added), (3, true));
    let again = correct(&*store, &count, &office.signer, &Silent).unwrap();
    assert_eq!((again.head, again.added), (first.head, false));

    let other = correction("2", &["Quantity Installed=13"], "count of July");
    let error = correct(&*store, &other, &office.signer, &Silent).unwrap_err();
    assert!(
        matches!(error, RegistryError::NotLatest { line: 3, .. }),
        "{error}"
    );
    let digits = first.head.to_string();
    let withdrawn = correction(&digits[..12], &["Status=withdrawn"], "recall 7");
    correct(&*store, &withdrawn, &office.signer, &Silent).unwrap();
    let error = correct(
        &*store,
        &correction("99", &[], "x"),
        &office.signer,
        &Silent,
    );
    assert!(matches!(error, Err(RegistryError::NoRow { .. })));

    let now = releases(&office.register()).remove(0);
    assert_eq!(now.entry.quantity_installed, 12);
    assert_eq!(now.entry.status, Status::Withdrawn);
    assert_eq!(now.entry.note, "recall 7");
    // Registering it once more does not bring it back.
    assert!(!office.add(&version("1.0.0"), released()).unwrap().added);
    let row = office.register().rows().nth(1).unwrap().2.clone();
    assert_eq!(row.entry.supersedes_row, Some(wrong));
    assert_eq!(office.findings(), []);
}

#[test]
fn what_was_corrected_while_pending_stays_when_it_is_released() {
    let office = Office::new();
    office.add(&version("1.0.0"), None).unwrap();
    let pilot = correction("2", &["Phase=Pilot"], "first sites");
    correct(&*office.store(), &pilot, &office.signer, &Silent).unwrap();
    office.add(&version("1.0.0"), released()).unwrap();
    let now = releases(&office.register()).remove(0);
    assert_eq!(
        (&*now.entry.phase, now.entry.status),
        ("Pilot", Status::Released)
    );
    assert_eq!(office.findings(), []);
}

/// Rows that an office would not write, signed all the same.
fn signed_rows(office: &Office, change: impl Fn(&mut dhfpack::register::Entry)) {
    let register = office.register();
    let (_, _, row) = register.rows().last().unwrap();
    let mut entry = row.entry.clone();
    change(&mut entry);
    let row = dhfpack::register::Row::sign(entry, register.head(), row.writer, |text| {
        let now = jiff::Timestamp::now();
        dhfpack::sign::sign_detached(&office.signer, text, now).map_err(|error| error.to_string())
    });
    let row: Result<_, String> = row;
    office.write(&dhfpack::register::appended(&office.bytes(), &row.unwrap()));
}

#[test]
fn a_release_whose_predecessor_a_register_leaves_out_is_not_added() {
    let stranger = |number: &str| {
        let mut release = version(number);
        release.0.predecessor = Some(Sha256::of(b"never registered"));
        release
    };
    let office = Office::with(1);
    let before = office.bytes();
    let refused = office.add(&stranger("2.0.0"), released()).unwrap_err();
    let RegistryError::AncestorMissing { what, manifest, .. } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(
        (*what, *manifest),
        ("predecessor", Sha256::of(b"never registered"))
    );
    assert_eq!(office.bytes(), before);
    // A register may begin after a product's first releases.
    assert!(
        Office::new()
            .add(&stranger("2.0.0"), released())
            .unwrap()
            .added
    );
}

#[test]
fn rows_that_contradict_each_other_are_found_though_they_are_signed() {
    type Contradiction = (fn(&mut dhfpack::register::Entry), Code);
    let contradictions: [Contradiction; 7] = [
        (|_| {}, Code::ReleaseDuplicate),
        (|entry| entry.revision = 1, Code::CommitDiffers),
        (
            |entry| entry.supersedes_row = Some(Sha256::of(b"")),
            Code::SupersedesWrong,
        ),
        (
            |entry| entry.predecessor = Some(Sha256::of(b"")),
            Code::PredecessorMissing,
        ),
        (
            |entry| entry.amends = Some(Sha256::of(b"")),
            Code::PredecessorMissing,
        ),
        (
            |entry| entry.release_date = Some("9998-01-01".parse().unwrap()),
            Code::DateOrder,
        ),
        (
            |entry| {
                entry.version = "3.0.0".to_owned();
                entry.predecessor = Some(entry.manifest_sha256);
                entry.manifest_sha256 = Sha256::of(b"3");
                entry.release_date = Some("2025-01-01".parse().unwrap());
            },
            Code::DateOrder,
        ),
    ];
    for (change, code) in contradictions {
        let office = Office::with(2);
        signed_rows(&office, |entry| {
            if code == Code::CommitDiffers {
                entry.commit = "0".repeat(40);
            }
            if code == Code::PredecessorMissing {
                entry.version = "3.0.0".to_owned();
                entry.manifest_sha256 = Sha256::of(b"3");
            }
            change(entry);
        });
        let found = office.findings();
        assert!(found.contains(&(code, 4)), "{code}: {found:?}");
    }
}

#[test]
fn a_draft_and_a_location_that_a_row_cannot_hold_are_refused() {
    let (mut draft, digest) = version("1.0.0");
    draft.draft = true;
    let refused = Registration::of(&draft, digest, &config(), released(), "a");
    assert!(matches!(refused, Err(RegistryError::Draft { .. })));
    let (release, digest) = version("1.0.0");
    for location in ["", "=a", "a\nb", "a\u{202e}"] {
        let refused = Registration::of(&release, digest, &config(), released(), location);
        assert!(
            matches!(refused, Err(RegistryError::Location { .. })),
            "{location:?}"
        );
    }
    let office = Office::new();
    let long = manifest(|manifest| manifest.product.name = "x".repeat(20_000));
    let error = office.add(&long, released()).unwrap_err();
    assert!(matches!(error, RegistryError::Row { .. }), "{error}");
}

#[test]
fn the_table_in_markdown_is_that_of_the_register() {
    let office = Office::with(2);
    let table = render_table(&releases(&office.register()));
    let file = insert_table(None, &table).unwrap();
    let rows: Vec<&str> = file.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 4);
    assert!(rows[0].starts_with(
        "| Product Name | Phase | Release Date | Quantity Installed | UDI | Version | Status |"
    ));
    let latest = releases(&office.register()).pop().unwrap();
    assert!(rows[3].ends_with(&format!("| {} |", latest.row_sha256)));
    assert!(rows[3].contains("| 00614141000241 2.4.0 | 2.0.0 | released |"));
    let empty = render_table(&releases(&Register::empty()));
    assert_eq!(empty.lines().count(), 2);
}
