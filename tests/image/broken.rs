//! Whatever is wrong with what an engine sends is told, and leaves nothing behind.

use dhfpack::monitor::Silent;
use dhfpack::source::image::{ImageSource, fetch};

use super::{answered, exported, fails, fetch_from};
use crate::support::image::{Answer, FakeEngine, TarEntry, TestImage, blob, layer, plain, tar_of};

const ERROR: &[u8] = b"{\"message\":\"no space left on device\"}\n";

#[test]
fn an_export_cut_off_at_any_place_fails() {
    let image = TestImage::new(vec![layer("a", &[7; 3000]), layer("b", b"small")]);
    for tar in [tar_of(&image.legacy()), tar_of(&image.hybrid(plain))] {
        for end in (0..tar.len()).step_by(509) {
            let told = fails(|into| answered(&image, Answer::Cut(tar[..end].to_vec()), into));
            assert!(told.contains("broke off the export"), "at {end}: {told}");
        }
        // Even when everything but the end of the answer has come.
        fails(|into| answered(&image, Answer::Cut(tar.clone()), into));
    }
}

#[test]
fn an_answer_that_ends_early_without_an_error_fails() {
    let image = TestImage::new(vec![layer("a", &[7; 3000]), layer("b", b"small")]);
    let legacy = image.legacy();
    let whole = tar_of(&legacy);
    // Behind `manifest.json`, nothing that counts is missing.
    let needed = whole.len() - tar_of(&legacy[legacy.len() - 1..]).len();
    for end in (0..needed).step_by(509) {
        let told = fails(|into| answered(&image, Answer::Whole(whole[..end].to_vec()), into));
        assert!(told.contains("is broken"), "at {end}: {told}");
    }
}

#[test]
fn an_error_inside_a_good_answer_is_told() {
    let image = TestImage::usual();
    let tar = tar_of(&image.legacy());
    for end in [0, 512, 1000, tar.len() / 2, tar.len() - 1024, tar.len()] {
        let body = [&tar[..end], ERROR].concat();
        let told = fails(|into| answered(&image, Answer::Whole(body.clone()), into));
        assert!(told.contains("no space left on device"), "at {end}: {told}");
        assert!(told.contains("could not export `x`"), "at {end}: {told}");
    }
    // An engine that sends the error and keeps the connection open.
    let body = [&[b'x'; 512], ERROR].concat();
    let told = fails(|into| answered(&image, Answer::Silence(body), into));
    assert!(told.contains("no space left on device"), "{told}");
}

#[test]
fn other_bytes_behind_the_tar_are_refused() {
    let image = TestImage::usual();
    let mut body = tar_of(&image.legacy());
    body.extend_from_slice(b"more");
    let told = fails(|into| answered(&image, Answer::Whole(body), into));
    assert!(told.contains("something behind its end"), "{told}");
}

#[test]
fn a_layer_with_other_bytes_is_refused() {
    let image = TestImage::usual();
    let mut other = image.clone();
    other.layers[1] = layer("b", b"other");
    let told = fails(|into| exported(&image, &other.legacy(), into));
    assert!(told.contains("`layer 2` has the digest"), "{told}");
}

#[test]
fn another_image_than_was_asked_for_is_refused() {
    let (image, other) = (TestImage::usual(), TestImage::new(Vec::new()));
    for entries in [other.legacy(), other.hybrid(plain)] {
        let told = fails(|into| exported(&image, &entries, into));
        assert!(told.contains(&image.id().to_string()), "{told}");
    }
}

