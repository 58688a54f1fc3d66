//! Why an image cannot be archived.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use super::client::EngineError;
use super::registry::RegistryError;
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
    /// A registry does not give the image.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Registry(Box<RegistryError>),
    /// Not a source.
    #[error(
        "`{text}` is no image source: expected docker:REFERENCE, registry:REFERENCE, docker-archive:PATH[:NAME:TAG] or oci:PATH"
    )]
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
        source: EngineError,
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
        source: EngineError,
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
    /// The file cannot be read as what `docker save` writes.
    #[error("{} is no tar of `docker save` that can be archived", path.display())]
    #[diagnostic(help(
        "it has to hold `manifest.json` and what that names, plain or packed with gzip or zstd as a whole"
    ))]
    BadArchive {
        /// The tar.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ImageError>,
    },
    /// The tar has no image of that name.
    #[error("there is no image `{reference}`: there {found}")]
    #[diagnostic(help("name one of these behind the path: docker-archive:PATH:NAME:TAG"))]
    NoTag {
        /// The name asked for.
        reference: String,
        /// The names there are.
        found: String,
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
    #[diagnostic(help("export the image uncompressed, or with gzip or zstd"))]
    Compression {
        /// The layer.
        part: String,
        /// The method.
        method: &'static str,
    },
    /// Something that is no image, or of a kind that nobody knew yet.
    #[error("the media type `{media_type}` of {part} is not supported here")]
    #[diagnostic(help("name an image: of OCI, or of Docker's manifests, version 2"))]
    MediaType {
        /// The digest.
        part: String,
        /// What it is said to be.
        media_type: String,
    },
    /// A layer that is encrypted.
    #[error("the layer {part} is encrypted: without its key, the archive could not be installed")]
    #[diagnostic(help("export the image decrypted"))]
    Encrypted {
        /// The layer.
        part: String,
    },
    /// A layer that is not in the image and must not be passed on.
    #[error("the layer {part} is not distributable: images refer to it, and do not contain it")]
    #[diagnostic(help(
        "build the image on a base without such layers, or have its licensor allow it and export it with them"
    ))]
    NotDistributable {
        /// The layer.
        part: String,
    },
    /// Several images where one is expected.
    #[error("there are several images: {candidates}")]
    #[diagnostic(help(
        "choose with `platforms` in the configuration's [[image]], or of a tar by name: docker-archive:PATH:NAME:TAG; of a layout with several for one platform, copy the one out: `skopeo copy oci:PATH:NAME oci:OTHER`"
    ))]
    Several {
        /// What there is, by platform or name.
        candidates: String,
    },
    /// An index lists images, and none of them is there.
    #[error("no image is there; what is listed and missing: {absent}")]
    #[diagnostic(help("pull the image for its platform, and export it again"))]
    NoneThere {
        /// What is listed, by platform.
        absent: String,
    },
    /// A platform is listed, but what it lists is not there.
    #[error("the image for {wanted} is listed, but its content is not there; there is: {found}")]
    #[diagnostic(help(
        "pull it with `docker pull --platform {wanted}`, or take the image from a registry"
    ))]
    ListedOnly {
        /// The platform asked for.
        wanted: String,
        /// The platforms that are there.
        found: String,
    },
    /// The image is of another platform.
    #[error("the image is for {found}, not for {wanted}")]
    #[diagnostic(help("name the image of the right platform, or change `platforms` in [[image]]"))]
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

impl ImageError {
    /// Whether it says by itself what is the matter, and nothing is wrong with where the image
    /// came from.
    pub(super) const fn is_no_damage(&self) -> bool {
        matches!(
            self,
            Self::Cancelled(_)
                | Self::Io(_)
                | Self::Several { .. }
                | Self::ListedOnly { .. }
                | Self::OtherPlatform { .. }
                | Self::NoTag { .. }
        )
    }
}

/// Fails with [`ImageError::Digest`] if a part has another digest than is said.
pub(super) fn require_digest(
    part: &str,
    expected: Sha256,
    found: Sha256,
) -> Result<(), ImageError> {
    if expected == found {
        return Ok(());
    }
    Err(ImageError::Digest {
        part: part.to_owned(),
        expected,
        found,
    })
}

/// What a part is that cannot be understood, and why.
pub(super) fn malformed(part: &str, problem: &str) -> ImageError {
    ImageError::Malformed {
        part: part.to_owned(),
        problem: problem.to_owned(),
    }
}

impl From<RegistryError> for ImageError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(Box::new(error))
    }
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
