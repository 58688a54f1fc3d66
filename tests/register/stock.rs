//! The commands in docs/registry.md, and its table of codes.

use std::process::Command;

use dhfpack::register::{COLUMNS, Code};
use dhfpack::sign::Signer;

use super::workshop::{Office, released, version};
use crate::readme::{Block, blocks, project_file};
use crate::support::git::is_missing;

/// What a block of the page prints in a register's folder.
fn typed(office: &Office, block: usize) -> String {
    typed_from(&project_file("docs/registry.md"), office, block)
}

fn typed_from(page: &str, office: &Office, block: usize) -> String {
    let shell: Vec<String> = blocks(page)
        .iter()
        .filter(|block| block.language == "sh")
        .map(Block::text)
        .collect();
    let output = Command::new("sh")
        .args(["-c", &shell[block]])
        .current_dir(office.folder.path())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).unwrap()
}

#[test]
fn stock_tools_follow_the_chain() {
    let office = Office::with(3);
    assert_eq!(
        typed(&office, 0),
        "line 2: chained\nline 3: chained\nline 4: chained\n"
    );
    let mut lines = office.lines();
    lines.remove(2);
    office.write_lines(&lines);
    assert_eq!(typed(&office, 0), "line 2: chained\nline 3: NOT chained\n");
}

#[test]
fn stock_tools_verify_a_row_s_signature() {
    if is_missing("openssl") {
        return;
    }
    let office = Office::with(2);
    let good = typed(&office, 1);
    assert!(good.starts_with("Verified OK\n"), "{good}");
    let fingerprint = office.signer.certificate().sha256().to_string();
    let printed = good.replace(':', "").to_lowercase();
    assert!(printed.contains(&fingerprint), "{good}");

    let mut lines = office.lines();
    lines[2] = lines[2].replace(",Production,", ",Prototype,");
    office.write_lines(&lines);
    let bad = typed(&office, 1);
    assert!(bad.contains("Verification failure"), "{bad}");
}

#[test]
fn keys_of_every_kind_sign_rows_that_stock_tools_verify() {
    if is_missing("openssl") {
        return;
    }
    for (algorithm, digest) in [
        ("EC -pkeyopt ec_paramgen_curve:P-384", "-sha384"),
        ("RSA -pkeyopt rsa_keygen_bits:2048", "-sha256"),
    ] {
        let keys = tempfile::tempdir().unwrap();
        let make = format!(
            "openssl genpkey -algorithm {algorithm} -out key.pem && openssl req -x509 -new \
             -key key.pem -subj /CN=Writer -days 2 -out certificate.pem"
        );
        let made = Command::new("sh")
            .args(["-c", &make])
            .current_dir(keys.path())
            .output()
            .unwrap();
        assert!(made.status.success());
        let read = |name: &str| std::fs::read(keys.path().join(name)).unwrap();
        let (key, certificate) = (read("key.pem"), read("certificate.pem"));
        let office = Office {
            signer: Signer::load(&key, &certificate, None).unwrap(),
            certificate: String::from_utf8(certificate).unwrap(),
            ..Office::new()
        };
        for number in ["1.0.0", "2.0.0"] {
            office.add(&version(number), released()).unwrap();
        }
        assert_eq!(office.findings(), []);
        let page = project_file("docs/registry.md")
            .replace("-sha256 -verify", &format!("{digest} -verify"));
        let shown = typed_from(&page, &office, 1);
        assert!(shown.starts_with("Verified OK\n"), "{shown}");
    }
}

/// The first cells of a table's rows.
fn rows(page: &str, header: &str) -> Vec<Vec<String>> {
    let lines = page.lines().skip_while(|line| *line != header).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    })
    .collect()
}

#[test]
fn the_page_names_every_column_and_every_code() {
    let page = project_file("docs/registry.md");
    let columns = rows(&page, "| column | holds |");
    let columns: Vec<&str> = columns.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(columns, COLUMNS);
    let known: Vec<Vec<String>> = Code::ALL
        .iter()
        .map(|code| {
            let class = serde_json::to_value(code.class()).unwrap();
            let class = class.as_str().unwrap().to_owned();
            vec![format!("`{code}`"), class, code.meaning().to_owned()]
        })
        .collect();
    assert_eq!(rows(&page, "| code | class | meaning |"), known);
}
