//! The URL of a repository, read once at the door.
//!
//! What is given to git never holds a password, because arguments are visible to everyone on the machine; what is shown never
//! holds user info at all. A URL that git could take for an option, a remote helper (`ext::`) or a local path is refused here.

use larder_upstream::DirectFaultKind;

use crate::error::DirectError;

/// How a repository is reached.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Scheme {
    Https,
    Ssh,
    Http,
    Git,
    File,
}

impl Scheme {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "https" => Self::Https,
            "ssh" | "git+ssh" | "ssh+git" => Self::Ssh,
            "http" => Self::Http,
            "git" => Self::Git,
            "file" => Self::File,
            _ => return None,
        })
    }

    /// Reports whether nobody on the way can read or change what is fetched.
    pub(super) fn is_safe(self) -> bool {
        matches!(self, Self::Https | Self::Ssh)
    }

    /// Reports whether it is spoken with curl's options.
    pub(super) fn is_web(self) -> bool {
        matches!(self, Self::Https | Self::Http)
    }

    /// Returns git's name of the protocol, as in `protocol.NAME.allow`.
    pub(super) fn protocol(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Ssh => "ssh",
            Self::Http => "http",
            Self::Git => "git",
            Self::File => "file",
        }
    }
}

/// A repository's URL in its parts.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Address {
    pub(super) scheme: Scheme,
    scheme_text: Box<str>,
    user: Option<Box<str>>,
    password: Option<Box<str>>,
    /// Host with port.
    pub(super) host: Box<str>,
    path: Box<str>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Address").field(&self.shown()).finish()
    }
}

impl Address {
    /// Reads a URL.
    pub(super) fn parse(text: &str) -> Result<Self, DirectError> {
        let refused = |why: &str| Err(DirectError::new(DirectFaultKind::Refused, why));
        if text.len() > 4096 || text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return refused("the URL of the repository holds characters that no URL has");
        }
        let Some((scheme_text, rest)) = text.split_once("://") else {
            return refused("the repository is not named by a URL with a scheme, such as https:// or ssh://");
        };
        let scheme_text = scheme_text.to_ascii_lowercase();
        let Some(scheme) = Scheme::parse(&scheme_text) else {
            return refused("git repositories are fetched by https and ssh only");
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (info, host) =
            authority.rsplit_once('@').map_or((None, authority), |(info, host)| (Some(info), host));
        let (user, password) = match info.map(|info| info.split_once(':').unwrap_or((info, ""))) {
            Some((user, password)) => (some(user), some(password)),
            None => (None, None),
        };
        let decoded = percent_encoding::percent_decode_str(rest).collect::<Vec<u8>>();
        if decoded.iter().any(|byte| byte.is_ascii_control()) {
            return refused("the URL of the repository holds encoded control characters");
        }
        if (host.is_empty() && scheme != Scheme::File)
            || host.starts_with(['-', ':'])
            || user.as_deref().is_some_and(|user| user.starts_with('-') || user.starts_with("%2"))
            || host.contains(['%', '$', '`', '\'', '"', ';', '&', '|', '<', '>', '(', ')'])
            || path.starts_with("/-")
        {
            return refused("the URL of the repository has a host or path that git must not be given");
        }
        Ok(Self {
            scheme,
            scheme_text: scheme_text.into(),
            user,
            password,
            host: host.to_ascii_lowercase().into(),
            path: path.into(),
        })
    }

    /// Returns the URL for people: no user info, no query.
    pub(super) fn shown(&self) -> String {
        let path = self.path.split(['?', '#']).next().unwrap_or_default();
        format!("{}://{}{path}", self.scheme_text, self.host)
    }

    /// Returns the URL as an argument for git: with the user, without the password.
    pub(super) fn argument(&self) -> String {
        let user = self.user.as_deref().filter(|_| !(self.scheme.is_web() && self.password.is_some()));
        match user {
            Some(user) => format!("{}://{user}@{}{}", self.scheme_text, self.host, self.path),
            None => format!("{}://{}{}", self.scheme_text, self.host, self.path),
        }
    }

    /// Returns scheme and host, the part of a URL that a credential is bound to.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", self.scheme.protocol(), self.host)
    }

    /// Returns the host without its port, and the port if it is written.
    pub(super) fn host_and_port(&self) -> (&str, Option<u16>) {
        if let Some((host, port)) = self.host.rsplit_once(':')
            && let Ok(port) = port.parse()
        {
            return (host, Some(port));
        }
        (&self.host, None)
    }

    /// Returns the login that the URL itself carries, decoded.
    pub(super) fn login(&self) -> Option<(String, String)> {
        let password = self.password.as_deref()?;
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        Some((decode(self.user.as_deref().unwrap_or_default()), decode(password)))
    }

    /// Returns what tells one repository from another: the URL with its user, because two users may see different things.
    pub(super) fn identity(&self) -> String {
        let user = self.user.as_deref().unwrap_or_default();
        format!("{}://{user}@{}{}", self.scheme_text, self.host, self.path.trim_end_matches('/'))
    }
}

fn some(text: &str) -> Option<Box<str>> {
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_info_is_never_shown_and_passwords_are_no_arguments() {
        let table = [
            ("https://git.corp.example/a/b", "https://git.corp.example/a/b", "https://git.corp.example/a/b"),
            (
                "https://me:hush@GIT.corp.example:8443/a/b.git",
                "https://git.corp.example:8443/a/b.git",
                "https://git.corp.example:8443/a/b.git",
            ),
            ("https://me@git.corp.example/a", "https://git.corp.example/a", "https://me@git.corp.example/a"),
            (
                "ssh://git@git.corp.example:22/a",
                "ssh://git.corp.example:22/a",
                "ssh://git@git.corp.example:22/a",
            ),
            (
                "https://git.corp.example/a?private_token=hush",
                "https://git.corp.example/a",
                "https://git.corp.example/a?private_token=hush",
            ),
        ];
        for (url, shown, argument) in table {
            let address = Address::parse(url).expect(url);
            assert_eq!(address.shown(), shown);
            assert_eq!(address.argument(), argument);
            assert!(!format!("{address:?}").contains("hush"));
        }
        let address = Address::parse("https://me:hush%40x@git.corp.example/a").expect("parses");
        assert_eq!(address.login(), Some(("me".into(), "hush@x".into())));
    }

    #[test]
    fn what_git_could_misread_is_refused() {
        for url in [
            "",
            "-oProxyCommand=x",
            "--upload-pack=x",
            "git.corp.example:a/b",
            "/srv/git/a",
            "ext::sh -c x",
            "ext::x://a",
            "https://",
            "https:///a",
            "ssh://-oProxyCommand=x/a",
            "ssh://git@-x/a",
            "ssh://-x@git.corp.example/a",
            "ssh://%2dx@h/a",
            "https://h/a\nb",
            "https://h/a%0ab",
            "https://h/%00",
            "https://h\\@x/a",
            "https://h/a b",
            "fd://3/a",
            "ssh://h/-x",
            "ssh://$(touch x)/a",
            "ssh://`x`/a",
            "https://h%2e/a",
            "ftp://h/a",
        ] {
            let error = Address::parse(url).expect_err(url);
            assert_eq!(error.kind, DirectFaultKind::Refused, "{url}");
        }
        for url in ["http://h/a", "git://h/a", "file:///srv/a"] {
            Address::parse(url).expect(url);
        }
    }
}
