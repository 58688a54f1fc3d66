//! Regenerating an archive, and the list of what differs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dhfpack::digest::Sha256;
use dhfpack::manifest::Manifest;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::release::{
    NAME, Product, commit_and_tag, copy_of, dhfpack, listing, released, told,
};

/// A product whose release has documents in a folder outside the repository.
struct Outside {
    product: Product,
    place: TempDir,
}

impl Outside {
    fn new() -> Self {
        let product = Product::new();
        let place = TempDir::new().unwrap();
        fs::create_dir(place.path().join("ci")).unwrap();
        for name in ["first.pdf", "second.pdf"] {
            fs::write(place.path().join("ci").join(name), name).unwrap();
        }
        let text = fs::read_to_string(product.repository().join("dhfpack.toml")).unwrap();
        let config = format!(
            "{}\n[[folder]]\nname = \"ci\"\npath = \"ci\"\n",
            text.replace("installation-*.md\"", "installation-*.md\", \"ci:*.pdf\"")
        );
        fs::write(place.path().join("own.toml"), config).unwrap();
        let outside = Self { product, place };
        let mut command = outside.product.build(&outside.place.path().join("out"));
        command
            .arg("--config")
            .arg(outside.place.path().join("own.toml"));
        let built = outside.with_folder(&mut command).output().unwrap();
        assert!(built.status.success(), "{}", told(&built));
        outside
    }

    fn document(&self, name: &str) -> PathBuf {
        self.place.path().join("ci").join(name)
    }

    fn with_folder<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let ci = self.place.path().join("ci");
        command.arg("--folder").arg(format!("ci={}", ci.display()))
    }

    fn rebuild(&self) -> Output {
        let mut command = rebuild(&self.product, &self.place.path().join("out").join(NAME));
        self.with_folder(&mut command)
            .arg("--json")
            .output()
            .unwrap()
    }
}

/// `rebuild` of an archive, with the image.
fn rebuild(product: &Product, archive: &Path) -> Command {
    let mut command = dhfpack();
    command.arg("rebuild").arg(archive);
    command.arg("--repo").arg(product.repository());
    command.arg("--image").arg(product.image_option());
    command
}

