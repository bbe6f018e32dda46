//! Who Larder is towards an upstream.
//!
//! A secret belongs to one scheme, host and port. It is chosen again for every hop of a redirect and
//! never follows one elsewhere; [`Secret`] has neither `Display` nor a telling `Debug`, so that no log
//! line or error can carry it by accident.
//!
//! netrc is read by the go command's rules: `https` only, a `machine` may carry a port and a path,
//! the longest matching prefix of the URL wins, and of equal ones the first in the file.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use larder_module::netrc;
use url::Url;

use crate::base64_text;
use crate::name::Origin;

/// Text that must not be printed.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes over a secret text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the text, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// One way of saying who is asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Credential {
    /// User name and password, sent as `Authorization: Basic`.
    Basic {
        /// The user name.
        user: Secret,
        /// The password.
        password: Secret,
    },
    /// A token, sent as `Authorization: Bearer`.
    Bearer(Secret),
}

impl Credential {
    /// Reports whether the credential can be sent; a token with a line break in it can't.
    pub fn is_sendable(&self) -> bool {
        self.header().is_some()
    }

    /// Returns the `Authorization` value, marked sensitive so that HTTP libraries don't log it.
    ///
    /// Nothing is returned for a secret that can't stand in a header (a line break in a token file).
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let text = match self {
            Self::Basic { user, password } => {
                let pair = format!("{}:{}", user.reveal(), password.reveal());
                format!("Basic {}", base64_text::encode(pair.as_bytes()))
            }
            Self::Bearer(token) => format!("Bearer {}", token.reveal()),
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Returns every text that would give the credential away.
    pub(crate) fn telling_texts(&self) -> Vec<String> {
        match self {
            Self::Basic { user, password } => {
                let pair = format!("{}:{}", user.reveal(), password.reveal());
                vec![password.reveal().to_owned(), base64_text::encode(pair.as_bytes())]
            }
            Self::Bearer(token) => vec![token.reveal().to_owned()],
        }
    }
}

/// One `machine` of a netrc file.
#[derive(Clone, Debug, Eq, PartialEq)]
struct NetrcMachine {
    machine: String,
    credential: Credential,
}

/// All credentials that Larder may use.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    configured: Vec<(Origin, Credential)>,
    netrc: Vec<NetrcMachine>,
}

impl Credentials {
    /// Returns credentials that know nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a configured credential for one origin; a later one for the same origin replaces an earlier one.
    #[must_use]
    pub fn with_configured(mut self, origin: Origin, credential: Credential) -> Self {
        self.configured.retain(|(known, _)| *known != origin);
        self.configured.push((origin, credential));
        self
    }

    /// Reads the text of a netrc file.
    #[must_use]
    pub fn with_netrc(mut self, text: &str) -> Self {
        self.netrc = parse_netrc(text);
        self
    }

    /// Returns what the netrc file says about whole hosts: the host, with its port if one is named, and the login.
    ///
    /// For programs beside this one that find another netrc file, or none.
    pub fn netrc_logins(&self) -> impl Iterator<Item = (&str, &Credential)> {
        let whole_hosts = self.netrc.iter().filter(|line| !line.machine.contains('/'));
        whole_hosts.map(|line| (line.machine.as_str(), &line.credential))
    }

    /// Returns the `Authorization` value that netrc gives a URL, as the go command would send it.
    pub fn netrc_authorization(&self, url: &Url) -> Option<HeaderValue> {
        self.netrc(url)?.header()
    }

    /// Returns the configured credential of an origin.
    pub(crate) fn configured(&self, origin: &Origin) -> Option<&Credential> {
        self.configured.iter().find(|(known, _)| known == origin).map(|(_, credential)| credential)
    }

    /// Returns the netrc credential of a URL, by the longest matching prefix. Only `https` URLs have one.
    pub(crate) fn netrc(&self, url: &Url) -> Option<&Credential> {
        if url.scheme() != "https" {
            return None;
        }
        let host = url.host_str()?;
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        let whole = format!("{host}{port}{}", url.path());
        let mut prefix = whole.strip_suffix('/').unwrap_or(&whole);
        loop {
            if let Some(line) = self.netrc.iter().find(|line| same_prefix(&line.machine, prefix)) {
                return Some(&line.credential);
            }
            prefix = prefix.rsplit_once('/')?.0;
        }
    }
}

