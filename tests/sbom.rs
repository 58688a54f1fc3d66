//! Software bills of materials: every version that is read, what they lack, and of which image.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use dhfpack::sbom::{Element, Link, Missing, Sbom, SbomError, Standard};
use serde_json::Value;

mod broken;
mod elements;
mod linked;

/// Every version that is read, with the number of components of its fixtures.
const VERSIONS: [(Standard, &str, u64, u64); 5] = [
    (Standard::CycloneDx, "1.4", 3, 4),
    (Standard::CycloneDx, "1.5", 4, 4),
    (Standard::CycloneDx, "1.6", 4, 4),
    (Standard::Spdx, "2.2", 3, 3),
    (Standard::Spdx, "2.3", 3, 3),
];

/// A fixture, as in `cyclonedx-1.4` or `spdx-2.3-lacking`.
pub(crate) fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sbom");
    fs::read_to_string(folder.join(format!("{name}.json"))).unwrap()
}

fn name_of(standard: Standard, version: &str) -> String {
    format!("{}-{version}", standard.as_str().to_lowercase())
}

fn json(name: &str) -> Value {
    serde_json::from_str(&fixture(name)).unwrap()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "text and JSON alike are read as they come"
)]
fn read(text: impl ToString) -> Result<Sbom, SbomError> {
    Sbom::read(&mut Cursor::new(text.to_string()))
}

fn missing(element: Element, examples: &[&str]) -> Missing {
    Missing {
        element,
        count: examples.len().max(1) as u64,
        examples: examples.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn every_version_is_read_and_evidence_of_all_elements_found() {
    for (standard, version, components, _) in VERSIONS {
        let sbom = read(fixture(&name_of(standard, version))).unwrap();
        assert_eq!((sbom.standard, sbom.version.as_str()), (standard, version));
        assert_eq!(sbom.components, components, "{version}");
        assert_eq!(sbom.missing, [], "{version}");
        assert!(!sbom.subject.unwrap().claims.is_empty(), "{version}");
    }
}

#[test]
fn what_a_bill_lacks_is_counted_and_named() {
    for (standard, version, _, components) in VERSIONS {
        let sbom = read(fixture(&format!("{}-lacking", name_of(standard, version)))).unwrap();
        assert_eq!(sbom.components, components);
        let expected = match standard {
            Standard::CycloneDx => vec![
                missing(
                    Element::SupplierName,
                    &["pump 2.4.0", "libc6 2.36-9", "left-pad", "component 4"],
                ),
                missing(Element::ComponentName, &["component 4"]),
                missing(Element::Version, &["left-pad", "component 4"]),
                missing(
                    Element::UniqueIdentifier,
                    &["pump 2.4.0", "left-pad", "component 4"],
                ),
                missing(
                    Element::DependencyRelationship,
                    &["left-pad", "component 4"],
                ),
                missing(Element::Author, &[]),
                missing(Element::Timestamp, &[]),
            ],
            Standard::Spdx => vec![
                missing(
                    Element::SupplierName,
                    &["pump 2.4.0", "libc6 2.36-9", "left-pad"],
                ),
                missing(Element::Version, &["left-pad"]),
                missing(Element::UniqueIdentifier, &["pump 2.4.0", "left-pad"]),
                missing(Element::DependencyRelationship, &["left-pad"]),
            ],
        };
        assert_eq!(sbom.missing, expected, "{version}");
        assert_eq!(sbom.subject.unwrap().claims, []);
    }
}

#[test]
fn of_many_components_that_lack_something_a_few_are_named() {
    let mut bom = json("cyclonedx-1.6");
    let more = (0..20).map(|n| serde_json::json!({ "type": "library", "name": format!("c{n}") }));
    bom["components"].as_array_mut().unwrap().extend(more);
    let sbom = read(bom).unwrap();
    assert_eq!(sbom.components, 24);
    assert_eq!(
        sbom.missing[0].to_string(),
        "supplier name of 20 components (c0, c1, c2, c3, c4, …)"
    );
}

/// As cyclonedx-py 7.5.0 writes it, but for links.
#[test]
fn what_a_tool_wrote_is_read_and_what_it_left_out_is_found() {
    let sbom = read(fixture("cyclonedx-py")).unwrap();
    assert_eq!(sbom.subject.unwrap().title, "pump-dashboard 2.4.0");
    let all = [
        "pump-dashboard 2.4.0",
        "jsonschema 4.23.0",
        "packaging 24.2",
    ];
    let expected = [
        missing(Element::SupplierName, &all),
        missing(Element::UniqueIdentifier, &all[..1]),
        missing(Element::Timestamp, &[]),
    ];
    assert_eq!(sbom.missing, expected);
}
