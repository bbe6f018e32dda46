//! The HTTP surface of Larder.
//!
//! One handler on hyper: parse the path with `larder-module`, ask the engine, describe the reply. Every module path goes to one
//! parser, so a router would buy nothing. What is here besides: the table from reasons to statuses ([`status`]), bodies that read
//! files in pieces that memory allows, and an accept loop with limits that keep slow or hostile clients from the others.

mod access_log;
mod app;
mod body;
mod connection;
mod episode;
mod explained;
mod fast;
mod findings;
mod io;
mod known;
mod lanes;
mod log_form;
mod log_writer;
mod metrics;
mod pieces;
mod range;
mod reply;
mod request;
mod serve;
mod server;
mod settings;
mod start_page;
pub mod status;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

pub use app::{AppParts, Backend};
pub use log_form::LogForm;
pub use log_writer::AccessLog;
pub use server::{BindError, Server, ServerControl};
pub use settings::{
    BasePath, BasePathError, IpPrefixError, IpPrefixes, Limits, ServerSettings, StartPageFacts, TlsFiles,
    VersionFacts,
};
pub use tls::TlsError;
