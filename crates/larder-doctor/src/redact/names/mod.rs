//! New names for private ones: modules, hosts, addresses, users, folders; each always the same.
//!
//! What is known to everybody stays, because a report without it helps nobody. What is known to everybody is a short list
//! ([`PUBLIC_HOSTS`]) less the user's own patterns; what is on neither side is private.

mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use larder_module::defaults;
use larder_module::pattern::match_prefix_patterns;

use crate::Facts;

use known::{COMMON_USERS, FILE_ENDS, HOST_ENDS, LOGIN_WANTED, PUBLIC_HOSTS, USER_VARIABLES};

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Kind {
    Host,
    Module,
    Package,
    Address,
    User,
    Folder,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Module => "module",
            Self::Package => "package",
            Self::Address => "address",
            Self::User => "user",
            Self::Folder => "folder",
        }
    }
}

/// What is private here, and the names that were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Patterns as in `GOPRIVATE`.
    private: String,
    /// Paths of modules, the longest first.
    modules: Vec<String>,
    users: BTreeSet<String>,
    hosts: BTreeSet<String>,
    /// Folders of the project, the longest first.
    folders: Vec<String>,
    given: BTreeMap<(Kind, String), usize>,
    counts: BTreeMap<Kind, usize>,
}

impl Names {
    /// Learns what is private from the facts and the environment.
    pub(super) fn of(facts: &Facts, environment: &BTreeMap<String, String>) -> Self {
        let mut names = Self::default();
        let mut private: Vec<String> = Vec::new();
        if let Some(settings) = &facts.settings {
            for name in ["GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE"] {
                private.extend(settings.value(name).split(',').map(|pattern| pattern.trim().to_owned()));
            }
            for setting in &settings.go {
                names.learn_hosts(&setting.value);
            }
            for (_, value) in &settings.network.proxy_variables {
                names.learn_hosts(value);
            }
            names.hosts.extend(settings.network.hosts.iter().map(|(name, _)| name.to_lowercase()));
        }
        if let Some(project) = &facts.project {
            // Who builds this owns what lies beside it.
            private.extend(project.module.as_deref().map(owner));
            let files = project.go_mod.iter().chain(&project.go_work);
            names
                .folders
                .extend(files.filter_map(|file| file.rsplit_once('/')).map(|(folder, _)| folder.to_owned()));
            names.modules.extend(project.module.iter().cloned());
            names.modules.extend(project.requires.iter().map(|(module, _, _)| module.clone()));
        }
        names.modules.extend(facts.subject.iter().map(|subject| subject.module.clone()));
        names.modules.extend(facts.symptoms.iter().filter_map(|symptom| symptom.module.clone()));
        for symptom in &facts.symptoms {
            names.learn_hosts(symptom.url.as_deref().unwrap_or_default());
        }
        // What git asks a login for is somebody's own, wherever it lies.
        let wants_login = |symptom: &&crate::Symptom| LOGIN_WANTED.iter().any(|words| symptom.says(words));
        let wanting =
            facts.symptoms.iter().filter(wants_login).filter_map(|symptom| symptom.module.as_deref());
        private.extend(wanting.map(owner));
        if let Some(probes) = &facts.probes {
            names.hosts.extend(probes.hosts.iter().map(|host| host.host.to_lowercase()));
        }
        names.learn_people(environment);
        private.retain(|pattern| !pattern.is_empty() && pattern != "*" && pattern != "none");
        names.private = private.join(",");
        names.modules.retain(|module| module.contains('.'));
        for list in [&mut names.modules, &mut names.folders] {
            list.sort_by_key(|text| (std::cmp::Reverse(text.len()), text.clone()));
            list.dedup();
        }
        names.folders.retain(|folder| folder.matches('/').count() > 1);
        names.hosts.retain(|host| {
            !host.is_empty() && host != "direct" && host != "off" && host.parse::<IpAddr>().is_err()
        });
        names
    }

    fn learn_hosts(&mut self, value: &str) {
        for word in value.split([',', '|', ' ']) {
            if let Some((_, rest)) = word.split_once("://") {
                let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                let host = host.split(':').next().unwrap_or_default().to_lowercase();
                self.hosts.insert(host);
            }
        }
    }

