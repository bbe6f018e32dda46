//! `GOVCS`: which version control systems may be used for which paths.

use std::fmt;

use crate::defaults;
use crate::pattern::match_prefix_patterns;

/// The rules of `GOVCS`, to which the go command's own are always added at the end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Govcs {
    rules: Vec<Rule>,
}

/// One entry: which paths, and what may be used for them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    pattern: String,
    systems: Vec<String>,
}

/// A value of `GOVCS` that the go command refuses, too.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum GovcsError {
    /// Two commas with nothing between them.
    #[error("GOVCS has an empty entry")]
    EmptyEntry,
    /// An entry without a colon.
    #[error("GOVCS has an entry without a colon: {0:?}")]
    NoColon(String),
    /// Nothing before the colon.
    #[error("GOVCS has an entry without a pattern: {0:?}")]
    NoPattern(String),
    /// Nothing after the colon, or between two bars.
    #[error("GOVCS names no system in {0:?}")]
    NoSystem(String),
    /// A pattern like `./x`.
    #[error("GOVCS has a relative pattern: {0:?}")]
    Relative(String),
    /// A pattern that stands there twice.
    #[error("GOVCS has an entry that is never reached: {later:?} after {earlier:?}")]
    Unreachable {
        /// The entry that is reached.
        earlier: String,
        /// The entry that isn't.
        later: String,
    },
}

impl Govcs {
    /// Reads a value of `GOVCS`; an empty one has no rules.
    ///
    /// # Errors
    ///
    /// Fails where the go command does.
    pub fn parse(text: &str) -> Result<Self, GovcsError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let mut items: Vec<(&str, Rule)> = Vec::new();
        for item in text.split(',').map(str::trim) {
            let rule = Rule::parse(item)?;
            if let Some((earlier, _)) = items.iter().find(|(_, known)| known.pattern == rule.pattern) {
                let (earlier, later) = ((*earlier).to_owned(), item.to_owned());
                return Err(GovcsError::Unreachable { earlier, later });
            }
            items.push((item, rule));
        }
        Ok(Self { rules: items.into_iter().map(|(_, rule)| rule).collect() })
    }

    /// Reports whether a system may be used for a repository root.
    #[must_use]
    pub fn allows(&self, system: &str, root: &str, private: bool) -> bool {
        self.rule_for(root, private).is_some_and(|rule| rule.allows(system))
    }

    /// Returns the rule that decides about a repository root; none if no rule covers it, which allows nothing.
    #[must_use]
    pub fn rule_for(&self, root: &str, private: bool) -> Option<Rule> {
        let default = Self::parse(defaults::GOVCS).unwrap_or_default();
        self.rules.iter().chain(&default.rules).find(|rule| rule.covers(root, private)).cloned()
    }
}

impl Rule {
    /// Reports whether a system may be used.
    #[must_use]
    pub fn allows(&self, system: &str) -> bool {
        self.systems.iter().any(|known| known == system || known == "all")
    }

    fn parse(item: &str) -> Result<Self, GovcsError> {
        if item.is_empty() {
            return Err(GovcsError::EmptyEntry);
        }
        let (pattern, systems) = item.split_once(':').ok_or_else(|| GovcsError::NoColon(item.to_owned()))?;
        let (pattern, systems) = (pattern.trim(), systems.trim());
        if pattern.is_empty() {
            return Err(GovcsError::NoPattern(item.to_owned()));
        }
        if systems.is_empty() {
            return Err(GovcsError::NoSystem(item.to_owned()));
        }
        if matches!(pattern, "." | "..") || pattern.starts_with("./") || pattern.starts_with("../") {
            return Err(GovcsError::Relative(pattern.to_owned()));
        }
        let systems: Vec<_> = systems.split('|').map(|system| system.trim().to_owned()).collect();
        if systems.iter().any(String::is_empty) {
            return Err(GovcsError::NoSystem(item.to_owned()));
        }
        Ok(Self { pattern: pattern.to_owned(), systems })
    }

    fn covers(&self, root: &str, private: bool) -> bool {
        match self.pattern.as_str() {
            "private" => private,
            "public" => !private,
            pattern => match_prefix_patterns(pattern, root),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.pattern, self.systems.join("|"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_rules_strangers_get_git_and_mercurial() {
        let govcs = Govcs::parse(" ").unwrap();
        assert_eq!(govcs, Govcs::default());
        for (system, private, allowed) in [
            ("git", false, true),
            ("hg", false, true),
            ("svn", false, false),
            ("svn", true, true),
            ("git", true, true),
        ] {
            assert_eq!(govcs.allows(system, "example.com/a", private), allowed, "{system} {private}");
        }
    }

    #[test]
    fn the_first_rule_that_covers_a_root_decides() {
        let govcs =
            Govcs::parse("github.com:git, evil.example/*:off,*.corp.example:hg|svn , public:off,private:git")
                .unwrap();
        for (system, root, private, allowed) in [
            ("git", "github.com/a/b", false, true),
            ("hg", "github.com/a/b", true, false),
            ("git", "evil.example/a", true, false),
            ("git", "evil.example", true, true),
            ("svn", "git.corp.example/a", false, true),
            ("git", "git.corp.example/a", true, false),
            ("git", "example.com/a", false, false),
            ("git", "example.com/a", true, true),
            ("hg", "example.com/a", true, false),
        ] {
            assert_eq!(govcs.allows(system, root, private), allowed, "{system} {root} {private}");
        }
        assert!(Govcs::parse("*:all").unwrap().allows("fossil", "x.example/y", false));
    }

    #[test]
    fn what_the_go_command_refuses() {
        let refused = |text: &str| Govcs::parse(text).unwrap_err();
        assert_eq!(refused("a:git,,b:git"), GovcsError::EmptyEntry);
        assert_eq!(refused("a"), GovcsError::NoColon("a".to_owned()));
        assert_eq!(refused(":git"), GovcsError::NoPattern(":git".to_owned()));
        assert_eq!(refused("a: "), GovcsError::NoSystem("a:".to_owned()));
        assert_eq!(refused("a:git||hg"), GovcsError::NoSystem("a:git||hg".to_owned()));
        assert_eq!(refused("./a:git"), GovcsError::Relative("./a".to_owned()));
        assert!(matches!(refused("a:git,a:hg"), GovcsError::Unreachable { .. }));
    }
}
