//! Clone URLs, read so narrowly that git, ssh and Larder can't disagree about which host one names.

use url::{Host, Url};

use larder_module::hosting::SYSTEMS;

/// How a repository is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheme {
    /// Over TLS.
    Https,
    /// In the clear.
    Http,
    /// Over ssh.
    Ssh,
    /// git's own protocol, in the clear.
    Git,
    /// A folder of this machine.
    File,
}

impl Scheme {
    fn of(text: &str) -> Option<Self> {
        Some(match text {
            "https" => Self::Https,
            "http" => Self::Http,
            "ssh" | "git+ssh" | "ssh+git" => Self::Ssh,
            "git" => Self::Git,
            "file" => Self::File,
            _ => return None,
        })
    }

    /// The name in git's `protocol.<name>.allow`.
    pub(super) fn protocol(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::Git => "git",
            Self::File => "file",
        }
    }

    /// Reports whether what goes through it can't be read or changed on the way.
    pub(super) fn is_secure(self) -> bool {
        match self {
            Self::Https | Self::Ssh => true,
            Self::Http | Self::Git | Self::File => false,
        }
    }
}

/// A URL that git may be given.
#[derive(Clone, Debug)]
pub(super) struct CloneUrl {
    scheme: Scheme,
    url: Url,
}

impl CloneUrl {
    /// Reads a clone URL.
    ///
    /// # Errors
    ///
    /// Says what is wrong, without showing the URL.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err("a clone URL holds no space, control character or backslash");
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(
                "a clone URL has a scheme, like https://git.corp.example/team/x or ssh://git@git.corp.example/team/x.git",
            );
        };
        let scheme = Scheme::of(scheme).ok_or("a clone URL is one of https or ssh (or http, git, file)")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if path.contains(['?', '#']) {
            return Err("a clone URL has no query and no fragment");
        }
        check_authority(scheme, authority)?;
        let url = Url::parse(text).map_err(|_| "it is not a URL")?;
        let parsed = Self { scheme, url };
        parsed.check_host(authority)?;
        Ok(parsed)
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn has_user_info(&self) -> bool {
        !self.url.username().is_empty() || self.url.password().is_some()
    }

    /// Returns the host, with its port if the URL has one.
    pub(super) fn host(&self) -> Option<String> {
        let host = self.url.host_str().filter(|host| !host.is_empty())?;
        Some(self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }

    /// Returns the URL for people: without user info.
    pub(super) fn printable(&self) -> String {
        let host = self.host().unwrap_or_default();
        format!("{}://{host}{}", self.url.scheme(), self.url.path())
    }

    /// Makes sure that nobody reads the host otherwise.
    fn check_host(&self, authority: &str) -> Result<(), &'static str> {
        if self.scheme == Scheme::File {
            return Ok(());
        }
        let spelled = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
        let spelled = match spelled.strip_prefix('[') {
            Some(_) => spelled.split_once(']').map_or(spelled.as_str(), |(host, _)| &spelled[..=host.len()]),
            None => spelled.split(':').next().unwrap_or_default(),
        };
        match self.url.host() {
            Some(Host::Ipv4(address)) if address.to_string() != spelled => {
                Err("the host of a clone URL is an address in an unusual spelling")
            }
            Some(Host::Domain(name)) if name.to_ascii_lowercase() != spelled => {
                Err("the host of a clone URL can be read in two ways")
            }
            Some(_) => Ok(()),
            None => Err("a clone URL names a host"),
        }
    }
}

fn check_authority(scheme: Scheme, authority: &str) -> Result<(), &'static str> {
    if scheme == Scheme::File {
        return if authority.is_empty() {
            Ok(())
        } else {
            Err("a file URL names an absolute path, like file:///srv/git/x")
        };
    }
    let (user, host) = match authority.split_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let fits_user = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:".contains(&byte);
    if user.is_some_and(|user| user.starts_with('-') || !user.bytes().all(fits_user)) {
        return Err("the user of a clone URL has characters that must be percent-encoded, or a leading dash");
    }
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (name, after) =
                rest.split_once(']').ok_or("the host of a clone URL has a bracket that isn't closed")?;
            if !name.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) {
                return Err("the host of a clone URL has brackets around something that is no address");
            }
            (name, after)
        }
        None => {
            let at = host.find(':').unwrap_or(host.len());
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
            if !host[..at].bytes().all(fits) || host.starts_with('-') || host.starts_with('.') {
                return Err("the host of a clone URL has characters that hosts don't have");
            }
            host.split_at(at)
        }
    };
    if name.is_empty() {
        return Err("a clone URL names a host");
    }
    let digits = port.strip_prefix(':').unwrap_or(port);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.parse::<u16>().is_err() != port.is_empty()
    {
        return Err("the port of a clone URL is no number");
    }
    Ok(())
}

/// Reports whether a word is the name of a version control system that the go command knows.
pub(super) fn is_system(word: &str) -> bool {
    SYSTEMS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_urls() {
        for (text, scheme, host) in [
            ("https://git.corp.example/team/x.git", Scheme::Https, Some("git.corp.example")),
            ("https://user:p%40ss@Git.corp.example:8443/x", Scheme::Https, Some("git.corp.example:8443")),
            ("ssh://git@git.corp.example/~u/x", Scheme::Ssh, Some("git.corp.example")),
            ("git+ssh://git.corp.example:2222/x", Scheme::Ssh, Some("git.corp.example:2222")),
            ("https://10.0.0.7/x", Scheme::Https, Some("10.0.0.7")),
            ("https://[fd00::7]:8443/x", Scheme::Https, Some("[fd00::7]:8443")),
            ("file:///srv/git/x.git", Scheme::File, None),
        ] {
            let url = CloneUrl::parse(text).unwrap();
            assert_eq!((url.scheme(), url.host().as_deref()), (scheme, host), "{text}");
            assert!(!url.printable().contains('@'), "{text}");
        }
    }

    #[test]
    fn hosts_that_can_be_read_in_two_ways() {
        for text in [
            "https://2130706433/x",
            "https://0x7f.1/x",
            "https://127.1/x",
            "https://0177.0.0.1/x",
            "https://127.0.0.1./x",
            "https://a.example\\@127.0.0.1/x",
            "https://a.example@b.example@127.0.0.1/x",
            "https://a.example#@127.0.0.1/x",
            "https://a.example?@127.0.0.1/x",
            "https://%61.example/x",
            "https://a%2eexample/x",
            "https://１２７.0.0.1/x",
            "https://[::1/x",
            "https://[fe80::1%25eth0]/x",
            "https://a.example:/x",
            "https://a.example:+80/x",
            "https://a.example:99999/x",
            "https://-a.example/x",
            "https://.a.example/x",
            "ssh://-oProxyCommand=id/x",
            "ssh://-l@a.example/x",
            "ssh://a.example:22:22/x",
            "https:a.example/x",
            "https:///a.example/x",
            "HTTPS://a.example/x",
            "a.example:x",
            "git@a.example:x",
            "/srv/x",
            "-x",
            "ext::sh -c id",
            "ext::https://a.example/x",
            "file://a.example/x",
            "https://a.example/x y",
            "https://a.example/x\ny",
            "https://a.example/x?y",
        ] {
            assert!(CloneUrl::parse(text).is_err(), "{text}");
        }
    }
}
