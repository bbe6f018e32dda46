//! Who is asked for a module's hash: nobody, the database at its own URL, or the first proxy that passes questions on.

use larder_module::defaults;
use larder_module::goproxy::{Entry, ProxyList};
use larder_module::sumdb::note::Verifier;
use serde::Serialize;

use super::{Decision, Role, Work, host_of, pattern};
use crate::settings::without_login;

/// Who is asked for a hash.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumRoute {
    /// Nobody.
    NotAsked,
    /// The go command refuses what `GOSUMDB` says.
    Refused,
    /// The database at this URL, and nobody else.
    At {
        /// Its name.
        name: String,
        /// The URL.
        url: String,
    },
    /// Each proxy in turn whether it passes questions on; else the database itself.
    Through {
        /// Its name.
        name: String,
        /// The proxies, with the rules for going on to the next.
        proxies: Vec<super::Station>,
        /// Whether the chain has `direct` after them: then the database itself is asked even where a `|` hid a failure.
        ends_in_direct: bool,
    },
}

/// What `GOSUMDB` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Database {
    Off,
    Bad(String),
    Named { name: String, url: Option<String> },
}

impl Database {
    /// Reads `GOSUMDB` as the go command does.
    pub(crate) fn parse(value: &str) -> Self {
        if value == "off" {
            return Self::Off;
        }
        let alias = format!("{} {}", defaults::GOSUMDB, defaults::GOSUMDB_ALIAS_URL);
        let value = if value == defaults::GOSUMDB_ALIAS { &alias } else { value };
        let fields: Vec<&str> = value.split_whitespace().collect();
        let (key, url) = match fields.as_slice() {
            [] => return Self::Bad("missing GOSUMDB".to_owned()),
            [key] => (*key, None),
            [key, url] => (*key, Some((*url).to_owned())),
            _ => return Self::Bad("too many fields".to_owned()),
        };
        let key = defaults::known_gosumdb_key(key).unwrap_or(key);
        match Verifier::parse(key) {
            Ok(verifier) => Self::Named { name: verifier.name().to_owned(), url },
            Err(fault) => Self::Bad(fault.to_string()),
        }
    }
}

pub(super) fn decide(work: &mut Work<'_>, path: &str, version: Option<&str>) -> ChecksumRoute {
    if !is_checked(work, path, version) {
        return ChecksumRoute::NotAsked;
    }
    match Database::parse(work.value("GOSUMDB")) {
        Database::Off => {
            work.step(Decision::ChecksumsOff, &["GOSUMDB"]);
            ChecksumRoute::Refused
        }
        Database::Bad(fault) => {
            work.step(Decision::BadChecksumDatabase { fault }, &["GOSUMDB"]);
            ChecksumRoute::Refused
        }
        Database::Named { name, url: Some(url) } => {
            work.step(
                Decision::ChecksumDatabaseAt { name: name.clone(), url: without_login(&url) },
                &["GOSUMDB"],
            );
            work.login(&url);
            work.leak(host_of(&url), Role::ChecksumDatabase, true, true);
            ChecksumRoute::At { name, url: without_login(&url) }
        }
        Database::Named { name, url: None } => through(work, name),
    }
}

/// Reports whether the database is consulted at all, and notes why not.
fn is_checked(work: &mut Work<'_>, path: &str, version: Option<&str>) -> bool {
    if path == defaults::TOOLCHAIN_MODULE {
        let proxy = work.value("GOPROXY");
        let is_lone_tree = proxy.starts_with("file://") && !proxy.contains([',', '|']);
        if !is_lone_tree {
            work.step(Decision::ToolchainAlwaysChecked, &[]);
            return true;
        }
    }
    if knows_sums(work, path, version) {
        work.step(Decision::SumsKnown, &[]);
        return false;
    }
    if work.value("GOSUMDB") == "off" {
        work.step(Decision::ChecksumsOff, &["GOSUMDB"]);
        return false;
    }
    if let Some(pattern) = pattern::first_match(work.value("GONOSUMDB"), path) {
        work.step(Decision::ChecksumsSkipped { pattern }, &["GONOSUMDB"]);
        return false;
    }
    true
}

fn knows_sums(work: &Work<'_>, path: &str, version: Option<&str>) -> bool {
    let Some(project) = work.facts.project.as_ref() else { return false };
    let required = || project.requires.iter().find(|(module, ..)| module == path).map(|one| one.1.as_str());
    let Some(version) = version.or_else(required) else { return false };
    let go_mod = format!("{version}/go.mod");
    let has =
        |version: &str| project.sums.iter().any(|(module, known, _)| module == path && known == version);
    has(version) && has(&go_mod)
}

fn through(work: &mut Work<'_>, name: String) -> ChecksumRoute {
    let list = ProxyList::parse(work.value("GOPROXY")).ok();
    let entries = list.as_ref().map_or(&[][..], ProxyList::entries);
    let mut proxies = Vec::new();
    for (index, one) in entries.iter().enumerate() {
        let Entry::Url(url) = &one.entry else { break };
        if !url.starts_with("file:") {
            work.leak(host_of(url), Role::ChecksumProxy, proxies.is_empty(), true);
        }
        proxies.push(super::Station {
            entry: Some(index + 1),
            whom: super::Whom::Proxy(without_login(url)),
            after_absence: true,
            after_failure: one.separator == larder_module::goproxy::Separator::Pipe,
        });
    }
    let ends_in_direct = entries.iter().any(|one| one.entry == Entry::Direct);
    let urls = proxies.iter().filter_map(|station| match &station.whom {
        super::Whom::Proxy(url) => Some(url.clone()),
        super::Whom::Direct | super::Whom::Off => None,
    });
    let decision =
        Decision::ChecksumDatabase { name: name.clone(), proxies: urls.collect(), direct: ends_in_direct };
    work.step(decision, &["GOSUMDB", "GOPROXY"]);
    work.leak(name.split('/').next().unwrap_or_default(), Role::ChecksumDatabase, proxies.is_empty(), true);
    ChecksumRoute::Through { name, proxies, ends_in_direct }
}
