//! How git reaches other machines, from the environment alone.

use std::path::PathBuf;

use dhfpack::source::git::RemoteAccess;

use crate::cli::environment::variable;

/// Programs for logins, and authorities.
pub(crate) fn access() -> RemoteAccess {
    RemoteAccess {
        ssh_command: variable("GIT_SSH_COMMAND"),
        ask_pass: variable("GIT_ASKPASS"),
        authorities: variable("DHFPACK_CA_FILE").map(PathBuf::from),
    }
}
