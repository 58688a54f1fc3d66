//! Logins and authorities for servers: what the caller lends, and to whom.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support::git::{TestRepository, git, hook, is_missing, succeed};
use crate::support::release::told;
use crate::support::small::{Small, tells};

/// Repositories behind TLS, by an authority of its own, and a password; stopped when dropped.
struct Server {
    folder: TempDir,
    process: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let (certificate, key) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
        let make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
            -addext subjectAltName=IP:127.0.0.1";
        let mut openssl = Command::new("openssl");
        openssl.args(make.split_whitespace());
        // Each authority has a name of its own.
        let name = folder.path().file_name().unwrap().to_string_lossy();
        openssl.args(["-subj", &format!("/CN={name}")]);
        succeed(
            openssl
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&certificate),
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/git_https.py");
        let mut process = Command::new("python3")
            .arg(script)
            .args([folder.path(), &certificate, &key])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        Self {
            folder,
            process,
            port,
        }
    }

    fn url(&self, name: &str) -> String {
        format!("https://127.0.0.1:{}/{name}", self.port)
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Puts a bare clone there.
    fn serve(&self, repository: &Path, name: &str) -> PathBuf {
        let place = self.folder.path().join(name);
        let target = place.to_str().unwrap();
        git(repository, ["clone", "--quiet", "--bare", ".", target]);
        place
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A released product whose configuration names `remote`.
fn product(remote: &str) -> Small {
    Small::new(&format!("[source]\nremote = \"{remote}\"\n"))
}

/// Has the submodule `lib` of this URL in the product.
fn add_submodule(small: &Small, lib: &TestRepository, url: &str) {
    let listed = format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {url}\n");
    small.repository.write(".gitmodules", listed.as_bytes());
    small.repository.commit_all("all but the submodule");
    let entry = format!("160000,{},lib", lib.git(["rev-parse", "HEAD"]));
    let add = ["update-index", "--add", "--cacheinfo", &entry];
    small.repository.git(add);
    small
        .repository
        .git(["commit", "--quiet", "--message", "lib"]);
    small.repository.tag("v1.0.0");
}

/// `build` in a shallow clone of a bare repository.
fn build_of_shallow(small: &Small, bare: &Path) -> Command {
    let clone = small.path("shallow");
    let url = format!("file://{}", bare.display());
    let target = clone.to_str().unwrap();
    git(bare, ["clone", "--quiet", "--depth=1", &url, target]);
    let mut command = small.command();
    command.current_dir(clone);
    command
}

/// A program that answers git's questions, and notes them in `asked`.
fn ask_pass(small: &Small) -> PathBuf {
    let program = small.path("ask-pass");
    let asked = small.path("asked");
    let text = format!(
        "#!/bin/sh\necho \"$1\" >> '{}'\ncase $1 in Username*) echo ci;; *) echo s3cret;; esac\n",
        asked.display()
    );
    hook(&program, &text);
    program
}

fn refused(command: &mut Command, expected: &[&str]) {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    tells(&told(&output), expected);
    assert!(!told(&output).contains("s3cret"), "{}", told(&output));
}

#[test]
fn a_private_server_is_fetched_from_with_the_callers_authority_and_password() {
    if is_missing("python3") {
        return;
    }
    let server = Server::start();
    let remote = server.url("product.git");
    let small = product(&remote);
    let lib = TestRepository::released();
    server.serve(&lib.path(), "lib.git");
    add_submodule(&small, &lib, "../lib.git");
    let bare = server.serve(&small.repository.path(), "product.git");
    let mut command = build_of_shallow(&small, &bare);
    refused(&mut command, &[&remote, "DHFPACK_CA_FILE", "certificate"]);
    command.env("DHFPACK_CA_FILE", server.authority());
    refused(
        &mut command,
        &[&remote, "GIT_ASKPASS", "could not read Username"],
    );
    let output = command.env("GIT_ASKPASS", ask_pass(&small)).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}

#[test]
fn a_server_that_only_the_tree_names_is_told_no_password() {
    if is_missing("python3") {
        return;
    }
    let (server, other) = (Server::start(), Server::start());
    let small = product(&server.url("product.git"));
    let lib = TestRepository::released();
    other.serve(&lib.path(), "lib.git");
    add_submodule(&small, &lib, &other.url("lib.git"));
    let bare = server.serve(&small.repository.path(), "product.git");
    let both = small.path("both.pem");
    let read = |server: &Server| fs::read_to_string(server.authority()).unwrap();
    fs::write(&both, read(&server) + &read(&other)).unwrap();
    let mut command = build_of_shallow(&small, &bare);
    command.env("DHFPACK_CA_FILE", both);
    command.env("GIT_ASKPASS", ask_pass(&small));
    let url = other.url("lib.git");
    refused(
        &mut command,
        &["the submodule lib", &url, "could not read Username"],
    );
    let asked = fs::read_to_string(small.path("asked")).unwrap();
    assert!(asked.contains(&server.port.to_string()), "{asked}");
    assert!(!asked.contains(&other.port.to_string()), "{asked}");
}

#[test]
fn the_callers_ssh_command_is_run_for_a_remote_and_for_nothing_else() {
    let place = TempDir::new().unwrap();
    let bare = place.path().join("product.git");
    let remote = format!("ssh://git@git.invalid{}", bare.display());
    let small = product(&remote).release();
    let target = bare.to_str().unwrap();
    small
        .repository
        .git(["clone", "--quiet", "--bare", ".", target]);
    let (program, asked) = (small.path("own-ssh"), small.path("asked"));
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = -G ] && exit 1\necho \"$*\" >> '{}'\nshift\nexec sh -c \"$*\"\n",
        asked.display()
    );
    hook(&program, &text);
    let complete = small.command().env("GIT_SSH_COMMAND", &program).output();
    let complete = complete.unwrap();
    assert_eq!(complete.status.code(), Some(0), "{}", told(&complete));
    assert!(!asked.exists());
    fs::remove_dir_all(small.output()).unwrap();
    let mut command = build_of_shallow(&small, &bare);
    let output = command.env("GIT_SSH_COMMAND", &program).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let asked = fs::read_to_string(asked).unwrap();
    assert!(
        asked.starts_with("git@git.invalid git-upload-pack"),
        "{asked}"
    );
}

#[test]
fn a_password_in_the_url_is_refused_with_where_logins_come_from() {
    let small = product("https://ci:s3cret@git.example.com/product.git").release();
    let told = small.failure::<&str>([], 2);
    tells(&told, &["holds a password", "GIT_ASKPASS", "~/.netrc"]);
}
