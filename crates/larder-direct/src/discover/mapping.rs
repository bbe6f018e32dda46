//! `[[repository]]`: where the operator says that repositories are.
//!
//! Some forges show strangers a page that isn't true (a private sub-group looks like a repository of its own, a login page has no tags),
//! and a bare ssh host has no pages at all. A mapping answers for them, before anything else is asked.

use larder_module::pattern::match_glob;

use super::clone_url::{CloneUrl, Scheme};
use crate::settings::RepositoryRule;

/// What is wrong with a `[[repository]]`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// The pattern is no module path with wildcards.
    #[error("pattern {pattern:?}: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A placeholder that means nothing.
    #[error(
        "url: {{{0}}} is no placeholder; there are {{path}}, {{host}} and {{1}}, {{2}} ... for the elements with a wildcard"
    )]
    Placeholder(String),
    /// A number beyond the wildcards.
    #[error(
        "url: {{{number}}} has nothing to stand for, the pattern has {wildcards} elements with a wildcard"
    )]
    Number {
        /// The number asked for.
        number: usize,
        /// How many there are.
        wildcards: usize,
    },
    /// The URL is the same for all that match.
    #[error(
        "url: every module that matches would be in the same repository; use {{path}} or {{1}}, {{2}} ..."
    )]
    SameForAll,
    /// `{path}` would be empty.
    #[error(
        "url: {{path}} stands for nothing, the pattern names a host alone; write a wildcard for each element of a \
             repository's path, like git.corp.example/*/*"
    )]
    EmptyPath,
    /// The URL can't be a clone URL. It isn't shown, for it may hold a password.
    #[error("url: {0}")]
    Url(&'static str),
}

impl RepositoryRule {
    /// Checks a pattern and a clone URL, and puts them together. `git@host:path`, as forges show it, is read as
    /// `ssh://git@host/path`.
    ///
    /// # Errors
    ///
    /// Fails with the first thing that is wrong, for the operator to read.
    pub fn parse(pattern: &str, url: &str) -> Result<Self, RuleError> {
        let pattern = pattern.trim().trim_end_matches('/').to_owned();
        let wildcards = check_pattern(&pattern)?;
        let rule = Self { pattern, url: with_scheme(url.trim()) };
        let mut used = 0;
        let example = fill(&rule.url, |name| {
            used += usize::from(name != "host");
            match name {
                "path" | "host" => Ok("x".to_owned()),
                digits => match digits.parse::<usize>() {
                    Ok(number) if number >= 1 && number <= wildcards => Ok("x".to_owned()),
                    Ok(number) => Err(RuleError::Number { number, wildcards }),
                    Err(_) => Err(RuleError::Placeholder(digits.to_owned())),
                },
            }
        })?;
        if rule.url.contains("{path}") && !rule.pattern.contains('/') {
            return Err(RuleError::EmptyPath);
        }
        if wildcards > 0 && used == 0 {
            return Err(RuleError::SameForAll);
        }
        if rule.url.split("://").next().is_some_and(|scheme| scheme.contains('{')) {
            return Err(RuleError::Url("its scheme can't be a placeholder"));
        }
        let parsed = CloneUrl::parse(&example).map_err(RuleError::Url)?;
        if parsed.scheme() == Scheme::Http && parsed.has_user_info() {
            return Err(RuleError::Url(
                "it holds user info, which would cross the network in the clear; use https",
            ));
        }
        Ok(rule)
    }

    /// Returns the root and the clone URL of a module path that matches.
    pub(super) fn repository(&self, path: &str) -> Option<(String, String)> {
        let count = self.pattern.split('/').count();
        let elements: Vec<&str> = path.split('/').take(count).collect();
        if elements.len() < count {
            return None;
        }
        let root = elements.join("/");
        if !match_glob(&self.pattern, &root).unwrap_or(false) {
            return None;
        }
        let matched: Vec<_> = self
            .pattern
            .split('/')
            .zip(&elements)
            .filter(|(glob, _)| is_glob(glob))
            .map(|(_, text)| *text)
            .collect();
        let filled = fill(&self.url, |name| {
            Ok::<_, ()>(match name {
                "host" => elements[0].to_owned(),
                "path" => elements[1..].join("/"),
                digits => {
                    let at = digits.parse::<usize>().map_err(drop)?;
                    (*matched.get(at.wrapping_sub(1)).ok_or(())?).to_owned()
                }
            })
        });
        Some((root, filled.ok()?))
    }

    /// Returns the hosts that the rule names without wildcard: they are listed.
    pub(super) fn hosts(&self) -> impl Iterator<Item = String> {
        let of_pattern = self.pattern.split('/').next().filter(|host| !is_glob(host)).map(str::to_owned);
        let example = fill(&self.url, |_| Ok::<_, ()>("x".to_owned()));
        // `{host}` is the pattern's, and a host with any other placeholder isn't named.
        let authority =
            self.url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let of_url =
            example.ok().filter(|_| !authority.contains('{')).and_then(|url| CloneUrl::parse(&url).ok());
        of_pattern.into_iter().chain(of_url.and_then(|url| url.host()))
    }
}

/// Turns `git@host:path` into a URL.
fn with_scheme(url: &str) -> String {
    match url.split_once(':') {
        Some((host, path)) if !url.contains("://") && host.contains('@') && !host.contains('/') => {
            format!("ssh://{host}/{}", path.trim_start_matches('/'))
        }
        _ => url.to_owned(),
    }
}

