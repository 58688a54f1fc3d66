//! The image source: engines that behave and engines that do not, OCI layouts, and the way back.

mod archive;
mod broken;
mod connection;
mod engine;
mod forms;
mod fuzz;
mod layout;
mod platforms;
mod registry;
mod save;
mod stop;
mod tools;

use std::collections::BTreeMap;
use std::path::Path;

use dhfpack::monitor::Silent;
use dhfpack::source::image::{Fetched, ImageError, ImageSource, fetch};
use miette::Diagnostic;
use tempfile::TempDir;

use crate::support::image::{Answer, FakeEngine, TarEntry, TestImage, tar_of};

/// Fetches the image `x` from the engine at `address` into a folder named `image`.
fn fetch_from(address: &str, into: &Path) -> Result<Fetched, ImageError> {
    let source = ImageSource::Docker("x".to_owned());
    fetch(&source, &[], Some(address), &into.join("image"), &Silent)
}

/// Fetches what an engine answers, that knows `image`.
fn answered(image: &TestImage, answer: Answer, into: &Path) -> Result<Fetched, ImageError> {
    fetch_from(&FakeEngine::start(image.id(), answer).address(), into)
}

/// Fetches an export of `image` with these entries.
fn exported(image: &TestImage, entries: &[TarEntry], into: &Path) -> Result<Fetched, ImageError> {
    answered(image, Answer::Whole(tar_of(entries)), into)
}

/// Everything below `folder`: path to content.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    let named = files.map(|entry| {
        let name = entry.path().strip_prefix(folder).unwrap();
        (
            name.to_str().unwrap().to_owned(),
            std::fs::read(entry.path()).unwrap(),
        )
    });
    named.collect()
}

/// Fetches with `fetch`, which must fail and leave nothing behind; returns what it told.
fn fails(fetch: impl FnOnce(&Path) -> Result<Fetched, ImageError>) -> String {
    let folder = TempDir::new().unwrap();
    let error = fetch(folder.path()).expect_err("nothing was wrong");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?} was left behind by: {error}");
    assert!(
        error.help().is_some() || error.diagnostic_source().is_none(),
        "no help: {error:?}"
    );
    let mut told = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}