    fn learn_people(&mut self, environment: &BTreeMap<String, String>) {
        let named = USER_VARIABLES.iter().filter_map(|name| environment.get(*name).cloned());
        let at_home = environment.get("HOME").and_then(|home| Some(home.rsplit_once('/')?.1.to_owned()));
        self.users.extend(
            named.chain(at_home).filter(|user| user.len() > 1 && !COMMON_USERS.contains(&user.as_str())),
        );
        self.hosts.extend(environment.get("HOSTNAME").map(|name| name.to_lowercase()));
    }

    /// Returns a text with new names.
    pub(super) fn rename(&mut self, text: &str) -> String {
        let mut text = text.replace("%21", "!");
        for folder in self.folders.clone() {
            if text.contains(&folder) {
                text = self.without_folder(&text, &folder);
            }
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            // `%2F` and the like part words, too.
            let word = rest[..word].find('%').unwrap_or(word);
            if word > 0 {
                let renamed = self.word(&rest[..word]);
                out.push_str(&renamed);
                rest = &rest[word..];
                continue;
            }
            let is_escape = rest.len() > 2 && rest.starts_with('%') && rest.is_char_boundary(3);
            let skip = if is_escape && rest.as_bytes()[1..3].iter().all(u8::is_ascii_hexdigit) {
                3
            } else {
                rest.chars().next().map_or(1, char::len_utf8)
            };
            out.push_str(&rest[..skip]);
            rest = &rest[skip..];
        }
        out
    }

    fn without_folder(&mut self, text: &str, folder: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(folder) {
            let after = &rest[at + folder.len()..];
            let whole = !after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-'));
            out.push_str(&rest[..at]);
            if whole {
                out.push('/');
                out.push_str(&self.give(Kind::Folder, folder));
            } else {
                out.push_str(folder);
            }
            rest = after;
        }
        out + rest
    }

    fn give(&mut self, kind: Kind, old: &str) -> String {
        let count = self.counts.entry(kind).or_default();
        let number = *self.given.entry((kind, old.to_owned())).or_insert_with(|| {
            *count += 1;
            *count
        });
        format!("{}-{number}", kind.word())
    }

    fn word(&mut self, word: &str) -> String {
        let tail = word.trim_end_matches(['.', ':', '-', '!', '/']);
        let (word, after) = (tail, &word[tail.len()..]);
        let head = word.trim_start_matches(['.', ':', '-', '!', '@']);
        let (before, word) = (&word[..word.len() - head.len()], head);
        format!("{before}{}{after}", self.bare(word))
    }

    fn bare(&mut self, word: &str) -> String {
        if let Some((scheme, rest)) = word.split_once("://") {
            return format!("{scheme}://{}", self.after_scheme(rest));
        }
        if let Some(address) = self.address(word) {
            return address;
        }
        if self.users.contains(word) {
            return self.give(Kind::User, word);
        }
        if word.contains('\\') {
            return self.windows_path(word);
        }
        match word.split_once('@') {
            Some((user, host))
                if !user.contains('/') && is_host(host.split([':', '/']).next().unwrap_or_default()) =>
            {
                self.at_host(user, host)
            }
            _ if word.contains('/') => self.path(word),
            Some((module, version)) => format!("{}@{version}", self.lone(module)),
            None => self.lone(word),
        }
    }

    /// `git@host:path`, `somebody@host`
    fn at_host(&mut self, user: &str, rest: &str) -> String {
        let user = if COMMON_USERS.contains(&user) { user.to_owned() } else { self.give(Kind::User, user) };
        match rest.split_once(':') {
            Some((host, path)) if !path.bytes().all(|byte| byte.is_ascii_digit()) => {
                let module = format!("{host}/{}", path.trim_end_matches(".git"));
                if self.is_private(&module) {
                    let (host, module) = (self.host(host), self.module(&module));
                    return format!("{user}@{host}:{module}");
                }
                format!("{user}@{rest}")
            }
            _ => format!("{user}@{}", self.after_scheme(rest)),
        }
    }

