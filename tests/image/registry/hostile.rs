//! Registries that fail, lie or attack: a clear error, and nothing is left.

mod documents;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tempfile::TempDir;

use super::super::fails;
use super::fetch_open;
use crate::support::image::{MANIFEST, TarEntry, TestImage, blob, digest, gzip, layer, plain};
use crate::support::registry::manifest_of;
use crate::support::stand_in::{Reply, Request, StandIn};

type Site = BTreeMap<String, Reply>;

/// An image as a registry gives it, under the name `m:1`.
fn site(image: &TestImage, pack: fn(&[u8]) -> Vec<u8>) -> Site {
    let entries = image.layout(pack);
    let mut site = blobs(&entries);
    add_manifest(&mut site, "1", MANIFEST, &manifest_of(&entries));
    site
}

fn blobs(entries: &[TarEntry]) -> Site {
    let named = entries.iter().filter_map(|entry| match entry {
        TarEntry::File(name, bytes) => {
            let hex = name.strip_prefix("blobs/sha256/")?;
            Some((
                format!("/v2/m/blobs/sha256:{hex}"),
                Reply::ok(bytes.clone()),
            ))
        }
        _ => None,
    });
    let mut site: Site = named.collect();
    site.insert("/v2/".to_owned(), Reply::ok(""));
    site
}

fn add_manifest(site: &mut Site, name: &str, media_type: &str, bytes: &[u8]) {
    let reply = Reply::ok(bytes).with("Content-Type", media_type);
    site.insert(format!("/v2/m/manifests/{name}"), reply);
}

fn blob_path(bytes: &[u8]) -> String {
    format!("/v2/m/{}", blob(bytes).replace("sha256/", "sha256:"))
}

fn serve(site: Site) -> StandIn {
    StandIn::start(move |request| {
        let found = site.get(&request.path).cloned();
        found.unwrap_or_else(|| Reply::status(404))
    })
}

/// What is told of a site's image, which must not be had.
fn refused(site: Site) -> String {
    let server = serve(site);
    fails(|into| fetch_open(&server.name("m:1"), into))
}

#[test]
fn other_bytes_than_the_digest_says_are_refused_by_name_and_address() {
    let image = TestImage::usual();
    let packed = gzip(&image.layers[0]);
    // In a packed layer also where unpacking fails first.
    for (bytes, from_start) in [(&image.config, false), (&packed, false), (&packed, true)] {
        let path = blob_path(bytes);
        let mut wrong = bytes.clone();
        let at = if from_start { 2 } else { wrong.len() - 1 };
        wrong[at] ^= 1;
        let mut site = site(&image, gzip);
        site.insert(path.clone(), Reply::ok(wrong));
        let told = refused(site);
        assert!(
            told.contains(&path) && told.contains("has the digest"),
            "{told}"
        );
    }
    let mut other = site(&image, gzip);
    let named = digest(&manifest_of(&image.layout(gzip)));
    add_manifest(
        &mut other,
        &named,
        MANIFEST,
        &manifest_of(&image.layout(plain)),
    );
    let server = serve(other);
    let told = fails(|into| fetch_open(&server.name(&format!("m@{named}")), into));
    assert!(
        told.contains("has the digest") && told.contains(&named),
        "{told}"
    );
    let mut said = site(&image, gzip);
    let reply = said.get_mut("/v2/m/manifests/1").unwrap();
    let header = ("Docker-Content-Digest", digest(b"another"));
    reply.fields.push(header);
    assert!(refused(said).contains("has the digest"));
}

#[test]
fn layers_that_unpack_to_something_else_are_refused() {
    let image = TestImage::new(vec![layer("a", b"a")]);
    let mut changed = image.clone();
    changed.layers = vec![layer("a", b"b")];
    assert!(refused(site(&changed, gzip)).contains("uncompressed"));
    assert!(refused(site(&changed, plain)).contains("uncompressed"));
    changed.layers = Vec::new();
    assert!(refused(site(&changed, plain)).contains("names 1 layers"));
    let cut_short = |layer: &[u8]| {
        let packed = gzip(layer);
        packed[..packed.len() - 9].to_vec()
    };
    assert!(refused(site(&image, cut_short)).contains("cannot be understood"));
}

#[test]
fn bodies_without_end_or_of_another_length_are_refused() {
    let image = TestImage::usual();
    let packed = gzip(&image.layers[0]);
    let endless = |body: &[u8]| {
        let mut reply = Reply::ok(body);
        reply.is_endless = true;
        reply
    };
    for path in [
        blob_path(&packed),
        blob_path(&image.config),
        "/v2/m/manifests/1".to_owned(),
    ] {
        let mut site = site(&image, gzip);
        site.insert(path, endless(&vec![b' '; 65536]));
        let told = refused(site);
        assert!(told.contains("sends more than"), "{told}");
    }
    let mut longer = site(&image, gzip);
    longer.insert(blob_path(&packed), Reply::ok([&packed[..], b"x"].concat()));
    assert!(refused(longer).contains("bytes, not"));
}

