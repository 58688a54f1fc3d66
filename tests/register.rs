//! The products registry: what is written, what tampering is found, and that no row is lost.

mod cells;
mod commands;
mod damage;
// Python and git as programs beside it.
mod git_file;
mod parallel;
mod releases;
#[cfg(unix)]
mod stock;
mod workshop;