    /// What follows `scheme://`.
    fn after_scheme(&mut self, rest: &str) -> String {
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) if COMMON_USERS.contains(&user) => (format!("{user}@"), host),
            Some((user, host)) => (format!("{}@", self.give(Kind::User, user)), host),
            None => (String::new(), authority),
        };
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (name, format!(":{port}"))
            }
            _ => (host, String::new()),
        };
        // The repository of a private module is on its host's path.
        let repository = format!("{name}{}", path.trim_end_matches(".git"));
        let renamed = self.host(name);
        let has_module = path.split('/').any(is_host);
        let path = if path.len() > 1 && !has_module && self.is_private(&repository) && self.knows(&repository)
        {
            format!("/{}", self.module(&repository))
        } else {
            self.path(path)
        };
        format!("{user}{renamed}{port}{path}")
    }

    fn knows(&self, repository: &str) -> bool {
        self.modules.iter().any(|module| module.starts_with(repository) || has_prefix(repository, module))
            || self.matches(repository)
    }

    fn lone(&mut self, word: &str) -> String {
        let (name, port) = match word.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (name, Some(port))
            }
            _ => (word, None),
        };
        let lower = name.to_lowercase();
        let is_file =
            name.rsplit_once('.').is_some_and(|(_, end)| FILE_ENDS.contains(&end)) && port.is_none();
        let known = self.hosts.contains(&lower);
        if !known && (is_file || !is_host(name) || !(port.is_some() || is_surely_host(name))) {
            return word.to_owned();
        }
        // A file and a line look like a host and a port.
        if !known && name.rsplit_once('.').is_some_and(|(_, end)| FILE_ENDS.contains(&end)) {
            return word.to_owned();
        }
        let name = self.host(name);
        port.map_or_else(|| name.clone(), |port| format!("{name}:{port}"))
    }

    fn host(&mut self, host: &str) -> String {
        if let Some(address) = self.address(host) {
            return address;
        }
        let name = host.trim_end_matches('.').to_lowercase();
        if name.is_empty()
            || self.is_public(&name)
            || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        {
            return host.to_owned();
        }
        self.give(Kind::Host, &name)
    }

    fn is_public(&self, host: &str) -> bool {
        let in_go = [defaults::GOPROXY, defaults::GOSUMDB, defaults::GOSUMDB_ALIAS]
            .iter()
            .any(|default| default.trim_start_matches("https://").split(',').next() == Some(host));
        let listed =
            PUBLIC_HOSTS.iter().any(|public| host == *public || host.ends_with(&format!(".{public}")));
        (in_go || listed) && !self.matches(host)
    }

    fn matches(&self, path: &str) -> bool {
        match_prefix_patterns(&self.private, path)
    }

    fn is_private(&self, path: &str) -> bool {
        self.matches(path) || !self.is_public(&path.split('/').next().unwrap_or_default().to_lowercase())
    }

    fn address(&mut self, word: &str) -> Option<String> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (text, after) = match word.parse::<IpAddr>() {
            Ok(_) => (word, String::new()),
            Err(_) => {
                let (text, mark) = word
                    .rsplit_once(':')
                    .map(|(text, _)| (text, ':'))
                    .or_else(|| word.split_once('/').map(|(text, _)| (text, '/')))?;
                let rest = &word[text.len() + 1..];
                let end = if digits(rest) || mark == '/' { format!("{mark}{rest}") } else { return None };
                (text, end)
            }
        };
        let address: IpAddr = text.parse().ok()?;
        if address.is_loopback() || address.is_unspecified() {
            return Some(word.to_owned());
        }
        Some(format!("{}{after}", self.give(Kind::Address, &address.to_string())))
    }

    fn windows_path(&mut self, word: &str) -> String {
        let mut parts: Vec<String> = word.split('\\').map(str::to_owned).collect();
        if let Some(at) = parts.iter().position(|part| part.eq_ignore_ascii_case("users"))
            && let Some(user) = parts.get(at + 1).cloned()
        {
            parts[at + 1] = self.give(Kind::User, &user);
        }
        parts.join("\\")
    }

    /// A path: the user of `/home/USER`, and the module that begins with a host somewhere in it.
    fn path(&mut self, path: &str) -> String {
        let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        if let [first, home, user, ..] = parts.as_slice()
            && first.is_empty()
            && matches!(home.as_str(), "home" | "Users")
            && user != "root"
            && !user.is_empty()
        {
            parts[2] = self.give(Kind::User, &user.clone());
        }
        for part in &mut parts {
            if self.users.contains(part.as_str()) {
                *part = self.give(Kind::User, &part.clone());
            }
        }
        let last = parts.len() - 1;
        let begins = |at: usize, part: &str| {
            let name = part.split(['@', ':']).next().unwrap_or_default();
            let file = name.rsplit_once('.').is_some_and(|(_, end)| FILE_ENDS.contains(&end));
            is_host(name) && !(file && at == last)
        };
        // The path of a checksum database holds two hosts: its own and that of the module.
        let starts: Vec<usize> = (0..parts.len()).filter(|at| begins(*at, &parts[*at])).collect();
        let Some((start, plain, version_text, after)) = starts.into_iter().find_map(|start| {
            let (plain, version, after) = module_at(&parts, start);
            self.is_private(&plain).then_some((start, plain, version, after))
        }) else {
            return parts.join("/");
        };
        let renamed = if plain.contains('/') { self.module(&plain) } else { self.lone_in_path(&plain) };
        let head = parts[..start].join("/");
        let head = if start > 0 { format!("{head}/") } else { head };
        let tail = if after.is_empty() { String::new() } else { format!("/{}", after.join("/")) };
        format!("{head}{renamed}{version_text}{tail}")
    }

    fn lone_in_path(&mut self, name: &str) -> String {
        match name.split_once(':') {
            Some((host, port)) => format!("{}:{port}", self.host(host)),
            None => self.host(name),
        }
    }

    /// The module that a path belongs to gets a name, and what is below it another.
    fn module(&mut self, path: &str) -> String {
        let (path, host_port) = match path.split_once(':') {
            Some((path, rest)) => (path, format!(":{rest}")),
            None => (path, String::new()),
        };
        let known = self.modules.iter().find(|module| has_prefix(path, module)).cloned();
        let name = match known {
            Some(module) if module.len() < path.len() => {
                let below = path[module.len() + 1..].to_owned();
                format!("{}/{}", self.give(Kind::Module, &module), self.give(Kind::Package, &below))
            }
            Some(module) => self.give(Kind::Module, &module),
            None => self.give(Kind::Module, path),
        };
        name + &host_port
    }
}