#[test]
fn a_body_that_breaks_off_is_continued_where_it_was() {
    let image = TestImage::usual();
    let packed = gzip(&image.layers[0]);
    let (path, half) = (blob_path(&packed), packed.len() / 2);
    for knows_ranges in [true, false] {
        let site = site(&image, gzip);
        let (path, packed) = (path.clone(), packed.clone());
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let server = StandIn::start(move |request| {
            if request.path != path {
                return site
                    .get(&request.path)
                    .cloned()
                    .unwrap_or_else(|| Reply::status(404));
            }
            let first = count.fetch_add(1, Ordering::Relaxed) == 0;
            let range = request.fields.get("range");
            let Some(range) = range.filter(|_| knows_ranges) else {
                let mut reply = Reply::ok(packed.clone());
                reply.cut = first.then_some(half);
                return reply;
            };
            assert_eq!(*range, format!("bytes={half}-"));
            let range = format!("bytes {half}-{}/{}", packed.len() - 1, packed.len());
            let mut reply = Reply::ok(&packed[half..]).with("Content-Range", range);
            reply.status = 206;
            reply
        });
        let folder = TempDir::new().unwrap();
        let fetched = fetch_open(&server.name("m:1"), folder.path()).unwrap();
        assert_eq!(fetched.images[0].id, image.id());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
    let mut always = site(&image, gzip);
    always.get_mut(&path).unwrap().cut = Some(half);
    let told = refused(always);
    assert!(
        told.contains("breaks off after") && told.contains("again and again"),
        "{told}"
    );
}

#[test]
fn a_registry_that_is_busy_is_asked_again_and_one_that_says_for_how_long_is_believed() {
    let image = TestImage::usual();
    for (status, wait) in [(503, None), (429, Some("1")), (500, None)] {
        let site = site(&image, gzip);
        let count = AtomicU32::new(0);
        let server = StandIn::start(move |request| {
            if request.path.contains("manifests") && count.fetch_add(1, Ordering::Relaxed) == 0 {
                let reply = Reply::status(status);
                return match wait {
                    Some(wait) => reply.with("Retry-After", wait),
                    None => reply,
                };
            }
            site.get(&request.path)
                .cloned()
                .unwrap_or_else(|| Reply::status(404))
        });
        let folder = TempDir::new().unwrap();
        fetch_open(&server.name("m:1"), folder.path()).unwrap();
    }
    let mut site = site(&image, gzip);
    let busy = Reply::status(429).with("Retry-After", "86400");
    site.insert("/v2/m/manifests/1".to_owned(), busy);
    let told = refused(site);
    assert!(told.contains("asks to wait 86400 seconds"), "{told}");
}

#[test]
fn refusals_are_told_with_their_codes_only() {
    for (status, expected) in [
        (401, "neither Basic nor Bearer"),
        (403, "does not let this login read `m` (DENIED)"),
        (404, "there is no `1` in 127.0.0.1"),
        (418, "answers with 418 (DENIED)"),
    ] {
        let mut site = site(&TestImage::usual(), gzip);
        let body = json!({ "errors": [{ "code": "DENIED", "message": "you said secret" }, { "code": "secret" }] });
        let mut reply = Reply::status(status);
        reply.body = body.to_string().into_bytes();
        site.insert("/v2/m/manifests/1".to_owned(), reply);
        let told = refused(site);
        assert!(
            told.contains(expected) && !told.contains("secret"),
            "{told}"
        );
    }
}

#[test]
fn redirects_lead_to_storage_and_take_no_login_there() {
    let image = TestImage::usual();
    let packed = gzip(&image.layers[0]);
    let path = blob_path(&packed);
    let storage = StandIn::start(move |request| {
        assert!(
            !request.fields.contains_key("authorization"),
            "a login for another host"
        );
        Reply::ok(packed.clone())
    });
    let mut elsewhere = site(&image, gzip);
    let place = format!("http://{}", storage.name("blob?signature=secret"));
    elsewhere.insert(path.clone(), Reply::status(307).with("Location", place));
    let token = move |request: &Request| {
        if request.path.starts_with("/token") {
            return Reply::ok("{\"token\":\"abc\"}");
        }
        let login = request.fields.get("authorization");
        if login.is_none_or(|login| login != "Bearer abc") {
            let realm = format!("Bearer realm=\"http://{}/token\"", request.fields["host"]);
            return Reply::status(401).with("WWW-Authenticate", realm);
        }
        let found = elsewhere.get(&request.path).cloned();
        found.unwrap_or_else(|| Reply::status(404))
    };
    let server = StandIn::start(token);
    let folder = TempDir::new().unwrap();
    fetch_open(&server.name("m:1"), folder.path()).unwrap();
    for (place, expected) in [
        (
            "http://storage.example/blob?signature=secret",
            "to http://storage.example/blob",
        ),
        ("file:///etc/passwd", "to file:///etc/passwd"),
        (
            "https://user:secret@storage.example/",
            "to https://storage.example/",
        ),
        ("?again", "more than 5 times"),
    ] {
        let mut site = site(&image, gzip);
        site.insert(path.clone(), Reply::status(302).with("Location", place));
        site.insert(
            format!("{path}?again"),
            Reply::status(302).with("Location", "?again"),
        );
        let told = refused(site);
        assert!(
            told.contains(expected) && !told.contains("secret"),
            "{told}"
        );
    }
}

#[test]
fn a_registry_that_is_not_there_is_told() {
    let told = fails(|into| fetch_open("127.0.0.1:1/m:1", into));
    assert!(told.contains("127.0.0.1:1/v2/ cannot be reached"), "{told}");
}
