//! Repositories with submodules, and what is found in clones of them.

use std::fs;
use std::path::{Path, PathBuf};

use dhfpack::monitor::Silent;
use dhfpack::source::git::{GitError, Mirror, Submodule};
use tempfile::TempDir;

use crate::support::git::git;

/// Repositories side by side, as on a server.
pub(super) struct Server {
    pub(super) folder: TempDir,
}

impl Server {
    /// `product` has `lib` at `vendor/lib`, which has `inner` at `deps/inner`; all URLs relative.
    pub(super) fn nested() -> Self {
        let server = Self {
            folder: TempDir::new().unwrap(),
        };
        for name in ["inner", "lib", "product"] {
            server.make(name);
        }
        server.add("lib", "../inner", "deps/inner", "inner");
        server.add("product", "../lib", "vendor/lib", "lib");
        server.tag();
        server
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn url(&self, name: &str) -> String {
        format!("file://{}", self.path(name).display())
    }

    pub(super) fn git(&self, name: &str, arguments: &[&str]) -> String {
        let allowed = ["-c", "protocol.file.allow=always"];
        git(&self.path(name), allowed.iter().chain(arguments))
    }

    pub(super) fn make(&self, name: &str) {
        fs::create_dir(self.path(name)).unwrap();
        self.git(name, &["init", "--quiet", "--initial-branch=main"]);
        self.commit(name, &format!("{name}.txt"), name);
    }

    pub(super) fn commit(&self, name: &str, file: &str, text: &str) -> String {
        fs::write(self.path(name).join(file), text).unwrap();
        self.git(name, &["add", "--all", "."]);
        self.git(name, &["commit", "--quiet", "--message", file]);
        self.git(name, &["rev-parse", "HEAD"])
    }

    pub(super) fn add(&self, parent: &str, url: &str, path: &str, name: &str) {
        let add = ["submodule", "--quiet", "add", "--name", name];
        self.git(parent, &[&add[..], &["--", url, path]].concat());
        self.git(parent, &["commit", "--quiet", "--message", path]);
    }

    /// Puts the tag on the product's last commit.
    pub(super) fn tag(&self) {
        let tag = ["tag", "--force", "--annotate", "--message", "x", "v1.0.0"];
        self.git("product", &tag);
    }

    pub(super) fn clone(&self, name: &str, options: &[&str]) -> PathBuf {
        let url = self.url("product");
        let target = self.path(name);
        let all = [&["clone", "--quiet"], options, &[&url]].concat();
        self.git("product", &[&all[..], &[target.to_str().unwrap()]].concat());
        target
    }

    /// A checkout of the product with all submodules, as `git clone --recurse-submodules` makes it.
    pub(super) fn checkout(&self) -> PathBuf {
        self.clone("checkout", &["--recurse-submodules"])
    }
}

/// A mirror, its submodules, and the folder that holds them.
pub(super) struct Found {
    _work: TempDir,
    pub(super) mirror: Mirror,
    pub(super) submodules: Vec<Submodule>,
}

pub(super) fn find(checkout: &Path, remote: Option<&str>) -> Result<Found, GitError> {
    let work = TempDir::new().unwrap();
    let into = work.path().join("product");
    let mirror = Mirror::clone(checkout.to_str().unwrap(), &into, &Silent)?;
    let commit = mirror.tag("v1.0.0")?.commit;
    let submodules = mirror.submodules(&commit, remote, &work.path().join("sub"), &Silent)?;
    Ok(Found {
        _work: work,
        mirror,
        submodules,
    })
}

pub(super) fn paths(found: &Found) -> Vec<&str> {
    let submodules = found.submodules.iter();
    submodules.map(|one| one.path.as_str()).collect()
}

/// What went wrong with which submodule, and what to do about it.
pub(super) fn refusal(result: Result<Found, GitError>) -> (String, GitError, String) {
    let error = result.map(|found| found.submodules).unwrap_err();
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    match error {
        GitError::Submodule { path, source, .. } => (path, *source, help),
        other => panic!("{other}"),
    }
}
