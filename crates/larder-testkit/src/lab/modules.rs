//! What a good module proxy answers about a handful of modules, as a function that the lab's sites build their faults upon.

use std::collections::BTreeMap;

use crate::module::{BuiltModule, ModuleBuilder, escape};
use crate::upstream::Reply;

/// Modules that a proxy serves.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    versions: Vec<BuiltModule>,
    queries: BTreeMap<(String, String), String>,
}

impl Modules {
    /// Serves nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a version with default content.
    pub fn module(self, path: &str, version: &str) -> Self {
        self.with(&ModuleBuilder::new(path, version))
    }

    /// Adds a version.
    pub fn with(self, module: &ModuleBuilder) -> Self {
        self.built(module.build())
    }

    /// Adds a version that is already built.
    pub fn built(mut self, module: BuiltModule) -> Self {
        self.versions.push(module);
        self
    }

    /// Answers a query, such as a branch, with a version.
    pub fn query(mut self, path: &str, query: &str, version: &str) -> Self {
        self.queries.insert((path.to_owned(), query.to_owned()), version.to_owned());
        self
    }

    /// Returns all versions.
    pub fn versions(&self) -> &[BuiltModule] {
        &self.versions
    }

    /// Returns one version.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn get(&self, path: &str, version: &str) -> &BuiltModule {
        let found = self.versions.iter().find(|built| built.path == path && built.version == version);
        found.unwrap_or_else(|| panic!("no {path}@{version} in the lab"))
    }

    /// Answers a request for a path such as `/example.com/m/@v/list`.
    pub fn answer(&self, path: &str) -> Reply {
        let plain = path.split('?').next().unwrap_or(path).replace("%21", "!").replace("%2B", "+");
        let path = plain.as_str();
        let absent = || Reply::not_found(path.trim_start_matches('/'));
        let text = |body: String| Reply::ok("text/plain; charset=utf-8", body);
        let json = |body: bytes::Bytes| Reply::ok("application/json", body);
        if let Some(module) = path.strip_suffix("/@latest") {
            let newest = self.of(module).max_by_key(|built| order(&built.version));
            return newest.map_or_else(absent, |built| json(built.info.clone()));
        }
        let Some((module, file)) = path.split_once("/@v/") else { return absent() };
        if file == "list" {
            let all: Vec<&BuiltModule> = self.of(module).collect();
            if all.is_empty() {
                return absent();
            }
            let released = all.iter().filter(|built| !built.version.contains("-0."));
            return text(released.map(|built| format!("{}\n", built.version)).collect());
        }
        let Some((version, extension)) = file.rsplit_once('.') else { return absent() };
        let query = self.queries.iter().find(|((path, query), _)| {
            escape(path) == module.trim_start_matches('/') && escape(query) == version
        });
        let version = query.map_or(version, |(_, version)| version.as_str());
        let Some(built) = self
            .of(module)
            .find(|built| escape(&built.version) == escape(version) || escape(&built.version) == version)
        else {
            return absent();
        };
        match extension {
            "info" => json(built.info.clone()),
            "mod" => Reply::ok("text/plain; charset=utf-8", built.go_mod.clone()),
            "zip" => Reply::ok("application/zip", built.zip.clone()),
            _ => absent(),
        }
    }

    fn of(&self, escaped: &str) -> impl Iterator<Item = &BuiltModule> {
        let wanted = escaped.trim_start_matches('/').to_owned();
        self.versions.iter().filter(move |built| escape(&built.path) == wanted)
    }
}

/// Orders the plain versions that the lab uses.
fn order(version: &str) -> Vec<u64> {
    let core = version.trim_start_matches('v').split(['-', '+']).next().unwrap_or("");
    core.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}
