//! Which route the go command takes for a path, and which setting decided each step. Nobody is asked for it.
//!
//! The answer is data twice over: [`Step`]s for a person, and [`Route`], [`ChecksumRoute`] and [`Leak`] for programs and for
//! the test that compares them with what real go commands do.

mod chain;
mod checksum;
mod local;
mod logins;
mod pattern;
mod repository;
mod words;

use serde::Serialize;

use crate::catalogue::Language;
use crate::report::Setting;
use crate::settings::SettingFacts;
use crate::{Facts, GoVersion};

pub use chain::{Station, Whom};
pub use checksum::ChecksumRoute;
pub(crate) use checksum::Database;
pub use logins::{Login, Logins};
pub use pattern::{Mismatch, PatternAnswer, patterns};

/// Why a path goes where it goes.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The path that was asked about.
    pub module: String,
    /// The version or query, if one was given.
    pub version: Option<String>,
    /// The client whose rules these are; none if no SDK was found, and then the newest one's are meant.
    pub go: Option<GoVersion>,
    /// What was decided, one after the other.
    pub steps: Vec<Step>,
    /// Who is asked for the module.
    pub route: Route,
    /// Who is asked for its hash.
    pub checksum: ChecksumRoute,
    /// Who learns which names.
    pub leaks: Vec<Leak>,
}

/// One decision, with the settings that made it.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
    /// The settings that decided it, with their origins; logins are left out.
    pub settings: Vec<Setting>,
}

impl Step {
    /// Returns the decision in a sentence.
    #[must_use]
    pub fn sentence(&self, language: Language) -> String {
        words::sentence(&self.decision, language)
    }
}

/// Who is asked for a module.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// The go command refuses before it asks anybody.
    Refused,
    /// It is here already: the standard library, this project, a folder.
    Local,
    /// These, in this order, each only if those before it let the go command go on. `path` is what they are asked for.
    Asked {
        /// The path after replacement.
        path: String,
        /// Whom, in order.
        stations: Vec<Station>,
    },
}

/// What somebody learns.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Leak {
    /// The host, with its port, or a program.
    pub host: String,
    /// Why it is asked.
    pub role: Role,
    /// Whether it learns the path for sure, or only if those before it didn't have the module.
    pub always: bool,
    /// Whether the version too.
    pub version: bool,
}

impl Leak {
    /// Returns it in a sentence.
    #[must_use]
    pub fn sentence(&self, language: Language) -> String {
        words::leak(self, language)
    }
}

/// Why somebody is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It is a proxy of the chain.
    Proxy,
    /// It passes on questions to the checksum database.
    ChecksumProxy,
    /// It is the checksum database.
    ChecksumDatabase,
    /// It serves the go-import page.
    GoImport,
    /// It holds the repository.
    Repository,
}

/// What the go command decides.
#[expect(missing_docs, reason = "the names of the fields say it")]
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// No module can have this path.
    MalformedPath { path: String, fault: String },
    /// It could be a module.
    WellFormed { path: String },
    /// No dot in the first element: a package of the standard library, or of this module.
    StandardLibrary { path: String },
    /// `GO111MODULE=off`
    ModulesDisabled,
    /// `GO111MODULE` is none of the known values.
    UnknownModuleMode { value: String },
    /// `GO111MODULE=auto` and there is no go.mod here.
    NoModuleHere,
    /// A word of `GOFLAGS` is no flag.
    BadFlags { word: String },
    /// A flag of `GOFLAGS` that decides where modules come from.
    ModFlag { flag: String },
    /// A go.work is in force.
    Workspace { file: String, uses_module: bool },
    /// It is the module that is being worked on.
    OwnModule { released: bool },
    /// It is in the folder of the module that is being worked on, unless another module has that path.
    OwnPackage { module: String },
    /// go.mod or go.work replaces it by a folder.
    ReplacedByFolder { folder: String, there: bool },
    /// go.mod or go.work replaces it by another module.
    Replaced { by: String },
    /// Builds take it from the vendor folder.
    Vendored { why: String },
    /// There is a vendor folder that builds don't use.
    NotVendored { why: String },
    /// A pattern keeps it away from proxies.
    Private { pattern: String },
    /// No pattern does.
    NotPrivate { near: Vec<PatternAnswer> },
    /// `GOPROXY` can't be read, whatever the path.
    BadChain { fault: String },
    /// A proxy is asked. `next` is the entry after it.
    Proxy {
        entry: usize,
        url: String,
        after_absence: bool,
        after_failure: bool,
        last: bool,
        forward_proxy: Option<String>,
    },
    /// The module's own repository is asked, because the chain says so.
    DirectEntry { entry: usize },
    /// Look-ups end here.
    OffEntry { entry: usize },
    /// The path itself says where the repository is.
    Repository { root: String, system: String, host: String },
    /// The path's page says where the repository is.
    GoImport { url: String, forward_proxy: Option<String> },
    /// There can't be a repository.
    NoRepository { reason: String },
    /// Plain http and bad certificates are accepted for the page.
    Insecure { pattern: String },
    /// `GOVCS` can't be read.
    BadVersionControlRules { fault: String },
    /// Which version control systems may be run.
    VersionControl { rule: String, private: bool, system: Option<String>, allowed: bool },
    /// Who gets which login.
    Login { host: String, login: Login },
    /// go.sum has the hashes, so nobody is asked for them.
    SumsKnown,
    /// The checksum database is switched off.
    ChecksumsOff,
    /// A pattern keeps it away from the checksum database.
    ChecksumsSkipped { pattern: String },
    /// `GOSUMDB` can't be read.
    BadChecksumDatabase { fault: String },
    /// The checksum database is asked at this URL only.
    ChecksumDatabaseAt { name: String, url: String },
    /// The checksum database is asked through the first proxy that offers it, else directly.
    ChecksumDatabase { name: String, proxies: Vec<String>, direct: bool },
    /// A toolchain is always checked.
    ToolchainAlwaysChecked,
}

