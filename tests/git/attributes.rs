//! What `.gitattributes` says of exports is told, and not heeded.

use std::fs;
use std::process::Command;

use dhfpack::manifest::Manifest;
use tempfile::TempDir;

use crate::support::git::{TestRepository, succeed};
use crate::support::release::{NAME, Product, commit_and_tag, dhfpack, told, without_image};

#[test]
fn every_line_with_export_ignore_is_listed_by_file_and_number() {
    let repository = TestRepository::new();
    let top = "# *.c export-ignore\n\n*.tmp text export-ignore\n[attr]private export-ignore\nversion.c export-subst\n";
    repository.write(".gitattributes", top.as_bytes());
    repository.write(
        "docs/.gitattributes",
        b"\"a b\" private\r\n* -export-ignore\n",
    );
    repository.write("Z/.gitattributes", b"x private");
    repository.write("not.gitattributes", b"a export-ignore\n");
    std::os::unix::fs::symlink("../docs/.gitattributes", repository.path().join("Z/link")).unwrap();
    repository.commit_all("attributes");
    let commit = repository.git(["rev-parse", "HEAD"]);
    let told = repository.mirror().export_attributes(&commit, "lib/");
    assert_eq!(
        told.unwrap(),
        [
            "lib/.gitattributes:3: *.tmp",
            "lib/.gitattributes:4: [attr]private",
            "lib/.gitattributes:5: version.c (export-subst)",
            "lib/Z/.gitattributes:1: x",
            "lib/docs/.gitattributes:1: \"a b\"",
        ]
    );
}

#[test]
fn attributes_without_end_are_refused() {
    let repository = TestRepository::new();
    repository.commit_file(
        ".gitattributes",
        "a export-ignore\n".repeat(10_001).as_bytes(),
    );
    let commit = repository.git(["rev-parse", "HEAD"]);
    let error = repository.mirror().export_attributes(&commit, "");
    let error = error.unwrap_err().to_string();
    assert!(error.contains("more than 10000 lines"), "{error}");
    repository.commit_file(".gitattributes", &vec![b'#'; 5_000_000]);
    let commit = repository.git(["rev-parse", "HEAD"]);
    let error = repository.mirror().export_attributes(&commit, "");
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains(".gitattributes has 5000000 bytes"),
        "{error}"
    );
}

#[test]
fn a_build_says_where_export_ignore_stands_and_archives_the_files() {
    let product = Product::new();
    let repository = product.repository();
    fs::write(
        repository.join(".gitattributes"),
        "secret.txt export-ignore\n",
    )
    .unwrap();
    fs::write(repository.join("secret.txt"), "evidence").unwrap();
    commit_and_tag(&repository, "v2.4.0");
    let place = TempDir::new().unwrap();
    let mut command = dhfpack();
    command
        .args(["build", "--draft", "--repo"])
        .arg(&repository);
    command.arg("--config").arg(unsigned(&product, &place));
    command.arg("--output").arg(place.path());
    let built = command.output().unwrap();
    assert!(built.status.success(), "{}", told(&built));
    let said = told(&built);
    assert!(said.contains(".gitattributes:1: secret.txt"), "{said}");
    let archive = place.path().join(NAME);
    let manifest = fs::read(archive.join("Manifest/manifest.json")).unwrap();
    let manifest = Manifest::parse(&manifest).unwrap();
    let expected = [".gitattributes:1: secret.txt"];
    assert_eq!(manifest.source.export_ignore, expected);
    let tar = archive.join("Design Outputs/Source Code/source-tree.tar.gz");
    let unpacked = succeed(
        Command::new("tar")
            .arg("-xzOf")
            .arg(tar)
            .arg(format!("{NAME}/secret.txt")),
    );
    assert_eq!(unpacked.stdout, b"evidence");
}

/// The sample's configuration without its image and without a signature on the tag.
fn unsigned(product: &Product, place: &TempDir) -> std::path::PathBuf {
    let text = fs::read_to_string(product.repository().join("dhfpack.toml")).unwrap();
    let text = without_image(&text);
    let config = place.path().join("dhfpack.toml");
    fs::write(&config, text.replace("require_signed_tag = true", "")).unwrap();
    config
}
