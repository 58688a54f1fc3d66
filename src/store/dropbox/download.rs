//! Content from Dropbox, of one revision from its first byte to its last.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use reqwest::Response;
use reqwest::header::CONTENT_RANGE;
use serde_json::json;

use super::answer::{Metadata, Refusal};
use super::attempts::{Attempts, Failure};
use super::client::{Client, Payload, Request};
use super::explain::{self, unable};
use crate::store::StoreError;

/// How much has to arrive for a download to count as making headway, in bytes.
const HEADWAY: u64 = 8 << 20;

/// A file on its way.
pub(super) struct Download<'a> {
    client: &'a Client<'a>,
    place: String,
    revision: String,
    size: u64,
    response: Response,
    /// Arrived, and not yet read.
    waiting: Bytes,
    arrived: u64,
    attempts: Attempts,
    /// What had arrived when the attempts were last counted anew.
    counted: u64,
}

impl<'a> Download<'a> {
    /// Begins to read the file at `path`.
    pub(super) fn begin(
        client: &'a Client<'a>,
        path: &str,
        place: String,
    ) -> Result<Result<Self, Refusal>, StoreError> {
        let mut attempts = Attempts::begin();
        let request = request(path, 0, &place);
        let response = match client.download(&request, &mut attempts)? {
            Ok(response) => response,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let result = response.headers().get("dropbox-api-result");
        let file: Option<Metadata> =
            result.and_then(|text| serde_json::from_slice(text.as_bytes()).ok());
        let Some((revision, size)) = file.and_then(|file| Some((file.rev?, file.size))) else {
            return Err(client.strange(&request));
        };
        drop(request);
        Ok(Ok(Self {
            client,
            place,
            revision,
            size,
            response,
            waiting: Bytes::new(),
            arrived: 0,
            attempts,
            counted: 0,
        }))
    }

    /// The size of the file in bytes.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The revision that is read.
    pub(super) fn revision(&self) -> &str {
        &self.revision
    }

    /// Waits for the next piece; false at the end.
    fn advance(&mut self) -> Result<bool, StoreError> {
        loop {
            match self.piece() {
                Ok(Some(piece)) => {
                    self.waiting = piece;
                    return Ok(true);
                }
                Ok(None) => return Ok(false),
                Err(failure) => self.resume(failure)?,
            }
        }
    }

    fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        let broken = |problem: String| {
            let help = "run again; if it happens again, look for a proxy in between";
            unable("read", &self.place, (problem, help), None)
        };
        match self.client.chunk(&mut self.response, &self.place)? {
            Some(piece) if self.arrived + piece.len() as u64 > self.size => {
                let problem = format!("more than its {} bytes came", self.size);
                Err(broken(problem).into())
            }
            Some(piece) => {
                self.arrived += piece.len() as u64;
                Ok(Some(piece))
            }
            None if self.arrived == self.size => Ok(None),
            None => {
                let problem = format!("{} of its {} bytes came", self.arrived, self.size);
                Err(Failure::Passing(broken(problem)))
            }
        }
    }

    /// Goes on in the same revision, after the last byte that arrived.
    fn resume(&mut self, failure: Failure) -> Result<(), StoreError> {
        if self.arrived >= self.counted + HEADWAY {
            self.counted = self.arrived;
            self.attempts = Attempts::begin();
        }
        self.attempts.after(failure, self.client.monitor())?;
        let path = format!("rev:{}", self.revision);
        let request = request(&path, self.arrived, &self.place);
        let response = self.client.download(&request, &mut self.attempts)?;
        let response = response
            .map_err(|refusal| unable("read", &self.place, explain::refusal(&refusal), None))?;
        let range = response.headers().get(CONTENT_RANGE);
        let range = range
            .and_then(|range| range.to_str().ok())
            .unwrap_or_default();
        let expected = format!("bytes {}-", self.arrived);
        if self.arrived > 0 && !range.starts_with(&expected) {
            return Err(self.client.strange(&request));
        }
        self.response = response;
        Ok(())
    }
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.waiting.is_empty() {
            if buffer.is_empty() || !self.advance().map_err(io::Error::other)? {
                return Ok(0);
            }
        }
        let count = self.waiting.len().min(buffer.len());
        self.waiting.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

fn request<'p>(path: &str, from: u64, place: &'p str) -> Request<'p> {
    Request {
        route: "files/download",
        argument: json!({"path": path}),
        payload: Payload::Download { from },
        action: "read",
        place,
    }
}
