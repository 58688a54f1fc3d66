//! Publishing in one run: again, interrupted, signed later, on another machine, by two at once.

mod abandoned;
mod interrupted;
mod once;
mod outputs;
mod proof;
mod receipts;
mod remote;
mod shop;
mod status;
mod together;