#[test]
fn exports_that_no_engine_makes_are_refused() {
    let image = TestImage::usual();
    let link = |name: &str, target: &str| TarEntry::Symlink(name.to_owned(), target.to_owned());
    let legacy = image.legacy();
    let first = legacy[3].clone();
    let with = |entry: TarEntry| {
        let mut entries = vec![entry];
        entries.extend(image.legacy());
        entries
    };
    let listed = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        vec![
            TarEntry::file(format!("{}.json", image.id()), &image.config),
            TarEntry::file("manifest.json", &image.listing(&names)),
        ]
    };
    let circle = [
        vec![link("a/x.tar", "y.tar"), link("a/y.tar", "x.tar")],
        listed(&["a/x.tar"; 2]),
    ];
    let many = (0..10_001).map(|number| TarEntry::Folder(format!("{number}/")));
    for (entries, expected) in [
        (
            with(link("a/layer.tar", "../../../etc/passwd")),
            "leads out of the image",
        ),
        (
            with(link("a/layer.tar", "/etc/passwd")),
            "leads out of the image",
        ),
        (
            with(TarEntry::Device("a".to_owned())),
            "no entry of the kind",
        ),
        (with(first), "the tar has it twice"),
        (circle.concat(), "links lead in a circle"),
        (
            listed(&["../../../etc/passwd", "x"]),
            "`../../../etc/passwd` is missing",
        ),
        (
            legacy[..legacy.len() - 2].to_vec(),
            "`manifest.json` is missing",
        ),
        (
            vec![TarEntry::file("manifest.json", b"[]")],
            "it names no image",
        ),
        (
            vec![TarEntry::file("manifest.json", b"[{}]")],
            "cannot be understood",
        ),
        (
            vec![TarEntry::file("manifest.json", b"{")],
            "cannot be understood",
        ),
        (many.collect(), "more than 10000 entries"),
    ] {
        let told = fails(|into| exported(&image, &entries, into));
        assert!(told.contains(expected), "expected {expected:?}: {told}");
    }
}

#[test]
fn a_layer_in_the_place_of_a_traversal_stays_inside() {
    let image = TestImage::new(vec![layer("a", b"a")]);
    let name = "../../../escaped/layer.tar".to_owned();
    let entries = [
        TarEntry::file(&name, &image.layers[0]),
        TarEntry::file(format!("{}.json", image.id()), &image.config),
        TarEntry::file("manifest.json", &image.listing(&[name])),
    ];
    let folder = tempfile::TempDir::new().unwrap();
    exported(&image, &entries, folder.path()).unwrap();
    let written = super::content(folder.path());
    assert!(written.contains_key(&format!("image/{}", blob(&image.layers[0]))));
    assert_eq!(written.len(), 6);
}

#[test]
fn a_header_that_claims_to_be_huge_is_refused() {
    let image = TestImage::usual();
    for kind in [tar::EntryType::XHeader, tar::EntryType::GNULongName] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(8 << 30);
        header.set_cksum();
        let mut body = header.as_bytes().to_vec();
        body.resize(1 << 20, b'x');
        let told = fails(|into| answered(&image, Answer::Whole(body), into));
        assert!(told.contains("a header is far too large"), "{told}");
    }
}

#[test]
fn layers_compressed_in_other_ways_than_gzip_and_zstd_are_refused() {
    for (magic, method) in [(&b"BZh9\0"[..], "bzip2"), (b"\xfd7zXZ\0", "xz")] {
        let image = TestImage::new(vec![magic.to_vec()]);
        let told = fails(|into| exported(&image, &image.legacy(), into));
        assert!(told.contains(method), "{told}");
    }
    for broken in [&b"\x1f\x8bnot gzip"[..], b"\x28\xb5\x2f\xfd\0"] {
        let image = TestImage::new(vec![broken.to_vec()]);
        fails(|into| exported(&image, &image.legacy(), into));
    }
}

#[test]
fn an_engine_that_is_not_there_is_named() {
    for address in [
        "unix:///nonexistent/docker.sock",
        "unix://",
        "tcp://127.0.0.1:1",
        "tcp://",
        "ssh://nowhere",
        "garbage",
        "/var/run/docker.sock",
        "",
    ] {
        let told = fails(|into| fetch_from(address, into));
        let expected = format!("the Docker Engine at {address} does not answer");
        assert!(told.contains(&expected), "{told}");
    }
}

#[test]
fn a_folder_that_is_there_is_not_touched() {
    let image = TestImage::usual();
    let engine = FakeEngine::start(image.id(), Answer::Whole(tar_of(&image.legacy())));
    let folder = tempfile::TempDir::new().unwrap();
    let into = folder.path().join("image");
    std::fs::create_dir(&into).unwrap();
    std::fs::write(into.join("precious"), "x").unwrap();
    fetch_from(&engine.address(), folder.path()).unwrap_err();
    assert_eq!(super::content(folder.path()).len(), 1);
}

#[test]
fn an_image_for_another_platform_is_refused() {
    let image = TestImage::usual();
    let engine = FakeEngine::start(image.id(), Answer::Whole(tar_of(&image.legacy())));
    let source = ImageSource::Docker("x".to_owned());
    let told = fails(|into| {
        let (platform, address) = (["linux/arm64".to_owned()], Some(engine.address()));
        fetch(
            &source,
            &platform,
            address.as_deref(),
            &into.join("image"),
            &Silent,
        )
    });
    assert_eq!(told, "the image is for linux/amd64, not for linux/arm64");
}
