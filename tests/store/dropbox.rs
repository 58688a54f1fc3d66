//! Dropbox, as far as its published API tells how it behaves.

mod faults;
mod logins;
mod names;
mod program;

use std::io::Read;

use dhfpack::store::{Created, Object, Store, StoreError};

use super::contract::tools;

/// What one request takes, in bytes; more goes in parts.
const CHUNK: usize = 16 << 20;

fn bytes(size: usize) -> Vec<u8> {
    tools::bytes(size, 7)
}

fn create(store: &dyn Store, path: &str, bytes: &[u8]) -> Result<Created, StoreError> {
    store.create_from(path, bytes)
}

/// Creates what must not be there yet.
fn created(store: &dyn Store, path: &str, bytes: &[u8]) -> Object {
    match create(store, path, bytes) {
        Ok(Created::New(object)) => object,
        other => panic!("{path}: {other:?}"),
    }
}

fn read(store: &dyn Store, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = store.read(path).unwrap();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

/// The message and the help.
fn told(error: &StoreError) -> String {
    use miette::Diagnostic;
    let help = error.help().map(|help| help.to_string());
    format!("{error}\n{}", help.unwrap_or_default())
}
