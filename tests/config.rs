//! `dhfpack.toml`: which one counts, and what a wrong one is told.

use std::fs;

use crate::support::release::{dhfpack, told};
use crate::support::small::{LAYOUT, Small, config, manifest, paths, tells};

/// What is told of a configuration with this line in place of another.
fn told_of(line: &str, instead: &str) -> String {
    let small = Small::new("");
    let text = config("small", "1.0.0", "v{version}", "");
    assert!(text.contains(line), "{line}");
    small
        .repository
        .write("dhfpack.toml", text.replacen(line, instead, 1).as_bytes());
    small.release().failure::<&str>([], 2)
}

#[test]
fn a_key_that_is_unknown_is_shown_with_its_line_and_the_likely_name() {
    let message = told_of("manufacturer =", "manufacturerer =");
    tells(
        &message,
        &[
            "unknown field `manufacturerer`",
            "dhfpack.toml:6:1",
            "did you mean `manufacturer`?",
        ],
    );
    let message = told_of("[[market]]", "[[markets]]");
    tells(&message, &["dhfpack.toml:12:", "did you mean `market`?"]);
}

#[test]
fn text_that_is_no_toml_is_shown_with_its_line() {
    let message = told_of("name = \"Small\"", "name = \"Small");
    tells(&message, &["dhfpack.toml:4:", "name = \"Small"]);
}

#[test]
fn what_cannot_be_meant_is_shown_where_it_stands() {
    for (line, instead, expected) in [
        ("id = \"small\"", "id = \"Small One\"", "dhfpack.toml:5:"),
        (
            "id = \"small\"",
            "id = \"con\"",
            "cannot be part of a file name",
        ),
        ("= \"1.0.0\"", "= \"../1\"", "cannot be part of a file name"),
        ("= \"1.0.0\"", "= \"1..0\"", "cannot be part of a file name"),
        (
            "tag = \"v{version}\"",
            "tag = \"v1.0.0\"",
            "put `{version}`",
        ),
        ("tag = \"v{version}\"", "revision = 1", "add `supersedes"),
        ("= \"Example Ltd\"", "= \" \"", "the text is empty"),
        (
            "safety_class = \"A\"",
            "safety_class = \"D\"",
            "`A`, `B`, `C`",
        ),
        (
            "[[slot]]",
            "[[slot]]\nid = \"any\"\n[[slot]]",
            "in exactly one way",
        ),
        (
            "[[slot]]",
            "[[slot]]\nid = \"any\"\nnot_applicable = \"\"\n[[slot]]",
            "without a reason",
        ),
        (
            "[[slot]]",
            "[[slot]]\nid = \"any\"\nfiles = [\"qms:*\"]\n[[slot]]",
            "add a [[folder]] or [[repository]] with name = \"qms\"",
        ),
        (
            "[[slot]]",
            "[[slot]]\nid = \"any\"\nreference = { location = \"QMS\", revision = \"1\", sha256 = \"12\" }\n[[slot]]",
            "dhfpack.toml:",
        ),
        (
            "[[slot]]",
            "[[slot]]\nid = \"mdf.build\"\nfiles = [\"x\"]\n[[slot]]",
            "did you mean `mdf.build-process`?",
        ),
        (
            "[[slot]]",
            "[[slot]]\nid = \"source\"\nfiles = [\"x\"]\n[[slot]]",
            "cannot be filled by `files`",
        ),
        (
            "[[slot]]",
            "[[image]]\nname = \"install\"\nsource = \"small:1\"\n[[slot]]",
            "begin with `docker:`",
        ),
        (
            "[[slot]]",
            "[[image]]\nname = \"install\"\nsource = \"docker:small:1\"\n[[slot]]",
            "no slot for images",
        ),
        (
            "[[slot]]",
            "[[repository]]\nname = \"qms\"\ntag = \"v1\"\nlocation = \"https://ci:secret@host/q.git\"\n[[slot]]",
            "holds a password",
        ),
        (
            "[[slot]]",
            "[signing]\nmeaning = \"release\"\n[[slot]]",
            "a machine cannot release",
        ),
        (
            "[[slot]]",
            "[signing]\npassphrase = \"secret\"\n[[slot]]",
            "unknown field `passphrase`",
        ),
    ] {
        let message = told_of(line, instead);
        tells(&message, &[expected, "dhfpack.toml"]);
    }
}

