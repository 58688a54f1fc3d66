//! The bills of materials of a release, and the images that they describe.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::product;
use crate::sbom::fixture;
use crate::support::image::{TestImage, layer, plain, unpack};
use crate::support::release::{Product, copy_of, released, run, succeed, told};
use crate::support::small::{LAYOUT, Small, manifest, paths, tells};

/// A product whose slot `any` holds one SBOM, with these lines in `[build_environment]` and in its
/// entry.
fn with_sbom(sbom: &str, environment: &str, entry: &str) -> Small {
    let tables = format!(
        "[[slot]]\nid = \"any\"\nfiles = [\"sbom/**\"]\n\
         [build_environment]\n{environment}\n\
         [[build_environment.sbom]]\nfile = \"sbom/{{version}}.json\"\n{entry}\n"
    );
    product(&tables, &[("sbom/1.0.0.json", sbom)])
}

#[test]
fn a_bill_without_an_image_is_read_recorded_and_archived_once() {
    let small = with_sbom(
        &fixture("spdx-2.3").replace("\"2.4.0\"", "\"1.0.0\""),
        "",
        "",
    );
    let built = small.build::<&str>([]);
    assert!(
        built.status.success() && !told(&built).contains("SBOM"),
        "{}",
        told(&built)
    );
    let manifest = manifest(&small.archive());
    assert_eq!(paths(&manifest, "any"), ["Any/1.0.0.json"]);
    let listed = manifest["files"].as_array().unwrap();
    let listed = listed
        .iter()
        .find(|file| file["path"] == "Any/1.0.0.json")
        .unwrap();
    assert_eq!(
        manifest["build_environment"],
        json!({ "sboms": [{
            "path": "Any/1.0.0.json",
            "sha256": listed["sha256"],
            "format": "SPDX",
            "format_version": "2.3",
            "subject": "pump 1.0.0",
            "components": 3,
            "missing": [],
        }] })
    );
    let page = fs::read_to_string(small.archive().join("index.html")).unwrap();
    tells(
        &page,
        &[
            "SPDX 2.3, components: 3",
            "About: pump 1.0.0",
            "NTIA minimum elements: evidence present",
        ],
    );
}

