//! What went wrong as it was seen, by the go command (a log) or by a probe, in one vocabulary.

use serde::{Deserialize, Serialize};

/// One thing that went wrong.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Symptom {
    /// Who saw it.
    pub source: Source,
    /// What was being done.
    pub stage: Stage,
    /// The module, as far as it is known.
    pub module: Option<String>,
    /// Its version or query.
    pub version: Option<String>,
    /// The package that was wanted.
    pub package: Option<String>,
    /// Who requires it, the main module first, each `M@V`.
    pub required_by: Vec<String>,
    /// The URL that was asked, as printed.
    pub url: Option<String>,
    /// What happened.
    pub trouble: Trouble,
    /// The whole of what was said about it, cleaned of escapes and prefixes.
    pub text: String,
    /// Lines that belong to it: `server response:`, indented output of git, the lines of a mismatch.
    pub detail: Vec<String>,
}

impl Symptom {
    /// Returns the host and port that were asked.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let rest = crate::redact::behind_login(self.url.as_deref()?.split_once("://")?.1);
        rest.split(['/', '?', '#']).next()
    }

    /// Returns the words for where this was seen: `log line 12`, `probe dns`.
    #[must_use]
    pub fn seen(&self) -> String {
        match &self.source {
            Source::Log { line } => format!("log line {line}"),
            Source::Probe { name } => format!("probe {name}"),
        }
    }

    /// Reports whether the text or a line of the detail contains `words`.
    #[must_use]
    pub fn says(&self, words: &str) -> bool {
        self.text.contains(words) || self.detail.iter().any(|line| line.contains(words))
    }
}

/// Who saw a symptom.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A line of a log, counted from 1.
    Log {
        /// The first line of it.
        line: usize,
    },
    /// A probe of the doctor.
    Probe {
        /// `dns`, `tcp`, `tls`, `http`, ...
        name: String,
    },
}

impl Default for Source {
    fn default() -> Self {
        Self::Log { line: 0 }
    }
}

/// What was being done, and so whose fault it can be.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A module proxy was asked.
    Proxy(Endpoint),
    /// The checksum database was asked, perhaps through a proxy: `supported`, `lookup`, `tile`, `latest`.
    ChecksumDatabase(String),
    /// A page with `?go-get=1`.
    GoImport,
    /// git or another version control program ran.
    VersionControl,
    /// Another Go toolchain was to be downloaded.
    Toolchain,
    /// Hashes were compared.
    Verification,
    /// The module cache was read or written.
    ModuleCache,
    /// go.mod, go.sum, go.work, vendor.
    Project,
    /// A setting was read.
    Settings,
    /// Versions and packages were chosen.
    Resolution,
    /// It can't be told.
    #[default]
    Unknown,
}

/// One of the files that a module proxy serves.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `@v/list`
    List,
    /// `@latest`
    Latest,
    /// `@v/VERSION.info`
    Info,
    /// `@v/VERSION.mod`
    Mod,
    /// `@v/VERSION.zip`
    Zip,
    /// None of them, or it isn't known.
    #[default]
    Other,
}

/// What happened. The reader of logs works it out from Go's text, a probe from what it met itself.
#[expect(missing_docs, reason = "the names of the fields say it")]
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// A resolver said that the name has no address.
    NoSuchHost { host: String, server: Option<String> },
    /// A resolver answered SERVFAIL or REFUSED.
    ResolverError { host: String, server: Option<String> },
    /// A resolver said nothing.
    ResolverTimeout { host: String, server: Option<String> },
    /// A resolver could not be reached: nothing listens, no route, not permitted.
    ResolverUnreachable { host: String, server: Option<String>, text: String },
    /// The kernel refused to send: `network is unreachable`, `no route to host`, ...
    Unroutable { address: String, text: String },
    /// A connection was never answered.
    ConnectTimeout { address: String },
    /// A connection was refused.
    ConnectRefused { address: String },
    /// A system call was forbidden here: `operation not permitted`, `permission denied` of a socket.
    SocketDenied { text: String },
    /// No file descriptors left.
    TooManyFiles { text: String },
    /// The connection was reset while it was set up or waited for an answer.
    Reset { address: Option<String>, handshake: bool },
    /// The peer closed without an answer.
    ClosedEarly { handshake: bool },
    /// The TLS handshake got no answer in time.
    HandshakeTimeout,
    /// The chain of certificates ends at nobody known.
    UnknownAuthority { text: String },
    /// The certificate is for other names.
    WrongName { valid_for: String, wanted: String },
    /// The certificate has a common name only.
    CommonNameOnly,
    /// The certificate is not valid at this time; `after`: it has ended, else it has not begun.
    NotInValidity { now: String, limit: String, after: bool },
    /// Any other complaint about a certificate.
    BadCertificate { text: String },
    /// The peer sent a TLS alert.
    TlsAlert { text: String },
    /// `https` was spoken to a port that speaks HTTP (`http`) or something else.
    NotTls { http: bool },
    /// `http` was spoken to a port that speaks TLS or something else.
    NotHttp { text: String },
    /// The forward proxy could not be used, for the reason inside.
    ForwardProxy { inner: Box<Self> },
    /// The forward proxy refused to connect, with this status text.
    ConnectDenied { code: Option<u16>, text: String },
    /// The body ended or broke before its end.
    BodyBroken { text: String },
    /// Nothing more came.
    Stalled { seconds: u64, received: u64 },
    /// An HTTP answer that is no success; the detail holds what the server said.
    Status { code: u16 },
    /// A 200 whose body is not what it has to be.
    BadAnswer { text: String },
    /// The answer names another version.
    OtherVersion { got: String, wanted: String },
    /// Too many redirects, one to `http`, or one that leads nowhere.
    BadRedirect { text: String },
    /// The zip can't be read or has what no module zip may have.
    BadZip { file: Option<String>, text: String },
    /// A hash is not the expected one.
    Mismatch { go_mod: bool, downloaded: String, expected: String, by: String },
    /// A file or folder could not be read or written, or a disk is full.
    FileTrouble { path: Option<String>, operation: String, text: String },
    /// A program ended badly; its words are the detail.
    Command { line: String, status: Option<i32> },
    /// Anything else that the go command said; see [`Symptom::text`].
    #[default]
    Said,
}

