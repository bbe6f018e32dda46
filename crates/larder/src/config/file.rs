//! `larder.toml`: every mistake with its line, all at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use larder_direct::RepositoryRule;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::origin::Origin;
use super::problem::{Problem, nearest};
use super::settings::{self, Kind};

/// What the file says, not yet judged against the other layers.
#[derive(Debug, Default)]
pub(crate) struct FileLayer {
    pub(crate) values: Vec<(&'static str, String, Origin)>,
    pub(crate) routes: Vec<RouteEntry>,
    pub(crate) credentials: Vec<CredentialEntry>,
    pub(crate) repositories: Vec<RepositoryEntry>,
}

/// The keys of a `[[route]]`.
const ROUTE_KEYS: [&str; 5] =
    ["route.match", "route.chain", "route.private", "route.verify", "route.prefetch"];

/// One `[[route]]`.
#[derive(Clone, Debug)]
pub(crate) struct RouteEntry {
    pub(crate) patterns: Vec<String>,
    pub(crate) chain: Option<String>,
    pub(crate) private: bool,
    pub(crate) verify: Option<String>,
    pub(crate) prefetch: Option<String>,
    pub(crate) origin: Origin,
}

/// One `[[repository]]`: which modules lie where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RepositoryEntry {
    pub(crate) patterns: Vec<String>,
    pub(crate) url: String,
    pub(crate) rules: Vec<RepositoryRule>,
    pub(crate) origin: Origin,
}

/// One `[[credential]]`: for whom, and with what.
#[derive(Clone, Debug)]
pub(crate) struct CredentialEntry {
    pub(crate) url: String,
    pub(crate) proof: Proof,
    pub(crate) origin: Origin,
}

/// How Larder shows an upstream who it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Proof {
    /// `Authorization: Basic`.
    Password { user: String, secret: SecretSource },
    /// `Authorization: Bearer`.
    Token(SecretSource),
    /// A TLS client certificate and its key, in PEM files.
    Certificate { chain: PathBuf, key: PathBuf },
}

/// Where a secret lies; it never stands in the file itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SecretSource {
    File(PathBuf),
    Environment(String),
}

