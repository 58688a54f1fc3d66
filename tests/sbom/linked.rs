//! Whether a bill is of the archived image.

use dhfpack::digest::Sha256;
use dhfpack::sbom::{Identity, link};
use serde_json::{Value, json};

use super::{Link, fixture, json as fixture_json, read};

fn digest(of: &str) -> Sha256 {
    Sha256::of(of.as_bytes())
}

/// An image as an engine gives it.
fn image() -> Identity {
    Identity {
        shown: "install (linux/amd64)".to_owned(),
        id: digest("config"),
        layers: vec![digest("layer")],
        manifest: None,
        others: vec![digest("written")],
    }
}

/// An image as a registry gives it.
fn from_registry() -> Identity {
    Identity {
        manifest: Some(digest("manifest")),
        others: vec![digest("index"), digest("written")],
        ..image()
    }
}

/// How the bill and the image belong together; the field that contradicts, if one does.
fn linked(text: impl ToString, image: &Identity) -> Result<Link, &'static str> {
    let subject = read(text).unwrap().subject.unwrap();
    link(&subject, image).map_err(|error| {
        assert!(
            error.to_string().contains("install (linux/amd64)"),
            "{error}"
        );
        error.field
    })
}

/// A fixture in which the image's digests are these.
fn naming(name: &str, digest: Sha256) -> String {
    fixture(name)
        .replace(&"0".repeat(64), &digest.to_string())
        .replace(&"1".repeat(64), &self::digest("config").to_string())
        .replace(&"2".repeat(64), &self::digest("layer").to_string())
}

const FIXTURES: [(&str, &str); 5] = [
    ("cyclonedx-1.4", "metadata.component.purl"),
    ("cyclonedx-1.5", "metadata.component.purl"),
    ("cyclonedx-1.6", "metadata.component.hashes"),
    ("spdx-2.2", "externalRefs"),
    ("spdx-2.3", "checksums"),
];

#[test]
fn a_bill_that_names_the_image_by_any_of_its_digests_is_linked() {
    for (name, _) in FIXTURES {
        for known in ["manifest", "index", "config", "written"] {
            let link = linked(naming(name, digest(known)), &from_registry());
            assert_eq!(link, Ok(Link::Digest), "{name}: {known}");
        }
    }
}

#[test]
fn a_bill_of_another_image_contradicts() {
    for (name, field) in FIXTURES {
        let link = linked(naming(name, digest("other")), &from_registry());
        assert_eq!(link, Err(field), "{name}");
    }
}

#[test]
fn a_registry_s_digest_cannot_be_compared_with_an_image_from_elsewhere() {
    for (name, _) in &FIXTURES[1..] {
        let link = linked(naming(name, digest("manifest")), &image());
        assert_eq!(link, Ok(Link::NotComparable), "{name}");
    }
    // Here the image id and the layers are named too.
    let link = linked(naming("cyclonedx-1.4", digest("manifest")), &image());
    assert_eq!(link, Ok(Link::Digest));
}

#[test]
fn an_image_id_or_a_layer_of_another_image_contradicts_whatever_else_agrees() {
    let text = naming("cyclonedx-1.4", digest("manifest"));
    for (mine, field) in [("config", "property ImageID"), ("layer", "property DiffID")] {
        let other = text.replace(&digest(mine).to_string(), &digest("other").to_string());
        assert_eq!(linked(other, &from_registry()), Err(field));
    }
    let mut more = from_registry();
    more.layers.push(digest("one more"));
    assert_eq!(linked(text, &more), Err("property DiffID"));
}

#[test]
fn one_of_several_repository_digests_has_to_be_the_image_s() {
    let mut bom = fixture_json("cyclonedx-1.6");
    let property =
        |of: &str| json!({ "name": "x:RepoDigest", "value": format!("r/a@sha256:{}", digest(of)) });
    let subject = bom.pointer_mut("/metadata/component").unwrap();
    subject["hashes"] = Value::Null;
    subject["properties"] = json!([property("elsewhere"), property("manifest")]);
    assert_eq!(linked(&bom, &from_registry()), Ok(Link::Digest));
    bom["metadata"]["component"]["properties"] = json!([property("elsewhere")]);
    assert_eq!(linked(&bom, &from_registry()), Err("property RepoDigest"));
}

#[test]
fn what_names_no_digest_is_not_linked_by_one() {
    for name in ["cyclonedx-1.4-lacking", "spdx-2.3-lacking"] {
        assert_eq!(linked(fixture(name), &from_registry()), Ok(Link::NoDigest));
    }
}

#[test]
fn a_file_s_digest_that_is_not_the_image_s_proves_nothing() {
    let mut bom = fixture_json("cyclonedx-1.6");
    bom["metadata"]["component"]["type"] = json!("application");
    assert_eq!(linked(&bom, &from_registry()), Ok(Link::NotComparable));
    // SPDX 2.2 cannot say that a package is a container.
    let mut document = fixture_json("spdx-2.2");
    document["packages"][0]["externalRefs"] = json!([]);
    document["packages"][0]["checksums"] =
        json!([{ "algorithm": "SHA256", "checksumValue": digest("a file").to_string() }]);
    assert_eq!(linked(&document, &from_registry()), Ok(Link::NotComparable));
}

#[test]
fn of_several_packages_described_the_container_is_the_subject() {
    let mut document = fixture_json("spdx-2.3");
    document["documentDescribes"] = json!(["SPDXRef-libc6", "SPDXRef-image"]);
    let packages = document["packages"].as_array_mut().unwrap();
    packages.rotate_left(1);
    assert_eq!(
        read(&document).unwrap().subject.unwrap().title,
        "pump 2.4.0"
    );
    document["packages"][2]["primaryPackagePurpose"] = json!("APPLICATION");
    assert_eq!(
        read(&document).unwrap().subject.unwrap().title,
        "libc6 2.36-9"
    );
}