#[test]
fn a_layout_that_is_unknown_is_an_error_with_the_likely_one() {
    let message = told_of("\"./layout.toml\"", "\"fda-clasic\"");
    tells(
        &message,
        &["dhfpack.toml at v1.0.0:1:", "did you mean `fda-classic`?"],
    );
    let message = told_of("\"./layout.toml\"", "\"layouts/own.toml\"");
    tells(&message, &["\"./layouts/own.toml\""]);
    let message = told_of("\"./layout.toml\"", "\"./none.toml\"");
    tells(
        &message,
        &["there is no none.toml in the repository at `v1.0.0`"],
    );
}

#[test]
fn every_empty_slot_is_listed_at_once_with_the_lines_that_fill_it() {
    let small = Small::new("");
    let text = config("small", "1.0.0", "v{version}", "");
    let end = text.find("[[slot]]").unwrap();
    small
        .repository
        .write("dhfpack.toml", &text.as_bytes()[..end]);
    small.repository.write(
        "layout.toml",
        LAYOUT
            .replace("required = false", "required = true")
            .as_bytes(),
    );
    let message = small.release().failure::<&str>([], 2);
    tells(
        &message,
        &[
            "4 of the layout's required slots are empty",
            "mdf.software-specifications",
            "mdf.build-process",
            "mdf.acceptance-criteria",
            "ISO 13485:2016 4.2.3 e)",
            "[[slot]]",
            "id = \"any\"",
            "# or not_applicable = \"reason\"",
        ],
    );
}

#[test]
fn a_slot_can_refer_to_a_document_or_not_apply() {
    let sha256 = "1".repeat(64);
    let reference = format!(
        "[[slot]]\nid = \"any\"\nreference = {{ location = \"QMS, SOP-1\", revision = \"5\", sha256 = \"{sha256}\" }}"
    );
    let small = Small::new(&reference).release();
    assert_eq!(paths(&small.manifest(), "any"), ["Any/Reference.txt"]);
    let note = fs::read_to_string(small.archive().join("Any/Reference.txt")).unwrap();
    tells(&note, &["QMS, SOP-1", "Revision: 5", &sha256]);

    let small = Small::new("[[slot]]\nid = \"any\"\nnot_applicable = \"No hardware.\"").release();
    let manifest = small.manifest();
    assert_eq!(paths(&manifest, "any"), ["Any/Not applicable.txt"]);
    assert!(manifest.to_string().contains("No hardware."));
}

#[test]
fn products_of_one_repository_have_their_own_configurations_and_tags() {
    let small = Small::new("");
    let any = |files: &str| {
        format!("[[slot]]\nid = \"any\"\nfiles = [\"{files}\", \"/docs/criteria.md\"]")
    };
    small.add_product(
        "monitor/",
        "monitor",
        "1.0.0",
        "monitor/v{version}",
        &any("docs/b*.md"),
    );
    small.add_product(
        "pump/",
        "pump",
        "2.0.0",
        "pump/v{version}",
        &any("./docs/s*.md"),
    );
    small.repository.commit_all("both");
    small.repository.tag("monitor/v1.0.0");
    small
        .repository
        .commit_file("pump/docs/build.md", b"later\n");
    small.repository.tag("pump/v2.0.0");
    let build = |folder: &str, arguments: &[&str]| {
        let built = small
            .command()
            .current_dir(small.repository.path().join(folder))
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    };
    build("monitor", &[]);
    let monitor = manifest(&small.output().join("monitor-1.0.0"));
    assert_eq!(monitor["release"]["tag"], "monitor/v1.0.0");
    assert_eq!(paths(&monitor, "any"), ["Any/build.md", "Any/criteria.md"]);
    build("pump/docs", &["--tag", "pump/v2.0.0"]);
    let pump = manifest(&small.output().join("pump-2.0.0"));
    assert_eq!(pump["release"]["tag"], "pump/v2.0.0");
    assert_eq!(
        paths(&pump, "any"),
        ["Any/criteria.md", "Any/specification.md"]
    );
    assert_ne!(pump["source"]["commit"], monitor["source"]["commit"]);
    let built = fs::read(small.output().join("pump-2.0.0/File/Build/build.md")).unwrap();
    assert_eq!(built, b"later\n");
    // From the top, it is the top's that counts, and its tag is not there.
    let message = small.failure::<&str>([], 1);
    tells(&message, &["has no tag v1.0.0"]);
    let message = small.failure(["--repo", "monitor", "--tag", "pump/v2.0.0"], 2);
    tells(&message, &["`monitor/v1.0.0`", "`pump/v2.0.0`"]);
}

