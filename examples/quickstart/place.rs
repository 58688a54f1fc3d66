//! The folder that the quickstart works in. It removes what it made before, and nothing else.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use dhfpack::error::{IoContext, IoError};

/// Says that the folder is the quickstart's own.
const MARKER: &str = "made-by-quickstart.txt";
const MARKER_TEXT: &str =
    "The quickstart made what lies here, and replaces it when it runs again.\n";

const PRODUCT: &str = "infusion-monitor";
const IMAGE: &str = "image";
const IMAGE_TAR: &str = "image.tar";
const KEYS: &str = "keys";
const ARCHIVES: &str = "archives";
const STORE: &str = "store";
/// Everything that a run makes, besides the marker.
const MADE: [&str; 6] = [PRODUCT, IMAGE, IMAGE_TAR, KEYS, ARCHIVES, STORE];

/// The folder that the quickstart works in.
pub(crate) struct Place {
    root: PathBuf,
}

impl Place {
    /// Takes a folder that is new, empty, or left by an earlier run, which it clears.
    pub(crate) fn prepare(root: &Path) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(root).at("create", root)?;
        let marker = root.join(MARKER);
        if marker.is_file() {
            for name in MADE {
                let path = root.join(name);
                remove(&path).at("remove", &path)?;
            }
        } else if fs::read_dir(root).at("read", root)?.next().is_some() {
            return Err(format!(
                "{} holds something else: expected a new or empty folder; name another one, as in \
                 `cargo run --release --example quickstart -- FOLDER`",
                root.display()
            )
            .into());
        }
        fs::write(&marker, MARKER_TEXT).at("write", marker)?;
        let place = Self {
            root: root.to_path_buf(),
        };
        for folder in [root.join(KEYS), place.archives(), place.store()] {
            fs::create_dir(&folder).at("create", folder)?;
        }
        Ok(place)
    }

    /// The product's git repository.
    pub(crate) fn product(&self) -> PathBuf {
        self.root.join(PRODUCT)
    }

    /// The product's image, as OCI layout.
    pub(crate) fn image(&self) -> PathBuf {
        self.root.join(IMAGE)
    }

    /// The OCI layout, as `--image NAME=SOURCE` takes it.
    pub(crate) fn image_source(&self) -> String {
        format!("oci:{}", self.image().display())
    }

    /// The product's image, as `docker load` takes it.
    pub(crate) fn image_tar(&self) -> PathBuf {
        self.root.join(IMAGE_TAR)
    }

    /// The folder of archives.
    pub(crate) fn archives(&self) -> PathBuf {
        self.root.join(ARCHIVES)
    }

    /// The store to publish to.
    pub(crate) fn store(&self) -> PathBuf {
        self.root.join(STORE)
    }

    /// A private key's file.
    pub(crate) fn key(&self, who: &str) -> PathBuf {
        self.root.join(KEYS).join(format!("{who}.key.pem"))
    }

    /// A certificate's file.
    pub(crate) fn certificate(&self, who: &str) -> PathBuf {
        self.root.join(KEYS).join(format!("{who}.cert.pem"))
    }
}

/// Writes a new file that only its owner may read.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), IoError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).at("create", path)?;
    file.write_all(bytes).at("write", path)
}

/// Removes a file or a folder, if it is there. A symbolic link is removed, and not followed.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
