//! From files, environment, flags and Go's own settings to one configuration whose every value knows its origin.

mod environment;
mod file;
mod goenv;
mod origin;
mod problem;
mod self_reference;
pub(crate) mod settings;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use larder_module::goproxy::{Entry, ProxyList};
use larder_module::pattern::Patterns;

pub(crate) use environment::Environment;
pub(crate) use file::{CredentialEntry, Proof, RepositoryEntry, SecretSource};
use file::{FileLayer, RouteEntry};
pub(crate) use goenv::GoEnvironment;
pub(crate) use origin::Origin;
pub(crate) use problem::Problem;

/// A value as it is written, and who wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// One route after inheritance.
#[derive(Clone, Debug)]
pub(crate) struct RouteSetting {
    /// Patterns as `GOPRIVATE` writes them.
    pub(crate) patterns: String,
    pub(crate) chain: String,
    pub(crate) private: bool,
    pub(crate) verify: String,
    pub(crate) prefetch: String,
    pub(crate) origin: Origin,
}

/// The effective configuration.
#[derive(Debug)]
pub(crate) struct Config {
    values: BTreeMap<&'static str, Value>,
    /// The routes in the order in which they are tried; the last one matches everything.
    pub(crate) routes: Vec<RouteSetting>,
    pub(crate) credentials: Vec<CredentialEntry>,
    pub(crate) repositories: Vec<RepositoryEntry>,
    /// Go's settings that have no setting of Larder's own beside them.
    pub(crate) go: Vec<(&'static str, Value)>,
    /// What a start says about inheritance.
    pub(crate) notices: Vec<String>,
}

/// What the command line says about settings: key, value, name of the flag.
pub(crate) type Flags = Vec<(&'static str, String, &'static str)>;

impl Config {
    /// Builds the configuration, or reports every mistake at once.
    pub(crate) fn resolve(
        environment: &Environment,
        config_flag: Option<PathBuf>,
        flags: Flags,
    ) -> Result<Self, Vec<Problem>> {
        Self::resolve_over(environment, config_flag, flags, Vec::new())
    }

    /// Does the same for a command with other defaults than the table's.
    pub(crate) fn resolve_over(
        environment: &Environment,
        config_flag: Option<PathBuf>,
        flags: Flags,
        other_defaults: Vec<(&'static str, String)>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let layer = read_file(environment, config_flag, &mut problems);
        let FileLayer { values: file_values, routes, credentials, repositories } = layer;
        let mut values = defaults(environment);
        let other_defaults =
            other_defaults.into_iter().map(|(key, text)| (key, Value { text, origin: Origin::Default }));
        values.extend(other_defaults);
        let written = file_values.into_iter().map(|(key, text, origin)| (key, Value { text, origin }));
        values.extend(written);
        values.extend(environment_layer(environment, &mut problems));
        values.extend(flag_layer(flags, &mut problems));
        let mut config = Self {
            values,
            routes: Vec::new(),
            credentials,
            repositories,
            go: Vec::new(),
            notices: Vec::new(),
        };
        let go = GoEnvironment::read(environment);
        config.inherit(&go, routes, &mut problems);
        config.check_together(&mut problems);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// Returns every scalar setting with its origin, in the order of the table.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&'static settings::Setting, &Value)> {
        settings::SETTINGS.iter().filter_map(|setting| Some((setting, self.values.get(setting.key)?)))
    }

    /// Returns the text of a setting; every key of the table has one.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", |value| value.text.as_str())
    }

