//! Probes: each layer by itself, from names to modules, as the go command would walk them.

mod chain;
mod closer;
mod compare;
mod dial;
pub mod dns;
mod errno;
mod files;
mod forward_proxy;
mod git;
mod goimport;
mod http;
mod judge;
mod login;
pub mod mirrors;
mod module;
mod open;
mod premises;
mod sumdb;
mod tcp;
#[cfg(test)]
mod tests;
pub mod tls;
mod walk;
mod wire;
mod words;

pub use closer::{look_closer, offset};
pub use open::{Network, Opened, Target, Wire, open};
pub use walk::{Budget, Errand, Walked, walk};
pub use wire::{Heard, Io};

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::report::Skipped;
use crate::symptom::{Endpoint, Trouble};

/// What probes measured.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeFacts {
    /// The chain that was walked, entry by entry.
    pub chain: Vec<ChainProbe>,
    /// Hosts that a request would go to: entries of the chain, the checksum database, forward proxies, git hosts.
    pub hosts: Vec<HostProbe>,
    /// HTTP requests as the go command would make them.
    pub requests: Vec<RequestProbe>,
    /// Runs of git.
    pub git: Vec<GitProbe>,
    /// How far the clocks of peers are from ours, in seconds (theirs minus ours), by host.
    pub clock_offsets: Vec<(String, i64)>,
    /// The netrc file that the go command reads, if there is one.
    pub netrc: Option<NetrcProbe>,
    /// What a Larder in the chain says about the module: its URL, its words.
    pub larders: Vec<(String, String)>,
    /// What was not looked at, and why.
    pub skipped: Vec<Skipped>,
}

/// A netrc file, without anything secret.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetrcProbe {
    /// Where it is.
    pub path: String,
    /// The machines that it names, as written.
    pub machines: Vec<String>,
    /// Those of them that have both a login and a password.
    pub usable: Vec<String>,
}

/// One entry of `GOPROXY`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainProbe {
    /// The URL without a login, `direct` or `off`.
    pub name: String,
    /// What stands after it: `,`, `|` or nothing.
    pub separator: String,
}

/// What part an answer plays in what the go command does.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The go command goes by it: it is the answer, or the error.
    #[default]
    Decides,
    /// The go command gets it and goes on to the next entry.
    Passes,
    /// The go command would not ask: an entry before it decides.
    NotReached,
    /// Asked by the doctor only, to compare: another module, another User-Agent, another spelling.
    Compares,
}

/// One host, layer by layer.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostProbe {
    /// Why it is asked: `GOPROXY entry 1`, `checksum database`, `forward proxy`, `git`.
    pub role: String,
    /// `https` or `http`.
    pub scheme: String,
    /// The name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The forward proxy on the way, without its login.
    pub forward_proxy: Option<String>,
    /// Who said what about the name; about the forward proxy's name where there is one.
    pub dns: Vec<DnsProbe>,
    /// Each address, likewise.
    pub tcp: Vec<TcpProbe>,
    /// The handshake on the first address that answered.
    pub tls: Option<TlsProbe>,
    /// The forward proxy's answer to CONNECT: status code, what it said.
    pub connect: Option<(u16, String)>,
    /// How far its clock is from ours in seconds (theirs minus ours), where that was asked.
    pub clock_offset: Option<i64>,
    /// The first thing that went wrong.
    pub trouble: Option<Trouble>,
}

/// One question to one name server.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DnsProbe {
    /// The server (`192.0.2.53:53`), or `hosts file`.
    pub server: String,
    /// The full name that was asked for, perhaps with a search domain.
    pub name: String,
    /// `A` or `AAAA`; both for the hosts file.
    pub question: String,
    /// Whether it was asked over TCP.
    pub tcp: bool,
    /// `NOERROR`, `NXDOMAIN`, `SERVFAIL`, `REFUSED`, `timeout`, or what went wrong.
    pub outcome: String,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// How long it took.
    pub milliseconds: u64,
}

/// One attempt to connect.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TcpProbe {
    /// Where to.
    pub address: SocketAddr,
    /// What went wrong, if anything.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// What the kernel says about a route to there, where it was asked: `there is one`, or its error.
    #[serde(default)]
    pub route: Option<String>,
    /// How long it took.
    #[serde(default)]
    pub milliseconds: u64,
}

/// One handshake.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsProbe {
    /// `TLS 1.3`, ...
    pub version: Option<String>,
    /// The chain that the peer sent, its own certificate first.
    pub chain: Vec<CertificateFacts>,
    /// What went wrong, if anything.
    pub trouble: Option<Trouble>,
    /// What a handshake with a name that nobody filters (or none) to the same address did, where it was tried.
    pub neutral_name: Option<String>,
    /// What a handshake with the same name did that fits into one packet, where it was tried.
    pub small_greeting: Option<String>,
    /// The newest version of TLS that the peer speaks, where it speaks none of today's: `TLS 1.0`.
    pub only_old_version: Option<String>,
    /// Whether the chain would be trusted with the certificate that `issuer_url` leads to, where that was tried.
    pub complete_with_issuer: Option<bool>,
    /// How many certificate authorities are known here.
    pub authorities: Option<usize>,
    /// Places of certificate authorities that the environment names and that can't be read.
    pub unreadable_authorities: Vec<String>,
    /// Whether the peer asked for a client certificate.
    pub asks_client_certificate: bool,
    /// How long it took.
    pub milliseconds: u64,
}

/// A certificate as the peer sent it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CertificateFacts {
    /// Whom it names.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// When it begins, RFC 3339.
    pub not_before: String,
    /// When it ends, RFC 3339.
    pub not_after: String,
    /// Where its issuer's certificate can be had.
    pub issuer_url: Option<String>,
    /// Whether it signed itself.
    pub self_signed: bool,
}

/// One HTTP request, without following what the go command would not follow.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestProbe {
    /// Which entry of `GOPROXY`, from 0; none for others.
    pub entry: Option<usize>,
    /// What part it plays.
    pub part: Part,
    /// Which file.
    pub endpoint: Endpoint,
    /// `supported`, `lookup` for the checksum database.
    pub checksum_database: Option<String>,
    /// The module asked about.
    pub module: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The URL, without a login.
    pub url: String,
    /// The status; none without an answer.
    pub status: Option<u16>,
    /// `Content-Type`, `Content-Length`, `Age`, `Cache-Control`, `Retry-After`, `WWW-Authenticate`, `Server`, `Via`, ...
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, cleaned.
    pub body: String,
    /// How much of the body came.
    pub received: u64,
    /// Where redirects led, one URL each.
    pub hops: Vec<String>,
    /// Whether a login was sent, and from where: `netrc`, `URL`.
    pub login: Option<String>,
    /// The User-Agent that was sent.
    pub agent: String,
    /// What went wrong, if anything.
    pub trouble: Option<Trouble>,
    /// The h1: hash of a .mod or .zip.
    pub h1: Option<String>,
    /// Until the first byte of the answer.
    pub first_byte_ms: u64,
    /// Until its end.
    pub total_ms: u64,
}

impl RequestProbe {
    /// Returns a header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// One run of git.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GitProbe {
    /// The command line, without a login.
    pub command: String,
    /// Its exit status; none if it could not run.
    pub status: Option<i32>,
    /// The first lines of what it said.
    pub said: Vec<String>,
    /// `git version`'s answer, where that was asked.
    pub version: Option<String>,
    /// How long it took.
    pub milliseconds: u64,
}
