//! Whatever a configuration says, a row stays a row: in this program, in Python, in a spreadsheet.

use std::process::Command;

use dhfpack::register::{is_neutral, neutral};
use proptest::prelude::*;

use super::workshop::{Office, manifest, released};
use crate::support::git::{is_missing, succeed};

const HOSTILE: [&str; 8] = [
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    "+1\n=2",
    "-2+3",
    "a\",\"b\r\nc",
    "x; =HYPERLINK(\"http://e\")",
    "Überwachung 監視 \u{202e}txt",
    "\t=1",
];

#[test]
fn python_reads_the_cells_that_were_written() {
    if is_missing("python3") {
        return;
    }
    let office = Office::new();
    for (number, name) in HOSTILE.iter().enumerate() {
        let release = manifest(|manifest| {
            (*name).clone_into(&mut manifest.product.name);
            manifest.release.version = format!("{number}.0.0");
        });
        office.add(&release, released()).unwrap();
    }
    assert_eq!(office.findings(), []);
    let script = "import csv, json, sys\n\
        rows = csv.reader(open(sys.argv[1], encoding='utf-8-sig', newline=''))\n\
        print(json.dumps(list(rows)))";
    let file = office.folder.path().join("registry.csv");
    let output = succeed(Command::new("python3").args(["-c", script]).arg(file));
    let rows: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.len(), HOSTILE.len() + 1);
    assert_eq!(rows[0], dhfpack::register::COLUMNS);
    for (row, name) in rows[1..].iter().zip(HOSTILE) {
        assert_eq!(row.len(), rows[0].len());
        assert_eq!(row[0], neutral(name));
        for cell in row {
            assert!(
                !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{cell}"
            );
            assert!(!cell.contains(['\n', '\r']), "{cell}");
        }
    }
}

#[test]
fn a_spreadsheet_that_splits_at_semicolons_finds_no_formula_either() {
    let office = Office::new();
    for (number, name) in HOSTILE.iter().enumerate() {
        let release = manifest(|manifest| {
            (*name).clone_into(&mut manifest.product.name);
            manifest.markets[0].clearance = Some(format!("; {name}"));
            manifest.release.version = format!("{number}.0.0");
        });
        office.add(&release, released()).unwrap();
    }
    for line in office.lines() {
        for cell in line.split(';') {
            let cell = cell.trim_start_matches([' ', '"']);
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{line}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_becomes_a_cell_that_stays_as_it_is(text in any::<String>()) {
        let cell = neutral(&text);
        prop_assert!(is_neutral(&cell));
        prop_assert!(!cell.contains(char::is_control));
        prop_assert!(!cell.starts_with(['=', '+', '-', '@']));
    }

    #[test]
    fn any_release_is_written_and_read_as_the_same(name in any::<String>(), reason in ".{0,80}") {
        let office = Office::new();
        let release = manifest(|manifest| {
            manifest.product.name = format!("x{name}");
            manifest.markets[0].clearance = Some(reason.clone());
        });
        office.add(&release, released()).unwrap();
        prop_assert_eq!(office.findings(), vec![]);
        let register = office.register();
        let row = register.rows().next().unwrap().2;
        prop_assert_eq!(&row.entry.product_name, &neutral(&format!("x{name}")));
        let line = office.lines().remove(1);
        prop_assert_eq!(line, row.text());
    }

    #[test]
    fn no_change_of_a_byte_goes_unnoticed(at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let office = Office::with(3);
        let mut bytes = office.bytes();
        let at = at.index(bytes.len());
        let was = bytes[at];
        bytes[at] ^= 1 << bit;
        // Line breaks are covered by nothing: with a CR less, the line is the same.
        let in_break = was == b'\r';
        office.write(&bytes);
        prop_assert!(in_break || !office.findings().is_empty(), "{at} {bit}");
    }
}
