//! Every integration test, in one binary.

mod addenda;
mod archive;
mod build;
mod catalogue;
mod cli;
mod config;
mod damage;
mod delivery;
mod dhf;
mod documents;
mod environment;
mod fetch;
mod git;
mod golden;
mod image;
mod kill;
mod layouts;
mod page;
mod publish;
mod quickstart;
mod readme;
mod rebuild;
mod records;
mod refusals;
mod register;
mod release;
// Stock tools in a Unix shell.
#[cfg(unix)]
mod restore;
mod retention;
#[path = "../examples/quickstart/sample.rs"]
mod sample;
mod sample_product;
mod sbom;
mod service_manual;
mod sign;
// Linux's tools in its shell.
#[cfg(unix)]
mod stock_tools;
mod store;
mod support;
