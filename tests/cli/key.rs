//! `dhfpack key new`.

use std::fs;
use std::io::Write;
use std::process::Command;

use super::Program;

/// What stock OpenSSL answers; none where there is no OpenSSL.
fn openssl(program: &Program, arguments: &str) -> Option<String> {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(program.folder.path())
        .output();
    match output {
        Ok(output) => {
            assert!(output.status.success(), "{output:?}");
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(_) if std::env::var_os("CI").is_none() => {
            let _ = writeln!(std::io::stderr(), "skipped: no OpenSSL");
            None
        }
        Err(error) => panic!("openssl is needed: {error}"),
    }
}

#[test]
fn a_new_key_is_encrypted_and_its_certificate_names_holder_and_role() {
    let program = Program::new();
    program.write("pass", "correct horse\n");
    let made = program.run("key new --name Jo --role Reviewer --out keys --passphrase-file pass");
    let made = made.exits(0).silently();
    assert_eq!(
        made.stdout,
        "wrote keys/key.pem\nwrote keys/certificate.pem\n"
    );
    let key = fs::read_to_string(program.path("keys/key.pem")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let Some(public) = openssl(&program, "pkey -in keys/key.pem -passin file:pass -pubout") else {
        return;
    };
    let certificate = "x509 -in keys/certificate.pem -noout";
    assert_eq!(
        openssl(&program, &format!("{certificate} -pubkey")),
        Some(public)
    );
    let subject = openssl(&program, &format!("{certificate} -subject")).unwrap();
    assert!(
        subject.contains("Jo") && subject.contains("Reviewer"),
        "{subject}"
    );
}

#[test]
fn a_key_without_a_passphrase_is_made_with_a_note() {
    let program = Program::new();
    program
        .run("key new --name Jo --role QA")
        .exits(0)
        .tells(&["note: the key has no passphrase"]);
}

#[test]
fn a_key_is_never_replaced() {
    let program = Program::new();
    program.write("key.pem", "mine");
    program
        .run("key new --name Jo --role QA")
        .exits(1)
        .tells(&["key.pem is already there"]);
    assert_eq!(fs::read(program.path("key.pem")).unwrap(), b"mine");
    assert!(!program.path("certificate.pem").exists());
}

#[test]
fn an_empty_passphrase_file_is_refused() {
    let program = Program::new();
    program.write("pass", "\n");
    program
        .run("key new --name Jo --role QA --passphrase-file pass")
        .exits(2)
        .tells(&["pass holds no passphrase"]);
    assert!(!program.path("key.pem").exists());
}
