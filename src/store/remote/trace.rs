//! What the requests of one operation met, which their last answer alone does not tell.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

/// The most of a service's message that is shown, in characters.
const LONGEST_MESSAGE: usize = 300;
/// The most questions of one operation: a listing has a page for each thousand names.
const MOST_QUESTIONS: u32 = 2500;

/// Kept by the requests of one operation.
#[derive(Default)]
pub(super) struct Trace {
    in_doubt: AtomicBool,
    questions: AtomicU32,
    pages: Mutex<HashSet<String>>,
    trouble: Mutex<Option<Trouble>>,
}

/// The last thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The service said no.
    Refused(Refusal),
    /// It answers questions with ever more to ask.
    Endless,
    /// It could not be reached.
    Unreachable {
        problem: String,
        /// It is there, and no authority that is trusted vouches for it.
        is_untrusted: bool,
    },
}

/// An answer that is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// The service's own name for it, if it gives one.
    pub(super) code: String,
    pub(super) message: String,
    /// What came instead of an error that can be understood, if anything came.
    pub(super) instead: Option<&'static str>,
}

impl Trace {
    /// A request that writes failed, and may have worked all the same.
    pub(super) fn doubt(&self) {
        self.in_doubt.store(true, Ordering::Relaxed);
    }

    /// Whether one did.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Relaxed)
    }

    /// Counts a request that reads; false once there are so many that the answers have no end, or
    /// if it asks for the same page of a listing again.
    pub(super) fn may_ask(&self, query: &str) -> bool {
        let is_new = !query.split('&').any(is_page_mark) || {
            let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
            pages.insert(query.to_owned())
        };
        is_new && self.questions.fetch_add(1, Ordering::Relaxed) < MOST_QUESTIONS
    }

    pub(super) fn note(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether a part of a query names a page of a listing, as S3, Azure and Google do.
fn is_page_mark(part: &str) -> bool {
    let name = part.split('=').next();
    matches!(name, Some("continuation-token" | "marker" | "pageToken"))
}

/// The errors of S3 and Azure.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct XmlError {
    code: String,
    #[serde(default)]
    message: String,
}

/// Those of Google.
#[derive(Deserialize)]
struct JsonError {
    error: JsonDetail,
}

#[derive(Deserialize)]
struct JsonDetail {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<JsonReason>,
}

#[derive(Deserialize)]
struct JsonReason {
    #[serde(default)]
    reason: String,
}

impl Refusal {
    /// Reads an error from the body that tells it. Of any other body, such as a proxy's page,
    /// nothing is shown: it may repeat what was sent.
    pub(super) fn read(status: u16, body: &[u8]) -> Self {
        let mut instead = None;
        let (code, message) = if let Ok(error) = quick_xml::de::from_reader::<_, XmlError>(body) {
            (error.code, error.message)
        } else if let Ok(JsonError { error }) = serde_json::from_slice(body) {
            let reason = error.errors.into_iter().next();
            (
                reason.map(|first| first.reason).unwrap_or_default(),
                error.message,
            )
        } else {
            instead = foreign(body);
            (String::new(), String::new())
        };
        Self {
            status,
            code: plain(&code),
            message: plain(&message),
            instead,
        }
    }
}

/// What a body is that is no service's error; none if there is nothing.
fn foreign(body: &[u8]) -> Option<&'static str> {
    let body = body.trim_ascii_start();
    let begins = |with: &str| {
        let start = body.get(..with.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    match body {
        [] => None,
        _ if begins("<!doctype html") || begins("<html") => Some("a web page"),
        _ => Some("a text"),
    }
}

/// Text of others, short and on one line.
pub(super) fn plain(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line = line.replace(char::is_control, "\u{fffd}");
    match line.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_asks_often_and_not_for_ever() {
        let trace = Trace::default();
        assert!((0..MOST_QUESTIONS).all(|_| trace.may_ask("list-type=2")));
        assert!(!trace.may_ask("list-type=2"));
    }

    #[test]
    fn an_error_is_read_from_what_the_service_says_and_nothing_else() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>\
                   <Message>No &amp; no\u{7}</Message><RequestId>1</RequestId></Error>";
        let json =
            r#"{"error":{"code":412,"message":"No","errors":[{"reason":"conditionNotMet"}]}}"#;
        let page = "\n<HTML><body>Authorization: secret</body></html>";
        for (body, code, message, instead) in [
            (xml, "AccessDenied", "No & no\u{fffd}", None),
            (json, "conditionNotMet", "No", None),
            (page, "", "", Some("a web page")),
            ("<Error><Code>Acc", "", "", Some("a text")),
            ("", "", "", None),
            ("{}", "", "", Some("a text")),
        ] {
            let refusal = Refusal::read(403, body.as_bytes());
            assert_eq!(
                (refusal.code.as_str(), refusal.message.as_str()),
                (code, message)
            );
            assert_eq!(refusal.instead, instead, "{body}");
        }
        assert_eq!(plain(&"ä".repeat(1000)).chars().count(), 301);
    }
}
