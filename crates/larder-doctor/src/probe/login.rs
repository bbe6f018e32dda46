//! The login that the go command would send: netrc's, else that of the URL, and only over https.

use base64::Engine;
use hyper::header::HeaderValue;
use larder_upstream::Credentials;
use url::Url;

use super::NetrcProbe;
use crate::settings::{SettingFacts, netrc};
use crate::{GoVersion, System};

/// Who the go command is, to whom.
#[derive(Debug, Default)]
pub(super) struct Logins {
    credentials: Credentials,
    /// What there is to know about the netrc file; nothing secret.
    pub(super) netrc: Option<NetrcProbe>,
}

impl Logins {
    /// Reads the netrc file that the go command would read.
    pub(super) fn of(system: &System, settings: &SettingFacts) -> Self {
        let helpers = settings.value("GOAUTH");
        if helpers == "off" {
            return Self::default();
        }
        let Some(path) = netrc::path(system) else { return Self::default() };
        let Ok(text) = fs_err::read_to_string(system.path(&path)) else { return Self::default() };
        let mut machines = Vec::new();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            if word == "machine" {
                machines.extend(words.next().map(str::to_owned));
            }
        }
        let credentials = Credentials::new().with_netrc(&text);
        let usable = credentials.netrc_logins().map(|(machine, _)| machine.to_owned()).collect();
        let netrc = NetrcProbe { path: path.display().to_string(), machines, usable };
        Self { credentials, netrc: Some(netrc) }
    }

    /// Returns the header for a hop of a request that began at `first`, and where it is from.
    pub(super) fn for_url(
        &self,
        first: &Url,
        hop: &Url,
        go: Option<GoVersion>,
    ) -> Option<(HeaderValue, &'static str)> {
        if first.scheme() != "https" || hop.scheme() != "https" || first.host_str() != hop.host_str() {
            return None;
        }
        let mut asked = first.clone();
        if go.is_some_and(|go| !go.netrc_needs_port()) {
            asked.set_port(None).ok()?;
        }
        if let Some(value) = self.credentials.netrc_authorization(&asked) {
            return Some((value, "netrc"));
        }
        basic(first).map(|value| (value, "URL"))
    }
}

/// Returns the login that stands in a URL.
pub(super) fn basic(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair = decoded(url.username());
    pair.push(b':');
    pair.extend(decoded(url.password().unwrap_or_default()));
    let text = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = std::str::from_utf8(after.get(..2).unwrap_or_default()).ok();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::SystemTime;

    use super::*;

    fn logins(netrc: &str, home: &std::path::Path) -> Logins {
        fs_err::write(home.join(".netrc"), netrc).unwrap();
        let system = System {
            environment: BTreeMap::from([("HOME".to_owned(), home.display().to_string())]),
            folder: home.to_owned(),
            root: "/".into(),
            now: SystemTime::UNIX_EPOCH,
        };
        Logins::of(&system, &SettingFacts::default())
    }

    #[test]
    fn netrc_by_the_rule_of_the_clients_version() {
        let home = tempfile::tempdir().unwrap();
        let logins = logins(
            "machine proxy.example.com login u password p\nmachine half.example.com login u\n",
            home.path(),
        );
        let url = |text: &str| Url::parse(text).unwrap();
        let from = |text: &str, go: &str| {
            logins.for_url(&url(text), &url(text), GoVersion::parse(go)).map(|(_, from)| from)
        };
        assert_eq!(from("https://proxy.example.com/x", "1.24"), Some("netrc"));
        assert_eq!(from("https://proxy.example.com:8443/x", "1.19"), Some("netrc"));
        assert_eq!(from("https://proxy.example.com:8443/x", "1.24"), None);
        assert_eq!(from("http://proxy.example.com/x", "1.24"), None);
        assert_eq!(from("https://me:secret@other.example.com/x", "1.24"), Some("URL"));
        let elsewhere = url("https://storage.example.com/x");
        assert!(logins.for_url(&url("https://proxy.example.com/x"), &elsewhere, None).is_none());
        let netrc = logins.netrc.unwrap();
        assert_eq!(netrc.machines, ["proxy.example.com", "half.example.com"]);
        assert_eq!(netrc.usable, ["proxy.example.com"]);
    }

    #[test]
    fn a_login_in_a_url_is_decoded() {
        let url = Url::parse("https://me:p%40ss@proxy.example.com").unwrap();
        assert_eq!(basic(&url).unwrap(), "Basic bWU6cEBzcw==");
    }
}
