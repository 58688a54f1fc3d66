//! The allowed signers file of OpenSSH, ssh-keygen(1): who may sign with which key, and when.
//!
//! A line that cannot be understood allows nobody. Certificate authorities are not supported, so
//! a key they certified stays unknown.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ssh_key::PublicKey;
use ssh_key::public::KeyData;

/// The principals of the first line that lets `key` sign in `namespace` at `date`.
pub(super) fn holder(
    text: &str,
    key: &KeyData,
    namespace: &str,
    date: Timestamp,
) -> Option<String> {
    text.lines()
        .filter_map(Line::parse)
        .find(|line| line.key == *key && line.allows(namespace, date))
        .map(|line| line.principals)
}

/// One line: principals, options if there are any, the key, a comment.
#[derive(Debug)]
struct Line {
    principals: String,
    namespaces: Option<String>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
    key: KeyData,
}

impl Line {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.starts_with('#') {
            return None;
        }
        let (principals, rest) = take_field(text)?;
        let principals = principals.trim_matches('"').to_owned();
        if principals.is_empty() {
            return None;
        }
        let (options, key) = if let Some(key) = parse_key(rest) {
            ("", key)
        } else {
            let (options, rest) = take_field(rest)?;
            (options, parse_key(rest)?)
        };
        let mut line = Self {
            principals,
            namespaces: None,
            valid_after: None,
            valid_before: None,
            key,
        };
        line.read_options(options)?;
        Some(line)
    }

    fn read_options(&mut self, options: &str) -> Option<()> {
        for option in split_unquoted(options, ',') {
            if option.is_empty() {
                continue;
            }
            let (name, value) = option.split_once('=')?;
            let value = value.strip_prefix('"')?.strip_suffix('"')?;
            // An option given twice is an error for OpenSSH too.
            let given_before = match name.to_ascii_lowercase().as_str() {
                "namespaces" => self.namespaces.replace(value.to_owned()).is_some(),
                "valid-after" => self.valid_after.replace(parse_time(value)?).is_some(),
                "valid-before" => self.valid_before.replace(parse_time(value)?).is_some(),
                _ => return None,
            };
            if given_before {
                return None;
            }
        }
        Some(())
    }

    fn allows(&self, namespace: &str, date: Timestamp) -> bool {
        let namespaces = self.namespaces.as_deref();
        namespaces.is_none_or(|list| list_matches(list, namespace))
            && self.valid_after.is_none_or(|after| date >= after)
            && self.valid_before.is_none_or(|before| date <= before)
    }
}

/// The field up to white space outside quotes, and what comes after it.
fn take_field(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    for (index, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => {
                let (field, rest) = text.split_at(index);
                return Some((field, rest.trim_start()));
            }
            _ => {}
        }
    }
    None
}

fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|character| {
        quoted ^= character == '"';
        character == separator && !quoted
    })
    .collect()
}

/// A key type and a key in Base64; the comment after them may hold anything.
fn parse_key(text: &str) -> Option<KeyData> {
    let mut words = text.split_ascii_whitespace();
    let (kind, base64) = (words.next()?, words.next()?);
    let key = PublicKey::from_openssh(&format!("{kind} {base64}")).ok()?;
    Some(key.key_data().clone())
}

/// `YYYYMMDD[HHMM[SS]][Z]`. OpenSSH reads a time without `Z` in the local zone; here it is UTC
/// always, so that the answer is the same everywhere.
fn parse_time(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let full = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return None,
    };
    let number = |from: usize, to: usize| full.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize| i8::try_from(number(from, from + 2)?).ok();
    let civil = DateTime::new(
        number(0, 4)?,
        small(4)?,
        small(6)?,
        small(8)?,
        small(10)?,
        small(12)?,
        0,
    );
    TimeZone::UTC.to_timestamp(civil.ok()?).ok()
}

/// A pattern list (`ssh_config(5)`, "PATTERNS"): one must match and no negated one may.
fn list_matches(list: &str, text: &str) -> bool {
    let mut matched = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => matched |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    matched
}

/// `*` stands for any text, `?` for one character. Takes time in proportion to both lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                last_star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match last_star {
                Some((star, from)) => {
                    last_star = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICnb9hDnhT6vKYSWnVCBUJCZDZNVtJDbCtCuBGFcGEwS";

    fn holder_in(text: &str) -> Option<String> {
        let key = PublicKey::from_openssh(KEY).unwrap();
        let date = "2026-03-01T12:00:00Z".parse().unwrap();
        holder(text, key.key_data(), "git", date)
    }

    #[test]
    fn a_listed_key_has_a_holder() {
        for line in [
            format!("a@b.c {KEY} a comment \"with quotes"),
            format!("# note\n\nx@y.z {OTHER}\n  \"a@b.c\"\t{KEY}"),
            format!("a@b.c namespaces=\"file,git\" {KEY}"),
            format!("a@b.c namespaces=\"*,!file\" {KEY}"),
            format!("a@b.c valid-after=\"20260301\",Valid-Before=\"20260302Z\" {KEY}"),
            format!("a@b.c valid-before=\"202603011200\" {KEY}"),
        ] {
            assert_eq!(holder_in(&line).as_deref(), Some("a@b.c"), "{line}");
        }
    }

    #[test]
    fn a_key_that_is_not_allowed_or_a_line_not_understood_has_none() {
        for line in [
            String::new(),
            format!("a@b.c {OTHER}"),
            format!("# a@b.c {KEY}"),
            KEY.to_owned(),
            format!("a@b.c cert-authority {KEY}"),
            format!("a@b.c namespaces=\"file\" {KEY}"),
            format!("a@b.c namespaces=\"*,!git\" {KEY}"),
            format!("a@b.c namespaces=git {KEY}"),
            format!("a@b.c namespaces=\"git\",namespaces=\"git\" {KEY}"),
            format!("a@b.c valid-after=\"202603011201\" {KEY}"),
            format!("a@b.c valid-before=\"20260301115959Z\" {KEY}"),
            format!("a@b.c valid-after=\"20261301\" {KEY}"),
            format!("a@b.c valid-after=\"soon\" {KEY}"),
            format!("a@b.c unheard-of=\"x\" {KEY}"),
            format!("a@b.c namespaces=\"git {KEY}"),
        ] {
            assert_eq!(holder_in(&line), None, "{line}");
        }
    }

    #[test]
    fn patterns_match_as_in_ssh() {
        assert!(matches(b"g*t", b"git") && matches(b"?i?", b"git") && matches(b"*", b""));
        assert!(!matches(b"g?", b"git") && !matches(b"", b"git") && !matches(b"*x", b"git"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in r"[ -~\n\tä]{0,80}", time in "[0-9Zé]{0,15}") {
            let _ = holder_in(&format!("{text} valid-after=\"{time}\" {KEY}"));
            let _ = list_matches(&text, "git");
        }
    }
}
