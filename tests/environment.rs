//! The build environment: what is configured, found at the tag, archived and shown.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::release::{succeed, told};
use crate::support::small::{Small, manifest, tells};

mod bills;

const DIGEST: &str = "sha256:165577555059f0125bf2f338a07d7ddf0ff0004589d9d75aecc5d3ec87e03675";

/// A small product with these tables in its configuration and these files, released.
fn product(tables: &str, files: &[(&str, &str)]) -> Small {
    let small = Small::new(tables);
    for (path, text) in files {
        small.repository.write(path, text.as_bytes());
    }
    small.release()
}

#[test]
fn images_tools_and_lock_files_are_recorded_and_the_lock_files_archived() {
    let tables = format!(
        "[build_environment]\nlock_files = [\"**/*.lock\", \"web/package-lock.json\"]\n\
         [[build_environment.image]]\nname = \"rust:1.95\"\ndigest = \"{DIGEST}\"\n\
         [[build_environment.tool]]\nname = \"rustc\"\nversion = \"1.95.0\"\n"
    );
    let files = [
        ("Cargo.lock", "version = 4\n"),
        ("web/package-lock.json", "{}\n"),
        ("web/yarn.lock", ""),
        ("web/other.json", "{}"),
    ];
    let small = product(&tables, &files);
    let manifest = small.manifest();
    let environment = &manifest["build_environment"];
    let digest = DIGEST.trim_start_matches("sha256:");
    assert_eq!(
        environment["images"],
        json!([{ "name": "rust:1.95", "digest": digest }])
    );
    assert_eq!(
        environment["tools"],
        json!([{ "name": "rustc", "version": "1.95.0" }])
    );
    let locks = environment["lock_files"].as_array().unwrap();
    let sources: Vec<&str> = locks
        .iter()
        .map(|one| one["source"].as_str().unwrap())
        .collect();
    assert_eq!(
        sources,
        ["Cargo.lock", "web/package-lock.json", "web/yarn.lock"]
    );
    for (lock, (_, text)) in locks.iter().zip(files) {
        let path = lock["path"].as_str().unwrap();
        assert!(
            path.starts_with("Release Record/Build Environment/"),
            "{path}"
        );
        assert_eq!(
            fs::read_to_string(small.archive().join(path)).unwrap(),
            text
        );
        let listed = manifest["files"].as_array().unwrap();
        let listed = listed.iter().find(|file| file["path"] == path).unwrap();
        assert_eq!(listed["sha256"], lock["sha256"]);
        assert_eq!(listed["origin"], "input");
        let source = lock["source"].as_str().unwrap();
        let blob = small
            .repository
            .git(["rev-parse", &format!("v1.0.0:{source}")]);
        assert_eq!(lock["git_blob"], blob.trim());
    }
    let release = fs::read(small.archive().join("Release Record/release.json")).unwrap();
    let release: Value = serde_json::from_slice(&release).unwrap();
    assert_eq!(&release["build_environment"], environment);
    let page = fs::read_to_string(small.archive().join("index.html")).unwrap();
    tells(
        &page,
        &["Build environment", "rust:1.95", "rustc 1.95.0", digest],
    );
    let shown = succeed([Path::new("show"), &small.archive()]);
    tells(
        &shown,
        &[
            "image      rust:1.95 sha256:1655",
            "tool       rustc 1.95.0",
            "lock file  web/yarn.lock",
        ],
    );
}

