//! One image for several platforms, as the containerd store and OCI layouts have it.

use std::fs;
use std::path::Path;

use dhfpack::digest::Sha256;
use dhfpack::monitor::Silent;
use dhfpack::source::image::{Fetched, ImageError, ImageSource, fetch};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{content, fails};
use crate::support::image::{
    Answer, FakeEngine, MANIFEST, TarEntry, TestImage, blob, descriptor, digest, gzip, index,
    layer, tar_of, unpack,
};
use crate::support::release::{NAME, Product, dhfpack, told, without_sbom_image};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn platform(architecture: &str) -> Value {
    match architecture {
        "arm64" => json!({ "architecture": "arm64", "os": "linux", "variant": "v8" }),
        other => json!({ "architecture": other, "os": "linux" }),
    }
}

/// The image for one platform; a layer is the same for all.
fn image(architecture: &str) -> TestImage {
    let layers = vec![
        layer("own", architecture.as_bytes()),
        layer("all", b"shared"),
    ];
    TestImage::with_platform(layers, &platform(architecture))
}

/// An image's manifest as in a layout, gzipped.
fn manifest(image: &TestImage) -> Vec<u8> {
    let entries = image.layout(gzip);
    let manifest = entries.iter().find_map(|entry| match entry {
        TarEntry::File(_, bytes) if bytes.starts_with(b"{\"config\":{\"digest") => Some(bytes),
        _ => None,
    });
    manifest.unwrap().clone()
}

/// The index that lists these platforms and an attestation.
fn nested(architectures: &[&str]) -> Vec<u8> {
    let listed = architectures.iter().map(|architecture| {
        let mut listed = descriptor(MANIFEST, &manifest(&image(architecture)));
        listed["platform"] = platform(architecture);
        listed
    });
    let mut listed: Vec<Value> = listed.collect();
    let mut attestation = descriptor(MANIFEST, b"{}");
    attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    listed.push(attestation);
    serde_json::to_vec(&json!({ "mediaType": INDEX, "manifests": listed })).unwrap()
}

/// What an engine with the containerd store exports that has pulled the platforms `present` of
/// those listed; its `manifest.json` has the first of them only.
fn export(listed: &[&str], present: &[&str]) -> Vec<TarEntry> {
    let nested = nested(listed);
    let mut entries = index(&[descriptor(INDEX, &nested)]);
    entries.push(TarEntry::blob(&nested));
    for architecture in present {
        let hybrid = image(architecture).hybrid(gzip);
        for entry in hybrid {
            let known = entries.iter().any(|one| one.name() == entry.name());
            if !known {
                entries.push(entry);
            }
        }
    }
    entries
}

fn wanted(platforms: &[&str]) -> Vec<String> {
    platforms.iter().map(|one| (*one).to_owned()).collect()
}

/// Fetches from a layout folder, a layout tar, and a tar of `docker save`: all must agree.
fn from_files(
    entries: &[TarEntry],
    platforms: &[&str],
    into: &Path,
) -> Vec<Result<Fetched, ImageError>> {
    let folder = TempDir::new().unwrap();
    let tar = folder.path().join("image.tar");
    fs::write(&tar, tar_of(entries)).unwrap();
    let layout = folder.path().join("layout");
    unpack(entries, &layout);
    let sources = [
        ImageSource::DockerArchive(tar.clone(), None),
        ImageSource::Oci(tar),
        ImageSource::Oci(layout),
    ];
    let fetched = sources.iter().enumerate().map(|(number, source)| {
        let into = into.join(number.to_string());
        fetch(source, &wanted(platforms), None, &into, &Silent)
    });
    fetched.collect()
}

/// What is archived of these platforms, which must be the same from every source.
fn archived(entries: &[TarEntry], platforms: &[&str]) -> (Fetched, TempDir) {
    let into = TempDir::new().unwrap();
    let mut fetched = from_files(entries, platforms, into.path());
    let first = content(&into.path().join("0"));
    for number in ["1", "2"] {
        assert_eq!(content(&into.path().join(number)), first);
    }
    (fetched.swap_remove(0).unwrap(), into)
}

