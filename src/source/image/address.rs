//! Where an engine listens, in the forms of `DOCKER_HOST`, and the way there: a socket on this
//! machine, TCP with or without TLS, or `ssh`.

use std::process::Stdio;
use std::sync::Arc;

use hyper::http::uri::Authority;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::client::EngineError;
use super::tls;
use crate::platform;

/// The ports of engines, without TLS and with it.
const PORTS: (u16, u16) = (2375, 2376);
/// How much of what `ssh` says is kept.
const LONGEST_WORDS: u64 = 4096;

/// A way to and fro.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to an engine.
pub(super) struct Connection {
    pub(super) stream: Box<dyn Stream>,
    /// What a program that makes the connection says, until it ends.
    pub(super) words: Option<JoinHandle<String>>,
}

/// Where an engine listens.
#[derive(Clone)]
pub(super) enum Address {
    /// A socket on this machine.
    Local(String),
    /// A host and its port; with TLS where that is asked for.
    Tcp {
        authority: String,
        host: String,
        port: u16,
        tls: Option<Arc<ClientConfig>>,
    },
    /// The Docker client on another machine, started by `ssh` with these arguments.
    Ssh(Vec<String>),
}

impl Address {
    /// Reads an address. As for Docker's client, `DOCKER_TLS_VERIFY` asks for TLS, with the files
    /// in `DOCKER_CERT_PATH`.
    pub(super) fn parse(text: &str) -> Result<Self, EngineError> {
        if let Some(path) = text.strip_prefix(platform::LOCAL_ENGINE) {
            return Ok(Self::Local(path.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("tcp://") {
            let tls = tls::from_environment()?;
            return tcp(rest.strip_suffix('/').unwrap_or(rest), tls);
        }
        if let Some(rest) = text.strip_prefix("ssh://") {
            return ssh_arguments(rest).map(Self::Ssh);
        }
        Err(EngineError::Address(
            "it begins with unix://, npipe:// on Windows, tcp:// or ssh://",
        ))
    }

    /// What HTTP calls the host.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Tcp { authority, .. } => authority,
            Self::Local(_) | Self::Ssh(_) => "docker",
        }
    }

    pub(super) async fn connect(&self) -> Result<Connection, EngineError> {
        let stream: Box<dyn Stream> = match self {
            Self::Local(path) => Box::new(
                platform::connect_engine(path)
                    .await
                    .map_err(EngineError::Connect)?,
            ),
            Self::Tcp {
                host, port, tls, ..
            } => connect_tcp(host, *port, tls.as_ref()).await?,
            Self::Ssh(arguments) => return connect_ssh(arguments),
        };
        Ok(Connection {
            stream,
            words: None,
        })
    }
}

fn tcp(text: &str, tls: Option<Arc<ClientConfig>>) -> Result<Address, EngineError> {
    let wanted = "behind tcp:// stands HOST or HOST:PORT";
    let authority: Authority = text.parse().map_err(|_| EngineError::Address(wanted))?;
    let usual = if tls.is_some() { PORTS.1 } else { PORTS.0 };
    let port = match text.strip_prefix(authority.host()) {
        Some("") => Some(usual),
        Some(port) => port.strip_prefix(':').and_then(|port| port.parse().ok()),
        // Before the host stands a user.
        None => None,
    };
    let host = authority.host().trim_start_matches('[');
    let host = host.trim_end_matches(']').to_owned();
    let (Some(port), false) = (port, host.is_empty()) else {
        return Err(EngineError::Address(wanted));
    };
    Ok(Address::Tcp {
        authority: text.to_owned(),
        host,
        port,
        tls,
    })
}

async fn connect_tcp(
    host: &str,
    port: u16,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Box<dyn Stream>, EngineError> {
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.map_err(EngineError::Connect)?;
    let Some(config) = tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| EngineError::Address("TLS needs a host's name or address"))?;
    let connector = TlsConnector::from(Arc::clone(config));
    let stream = connector.connect(name, stream).await;
    Ok(Box::new(stream.map_err(EngineError::Connect)?))
}

/// What `ssh` is to do for `[USER@]HOST[:PORT][/SOCKET]`: start Docker's own client there, which
/// passes bytes on to its engine. The user's configuration of `ssh` counts, for keys and names of
/// hosts; nothing is asked, and nothing but the engine's bytes is passed on.
fn ssh_arguments(text: &str) -> Result<Vec<String>, EngineError> {
    let wanted = "behind ssh:// stands [USER@]HOST[:PORT], and perhaps the path of a socket";
    let bad = EngineError::Address(wanted);
    let (place, socket) = match text.find('/') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let (user, host) = place.rsplit_once('@').unwrap_or(("", place));
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host, None),
    };
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let plain = |text: &str, others: &[u8]| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
        !text.starts_with('-') && text.bytes().all(allowed)
    };
    let port = port.map(str::parse::<u16>).transpose();
    let (Ok(port), true) = (port, !host.is_empty() && plain(host, b".-_:%")) else {
        return Err(bad);
    };
    if !plain(user, b".-_") || !plain(socket, b".-_/") {
        return Err(bad);
    }
    let mut arguments: Vec<String> = [
        "-aTx",
        "-oBatchMode=yes",
        "-oConnectTimeout=30",
        "-oClearAllForwardings=yes",
        "-oPermitLocalCommand=no",
    ]
    .map(str::to_owned)
    .to_vec();
    if !user.is_empty() {
        arguments.push(format!("-l{user}"));
    }
    if let Some(port) = port {
        arguments.push(format!("-p{port}"));
    }
    arguments.extend(["--".to_owned(), host.to_owned(), "docker".to_owned()]);
    if socket.len() > 1 {
        arguments.push(format!("--host=unix://{socket}"));
    }
    arguments.extend(["system".to_owned(), "dial-stdio".to_owned()]);
    Ok(arguments)
}

