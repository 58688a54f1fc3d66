//! A small product with a layout of its own: builds in a moment, and every slot can be tried.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::git::TestRepository;
use super::release::{dhfpack, told};

/// Slots that every layout must have, filled by one document each.
const ALWAYS: &str = r#"
[[slot]]
id = "mdf.software-specifications"
files = ["docs/specification.md"]

[[slot]]
id = "mdf.build-process"
files = ["docs/build.md"]

[[slot]]
id = "mdf.acceptance-criteria"
files = ["docs/criteria.md"]
"#;

/// A layout with little in it: source, the slots that every layout has, and one that is free.
pub(crate) const LAYOUT: &str = r#"
name = "small"
title = "A small layout"

[[role]]
name = "Quality Systems SME"

[[slot]]
id = "source"
folder = "Source"
title = "Source"
required = true
fill = ["git"]

[[slot]]
id = "mdf.software-specifications"
folder = "File/Specifications"
title = "Specifications"
required = true
fill = ["files", "reference"]

[[slot]]
id = "mdf.build-process"
folder = "File/Build"
title = "Build"
required = true
fill = ["files", "reference"]

[[slot]]
id = "mdf.acceptance-criteria"
folder = "File/Criteria"
title = "Criteria"
required = true
fill = ["files", "reference"]

[[slot]]
id = "any"
folder = "Any"
title = "Anything"
required = false
fill = ["files", "reference", "not-applicable"]
clauses = { iso13485 = ["4.2.3 e)"] }
"#;

const IMAGES: &str = r#"
[[slot]]
id = "images"
folder = "Images"
title = "Images"
required = true
fill = ["images"]
"#;

/// A configuration of the product `id` at `version`, with `rest` after its tables.
pub(crate) fn config(id: &str, version: &str, tag: &str, rest: &str) -> String {
    format!(
        r#"layout = "./layout.toml"

[product]
name = "Small"
id = "{id}"
manufacturer = "Example Ltd"

[[product.software_item]]
name = "All"
safety_class = "A"

[[market]]
regime = "us-fda"
device_class = "II"

[release]
version = "{version}"
tag = "{tag}"
{rest}
{ALWAYS}"#
    )
}

/// The product's repository, a key to seal with, and a folder for archives.
pub(crate) struct Small {
    pub(crate) repository: TestRepository,
}

impl Small {
    /// The product with its documents in the work tree, nothing committed, and this slot or
    /// these tables in its configuration.
    pub(crate) fn new(rest: &str) -> Self {
        let small = Self {
            repository: TestRepository::new(),
        };
        small.add_product("", "small", "1.0.0", "v{version}", rest);
        small
    }

    /// The product with an image of this source, for these platforms.
    pub(crate) fn with_image(source: &str, platforms: &[&str]) -> Self {
        let small = Self::new(&format!(
            "[[image]]\nname = \"x\"\nsource = \"{source}\"\nplatforms = {platforms:?}\n"
        ));
        let layout = format!("{LAYOUT}{IMAGES}");
        small.repository.write("layout.toml", layout.as_bytes());
        small
    }

    /// A product with its documents in a folder of the repository, `""` or ending in a slash.
    pub(crate) fn add_product(&self, folder: &str, id: &str, version: &str, tag: &str, rest: &str) {
        let write = |name: &str, text: &str| {
            self.repository
                .write(format!("{folder}{name}"), text.as_bytes());
        };
        write("layout.toml", LAYOUT);
        write("dhfpack.toml", &config(id, version, tag, rest));
        for name in ["specification", "build", "criteria"] {
            write(&format!("docs/{name}.md"), &format!("# {name} of {id}\n"));
        }
    }

    /// Commits all, and tags it `v1.0.0`.
    pub(crate) fn release(self) -> Self {
        self.repository.commit_all("release");
        self.repository.tag("v1.0.0");
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.repository.beside(name)
    }

    /// Where archives are made.
    pub(crate) fn output(&self) -> PathBuf {
        self.path("archives")
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.output().join("small-1.0.0")
    }

    /// `build` in the repository, sealed.
    pub(crate) fn command(&self) -> Command {
        let (key, certificate) = (self.path("key.pem"), self.path("cert.pem"));
        if !key.exists() {
            let made = dhfpack()
                .args(["key", "new", "--name", "CI", "--role", "Release Builder"])
                .arg("--key")
                .arg(&key)
                .arg("--certificate")
                .arg(&certificate)
                .output()
                .unwrap();
            assert!(made.status.success(), "{}", told(&made));
        }
        let mut command = dhfpack();
        command
            .arg("build")
            .env("DHFPACK_KEY", key)
            .env("DHFPACK_CERTIFICATE", certificate)
            .env("DHFPACK_OUTPUT", self.output())
            .current_dir(self.repository.path());
        command
    }

    pub(crate) fn build<S: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// Builds, which must succeed; returns the manifest.
    pub(crate) fn manifest(&self) -> Value {
        let built = self.build::<&str>([]);
        assert_eq!(built.status.code(), Some(0), "{}", told(&built));
        manifest(&self.archive())
    }

    /// Builds, which must fail with this exit code; returns what was told.
    pub(crate) fn failure<S: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        code: i32,
    ) -> String {
        let built = self.build(arguments);
        assert_eq!(built.status.code(), Some(code), "{}", told(&built));
        assert!(!self.archive().exists());
        told(&built)
    }
}

/// An archive's manifest.
pub(crate) fn manifest(archive: &Path) -> Value {
    let bytes = fs::read(archive.join("Manifest/manifest.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The paths of the files in a slot.
pub(crate) fn paths(manifest: &Value, slot: &str) -> Vec<String> {
    let files = manifest["files"].as_array().unwrap();
    files
        .iter()
        .filter(|file| file["slot"] == slot)
        .map(|file| file["path"].as_str().unwrap().to_owned())
        .collect()
}

/// Fails the test unless every one of `expected` was told.
pub(crate) fn tells(told: &str, expected: &[&str]) {
    for expected in expected {
        assert!(told.contains(expected), "{expected:?} is not in:\n{told}");
    }
}
