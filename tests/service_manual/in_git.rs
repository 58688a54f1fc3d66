//! A manual that is kept in a git repository, as the configuration at hand says.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::git::GitServer;
use crate::support::release::{NAME, dhfpack, released, told};
use crate::support::small;

const FILE: &str = "docs/manual.md";

#[test]
fn an_entry_is_pushed_to_the_repository_once_and_nothing_goes_to_the_store() {
    let own = "# Ours\n\n<!-- dhfpack: releases -->\n\n## Contact\n";
    let server = GitServer::with(&[(FILE, own)]);
    let location = server.location();
    let before = server.git(&["rev-parse", "main"]);

    let here = TempDir::new().unwrap();
    let table = format!(
        "[service_manual]\nrecord = \"entry.toml\"\n\
         git = {{ repository = \"{location}\", file = \"{FILE}\" }}\n"
    );
    let config = small::config("pump", "1.0.0", "v{version}", &table);
    fs::write(here.path().join("dhfpack.toml"), config).unwrap();
    let store = TempDir::new().unwrap();
    let release = released();
    let add = || -> Value {
        let mut command = dhfpack();
        command.args(["manual", "add", "--json"]);
        command.arg(&release.archive);
        command.arg("--trust").arg(release.product.trust_file());
        command.arg("--to").arg(store.path());
        let output = command.current_dir(here.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };

    let first = add();
    let place = format!("{FILE} on main of {location}");
    assert_eq!(first["manual"], place.as_str());
    assert_eq!(first["added"], true);
    let manual = server.git(&["show", &format!("main:{FILE}")]);
    small::tells(&manual, &["# Ours\n", NAME, "## Contact"]);
    assert_eq!(server.git(&["rev-parse", "main^"]), before);
    let subject = server.git(&["log", "-1", "--format=%s", "main"]);
    assert_eq!(subject, format!("Add {NAME} to the service manual"));

    let tip = server.git(&["rev-parse", "main"]);
    assert_eq!(add()["added"], false);
    assert_eq!(server.git(&["rev-parse", "main"]), tip);
    assert_eq!(fs::read_dir(store.path()).unwrap().count(), 0);
}
