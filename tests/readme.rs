//! What the README shows works: every block of commands, the configuration, the tables.

mod configuration;
#[cfg(unix)]
mod scenes;
mod tables;

use std::fs;
use std::path::Path;

/// A text file of the project.
pub(crate) fn project_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A fenced block: its language, and the lines in it.
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) lines: Vec<String>,
}

impl Block {
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}

/// Every fenced block, in order.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in markdown.lines() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(language) => {
                open = true;
                blocks.push(Block {
                    language: language.to_owned(),
                    lines: Vec::new(),
                });
            }
            None if open => blocks.last_mut().unwrap().lines.push(line.to_owned()),
            None => {}
        }
    }
    assert!(!open, "a block has no end");
    blocks
}

#[test]
fn the_readme_has_no_block_that_no_test_knows() {
    for block in blocks(&project_file("README.md")) {
        assert!(
            ["sh", "toml"].contains(&block.language.as_str()),
            "no test runs this block of `{}`:\n{}",
            block.language,
            block.text()
        );
    }
}
