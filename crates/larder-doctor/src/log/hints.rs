//! What a log shows besides errors: settings that somebody made, commands that somebody ran, the client's version.

use crate::GoVersion;

const SETTINGS: &[&str] = &[
    "GOPROXY",
    "GOSUMDB",
    "GONOSUMDB",
    "GONOPROXY",
    "GOPRIVATE",
    "GOINSECURE",
    "GOFLAGS",
    "GO111MODULE",
    "GOVCS",
    "GOAUTH",
    "GOTOOLCHAIN",
    "GOMODCACHE",
    "GOPATH",
    "GOCACHE",
    "GOWORK",
    "GOENV",
    "GONOSUMCHECK",
    "GOSUMCHECK",
    "GONOPRIVATE",
    "GODEBUG",
    "GONOVCS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_NO_VERIFY",
    "GIT_TERMINAL_PROMPT",
    "NETRC",
];

/// Commands worth keeping, since people paste them against a failure: words that must all occur.
const COMMANDS: &[&[&str]] = &[
    &["-insecure"],
    &["sslVerify", "false"],
    &["insteadOf"],
    &["insteadof"],
    &["chmod", "777"],
    &["go clean", "-modcache"],
    &["rm ", "go.sum"],
    &["setenforce 0"],
    &["-mod=mod"],
    &["-mod=vendor"],
    &["safe.directory"],
    &["StrictHostKeyChecking"],
    &["build-args [", "not consumed"],
];

/// Finds `NAME=value` for one of the settings, in any of the forms in which shells, Docker, CI files and `go env` write it.
#[must_use]
pub fn setting(text: &str) -> Option<(&'static str, &str)> {
    SETTINGS.iter().find_map(|name| {
        let at = text.find(name)?;
        let before = text[..at].chars().next_back();
        if before.is_some_and(|char| char.is_ascii_alphanumeric() || char == '_') {
            return None;
        }
        let rest = &text[at + name.len()..];
        let form = rest
            .strip_prefix('=')
            .or_else(|| rest.strip_prefix(" = "))
            .or_else(|| {
                rest.strip_prefix(": ").filter(|_| text[..at].trim().is_empty() || text[..at].trim() == "-")
            })
            .or_else(|| rest.strip_prefix(' ').filter(|_| text[..at].trim_end().ends_with("ENV")))?;
        let form = form.trim_start();
        let quote = form.chars().next().filter(|char| matches!(char, '"' | '\''));
        let value = match quote {
            Some(quote) => form[1..].split(quote).next().unwrap_or(""),
            None => form
                .split([' ', ';', '&', '`'])
                .next()
                .unwrap_or("")
                .trim_end_matches([',', ')', '\\', '"', '\'']),
        };
        // `${GOPROXY:-x}`, `$(go env GOPROXY)` and `GOPROXY=...` in prose name no value.
        (!value.starts_with('$') && !value.starts_with("...")).then_some((*name, value))
    })
}

/// Returns a line to keep, if it shows a setting or a command of interest.
pub(super) fn seen(text: &str) -> Option<&str> {
    let line = text.trim();
    let kept = line.len() < 2000
        && (setting(line).is_some()
            || COMMANDS.iter().any(|words| words.iter().all(|word| line.contains(word))))
        && !line.contains("does not override")
        && !line.contains("To ignore the vendor")
        && !line.contains("(running go ")
        && !line.contains("disabled by");
    kept.then(|| line.char_indices().nth(300).map_or(line, |(end, _)| &line[..end]))
}

/// Reports quickly whether a line may show one.
pub(super) fn maybe(text: &str) -> bool {
    text.contains("GO")
        || text.contains("PROXY")
        || text.contains("_proxy")
        || COMMANDS.iter().any(|words| text.contains(words[0]))
}

/// Finds the client's version, and how sure that is: a runtime's own word beats an image's name.
pub(super) fn client(text: &str) -> Option<(u8, GoVersion)> {
    const FORMS: &[(&str, u8)] = &[
        ("running go ", 3),
        ("go version go", 3),
        ("GOVERSION=", 3),
        ("Successfully set up Go version ", 2),
        ("Setup go version spec ", 1),
        ("go-version: ", 1),
        ("golang:", 1),
    ];
    FORMS.iter().find_map(|(mark, sure)| {
        let (_, rest) = text.split_once(mark)?;
        let rest = rest.trim_start_matches(['"', '\'', 'v']);
        let word = rest.split([' ', ';', ')', '"', '\'', ',', '-']).next()?;
        Some((*sure, GoVersion::parse(word)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_in_every_form() {
        for (line, name, value) in [
            ("export GOSUMDB=off", "GOSUMDB", "off"),
            (
                "ENV GOPROXY=https://proxy.example.com,direct \\",
                "GOPROXY",
                "https://proxy.example.com,direct",
            ),
            ("Step 3/9 : ENV GOPROXY https://proxy.example.com", "GOPROXY", "https://proxy.example.com"),
            ("go env -w GOPRIVATE=git.corp.example", "GOPRIVATE", "git.corp.example"),
            ("GOPROXY='https://proxy.example.com'", "GOPROXY", "https://proxy.example.com"),
            ("set GOPROXY=off", "GOPROXY", "off"),
            ("$env:GOPROXY = \"direct\"", "GOPROXY", "direct"),
            ("  GOPROXY: https://proxy.example.com", "GOPROXY", "https://proxy.example.com"),
            ("GOFLAGS=-mod=vendor go build ./...", "GOFLAGS", "-mod=vendor"),
            (
                "docker build --build-arg HTTPS_PROXY=http://proxy.example.com:3128 .",
                "HTTPS_PROXY",
                "http://proxy.example.com:3128",
            ),
        ] {
            assert_eq!(setting(line), Some((name, value)), "{line}");
            assert!(maybe(line) && seen(line).is_some());
        }
        assert_eq!(setting("module lookup disabled by GOPROXY=off").map(|_| ()), Some(()));
        assert_eq!(seen("module lookup disabled by GOPROXY=off"), None);
    }

    #[test]
    fn the_client_says_its_version() {
        for (line, minor) in [
            ("go version go1.21.0 linux/amd64", 21),
            ("go: m requires go >= 1.23 (running go 1.20.1; GOTOOLCHAIN=local)", 20),
            ("FROM golang:1.19-alpine AS build", 19),
            ("GOVERSION='go1.24.1'", 24),
        ] {
            assert_eq!(client(line).map(|(_, go)| go.minor), Some(minor), "{line}");
        }
    }
}
