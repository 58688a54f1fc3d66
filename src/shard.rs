//! One of several equal parts of an estate, so that a scheduler can share it among machines.

use std::str::FromStr;

use thiserror::Error;

use crate::digest::Sha256;

/// One of several equal parts of a store's archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

/// Text that names no part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected I/N, from 1/N to N/N, as in 2/8")]
pub struct NotAShard;

impl FromStr for Shard {
    type Err = NotAShard;

    fn from_str(text: &str) -> Result<Self, NotAShard> {
        let (index, count) = text.split_once('/').ok_or(NotAShard)?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| NotAShard);
        let (index, count) = (number(index)?, number(count)?);
        if index == 0 || index > count {
            return Err(NotAShard);
        }
        Ok(Self { index, count })
    }
}

impl Shard {
    /// Whether this part has what goes by this name. It stays there whatever else is published.
    pub fn has(self, name: &str) -> bool {
        let digest = Sha256::of(name.as_bytes());
        let start = digest.as_bytes()[..4].iter();
        let number = start.fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        number % self.count == self.index - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_all_names_and_have_none_in_common() {
        let shards: Vec<Shard> = (1..=3)
            .map(|index| format!("{index}/3").parse().unwrap())
            .collect();
        for number in 0..100 {
            let name = format!("pump-1.{number}.0");
            assert_eq!(shards.iter().filter(|shard| shard.has(&name)).count(), 1);
        }
        for text in ["", "1", "0/3", "4/3", "1/0", "a/b", "-1/3", "1/3/3"] {
            assert_eq!(text.parse::<Shard>(), Err(NotAShard), "{text}");
        }
    }
}
