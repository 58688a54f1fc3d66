//! Content to Dropbox: in one request, or in parts of an upload session. It appears whole or not
//! at all, under its own name, and nothing is overwritten that was not named by its revision.

use std::io::Read;

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{Metadata, Refusal};
use super::client::{Asked, Client, Payload, Request};
use super::content_hash::{self, BLOCK, ContentHash};
use super::explain::{self, unable};
use super::listing::{look, metadata};
use crate::digest::Sha256;
use crate::error::{Cancelled, IoError};
use crate::store::StoreError;

/// How much is sent at once, in bytes: whole blocks, and far below the 150 MB that a request may
/// have, since each upload at a time holds one in memory.
pub(super) const CHUNK: usize = 4 * BLOCK;

/// A file to put into Dropbox.
pub(super) struct Upload<'a> {
    pub(super) client: &'a Client<'a>,
    /// Its path in Dropbox.
    pub(super) path: &'a str,
    /// The revision that it replaces; none if nothing may be there.
    pub(super) replaces: Option<&'a str>,
    /// What is attempted, as a verb, and with what.
    pub(super) action: &'static str,
    pub(super) place: &'a str,
}

/// What became of an upload.
pub(super) enum Put {
    Done(Metadata),
    /// Something else was there.
    Conflict(Refusal),
}