#[test]
fn the_lock_files_are_those_of_the_tag_and_count_from_the_configuration_s_folder() {
    let small = Small::new("");
    let tables = "[build_environment]\nlock_files = [\"*.lock\", \"/shared/*.lock\"]\n";
    small.add_product("pump/", "pump", "1.0.0", "v{version}", tables);
    for path in ["root.lock", "shared/a.lock", "pump/b.lock"] {
        small.repository.write(path, b"at the tag");
    }
    let small = small.release();
    small.repository.write("pump/b.lock", b"later");
    small.repository.commit_all("later");
    let built = small
        .command()
        .current_dir(small.repository.path().join("pump"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", told(&built));
    let archive = small.output().join("pump-1.0.0");
    let locks = &manifest(&archive)["build_environment"]["lock_files"];
    let sources: Vec<&Value> = locks
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["source"])
        .collect();
    assert_eq!(sources, ["pump/b.lock", "shared/a.lock"]);
    let text = archive.join("Release Record/Build Environment/pump/b.lock");
    assert_eq!(fs::read_to_string(text).unwrap(), "at the tag");
}

#[test]
fn a_dry_run_shows_the_lock_files() {
    let small = product(
        "[build_environment]\nlock_files = [\"*.lock\"]\n",
        &[("a.lock", "12345")],
    );
    let line = "Release Record/Build Environment/a.lock";
    let shown = told(&small.build(["--dry-run"]));
    tells(
        &shown,
        &[&format!("{line}  (5 bytes from the source tree)")],
    );
    let shown = small.build(["--dry-run", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        shown["lock_files"],
        json!([{ "path": line, "source": "a.lock" }])
    );
}

#[test]
fn lock_files_that_are_not_there_or_cannot_be_archived_are_all_named() {
    let small =
        Small::new("[build_environment]\nlock_files = [\"cargo.lock\", \"../a\", \"link.lock\"]\n");
    small.repository.write("Cargo.lock", b"");
    std::os::unix::fs::symlink("Cargo.lock", small.repository.path().join("link.lock")).unwrap();
    let small = small.release();
    let told = small.failure::<&str>([], 2);
    tells(
        &told,
        &[
            "dhfpack.toml at v1.0.0:",
            "lock_files = [\"cargo.lock\"]: it matches none of the",
            "files of the source tree at the tag; did you mean \"Cargo.lock\"?",
            "lock_files = [\"../a\"]: `..` leads nowhere",
            "link.lock is a symbolic link",
        ],
    );
    let small = product("[build_environment]\nlock_files = [\"a:b.lock\"]\n", &[]);
    tells(
        &small.failure::<&str>([], 2),
        &["`a:b.lock` names another place, but lock files belong to the source"],
    );
    let small = product(
        "[build_environment]\nlock_files = [\"*/*.lock\"]\n",
        &[("a/b.lock", ""), ("A/b.lock", "")],
    );
    tells(&small.failure::<&str>([], 2), &["differ only in case"]);
}

#[test]
fn what_is_configured_wrongly_is_told_with_its_place() {
    let image = |lines: &str| format!("[[build_environment.image]]\n{lines}");
    let sbom = |lines: &str| format!("[[build_environment.sbom]]\n{lines}");
    for (tables, expected) in [
        (
            image("name = \"rust:1.95\""),
            &["missing field `digest`"][..],
        ),
        (
            image("name = \"rust\"\ndigest = \"1.95\""),
            &[
                "`1.95` is no digest of an image: `sha256:` and 64",
                "a tag can move",
            ],
        ),
        (
            image(&format!("name = \"rust@{DIGEST}\"\ndigest = \"{DIGEST}\"")),
            &["has a digest in it", "and the rest as `digest`"],
        ),
        (
            image(&format!("name = \" \"\ndigest = \"{DIGEST}\"")),
            &["the text is empty"],
        ),
        (
            "[[build_environment.tool]]\nname = \"rustc\"\nversion = \"\"".to_owned(),
            &["the text is empty", "version = \"\""],
        ),
        (
            "[build_environment]\nlock_file = []".to_owned(),
            &["did you mean `lock_files`?"],
        ),
        (
            sbom("file = \"a.json\"\nimage = \"instal\""),
            &["no image is named `instal`", "[[image]]"],
        ),
        (
            sbom("file = \"a.json\"\nplatform = \"linux/amd64\""),
            &["no image is named", "add `image = \"NAME\"`"],
        ),
        (
            sbom("file = \"ci:a.json\""),
            &["no folder or repository is named `ci`"],
        ),
        (
            sbom("file = \"a.json\"\n[[build_environment.sbom]]\nfile = \"a.json\""),
            &["the SBOM `a.json` is named twice"],
        ),
    ] {
        let told = product(&tables, &[]).failure::<&str>([], 2);
        tells(&told, expected);
    }
}