#[test]
fn several_platforms_share_a_folder_and_their_layers() {
    let all = ["amd64", "arm64", "s390x"];
    let entries = export(&all, &all);
    let (fetched, into) = archived(&entries, &["linux/arm64", "linux/amd64"]);
    let names: Vec<&str> = fetched.images.iter().map(|one| &*one.platform).collect();
    assert_eq!(names, ["linux/amd64", "linux/arm64/v8"]);
    let files = content(&into.path().join("0"));
    // Two configs, two manifests, a layer of each, and one for both.
    let blobs = files.keys().filter(|name| name.starts_with("blobs/"));
    assert_eq!(blobs.count(), 7, "{:?}", files.keys());
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let docker: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    for (number, architecture) in ["amd64", "arm64"].into_iter().enumerate() {
        let image = image(architecture);
        assert_eq!(
            index["manifests"][number]["platform"],
            platform(architecture)
        );
        assert_eq!(docker[number]["Config"], blob(&image.config));
        assert_eq!(fetched.images[number].id, image.id());
    }

    // What was archived is archived again as the same, by either order of platforms.
    let again = TempDir::new().unwrap();
    for (name, order) in [
        ("a", ["linux/amd64", "linux/arm64"]),
        ("b", ["linux/arm64/v8", "linux/amd64"]),
    ] {
        let source = ImageSource::Oci(into.path().join("0"));
        let into = again.path().join(name);
        let second = fetch(&source, &wanted(&order), None, &into, &Silent).unwrap();
        assert_eq!(second, fetched);
        assert_eq!(content(&into), files);
    }
}

#[test]
fn a_platform_that_is_listed_and_missing_is_named() {
    let entries = export(&["amd64", "arm64", "s390x"], &["amd64"]);
    let (fetched, _) = archived(&entries, &[]);
    assert_eq!(fetched.images[0].platform, "linux/amd64");
    for (platforms, expected) in [
        (
            &["linux/arm64"][..],
            "the image for linux/arm64 is listed, but its content is not there",
        ),
        (&["linux/amd64", "linux/s390x"], "there is: linux/amd64"),
        (
            &["linux/riscv64"],
            "the image is for linux/amd64, not for linux/riscv64",
        ),
    ] {
        for number in 0..3 {
            let told = fails(|into| from_files(&entries, platforms, into).swap_remove(number));
            assert!(told.contains(expected), "expected {expected:?}: {told}");
        }
    }
    let none = export(&["amd64", "arm64"], &[]);
    let told = fails(|into| from_files(&none, &[], into).swap_remove(1));
    assert!(
        told.contains("missing: linux/amd64, linux/arm64/v8"),
        "{told}"
    );
}

#[test]
fn several_platforms_without_a_choice_are_named() {
    let entries = export(&["amd64", "arm64"], &["amd64", "arm64"]);
    for number in 0..3 {
        let told = fails(|into| from_files(&entries, &[], into).swap_remove(number));
        assert!(told.contains("there are several images"), "{told}");
        assert!(told.contains("linux/arm64/v8"), "{told}");
    }
}

