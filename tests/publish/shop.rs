//! A small release, the keys of those who sign it, and a store to publish to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use walkdir::WalkDir;

use crate::support::release::{dhfpack, told};
use crate::support::small::{LAYOUT, Small};

/// The one role that the small layout asks for.
pub(super) const ROLE: &str = "Quality Systems SME";
pub(super) const NAME: &str = "small-1.0.0";

/// The sample product's record for its service manual.
const ENTRY: &str =
    include_str!("../../examples/infusion-monitor/records/service-manual-entry.toml");

/// Files of a store, by path.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

pub(super) struct Shop {
    pub(super) small: Small,
}

/// A slot that the design history file gets a copy of.
const OUTPUTS: &str = r#"
[[slot]]
id = "design-outputs.user-manual"
folder = "Outputs/User Manual"
title = "User manual"
required = true
fill = ["files"]
"#;

impl Shop {
    /// A sealed archive with everything that publishing can be asked for, signed.
    pub(super) fn with_everything() -> Self {
        let shop = Self::pending_with_everything();
        shop.sign(&shop.archive());
        shop
    }

    /// The same, to be signed.
    pub(super) fn pending_with_everything() -> Self {
        Self::pending_with("")
    }

    /// The same, with more tables in its configuration.
    pub(super) fn pending_with(more: &str) -> Self {
        Self::pending_in(more, "", "")
    }

    /// The same, with more lines about the registry and the service manual, too.
    pub(super) fn pending_in(more: &str, registry: &str, manual: &str) -> Self {
        let small = Small::new("");
        let dhf = small.path("dhf");
        let rest = format!(
            "{more}[storage]\ndhf = \"{}/{{version}}\"\n\n\
             [registry]\nquantity_installed = 3\n{registry}\n\
             [service_manual]\nrecord = \"entry.toml\"\n{manual}\n\
             [[slot]]\nid = \"design-outputs.user-manual\"\nfiles = [\"manual.md\"]\n",
            dhf.display()
        );
        small.add_product("", "small", "1.0.0", "v{version}", &rest);
        let write = |name: &str, text: &str| {
            small.repository.write(name, text.as_bytes());
        };
        write("layout.toml", &format!("{LAYOUT}{OUTPUTS}"));
        write("manual.md", "# How to use it\n");
        write("entry.toml", ENTRY);
        fs::create_dir(dhf).unwrap();
        Self::of(small)
    }

    /// A sealed archive with these tables in its configuration, which nobody has signed but its
    /// builder, and an empty store.
    pub(super) fn new(rest: &str) -> Self {
        Self::of(Small::new(rest))
    }

    fn of(small: Small) -> Self {
        let shop = Self {
            small: small.release(),
        };
        shop.small.manifest();
        fs::create_dir(shop.store()).unwrap();
        let mut command = dhfpack();
        command.args(["key", "new", "--name", "Dana", "--role", ROLE, "--key"]);
        command.arg(shop.path("dana.key.pem")).arg("--certificate");
        succeed(command.arg(shop.path("dana.cert.pem")));
        shop
    }

    /// One that everyone required has signed.
    pub(super) fn signed(rest: &str) -> Self {
        let shop = Self::new(rest);
        shop.sign(&shop.archive());
        shop
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.small.path(name)
    }

    pub(super) fn archive(&self) -> PathBuf {
        self.small.archive()
    }

    pub(super) fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// The archive in the store.
    pub(super) fn published(&self) -> PathBuf {
        self.store().join(NAME)
    }

    /// Signs an archive in the required role.
    pub(super) fn sign(&self, archive: &Path) {
        let mut command = dhfpack();
        command.arg("sign").arg(archive).args(["--role", ROLE]);
        command.arg("--key").arg(self.path("dana.key.pem"));
        command.arg("--certificate").arg(self.path("dana.cert.pem"));
        succeed(&mut command);
    }

    /// A command that trusts both signers in this archive, and asks for the required role.
    pub(super) fn trusting(&self, name: &str, archive: &Path) -> Command {
        let mut command = dhfpack();
        command
            .arg(name)
            .arg(archive)
            .args(["--require-role", ROLE]);
        for certificate in ["cert.pem", "dana.cert.pem"] {
            command.arg("--trust").arg(self.path(certificate));
        }
        command
    }

