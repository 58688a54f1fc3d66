//! A stand-in for a server, which answers as a test says, and a proxy.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use super::registry::head;

/// A request to a stand-in.
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) fields: BTreeMap<String, String>,
}

/// What a stand-in answers: a status with fields, a body, and what of it is really sent.
#[derive(Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Only so many bytes of the body are sent.
    pub(crate) cut: Option<usize>,
    /// The body is sent again and again, without a length.
    pub(crate) is_endless: bool,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            body: body.into(),
            ..Self::default()
        }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

/// A server that answers as it is told; it ends with the tests.
pub(crate) struct StandIn {
    pub(crate) port: u16,
}

impl StandIn {
    pub(crate) fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let answer = Arc::clone(&answer);
                // A client that goes away is not the server's failure.
                thread::spawn(move || serve(connection.unwrap(), &*answer));
            }
        });
        Self { port }
    }

    pub(crate) fn name(&self, rest: &str) -> String {
        format!("127.0.0.1:{}/{rest}", self.port)
    }
}

fn serve(mut connection: TcpStream, answer: &dyn Fn(&Request) -> Reply) -> Option<()> {
    let mut requests = BufReader::new(connection.try_clone().ok()?);
    // Whoever begins with TLS is told that this is none.
    if requests.fill_buf().ok()?.first() == Some(&0x16) {
        return None;
    }
    let (first, fields) = head(&mut requests)?;
    let path = first.split(' ').nth(1)?.to_owned();
    let length = fields
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    requests.take(length).read_to_end(&mut Vec::new()).ok()?;
    let reply = answer(&Request { path, fields });
    let mut text = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.fields {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    if !reply.is_endless {
        write!(text, "Content-Length: {}\r\n", reply.body.len()).unwrap();
    }
    connection
        .write_all(format!("{text}\r\n").as_bytes())
        .ok()?;
    let sent = &reply.body[..reply.cut.unwrap_or(reply.body.len())];
    connection.write_all(sent).ok()?;
    if reply.is_endless {
        // Until nobody takes it any more.
        loop {
            connection.write_all(sent).ok()?;
        }
    }
    Some(())
}

/// An HTTP proxy that leads every tunnel to one port of this machine, and tells what was asked for.
pub(crate) fn proxy_to(port: u16, asked: impl Fn(String) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let asked = Arc::new(asked);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let asked = Arc::clone(&asked);
            thread::spawn(move || tunnel(connection.unwrap(), port, &*asked));
        }
    });
    own
}

fn tunnel(mut client: TcpStream, port: u16, asked: &dyn Fn(String)) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    asked(head(&mut reader)?.0);
    let mut server = TcpStream::connect(("127.0.0.1", port)).ok()?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()?;
    let (mut back, mut front) = (server.try_clone().ok()?, client.try_clone().ok()?);
    thread::spawn(move || std::io::copy(&mut back, &mut front));
    std::io::copy(&mut reader, &mut server).ok()?;
    server.shutdown(std::net::Shutdown::Write).ok()
}
