//! The products registry: what is written, what tampering is found, and that no row is lost.

mod cells;
mod commands;
mod configuration;
mod damage;
mod git_file;
mod parallel;
mod releases;
#[cfg(unix)]
mod stock;
mod workshop;
