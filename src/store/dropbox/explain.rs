//! What to say of a refusal, and what to do about it.

use std::error::Error;

use super::answer::Refusal;
use super::login::EXPIRED;
use crate::store::StoreError;

/// What is wrong, and what helps.
pub(super) type Explained = (String, &'static str);

const REPORT: &str =
    "look at the account on dropbox.com; run again to go on where this run stopped";

/// Explains what an endpoint refused.
pub(super) fn refusal(refusal: &Refusal) -> Explained {
    let known: [(&str, &str, &str); 10] = [
        (
            "insufficient_space",
            "the account has no space left for it",
            "make space or extend the account; run again to go on where this run stopped",
        ),
        (
            "no_write_permission",
            "the login may not write there",
            "let the account edit the folder, or name another one",
        ),
        (
            "access_restricted",
            "the login may not write there",
            "let the account edit the folder, or name another one",
        ),
        (
            "team_folder",
            "a team's folder cannot be written like this",
            "name a folder inside it",
        ),
        (
            "disallowed_name",
            "Dropbox takes no file of this name",
            "give the file another name, or publish to another store",
        ),
        (
            "malformed_path",
            "Dropbox takes no such path",
            "check the folder in the address; archives have portable paths",
        ),
        (
            "restricted_content",
            "Dropbox blocks its content",
            "ask Dropbox why, and publish to another store",
        ),
        (
            "too_large",
            "it is larger than a file in Dropbox can be",
            "publish to another store",
        ),
        (
            "not_found",
            "there is no such file",
            "check the address: names are those after `dropbox://`, from the app's folder if the app has one",
        ),
        (
            "reset",
            "the folder changed all the time while it was listed",
            "run again when nobody moves folders there",
        ),
    ];
    let found = known.iter().find(|(tag, ..)| refusal.has(tag));
    match found {
        Some((_, problem, help)) => ((*problem).to_owned(), help),
        None => (
            format!("Dropbox answers `{}`", refusal.tags.join("/")),
            REPORT,
        ),
    }
}

/// Explains a status that says the same of every endpoint.
pub(super) fn status(status: u16, refusal: &Refusal, text: &str) -> Explained {
    let problem = match (refusal.tags.as_slice(), text) {
        ([], "") => format!("Dropbox answers {status}"),
        ([], text) => format!("Dropbox answers {status}: {text}"),
        (tags, _) => format!("Dropbox answers {status}: `{}`", tags.join("/")),
    };
    let help = match status {
        401 if refusal.has("expired_access_token") => EXPIRED,
        401 if refusal.has("missing_scope") => {
            "give the app the permissions files.metadata.read, files.content.read and \
             files.content.write, and then get a new token"
        }
        400 | 401 => {
            "check the login: the app's folder and token in the Dropbox app console, and \
             DHFPACK_DROPBOX_PATH_ROOT and DHFPACK_DROPBOX_SELECT_USER where they are set"
        }
        403 => "the account or its team does not let this app in: ask who manages it",
        422 => "check DHFPACK_DROPBOX_PATH_ROOT: the login has no such namespace",
        408 | 429 | 500.. => "see status.dropbox.com; run again to go on where this run stopped",
        _ => REPORT,
    };
    (problem, help)
}

/// The error of an action on an object.
pub(super) fn unable(
    action: &'static str,
    place: &str,
    (problem, help): Explained,
    source: Option<Box<dyn Error + Send + Sync>>,
) -> StoreError {
    StoreError::Service {
        action,
        place: place.to_owned(),
        problem,
        help,
        source,
    }
}
