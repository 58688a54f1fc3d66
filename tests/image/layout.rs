//! OCI image layouts, as folders and as tars.

use std::fs;
use std::path::Path;

use dhfpack::monitor::Silent;
use dhfpack::source::image::{Fetched, ImageError, ImageSource, fetch};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{content, exported, fails};
use crate::support::image::{
    MANIFEST, TarEntry, TestImage, blob, descriptor, gzip, index, layer, plain, tar_of, unpack,
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn from_layout(layout: &Path, platform: Option<&str>, into: &Path) -> Result<Fetched, ImageError> {
    let source = ImageSource::Oci(layout.to_path_buf());
    let platforms: Vec<String> = platform.map(str::to_owned).into_iter().collect();
    fetch(&source, &platforms, None, &into.join("image"), &Silent)
}

/// Fetches a layout with these entries from a folder.
fn from_folder(
    entries: &[TarEntry],
    platform: Option<&str>,
    into: &Path,
) -> Result<Fetched, ImageError> {
    let layout = TempDir::new().unwrap();
    unpack(entries, layout.path());
    from_layout(layout.path(), platform, into)
}

/// Fetches a layout with these entries from a tar.
fn from_tar(entries: &[TarEntry], into: &Path) -> Result<Fetched, ImageError> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("layout.tar");
    fs::write(&file, tar_of(entries)).unwrap();
    from_layout(&file, None, into)
}

#[test]
fn a_layout_becomes_the_same_folder_as_an_export() {
    let image = TestImage::usual();
    let expected = TempDir::new().unwrap();
    exported(&image, &image.legacy(), expected.path()).unwrap();
    for pack in [plain, gzip] {
        let entries = image.layout(pack);
        let dotted: Vec<TarEntry> = entries
            .iter()
            .map(|entry| match entry {
                TarEntry::File(name, bytes) => TarEntry::file(format!("./{name}"), bytes),
                other => other.clone(),
            })
            .collect();
        let folders = [(); 3].map(|()| TempDir::new().unwrap());
        from_folder(&entries, None, folders[0].path()).unwrap();
        from_tar(&entries, folders[1].path()).unwrap();
        from_tar(&dotted, folders[2].path()).unwrap();
        for folder in folders {
            assert_eq!(content(folder.path()), content(expected.path()));
        }
    }
}

#[test]
fn a_layer_that_stands_twice_is_read_once() {
    let one = layer("a", b"one");
    let image = TestImage::new(vec![one.clone(), layer("b", b"two"), one]);
    let folder = TempDir::new().unwrap();
    let fetched = from_folder(&image.layout(gzip), None, folder.path()).unwrap();
    assert_eq!(fetched.images[0].diff_ids.len(), 3);
    assert_eq!(content(folder.path()).len(), 7);
}

/// A layout with an image for each of these platforms, listed in one nested index.
fn for_platforms(platforms: &[(Value, &str)]) -> Vec<TarEntry> {
    let mut entries = Vec::new();
    let mut manifests = Vec::new();
    for (platform, content) in platforms {
        let layers = vec![layer("a", content.as_bytes())];
        let image = TestImage::with_platform(layers, platform);
        for entry in image.layout(plain) {
            if let TarEntry::File(name, bytes) = entry
                && name.starts_with("blobs/")
            {
                if bytes.starts_with(b"{\"config\":{\"digest") {
                    let mut listed = descriptor(MANIFEST, &bytes);
                    listed["platform"] = platform.clone();
                    // A second tag of the same image.
                    manifests.extend([listed.clone(), listed]);
                }
                entries.push(TarEntry::File(name, bytes));
            }
        }
    }
    let mut attestation = descriptor(MANIFEST, b"{}");
    attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    manifests.push(attestation);
    let nested = json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
    entries.extend(index(&[descriptor(INDEX, nested.as_bytes())]));
    entries.push(TarEntry::blob(nested.as_bytes()));
    entries
}

