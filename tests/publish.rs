//! Publishing in one run: again, interrupted, signed later, on another machine, by two at once.

mod abandoned;
mod dropbox;
mod in_git;
mod interrupted;
mod killed;
mod losses;
mod once;
mod outputs;
mod proof;
mod receipts;
mod remote;
mod secrets;
mod shop;
mod status;
mod together;
