//! The program against Dropbox.

use std::fs;
use std::process::Output;
use std::time::Duration;

use dhfpack::monitor::Silent;
use serde_json::json;

use crate::support::dropbox::{Dropbox, LOGIN, REFRESH_TOKEN, SECRETS, TOKEN};
use crate::support::release::{NAME, dhfpack, released, told};
use crate::support::small::Small;

/// Publishes the sample with these variables.
fn publish(dropbox: &Dropbox, variables: &[(&str, &str)]) -> Output {
    let mut command = dhfpack();
    command.envs(variables.iter().copied());
    command.arg("publish").arg(&released().archive);
    command.arg("--to").arg(dropbox.address("Releases"));
    command.output().unwrap()
}

#[test]
fn an_archive_is_published_and_verified_and_no_secret_is_shown() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    // It breaks off before the manifest, and goes on.
    dropbox.fail(&json!([
        {"route": "files/upload", "kind": "status", "status": 507, "skip": 20, "times": 1000}
    ]));
    let broken = publish(&dropbox, &LOGIN);
    assert_eq!(broken.status.code(), Some(1), "{}", told(&broken));
    let store = dropbox.open("Releases", &Silent);
    let manifest = format!("{NAME}/Manifest/manifest.json");
    assert_eq!(store.stat(&manifest).unwrap(), None);
    let partial = store.list(NAME).unwrap();
    dropbox.fail(&json!([]));
    let published = publish(&dropbox, &LOGIN);
    assert_eq!(published.status.code(), Some(0), "{}", told(&published));
    let again = publish(&dropbox, &LOGIN);
    assert!(told(&again).contains(" 0 copied"), "{}", told(&again));
    let refused = publish(&dropbox, &[("DHFPACK_DROPBOX_TOKEN", "unknown")]);
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    let objects = store.list(NAME).unwrap();
    // What was there is there still, untouched.
    assert!(!partial.is_empty() && partial.iter().all(|object| objects.contains(object)));

    let mut verify = released()
        .product
        .verify(dropbox.address(&format!("Releases/{NAME}")).as_ref());
    let verified = verify.envs(LOGIN).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", told(&verified));

    for output in [&broken, &published, &again, &refused, &verified] {
        let text = told(output);
        assert!(
            SECRETS.iter().all(|secret| !text.contains(secret)),
            "{text}"
        );
    }
    for object in objects {
        let bytes = super::read(&*store, &object.path);
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            SECRETS.iter().all(|secret| !text.contains(secret)),
            "{}",
            object.path
        );
    }
}

#[test]
fn a_login_comes_from_the_environment_or_a_file_and_must_be_whole() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let file = dropbox.folder.path().join("token");
    fs::write(&file, format!("{TOKEN}\nsecond line")).unwrap();
    let published = publish(
        &dropbox,
        &[("DHFPACK_DROPBOX_TOKEN_FILE", file.to_str().unwrap())],
    );
    assert_eq!(published.status.code(), Some(0), "{}", told(&published));
    let token = ("DHFPACK_DROPBOX_TOKEN", TOKEN);
    let refresh = ("DHFPACK_DROPBOX_REFRESH_TOKEN", REFRESH_TOKEN);
    for (variables, code, problem) in [
        (vec![token, refresh], 2, "both set"),
        (vec![refresh], 2, "DHFPACK_DROPBOX_APP_KEY"),
        (vec![], 1, "no login is given"),
        (
            vec![("DHFPACK_DROPBOX_TOKEN_FILE", "/nowhere/token")],
            1,
            "/nowhere/token",
        ),
    ] {
        let output = publish(&dropbox, &variables);
        let text = told(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(problem), "{text}");
        assert!(
            SECRETS.iter().all(|secret| !text.contains(secret)),
            "{text}"
        );
    }
}

/// Watched from outside, so that no other test counts.
#[cfg(target_os = "linux")]
#[test]
fn a_large_file_goes_in_parts_and_memory_stays_flat() {
    const SIZE: u64 = 160 << 20;
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let folder = dropbox.folder.path().join("large");
    fs::create_dir(&folder).unwrap();
    let large = fs::File::create(folder.join("image.bin")).unwrap();
    large.set_len(SIZE).unwrap();
    let small = Small::new(&format!(
        "[[folder]]\nname = \"ci\"\npath = \"{}\"\n[[slot]]\nid = \"any\"\nfiles = [\"ci:*.bin\"]\n",
        folder.display()
    ))
    .release();
    small.manifest();

    let mut command = dhfpack();
    command.env("DHFPACK_DROPBOX_TOKEN", TOKEN);
    command.arg("publish").arg(small.archive());
    command.arg("--to").arg(dropbox.address("Releases"));
    let output = dropbox.folder.path().join("told");
    command.stderr(fs::File::create(&output).unwrap());
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(peak_of(child.id()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    let said = fs::read_to_string(&output).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    let store = dropbox.open("Releases", &Silent);
    let objects = store.list("").unwrap();
    assert!(
        objects.iter().any(|object| object.size == SIZE),
        "{objects:?}"
    );
    assert!(dropbox.largest() <= 16 << 20, "{}", dropbox.largest());
    assert!(peak > 0 && peak <= 128 << 10, "{peak} KiB");
}

/// The most memory that a process had so far, in KiB.
#[cfg(target_os = "linux")]
fn peak_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
