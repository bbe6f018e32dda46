//! Who gets which login, by the rules of the client's version. The logins themselves are never read.

use serde::Serialize;
use url::Url;

use super::{Decision, Work, host_of};
use crate::GoVersion;
use crate::settings::SettingFacts;

/// A login that a request carries.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// Of the URL itself.
    Url,
    /// Of the URL itself, which go refuses to send without TLS.
    UrlRefused,
    /// Of a line of netrc.
    Netrc {
        /// The file.
        path: String,
        /// The machine as it is written there.
        machine: String,
    },
    /// None, though netrc has a line that looks as if it were meant.
    NetrcUnused {
        /// The file.
        path: String,
        /// The machine as it is written there.
        machine: String,
        /// `http`, `port`, `incomplete`
        why: String,
    },
    /// A program of `GOAUTH` is asked when the answer is 4xx.
    Helper {
        /// The command.
        command: String,
    },
    /// None, because `GOAUTH` is off.
    Off,
}

/// What decides about logins.
#[derive(Clone, Copy, Debug)]
pub struct Logins<'a> {
    /// The settings.
    pub settings: &'a SettingFacts,
    /// The client; none means the newest.
    pub go: Option<GoVersion>,
}

impl Logins<'_> {
    /// Returns the logins that a request for this URL carries or would get, the deciding one first.
    #[must_use]
    pub fn for_url(&self, url: &str) -> Vec<Login> {
        let Ok(parsed) = Url::parse(url) else { return Vec::new() };
        if !matches!(parsed.scheme(), "http" | "https") {
            return Vec::new();
        }
        let mut found = Vec::new();
        if !parsed.username().is_empty() || parsed.password().is_some() {
            found.push(if parsed.scheme() == "https" { Login::Url } else { Login::UrlRefused });
            return found;
        }
        let helpers = self.helpers();
        if helpers == ["off"] {
            return vec![Login::Off];
        }
        for helper in helpers {
            match helper.as_str() {
                "netrc" => found.extend(self.netrc(&parsed)),
                _ if parsed.scheme() == "https" => found.push(Login::Helper { command: helper }),
                _ => {}
            }
        }
        found
    }

    fn helpers(&self) -> Vec<String> {
        let value = self.settings.value("GOAUTH");
        if self.go.is_some_and(|go| !go.knows_goauth()) || value.is_empty() {
            return vec!["netrc".to_owned()];
        }
        value
            .split(';')
            .map(|command| command.trim().to_owned())
            .filter(|command| !command.is_empty())
            .collect()
    }

    fn netrc(&self, url: &Url) -> Option<Login> {
        let netrc = self.settings.netrc.as_ref()?;
        let host = url.host_str()?;
        let with_port = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let path = netrc.path.clone();
        let fits = |machine: &&String| self.machine_fits(machine, host, &with_port, url.path());
        if url.scheme() == "https"
            && let Some(machine) = netrc.machines.iter().filter(fits).max_by_key(|machine| machine.len())
        {
            return Some(Login::Netrc { path, machine: machine.clone() });
        }
        let about_host = |machine: &&String| bare(machine).split([':', '/']).next() == Some(host);
        if let Some(machine) = netrc.machines.iter().find(about_host) {
            let why = if url.scheme() == "http" { "http" } else { "port" };
            return Some(Login::NetrcUnused { path, machine: machine.clone(), why: why.to_owned() });
        }
        let machine = netrc.incomplete.iter().find(about_host)?;
        Some(Login::NetrcUnused { path, machine: machine.clone(), why: "incomplete".to_owned() })
    }

    /// By version: 1.24 and later compare prefixes of the URL, 1.21 to 1.23 the host with its port, 1.15 to 1.20 without.
    fn machine_fits(&self, machine: &str, host: &str, with_port: &str, path: &str) -> bool {
        match self.go {
            Some(go) if !go.netrc_needs_port() => machine == host,
            Some(go) if !go.knows_goauth() => machine == with_port,
            _ => {
                let whole = format!("{with_port}{path}");
                larder_module::hosting::has_path_prefix(&whole, bare(machine))
            }
        }
    }
}

fn bare(machine: &str) -> &str {
    let machine = machine.strip_prefix("https://").unwrap_or(machine);
    machine.strip_suffix('/').unwrap_or(machine)
}

impl Work<'_> {
    /// Notes the logins that a request for this URL carries.
    pub(super) fn login(&mut self, url: &str) {
        let logins = Logins { settings: self.settings, go: self.facts.go }.for_url(url);
        for login in logins {
            if login != Login::Off {
                // A login of a URL is GOPROXY's or GOSUMDB's own, which the step before shows.
                let of_url = matches!(login, Login::Url | Login::UrlRefused);
                let names: &[&str] = if of_url { &[] } else { &["GOAUTH"] };
                self.step(Decision::Login { host: host_of(url), login }, names);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::NetrcFacts;

    #[test]
    fn netrc_by_version() {
        let netrc = NetrcFacts {
            path: "/home/me/.netrc".to_owned(),
            machines: vec!["a.example.com".to_owned(), "b.example.com:8443".to_owned()],
            incomplete: vec!["c.example.com".to_owned()],
            ..NetrcFacts::default()
        };
        let settings = SettingFacts { netrc: Some(netrc), ..SettingFacts::default() };
        let shown = |go: &str, url: &str| {
            let logins = Logins { settings: &settings, go: GoVersion::parse(go) }.for_url(url);
            match logins.first() {
                Some(Login::Netrc { .. }) => "sent".to_owned(),
                Some(Login::NetrcUnused { why, .. }) => why.clone(),
                other => format!("{other:?}"),
            }
        };
        for (go, url, expected) in [
            ("1.24.11", "https://a.example.com/x", "sent"),
            ("1.24.11", "https://a.example.com:8443/x", "port"),
            ("1.21.13", "https://a.example.com:8443/x", "port"),
            ("1.19.8", "https://a.example.com:8443/x", "sent"),
            ("1.19.8", "https://b.example.com:8443/x", "port"),
            ("1.24.11", "https://b.example.com:8443/x", "sent"),
            ("1.24.11", "http://a.example.com/x", "http"),
            ("1.24.11", "https://c.example.com/x", "incomplete"),
            ("1.24.11", "https://d.example.com/x", "None"),
            ("1.24.11", "https://u:p@d.example.com/x", "Some(Url)"),
            ("1.24.11", "http://u:p@d.example.com/x", "Some(UrlRefused)"),
        ] {
            assert_eq!(shown(go, url), expected, "{go} {url}");
        }
    }
}
