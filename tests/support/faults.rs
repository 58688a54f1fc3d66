//! A proxy between a client and a server, which does harm as a test says.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request that passes.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// Where it came in the order of all.
    pub(crate) number: usize,
}

/// What is done to it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    None,
    /// The server never hears of it: this status is answered, with these lines in the head.
    Answer(u16, &'static str),
    /// The same, with this body.
    Refuse(u16, &'static str),
    /// The connection breaks after so many bytes of the body.
    CutRequest(usize),
    /// The server does what it is asked, and its answer is lost.
    LoseAnswer,
    /// The connection breaks after so many bytes of the answer, counting its head.
    CutAnswer(usize),
    /// A bit of the body falls over.
    Flip,
    /// The answer takes its time.
    Slow,
}

/// A proxy to one port of this machine; it ends with the tests.
pub(crate) struct Faults {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Faults {
    pub(crate) fn before(
        port: u16,
        fault: impl Fn(&Asked) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let fault = Arc::new(fault);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&asked);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (fault, record) = (Arc::clone(&fault), Arc::clone(&record));
                // A side that goes away is not the proxy's failure.
                thread::spawn(move || pass(connection.unwrap(), port, &*fault, &record));
            }
        });
        Self { port: own, asked }
    }

    /// What passed so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Passes one request on; both sides are told that the connection ends with it.
fn pass(
    mut client: TcpStream,
    port: u16,
    fault: &dyn Fn(&Asked) -> Fault,
    record: &Mutex<Vec<Asked>>,
) -> io::Result<()> {
    let head = read_head(&mut client)?;
    let mut words = head.split(' ').map(ToOwned::to_owned);
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, length)| length.trim().parse().unwrap());
    let fault = {
        let mut record = record.lock().unwrap();
        let asked = Asked {
            method: words.next().unwrap_or_default(),
            path: words.next().unwrap_or_default(),
            number: record.len(),
        };
        record.push(asked.clone());
        fault(&asked)
    };
    let mut body = Vec::new();
    let taken = match fault {
        Fault::CutRequest(count) => count.min(length),
        _ => length,
    };
    Read::by_ref(&mut client)
        .take(taken as u64)
        .read_to_end(&mut body)?;
    match fault {
        Fault::CutRequest(_) => return client.shutdown(Shutdown::Both),
        Fault::Answer(status, lines) => {
            let text = format!(
                "HTTP/1.1 {status} Said\r\nConnection: close\r\nContent-Length: 0\r\n{lines}\r\n"
            );
            return client.write_all(text.as_bytes());
        }
        Fault::Refuse(status, body) => {
            let text = format!(
                "HTTP/1.1 {status} Said\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            return client.write_all(text.as_bytes());
        }
        Fault::Flip if !body.is_empty() => {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        _ => {}
    }
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    let head = head.trim_end();
    server.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())?;
    server.write_all(&body)?;
    match fault {
        Fault::LoseAnswer => {
            server.read_to_end(&mut Vec::new())?;
        }
        Fault::CutAnswer(count) => {
            io::copy(&mut server.take(count as u64), &mut client)?;
        }
        Fault::Slow => {
            let mut piece = vec![0; 64 << 10];
            loop {
                let count = server.read(&mut piece)?;
                if count == 0 {
                    break;
                }
                client.write_all(&piece[..count])?;
                thread::sleep(Duration::from_millis(5));
            }
        }
        _ => {
            io::copy(&mut server, &mut client)?;
        }
    }
    client.shutdown(Shutdown::Both)
}

fn read_head(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
