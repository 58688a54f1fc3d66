//! A `GnuPG` home of a test's own, with an agent that ends with it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::git::{TestRepository, git_command, is_missing, succeed};

/// The home. In it, it is the time that was set last.
pub(crate) struct Gnupg {
    home: TempDir,
}

impl Gnupg {
    /// An empty home on 1 June 2025; nothing where `gpg` is not installed.
    pub(crate) fn open() -> Option<Self> {
        if is_missing("gpg") {
            return None;
        }
        // An agent's socket must have a short path.
        let home = tempfile::Builder::new().prefix("g").tempdir().unwrap();
        let gnupg = Self { home };
        gnupg.set("20250601T000000", "");
        Some(gnupg)
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Sets the time, and further lines of `gpg.conf`.
    pub(crate) fn set(&self, time: &str, more: &str) {
        let text = format!(
            "batch\nno-tty\npinentry-mode loopback\npassphrase \"\"\nfaked-system-time {time}!\n{more}\n"
        );
        fs::write(self.path("gpg.conf"), text).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new("gpg");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("GNUPGHOME", self.home());
        command
    }

    pub(crate) fn gpg(&self, arguments: &[&str]) -> String {
        let output = succeed(self.command().args(arguments));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a key, or with `add` another subkey; returns the newest fingerprint.
    pub(crate) fn key(&self, user: &str, algorithm: &str, usage: &str) -> String {
        self.gpg(&["--quick-generate-key", user, algorithm, usage, "2y"]);
        self.fingerprint(user)
    }

    /// The last fingerprint listed for a user: the key's, or its last subkey's.
    pub(crate) fn fingerprint(&self, user: &str) -> String {
        let listed = self.gpg(&[
            "--with-colons",
            "--with-subkey-fingerprint",
            "--list-keys",
            user,
        ]);
        let mut lines = listed.lines().rev();
        let line = lines.find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    /// The public key, in armour.
    pub(crate) fn export(&self, user: &str) -> String {
        self.gpg(&["--armor", "--export", user])
    }

    /// Answers the questions of `--edit-key`.
    pub(crate) fn edit(&self, user: &str, answers: &str) {
        let mut child = self
            .command()
            .args(["--command-fd", "0", "--edit-key", user])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(answers.as_bytes()).unwrap();
        drop(stdin);
        assert!(child.wait().unwrap().success(), "{answers}");
    }

    /// The certificate with which a key can be revoked, ready for use.
    pub(crate) fn revocation(&self, fingerprint: &str) -> String {
        let file = self.path(&format!("openpgp-revocs.d/{fingerprint}.rev"));
        let text = fs::read_to_string(file).unwrap();
        text.replace(":-----BEGIN", "-----BEGIN")
    }

    /// Takes a key and its certificate into `gpgsm`, and trusts the root above it; no revocation
    /// list is asked for.
    pub(crate) fn add_certificate(&self, key: &Path, certificate: &Path, root: &Path) {
        let configuration = "batch\ndisable-crl-checks\npinentry-mode loopback\n";
        fs::write(self.path("gpgsm.conf"), configuration).unwrap();
        let mut openssl = Command::new("openssl");
        let print = openssl.args(["x509", "-noout", "-fingerprint", "-sha1", "-in"]);
        let printed = String::from_utf8(succeed(print.arg(root)).stdout).unwrap();
        let (_, fingerprint) = printed.trim().split_once('=').unwrap();
        let line = format!("{fingerprint} S relax\n");
        fs::write(self.path("trustlist.txt"), line).unwrap();
        succeed(self.gpgsm().arg("--import").arg(root));
        // Of files without a password, gpgsm cannot read one in some thirty; each has another salt.
        let p12 = self.path("p12");
        let is_taken = || {
            let mut openssl = Command::new("openssl");
            // What gpgsm reads, and what every OpenSSL writes.
            openssl.args(["pkcs12", "-export", "-keypbe", "PBE-SHA1-3DES"]);
            openssl.args(["-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"]);
            openssl.args(["-passout", "pass:", "-inkey"]).arg(key);
            succeed(openssl.arg("-in").arg(certificate).arg("-out").arg(&p12));
            let mut gpgsm = self.gpgsm();
            let import = gpgsm.args(["--passphrase-fd", "0", "--import"]);
            import.arg(&p12).output().unwrap().status.success()
        };
        assert!((0..8).any(|_| is_taken()), "gpgsm takes no key");
    }

    fn gpgsm(&self) -> Command {
        let mut gpgsm = Command::new("gpgsm");
        gpgsm.env("GNUPGHOME", self.home()).stdin(Stdio::null());
        gpgsm
    }

    /// Runs git in a repository, with this home.
    pub(crate) fn git(&self, repository: &TestRepository, arguments: &[&str]) {
        let mut command = git_command(&repository.path());
        succeed(command.env("GNUPGHOME", self.home()).args(arguments));
    }
}

impl Drop for Gnupg {
    fn drop(&mut self) {
        let mut command = Command::new("gpgconf");
        command.arg("--homedir").arg(self.home());
        // Without it, an agent without a home ends by itself after a while.
        let _ = command.args(["--kill", "all"]).output();
    }
}
