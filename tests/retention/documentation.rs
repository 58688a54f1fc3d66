//! docs/retention.md: its commands run, in their order, and its configuration is one.

use super::server::{LOCKED, LockServer, NAME};
use crate::support::release::told;
use crate::support::small::Small;

const PAGE: &str = include_str!("../../docs/retention.md");

/// What stands in the blocks of this kind.
fn blocks(kind: &str) -> String {
    let fence = format!("```{kind}\n");
    let blocks = PAGE.split(&fence).skip(1);
    blocks
        .map(|block| block.split_once("```").unwrap().0)
        .collect()
}

#[test]
fn the_commands_of_the_page_run_in_their_order() {
    let Some(server) = LockServer::start() else {
        return;
    };
    server.put(LOCKED, &format!("a/{NAME}/index.html"), "page");
    let url = server.url(LOCKED, NAME);
    let commands = blocks("sh");
    assert_eq!(commands.lines().count(), 9);
    for line in commands.lines() {
        let line = line.replace(&format!("s3://dhf/pump/{NAME}"), &url);
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        let output = server.run(&words);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", told(&output));
    }
    let shown = told(&server.run(&["retention", "show", &url]));
    let lock = "1 file locked until 2043-06-30T23:59:59Z in compliance mode, under legal hold";
    assert!(shown.contains(lock), "{shown}");
}

#[test]
fn the_page_s_configuration_builds() {
    let small = Small::new(&blocks("toml")).release();
    assert_eq!(small.manifest()["retention"]["minimum_years"], 10);
}
