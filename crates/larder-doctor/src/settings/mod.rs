//! Go's settings and the network settings of a process, each with its origin.
//!
//! No `go` is run: the files and variables are read in Go's own order, so that it works on a machine without one, for
//! another process, and for a server that inherits these settings.

mod compare;
mod env_file;
mod known;
mod layers;
pub(crate) mod netrc;
mod network;
mod sdk;
mod shell_files;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Facts, System};

pub use compare::compare;
pub use known::{BUILT_IN_GOAUTH, KNOWN, Known, distance, meant};
pub use layers::GoLayers;
pub(crate) use network::{AUTHORITY_FILES, AUTHORITY_FOLDERS};
pub use network::{with_logins_as, without_login};

/// Reads Go's settings, the network's and the version of the go command into `facts`.
pub fn collect(system: &System, facts: &mut Facts) {
    let layers = GoLayers::read(system);
    let (user_file, mut file_problems) = layers.user_file();
    let (sdk_file, sdk_problems) = layers.sdk_file();
    file_problems.extend(sdk_problems);
    let go = layers.effective();
    let value = |name: &str| go.iter().find(|one| one.name == name).map_or("", |one| one.value.as_str());
    let network = network::read(system, [value("GOPROXY"), value("GOSUMDB")]);
    facts.go = facts.go.or_else(|| layers.version());
    facts.settings = Some(SettingFacts {
        unknown: known::unknown(system, layers.version()),
        file_problems,
        user_file,
        sdk_file,
        other_user_files: layers::of_other_users(system),
        go_program: layers.program(),
        go_root: layers.root(),
        netrc: netrc::read(system),
        shell_files: shell_files::read(system),
        disagreements: Vec::new(),
        network,
        go,
    });
}

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
    /// The go/env file that this process reads, and whether it exists; none for `GOENV=off` or without a home folder.
    pub user_file: Option<(String, bool)>,
    /// `$GOROOT/go.env`, and whether it exists; none where no SDK was found.
    pub sdk_file: Option<(String, bool)>,
    /// go/env files of whom this process was started by (`sudo`) or of the usual home folder, and the names that they set.
    pub other_user_files: Vec<(String, Vec<String>)>,
    /// The netrc file.
    pub netrc: Option<NetrcFacts>,
    /// Settings that a start file of a shell makes and that this process does not have so: file, name, value.
    pub shell_files: Vec<(String, String, String)>,
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

    /// Returns the first folder of `GOPATH`, which has the module cache and the checksum database's notes.
    pub(crate) fn go_path(&self, system: &System) -> Option<PathBuf> {
        match self.value("GOPATH") {
            "" => Some(system.home()?.join("go")),
            // As the go command, nobody looks behind an empty first one.
            list => list.split(':').next().filter(|first| !first.is_empty()).map(PathBuf::from),
        }
    }

    /// Returns the module cache, wherever that is; it need not be a place that can be one.
    pub(crate) fn module_cache(&self, system: &System) -> Option<PathBuf> {
        match self.value("GOMODCACHE") {
            "" => Some(self.go_path(system)?.join("pkg/mod")),
            folder => Some(folder.into()),
        }
    }

    /// Returns what decided a setting, for evidence; Go's default where nothing is known.
    #[must_use]
    pub fn origin(&self, name: &str) -> String {
        self.go(name).map_or(&Origin::BuiltIn, |setting| &setting.origin).to_string()
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
    /// The go command says so, against what its files say.
    GoCommand(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => out.write_str("environment"),
            Self::UserFile(path) | Self::SdkFile(path) => out.write_str(path),
            Self::BuiltIn => out.write_str("Go's built-in default"),
            Self::FallsBackTo(name) => write!(out, "falls back to {name}"),
            Self::GoCommand(program) => write!(out, "go env of {program}"),
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

/// The netrc file: for which hosts there are logins, never the logins.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetrcFacts {
    /// Where it is, or would be.
    pub path: String,
    /// Why it could not be read, if it could not.
    pub problem: Option<String>,
    /// The machines that have a login and a password, as written, in their order.
    pub machines: Vec<String>,
    /// Machines without one of the two, which count for nothing.
    pub incomplete: Vec<String>,
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