fn is_glob(element: &str) -> bool {
    element.contains(['*', '?', '[', '\\'])
}

fn check_pattern(pattern: &str) -> Result<usize, RuleError> {
    let wrong = |reason| Err(RuleError::Pattern { pattern: pattern.to_owned(), reason });
    if pattern.is_empty() {
        return wrong("it is empty");
    }
    if pattern.contains("://") {
        return wrong("a module path has no scheme; write it like git.corp.example/team/*");
    }
    if pattern.contains(',') {
        return wrong("it holds a comma; write one [[repository]] for each pattern");
    }
    if pattern.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return wrong("it holds a space");
    }
    if pattern.split('/').any(str::is_empty) {
        return wrong("one of its elements is empty");
    }
    if match_glob(pattern, "").is_err() {
        return wrong("a bracket or backslash in it is not closed");
    }
    Ok(pattern.split('/').filter(|element| is_glob(element)).count())
}

/// Replaces `{name}` by what `value` returns.
fn fill<E>(template: &str, mut value: impl FnMut(&str) -> Result<String, E>) -> Result<String, E> {
    let mut filled = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, tail)) = after.split_once('}') else { break };
        filled.push_str(before);
        filled.push_str(&value(name)?);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(pattern: &str, url: &str, path: &str) -> Option<(String, String)> {
        RepositoryRule::parse(pattern, url).unwrap().repository(path)
    }

    #[test]
    fn paths_are_mapped() {
        for (pattern, url, path, expected) in [
            (
                "git.corp.example/*/*",
                "ssh://git@git.corp.example/{path}.git",
                "git.corp.example/team/tool/v2/sub",
                Some(("git.corp.example/team/tool", "ssh://git@git.corp.example/team/tool.git")),
            ),
            (
                "git.corp.example/group/sub/*",
                "https://{host}/{path}",
                "git.corp.example/group/sub/x",
                Some(("git.corp.example/group/sub/x", "https://git.corp.example/group/sub/x")),
            ),
            (
                "go.corp.example/*/lib-*",
                "https://forge.corp.example/{2}/{1}",
                "go.corp.example/a/lib-b",
                Some(("go.corp.example/a/lib-b", "https://forge.corp.example/lib-b/a")),
            ),
            (
                "go.corp.example/tool/",
                "https://forge.corp.example/x.git",
                "go.corp.example/tool",
                Some(("go.corp.example/tool", "https://forge.corp.example/x.git")),
            ),
            (
                "git.corp.example/*/*",
                "git@{host}:{path}.git",
                "git.corp.example/team/tool",
                Some(("git.corp.example/team/tool", "ssh://git@git.corp.example/team/tool.git")),
            ),
            ("git.corp.example/*/*", "https://{host}/{path}", "git.corp.example/team", None),
            ("git.corp.example/*", "https://{host}/{path}", "git.corp.example.evil.example/x", None),
            ("*.corp.example/*", "https://{host}/{path}", "a/corp.example/x", None),
        ] {
            let expected = expected.map(|(root, url): (&str, &str)| (root.to_owned(), url.to_owned()));
            assert_eq!(mapped(pattern, url, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (pattern, url, expected) in [
            ("", "https://a.example/x", "it is empty"),
            ("https://a.example/*", "https://a.example/{path}", "no scheme"),
            ("a.example/*,b.example", "https://a.example/{path}", "comma"),
            ("a.example//x", "https://a.example/x", "is empty"),
            ("a.example/[x", "https://a.example/x", "not closed"),
            ("a.example/*", "https://a.example/{name}", "{name} is no placeholder"),
            ("a.example/*", "https://a.example/{2}", "{2} has nothing to stand for, the pattern has 1"),
            ("a.example/*", "https://a.example/{0}", "{0} has nothing"),
            ("a.example/*/*", "https://a.example/x", "same repository"),
            ("a.example/x", "a.example:x", "ssh://"),
            ("a.example", "https://a.example/{path}", "{path} stands for nothing"),
            ("a.example/x", "{1}://a.example/x", "{1} has nothing"),
            ("a.example/*", "{1}://a.example/x", "scheme can't be"),
            ("a.example/x", "ftp://a.example/x", "https or ssh"),
            ("a.example/x", "ext::sh -c id://x", "space"),
            ("a.example/x", "https:///x", "host"),
            ("a.example/x", "ssh://-oProxyCommand=x/y", "host"),
            ("a.example/x", "http://user:canary@a.example/x", "in the clear"),
            ("a.example/x", "https://user:canary@a.example:port/x", "port"),
        ] {
            let error = RepositoryRule::parse(pattern, url).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("canary"), "{pattern} {url}: {error}");
        }
    }

    #[test]
    fn hosts_without_wildcard_are_listed() {
        let hosts = |pattern, url| RepositoryRule::parse(pattern, url).unwrap().hosts().collect::<Vec<_>>();
        assert_eq!(hosts("a.example/*", "https://b.example:8443/{path}"), ["a.example", "b.example:8443"]);
        assert_eq!(hosts("*.a.example/*", "https://{host}/{path}"), [""; 0]);
        assert_eq!(hosts("*.a.example/*", "https://{1}.b.example/{path}"), [""; 0]);
        assert_eq!(hosts("a.example/*", "file:///srv/{1}"), ["a.example"]);
        assert_eq!(hosts("*/x/*", "ssh://git@b.example/{host}/{path}"), ["b.example"]);
    }
}