    /// `publish` of an archive into the store.
    pub(super) fn publish(&self, archive: &Path) -> Command {
        let mut command = self.trusting("publish", archive);
        command.arg("--to").arg(self.store());
        command.env("DHFPACK_KEY", self.path("key.pem"));
        command.env("DHFPACK_CERTIFICATE", self.path("cert.pem"));
        command
    }

    /// Publishes the archive; returns what the run says of itself.
    pub(super) fn publish_json(&self) -> Value {
        let output = succeed(self.publish(&self.archive()).arg("--json"));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The archive built and sealed once more, as a CI job on a fresh machine does.
    pub(super) fn built_again(&self) -> PathBuf {
        let output = self.path("fresh");
        let built = self
            .small
            .command()
            .env("DHFPACK_OUTPUT", &output)
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", told(&built));
        output.join(NAME)
    }

    /// Everything in the store.
    pub(super) fn content(&self) -> Files {
        content(&self.store())
    }

    /// Where it publishes to.
    pub(super) fn places(&self) -> Places {
        Places {
            store: self.store(),
            dhf: self.path("dhf"),
        }
    }

    /// Everything in the store, and in the design history file.
    pub(super) fn everything(&self) -> Files {
        self.places().everything()
    }

    /// Empties the store and the design history file.
    pub(super) fn empty(&self) {
        self.places().empty();
    }
}

/// The folders in which a store and a design history file keep what they hold.
pub(super) struct Places {
    pub(super) store: PathBuf,
    pub(super) dhf: PathBuf,
}

impl Places {
    /// Everything in both; what is in the design history file, by `dhf:` and its path.
    pub(super) fn everything(&self) -> Files {
        let mut files = content(&self.store);
        let dhf = content(&self.dhf).into_iter();
        files.extend(dhf.map(|(path, bytes)| (format!("dhf:{path}"), bytes)));
        files
    }

    /// Where a file is that has this name among all.
    pub(super) fn of(&self, path: &str) -> PathBuf {
        match path.strip_prefix("dhf:") {
            Some(path) => self.dhf.join(path),
            None => self.store.join(path),
        }
    }

    /// Empties both.
    pub(super) fn empty(&self) {
        for folder in [&self.store, &self.dhf] {
            if folder.exists() {
                fs::remove_dir_all(folder).unwrap();
                fs::create_dir(folder).unwrap();
            }
        }
    }
}

/// The paths of files that are not the same.
pub(super) fn difference(found: &Files, expected: &Files) -> Vec<String> {
    let all: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let differs = all
        .into_iter()
        .filter(|path| found.get(*path) != expected.get(*path));
    differs.cloned().collect()
}

/// Every file below a folder but the store's own; none if there is no folder.
pub(super) fn content(folder: &Path) -> Files {
    if !folder.exists() {
        return Files::new();
    }
    let is_own = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(".dhfpack-");
    WalkDir::new(folder)
        .into_iter()
        .filter_entry(|entry| !is_own(entry.file_name()))
        // A run at work may rename or remove what was listed a moment ago.
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap();
            let path = path.to_str().unwrap().to_owned();
            Some((path, fs::read(entry.path()).ok()?))
        })
        .collect()
}

/// Runs a command, which must succeed.
pub(super) fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    output
}

/// Runs a command, which must end with this code and tell all of this, wherever its lines break.
pub(super) fn fails(command: &mut Command, code: i32, expected: &[&str]) -> String {
    let output = command.output().unwrap();
    let told = told(&output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    let flowing = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in expected {
        assert!(flowing.contains(expected), "{expected:?} is not in: {told}");
    }
    flowing
}

/// A step of a run, by name.
pub(super) fn step<'a>(run: &'a Value, name: &str) -> &'a str {
    let steps = run["steps"].as_array().unwrap();
    let found = steps.iter().find(|step| step["step"] == name);
    found.unwrap_or_else(|| panic!("no step {name}: {run}"))["state"]
        .as_str()
        .unwrap()
}