/// Compares a netrc machine with a URL prefix; the host part without regard to case.
fn same_prefix(machine: &str, prefix: &str) -> bool {
    let (machine_host, machine_path) = machine.split_once('/').map_or((machine, None), |(h, p)| (h, Some(p)));
    let (host, path) = prefix.split_once('/').map_or((prefix, None), |(h, p)| (h, Some(p)));
    machine_host.eq_ignore_ascii_case(host) && machine_path == path
}

/// Keeps the machines of a netrc file that have a login.
fn parse_netrc(text: &str) -> Vec<NetrcMachine> {
    let complete = netrc::machines(text).into_iter().filter(netrc::Machine::is_complete);
    let kept = complete.map(|netrc::Machine { name, login, password }| NetrcMachine {
        machine: trim_machine(name),
        credential: Credential::Basic { user: Secret::new(login), password: Secret::new(password) },
    });
    kept.collect()
}

fn trim_machine(machine: &str) -> String {
    let machine = machine.strip_prefix("https://").unwrap_or(machine);
    machine.strip_suffix('/').unwrap_or(machine).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user_for(netrc: &str, url: &str) -> Option<String> {
        let credentials = Credentials::new().with_netrc(netrc);
        credentials.netrc(&Url::parse(url).unwrap()).map(|credential| match credential {
            Credential::Basic { user, password } => format!("{}:{}", user.reveal(), password.reveal()),
            Credential::Bearer(_) => unreachable!("netrc has no tokens"),
        })
    }

    #[test]
    fn netrc_by_the_rules_of_the_go_command() {
        let table: &[(&str, &str, Option<&str>)] = &[
            ("machine a.example.com login u password p", "https://a.example.com/x/y", Some("u:p")),
            ("machine a.example.com login u password p", "http://a.example.com/", None),
            ("machine a.example.com login u password p", "https://b.a.example.com/", None),
            ("machine a.example.com login u password p", "https://a.example.com:8443/", None),
            ("machine a.example.com:8443 login u password p", "https://a.example.com:8443/", Some("u:p")),
            ("machine a.example.com\n\tlogin u\n\tpassword p\n", "https://a.example.com", Some("u:p")),
            ("machine a.example.com password p login u", "https://a.example.com", Some("u:p")),
            // A second `machine` forgets what the first one said.
            (
                "machine a.example.com login u\nmachine b.example.com password p",
                "https://b.example.com",
                None,
            ),
            // The first of two equal machines wins.
            (
                "machine a.example.com login u password p\nmachine a.example.com login v password q",
                "https://a.example.com",
                Some("u:p"),
            ),
            // A path narrows a machine, and the longer one wins.
            (
                "machine a.example.com login u password p\nmachine a.example.com/x login v password q",
                "https://a.example.com/x/y",
                Some("v:q"),
            ),
            (
                "machine a.example.com login u password p\nmachine a.example.com/x login v password q",
                "https://a.example.com/xx/y",
                Some("u:p"),
            ),
            // A lone `default` ends the file.
            ("default\nmachine a.example.com login u password p", "https://a.example.com", None),
            (
                "default login x password y\nmachine a.example.com login u password p",
                "https://a.example.com",
                Some("u:p"),
            ),
            // A macro runs to the next empty line.
            (
                "macdef init\nmachine a.example.com login x password y\n\nmachine a.example.com login u password p",
                "https://a.example.com",
                Some("u:p"),
            ),
            ("machine a.example.com login u", "https://a.example.com", None),
            ("", "https://a.example.com", None),
        ];
        for (netrc, url, expected) in table {
            assert_eq!(user_for(netrc, url).as_deref(), *expected, "{netrc:?} for {url}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let url = Url::parse("https://a.example.com").unwrap();
        let credentials = Credentials::new()
            .with_netrc("machine a.example.com login canary-user password canary-password")
            .with_configured(Origin::of_url(&url).unwrap(), Credential::Bearer(Secret::new("canary-token")));
        assert!(!format!("{credentials:?}").contains("canary"));
        let header = credentials.netrc(&url).unwrap().header().unwrap();
        assert!(!format!("{header:?}").contains(header.to_str().unwrap()));
        assert!(Credential::Bearer(Secret::new("token")).is_sendable());
        assert!(!Credential::Bearer(Secret::new("two\nlines")).is_sendable());
    }

    proptest! {
        #[test]
        fn no_netrc_makes_the_reader_panic(text in "(machine|login|password|default|macdef|a.example.com|[ \\n\\t]|.){0,60}") {
            let url = Url::parse("https://a.example.com/x").unwrap();
            let credentials = Credentials::new().with_netrc(&text);
            if let Some(credential) = credentials.netrc(&url) {
                prop_assert!(text.contains("machine"), "{:?}", credential);
            }
        }
    }
}
