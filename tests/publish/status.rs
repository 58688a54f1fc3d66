//! `status` says how far a publication has come.

use std::fs;

use dhfpack::monitor::Recording;
use dhfpack::publish::{self, Destinations, Inspected, PublishError, State};
use dhfpack::sign::Trust;
use dhfpack::store::{self, Access, Address, StoreError};
use dhfpack::verify::Policy;
use serde_json::Value;

use super::shop::{NAME, Shop, fails, step, succeed};
use crate::support::release;
use crate::support::small::config;

#[test]
fn status_follows_a_release_from_nothing_to_its_end() {
    let shop = Shop::new("");
    let status = || shop.trusting("status", &shop.published());
    fails(&mut status(), 1, &["there is no archive at"]);

    shop.publish_json();
    fs::remove_file(shop.published().join("Manifest/manifest.json")).unwrap();
    let receipt = format!("{NAME}.receipt-1.json");
    let gone = ["files differs", "is gone, though", &*receipt];
    fails(&mut status(), 3, &gone);
    fs::remove_file(shop.store().join(receipt)).unwrap();
    fails(
        &mut status(),
        6,
        &["files missing", "no manifest", "not complete"],
    );

    shop.publish_json();
    fails(
        &mut status(),
        4,
        &["files done", "signatures waits", "status pending"],
    );

    shop.sign(&shop.published());
    fails(
        &mut status(),
        6,
        &["signatures done: released", "receipt missing"],
    );

    shop.publish_json();
    let output = succeed(status().arg("--json"));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["status"], "released");
    assert_eq!(told["complete"], true);
    for name in ["files", "signatures", "receipt"] {
        assert_eq!(step(&told, name), "done");
    }
    assert_eq!(step(&told, "retention"), "not-configured");
}

#[test]
fn status_sees_what_is_not_as_it_was_published() {
    let shop = Shop::signed("");
    shop.publish_json();
    let status = || shop.trusting("status", &shop.published());
    let page = shop.published().join("index.html");
    let bytes = fs::read(&page).unwrap();
    fs::remove_file(&page).unwrap();
    fails(&mut status(), 3, &["\"index.html\" is not there"]);
    fs::write(&page, "short").unwrap();
    fails(&mut status(), 3, &["\"index.html\" has 5 bytes"]);
    fs::write(&page, bytes).unwrap();
    fs::write(shop.published().join("stray"), "x").unwrap();
    fails(&mut status(), 3, &["\"stray\" is not listed"]);
    fs::remove_file(shop.published().join("stray")).unwrap();
    succeed(&mut status());
    fs::remove_file(shop.store().join("small-1.0.0.receipt-1.json")).unwrap();
    fails(&mut status(), 6, &["receipt missing"]);
}

#[test]
fn status_sees_what_is_gone_from_the_design_history_file() {
    let shop = Shop::with_everything();
    shop.publish_json();
    let status = || shop.trusting("status", &shop.published());
    succeed(&mut status());
    let outputs = shop.path("dhf").join("1.0.0/Design Outputs");
    let copy = walkdir::WalkDir::new(outputs).into_iter().flatten();
    let copy = copy.last().unwrap().into_path();
    let bytes = fs::read(&copy).unwrap();
    fs::remove_file(&copy).unwrap();
    fails(&mut status(), 6, &["dhf missing"]);
    shop.publish_json();
    succeed(&mut status());
    assert_eq!(fs::read(&copy).unwrap(), bytes);
    let named = copy.file_name().unwrap().to_str().unwrap();
    fs::write(&copy, "short").unwrap();
    fails(&mut status(), 3, &["dhf differs", named]);
    fs::write(&copy, bytes).unwrap();
    succeed(&mut status());
    fs::write(copy.with_file_name("stray"), "").unwrap();
    fails(&mut status(), 3, &["dhf differs", "stray"]);
}

#[test]
fn status_sees_an_entry_of_the_service_manual_that_was_changed() {
    let shop = Shop::with_everything();
    shop.publish_json();
    let status = || shop.trusting("status", &shop.published());
    let manual = shop.store().join("service-manual.md");
    let text = fs::read_to_string(&manual).unwrap();
    let version = "Small 1.0.0";
    assert!(text.contains(version), "{text}");
    // What stands around it is other people's, and editors change the ends of lines.
    let around = format!("An introduction.\n\n{text}\nAn appendix.\n").replace('\n', "\r\n");
    fs::write(&manual, &around).unwrap();
    succeed(&mut status());
    fs::write(&manual, around.replace(version, "Small 1.0.1")).unwrap();
    let named = [
        "manual differs",
        "service-manual.md",
        "not as it was published",
    ];
    fails(&mut status(), 3, &named);
    shop.publish_json();
    fails(&mut status(), 3, &named);
    fs::write(&manual, text).unwrap();
    succeed(&mut status());
}

const STEPS: [&str; 7] = [
    "files",
    "signatures",
    "retention",
    "dhf",
    "manual",
    "registry",
    "receipt",
];

/// A file that belongs to a release, with what is wrong with it, which steps differ by it, and why.
type Harm<'a> = (&'a str, &'a [u8], &'a [&'a str], &'a str);