/// Reads the text of a configuration file.
pub(crate) fn read(path: &Path, text: &str) -> (FileLayer, Vec<Problem>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { path, text, layer: FileLayer::default(), problems: Vec::new() };
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        reader.wrong(at, "", error.message().to_owned());
    }
    reader.table(table.get_ref(), "");
    // The table comes in the order of its names; a person reads from the top.
    reader.problems.sort_by_key(Problem::line);
    (reader.layer, reader.problems)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    layer: FileLayer,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn origin(&self, at: usize) -> Origin {
        let line = self.text[..at.min(self.text.len())].matches('\n').count() + 1;
        Origin::File { path: self.path.to_owned(), line }
    }

    fn wrong(&mut self, at: usize, key: &str, what: String) {
        let origin = self.origin(at);
        self.problems.push(Problem::new(key, origin, what));
    }

    fn table(&mut self, table: &DeTable<'_>, prefix: &str) {
        for (name, value) in table {
            let at = name.span().start;
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            match (key.as_str(), value.get_ref()) {
                ("route", DeValue::Array(items)) => items.iter().for_each(|item| self.route(item)),
                ("credential", DeValue::Array(items)) => items.iter().for_each(|item| self.credential(item)),
                ("repository", DeValue::Array(items)) => items.iter().for_each(|item| self.repository(item)),
                ("route" | "credential" | "repository", _) => {
                    self.wrong(at, &key, format!("is written as [[{key}]]"))
                }
                (_, DeValue::Table(inner)) if is_section(&key) => self.table(inner, &key),
                _ => self.scalar(&key, at, value),
            }
        }
    }

    fn scalar(&mut self, key: &str, at: usize, value: &Spanned<DeValue<'_>>) {
        let Some(setting) = settings::find(key) else {
            self.unknown(at, key, &known_keys());
            return;
        };
        let Some(text) = written(value.get_ref(), setting.kind) else {
            self.wrong(at, key, "has a value of the wrong type".to_owned());
            return;
        };
        match settings::check(setting.kind, &text) {
            Ok(()) => {
                let origin = self.origin(at);
                self.layer.values.push((setting.key, text, origin));
            }
            Err(what) => self.wrong(at, key, what),
        }
    }

    fn unknown(&mut self, at: usize, key: &str, known: &[&str]) {
        let hint = nearest(key, known).map_or_else(String::new, |near| format!("; did you mean {near}?"));
        self.wrong(at, key, format!("is not a setting{hint}"));
    }

    /// Returns a value of a route if it is one of those that the setting may have which holds where a route says nothing.
    fn as_in(&mut self, setting: &str, at: usize, key: &str, text: &str) -> Option<String> {
        let kind = settings::find(setting).map_or(Kind::Text, |setting| setting.kind);
        match settings::check(kind, text) {
            Ok(()) => Some(text.to_owned()),
            Err(what) => {
                self.wrong(at, key, what);
                None
            }
        }
    }

    fn route(&mut self, item: &Spanned<DeValue<'_>>) {
        let at = item.span().start;
        let DeValue::Table(table) = item.get_ref() else {
            return self.wrong(at, "route", "is written as [[route]]".to_owned());
        };
        let (mut patterns, mut chain, mut private) = (Vec::new(), None, false);
        let (mut verify, mut prefetch) = (None, None);
        for (name, value) in table {
            let (at, key) = (name.span().start, format!("route.{}", name.get_ref()));
            match (key.as_str(), value.get_ref()) {
                ("route.match", DeValue::Array(_) | DeValue::String(_)) => match strings(value.get_ref()) {
                    Some(list) => patterns = list,
                    None => self.wrong(at, &key, "must be an array of patterns".to_owned()),
                },
                ("route.chain", DeValue::String(text)) => chain = Some(text.to_string()),
                ("route.private", DeValue::Boolean(on)) => private = *on,
                ("route.verify", DeValue::String(text)) => verify = self.as_in("verify", at, &key, text),
                ("route.prefetch", DeValue::String(text)) => {
                    prefetch = self.as_in("prefetch.mode", at, &key, text);
                }
                (known, _) if ROUTE_KEYS.contains(&known) => {
                    self.wrong(at, &key, "has a value of the wrong type".to_owned());
                }
                _ => self.unknown(at, &key, &ROUTE_KEYS),
            }
        }
        if patterns.is_empty() {
            self.wrong(at, "route", "needs match = [\"pattern\", ...]".to_owned());
        }
        let origin = self.origin(at);
        self.layer.routes.push(RouteEntry { patterns, chain, private, verify, prefetch, origin });
    }

    fn repository(&mut self, item: &Spanned<DeValue<'_>>) {
        let at = item.span().start;
        let DeValue::Table(table) = item.get_ref() else {
            return self.wrong(at, "repository", "is written as [[repository]]".to_owned());
        };
        let (mut patterns, mut url) = (Vec::new(), None);
        for (name, value) in table {
            let (at, key) = (name.span().start, format!("repository.{}", name.get_ref()));
            match (key.as_str(), value.get_ref()) {
                ("repository.match", value) => match strings(value) {
                    Some(list) => patterns = list,
                    None => self.wrong(at, &key, "must be an array of patterns".to_owned()),
                },
                ("repository.url", DeValue::String(text)) => url = Some(text.to_string()),
                ("repository.url", _) => self.wrong(at, &key, "must be a text".to_owned()),
                _ => self.unknown(at, &key, &["repository.match", "repository.url"]),
            }
        }
        let Some(url) = url.filter(|_| !patterns.is_empty()) else {
            let what = "needs match = [\"pattern\", ...] and url = \"https://host/...\"";
            return self.wrong(at, "repository", what.to_owned());
        };
        if holds_password(&url) {
            let what = "holds a password: leave it out and add a [[credential]] for the host";
            return self.wrong(at, "repository.url", what.to_owned());
        }
        let mut rules = Vec::new();
        for pattern in &patterns {
            match RepositoryRule::parse(pattern, &url) {
                Ok(rule) => rules.push(rule),
                Err(error) => self.wrong(at, "repository", error.to_string()),
            }
        }
        let origin = self.origin(at);
        self.layer.repositories.push(RepositoryEntry { patterns, url, rules, origin });
    }

    fn credential(&mut self, item: &Spanned<DeValue<'_>>) {
        let at = item.span().start;
        let DeValue::Table(table) = item.get_ref() else {
            return self.wrong(at, "credential", "is written as [[credential]]".to_owned());
        };
        let mut texts = BTreeMap::new();
        for (name, value) in table {
            let (at, key) = (name.span().start, format!("credential.{}", name.get_ref()));
            match (CREDENTIAL_KEYS.iter().find(|known| **known == key), value.get_ref()) {
                (Some(known), DeValue::String(text)) => drop(texts.insert(*known, text.to_string())),
                (Some(_), _) => self.wrong(at, &key, "must be a text".to_owned()),
                (None, _) if matches!(key.as_str(), "credential.password" | "credential.token") => {
                    let what = "is not read from this file: name a file (..._file) or a variable (..._env) that has it";
                    self.wrong(at, &key, what.to_owned());
                }
                (None, _) => self.unknown(at, &key, CREDENTIAL_KEYS),
            }
        }
        let Some(url) = texts.remove("credential.url") else {
            return self.wrong(at, "credential", "needs url = \"https://host\"".to_owned());
        };
        match proof(&mut texts) {
            Some(proof) if texts.is_empty() => {
                let origin = self.origin(at);
                self.layer.credentials.push(CredentialEntry { url, proof, origin });
            }
            _ => {
                let what = "needs either user with password_file or password_env, or token_file or token_env, \
                            or certificate with key";
                self.wrong(at, "credential", what.to_owned());
            }
        }
    }
}

