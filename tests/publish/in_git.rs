//! The service manual and the table of the register in a git repository, in one run with the rest.

use std::path::Path;

use super::shop::{NAME, Shop, fails, step, succeed};
use crate::support::git::GitServer;
use crate::support::small::tells;

const MANUAL: &str = "docs/manual.md";
const TABLE: &str = "docs/registry.md";
const PAGE: &str = "# Ours\n\n<!-- dhfpack: releases -->\n\n## Contact\n";

/// A signed release whose manual and table are in a repository each, as its archive says.
struct Records {
    shop: Shop,
    manual: GitServer,
    table: GitServer,
}

impl Records {
    fn new() -> Self {
        let manual = GitServer::with(&[(MANUAL, PAGE)]);
        let table = GitServer::with(&[("README.md", "# Records\n")]);
        let at = |server: &GitServer, file: &str| {
            format!(
                "{{ repository = \"{}\", branch = \"main\", file = \"{file}\" }}",
                server.location()
            )
        };
        let shop = Shop::pending_in(
            "",
            &format!("markdown = {}\n", at(&table, TABLE)),
            &format!("git = {}\n", at(&manual, MANUAL)),
        );
        shop.sign(&shop.archive());
        Self {
            shop,
            manual,
            table,
        }
    }

    /// That both repositories show the release, once, and nothing else was changed in them.
    fn show_the_release(&self) {
        let manual = self.manual.git(&["show", &format!("main:{MANUAL}")]);
        tells(&manual, &["# Ours\n", "## Contact"]);
        assert_eq!(
            manual.matches(&format!("end of {NAME}")).count(),
            1,
            "{manual}"
        );
        let table = self.table.git(&["show", &format!("main:{TABLE}")]);
        assert_eq!(table.matches("| 1.0.0 |").count(), 1, "{table}");
        assert_eq!(self.table.git(&["show", "main:README.md"]), "# Records");
    }

    fn tips(&self) -> [String; 2] {
        [&self.manual, &self.table].map(|server| server.git(&["rev-parse", "main"]))
    }

    fn subjects(server: &GitServer) -> Vec<String> {
        let log = server.git(&["log", "--format=%s", "main"]);
        log.lines().map(str::to_owned).collect()
    }
}

#[test]
fn one_run_pushes_the_entry_and_the_table_and_a_second_pushes_nothing() {
    let records = Records::new();
    let run = records.shop.publish_json();
    assert_eq!(step(&run, "manual"), "done");
    assert_eq!(step(&run, "registry"), "done");
    records.show_the_release();
    let content = records.shop.everything();
    assert!(!content.contains_key("service-manual.md"));
    let receipt = String::from_utf8_lossy(&content["small-1.0.0.receipt-1.json"]);
    let place = format!("{MANUAL} on main of {}", records.manual.location());
    assert!(receipt.contains(&place), "{receipt}");

    let tips = records.tips();
    let again = records.shop.publish_json();
    for name in ["manual", "registry", "receipt"] {
        assert_eq!(step(&again, name), "unchanged", "{name}");
    }
    assert_eq!(records.tips(), tips);
    assert_eq!(records.shop.everything(), content);
    succeed(&mut records.shop.trusting("status", &records.shop.published()));
}

#[cfg(target_os = "linux")]
#[test]
fn the_table_is_pushed_even_if_the_result_cannot_be_printed() {
    let full = || {
        let mut options = std::fs::File::options();
        options.write(true).open("/dev/full").unwrap()
    };
    let why = ["cannot write to standard output"];
    let records = Records::new();
    let mut publish = records.shop.publish(&records.shop.archive());
    fails(publish.stdout(full()), 1, &why);
    records.show_the_release();

    let records = Records::new();
    let mut add = records.shop.trusting("registry", Path::new("add"));
    add.arg(records.shop.archive());
    add.arg("--to").arg(records.shop.store());
    add.arg("--key").arg(records.shop.path("key.pem"));
    add.arg("--certificate").arg(records.shop.path("cert.pem"));
    fails(add.stdout(full()), 1, &why);
    let table = records.table.git(&["show", &format!("main:{TABLE}")]);
    tells(&table, &["| 1.0.0 |"]);
}

#[cfg(unix)]
#[test]
fn a_push_that_loses_a_race_goes_on_top_of_what_won() {
    let records = Records::new();
    records.manual.race();
    records.table.race();
    records.shop.publish_json();
    records.show_the_release();
    let entry = format!("Add {NAME} to the service manual");
    assert_eq!(
        Records::subjects(&records.manual),
        [&entry, "Theirs", MANUAL]
    );
    let shown = format!("Show {NAME} in the products registry");
    assert_eq!(
        Records::subjects(&records.table),
        [&shown, "Theirs", "README.md"]
    );
}

#[cfg(unix)]
#[test]
fn a_table_that_cannot_be_pushed_leaves_the_release_registered_and_says_what_to_run() {
    let records = Records::new();
    records.table.refuse("only on Mondays");
    let told = fails(
        records.shop.publish(&records.shop.archive()).arg("--json"),
        1,
        &[
            "small-1.0.0 is in the register, and docs/registry.md on main does not show it",
            "only on Mondays",
            &records.table.location(),
            "run the same command again, or `dhfpack registry markdown`",
        ],
    );
    // What was done is told all the same.
    tells(
        &told,
        &["\"step\": \"registry\"", "small-1.0.0.receipt-1.json"],
    );
    let content = records.shop.everything();
    let register = String::from_utf8_lossy(&content["registry.csv"]);
    assert_eq!(register.matches(",released,").count(), 1, "{register}");

    records.table.accept();
    let again = records.shop.publish_json();
    assert_eq!(step(&again, "registry"), "unchanged");
    records.show_the_release();
    assert_eq!(records.shop.everything(), content);
}

#[cfg(unix)]
#[test]
fn an_entry_that_cannot_be_pushed_ends_the_run_and_the_next_goes_on() {
    let records = Records::new();
    records.manual.refuse("only on Mondays");
    let named = [
        &records.manual.location(),
        "only on Mondays",
        "check the repository, the branch, and that this machine may push",
    ];
    fails(
        &mut records.shop.publish(&records.shop.archive()),
        1,
        &named,
    );
    let broken = records.shop.everything();
    assert!(broken.contains_key(&format!("{NAME}/Manifest/manifest.json")));
    assert!(!broken.contains_key("registry.csv"));

    records.manual.accept();
    let run = records.shop.publish_json();
    assert_eq!(step(&run, "files"), "unchanged");
    assert_eq!(step(&run, "manual"), "done");
    records.show_the_release();
}
