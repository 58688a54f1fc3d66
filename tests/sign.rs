//! Signing, and judging signatures: against OpenSSL, and against hostile input.

mod cms;
mod crafted;
mod folder;
mod hostile;
mod keys;
mod prepare;
mod trust;
mod workshop;
