//! The rule of retention: checked in the configuration, kept in the archive, shown on its page.

use std::fs;

use serde_json::{Value, json};

use crate::support::small::{Small, tells};

const TABLE: &str = "[retention]\nrule = \"MDR Art. 10(8)\"\n\
    trigger = \"last device placed on the market\"\nminimum_years = 10\n\
    mode = \"compliance\"\nlegal_hold = true\n";

#[test]
fn an_archive_records_rule_trigger_and_least_time_and_no_end() {
    let small = Small::new(TABLE).release();
    let manifest = small.manifest();
    let rule = json!({
        "rule": "MDR Art. 10(8)",
        "trigger": "last device placed on the market",
        "minimum_years": 10,
    });
    assert_eq!(manifest["retention"], rule);
    let read = |name: &str| fs::read_to_string(small.archive().join(name)).unwrap();
    let record: Value = serde_json::from_str(&read("Release Record/release.json")).unwrap();
    assert_eq!(record["retention"], rule);
    let page = read("index.html");
    tells(
        &page,
        &[
            "Minimum in years: 10, counted from: last device placed on the market",
            "MDR Art. 10(8)",
        ],
    );
    assert!(!page.contains("compliance"), "{page}");

    let without = Small::new("").release();
    assert_eq!(without.manifest()["retention"], Value::Null);
}

#[test]
fn a_rule_that_cannot_be_meant_is_shown_where_it_stands() {
    for (line, instead, expected) in [
        ("\"MDR Art. 10(8)\"", "\" \"", "the text is empty"),
        (
            "\"last device placed on the market\"",
            "\"\"",
            "the text is empty",
        ),
        ("= 10", "= 0", "archives are kept for 1 to 100 years, not 0"),
        ("= 10", "= 101", "1 to 100 years, not 101"),
        ("= 10", "= -1", "dhfpack.toml:"),
        ("\"compliance\"", "\"forever\"", "unknown variant `forever`"),
        ("trigger =", "triger =", "did you mean `trigger`?"),
    ] {
        assert!(TABLE.contains(line), "{line}");
        let small = Small::new(&TABLE.replacen(line, instead, 1)).release();
        let told = small.failure::<&str>([], 2);
        tells(&told, &[expected, "dhfpack.toml:"]);
    }
}