#[test]
fn a_file_given_counts_as_it_is_now_and_is_archived() {
    let small = Small::new("").release();
    let any = "[[slot]]\nid = \"any\"\nfiles = [\"docs/build.md\"]";
    let text = config("small", "1.0.0", "v{version}", any);
    for file in [
        small.path("outside.toml"),
        small.repository.path().join("ci.toml"),
    ] {
        fs::write(&file, &text).unwrap();
        let built = small.build(["--config".as_ref(), file.as_os_str()]);
        assert_eq!(built.status.code(), Some(0), "{}", told(&built));
        let archive = small.archive();
        assert_eq!(paths(&manifest(&archive), "any"), ["Any/build.md"]);
        let archived = archive.join("Release Record/Configuration/dhfpack.toml");
        assert_eq!(fs::read_to_string(archived).unwrap(), text);
        // What is built again takes the archived one, wherever the file went.
        fs::remove_file(&file).unwrap();
        let rebuilt = dhfpack()
            .arg("rebuild")
            .arg(&archive)
            .arg("--repo")
            .arg(small.repository.path())
            .output()
            .unwrap();
        assert_eq!(rebuilt.status.code(), Some(0), "{}", told(&rebuilt));
        fs::remove_dir_all(&archive).unwrap();
    }
    let message = small.failure(["--config", "none.toml"], 1);
    tells(&message, &["none.toml"]);
}

#[test]
fn a_configuration_that_is_nowhere_is_named() {
    let small = Small::new("");
    fs::remove_file(small.repository.path().join("dhfpack.toml")).unwrap();
    let small = small.release();
    let message = small.failure::<&str>([], 2);
    tells(&message, &["there is no dhfpack.toml in", "dhfpack init"]);
    small.repository.write(
        "dhfpack.toml",
        config("small", "1.0.0", "v{version}", "").as_bytes(),
    );
    let message = small.failure::<&str>([], 2);
    tells(
        &message,
        &["there is no dhfpack.toml in the repository at `v1.0.0`"],
    );
}

#[test]
fn an_image_folder_or_repository_that_is_not_configured_is_named() {
    let small = Small::new("").release();
    let message = small.failure(["--folder", "ci=/tmp"], 2);
    tells(&message, &["no folder named `ci`", "add a [[folder]]"]);
}

#[test]
fn a_password_in_a_url_is_refused_and_not_shown() {
    for tables in [
        "[source]\nremote = \"https://ci:s3cret@host/a.git\"\n",
        "[source]\nremote = \"https://ci:s3cret@host/a.git\" oops\n",
        "[source]\nremotely = \"https://ci:s3cret@host/a.git\"\n",
        "[[image]]\nname = \"a\"\nsource = \"https://ci:s3cret@host/a\"\n",
    ] {
        let told = Small::new(tables).release().failure::<&str>([], 2);
        tells(&told, &["dhfpack.toml", "https://ci:******@host/a"]);
        assert!(!told.contains("s3cret"), "{told}");
    }
    let tables = "[[image]]\nname = \"a\"\nsource = \"ci:s3cret@host/a\"\n";
    let told = Small::new(tables).release().failure::<&str>([], 2);
    tells(&told, &["the source of image `a`", "begin with `docker:`"]);
    assert!(!told.contains("s3cret"), "{told}");
}