fn connect_ssh(arguments: &[String]) -> Result<Connection, EngineError> {
    let mut ssh = Command::new("ssh");
    ssh.args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = ssh.spawn().map_err(EngineError::Connect)?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(EngineError::Connect(std::io::ErrorKind::BrokenPipe.into()));
    };
    Ok(Connection {
        stream: Box::new(tokio::io::join(stdout, stdin)),
        words: Some(tokio::spawn(listen(child, stderr))),
    })
}

/// What the program says, until it ends. Whoever drops the task ends the program.
async fn listen(mut child: Child, mut stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    let mut kept = (&mut stderr).take(LONGEST_WORDS);
    // Whatever came counts, even if reading or waiting fails.
    let _ = kept.read_to_end(&mut said).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    let _ = child.wait().await;
    String::from_utf8_lossy(&said).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_ssh_holds_no_option_and_no_command() {
        let arguments = |text: &str| ssh_arguments(text).map(|all| all[5..].join(" "));
        for (text, expected) in [
            ("host", "-- host docker system dial-stdio"),
            ("me@host:22", "-lme -p22 -- host docker system dial-stdio"),
            ("[::1]:22", "-p22 -- ::1 docker system dial-stdio"),
            ("host/", "-- host docker system dial-stdio"),
            (
                "host/run/podman.sock",
                "-- host docker --host=unix:///run/podman.sock system dial-stdio",
            ),
        ] {
            assert_eq!(arguments(text).unwrap(), expected);
        }
        for text in [
            "",
            "-oProxyCommand=x",
            "-x@host",
            "me:secret@host",
            "host:99999",
            "host:22:x",
            "host;reboot",
            "host/$(reboot)",
            "host/a b",
            "ho st",
        ] {
            assert!(arguments(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_of_tcp_is_a_host_and_a_port() {
        let place = |text: &str| match tcp(text, None) {
            Ok(Address::Tcp { host, port, .. }) => Some((host, port)),
            _ => None,
        };
        assert_eq!(place("host"), Some(("host".to_owned(), 2375)));
        assert_eq!(place("[::1]:99"), Some(("::1".to_owned(), 99)));
        for text in ["", ":1", "host:", "host:0x1", "me@host", "host/path", "a b"] {
            assert_eq!(place(text), None, "{text}");
        }
    }
}