impl Trouble {
    /// Returns Go's words for it, or nearly so, for what a probe met.
    #[must_use]
    pub fn words(&self) -> String {
        let on =
            |server: &Option<String>| server.as_ref().map_or_else(String::new, |name| format!(" on {name}"));
        match self {
            Self::NoSuchHost { host, server } => format!("lookup {host}{}: no such host", on(server)),
            Self::ResolverError { host, server } => {
                format!("lookup {host}{}: server misbehaving", on(server))
            }
            Self::ResolverTimeout { host, server } => format!("lookup {host}{}: i/o timeout", on(server)),
            Self::ResolverUnreachable { host, server, text } => {
                format!("lookup {host}{}: {text}", on(server))
            }
            Self::Unroutable { address, text } => format!("dial tcp {address}: {text}"),
            Self::ConnectTimeout { address } => format!("dial tcp {address}: i/o timeout"),
            Self::ConnectRefused { address } => format!("dial tcp {address}: connect: connection refused"),
            Self::Reset { .. } => "read: connection reset by peer".to_owned(),
            Self::ClosedEarly { .. } => "EOF".to_owned(),
            Self::HandshakeTimeout => "net/http: TLS handshake timeout".to_owned(),
            Self::WrongName { valid_for, wanted } if valid_for.is_empty() => {
                format!("x509: certificate is not valid for any names, but wanted to match {wanted}")
            }
            Self::WrongName { valid_for, wanted } => {
                format!("x509: certificate is valid for {valid_for}, not {wanted}")
            }
            Self::CommonNameOnly => {
                "x509: certificate relies on legacy Common Name field, use SANs instead".to_owned()
            }
            Self::NotInValidity { now, limit, after } => format!(
                "x509: certificate has expired or is not yet valid: current time {now} is {} {limit}",
                if *after { "after" } else { "before" }
            ),
            Self::NotTls { http: true } => "http: server gave HTTP response to HTTPS client".to_owned(),
            Self::NotTls { http: false } => "tls: first record does not look like a TLS handshake".to_owned(),
            // Go refuses by itself, before it connects.
            Self::ForwardProxy { inner } if matches!(**inner, Self::BadAnswer { .. }) => inner.words(),
            Self::ForwardProxy { inner } => format!("proxyconnect tcp: {}", inner.words()),
            Self::ConnectDenied { text, .. } => text.clone(),
            Self::Stalled { seconds, received } => {
                format!("nothing came for {seconds} s after {received} bytes")
            }
            Self::Status { code } => format!("status {code}"),
            Self::OtherVersion { got, wanted } => {
                format!("proxy returned info for version {got} instead of requested version {wanted}")
            }
            Self::UnknownAuthority { text } | Self::BadCertificate { text } => format!("x509: {text}"),
            Self::TlsAlert { text } => format!("remote error: tls: {text}"),
            Self::SocketDenied { text }
            | Self::TooManyFiles { text }
            | Self::NotHttp { text }
            | Self::BodyBroken { text }
            | Self::BadAnswer { text }
            | Self::BadRedirect { text }
            | Self::BadZip { text, .. }
            | Self::FileTrouble { text, .. } => text.clone(),
            Self::Mismatch { downloaded, expected, by, .. } => {
                format!("checksum mismatch: downloaded {downloaded}, {by} {expected}")
            }
            Self::Command { line, status } => match status {
                Some(status) => format!("{line}: exit status {status}"),
                None => format!("{line}: could not run"),
            },
            Self::Said => String::new(),
        }
    }

    /// Returns what happened behind the forward proxy, if it did.
    #[must_use]
    pub fn innermost(&self) -> &Self {
        match self {
            Self::ForwardProxy { inner } => inner.innermost(),
            other => other,
        }
    }
}
