//! What went wrong with a service, and what to do about it. Nothing here holds a secret: of what
//! a service says, only its own name and text for the error are shown.

use opendal::ErrorKind;

use super::trace::{Refusal, Trace, Trouble, plain};
use crate::store::{Remote, Service, StoreError};

/// What to do about an answer that is none of the service's.
const FOREIGN: &str = "this may not be the service, but a proxy or a sign-in page before it: check \
                       the address, its `endpoint`, and HTTPS_PROXY";

/// A service that cannot be used as it is named.
pub(super) fn unusable(remote: &Remote, problem: String, help: &'static str) -> StoreError {
    StoreError::Service {
        action: "use",
        place: remote.to_string(),
        problem,
        help,
        source: None,
    }
}

/// The error of an operation.
pub(super) fn failed(
    service: Service,
    action: &'static str,
    place: String,
    error: &opendal::Error,
    trace: &Trace,
) -> StoreError {
    let (problem, help) = told(service, error, trace);
    StoreError::Service {
        action,
        place,
        problem,
        help,
        source: None,
    }
}

/// What went wrong, and what to do about it.
pub(super) fn told(
    service: Service,
    error: &opendal::Error,
    trace: &Trace,
) -> (String, &'static str) {
    match trace.trouble() {
        // OpenDAL's only words for a login that was not found.
        _ if error.message() == "signing http request" => {
            ("no login was found".to_owned(), logins(service))
        }
        Some(Trouble::Unreachable {
            problem,
            is_untrusted,
        }) => {
            let help = if is_untrusted {
                "no trusted authority vouches for this server: name its authority's certificate \
                 in DHFPACK_CA_FILE"
            } else {
                "check the address, the network and the proxy variables of the environment; run \
                 again to go on where this run stopped"
            };
            (format!("it cannot be reached: {problem}"), help)
        }
        Some(Trouble::Refused(refusal)) => refused(service, &refusal),
        Some(Trouble::Endless) => (
            "the service's answers have no end".to_owned(),
            "this server cannot be relied on: use another",
        ),
        // OpenDAL's words for an answer of another form than the service's.
        None if error.message().starts_with("deserialize ") => (
            "the service's answer cannot be understood".to_owned(),
            FOREIGN,
        ),
        None => (plain(error.message()), unclear(error)),
    }
}

/// The same of an answer.
pub(super) fn refused(service: Service, refusal: &Refusal) -> (String, &'static str) {
    (said(refusal), help(service, refusal))
}

fn said(refusal: &Refusal) -> String {
    let mut text = format!("the service answers {}", refusal.status);
    for part in [&refusal.code, &refusal.message] {
        if !part.is_empty() {
            text = format!("{text}, {part}");
        }
    }
    if let Some(instead) = refusal.instead {
        text = format!("{text}, with {instead} where its error belongs");
    }
    text
}

pub(super) const fn logins(service: Service) -> &'static str {
    match service {
        Service::Azblob => {
            "set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, or AZURE_STORAGE_SAS_TOKEN, log in \
             with `az login`, or give the machine an identity"
        }
        Service::Gs => {
            "set GOOGLE_APPLICATION_CREDENTIALS to a file with credentials, or log in with \
             `gcloud auth application-default login`"
        }
        Service::S3 | Service::Dropbox => {
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine \
             a role"
        }
    }
}

fn help(service: Service, refusal: &Refusal) -> &'static str {
    match (refusal.code.as_str(), refusal.status) {
        ("NoSuchBucket" | "ContainerNotFound", _) => {
            "there is no such bucket or container: check its name and region; it is not created here"
        }
        (
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "AuthenticationFailed",
            _,
        )
        | (_, 401) => logins(service),
        ("AuthorizationHeaderMalformed" | "PermanentRedirect" | "TemporaryRedirect", _)
        | (_, 301 | 302 | 307) => "the bucket is elsewhere: add its `region` to the address",
        (_, 429 | 500..=599) => "the service is overloaded or broken: run again later",
        _ if refusal.instead.is_some() => FOREIGN,
        (_, 403) => {
            "the login may not do this: it needs to list, read and write below this address (not \
             to delete); check also this machine's clock"
        }
        ("BadDigest" | "InvalidDigest" | "XAmzContentChecksumMismatch", _) => {
            "what arrived is not what was sent: run again; if it stays so, the network or this \
             machine's memory is damaged"
        }
        (_, 404) => "there is no such object, bucket or container",
        (_, 409 | 412) => "somebody else writes there: run again when they have finished",
        _ => "see what the service's documentation says of this error",
    }
}

fn unclear(error: &opendal::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConfigInvalid => "check the address and its options",
        ErrorKind::NotFound => "there is no such object, bucket or container",
        _ => "run again to go on where this run stopped",
    }
}