#[test]
fn a_step_that_is_broken_is_told_of_like_the_others() {
    let shop = Shop::with_everything();
    shop.publish_json();
    let other = format!(
        r#"{{"about":"","archive":"a","location":"b","manifest_sha256":"{}","files":1,"bytes":1}}"#,
        "0".repeat(64)
    );
    let large = vec![b'x'; 2 << 20];
    let by_configuration = ["files", "retention", "dhf", "manual", "registry"];
    let by_signatures = STEPS.get(1..).unwrap();
    let pointer = "dhf/1.0.0/Design Outputs.archive.json";
    let harms: [Harm<'_>; 9] = [
        (
            "store/registry.csv",
            b"x\n",
            &["registry"],
            "docs/registry.md explains each code",
        ),
        (pointer, b"x", &["dhf"], "does not say which archive"),
        (pointer, other.as_bytes(), &["dhf"], "is of another archive"),
        (
            "store/service-manual.md",
            b"# Manual\n",
            &["manual"],
            "was not changed",
        ),
        (
            "store/NAME.receipt-1.json",
            b"x",
            &["receipt"],
            "expected value",
        ),
        (
            "store/NAME/Release Record/Configuration/resolved.json",
            b"",
            &by_configuration,
            "is not what its manifest lists",
        ),
        (
            "store/NAME/Manifest/manifest.json",
            b"{",
            &STEPS,
            "Manifest",
        ),
        (
            "store/NAME/Manifest/manifest.json",
            b"{\"format\": 99}",
            &STEPS,
            "Manifest",
        ),
        (
            "store/NAME/Manifest/signatures/x.json",
            &large,
            by_signatures,
            "has more than",
        ),
    ];
    for (path, bytes, differing, why) in harms {
        let place = shop.path(&path.replace("NAME", NAME));
        let before = fs::read(&place).ok();
        fs::write(&place, bytes).unwrap();
        let mut status = shop.trusting("status", &shop.published());
        fails(&mut status, 3, &["is not what was published"]);
        let output = status.arg("--json").output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{path}");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let steps = told["steps"].as_array().unwrap();
        let names: Vec<&str> = steps
            .iter()
            .map(|step| step["step"].as_str().unwrap())
            .collect();
        assert_eq!(names, STEPS, "{path}");
        for step in steps {
            let name = step["step"].as_str().unwrap();
            let differs = step["state"] == "differs";
            assert_eq!(differs, differing.contains(&name), "{path}: {step}");
        }
        assert!(told.to_string().contains(why), "{why:?}: {told}");
        match before {
            Some(before) => fs::write(&place, before).unwrap(),
            None => fs::remove_file(&place).unwrap(),
        }
    }
    succeed(&mut shop.trusting("status", &shop.published()));
}

#[test]
fn a_step_whose_place_cannot_be_opened_is_told_of_like_the_others() {
    let shop = Shop::with_everything();
    shop.publish_json();
    let relative = Shop::new("[storage]\ndhf = \"../dhf/{version}\"\n");
    let at_hand = shop.path("at-hand");
    fs::create_dir(&at_hand).unwrap();
    let nowhere = "[service_manual]\nrecord = \"entry.toml\"\n\
                   git = { repository = \"/nowhere\", branch = \"main\", file = \"manual.md\" }\n";
    let text = config("small", "1.0.0", "v{version}", nowhere);
    fs::write(at_hand.join("dhfpack.toml"), text).unwrap();
    let published = (&shop, &shop.published());
    let unplaced = (&relative, &relative.archive());
    for ((shop, archive), folder, dhf, broken, why) in [
        (
            published,
            "",
            "dropbox:///dhf/{version}",
            "dhf",
            "no login is given",
        ),
        (published, "", "azblob://dhf/{version}", "dhf", "account"),
        (published, "", "dhf", "dhf", "{version}"),
        (unplaced, "", "", "dhf", "say where that is with --dhf"),
        (published, "at-hand", "", "manual", "/nowhere"),
    ] {
        let mut status = shop.trusting("status", archive);
        status.current_dir(shop.path(folder)).arg("--json");
        if !dhf.is_empty() {
            status.args(["--dhf", dhf]);
        }
        let output = status.output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", release::told(&output));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        for name in STEPS {
            let differs = step(&told, name) == "differs";
            assert_eq!(differs, name == broken, "{name}: {told}");
        }
        assert!(told.to_string().contains(why), "{why:?}: {told}");
    }
}

#[test]
fn what_could_not_be_read_because_of_a_stop_is_no_step_that_differs() {
    let shop = Shop::signed("");
    shop.publish_json();
    let signature = shop.published().join("Manifest/signatures/x.json");
    fs::write(signature, vec![b'x'; 2 << 20]).unwrap();
    let monitor = Recording::default();
    let address = Address::Folder(shop.store());
    let store = store::open(&address, &Access::default(), &monitor).unwrap();
    let Inspected::Whole(archive) = publish::inspect(&*store, NAME).unwrap() else {
        panic!("the manifest is there");
    };
    let policy = Policy {
        trust: Trust::default(),
        required_roles: Vec::new(),
        now: jiff::Timestamp::now(),
    };
    let progress = || archive.progress(&policy, Destinations::default(), &monitor);
    assert!(progress().unwrap().has(State::Differs));
    monitor.cancel();
    assert!(matches!(
        progress(),
        Err(PublishError::Store(StoreError::Cancelled(_)))
    ));
}

#[test]
fn publishing_stops_at_what_status_only_tells() {
    let shop = Shop::with_everything();
    shop.publish_json();
    for (path, code, why) in [
        ("store/registry.csv", 3, "is not what its writers wrote"),
        (
            "dhf/1.0.0/Design Outputs.archive.json",
            1,
            "does not say which archive",
        ),
        ("store/service-manual.md", 1, "was not changed"),
    ] {
        let place = shop.path(path);
        let before = fs::read(&place).unwrap();
        fs::write(&place, "x\n").unwrap();
        fails(&mut shop.publish(&shop.archive()), code, &[why]);
        assert_eq!(fs::read(&place).unwrap(), b"x\n", "{path}");
        fs::write(&place, before).unwrap();
    }
}
