//! The grammar of `Manifest/signatures/`: what may lie there, by name.
//!
//! NAME.json is a statement, NAME.json.p7s its signature, NAME.json.tsr a time stamp over that,
//! NAME.json.2.tsr and so on its renewals; NAME.crt holds certificates and NAME.crl a revocation
//! list. A NAME has lower-case letters, digits and hyphens. Nothing else belongs there.

/// The kinds of files in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Statement,
    Signature {
        statement: &'a str,
    },
    /// The first time stamp is number 1.
    Timestamp {
        statement: &'a str,
        number: u32,
    },
    Certificates,
    RevocationList,
}

/// The kind of a file with this name; none if it has no place in the folder.
pub(super) fn kind(file: &str) -> Option<Kind<'_>> {
    if is_statement_name(file) {
        return Some(Kind::Statement);
    }
    if let Some(stem) = file.strip_suffix(".crt") {
        return is_name(stem).then_some(Kind::Certificates);
    }
    if let Some(stem) = file.strip_suffix(".crl") {
        return is_name(stem).then_some(Kind::RevocationList);
    }
    if let Some(statement) = file.strip_suffix(".p7s") {
        return is_statement_name(statement).then_some(Kind::Signature { statement });
    }
    let stem = file.strip_suffix(".tsr")?;
    if is_statement_name(stem) {
        return Some(Kind::Timestamp {
            statement: stem,
            number: 1,
        });
    }
    let (statement, digits) = stem.rsplit_once('.')?;
    let number: u32 = digits.parse().ok()?;
    // One spelling for each number: neither "02" nor "+2".
    (is_statement_name(statement) && number > 1 && number.to_string() == digits)
        .then_some(Kind::Timestamp { statement, number })
}

fn is_name(text: &str) -> bool {
    let allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    !text.is_empty() && text.bytes().all(allowed)
}

/// True for the name of a statement: NAME.json.
pub(super) fn is_statement_name(file: &str) -> bool {
    file.strip_suffix(".json").is_some_and(is_name)
}

/// The name of a statement's signature.
pub(super) fn signature_name(statement: &str) -> String {
    format!("{statement}.p7s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_of_the_folder_has_one_spelling_for_everything() {
        for name in [
            "a.json",
            "a.json.p7s",
            "a.json.tsr",
            "a.json.2.tsr",
            "a-1.crt",
            "a.crl",
        ] {
            assert!(kind(name).is_some(), "{name}");
        }
        for name in [
            "",
            ".json",
            "A.json",
            "a.JSON",
            "a.b.json",
            "a/b.json",
            "a.p7s",
            "a.tsr",
            "a.json.0.tsr",
            "a.json.1.tsr",
            "a.json.02.tsr",
            "a.json.+2.tsr",
            "a.json.4294967296.tsr",
            "a.json.p7s.tsr",
            "a.crt.bak",
            "ä.json",
            "a.json ",
        ] {
            assert!(kind(name).is_none(), "{name}");
        }
    }
}