/// Reads the module that begins at a part of a path: its plain name, `@version` if that hangs on it, and what follows.
fn module_at(parts: &[String], start: usize) -> (String, &str, Vec<&str>) {
    let version =
        parts[start..].iter().position(|part| part.contains('@')).map_or(parts.len(), |at| start + at);
    let mut module: Vec<&str> = parts[start..version].iter().map(String::as_str).collect();
    let mut after: Vec<&str> = parts[version..].iter().map(String::as_str).collect();
    let mut version_text = "";
    if let Some(part) = after.first().copied()
        && !part.starts_with('@')
        && let Some((name, _)) = part.split_once('@')
    {
        module.push(name);
        version_text = &part[name.len()..];
        after.remove(0);
    }
    (unescaped(&module.join("/")), version_text, after)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '.' | '_' | '~' | '!' | '/' | '%' | '+' | '-' | ':' | '@' | '\\' | '$' | '^')
}

/// Returns the part of a path that its owner has: two elements on a shared host, else the host.
fn owner(module: &str) -> String {
    let mut parts = module.split('/');
    let host = parts.next().unwrap_or_default();
    match parts.next() {
        Some(second) if PUBLIC_HOSTS.contains(&host) => format!("{host}/{second}"),
        _ => host.to_owned(),
    }
}

fn has_prefix(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Reports whether a text has the form of a host's name with a dot.
fn is_host(text: &str) -> bool {
    let Some((_, end)) = text.rsplit_once('.') else { return false };
    end.len() >= 2
        && end.bytes().all(|byte| byte.is_ascii_alphabetic())
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

/// Reports whether a name is a host's even where it stands alone: `errors.New` is none.
fn is_surely_host(text: &str) -> bool {
    let Some((_, end)) = text.rsplit_once('.') else { return false };
    let lower = text.bytes().all(|byte| !byte.is_ascii_uppercase());
    lower && (end.len() == 2 || HOST_ENDS.contains(&end) || text.matches('.').count() > 1)
}

/// `!x` stands for `X` in URLs and in the module cache.
fn unescaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match c {
            '!' => out.extend(chars.next().map(|c| c.to_ascii_uppercase())),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
