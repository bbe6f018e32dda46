//! What git is told: arguments and environment of every kind of run.
//!
//! There are two kinds. A run on a mirror sees no configuration but the mirror's own and may not talk to anybody. A run that talks
//! to a forge keeps the operator's configuration, because credential helpers, `insteadOf` and ssh settings live there, and gets
//! limits on top of it. Secrets go through the environment of that one process, never through arguments.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;

use super::address::{Address, Scheme};
use super::run::Job;
use crate::settings::DirectSettings;

/// Variables that a run on a mirror keeps; nothing in them leads git to a configuration or a program.
const LOCAL_VARIABLES: &[&str] = &["PATH", "LD_LIBRARY_PATH", "TMPDIR", "GIT_EXEC_PATH"];
/// Variables that are Larder's to decide in every run.
const FORCED: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_TEMPLATE_DIR",
    "GIT_ATTR_SOURCE",
    "GIT_TRACE",
    "GIT_TRACE_PACKET",
    "GIT_TRACE_CURL",
    "GIT_CURL_VERBOSE",
    "GIT_TRACE2",
    "GIT_TRACE2_EVENT",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "PAGER",
    "GIT_EDITOR",
    "LANG",
    "LANGUAGE",
    "LC_MESSAGES",
    "LC_ALL",
    "GIT_ASKPASS",
    "SSH_ASKPASS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "GIT_SSL_NO_VERIFY",
    "GIT_QUARANTINE_PATH",
];
/// What ssh is, unless the operator says otherwise: it never asks, and notices a dead connection.
const SSH: &str = "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=15 -oServerAliveCountMax=4";
/// No repository. Without it, git takes the configuration of one that happens to be around the data folder.
const NOWHERE: &str = "/dev/null";
/// A transfer that moves nothing for so many seconds is given up by git itself, with or without Larder.
const STALLED_SECONDS: u32 = 60;

/// Builds runs.
#[derive(Debug)]
pub(super) struct Commands {
    settings: Arc<DirectSettings>,
}

/// What a run that talks to a forge knows besides its arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contact<'a> {
    pub(super) address: &'a Address,
    pub(super) insecure: bool,
    pub(super) pinned: &'a [SocketAddr],
    /// The operator's git chooses the ssh program.
    pub(super) own_ssh: bool,
    /// The certificate authorities to trust, if not those of the system.
    pub(super) authorities: Option<&'a Path>,
}

impl Commands {
    pub(super) fn new(settings: Arc<DirectSettings>) -> Self {
        Self { settings }
    }