    pub(crate) fn listen(&self) -> SocketAddr {
        settings::address(self.text("listen")).unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 3000)))
    }

    pub(crate) fn duration(&self, key: &str) -> Duration {
        settings::duration(self.text(key)).unwrap_or_default()
    }

    pub(crate) fn size(&self, key: &str) -> u64 {
        settings::size(self.text(key)).unwrap_or_default()
    }

    pub(crate) fn count(&self, key: &str) -> usize {
        settings::count(self.text(key)).unwrap_or_default()
    }

    pub(crate) fn switch(&self, key: &str) -> bool {
        settings::switch(self.text(key)).unwrap_or_default()
    }

    pub(crate) fn list(&self, key: &str) -> Vec<String> {
        settings::list(self.text(key))
    }

    pub(crate) fn path(&self, key: &str) -> Option<PathBuf> {
        settings::path(self.text(key))
    }

    /// Returns one of Go's settings, empty when nothing sets it.
    pub(crate) fn go_setting(&self, name: &str) -> &str {
        self.go.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.text.as_str())
    }

    /// Returns the patterns of all private routes.
    pub(crate) fn private_patterns(&self) -> String {
        let private = self.routes.iter().filter(|route| route.private).map(|route| route.patterns.as_str());
        private.collect::<Vec<_>>().join(",")
    }

    /// Returns what `GONOSUMDB` on a client has to name: private modules, and what is not looked up by setting.
    pub(crate) fn unlisted_patterns(&self) -> String {
        let mut patterns = settings::list(&self.private_patterns());
        patterns.extend(self.list("gonosumdb"));
        let mut seen = std::collections::HashSet::new();
        patterns.retain(|pattern| pattern != "none" && seen.insert(pattern.clone()));
        patterns.join(",")
    }

    fn set(&mut self, key: &'static str, text: String, origin: Origin) {
        self.values.insert(key, Value { text, origin });
    }

    fn inherit(&mut self, go: &GoEnvironment, file_routes: Vec<RouteEntry>, problems: &mut Vec<Problem>) {
        self.inherit_chain(go, problems);
        for (key, name) in [("gosumdb", "GOSUMDB"), ("gonosumdb", "GONOSUMDB")] {
            if self.text(key).is_empty() {
                let setting = if name == "GONOSUMDB" { go.or_private(name) } else { go.setting(name) };
                self.set(key, setting.value, setting.origin);
            }
        }
        for name in ["GOPRIVATE", "GONOPROXY", "GOINSECURE", "GOVCS", "GOAUTH", "NETRC"] {
            let setting = if name == "GONOPROXY" { go.or_private(name) } else { go.setting(name) };
            self.go.push((name, Value { text: setting.value, origin: setting.origin }));
        }
        let auth = self.go_setting("GOAUTH");
        if !matches!(auth, "" | "off" | "netrc") {
            self.notices
                .push("GOAUTH names a command that Larder doesn't run: netrc is used instead".to_owned());
        }
        self.build_routes(go, file_routes, problems);
    }

    /// Takes over the go command's chain, without entries that are this server itself.
    fn inherit_chain(&mut self, go: &GoEnvironment, problems: &mut Vec<Problem>) {
        let listen = self.listen();
        if !self.text("goproxy").is_empty() {
            let value = self.values.get("goproxy").cloned();
            if let Some(Value { text, origin }) = value {
                check_chain("goproxy", &text, &origin, listen, problems);
            }
            return;
        }
        for layer in go.layers("GOPROXY") {
            let (kept, removed) = self_reference::remove(&layer.value, listen);
            for entry in &removed {
                let notice =
                    format!("left out {entry} of GOPROXY ({}): it is this server itself", layer.origin);
                self.notices.push(notice);
            }
            match ProxyList::parse(&kept) {
                Ok(list)
                    if removed.is_empty()
                        || list.entries().iter().any(|entry| matches!(entry.entry, Entry::Url(_))) =>
                {
                    return self.set("goproxy", kept, layer.origin);
                }
                Ok(_) => {}
                Err(error) if removed.is_empty() => {
                    problems.push(Problem::new("GOPROXY", layer.origin, error.to_string()));
                    return;
                }
                Err(_) => {}
            }
        }
    }

    fn build_routes(
        &mut self,
        go: &GoEnvironment,
        file_routes: Vec<RouteEntry>,
        problems: &mut Vec<Problem>,
    ) {
        let listen = self.listen();
        let named: Vec<String> = file_routes.iter().flat_map(|route| route.patterns.clone()).collect();
        let default_verify = self.text("verify").to_owned();
        let default_prefetch = self.text("prefetch.mode").to_owned();
        let default_chain = self.text("goproxy").to_owned();
        let no_proxy = go.or_private("GONOPROXY");
        let private = go.setting("GOPRIVATE");
        for (setting, chain) in [(&no_proxy, "direct"), (&private, default_chain.as_str())] {
            let already: Vec<String> =
                self.routes.iter().flat_map(|route| settings::list(&route.patterns)).collect();
            let fresh = |pattern: &String| {
                pattern != "none" && !named.contains(pattern) && !already.contains(pattern)
            };
            // Go doesn't trim the blanks of these lists, so `a, b` never matches b there; here neither.
            let own: Vec<String> =
                setting.value.split(',').filter(|p| !p.is_empty()).map(str::to_owned).filter(fresh).collect();
            if !own.is_empty() {
                self.routes.push(RouteSetting {
                    patterns: own.join(","),
                    chain: chain.to_owned(),
                    private: true,
                    verify: default_verify.clone(),
                    prefetch: default_prefetch.clone(),
                    origin: setting.origin.clone(),
                });
            }
        }
        for route in file_routes {
            let chain = route.chain.unwrap_or_else(|| default_chain.clone());
            check_chain("route.chain", &chain, &route.origin, listen, problems);
            self.routes.push(RouteSetting {
                patterns: route.patterns.join(","),
                chain,
                private: route.private,
                verify: route.verify.unwrap_or_else(|| default_verify.clone()),
                prefetch: route.prefetch.unwrap_or_else(|| default_prefetch.clone()),
                origin: route.origin,
            });
        }
        let origin = self.values.get("goproxy").map_or(Origin::Default, |value| value.origin.clone());
        let (patterns, chain, verify) = ("*".to_owned(), default_chain, default_verify);
        let prefetch = default_prefetch;
        self.routes.push(RouteSetting { patterns, chain, private: false, verify, prefetch, origin });
    }

    /// Finds values that are wrong only beside each other.
    fn check_together(&self, problems: &mut Vec<Problem>) {
        let (one, other) = ("tls.certificate", "tls.key");
        if self.text(one).is_empty() != self.text(other).is_empty() {
            let (set, missing) = if self.text(one).is_empty() { (other, one) } else { (one, other) };
            problems.push(Problem::new(set, self.origin(set), format!("needs {missing} beside it")));
        }
        if self.text("data").is_empty() {
            let what = "has no default because HOME is not set: name a folder with --data or LARDER_DATA";
            problems.push(Problem::new("data", Origin::Default, what));
        }
        let base = self.text("base_path");
        let fine = base.is_empty()
            || (base.starts_with('/')
                && !base.ends_with('/')
                && !base.contains("//")
                && base.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b)));
        if !fine {
            problems.push(Problem::new(
                "base_path",
                self.origin("base_path"),
                "must start with a slash and not end with one, such as /go",
            ));
        }
        for key in ["answers.fresh", "answers.negative"] {
            if self.duration(key) > Duration::from_secs(3600) {
                problems.push(Problem::new(key, self.origin(key), "must be at most 1h"));
            }
        }
        for key in ["private_clients", "trusted_proxies"] {
            for network in self.list(key) {
                if parse_network(&network).is_none() {
                    let what =
                        format!("{network:?} is not a network: write 10.0.0.0/8, 192.0.2.7 or fd00::/8");
                    problems.push(Problem::new(key, self.origin(key), what));
                }
            }
        }
        for credential in &self.credentials {
            let fine = url::Url::parse(&credential.url).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https")
                    && url.username().is_empty()
                    && url.password().is_none()
            });
            if !fine {
                let what = "must be http:// or https:// with a host and no user in it";
                problems.push(Problem::new("credential.url", credential.origin.clone(), what));
            }
        }
        for route in &self.routes {
            if Patterns::parse(&route.patterns).is_empty() {
                problems.push(Problem::new("route.match", route.origin.clone(), "names no pattern"));
            }
        }
    }

    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.values.get(key).map_or(Origin::Default, |value| value.origin.clone())
    }
}

