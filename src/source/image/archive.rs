//! Reading the tar that `docker save` writes, from a file.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::canonical::Canonical;
use super::docker_tar::{self, Choice};
use super::{Fetched, ImageError, ImageSource, compression, is_reference};
use crate::error::IoContext;
use crate::monitor::{Monitor, Task, Unit};

/// Reads `PATH` or `PATH:NAME:TAG`. The first colon ends the path, unless it belongs to a drive.
pub(super) fn parse(text: &str) -> Option<ImageSource> {
    let is_drive = |at: usize| {
        let drive = at == 1 && text.as_bytes()[0].is_ascii_alphabetic();
        drive && matches!(text.as_bytes().get(2), Some(b'\\' | b'/'))
    };
    let mut colons = text.match_indices(':').map(|(at, _)| at);
    let end = colons.find(|at| !is_drive(*at));
    let (path, reference) = match end {
        None => (text, None),
        Some(at) => (&text[..at], Some(&text[at + 1..])),
    };
    if path.is_empty() || !reference.is_none_or(is_reference) {
        return None;
    }
    let reference = reference.map(str::to_owned);
    Some(ImageSource::DockerArchive(PathBuf::from(path), reference))
}

/// Reads the image with this name from the tar, or the only one.
pub(super) fn read(
    path: &Path,
    reference: Option<&str>,
    platforms: &[String],
    canonical: &mut Canonical,
    monitor: &dyn Monitor,
) -> Result<Fetched, ImageError> {
    let bad = |error: ImageError| {
        if error.is_no_damage() {
            return error;
        }
        ImageError::BadArchive {
            path: path.to_path_buf(),
            source: Box::new(error),
        }
    };
    if !path.metadata().at("find", path)?.is_file() {
        // A pipe would be waited for.
        return Err(bad(ImageError::Malformed {
            part: "the tar".to_owned(),
            problem: "it is no regular file".to_owned(),
        }));
    }
    let mut file = File::open(path).at("open", path)?;
    let task = Task::begin(monitor, "image", None, Unit::Bytes);
    let choice = Choice {
        id: None,
        reference,
        platforms,
    };
    let mut stream = compression::plain("the tar", &mut file as &mut dyn Read).map_err(bad)?;
    let selected = docker_tar::read(&mut *stream, &choice, canonical, &task).map_err(bad)?;
    canonical.finish(&selected).map_err(bad)
}