const CREDENTIAL_KEYS: &[&str] = &[
    "credential.url",
    "credential.user",
    "credential.password_file",
    "credential.password_env",
    "credential.token_file",
    "credential.token_env",
    "credential.certificate",
    "credential.key",
];

/// Takes the texts that make up one proof; what is left over belongs to another.
fn proof(texts: &mut BTreeMap<&str, String>) -> Option<Proof> {
    let mut secret = |file: &str, variable: &str| {
        let file = texts.remove(file).map(|path| SecretSource::File(PathBuf::from(path)));
        file.or_else(|| texts.remove(variable).map(SecretSource::Environment))
    };
    if let Some(secret) = secret("credential.password_file", "credential.password_env") {
        return Some(Proof::Password { user: texts.remove("credential.user")?, secret });
    }
    if let Some(secret) = secret("credential.token_file", "credential.token_env") {
        return Some(Proof::Token(secret));
    }
    let chain = PathBuf::from(texts.remove("credential.certificate")?);
    Some(Proof::Certificate { chain, key: PathBuf::from(texts.remove("credential.key")?) })
}

/// Reports whether the part of a URL before its host holds more than a name.
fn holds_password(url: &str) -> bool {
    let authority = url.split_once("://").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

fn is_section(key: &str) -> bool {
    settings::SETTINGS
        .iter()
        .any(|setting| setting.key.split_once('.').is_some_and(|(section, _)| section == key))
}

fn known_keys() -> Vec<&'static str> {
    settings::SETTINGS
        .iter()
        .map(|setting| setting.key)
        .chain(["route", "credential", "repository"])
        .collect()
}

