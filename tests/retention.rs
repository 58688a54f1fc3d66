//! Retention: locks on what is published.

mod apply;
mod command;
mod documentation;
mod losses;
mod permissions;
mod publish;
mod record;
mod server;
mod stand_in;
