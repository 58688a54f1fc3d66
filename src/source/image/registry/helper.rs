//! Docker's credential helpers: `docker-credential-NAME get` is asked for a registry's login.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{Login, RegistryError, Secret};
use crate::error::Cancelled;
use crate::monitor::Monitor;
use crate::source::image::ImageError;

/// More than any login has, in bytes.
const LONGEST: u64 = 64 * 1024;
/// A helper may ask a server of its own, but nobody sits here to answer questions.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a wait looks whether it should stop.
const TICK: Duration = Duration::from_millis(20);
/// What a helper says that has no login for the registry.
const NONE: &str = "credentials not found";
/// The name that stands before an identity token.
const TOKEN: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks the helper `name` for the login at `server`; none if it has none.
pub(super) fn get(
    name: &str,
    server: &str,
    monitor: &dyn Monitor,
) -> Result<Option<Login>, ImageError> {
    let fail = |problem: String| RegistryError::Helper {
        name: name.chars().take(40).collect(),
        problem,
    };
    // The name becomes part of a program's; with a separator it could be any program.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_plain) {
        return Err(fail("has a name that no helper has".to_owned()).into());
    }
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // It could tell secrets.
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| fail(format!("cannot be started: {error}")))?;
    let said = converse(&mut child, server, monitor);
    if !matches!(said, Ok(Said::Login(_) | Said::Failed(_))) {
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
    match said? {
        Said::Nothing(problem) => Err(fail(problem.to_owned()).into()),
        Said::Failed(text) if text.contains(NONE) => Ok(None),
        Said::Failed(_) => Err(fail("fails".to_owned()).into()),
        Said::Login(bytes) => {
            let answer: Answer = serde_json::from_slice(&bytes)
                .map_err(|_| fail("gives no login in JSON".to_owned()))?;
            Ok(Some(answer.login()))
        }
    }
}

enum Said {
    Login(Vec<u8>),
    Failed(String),
    Nothing(&'static str),
}

fn converse(child: &mut Child, server: &str, monitor: &dyn Monitor) -> Result<Said, Cancelled> {
    if let Some(mut input) = child.stdin.take() {
        // A helper that reads nothing has failed, and its status says so.
        let _ = writeln!(input, "{server}");
    }
    let output = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.map(|output| output.take(LONGEST + 1).read_to_end(&mut bytes));
        read.is_some_and(|read| read.is_ok()).then_some(bytes)
    });
    let until = Instant::now() + PATIENCE;
    let mut heard = None;
    let mut reader = Some(reader);
    // One that has closed its output may still go on for ever.
    let status = loop {
        if let Some(ended) = reader.take_if(|reader| reader.is_finished()) {
            let bytes = ended.join().unwrap_or_default().unwrap_or_default();
            if bytes.len() as u64 > LONGEST {
                return Ok(Said::Nothing("says far too much"));
            }
            heard = Some(bytes);
        }
        if heard.is_some()
            && let Some(status) = child.try_wait().transpose()
        {
            break status;
        }
        if monitor.is_cancelled() {
            return Err(Cancelled);
        }
        if Instant::now() >= until {
            return Ok(Said::Nothing("does not answer"));
        }
        thread::sleep(TICK);
    };
    let bytes = heard.unwrap_or_default();
    match status {
        Ok(status) if status.success() => Ok(Said::Login(bytes)),
        _ => Ok(Said::Failed(String::from_utf8_lossy(&bytes).into_owned())),
    }
}

impl Answer {
    fn login(self) -> Login {
        let secret = Secret::new(self.secret);
        if self.username == TOKEN {
            return Login::IdentityToken(secret);
        }
        Login::Password {
            user: self.username,
            password: secret,
        }
    }
}
