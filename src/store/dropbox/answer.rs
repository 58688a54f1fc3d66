//! What Dropbox answers: what it tells of a file or a folder, and why it refuses.

use serde::Deserialize;
use serde_json::Value;

use crate::store::Object;

/// What it tells of a file, a folder, or of what was deleted.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    /// `file`, `folder` or `deleted`; answers about uploads leave it out.
    #[serde(rename = ".tag", default)]
    pub(super) tag: String,
    /// The last name of the path, in its own case.
    pub(super) name: String,
    /// The path in lower case, which tells files apart; none for what is mounted nowhere.
    #[serde(default)]
    pub(super) path_lower: Option<String>,
    /// The size in bytes of a file.
    #[serde(default)]
    pub(super) size: u64,
    /// The revision of a file.
    #[serde(default)]
    pub(super) rev: Option<String>,
    /// The content hash of a file.
    #[serde(default)]
    pub(super) content_hash: Option<String>,
}

impl Metadata {
    pub(super) fn is_folder(&self) -> bool {
        self.tag == "folder"
    }

    /// The file as the object at `path`.
    pub(super) fn object(self, path: String) -> Object {
        Object {
            path,
            size: self.size,
            version: self.rev,
            checksum: self.content_hash,
        }
    }
}

/// Why a request was refused, as far as the endpoint defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The tags of the error, from outside in: `path`, `conflict`, `file`.
    pub(super) tags: Vec<String>,
    /// The bytes that an upload session has.
    pub(super) correct_offset: Option<u64>,
}

/// How deep errors are nested at most.
const DEEPEST: usize = 8;

impl Refusal {
    /// Reads the `error` of an answer. Members that are not known are skipped.
    pub(super) fn of(answer: &Value) -> Self {
        let mut tags = Vec::new();
        let mut correct_offset = None;
        let mut next = answer.get("error");
        while let Some(error) = next.filter(|_| tags.len() < DEEPEST) {
            // A member without content may stand as its name alone.
            let tag = error
                .get(".tag")
                .map_or(error.as_str(), serde_json::Value::as_str);
            let offset = error.get("correct_offset").and_then(Value::as_u64);
            correct_offset = correct_offset.or(offset);
            tags.extend(tag.map(shown));
            let inner = tag.and_then(|tag| error.get(tag));
            next = inner.or_else(|| error.get("reason"));
        }
        Self {
            tags,
            correct_offset,
        }
    }

    pub(super) fn has(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }

    /// Whether there is nothing at the path.
    pub(super) fn is_nothing_there(&self) -> bool {
        self.tags == ["path", "not_found"]
    }
}

/// Text of the service as it can stand in a message: on one line, and not long.
pub(super) fn shown(text: &str) -> String {
    let plain = |char: char| if char.is_control() { ' ' } else { char };
    text.trim().chars().take(300).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_tags_of_an_error_are_read_from_outside_in() {
        let upload = json!({"error_summary": "path/conflict/file/..", "error": {
            ".tag": "path", "upload_session_id": "1",
            "reason": {".tag": "conflict", "conflict": {".tag": "file"}}}});
        assert_eq!(Refusal::of(&upload).tags, ["path", "conflict", "file"]);
        let finish = json!({"error": {".tag": "lookup_failed",
            "lookup_failed": {".tag": "incorrect_offset", "correct_offset": 7}}});
        let refusal = Refusal::of(&finish);
        assert_eq!(refusal.tags, ["lookup_failed", "incorrect_offset"]);
        assert_eq!(refusal.correct_offset, Some(7));
        let busy = json!({"error": {"reason": {".tag": "too_many_requests"}, "retry_after": 1}});
        assert_eq!(Refusal::of(&busy).tags, ["too_many_requests"]);
    }

    #[test]
    fn an_answer_that_is_none_has_no_tags() {
        for answer in [json!(null), json!([]), json!({"error": 3}), json!("text")] {
            assert_eq!(Refusal::of(&answer).tags, Vec::<String>::new());
        }
        let mut endless = json!("x");
        for _ in 0..20 {
            endless = json!({".tag": "x", "x": endless});
        }
        assert_eq!(Refusal::of(&json!({"error": endless})).tags.len(), DEEPEST);
    }
}
