//! What is no bill of materials, and what should not be trusted in one.

use std::io::{self, Read, Seek, SeekFrom};

use dhfpack::sbom::{LARGEST, Sbom, SbomError, Standard};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{VERSIONS, fixture, json as fixture_json, name_of, read};

#[test]
fn what_is_no_bill_of_materials_is_named_for_what_it_is() {
    for text in [
        "",
        "{",
        "[]",
        "null",
        "<bom xmlns=\"http://cyclonedx.org/schema/bom/1.6\"/>",
        "SPDXVersion: SPDX-2.3",
        "\u{feff}{}",
        "{\"bomFormat\": 3}",
        "{\"bomFormat\": \"CycloneDX\", \"specVersion\": \"1.6\", \"components\": 7}",
        "{\"bomFormat\": \"CycloneDX\", \"specVersion\": \"1.6\", \"specVersion\": \"1.6\"}",
        "{\"bomFormat\": \"CycloneDX\", \"specVersion\": \"1.6\"} {}",
    ] {
        assert!(matches!(read(text), Err(SbomError::Json(_))), "{text}");
    }
    for text in [
        "{}",
        "{\"bomFormat\": \"CycloneDX\"}",
        "{\"bomFormat\": \"Other\", \"specVersion\": \"1.6\"}",
        "{\"@context\": \"https://spdx.org/rdf/3.0.1/spdx-context.jsonld\", \"@graph\": []}",
        "{\"bomFormat\": \"CycloneDX\", \"specVersion\": \"1.6\", \"spdxVersion\": \"SPDX-2.3\"}",
    ] {
        assert!(matches!(read(text), Err(SbomError::NotAnSbom)), "{text}");
    }
}

#[test]
fn another_version_is_told_with_those_that_can_be_read() {
    for (name, pointer, version, told) in [
        (
            "cyclonedx-1.6",
            "/specVersion",
            "1.3",
            "CycloneDX 1.3; CycloneDX 1.4, 1.5, 1.6",
        ),
        ("cyclonedx-1.6", "/specVersion", "1.7", "CycloneDX 1.7"),
        (
            "spdx-2.3",
            "/spdxVersion",
            "SPDX-2.1",
            "SPDX 2.1; SPDX 2.2, 2.3",
        ),
        (
            "spdx-2.3",
            "/spdxVersion",
            "SPDX-3.0\u{1b}[2J",
            "SPDX 3.0\u{fffd}[2J",
        ),
    ] {
        let mut document = fixture_json(name);
        *document.pointer_mut(pointer).unwrap() = json!(version);
        let error = read(document).unwrap_err();
        assert!(matches!(error, SbomError::Version { .. }));
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn two_components_with_one_reference_are_refused() {
    let mut bom = fixture_json("cyclonedx-1.5");
    // At another depth, and the subject's own.
    bom["components"][0]["components"][0]["bom-ref"] = json!("tzdata");
    assert!(
        read(&bom)
            .unwrap_err()
            .to_string()
            .contains("same bom-ref; the second is `tzdata 2025b`")
    );
    bom["components"][0]["components"][0]["bom-ref"] = json!("image");
    assert!(
        read(&bom)
            .unwrap_err()
            .to_string()
            .contains("same bom-ref; the second is `serde 1.0.219`")
    );
    let mut document = fixture_json("spdx-2.2");
    document["packages"][2]["SPDXID"] = json!("SPDXRef-libc6");
    let error = read(document).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("same SPDXID; the second is `openssl 3.0.15-1`")
    );
}

/// Claims to be as large as it likes.
struct Large(u64);

impl Read for Large {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("what is too large is not read");
    }
}

impl Seek for Large {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Ok(self.0)
    }
}

#[test]
fn what_is_too_large_too_deep_or_too_many_is_refused() {
    let error = Sbom::read(&mut Large(LARGEST + 1)).unwrap_err();
    assert!(matches!(error, SbomError::TooLarge { .. }));

    let open = "{\"name\":\"a\",\"components\":[".repeat(100_000);
    let deep =
        format!("{{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.6\",\"components\":[{open}");
    assert!(matches!(read(deep), Err(SbomError::Json(_))));
    let ignored = format!(
        "{{\"spdxVersion\":\"SPDX-2.3\",\"x\":{}",
        "[".repeat(1_000_000)
    );
    assert!(matches!(read(ignored), Err(SbomError::Json(_))));

    let many = "{},".repeat(500_001);
    let many = format!("{{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[{many}{{}}]}}");
    assert!(matches!(read(many), Err(SbomError::Json(_))));
    let half = format!("[{}{{}}]", "{},".repeat(300_000));
    let split = format!(
        "{{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.6\",\"components\":[{{\"components\":{half}}},{{\"components\":{half}}}]}}"
    );
    assert!(matches!(read(split), Err(SbomError::TooMany)));
}

#[test]
fn hostile_text_is_cut_and_cleaned_before_it_is_shown() {
    let hostile = format!("\u{1b}]0;owned\u{7}\u{202e}{}", "x".repeat(10_000));
    for (standard, version, ..) in VERSIONS {
        let text = fixture(&name_of(standard, version));
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let pointer = match standard {
            Standard::CycloneDx => "/metadata/component",
            Standard::Spdx => "/packages/0",
        };
        let subject = document.pointer_mut(pointer).unwrap();
        subject["name"] = json!(hostile);
        subject["supplier"] = Value::Null;
        document["metadata"]["supplier"] = Value::Null;
        let sbom = read(document).unwrap();
        let shown = sbom.missing[0].examples[0].clone();
        for text in [shown, sbom.subject.unwrap().title] {
            assert!(text.chars().count() <= 121, "{text}");
            assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text}");
        }
    }
}

/// Any JSON, of the words that bills are made of.
fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "bomFormat",
        "CycloneDX",
        "specVersion",
        "1.6",
        "spdxVersion",
        "SPDX-2.3",
        "components",
        "metadata",
        "component",
        "tools",
        "dependencies",
        "ref",
        "dependsOn",
        "bom-ref",
        "name",
        "packages",
        "relationships",
        "SPDXID",
        "SPDXRef-DOCUMENT",
        "creationInfo",
        "creators",
        "purl",
        "pkg:oci/a@sha256:0",
        "hashes",
        "properties",
        "value",
        "a\u{0}b",
        "é@ſ",
    ]);
    let word = words.prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|fields| fields.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Sbom::read(&mut io::Cursor::new(bytes));
    }

    #[test]
    fn no_json_makes_it_panic(value in any_json(), which in 0..VERSIONS.len()) {
        let _ = read(&value);
        let (standard, version, ..) = VERSIONS[which];
        let mut document = fixture_json(&name_of(standard, version));
        if let (Value::Object(fields), Value::Object(more)) = (&mut document, value) {
            fields.extend(more);
        }
        let _ = read(document);
    }

    #[test]
    fn a_bill_that_is_cut_or_damaged_makes_no_panic(which in 0..VERSIONS.len(), at in 0usize..4000, byte: u8) {
        let (standard, version, ..) = VERSIONS[which];
        let mut bytes = fixture(&name_of(standard, version)).into_bytes();
        let at = at % bytes.len();
        let _ = Sbom::read(&mut io::Cursor::new(&bytes[..at]));
        bytes[at] = byte;
        let _ = Sbom::read(&mut io::Cursor::new(bytes));
    }
}
