//! Manifests and indexes that are none, or are not what they are said to be.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::fetch_open;
use super::{Site, add_manifest, refused, serve, site};
use crate::support::image::{INDEX, MANIFEST, TestImage, blob, descriptor, digest, gzip};
use crate::support::registry::manifest_of;

/// A site whose image is what this manifest says.
fn with_manifest(manifest: &Value) -> Site {
    let mut site = site(&TestImage::usual(), gzip);
    add_manifest(&mut site, "1", MANIFEST, manifest.to_string().as_bytes());
    site
}

fn manifest() -> Value {
    serde_json::from_slice(&manifest_of(&TestImage::usual().layout(gzip))).unwrap()
}

#[test]
fn manifests_that_are_none_or_lead_elsewhere_are_refused() {
    let change = |key: &str, value: Value| {
        let mut changed = manifest();
        changed[key] = value;
        changed
    };
    let with_layer = |key: &str, value: Value| {
        let mut changed = manifest();
        changed["layers"][0][key] = value;
        changed
    };
    let helm = json!({ "mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest(b"{}"), "size": 2 });
    let mut two_sizes = manifest();
    two_sizes["layers"][1] = two_sizes["layers"][0].clone();
    two_sizes["layers"][1]["size"] = json!(7);
    for (manifest, expected) in [
        (
            json!({ "schemaVersion": 1, "fsLayers": [] }),
            "Docker's schema 1",
        ),
        (
            change(
                "mediaType",
                json!("application/vnd.docker.distribution.manifest.v1+prettyjws"),
            ),
            "Docker's schema 1",
        ),
        (
            change("mediaType", json!("text/html")),
            "the media type `text/html`",
        ),
        (
            change("manifests", json!([])),
            "an index and a manifest in one",
        ),
        (change("config", helm), "helm"),
        (
            with_layer("urls", json!(["https://example.org/layer"])),
            "is not distributable",
        ),
        (
            with_layer(
                "mediaType",
                json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
            ),
            "is not distributable",
        ),
        (
            with_layer(
                "mediaType",
                json!("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
            ),
            "encrypted",
        ),
        (
            with_layer("digest", json!(format!("sha512:{}", "0".repeat(128)))),
            "no SHA-256 digest",
        ),
        (
            with_layer("digest", json!("sha256:../../../../etc/passwd")),
            "no SHA-256 digest",
        ),
        (with_layer("size", json!(-1)), "cannot be understood"),
        (with_layer("size", json!(u64::MAX)), "larger than anything"),
        (two_sizes, "two layers are said to be it"),
        (
            change(
                "config",
                json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(b"{}"), "size": 1_u64 << 40 }),
            ),
            "far too many",
        ),
        (json!([]), "cannot be understood"),
    ] {
        let told = refused(with_manifest(&manifest));
        assert!(told.contains(expected), "expected {expected:?}: {told}");
    }
}

#[test]
fn indexes_that_nest_without_end_or_are_none_are_refused() {
    let image = TestImage::usual();
    let mut nested = site(&image, gzip);
    let mut inner = json!({ "manifests": [], "mediaType": INDEX }).to_string();
    for _ in 0..5 {
        add_manifest(
            &mut nested,
            &digest(inner.as_bytes()),
            INDEX,
            inner.as_bytes(),
        );
        inner = json!({ "manifests": [descriptor(INDEX, inner.as_bytes())], "mediaType": INDEX })
            .to_string();
    }
    add_manifest(&mut nested, "1", INDEX, inner.as_bytes());
    let told = refused(nested);
    assert!(told.contains("is not supported here"), "{told}");
    for (listed, expected) in [
        (json!([]), "`an image manifest` is missing"),
        (
            json!([descriptor("text/html", b"")]),
            "is not supported here",
        ),
        (json!([descriptor(MANIFEST, b"{}")]), "there is no `sha256:"),
    ] {
        let mut site = site(&image, gzip);
        let index = json!({ "manifests": listed, "mediaType": INDEX }).to_string();
        add_manifest(&mut site, "1", INDEX, index.as_bytes());
        let told = refused(site);
        assert!(told.contains(expected), "expected {expected:?}: {told}");
    }
}

#[test]
fn an_index_in_an_index_is_kept_with_it() {
    let image = TestImage::usual();
    let entries = image.layout(gzip);
    let mut site = site(&image, gzip);
    let manifest = manifest_of(&entries);
    add_manifest(&mut site, &digest(&manifest), MANIFEST, &manifest);
    let inner =
        json!({ "manifests": [descriptor(MANIFEST, &manifest)], "mediaType": INDEX }).to_string();
    add_manifest(
        &mut site,
        &digest(inner.as_bytes()),
        INDEX,
        inner.as_bytes(),
    );
    let outer = json!({ "manifests": [descriptor(INDEX, inner.as_bytes())], "mediaType": INDEX })
        .to_string();
    add_manifest(&mut site, "1", INDEX, outer.as_bytes());
    let server = serve(site);
    let folder = TempDir::new().unwrap();
    let fetched = fetch_open(&server.name("m:1"), folder.path()).unwrap();
    for kept in [&outer, &inner] {
        assert!(
            fetched
                .files
                .iter()
                .any(|file| file.path == blob(kept.as_bytes()))
        );
    }
}
