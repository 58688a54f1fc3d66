//! Why an image cannot be archived.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::digest::Sha256;
use crate::error::{Cancelled, IoError};

/// An image that cannot be archived. Nothing is left of it.
#[derive(Debug, Error, Diagnostic)]
pub enum ImageError {
    /// The operating system refused.
    #[error(transparent)]
    #[diagnostic(help(
        "check that the file is there, who may read or write it, and the space left on its disk"
    ))]
    Io(#[from] IoError),
    /// Stopped on request.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cancelled(#[from] Cancelled),
    /// Not a source.
    #[error("`{text}` is no image source: expected docker:REFERENCE or oci:PATH")]
    #[diagnostic(help("for example docker:infusion-monitor:2.4.0, or oci:dist/image.tar"))]
    BadSource {
        /// What was given.
        text: String,
    },
    /// The engine does not answer.
    #[error("the Docker Engine at {address} does not answer")]
    #[diagnostic(help(
        "start it, set DOCKER_HOST, or name an OCI layout of the image with oci:PATH"
    ))]
    NoEngine {
        /// Where it was looked for.
        address: String,
        /// What went wrong.
        source: bollard::errors::Error,
    },
    /// The engine has no such image.
    #[error("the Docker Engine at {address} has no image `{reference}`")]
    #[diagnostic(help("build or pull it first; `docker image ls` lists those it has"))]
    NoImage {
        /// The engine.
        address: String,
        /// The image asked for.
        reference: String,
    },
    /// The connection to the engine broke.
    #[error("the Docker Engine broke off the export of `{reference}`")]
    #[diagnostic(help("look at the engine's log, and run again"))]
    Broken {
        /// The image.
        reference: String,
        /// What went wrong.
        source: bollard::errors::Error,
    },
    /// The engine refused, or sent an error where the image should be.
    #[error("the Docker Engine could not export `{reference}`: {message}")]
    #[diagnostic(help(
        "look at the engine's log; with the containerd store, pull all of the image's content first"
    ))]
    Engine {
        /// The image.
        reference: String,
        /// What the engine said.
        message: String,
    },
    /// What the engine sent is no image.
    #[error("what the Docker Engine sent for `{reference}` is broken")]
    #[diagnostic(help("look at the engine's log, and run again"))]
    BadStream {
        /// The image.
        reference: String,
        /// What is wrong with it.
        source: Box<ImageError>,
    },
    /// The OCI layout cannot be read as one.
    #[error("{} is no OCI image layout that can be archived", path.display())]
    #[diagnostic(help(
        "it has to hold `oci-layout`, `index.json` and `blobs/`, as a folder or an uncompressed tar"
    ))]
    BadLayout {
        /// The folder or tar.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ImageError>,
    },
    /// The tar itself is broken.
    #[error("the tar is damaged or cut off")]
    Tar(#[source] std::io::Error),
    /// A part that must be there is not.
    #[error("`{part}` is missing")]
    Missing {
        /// The part.
        part: String,
    },
    /// A part cannot be understood.
    #[error("`{part}` cannot be understood: {problem}")]
    Malformed {
        /// The part.
        part: String,
        /// Why.
        problem: String,
    },
    /// A part has other bytes than its digest says.
    #[error("`{part}` has the digest {found}, not {expected}")]
    Digest {
        /// The part.
        part: String,
        /// The digest it should have.
        expected: Sha256,
        /// The digest it has.
        found: Sha256,
    },
    /// A part has another size than is said.
    #[error("`{part}` has {found} bytes, not {expected}")]
    Size {
        /// The part.
        part: String,
        /// The size it should have.
        expected: u64,
        /// The size it has.
        found: u64,
    },
    /// A layer is compressed in a way that is not supported.
    #[error("the layer `{part}` is compressed with {method}, which is not supported")]
    #[diagnostic(help("export the image uncompressed or with gzip"))]
    Compression {
        /// The layer.
        part: String,
        /// The method.
        method: &'static str,
    },
    /// Several images where one is expected.
    #[error("there are several images: {candidates}")]
    #[diagnostic(help("choose one with `platform` in the configuration's [[image]]"))]
    Several {
        /// What there is, by platform.
        candidates: String,
    },
    /// The image is of another platform.
    #[error("the image is for {found}, not for {wanted}")]
    #[diagnostic(help("name the image of the right platform, or change `platform` in [[image]]"))]
    OtherPlatform {
        /// The platform asked for.
        wanted: String,
        /// The image's.
        found: String,
    },
    /// The archive holds another image than it records.
    #[error("the config of the image {image} has {what} than are recorded")]
    Differs {
        /// The image's name in the configuration.
        image: String,
        /// What is different: "other layers".
        what: &'static str,
    },
    /// The engine did not take an image.
    #[error("the Docker Engine at {address} did not load the image sha256:{id}: {message}")]
    #[diagnostic(help(
        "look at the engine's log and its free space; an engine loads images of its own system only, and older ones no layers packed with zstd"
    ))]
    NotLoaded {
        /// The engine.
        address: String,
        /// The image.
        id: Sha256,
        /// What the engine said.
        message: String,
    },
    /// A label contradicts the release.
    #[error("the image's label {label} is `{found}`; the release has `{expected}`")]
    #[diagnostic(help(
        "archive the image that was built from the release tag and tested, or mend its label and test again"
    ))]
    Contradiction {
        /// The label's name.
        label: &'static str,
        /// Its value.
        found: String,
        /// What the release has.
        expected: String,
    },
}

/// Fails with [`ImageError::Size`] if a part has another size than is said.
pub(super) fn require_size(part: &str, expected: u64, found: u64) -> Result<(), ImageError> {
    if expected == found {
        return Ok(());
    }
    Err(ImageError::Size {
        part: part.to_owned(),
        expected,
        found,
    })
}