#[test]
fn what_a_bill_lacks_is_told_recorded_and_shown_and_refused_if_it_has_to_be_there() {
    let lacking = fixture("cyclonedx-1.6-lacking");
    let small = with_sbom(&lacking, "", "");
    let built = small.build::<&str>([]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    let lacks = "supplier name of 4 components (pump 2.4.0, libc6 2.36-9, left-pad, component 4)";
    tells(
        &told(&built),
        &[
            "note: the SBOM Any/1.0.0.json lacks minimum elements:",
            lacks,
            "timestamp",
            "is about version 2.4.0; the release is 1.0.0",
        ],
    );
    let missing = &manifest(&small.archive())["build_environment"]["sboms"][0]["missing"];
    assert_eq!(
        missing[1],
        json!({ "element": "component-name", "count": 1, "examples": ["component 4"] })
    );
    assert_eq!(missing[6], json!({ "element": "timestamp", "count": 1 }));
    tells(
        &succeed([Path::new("show"), &small.archive()]),
        &[
            "Any/1.0.0.json: CycloneDX 1.6, components: 4",
            &format!("missing: {lacks}"),
        ],
    );
    let page = fs::read_to_string(small.archive().join("index.html")).unwrap();
    tells(&page, &["NTIA minimum elements missing:", lacks]);
    let strict = with_sbom(&lacking, "require_minimum_elements = true", "");
    tells(
        &strict.failure::<&str>([], 1),
        &[
            "the SBOM Any/1.0.0.json lacks minimum elements: supplier name of",
            "require_minimum_elements",
        ],
    );
}

#[test]
fn a_bill_that_cannot_be_read_or_found_stops_the_build_with_its_name() {
    for (text, expected) in [
        (
            "{",
            &[
                "the SBOM Any/1.0.0.json",
                "not the JSON that an SBOM is",
                "EOF while parsing",
            ][..],
        ),
        ("{}", &["the SBOM Any/1.0.0.json", "no SBOM", "`bomFormat`"]),
        (
            "{\"spdxVersion\": \"SPDX-2.1\"}",
            &[
                "the SBOM Any/1.0.0.json",
                "it is SPDX 2.1; SPDX 2.2, 2.3 can be read",
            ],
        ),
    ] {
        tells(&with_sbom(text, "", "").failure::<&str>([], 1), expected);
    }
    let tables = "[[build_environment.sbom]]\nfile = \"sbom/*\"\n";
    let small = product(tables, &[("sbom/a.json", "{}")]);
    tells(
        &small.failure::<&str>([], 2),
        &[
            "dhfpack.toml at v1.0.0:",
            "SBOM \"sbom/*\": no slot archives such a file",
        ],
    );
    let tables = format!("[[slot]]\nid = \"any\"\nfiles = [\"sbom/*\"]\n{tables}");
    let small = product(&tables, &[("sbom/a.json", "{}"), ("sbom/b.json", "{}")]);
    tells(
        &small.failure::<&str>([], 2),
        &["it finds both \"sbom/a.json\" and \"sbom/b.json\""],
    );
}

#[test]
fn a_bill_may_come_from_a_folder_and_be_named_by_it() {
    let small = Small::new(
        "[[folder]]\nname = \"ci\"\npath = \"../ci\"\n\
         [[slot]]\nid = \"any\"\nfiles = [\"ci:sbom/*.json\"]\n\
         [[build_environment.sbom]]\nfile = \"ci:sbom/*.json\"\n",
    );
    fs::create_dir_all(small.path("ci/sbom")).unwrap();
    fs::write(small.path("ci/sbom/a.json"), fixture("cyclonedx-1.5")).unwrap();
    let environment = &small.release().manifest()["build_environment"];
    assert_eq!(environment["sboms"][0]["path"], "Any/a.json");
    assert_eq!(environment["sboms"][0]["format_version"], "1.5");
}

/// A released product with an image whose layout is beside it, and an SBOM of that image.
fn with_image(image: &TestImage, sbom: &str, entry: &str) -> Small {
    let layout = format!(
        "{LAYOUT}\n[[slot]]\nid = \"image\"\nfolder = \"Image\"\ntitle = \"Image\"\nrequired = true\nfill = [\"images\"]\n"
    );
    let tables = format!(
        "[[image]]\nname = \"install\"\nsource = \"oci:../image\"\n\
         [[slot]]\nid = \"any\"\nfiles = [\"sbom.json\"]\n\
         [[build_environment.sbom]]\nfile = \"sbom.json\"\nimage = \"install\"\n{entry}\n"
    );
    let small = Small::new(&tables);
    small.repository.write("layout.toml", layout.as_bytes());
    small.repository.write("sbom.json", sbom.as_bytes());
    unpack(&image.layout(plain), &small.path("image"));
    small.release()
}

/// A bill that names the image by its id and its layers.
fn bill(image: &TestImage, version: &str) -> Value {
    let mut bom: Value = serde_json::from_str(&fixture("cyclonedx-1.6")).unwrap();
    let config: Value = serde_json::from_slice(&image.config).unwrap();
    let mut properties =
        vec![json!({ "name": "x:ImageID", "value": format!("sha256:{}", image.id()) })];
    for id in config["rootfs"]["diff_ids"].as_array().unwrap() {
        properties.push(json!({ "name": "x:DiffID", "value": id }));
    }
    let subject = &mut bom["metadata"]["component"];
    subject["hashes"] = Value::Null;
    subject["version"] = json!(version);
    subject["properties"] = json!(properties);
    bom
}

#[test]
fn a_bill_is_linked_to_the_archived_image_by_id_and_layers() {
    let image = TestImage::usual();
    let sbom = bill(&image, "1.0.0").to_string();
    let small = with_image(&image, &sbom, "platform = \"linux/amd64\"");
    let built = small.build::<&str>([]);
    assert!(
        built.status.success() && !told(&built).contains("SBOM"),
        "{}",
        told(&built)
    );
    assert_eq!(
        manifest(&small.archive())["build_environment"]["sboms"][0]["image"],
        json!({ "name": "install", "platform": "linux/amd64", "link": "digest" })
    );
    let page = fs::read_to_string(small.archive().join("index.html")).unwrap();
    tells(
        &page,
        &["(linux/amd64): the SBOM names the archived image's digest"],
    );
}

#[test]
fn a_bill_of_another_image_stops_the_build() {
    let other = TestImage::new(vec![layer("c", b"other")]);
    let sbom = bill(&other, "1.0.0").to_string();
    let small = with_image(&TestImage::usual(), &sbom, "");
    tells(
        &small.failure::<&str>([], 1),
        &[
            "the SBOM Any/sbom.json does not describe the archived image",
            &format!("its property ImageID says sha256:{}", other.id()),
            "install (linux/amd64) has the id",
            "make the SBOM from the image that is archived",
        ],
    );
}

#[test]
fn a_bill_that_names_no_digest_or_none_that_can_be_compared_is_told_so() {
    let image = TestImage::usual();
    let mut bom = bill(&image, "1.0.0");
    let subject = &mut bom["metadata"]["component"];
    subject["properties"] = Value::Null;
    for (purl, told_so, link) in [
        (
            "pkg:oci/pump",
            "names no digest of its image: `install`",
            "no-digest",
        ),
        (
            "pkg:oci/pump@sha256%3A0000000000000000000000000000000000000000000000000000000000000005",
            "names a digest that cannot be compared with the archived image",
            "not-comparable",
        ),
    ] {
        bom["metadata"]["component"]["purl"] = json!(purl);
        let small = with_image(&image, &bom.to_string(), "");
        let built = small.build::<&str>([]);
        assert_eq!(built.status.code(), Some(0), "{}", told(&built));
        tells(&told(&built), &[told_so]);
        let sboms = &manifest(&small.archive())["build_environment"]["sboms"];
        assert_eq!(
            sboms[0]["image"],
            json!({ "name": "install", "link": link })
        );
    }
}

#[test]
fn a_bill_of_a_platform_that_is_not_archived_stops_the_build() {
    let image = TestImage::usual();
    let sbom = bill(&image, "1.0.0").to_string();
    let small = with_image(&image, &sbom, "platform = \"linux/arm64\"");
    tells(
        &small.failure::<&str>([], 1),
        &["describes platform linux/arm64 of image `install`, which has linux/amd64"],
    );
}

#[test]
fn the_sample_s_bill_is_linked_to_its_image_and_a_changed_lock_file_is_found() {
    let release = released();
    let environment = &manifest(&release.archive)["build_environment"];
    let sbom = &environment["sboms"][0];
    assert_eq!(
        sbom["image"],
        json!({ "name": "install", "link": "digest" })
    );
    assert_eq!(sbom["missing"], json!([]));
    assert_eq!(environment["lock_files"][0]["source"], "requirements.lock");
    let (_place, copy) = copy_of(&release.archive);
    fs::write(
        copy.join("Release Record/Build Environment/requirements.lock"),
        "x",
    )
    .unwrap();
    let verified = run([Path::new("verify"), &copy]);
    assert_eq!(verified.status.code(), Some(3), "{}", told(&verified));
}

#[test]
fn the_sample_with_another_image_than_its_bill_s_is_refused() {
    let product = Product::new();
    fs::remove_dir_all(product.path("image")).unwrap();
    unpack(&TestImage::usual().layout(plain), &product.path("image"));
    let built = product.build(&product.path("out")).output().unwrap();
    assert_eq!(built.status.code(), Some(1), "{}", told(&built));
    tells(
        &told(&built),
        &["sbom.cdx.json does not describe", "property DiffID"],
    );
}
