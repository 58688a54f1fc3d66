//! Each element, taken out of a bill that has them all.

use dhfpack::sbom::Element::{
    self, Author, ComponentName, DependencyRelationship, SupplierName, Timestamp, UniqueIdentifier,
    Version,
};
use serde_json::{Value, json};

use super::{json as fixture_json, read};

/// Puts `value` at a JSON pointer, or takes out what is there for `null`.
fn change(document: &mut Value, pointer: &str, value: &Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(fields), Value::Null) => {
            assert!(fields.remove(key).is_some(), "{pointer}");
        }
        (Value::Array(items), Value::Null) => {
            items.remove(key.parse().unwrap());
        }
        (parent, value) => *parent.pointer_mut(&format!("/{key}")).unwrap() = value.clone(),
    }
}

/// Fails unless the change leaves exactly this element missing once.
fn lacks(name: &str, changes: &[(&str, Value)], element: Element) {
    let mut document = fixture_json(name);
    for (pointer, value) in changes {
        change(&mut document, pointer, value);
    }
    let sbom = read(document).unwrap();
    let found: Vec<_> = sbom
        .missing
        .iter()
        .map(|one| (one.element, one.count))
        .collect();
    assert_eq!(found, [(element, 1)], "{name}: {changes:?}");
}

#[test]
fn an_sbom_without_components_lacks_what_components_have() {
    let made = "2026-03-05T10:00:00Z";
    let cyclonedx = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6",
        "metadata": { "timestamp": made, "authors": [{ "name": "Dana" }] },
    });
    let spdx = json!({
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT",
        "creationInfo": { "created": made, "creators": ["Person: Dana"] },
    });
    for document in [cyclonedx, spdx] {
        let sbom = read(document).unwrap();
        assert_eq!(sbom.components, 0);
        let found: Vec<_> = sbom
            .missing
            .iter()
            .map(|one| (one.element, one.count))
            .collect();
        let of_components = [
            SupplierName,
            ComponentName,
            Version,
            UniqueIdentifier,
            DependencyRelationship,
        ];
        assert_eq!(found, of_components.map(|element| (element, 0)));
        let told = sbom.missing[0].to_string();
        assert_eq!(told, "supplier name (no component is listed)");
    }
}

#[test]
fn each_element_is_missed_in_cyclonedx() {
    for name in ["cyclonedx-1.4", "cyclonedx-1.6"] {
        for nothing in [Value::Null, json!(" "), json!("NOASSERTION")] {
            for (pointer, element) in [
                ("/components/0/supplier/name", SupplierName),
                ("/components/0/name", ComponentName),
                ("/components/0/version", Version),
                ("/components/0/purl", UniqueIdentifier),
                ("/metadata/component/supplier/name", SupplierName),
                ("/metadata/timestamp", Timestamp),
            ] {
                lacks(name, &[(pointer, nothing.clone())], element);
            }
        }
        lacks(
            name,
            &[("/components/0/supplier", Value::Null)],
            SupplierName,
        );
        let date = json!("5 March 2026");
        lacks(name, &[("/metadata/timestamp", date)], Timestamp);
    }
    lacks(
        "cyclonedx-1.4",
        &[("/components/1/cpe", Value::Null)],
        UniqueIdentifier,
    );
    lacks(
        "cyclonedx-1.5",
        &[("/components/1/swid/tagId", json!(""))],
        UniqueIdentifier,
    );
    lacks(
        "cyclonedx-1.6",
        &[("/components/1/omniborId/0", Value::Null)],
        UniqueIdentifier,
    );
    lacks(
        "cyclonedx-1.6",
        &[("/components/2/swhid", Value::Null)],
        UniqueIdentifier,
    );
    // Whether by tool, by manufacturer or by person, in the forms of each version.
    lacks(
        "cyclonedx-1.4",
        &[("/metadata/tools/0/name", Value::Null)],
        Author,
    );
    lacks(
        "cyclonedx-1.5",
        &[("/metadata/tools/components", json!([]))],
        Author,
    );
    lacks(
        "cyclonedx-1.6",
        &[("/metadata/manufacturer", Value::Null)],
        Author,
    );
    lacks(
        "cyclonedx-1.5",
        &[("/dependencies/0/dependsOn/1", Value::Null)],
        DependencyRelationship,
    );
    lacks(
        "cyclonedx-1.5",
        &[("/metadata/supplier", Value::Null)],
        SupplierName,
    );
    lacks(
        "cyclonedx-1.5",
        &[("/components/0/components/0/supplier", Value::Null)],
        SupplierName,
    );
}

#[test]
fn a_person_counts_as_author_of_a_cyclonedx_bill() {
    let mut bom = fixture_json("cyclonedx-1.6");
    change(&mut bom, "/metadata/manufacturer", &Value::Null);
    bom["metadata"]["authors"] = json!([{ "email": "mara@example.org" }]);
    assert_eq!(read(bom).unwrap().missing, []);
}

#[test]
fn each_element_is_missed_in_spdx() {
    for name in ["spdx-2.2", "spdx-2.3"] {
        for nothing in [Value::Null, json!(""), json!("NOASSERTION"), json!("NONE")] {
            for (pointer, element) in [
                ("/packages/1/supplier", SupplierName),
                ("/packages/1/name", ComponentName),
                ("/packages/1/versionInfo", Version),
                (
                    "/packages/1/externalRefs/0/referenceLocator",
                    UniqueIdentifier,
                ),
                ("/creationInfo/created", Timestamp),
            ] {
                lacks(name, &[(pointer, nothing.clone())], element);
            }
        }
        for (pointer, nothing, element) in [
            (
                "/packages/1/supplier",
                json!("Organization: "),
                SupplierName,
            ),
            (
                "/packages/1/externalRefs/0/referenceType",
                json!("url"),
                UniqueIdentifier,
            ),
            ("/packages/1/externalRefs", Value::Null, UniqueIdentifier),
            ("/creationInfo/creators", json!(["Tool: "]), Author),
        ] {
            lacks(name, &[(pointer, nothing)], element);
        }
    }
}

#[test]
fn only_a_relationship_to_another_package_counts_in_spdx() {
    // Besides "contains", the package that is left without a relation has none but these.
    for (other, related) in [
        ("SPDXRef-file", false),
        ("SPDXRef-libc6", false),
        ("NOASSERTION", false),
        ("SPDXRef-absent", false),
        ("NONE", true),
        ("SPDXRef-image", true),
        ("DocumentRef-base:SPDXRef-image", true),
    ] {
        let mut document = fixture_json("spdx-2.3");
        document["relationships"] = json!([
            { "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-image" },
            { "spdxElementId": "SPDXRef-image", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-openssl" },
            { "spdxElementId": "SPDXRef-libc6", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": other },
        ]);
        let missing = read(document).unwrap().missing;
        assert_eq!(missing.is_empty(), related, "{other}: {missing:?}");
    }
}
