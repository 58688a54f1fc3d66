//! A stop is obeyed at once, whatever the engine does or does not.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use dhfpack::monitor::Recording;
use dhfpack::source::image::{Fetched, ImageError, ImageSource, fetch};

use super::fails;
use crate::support::image::{Answer, FakeEngine, TestImage, tar_of};

/// Fetches, and asks to stop after a while; the answer must come soon after.
fn stopped(engine: &FakeEngine, into: &Path) -> Result<Fetched, ImageError> {
    let monitor = Recording::default();
    let source = ImageSource::Docker("x".to_owned());
    let address = engine.address();
    let into = into.join("image");
    thread::scope(|scope| {
        let fetching = scope.spawn(|| fetch(&source, &[], Some(&address), &into, &monitor));
        thread::sleep(Duration::from_millis(300));
        assert!(!fetching.is_finished(), "nothing was waited for");
        monitor.cancel();
        let asked = Instant::now();
        let result = fetching.join().unwrap();
        let delay = asked.elapsed();
        assert!(delay < Duration::from_secs(2), "stopped after {delay:?}");
        result
    })
}

#[test]
fn a_stop_is_obeyed_while_the_engine_is_silent() {
    let image = TestImage::usual();
    let tar = tar_of(&image.legacy());
    for answer in [
        Answer::Deaf("/version"),
        Answer::Deaf("/json"),
        Answer::Deaf("/get"),
        Answer::Silence(Vec::new()),
        Answer::Silence(tar[..700].to_vec()),
        Answer::Silence(tar[..tar.len() / 2].to_vec()),
        Answer::Silence(tar.clone()),
    ] {
        let engine = FakeEngine::start(image.id(), answer);
        let told = fails(|into| stopped(&engine, into));
        assert_eq!(told, "stopped on request");
    }
}

#[test]
fn a_stop_is_obeyed_while_the_image_arrives() {
    let image = TestImage::usual();
    let engine = FakeEngine::start(image.id(), Answer::Whole(tar_of(&image.legacy())));
    let monitor = Recording::default();
    monitor.cancel();
    let source = ImageSource::Docker("x".to_owned());
    let told = fails(|into| {
        let address = engine.address();
        fetch(&source, &[], Some(&address), &into.join("image"), &monitor)
    });
    assert_eq!(told, "stopped on request");
}