#[test]
fn the_platform_chooses_among_several_images() {
    let amd = json!({ "os": "linux", "architecture": "amd64" });
    let arm = json!({ "os": "linux", "architecture": "arm64", "variant": "v8" });
    let entries = for_platforms(&[(amd.clone(), "amd"), (arm, "arm")]);
    for (wanted, found) in [
        ("linux/amd64", "linux/amd64"),
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/arm64/v8", "linux/arm64/v8"),
    ] {
        let folder = TempDir::new().unwrap();
        let image = from_folder(&entries, Some(wanted), folder.path()).unwrap();
        assert_eq!(image.images[0].platform, found);
    }
    for wanted in [None, Some("linux/s390x")] {
        let told = fails(|into| from_folder(&entries, wanted, into));
        assert!(told.contains("linux/amd64, linux/arm64/v8"), "{told}");
    }
    let only = for_platforms(&[(amd, "amd")]);
    fails(|into| from_folder(&only, Some("linux/arm64"), into));
    from_folder(&only, None, TempDir::new().unwrap().path()).unwrap();
}

/// A change to a file of a layout, and what is told of it.
type Change = (fn(&Path), &'static str);

#[test]
fn layouts_that_are_not_what_they_say_are_refused() {
    let image = TestImage::usual();
    let layer_path = blob(&image.layers[1]);
    let config_path = blob(&image.config);
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let flip = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let grow = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        bytes.push(b' ');
        fs::write(path, bytes).unwrap();
    };
    let link = |path: &Path| {
        let moved = path.with_extension("moved");
        fs::rename(path, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, path).unwrap();
    };
    let huge = |path: &Path| {
        let file = fs::File::create(path).unwrap();
        file.set_len(5 << 30).unwrap();
    };
    let changes: [(&str, Change); 10] = [
        ("oci-layout", (remove, "`oci-layout` is missing")),
        ("oci-layout", (huge, "far too many")),
        ("index.json", (remove, "`index.json` is missing")),
        ("index.json", (huge, "far too many")),
        (&layer_path, (remove, "is missing")),
        (&layer_path, (flip, "has the digest")),
        (&layer_path, (grow, "bytes, not")),
        (&layer_path, (link, "cannot open")),
        (&config_path, (flip, "has the digest")),
        (&config_path, (huge, "bytes, not")),
    ];
    for (path, (change, expected)) in changes {
        let layout = TempDir::new().unwrap();
        unpack(&image.layout(plain), layout.path());
        change(&layout.path().join(path));
        let told = fails(|into| from_layout(layout.path(), None, into));
        assert!(told.contains(expected), "expected {expected:?}: {told}");
    }
}

#[test]
fn what_is_no_layout_is_refused() {
    let named = |media_type: &str| {
        let mut entries = index(&[descriptor(media_type, b"{}")]);
        entries.push(TarEntry::blob(b"{}"));
        entries
    };
    let old = TarEntry::file("oci-layout", b"{\"imageLayoutVersion\":\"0.9\"}");
    for (entries, expected) in [
        (
            named("application/vnd.cncf.helm.config.v1+json"),
            "is not supported here",
        ),
        (named(""), "is not supported here"),
        (named(MANIFEST), "missing field `config`"),
        (index(&[]), "`an image manifest` is missing"),
        (vec![old], "its version is \"0.9\""),
        (Vec::new(), "`oci-layout` is missing"),
    ] {
        let told = fails(|into| from_folder(&entries, None, into));
        assert!(told.contains(expected), "expected {expected:?}: {told}");
        fails(|into| from_tar(&entries, into));
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("no.tar");
    fs::write(&file, vec![b'x'; 2000]).unwrap();
    let told = fails(|into| from_layout(&file, None, into));
    assert!(told.contains("the tar is damaged"), "{told}");
    fails(|into| from_layout(&folder.path().join("absent"), None, into));
}

#[test]
fn indexes_that_lead_in_a_circle_of_depth_end() {
    let mut inner = json!({ "manifests": [] }).to_string();
    let mut entries = vec![TarEntry::blob(inner.as_bytes())];
    for _ in 0..6 {
        inner = json!({ "manifests": [descriptor(INDEX, inner.as_bytes())] }).to_string();
        entries.push(TarEntry::blob(inner.as_bytes()));
    }
    entries.extend(index(&[descriptor(INDEX, inner.as_bytes())]));
    let told = fails(|into| from_folder(&entries, None, into));
    assert!(told.contains("is not supported here"), "{told}");
}