/// Parses `10.0.0.0/8`, `::1/128` or a single address.
pub(crate) fn parse_network(text: &str) -> Option<(std::net::IpAddr, u8)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: std::net::IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Ok(most), str::parse).ok().filter(|bits| *bits <= most)?;
    Some((address, bits))
}

fn check_chain(key: &str, text: &str, origin: &Origin, listen: SocketAddr, problems: &mut Vec<Problem>) {
    if let Err(error) = ProxyList::parse(text) {
        problems.push(Problem::new(key, origin.clone(), error.to_string()));
        return;
    }
    for entry in self_reference::remove(text, listen).1 {
        let what = format!("{entry} is this server itself: name another upstream or listen elsewhere");
        problems.push(Problem::new(key, origin.clone(), what));
    }
}

fn read_file(environment: &Environment, flag: Option<PathBuf>, problems: &mut Vec<Problem>) -> FileLayer {
    let (path, origin) = match (flag, environment.non_empty("LARDER_CONFIG")) {
        (Some(path), _) => (path, Origin::Flag("config")),
        (None, Some(path)) => (PathBuf::from(path), Origin::Environment("LARDER_CONFIG".to_owned())),
        (None, None) => return FileLayer::default(),
    };
    match fs_err::read_to_string(&path) {
        Ok(text) => {
            let (layer, wrong) = file::read(&path, &text);
            problems.extend(wrong);
            layer
        }
        Err(error) => {
            problems.push(Problem::new("", origin, error.to_string()));
            FileLayer::default()
        }
    }
}

