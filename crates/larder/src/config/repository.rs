//! Clone URLs of `[[repository]]`: which can be meant, and the host that each names.

/// Checks the form of a clone URL; what is in it is not repeated, for it may be a password.
pub(crate) fn check_url(text: &str) -> Result<(), &'static str> {
    if text.starts_with('-') || text.contains(|c: char| c.is_control() || c == ' ') {
        return Err("is no clone URL");
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        // host:path, as git takes it for ssh.
        return match scp_host(text) {
            Some(_) => Ok(()),
            None => Err("is no clone URL: write https://host/path, ssh://git@host/path or git@host:path"),
        };
    };
    if !matches!(scheme, "https" | "ssh" | "http" | "git" | "file") {
        return Err("must begin with https:// or ssh:// (or http://, git://, file:// where that is meant)");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') || scheme.starts_with("http") => {
            Err("has a user in it: name the host alone, and add a [[credential]] for it")
        }
        _ if scheme == "file" => Ok(()),
        Some((_, "")) | None if authority.rsplit('@').next() == Some("") => Err("names no host"),
        _ => Ok(()),
    }
}

/// Returns the host of a clone URL, with its port; nothing for `file`, or where a placeholder stands for it.
pub(crate) fn host(text: &str) -> Option<&str> {
    let host = match text.split_once("://") {
        Some(("file", _)) => return None,
        Some((_, rest)) => rest.split('/').next()?.rsplit('@').next()?,
        None => scp_host(text)?,
    };
    (!host.is_empty() && !host.contains('{')).then_some(host)
}

fn scp_host(text: &str) -> Option<&str> {
    let (before, _) = text.split_once(':')?;
    let host = before.rsplit('@').next()?;
    (!host.is_empty() && !host.contains('/') && !host.starts_with('-')).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_clone_urls() {
        for (url, expected) in [
            ("https://git.corp.example/a/{path}.git", Some("git.corp.example")),
            ("https://git.corp.example:8443/a", Some("git.corp.example:8443")),
            ("ssh://git@git.corp.example:2222/a", Some("git.corp.example:2222")),
            ("git@git.corp.example:a/b.git", Some("git.corp.example")),
            ("https://{host}/scm/{path}", None),
            ("file:///srv/git/a", None),
        ] {
            assert_eq!(check_url(url), Ok(()), "{url}");
            assert_eq!(host(url), expected, "{url}");
        }
    }

    #[test]
    fn what_is_no_clone_url_is_refused() {
        for url in [
            "",
            "-uhttps://x",
            "ext::sh -c x",
            "ftp://a.example.com/x",
            "https://",
            "https://u:p@a.example.com",
            "https://token@a.example.com",
            "ssh://u:p@a.example.com/x",
            "/srv/git/a",
            "-oProxyCommand=x:y",
        ] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }
}
