//! Retention: locks on what is published.

mod apply;
mod command;
mod documentation;
mod record;
mod server;
mod stand_in;
