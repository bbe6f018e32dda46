//! Versions of the go command, and what changed with which: the only place where a Go version is compared.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A version of the go command, `1.24.3`; a release candidate counts as its release.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct GoVersion {
    /// 24 in `1.24.3`.
    pub minor: u16,
    /// 3 in `1.24.3`.
    pub patch: u16,
}

impl GoVersion {
    /// Reads `go1.24.3`, `1.24`, `go1.27rc1`, `go1.26.6-custom`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.trim().trim_start_matches("go").strip_prefix("1.")?;
        let minor_digits = numbers.find(|c: char| !c.is_ascii_digit()).unwrap_or(numbers.len());
        let minor = numbers[..minor_digits].parse().ok()?;
        let rest = numbers[minor_digits..].strip_prefix('.').unwrap_or("");
        let patch_digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some(Self { minor, patch: rest[..patch_digits].parse().unwrap_or(0) })
    }

    const fn since(self, minor: u16) -> bool {
        self.minor >= minor
    }

    /// `|` separates entries of `GOPROXY`, and `GOMODCACHE` exists.
    #[must_use]
    pub const fn knows_pipe(self) -> bool {
        self.since(15)
    }

    /// `$GOROOT/go.env` and `GOTOOLCHAIN` exist, and go.mod's go line is a minimum.
    #[must_use]
    pub const fn switches_toolchains(self) -> bool {
        self.since(21)
    }

    /// A netrc entry for a host with a port needs that port (before 1.15 too).
    #[must_use]
    pub const fn netrc_needs_port(self) -> bool {
        self.since(21) || self.minor <= 14
    }

    /// `GOAUTH` exists, a 4xx over https is asked again, and go.sum's syntax errors are reported.
    #[must_use]
    pub const fn knows_goauth(self) -> bool {
        self.since(24)
    }

    /// Git is called with `--end-of-options`, and an answer of the checksum database without the module is an error.
    #[must_use]
    pub const fn ends_git_options(self) -> bool {
        self.since(26)
    }

    /// The User-Agent is the go command's own and no longer that of Go's HTTP library.
    #[must_use]
    pub const fn names_itself(self) -> bool {
        self.since(27)
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "go1.{}.{}", self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_in_every_form_that_go_prints() {
        for (text, minor, patch) in [
            ("go1.24.3", 24, 3),
            ("1.24", 24, 0),
            ("go1.27rc1", 27, 0),
            ("go1.26.6-custom", 26, 6),
            ("1.19.8\n", 19, 8),
        ] {
            assert_eq!(GoVersion::parse(text), Some(GoVersion { minor, patch }), "{text}");
        }
        assert_eq!(GoVersion::parse("devel"), None);
    }
}
