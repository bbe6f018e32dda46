//! Go's settings and the network settings of a process, each with its origin.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What was read.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingFacts {
    /// Go's settings, effective first, hidden layers after it; settings that nobody made are left out unless Go has a default.
    pub go: Vec<GoSetting>,
    /// Lines of a go/env file that don't mean what they look like.
    pub file_problems: Vec<FileProblem>,
    /// `GO...` variables that no go command of this version knows.
    pub unknown: Vec<GoSetting>,
    /// The `go` program of the `PATH`, if there is one.
    pub go_program: Option<String>,
    /// `GOROOT`, as far as it can be told.
    pub go_root: Option<String>,
    /// What `go env` says otherwise than we worked out: name, ours, its.
    pub disagreements: Vec<(String, String, String)>,
    /// The network's settings.
    pub network: NetworkSettings,
}

impl SettingFacts {
    /// Returns the effective value of one of Go's settings; empty if nothing sets it.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.go(name).map_or("", |setting| setting.value.as_str())
    }

    /// Returns one of Go's settings.
    #[must_use]
    pub fn go(&self, name: &str) -> Option<&GoSetting> {
        self.go.iter().find(|setting| setting.name == name)
    }
}

/// One of Go's settings.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GoSetting {
    /// `GOPROXY`
    pub name: String,
    /// The value, byte for byte as Go sees it.
    pub value: String,
    /// What decided it.
    pub origin: Origin,
    /// Values of lower layers that it hides.
    pub hides: Vec<(String, Origin)>,
}

/// The place that decided a value.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The environment of the process.
    Environment,
    /// The file that `go env -w` writes, or the one that `GOENV` names.
    UserFile(String),
    /// `$GOROOT/go.env`.
    SdkFile(String),
    /// What the go command does when nobody says anything.
    #[default]
    BuiltIn,
    /// Another setting that this one falls back to.
    FallsBackTo(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => out.write_str("environment"),
            Self::UserFile(path) | Self::SdkFile(path) => out.write_str(path),
            Self::BuiltIn => out.write_str("Go's built-in default"),
            Self::FallsBackTo(name) => write!(out, "falls back to {name}"),
        }
    }
}

/// A line of a go/env file that does not mean what it looks like.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileProblem {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The line's text.
    pub text: String,
    /// What about it: `export`, `spaces`, `quotes`, `carriage return`.
    pub problem: String,
}

/// What decides how this process reaches others.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// Proxy variables as they are set, in both cases, also those that Go ignores (`ALL_PROXY`): name and value.
    pub proxy_variables: Vec<(String, String)>,
    /// Name servers of resolv.conf.
    pub name_servers: Vec<IpAddr>,
    /// Search domains.
    pub search: Vec<String>,
    /// Whether there is a resolv.conf with anything in it.
    pub has_resolv_conf: bool,
    /// Lines of the hosts file for names of the chain: name and address.
    pub hosts: Vec<(String, IpAddr)>,
    /// Where certificates of authorities are read from; none if there is no such place.
    pub certificate_authorities: Option<String>,
    /// How many there are.
    pub authorities: usize,
    /// Whether this looks like a container, and by what.
    pub container: Option<String>,
}