/// Returns the text that stands for a value of this kind, or nothing when its type is wrong.
fn written(value: &DeValue<'_>, kind: Kind) -> Option<String> {
    match (kind, value) {
        (Kind::Switch, DeValue::Boolean(on)) => Some(on.to_string()),
        (Kind::Count | Kind::Size, DeValue::Integer(number)) if number.radix() == 10 => {
            Some(number.as_str().replace('_', ""))
        }
        (Kind::Address, DeValue::Integer(number)) => Some(number.as_str().to_owned()),
        (Kind::List, DeValue::Array(_)) => strings(value).map(|list| list.join(",")),
        (Kind::Switch | Kind::Count, _) => None,
        (_, DeValue::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

fn strings(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::String(text) => Some(settings::list(text)),
        DeValue::Array(items) => items
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        read(Path::new("larder.toml"), text).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_is_reported_with_its_line() {
        let text = "listen = \"nowhere\"\nlistn = 1\n[limits]\nconnect = \"10\"\nzip = true\n[[route]]\nchain = \"off\"\nmtach = []\n";
        assert_eq!(
            problems(text),
            [
                "larder.toml:1: listen: must be an IP address and a port, such as 127.0.0.1:3000 or [::1]:3000",
                "larder.toml:2: listn: is not a setting; did you mean listen?",
                "larder.toml:4: limits.connect: must be a number with a unit: 500ms, 30s, 2m, 1h or 30d",
                "larder.toml:5: limits.zip: has a value of the wrong type",
                "larder.toml:6: route: needs match = [\"pattern\", ...]",
                "larder.toml:8: route.mtach: is not a setting; did you mean route.match?",
            ]
        );
    }

    #[test]
    fn syntax_errors_have_a_line_too() {
        let found = problems("listen = \"127.0.0.1:1\"\ndata = \n");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("larder.toml:2: "), "{found:?}");
    }

    #[test]
    fn routes_and_credentials_are_read_in_order() {
        let text = "[[route]]\nmatch = [\"corp.example.com\"]\nchain = \"off\"\nprivate = true\n\
                    [[route]]\nmatch = \"*\"\nverify = \"off\"\nprefetch = \"mods\"\n\
                    [[credential]]\nurl = \"https://proxy.example.com\"\nuser = \"ci\"\npassword_env = \"CI_TOKEN\"\n";
        let (layer, wrong) = read(Path::new("larder.toml"), text);
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(layer.routes.len(), 2);
        assert!(layer.routes[0].private);
        assert_eq!(layer.routes[1].verify.as_deref(), Some("off"));
        assert_eq!(layer.routes[1].prefetch.as_deref(), Some("mods"));
        let secret = SecretSource::Environment("CI_TOKEN".to_owned());
        assert_eq!(layer.credentials[0].proof, Proof::Password { user: "ci".to_owned(), secret });
    }

    #[test]
    fn repositories_are_read_in_order_and_hold_no_password() {
        let text = "[[repository]]\nmatch = [\"git.corp.example/*/*\"]\nurl = \"ssh://git@git.corp.example/{1}/{2}.git\"\n\
                    [[repository]]\nmatch = \"forge.corp.example/a\"\nurl = \"ssh://git@forge.corp.example/a.git\"\n";
        let (layer, wrong) = read(Path::new("larder.toml"), text);
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(layer.repositories.len(), 2);
        assert_eq!(layer.repositories[1].patterns, ["forge.corp.example/a"]);
        let found = problems(
            "[[repository]]\nmatch = [\"a\"]\nurl = \"https://u:hunter2@a.example.com\"\n[[repository]]\nurl = 1\n\
             [[repository]]\nmatch = \"a.example.com/*\"\nurl = \"https://a.example.com\"\n",
        );
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].contains("[[credential]]") && found[3].contains("{path}"), "{found:?}");
        assert!(!found.concat().contains("hunter2"), "{found:?}");
    }

    #[test]
    fn a_password_in_the_file_is_refused_and_not_repeated() {
        let found = problems("[[credential]]\nurl = \"https://a.example.com\"\npassword = \"hunter2\"\n");
        assert!(found.iter().any(|line| line.contains("password_file")), "{found:?}");
        assert!(!found.iter().any(|line| line.contains("hunter2")), "{found:?}");
    }
}
