//! What components are told apart by, without keeping their identifiers' text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::digest::Sha256;

/// An identifier, by half of its SHA-256: nobody finds two texts with the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 16]);

impl Key {
    pub(super) fn of(text: &str) -> Self {
        let digest = Sha256::of(text.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(digest.as_bytes().split_at(16).0);
        Self(half)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identifier")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Key, E> {
        Ok(Key::of(text))
    }
}
