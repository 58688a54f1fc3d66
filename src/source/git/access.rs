//! What the caller lends to git where it reaches another machine.

use std::ffi::OsString;
use std::path::{self, PathBuf};
use std::process::Command;

/// How the servers of repositories are reached, beyond their URLs. An ssh agent is found as ssh
/// finds it, and `~/.netrc` as curl does; no helper of the user's own configuration is started.
#[derive(Debug, Clone, Default)]
pub struct RemoteAccess {
    /// The command in the place of `ssh`, as in `GIT_SSH_COMMAND`.
    pub ssh_command: Option<OsString>,
    /// The program that is asked for user names and passwords, as in `GIT_ASKPASS`.
    pub ask_pass: Option<OsString>,
    /// Certificates of authorities to trust instead of those of the system, in PEM.
    pub authorities: Option<PathBuf>,
}

impl RemoteAccess {
    /// The same for an address that the caller did not give: its server gets no password, which
    /// a program may hand to whoever asks.
    pub(super) fn without_passwords(&self) -> Self {
        Self {
            ask_pass: None,
            ..self.clone()
        }
    }

    /// Lends all of it to a command that is to reach `location`, if that is on a network.
    pub(super) fn lend(&self, command: &mut Command, location: &str) {
        if !is_on_network(location) {
            return;
        }
        if let Some(ssh) = &self.ssh_command {
            command.env("GIT_SSH_COMMAND", ssh);
        }
        if let Some(program) = &self.ask_pass {
            command.env("GIT_ASKPASS", program);
        }
        if let Some(file) = &self.authorities {
            // The command may be started in another folder.
            let file = path::absolute(file).unwrap_or_else(|_| file.clone());
            command.env("GIT_SSL_CAINFO", file);
        }
    }
}

/// Whether `url` is on the server of `remote`, spelt in the same way.
pub(super) fn is_same_server(url: &str, remote: &str) -> bool {
    let server = server(url);
    server.is_some() && server == self::server(remote)
}

/// Scheme and authority of a URL, which ends where any reader of URLs sees its end.
fn server(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    Some((scheme, authority))
}

fn is_on_network(location: &str) -> bool {
    let before_slash = location.split('/').next().unwrap_or(location);
    before_slash.contains(':') && before_slash != "file:"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_the_same_only_if_nobody_could_read_another() {
        let remote = "https://git.example.com/a/product.git";
        assert!(is_same_server("https://git.example.com/b.git", remote));
        for url in [
            "https://evil.example.com/b.git",
            "http://git.example.com/b.git",
            "https://git.example.com:8443/b.git",
            "https://evil.example.com?@git.example.com/b.git",
            "https://evil.example.com#@git.example.com/b.git",
            "https://evil.example.com\\@git.example.com/b.git",
            "git@git.example.com:b.git",
        ] {
            assert!(!is_same_server(url, remote), "{url}");
        }
    }

    #[test]
    fn a_location_on_this_machine_is_lent_nothing() {
        for location in ["/a:b", "./a:b", "../a", "file:///srv/a"] {
            assert!(!is_on_network(location), "{location}");
        }
        for location in ["https://h/a", "ssh://h/a", "git@h:a/b"] {
            assert!(is_on_network(location), "{location}");
        }
    }
}