/// Which files of the slot differ, and how; the comparison as a whole must say that they do.
fn differences(output: &Output) -> Vec<(String, String)> {
    assert_eq!(output.status.code(), Some(6), "{}", told(output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["identical"], false);
    assert_ne!(json["archive_manifest"], json["rebuilt_manifest"]);
    assert_eq!(json["rebuilt"], Value::Null);
    let files = json["files"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    files
        .map(|file| (text(&file["path"]), text(&file["difference"])))
        .filter(|(path, _)| path.contains("Installation Manual"))
        .collect()
}

#[test]
fn rebuilding_gives_the_identical_archive() {
    let release = released();
    let mut command = dhfpack();
    command
        .arg("rebuild")
        .arg(&release.archive)
        .arg("--repo")
        .arg(release.product.repository());
    let rebuilt = command
        .arg("--image")
        .arg(release.product.image_option())
        .output()
        .unwrap();
    assert_eq!(rebuilt.status.code(), Some(0), "{}", told(&rebuilt));
    assert!(told(&rebuilt).contains("identical"));
}

#[test]
fn rebuilding_from_a_moved_tag_is_refused_where_it_must_be_signed() {
    let product = Product::new();
    let output = TempDir::new().unwrap();
    assert!(product.build(output.path()).status().unwrap().success());
    // The same tag name, moved to other content.
    fs::write(
        product.repository().join("docs/manuals/user-manual.md"),
        "Another manual.\n",
    )
    .unwrap();
    commit_and_tag(&product.repository(), "v2.4.0");
    let mut command = dhfpack();
    command
        .arg("rebuild")
        .arg(output.path().join(NAME))
        .arg("--repo")
        .arg(product.repository());
    let rebuilt = command
        .arg("--image")
        .arg(product.image_option())
        .output()
        .unwrap();
    // The moved tag is unsigned, and the archived configuration requires a signed one.
    assert_eq!(rebuilt.status.code(), Some(1), "{}", told(&rebuilt));
    assert!(told(&rebuilt).contains("v2.4.0"));
}

#[test]
fn a_document_changed_since_has_other_content() {
    let outside = Outside::new();
    let same = outside.rebuild();
    assert_eq!(same.status.code(), Some(0), "{}", told(&same));
    fs::write(outside.document("first.pdf"), "other").unwrap();
    let path = "Device Master Record/Installation Manual/first.pdf".to_owned();
    assert_eq!(
        differences(&outside.rebuild()),
        [(path, "other-content".to_owned())]
    );
}

#[test]
fn a_document_removed_or_added_since_is_named() {
    let outside = Outside::new();
    fs::rename(outside.document("first.pdf"), outside.document("third.pdf")).unwrap();
    let found = differences(&outside.rebuild());
    let expected = [
        ("first.pdf", "only-in-first"),
        ("third.pdf", "only-in-second"),
    ];
    assert_eq!(
        found,
        expected.map(|(name, how)| {
            let folder = "Device Master Record/Installation Manual";
            (format!("{folder}/{name}"), how.to_owned())
        })
    );
}

/// What another version might have packed: the same tar in other gzip bytes.
fn repack(archive: &Path) {
    let path = archive.join("Design Outputs/Source Code/source-tree.tar.gz");
    let script = "import gzip,sys; p=sys.argv[1]; b=gzip.open(p).read(); open(p,'wb').write(gzip.compress(b, 1, mtime=0))";
    let before = fs::read(&path).unwrap();
    let packed = Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .status()
        .unwrap();
    assert!(packed.success());
    let after = fs::read(&path).unwrap();
    assert_ne!(before, after);
    let list = archive.join("Manifest/manifest.json");
    let mut manifest = Manifest::parse(&fs::read(&list).unwrap()).unwrap();
    let file = manifest
        .files
        .iter_mut()
        .find(|file| file.sha256 == Sha256::of(&before))
        .unwrap();
    file.sha256 = Sha256::of(&after);
    file.size = after.len() as u64;
    let bytes = manifest.to_bytes().unwrap();
    fs::write(&list, &bytes).unwrap();
    let sums = manifest.sums(&Sha256::of(&bytes));
    fs::write(archive.join("Manifest/SHA256SUMS"), sums).unwrap();
}

#[test]
fn what_another_version_packed_agrees_in_its_logical_identity() {
    let release = released();
    let (_place, archive) = copy_of(&release.archive);
    repack(&archive);
    let output = rebuild(&release.product, &archive).output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", told(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let differs: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("differs"))
        .collect();
    assert_eq!(
        differs,
        [
            "differs   \"Design Outputs/Source Code/source-tree.tar.gz\" has other bytes, but its logical identity agrees"
        ]
    );
}

#[test]
fn what_was_rebuilt_is_kept_only_where_asked_for() {
    let release = released();
    let (temporary, output) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let run = |keep: bool| {
        let mut command = rebuild(&release.product, &release.archive);
        if keep {
            command.arg("--output").arg(output.path());
        }
        let rebuilt = command.env("TMPDIR", temporary.path()).output().unwrap();
        assert_eq!(rebuilt.status.code(), Some(0), "{}", told(&rebuilt));
    };
    run(false);
    assert_eq!(listing(temporary.path()), []);
    assert_eq!(listing(output.path()), []);
    run(true);
    assert_eq!(listing(temporary.path()), []);
    let manifest = |folder: &Path| fs::read(folder.join("Manifest/manifest.json")).unwrap();
    assert_eq!(
        manifest(&output.path().join(NAME)),
        manifest(&release.archive)
    );
}

#[test]
fn a_source_that_is_gone_is_named_with_the_option_that_gives_it() {
    let release = released();
    let nowhere = TempDir::new().unwrap();
    let mut command = dhfpack();
    command.arg("rebuild").arg(&release.archive);
    command.arg("--repo").arg(release.product.repository());
    let gone = format!("install=oci:{}", nowhere.path().join("gone").display());
    let output = command.args(["--image", &gone]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let text = told(&output);
    assert!(text.contains("gone") && text.contains("--image"), "{text}");
}