fn defaults(environment: &Environment) -> BTreeMap<&'static str, Value> {
    let data = environment
        .non_empty("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(environment.home()?.join(".local/share")))
        .map(|folder| folder.join("larder").to_string_lossy().into_owned());
    settings::SETTINGS
        .iter()
        .map(|setting| {
            let text = if setting.key == "data" {
                data.clone().unwrap_or_default()
            } else {
                setting.default.to_owned()
            };
            (setting.key, Value { text, origin: Origin::Default })
        })
        .collect()
}

/// Variables that start with `LARDER_` and are not settings: the file's place, and switches of the test suite.
const OTHER_VARIABLES: &[&str] =
    &["LARDER_CONFIG", "LARDER_LIVE", "LARDER_LONG", "LARDER_FAIL_POINT", "LARDER_BIN"];

fn environment_layer(environment: &Environment, problems: &mut Vec<Problem>) -> Vec<(&'static str, Value)> {
    let known: Vec<(String, &settings::Setting)> =
        settings::SETTINGS.iter().map(|setting| (setting.variable(), setting)).collect();
    let mut layer = Vec::new();
    let ours = environment.iter().filter(|(name, value)| name.starts_with("LARDER_") && !value.is_empty());
    for (name, value) in ours.filter(|(name, _)| !OTHER_VARIABLES.contains(name)) {
        let origin = Origin::Environment(name.to_owned());
        match known.iter().find(|(variable, _)| variable == name) {
            Some((_, setting)) => match settings::check(setting.kind, value) {
                Ok(()) => layer.push((setting.key, Value { text: value.to_owned(), origin })),
                Err(what) => problems.push(Problem::new(setting.key, origin, what)),
            },
            None => {
                let names: Vec<&str> = known.iter().map(|(variable, _)| variable.as_str()).collect();
                let hint = problem::nearest(name, &names)
                    .map_or_else(String::new, |near| format!("; did you mean {near}?"));
                problems.push(Problem::new("", origin, format!("is not a setting{hint}")));
            }
        }
    }
    layer
}

fn flag_layer(flags: Flags, problems: &mut Vec<Problem>) -> Vec<(&'static str, Value)> {
    let mut layer = Vec::new();
    for (key, text, flag) in flags {
        let kind = settings::find(key).map_or(settings::Kind::Text, |setting| setting.kind);
        match settings::check(kind, &text) {
            Ok(()) => layer.push((key, Value { text, origin: Origin::Flag(flag) })),
            Err(what) => problems.push(Problem::new(key, Origin::Flag(flag), what)),
        }
    }
    layer
}

#[cfg(test)]
mod tests;