/// An engine of interface 1.48 with the containerd store: it tells which platforms it has, and
/// exports one at a time.
fn containerd(listed: &[&str], present: &[&str]) -> FakeEngine {
    let id = digest(&nested(listed));
    let manifests = listed.iter().map(|architecture| {
        json!({
            "ID": digest(&manifest(&image(architecture))),
            "Descriptor": descriptor(MANIFEST, &manifest(&image(architecture))),
            "Available": present.contains(architecture),
            "Kind": "image",
            "Size": { "Total": 4000, "Content": 2000 },
            "ImageData": {
                "Platform": platform(architecture),
                "Containers": [],
                "Size": { "Unpacked": 2000 },
            },
        })
    });
    let mut manifests: Vec<Value> = manifests.collect();
    manifests.push(json!({
        "ID": digest(b"{}"), "Descriptor": descriptor(MANIFEST, b"{}"),
        "Available": true, "Kind": "attestation",
        "Size": { "Total": 2, "Content": 2 },
        "AttestationData": { "For": digest(b"{}") },
    }));
    let inspected = json!({ "Id": id, "RepoDigests": [], "Size": 4000, "Manifests": manifests });
    let version = json!({ "ApiVersion": "1.48" });
    let mut pages = vec![
        ("/version".to_owned(), version.to_string().into_bytes()),
        (
            "/v1.48/images/x/json?manifests=1".to_owned(),
            inspected.to_string().into_bytes(),
        ),
        (
            format!("/images/{id}/get"),
            tar_of(&export(listed, present)),
        ),
    ];
    for architecture in present {
        let escaped = platform(architecture).to_string();
        let escaped: String = escaped
            .bytes()
            .map(|byte| match byte {
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect();
        pages.push((
            format!("/images/{id}/get?platform={escaped}"),
            tar_of(&image(architecture).hybrid(gzip)),
        ));
    }
    FakeEngine::start(Sha256::of(b""), Answer::Pages(pages))
}

fn from_engine(
    engine: &FakeEngine,
    platforms: &[&str],
    into: &Path,
) -> Result<Fetched, ImageError> {
    let source = ImageSource::Docker("x".to_owned());
    let address = engine.address();
    let into = into.join("image");
    fetch(&source, &wanted(platforms), Some(&address), &into, &Silent)
}

#[test]
fn an_engine_with_the_containerd_store_is_asked_for_each_platform() {
    let all = ["amd64", "arm64", "s390x"];
    let engine = containerd(&all, &["amd64", "arm64"]);
    let into = TempDir::new().unwrap();
    let both = ["linux/arm64", "linux/amd64"];
    let fetched = from_engine(&engine, &both, into.path()).unwrap();
    let (expected, folder) = archived(&export(&all, &["amd64", "arm64"]), &both);
    assert_eq!(fetched, expected);
    assert_eq!(
        content(&into.path().join("image")),
        content(&folder.path().join("0"))
    );
    let told = fails(|into| from_engine(&engine, &["linux/s390x"], into));
    assert!(
        told.contains("is listed, but its content is not there"),
        "{told}"
    );
    let told = fails(|into| from_engine(&engine, &[], into));
    assert!(
        told.contains("several images: linux/amd64, linux/arm64/v8"),
        "{told}"
    );

    let one = containerd(&all, &["arm64"]);
    let into = TempDir::new().unwrap();
    let fetched = from_engine(&one, &[], into.path()).unwrap();
    assert_eq!(fetched.images[0].platform, "linux/arm64/v8");
    let none = containerd(&all, &[]);
    let told = fails(|into| from_engine(&none, &[], into));
    assert!(told.contains("no image is there"), "{told}");
}

#[test]
fn what_an_engine_says_besides_or_leaves_out_hinders_no_export() {
    let id = format!("sha256:{}", image("amd64").id());
    let tar = tar_of(&image("amd64").hybrid(gzip));
    let with = |inspected: &Value| {
        let pages = vec![
            ("/version".to_owned(), b"{\"ApiVersion\":\"1.48\"}".to_vec()),
            (
                "/v1.48/images/x/json?manifests=1".to_owned(),
                inspected.to_string().into_bytes(),
            ),
            (format!("/images/{id}/get"), tar.clone()),
        ];
        FakeEngine::start(Sha256::of(b""), Answer::Pages(pages))
    };
    for inspected in [
        json!({ "Id": id }),
        json!({
            "Id": id, "Size": -1, "RepoTags": null, "RepoDigests": null,
            "GraphDriver": { "New": [] }, "RootFS": {}, "Created": 7,
            "Identity": { "Signature": [{ "SignatureType": "of-tomorrow" }] },
            "Manifests": [{ "Kind": "of-tomorrow", "Descriptor": {} }],
        }),
    ] {
        let into = TempDir::new().unwrap();
        let fetched = from_engine(&with(&inspected), &[], into.path()).unwrap();
        assert_eq!(fetched.images[0].id, image("amd64").id());
    }

    let endless = with(&json!({ "Id": id, "Comment": "x".repeat(5 << 20) }));
    let told = fails(|into| from_engine(&endless, &[], into));
    assert!(told.contains("the connection broke"), "{told}");
}

#[test]
fn the_program_archives_and_saves_several_platforms() {
    let product = Product::new();
    let layout = product.path("layout");
    unpack(&export(&["amd64", "arm64"], &["amd64", "arm64"]), &layout);
    let config = product.repository().join("dhfpack.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = without_sbom_image(&text);
    let at = text.find("[[image]]").unwrap();
    let end = at + text[at..].find("source").unwrap();
    let platforms = "platforms = [\"linux/arm64\", \"linux/amd64\"]\n";
    let changed = format!("{}{platforms}{}", &text[..end], &text[end..]);
    let own = product.path("several.toml");
    fs::write(&own, changed).unwrap();
    let output = product.path("several");
    fs::create_dir(&output).unwrap();
    let mut build = dhfpack();
    build
        .args(["build", "--draft", "--repo"])
        .arg(product.repository());
    build.arg("--config").arg(&own).arg("--output").arg(&output);
    let source = format!("install=oci:{}", layout.display());
    let result = build.arg("--image").arg(source).output().unwrap();
    assert!(result.status.success(), "{}", told(&result));

    let saved = product.path("saved.tar");
    let mut save = dhfpack();
    save.args(["image", "save"]).arg(output.join(NAME));
    let result = save.arg("--output").arg(&saved).output().unwrap();
    let said = told(&result);
    assert!(result.status.success(), "{said}");
    for architecture in ["amd64", "arm64"] {
        assert!(
            said.contains(&image(architecture).id().to_string()),
            "{said}"
        );
    }
    let into = TempDir::new().unwrap();
    let both = wanted(&["linux/arm64", "linux/amd64"]);
    let source = ImageSource::DockerArchive(saved, None);
    let again = fetch(&source, &both, None, &into.path().join("image"), &Silent).unwrap();
    assert_eq!(again.images.len(), 2);
}
