//! The fixed form in which a manifest is written: indented at the top, one line per file.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Deeper than this, a value stays on one line.
const LINES_UP_TO: usize = 2;

pub(crate) fn to_bytes(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let formatter = Layered {
        pretty: PrettyFormatter::new(),
        depth: 0,
    };
    value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))?;
    bytes.push(b'\n');
    Ok(bytes)
}

struct Layered {
    pretty: PrettyFormatter<'static>,
    depth: usize,
}

/// Each hook goes to the indenting formatter near the top and to the compact one below.
macro_rules! delegate {
    ($($name:ident ( $($argument:ident : $type:ty),* ) $step:literal;)*) => {$(
        fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            if $step > 0 {
                self.depth += 1;
            }
            let result = if self.depth <= LINES_UP_TO {
                self.pretty.$name(writer $(, $argument)*)
            } else {
                CompactFormatter.$name(writer $(, $argument)*)
            };
            if $step < 0 {
                self.depth -= 1;
            }
            result
        }
    )*};
}

impl Formatter for Layered {
    delegate! {
        begin_array() 1;
        end_array() -1;
        begin_array_value(first: bool) 0;
        end_array_value() 0;
        begin_object() 1;
        end_object() -1;
        begin_object_key(first: bool) 0;
        begin_object_value() 0;
        end_object_value() 0;
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_top_is_indented_and_entries_stay_on_one_line() {
        let value = serde_json::json!({"files": [{"path": "a", "size": 1}, {"path": "b", "size": 2}], "format": 1});
        let text = String::from_utf8(super::to_bytes(&value).unwrap()).unwrap();
        assert_eq!(
            text,
            "{\n  \"files\": [\n    {\"path\":\"a\",\"size\":1},\n    {\"path\":\"b\",\"size\":2}\n  ],\n  \"format\": 1\n}\n"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }
}