    /// A run on a mirror.
    pub(super) fn local<'a>(&self, mirror: &'a Path, arguments: &[&str]) -> Job<'a> {
        let kept = self
            .settings
            .environment
            .iter()
            .filter(|(name, _)| LOCAL_VARIABLES.iter().any(|kept| name == kept));
        let mut environment: Vec<_> = kept.cloned().collect();
        let mut set = |name: &str, value: &OsStr| environment.push((name.into(), value.into()));
        common(&mut set);
        set("GIT_DIR", mirror.as_os_str());
        set("HOME", OsStr::new("/nonexistent"));
        set("GIT_CONFIG_GLOBAL", OsStr::new("/dev/null"));
        set("GIT_CONFIG_NOSYSTEM", OsStr::new("1"));
        // No protocol has that name: nothing is fetched, whatever a mirror's configuration says.
        set("GIT_ALLOW_PROTOCOL", OsStr::new("none"));
        set("GIT_NO_LAZY_FETCH", OsStr::new("1"));
        let mut all = options(&[
            "core.attributesFile=/dev/null",
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "core.autocrlf=input",
            "core.eol=lf",
            "log.showSignature=false",
        ]);
        all.extend(arguments.iter().map(OsString::from));
        Job {
            arguments: all,
            environment,
            folder: mirror,
            input: Vec::new(),
            deadline: self.settings.local_deadline,
            network: false,
            growth: None,
        }
    }

    /// A run that asks git what the operator has configured; it talks to nobody.
    pub(super) fn configured<'a>(&self, folder: &'a Path, arguments: &[&str]) -> Job<'a> {
        let mut environment = self.operator_environment();
        environment.push(("GIT_DIR".into(), NOWHERE.into()));
        Job {
            arguments: arguments.iter().map(OsString::from).collect(),
            environment,
            folder,
            input: Vec::new(),
            deadline: self.settings.local_deadline,
            network: false,
            growth: None,
        }
    }

    /// A run that talks to a forge, in a mirror or in none.
    pub(super) fn network<'a>(
        &self,
        folder: &'a Path,
        is_mirror: bool,
        contact: Contact<'_>,
        arguments: &[&str],
    ) -> Job<'a> {
        let mut environment = self.operator_environment();
        environment.push(("GIT_DIR".into(), if is_mirror { folder.into() } else { NOWHERE.into() }));
        // An `insteadOf` may turn any URL into one of ssh.
        if !contact.own_ssh && !self.chooses_ssh() {
            environment.push(("GIT_SSH_COMMAND".into(), SSH.into()));
        }
        let mut all = options(&[
            "core.attributesFile=/dev/null",
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "gc.auto=0",
            "maintenance.auto=false",
            "fetch.unpackLimit=1",
            "fetch.recurseSubmodules=no",
            "fetch.writeCommitGraph=false",
            "submodule.recurse=false",
            "credential.interactive=never",
            "http.followRedirects=false",
            "http.lowSpeedLimit=1",
            "protocol.version=2",
            "protocol.allow=never",
        ]);
        let mut option = |text: String| all.extend([OsString::from("-c"), text.into()]);
        for scheme in [Scheme::Https, Scheme::Ssh, Scheme::Http, Scheme::Git, Scheme::File] {
            // Others are allowed where the operator's own configuration does: a name of its own stands above `protocol.allow`.
            if scheme.is_safe() || contact.insecure {
                option(format!("protocol.{}.allow=always", scheme.protocol()));
            }
        }
        option(format!("http.lowSpeedTime={STALLED_SECONDS}"));
        if let Some(pin) = pin(contact.address, contact.pinned) {
            option(format!("http.curloptResolve={pin}"));
        }
        if let Some(file) = contact.authorities {
            let mut text = OsString::from("http.sslCAInfo=");
            text.push(file);
            all.extend([OsString::from("-c"), text]);
        }
        self.add_login(&mut environment, contact.address);
        all.extend(arguments.iter().map(OsString::from));
        Job {
            arguments: all,
            environment,
            folder,
            input: Vec::new(),
            deadline: self.settings.network_deadline,
            network: true,
            growth: None,
        }
    }

    /// Returns the login that goes with a URL: its own, else the token of its host.
    pub(super) fn login(&self, address: &Address) -> Option<(String, String)> {
        if let Some(login) = address.login() {
            return Some(login);
        }
        if address.scheme != Scheme::Https {
            return None;
        }
        let token = self.settings.tokens.iter().find(|token| {
            let host = token.host.to_ascii_lowercase();
            host == *address.host || address.host.strip_suffix(":443").is_some_and(|plain| plain == host)
        })?;
        Some((token.user.clone(), token.secret.reveal().to_owned()))
    }

    /// Reports whether the operator's environment names the ssh program.
    fn chooses_ssh(&self) -> bool {
        self.settings.environment.iter().any(|(name, _)| name == "GIT_SSH_COMMAND" || name == "GIT_SSH")
    }

    fn operator_environment(&self) -> Vec<(OsString, OsString)> {
        let kept =
            self.settings.environment.iter().filter(|(name, _)| !FORCED.iter().any(|forced| name == forced));
        let mut environment: Vec<_> = kept.cloned().collect();
        common(&mut |name, value| environment.push((name.into(), value.into())));
        environment
    }

    /// Adds a login as configuration that only this process sees. It is bound to scheme and host, and redirects are not followed.
    fn add_login(&self, environment: &mut Vec<(OsString, OsString)>, address: &Address) {
        let Some((user, password)) = self.login(address) else { return };
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        // The operator may give configuration the same way.
        let count = environment.iter().find(|(name, _)| name == "GIT_CONFIG_COUNT");
        let count: u32 = count.and_then(|(_, value)| value.to_str()?.trim().parse().ok()).unwrap_or(0);
        environment.retain(|(name, _)| name != "GIT_CONFIG_COUNT");
        let mut set = |name: &str, value: String| environment.push((name.into(), value.into()));
        set("GIT_CONFIG_COUNT", (count + 1).to_string());
        set(&format!("GIT_CONFIG_KEY_{count}"), format!("http.{}/.extraHeader", address.origin()));
        set(&format!("GIT_CONFIG_VALUE_{count}"), format!("Authorization: Basic {encoded}"));
    }
}

fn common(set: &mut impl FnMut(&str, &OsStr)) {
    for (name, value) in [
        ("LC_ALL", "C"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GCM_INTERACTIVE", "never"),
        ("GIT_ASKPASS", ""),
        ("SSH_ASKPASS", ""),
        ("SSH_ASKPASS_REQUIRE", "never"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_ADVICE", "0"),
    ] {
        set(name, OsStr::new(value));
    }
}

fn options(texts: &[&str]) -> Vec<OsString> {
    texts.iter().flat_map(|text| [OsString::from("-c"), OsString::from(text)]).collect()
}

/// Returns curl's `HOST:PORT:ADDRESS,...`, so that git connects to the addresses that were judged and to no others.
fn pin(address: &Address, pinned: &[SocketAddr]) -> Option<String> {
    if pinned.is_empty() {
        return None;
    }
    let (host, port) = address.host_and_port();
    let port = port.unwrap_or(if address.scheme == Scheme::Https { 443 } else { 80 });
    let addresses: Vec<String> = pinned
        .iter()
        .map(|address| match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        })
        .collect();
    Some(format!("{host}:{port}:{}", addresses.join(",")))
}