/// Says which route the go command takes for a path.
///
/// Facts of a project are used if they are there; settings that nobody collected count as Go's defaults.
#[must_use]
pub fn explain(facts: &Facts, module: &str, version: Option<&str>) -> Explanation {
    let built_in = built_in();
    let settings = facts.settings.as_ref().unwrap_or(&built_in);
    let mut work = Work { facts, settings, version, steps: Vec::new(), leaks: Vec::new() };
    let (route, checksum) = match local::decide(&mut work, module) {
        local::Outcome::Refused => (Route::Refused, ChecksumRoute::NotAsked),
        local::Outcome::Local => (Route::Local, ChecksumRoute::NotAsked),
        local::Outcome::Ask { path, version } => {
            let route = chain::decide(&mut work, &path);
            let checksum = match &route {
                Route::Asked { .. } => checksum::decide(&mut work, &path, version.as_deref()),
                Route::Refused | Route::Local => ChecksumRoute::NotAsked,
            };
            (route, checksum)
        }
    };
    let Work { steps, leaks, .. } = work;
    Explanation {
        module: module.to_owned(),
        version: version.map(str::to_owned),
        go: facts.go,
        steps,
        route,
        checksum,
        leaks,
    }
}

fn built_in() -> SettingFacts {
    let layers = crate::settings::GoLayers::read(&crate::System::of_environment([].into()));
    SettingFacts {
        go: ["GOPROXY", "GOSUMDB", "GOAUTH"].iter().map(|name| layers.setting(name)).collect(),
        ..SettingFacts::default()
    }
}

/// An explanation in the making.
struct Work<'a> {
    facts: &'a Facts,
    settings: &'a SettingFacts,
    version: Option<&'a str>,
    steps: Vec<Step>,
    leaks: Vec<Leak>,
}

impl<'a> Work<'a> {
    /// Notes a decision and the settings that made it.
    fn step(&mut self, decision: Decision, names: &[&str]) {
        let settings = names.iter().filter_map(|name| self.shown(name)).collect();
        self.steps.push(Step { decision, settings });
    }

    fn shown(&self, name: &str) -> Option<Setting> {
        let setting = self.settings.go(name)?;
        Some(Setting {
            name: setting.name.clone(),
            value: crate::settings::without_login(&setting.value),
            origin: setting.origin.to_string(),
        })
    }

    fn value(&self, name: &str) -> &'a str {
        self.settings.value(name)
    }

    fn leak(&mut self, host: impl Into<String>, role: Role, always: bool, version: bool) {
        let leak = Leak { host: host.into(), role, always, version };
        if !self.leaks.contains(&leak) {
            self.leaks.push(leak);
        }
    }
}

/// Returns the host of a URL, with its port if it names one.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned()
}

#[cfg(test)]
mod tests;
