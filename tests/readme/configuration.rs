//! The configuration that the README shows is one, and the sample's builds.

use std::collections::BTreeMap;

use dhfpack::config::Config;
use dhfpack::layout::{self, Layout};
use dhfpack::plan::{Content, Found, FoundKind, Place, Plan};
use dhfpack::toml_file::TomlText;
use tempfile::TempDir;

use super::{blocks, project_file};
use crate::sample;
use crate::support::release::{NAME, dhfpack, told};

/// The configuration of the README, as it stands there.
fn shown() -> String {
    let mut blocks = blocks(&project_file("README.md"));
    blocks.retain(|block| block.language == "toml");
    assert_eq!(blocks.len(), 1);
    blocks.remove(0).text()
}

fn parse(text: String) -> Config {
    let name = "README.md".to_owned();
    let text = TomlText { name, text };
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// What a page shows of the configuration: each block, together with those behind it that go on
/// where it ends.
fn shown_in(page: &str) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    for block in blocks(&project_file(page)) {
        match shown.last_mut() {
            _ if block.language != "toml" => {}
            Some(last) if !block.text().starts_with('[') => *last += &block.text(),
            _ => shown.push(block.text()),
        }
    }
    shown
}

#[test]
fn what_other_pages_show_of_the_configuration_is_understood() {
    for (page, count) in [
        ("docs/registry.md", 1),
        ("docs/retention.md", 1),
        ("docs/service-manual.md", 2),
    ] {
        let tables = shown_in(page);
        assert_eq!(tables.len(), count, "{page}");
        for table in tables {
            let mut whole: toml::Table = shown().parse().unwrap();
            whole.extend(table.parse::<toml::Table>().unwrap());
            parse(toml::to_string(&whole).unwrap());
        }
    }
}

/// A file in a place.
fn file(path: &str) -> Found {
    Found {
        path: path.to_owned(),
        kind: FoundKind::File,
        size: 1,
        key: String::new(),
    }
}

#[test]
fn the_readme_s_configuration_fits_its_layout() {
    let config = parse(shown());
    let text = layout::built_in(&config.layout).unwrap().to_owned();
    let name = config.layout.clone();
    let layout: Layout = TomlText { name, text }.parse().unwrap();
    let places = BTreeMap::from([
        (Place::Product, vec![file("docs/install/on/linux.md")]),
        (
            Place::Named("ci".to_owned()),
            vec![file("manuals/site.pdf")],
        ),
        (
            Place::Named("qms".to_owned()),
            vec![file("procedures/install.md")],
        ),
    ]);
    let read = TomlText {
        name: "README.md".to_owned(),
        text: shown(),
    };
    let plan = Plan::resolve(&config, &read, &layout, "", &places, &[]).unwrap();
    assert_eq!(plan.name, NAME);
    let of_slot = |id: &str| -> Vec<&str> {
        let items = plan.items.iter().filter(|item| item.slot == id);
        items.map(|item| item.path.as_str()).collect()
    };
    let folder = "Device Master Record/Installation Manual";
    assert_eq!(
        of_slot("mdf.installation"),
        // A path below `files` keeps its folders from the first wildcard on.
        [
            format!("{folder}/install.md"),
            format!("{folder}/on/linux.md"),
            format!("{folder}/site.pdf"),
        ]
    );
    for filled in ["mdf.delivery", "records.regulatory-submission"] {
        assert_eq!(of_slot(filled).len(), 1, "{filled}");
        assert!(plan.gaps.iter().all(|gap| gap.slot != filled), "{filled}");
    }
    let image = |item: &dhfpack::plan::Item| matches!(item.content, Content::Image(_));
    assert!(plan.items.iter().any(image));
}

#[test]
fn what_the_readme_s_configuration_shows_in_comments_is_right_too() {
    let digest = "165577555059f0125bf2f338a07d7ddf0ff0004589d9d75aecc5d3ec87e03675";
    let text: String = shown()
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n")
        .collect();
    let config = parse(text.replace("\"SHA256\"", &format!("\"{digest}\"")));
    assert_eq!(config.archive_name(), format!("{NAME}-r1"));
    assert_eq!(config.records.rev.as_deref(), Some("records/v2.4.0"));
    assert!(!config.images[0].platforms.is_empty());
    let release = config.release;
    assert!(release.supersedes.is_some() && release.predecessor.is_some());
}

#[test]
fn the_sample_s_configuration_has_a_plan_without_gaps() {
    let folder = TempDir::new().unwrap();
    let product = sample::make_repository(&folder.path().join("product")).unwrap();
    let output = dhfpack()
        .args(["build", "--dry-run", "--repo"])
        .arg(product.root)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(!told(&output).contains("missing"), "{}", told(&output));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "a dry run left {left:?}");
}
