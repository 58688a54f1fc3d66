//! What lies in a folder. Dropbox tells names apart without their case, and promises the right
//! case for the last name of a path alone.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Metadata, Refusal};
use super::client::{Client, Payload, Request};
use super::explain::{self, unable};
use crate::store::{Children, Object, StoreError};

/// How often a listing begins anew because the folder was moved meanwhile.
const MOST_RESETS: u32 = 3;
/// The most entries that Dropbox gives at once.
const PAGE: u32 = 2000;
/// The most pages that are asked for: many times the files of the largest archive that is read.
const MOST_PAGES: usize = 5000;

/// A page of a listing.
#[derive(Deserialize)]
struct Page {
    entries: Vec<Metadata>,
    cursor: String,
    has_more: bool,
}

/// A folder to list.
pub(super) struct Listing<'a> {
    pub(super) client: &'a Client<'a>,
    /// The folder's path in Dropbox; empty for the top.
    pub(super) path: String,
    /// The folder's path in the store, which begins the paths of what is in it.
    pub(super) folder: &'a str,
    /// How the folder is named in messages.
    pub(super) place: String,
}

impl Listing<'_> {
    /// Every file below the folder.
    pub(super) fn all(&self) -> Result<Vec<Object>, StoreError> {
        let entries = self.entries(true)?;
        let folders: HashMap<&str, &str> = entries
            .iter()
            .filter(|entry| entry.is_folder())
            .filter_map(|entry| Some((entry.path_lower.as_deref()?, entry.name.as_str())))
            .collect();
        let mut objects = Vec::new();
        for entry in entries.iter().filter(|entry| entry.tag == "file") {
            let path = self.path_of(entry, &folders);
            let path = path.ok_or_else(|| self.client.strange(&self.request(true)))?;
            objects.push(entry.clone().object(path));
        }
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    /// What lies in the folder itself.
    pub(super) fn children(&self) -> Result<Children, StoreError> {
        let mut children = Children::default();
        for entry in self.entries(false)? {
            match entry.tag.as_str() {
                "folder" => children.folders.push(entry.name),
                "file" => {
                    let path = self.joined(&entry.name);
                    children.objects.push(entry.object(path));
                }
                _ => {}
            }
        }
        children.folders.sort();
        children.objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(children)
    }

    /// The path of a file in the store, with the case that each of its folders has of its own.
    fn path_of(&self, entry: &Metadata, folders: &HashMap<&str, &str>) -> Option<String> {
        let lower = entry.path_lower.as_deref()?;
        let depth = self.path.matches('/').count();
        let mut names = Vec::new();
        for (index, (end, _)) in lower.match_indices('/').enumerate().skip(1) {
            let begin = lower[..end].rfind('/')? + 1;
            if index > depth {
                let known = folders.get(&lower[..end]).copied();
                names.push(known.unwrap_or(&lower[begin..end]));
            }
        }
        // It must lie below the folder, or its path would be another's.
        (lower.starts_with('/') && lower.matches('/').count() > depth).then_some(())?;
        names.push(&entry.name);
        Some(self.joined(&names.join("/")))
    }

    fn joined(&self, path: &str) -> String {
        if self.folder.is_empty() {
            return path.to_owned();
        }
        format!("{}/{path}", self.folder)
    }

    fn entries(&self, is_recursive: bool) -> Result<Vec<Metadata>, StoreError> {
        let mut resets = 0;
        let refusal = loop {
            match self.pages(is_recursive)? {
                Ok(entries) => return Ok(entries),
                Err(refusal) if refusal.is_nothing_there() => return Ok(Vec::new()),
                Err(refusal) if refusal.has("reset") && resets < MOST_RESETS => resets += 1,
                Err(refusal) => break refusal,
            }
        };
        if refusal.has("not_folder") {
            return Err(StoreError::Obstacle {
                place: self.place.clone(),
                expected: "a folder",
                found: "a file",
            });
        }
        Err(unable(
            "list",
            &self.place,
            explain::refusal(&refusal),
            None,
        ))
    }

    fn pages(&self, is_recursive: bool) -> Result<Result<Vec<Metadata>, Refusal>, StoreError> {
        let mut request = self.request(is_recursive);
        let mut entries = Vec::new();
        for _ in 0..MOST_PAGES {
            let answer = match self.client.ask(&request)?.answer {
                Ok(answer) => answer,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let page: Option<Page> = serde_json::from_value(answer).ok();
            let page = page.ok_or_else(|| self.client.strange(&request))?;
            entries.extend(page.entries);
            if !page.has_more {
                return Ok(Ok(entries));
            }
            request.route = "files/list_folder/continue";
            request.argument = json!({"cursor": page.cursor});
        }
        let told = (
            format!("the listing has more than {MOST_PAGES} pages"),
            "no archive has as many files: name the archive's own folder",
        );
        Err(unable("list", &self.place, told, None))
    }

    fn request(&self, is_recursive: bool) -> Request<'_> {
        Request {
            route: "files/list_folder",
            argument: json!({"path": self.path, "recursive": is_recursive, "limit": PAGE}),
            payload: Payload::Rpc,
            action: "list",
            place: &self.place,
        }
    }
}

/// What Dropbox tells of the file or folder at `path`, if there is one.
pub(super) fn look(
    client: &Client<'_>,
    path: &str,
    place: &str,
) -> Result<Option<Metadata>, StoreError> {
    let request = Request {
        route: "files/get_metadata",
        argument: json!({"path": path}),
        payload: Payload::Rpc,
        action: "look up",
        place,
    };
    match client.ask(&request)?.answer {
        Ok(answer) => metadata(client, &request, answer).map(Some),
        Err(refusal) if refusal.is_nothing_there() => Ok(None),
        Err(refusal) => Err(unable(
            request.action,
            place,
            explain::refusal(&refusal),
            None,
        )),
    }
}

/// The metadata that a request was answered with.
pub(super) fn metadata(
    client: &Client<'_>,
    request: &Request<'_>,
    answer: Value,
) -> Result<Metadata, StoreError> {
    serde_json::from_value(answer).map_err(|_| client.strange(request))
}