impl Upload<'_> {
    /// Uploads `content`, which has `size` bytes.
    pub(super) fn run(&self, size: u64, content: &mut dyn Read) -> Result<Put, StoreError> {
        let mut hash = ContentHash::default();
        let first = self.chunk(content, size)?;
        let own = hash.update(&first);
        let asked = if first.len() < CHUNK {
            self.expect(size, first.len() as u64)?;
            let mut argument = self.commit();
            argument["content_hash"] = json!(own);
            self.ask("files/upload", argument, first)?
        } else {
            let (session, offset) = self.transfer(size, first, own, content, &mut hash)?;
            let argument = json!({
                "cursor": {"session_id": session, "offset": offset},
                "commit": self.commit(),
                "content_hash": content_hash::of(b""),
            });
            self.ask("files/upload_session/finish", argument, Bytes::new())?
        };
        self.outcome(asked, &hash.finish())
    }

    /// Sends the content to a new upload session; gives its id and what it has, in bytes.
    fn transfer(
        &self,
        size: u64,
        first: Bytes,
        own: Sha256,
        content: &mut dyn Read,
        hash: &mut ContentHash,
    ) -> Result<(String, u64), StoreError> {
        let mut offset = first.len() as u64;
        let argument = json!({"close": false, "content_hash": own});
        let route = "files/upload_session/start";
        let answer = self.ask(route, argument, first)?.answer;
        let answer = answer.map_err(|refusal| self.refused(&refusal))?;
        let session = answer["session_id"].as_str();
        let session = session.ok_or_else(|| {
            let nothing = self.request(route, Value::Null, Bytes::new());
            self.client.strange(&nothing)
        })?;
        loop {
            let chunk = self.chunk(content, size.saturating_sub(offset))?;
            if chunk.is_empty() {
                self.expect(size, offset)?;
                return Ok((session.to_owned(), offset));
            }
            let own = hash.update(&chunk);
            self.append(session, offset, &chunk, own)?;
            offset += chunk.len() as u64;
        }
    }

    /// Appends a chunk to the session, of which a part may have arrived in a lost attempt.
    fn append(
        &self,
        session: &str,
        offset: u64,
        chunk: &Bytes,
        own: Sha256,
    ) -> Result<(), StoreError> {
        let (mut sent, mut own) = (0, own);
        loop {
            let argument = json!({
                "cursor": {"session_id": session, "offset": offset + sent as u64},
                "close": false,
                "content_hash": own,
            });
            let asked = self.ask(
                "files/upload_session/append_v2",
                argument,
                chunk.slice(sent..),
            )?;
            let Err(refusal) = asked.answer else {
                return Ok(());
            };
            let there = refusal.correct_offset.and_then(|at| at.checked_sub(offset));
            match there.and_then(|there| usize::try_from(there).ok()) {
                Some(there) if there == chunk.len() => return Ok(()),
                Some(there) if sent < there && there < chunk.len() => {
                    sent = there;
                    own = content_hash::of(&chunk[sent..]);
                }
                _ => return Err(self.refused(&refusal)),
            }
        }
    }

    /// What the answer to the last request means.
    fn outcome(&self, asked: Asked, expected: &(Sha256, u64)) -> Result<Put, StoreError> {
        let refusal = match asked.answer {
            Ok(answer) => {
                let nothing = self.request("files/upload", Value::Null, Bytes::new());
                let file = metadata(self.client, &nothing, answer)?;
                return self.compared(file, expected).map(Put::Done);
            }
            Err(refusal) => refusal,
        };
        // A lost attempt may have put it there, or have used the session up.
        if asked.is_unsure && (refusal.has("conflict") || refusal.has("lookup_failed")) {
            let there = look(self.client, self.path, self.place)?;
            if let Some(file) = there.filter(|file| is_equal(file, expected)) {
                return Ok(Put::Done(file));
            }
        }
        if refusal.has("conflict") {
            return Ok(Put::Conflict(refusal));
        }
        Err(self.refused(&refusal))
    }

    fn compared(&self, file: Metadata, expected: &(Sha256, u64)) -> Result<Metadata, StoreError> {
        if is_equal(&file, expected) {
            return Ok(file);
        }
        let problem = format!(
            "what arrived has {} bytes and the content hash {}: expected {} bytes and {}",
            file.size,
            super::answer::shown(file.content_hash.as_deref().unwrap_or("(none)")),
            expected.1,
            expected.0,
        );
        let help = "the copy in Dropbox is damaged: delete it there, and run again";
        Err(unable(self.action, self.place, (problem, help), None))
    }

    fn refused(&self, refusal: &Refusal) -> StoreError {
        let is_lost = ["lookup_failed", "incorrect_offset", "closed"];
        let told = if refusal.tags.first().is_some_and(|tag| tag == "not_found")
            || is_lost.iter().any(|tag| refusal.has(tag))
        {
            let problem = format!("Dropbox lost the upload (`{}`)", refusal.tags.join("/"));
            (problem, "run again: what is not yet there is sent anew")
        } else {
            explain::refusal(refusal)
        };
        unable(self.action, self.place, told, None)
    }

    fn commit(&self) -> Value {
        let mode = match self.replaces {
            Some(revision) => json!({".tag": "update", "update": revision}),
            None => json!("add"),
        };
        json!({
            "path": self.path,
            "mode": mode,
            "autorename": false,
            // Otherwise equal bytes, or a file deleted meanwhile, would be no conflict.
            "strict_conflict": true,
            // Thousands of files are no news for those who have the folder on their computers.
            "mute": true,
        })
    }

    fn ask(
        &self,
        route: &'static str,
        argument: Value,
        content: Bytes,
    ) -> Result<Asked, StoreError> {
        self.client.ask(&self.request(route, argument, content))
    }

    fn request(&self, route: &'static str, argument: Value, content: Bytes) -> Request<'_> {
        Request {
            route,
            argument,
            payload: Payload::Upload(content),
            action: self.action,
            place: self.place,
        }
    }

    /// The next chunk; shorter than others only at the end, and then empty.
    fn chunk(&self, content: &mut dyn Read, left: u64) -> Result<Bytes, StoreError> {
        let capacity = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        let mut bytes = Vec::with_capacity(capacity);
        let read = Read::take(content, CHUNK as u64).read_to_end(&mut bytes);
        read.map_err(|error| read_error(self.place, error))?;
        Ok(bytes.into())
    }

    /// Whoever says what comes must be right, or nothing is created.
    fn expect(&self, size: u64, found: u64) -> Result<(), StoreError> {
        if size == found {
            return Ok(());
        }
        let problem = format!("expected {size} bytes, found {found}");
        let error = std::io::Error::new(std::io::ErrorKind::InvalidData, problem);
        Err(read_error(self.place, error))
    }
}

fn is_equal(file: &Metadata, (hash, size): &(Sha256, u64)) -> bool {
    file.size == *size && file.content_hash == Some(hash.to_string())
}

/// What a reader of content failed with.
pub(super) fn read_error(place: &str, error: std::io::Error) -> StoreError {
    let error = match error.downcast::<StoreError>() {
        Ok(error) => return error,
        Err(error) => error,
    };
    match error.downcast::<Cancelled>() {
        Ok(cancelled) => cancelled.into(),
        Err(source) => IoError {
            action: "read",
            path: place.into(),
            source,
        }
        .into(),
    }
}
