//! Making repositories, untouched by the configuration of whoever runs the tests.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use dhfpack::monitor::Silent;
use dhfpack::source::git::Mirror;
use tempfile::TempDir;

/// A repository with a work tree, in a folder that goes away with it.
pub(crate) struct TestRepository {
    folder: TempDir,
}

impl TestRepository {
    /// An empty repository on the branch `main`.
    pub(crate) fn new() -> Self {
        Self::with_format("sha1")
    }

    /// As [`new`](Self::new), with objects named by this hash.
    pub(crate) fn with_format(format: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Self { folder };
        fs::create_dir(repository.path()).unwrap();
        let format = format!("--object-format={format}");
        repository.git(["init", "--quiet", "--initial-branch=main", &format]);
        repository
    }

    /// A repository with two commits and the annotated tag `v1.0.0` on the second.
    pub(crate) fn released() -> Self {
        let repository = Self::new();
        repository.commit_file("README.md", b"first\n");
        repository.commit_file("src/main.c", b"int main(void) { return 0; }\n");
        repository.tag("v1.0.0");
        repository
    }

    /// The work tree. Its parent is the test's own, for other files.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// A path beside the work tree.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs git in the work tree; fails the test if git fails.
    pub(crate) fn git<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        git(&self.path(), arguments)
    }

    /// Writes a file in the work tree.
    pub(crate) fn write(&self, name: impl AsRef<Path>, content: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Commits all that is in the work tree.
    pub(crate) fn commit_all(&self, message: &str) {
        self.git(["add", "--all", "--force", "."]);
        self.git(["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    /// Writes and commits one file.
    pub(crate) fn commit_file(&self, name: &str, content: &[u8]) {
        self.write(name, content);
        self.commit_all(name);
    }

    /// Makes an annotated tag.
    pub(crate) fn tag(&self, name: &str) {
        self.git(["tag", "--annotate", "--message", "release", name]);
    }

    /// A mirror of it, in a new folder beside the work tree.
    pub(crate) fn mirror(&self) -> Mirror {
        self.mirror_of(&self.path())
    }

    /// A mirror of another location, in a new folder beside the work tree.
    pub(crate) fn mirror_of(&self, location: &Path) -> Mirror {
        let into = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        Mirror::clone(location.to_str().unwrap(), &into, &Silent).unwrap()
    }
}

/// A bare repository with the branch `main`, beside a clone that was pushed from.
pub(crate) struct GitServer {
    pub(crate) work: TestRepository,
    pub(crate) bare: PathBuf,
}

impl GitServer {
    /// With a commit for each of these files; without any, if there are none.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let work = TestRepository::new();
        let bare = work.beside("bare.git");
        let path = bare.to_str().unwrap();
        let init = ["init", "--quiet", "--bare", "--initial-branch=main", path];
        git(&work.path(), init);
        for (name, text) in files {
            work.commit_file(name, text.as_bytes());
        }
        let server = Self { work, bare };
        if !files.is_empty() {
            server.push();
        }
        server
    }

    pub(crate) fn push(&self) {
        self.work
            .git(["push", "--quiet", self.bare.to_str().unwrap(), "main"]);
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.bare, arguments)
    }

    pub(crate) fn location(&self) -> String {
        format!("file://{}", self.bare.display())
    }

    /// Refuses every push from now on, for this reason.
    #[cfg(unix)]
    pub(crate) fn refuse(&self, reason: &str) {
        let text = format!("#!/bin/sh\necho '{reason}' >&2\nexit 1\n");
        hook(&self.bare.join("hooks/pre-receive"), &text);
    }

    /// Takes pushes again.
    #[cfg(unix)]
    pub(crate) fn accept(&self) {
        fs::remove_file(self.bare.join("hooks/pre-receive")).unwrap();
    }

    /// Lets somebody else be quicker at every second push, with a commit that changes nothing.
    #[cfg(unix)]
    pub(crate) fn race(&self) {
        let text = "#!/bin/sh -e\n\
            if [ -e raced ]; then rm raced; exit 0; fi\n\
            touch raced\n\
            unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n\
            theirs=$(git -c user.name=B -c user.email=b@example.com \\\n\
            commit-tree -p main -m Theirs 'main^{tree}')\n\
            git update-ref refs/heads/main \"$theirs\"\n";
        hook(&self.bare.join("hooks/pre-receive"), text);
    }
}

/// Writes a hook.
#[cfg(unix)]
pub(crate) fn hook(place: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, text).unwrap();
    fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A git command in `folder` that reads no configuration but the repository's.
pub(crate) fn git_command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"GIT_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder)
        .env("LC_ALL", "C")
        .env("HOME", folder)
        .env("XDG_CONFIG_HOME", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    for person in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{person}_NAME"), "Ada Tester")
            .env(format!("GIT_{person}_EMAIL"), "ada@example.com")
            .env(format!("GIT_{person}_DATE"), "1767225600 +0100");
    }
    command
}

/// Runs git in `folder`; fails the test if git fails.
pub(crate) fn git<A: AsRef<OsStr>>(
    folder: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> String {
    let output = succeed(git_command(folder).args(arguments));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Whether a program is not installed. Says so, and fails the test where nothing may be skipped.
#[allow(clippy::print_stdout, reason = "a test that cannot run says so")]
pub(crate) fn is_missing(program: &str) -> bool {
    let found = Command::new(program).stdin(Stdio::null()).output();
    let missing = found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    if missing {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no {program}");
        println!("skipped: no {program}");
    }
    missing
}
