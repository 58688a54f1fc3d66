//! Why an image cannot be had from a registry. No error holds a secret: addresses are shown
//! without their query, and of what a registry says only its error codes.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::digest::Sha256;

/// A registry that does not give the image, or gives another.
#[derive(Debug, Error, Diagnostic)]
pub enum RegistryError {
    /// Not the name of an image in a registry.
    #[error("`{text}` names no image in a registry: {problem}")]
    #[diagnostic(help(
        "write HOST[:PORT]/REPOSITORY:TAG or HOST[:PORT]/REPOSITORY@sha256:DIGEST, as in registry.example.org/monitor:2.4.0"
    ))]
    Reference {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The certificates cannot be used.
    #[error("{} {problem}", path.display())]
    #[diagnostic(help("name a PEM file of the authority's certificate"))]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The client cannot be set up.
    #[error("connections cannot be set up here")]
    #[diagnostic(help(
        "install the system's certificates (on Debian: ca-certificates), and look at HTTPS_PROXY and NO_PROXY"
    ))]
    Setup(#[source] reqwest::Error),
    /// Docker's configuration cannot be understood.
    #[error("{} cannot be understood: {problem}", path.display())]
    #[diagnostic(help("mend it, run `docker login` anew, or set DOCKER_CONFIG to another folder"))]
    DockerConfig {
        /// The file.
        path: PathBuf,
        /// Where or why, without what stands there.
        problem: String,
    },
    /// A credential helper fails.
    #[error("the credential helper docker-credential-{name} {problem}")]
    #[diagnostic(help(
        "run `docker login`, or set DHFPACK_REGISTRY_USERNAME and DHFPACK_REGISTRY_PASSWORD"
    ))]
    Helper {
        /// Its name.
        name: String,
        /// What went wrong.
        problem: String,
    },
    /// No answer, or a connection that broke.
    #[error("{url} cannot be reached")]
    #[diagnostic(help(
        "check its name and port, the network, and HTTPS_PROXY and NO_PROXY; the certificate of an authority of your own is named by DHFPACK_CA_FILE"
    ))]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// Connected, and then nothing.
    #[error("{url} does not answer: nothing for {seconds} seconds")]
    #[diagnostic(help("look at the registry's health, and run again"))]
    Silent {
        /// What was asked for.
        url: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Login needed or wrong.
    #[error("{host} does not let this login read `{repository}`{codes}")]
    #[diagnostic(help("{advice}"))]
    Login {
        /// The registry.
        host: String,
        /// The repository.
        repository: String,
        /// The registry's error codes, in brackets.
        codes: String,
        /// What to do.
        advice: &'static str,
    },
    /// The login asked for is none that is known, or would give the secret away.
    #[error("{host} asks for a login that cannot be given: {problem}")]
    #[diagnostic(help("check the registry's configuration for authentication"))]
    Challenge {
        /// The registry.
        host: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such thing.
    #[error("there is no `{part}` in {name}{codes}")]
    #[diagnostic(help(
        "check the name, tag or digest, and that it was pushed; some registries say this too where a login lacks"
    ))]
    NotFound {
        /// Registry and repository.
        name: String,
        /// The tag or digest.
        part: String,
        /// The registry's error codes, in brackets.
        codes: String,
    },
    /// Too many requests.
    #[error("{host} takes no more requests for now{wait}")]
    #[diagnostic(help("run again later, or log in: registries allow more to those they know"))]
    TooMany {
        /// The registry.
        host: String,
        /// How long it asks to wait, in words.
        wait: String,
    },
    /// Another answer than expected.
    #[error("{url} answers with {status}{codes}")]
    #[diagnostic(help("look at the registry's log, and run again"))]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The registry's error codes, in brackets.
        codes: String,
    },
    /// A redirect that is not followed.
    #[error("{url} leads elsewhere, where it must not: {problem}")]
    #[diagnostic(help("check the registry's configuration for its storage"))]
    Redirect {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A body that ends early, again and again.
    #[error("{url} breaks off after {received} of {expected} bytes, again and again")]
    #[diagnostic(help("look at the network, a proxy in it and the registry's log, and run again"))]
    Cut {
        /// What was asked for.
        url: String,
        /// How many bytes came.
        received: u64,
        /// How many should have.
        expected: u64,
    },
    /// A body that does not end.
    #[error("{url} sends more than the {limit} bytes that it may have")]
    #[diagnostic(help("the registry, or something before it, sends other bytes than were pushed"))]
    TooLong {
        /// What was asked for.
        url: String,
        /// The most it may have.
        limit: u64,
    },
    /// Other bytes than the digest says.
    #[error("{url} has the digest sha256:{found}, not sha256:{expected}")]
    #[diagnostic(help(
        "the registry, or something before it, sends other bytes than were pushed; push the image again from where it was tested"
    ))]
    Digest {
        /// What was asked for.
        url: String,
        /// The digest it should have.
        expected: Sha256,
        /// The digest it has.
        found: Sha256,
    },
    /// An image of the first schema.
    #[error("`{reference}` is an image of Docker's schema 1, which has no digests of its layers")]
    #[diagnostic(help("push it anew with a present engine"))]
    Schema1 {
        /// The image.
        reference: String,
    },
}
