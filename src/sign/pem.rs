//! Finding the PEM blocks of a file that may hold other text too (RFC 7468).

use der::SecretDocument;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// One PEM block.
pub(super) struct Block<'a> {
    /// What stands after `BEGIN`, as in "PRIVATE KEY".
    pub(super) label: &'a str,
    text: &'a str,
}

impl Block<'_> {
    /// The bytes inside, wiped from memory when dropped; none if the block is malformed.
    pub(super) fn decode(&self) -> Option<SecretDocument> {
        SecretDocument::from_pem(self.text)
            .ok()
            .map(|(_, document)| document)
    }

    #[cfg(feature = "native")]
    /// Encrypted in the manner of RFC 1421, which PKCS#8 replaced.
    pub(super) fn has_headers(&self) -> bool {
        self.text.contains("Proc-Type:")
    }
}

/// Every PEM block of `text`, in order. A block without an end is left out.
pub(super) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let Some(block) = first(rest, after) else {
            rest = after;
            continue;
        };
        rest = rest.split_once(block.text).map_or("", |(_, behind)| behind);
        blocks.push(block);
    }
    blocks
}

/// The block that begins just before `after`, which lies inside `rest`.
fn first<'a>(rest: &'a str, after: &'a str) -> Option<Block<'a>> {
    let (label, _) = after.split_once(DASHES)?;
    let end = format!("-----END {label}-----");
    let start = rest.len() - after.len() - BEGIN.len();
    let text = rest.get(start..)?;
    let length = text.find(&end)? + end.len();
    Some(Block {
        label,
        text: text.get(..length)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_between_other_text() {
        let text = "Subject: x\n-----BEGIN A-----\nAQID\n-----END A-----\nmore\n-----BEGIN B C-----\r\nBAU=\r\n-----END B C-----";
        let found = blocks(text);
        let labels: Vec<&str> = found.iter().map(|block| block.label).collect();
        assert_eq!(labels, ["A", "B C"]);
    }

    #[test]
    fn a_block_without_an_end_is_left_out() {
        assert!(blocks("-----BEGIN A-----\nAQID\n").is_empty());
        assert!(blocks("-----BEGIN ").is_empty());
    }
}
