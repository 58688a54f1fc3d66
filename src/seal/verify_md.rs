//! `Manifest/VERIFY.md`: how to verify this archive with stock tools.
//!
//! The commands are run literally by a test, on good archives and on tampered ones.

use crate::manifest::Manifest;

/// The instructions; the archive's own names are filled in.
pub(super) fn text(manifest: &Manifest) -> String {
    let roles: Vec<String> = manifest
        .layout
        .roles
        .iter()
        .map(|role| quoted(&role.name))
        .collect();
    include_str!("verify.md")
        .replace("{{name}}", &manifest.name)
        // The page, this text and the manifest itself are still to come.
        .replace("{{files}}", &(manifest.files.len() + 3).to_string())
        .replace("{{roles}}", &roles.join(" "))
}

/// One word of a shell's command line, whatever is in it (POSIX, Shell Command Language, 2.2.2).
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_one_word_to_the_shell_whatever_its_name() {
        let name = "Officer's `touch x` $(touch y) \"z\"";
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {}", quoted(name))])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), name);
    }
}
