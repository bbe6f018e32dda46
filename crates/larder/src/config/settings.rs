//! The table of scalar settings: one row each, the single source for the file's keys, the `LARDER_...` variables,
//! the defaults and what `larder config` explains.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How a value is written, and so how it is checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// `127.0.0.1:3000` or `[::1]:3000`.
    Address,
    /// A file or folder.
    Path,
    /// `true` or `false`.
    Switch,
    /// `500ms`, `30s`, `2m`, `1h`, `30d`.
    Duration,
    /// `4096`, `64KiB`, `64MiB`, `2GiB`.
    Size,
    /// A whole number.
    Count,
    /// Any text.
    Text,
    /// One of the words given.
    Choice(&'static [&'static str]),
    /// A list: an array in the file, separated by commas in the environment.
    List,
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The dotted key in the file.
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    /// The default as it would be written, empty for none.
    pub(crate) default: &'static str,
    pub(crate) about: &'static str,
}

impl Setting {
    /// Returns the environment variable that sets it: `limits.connect` is `LARDER_LIMITS_CONNECT`.
    pub(crate) fn variable(&self) -> String {
        format!("LARDER_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }
}

/// Finds the row of a dotted key.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

const fn row(key: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Setting {
    Setting { key, kind, default, about }
}

/// Every scalar setting.
pub(crate) const SETTINGS: &[Setting] = &[
    row("listen", Kind::Address, "127.0.0.1:3000", "address to serve on"),
    row("data", Kind::Path, "", "data folder; default: larder in the platform's data directory"),
    row("base_path", Kind::Text, "", "path prefix when a front proxy passes one on, such as /go"),
    row("private_clients", Kind::List, "127.0.0.0/8,::1/128", "networks that may have private modules"),
    row("trusted_proxies", Kind::List, "", "networks whose X-Forwarded-* headers are believed"),
    row(
        "log.level",
        Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        "info",
        "how much is logged",
    ),
    row("log.format", Kind::Choice(&["text", "json"]), "text", "form of the log on standard error"),
    row("log.requests", Kind::Switch, "true", "one log line for each request"),
    row("goproxy", Kind::Text, "", "chain for what no route matches; default: what the go command would use"),
    row("gosumdb", Kind::Text, "", "checksum database; default: what the go command would use"),
    row(
        "gonosumdb",
        Kind::Text,
        "",
        "patterns never looked up in it; default: what the go command would use",
    ),
    row(
        "verify",
        Kind::Choice(&["required", "when-reachable", "off"]),
        "required",
        "what to do when the checksum database can't be asked",
    ),
    row(
        "tls.certificate",
        Kind::Path,
        "",
        "PEM file with the server's certificate chain; with it Larder speaks TLS",
    ),
    row("tls.key", Kind::Path, "", "PEM file with the server's private key"),
    row("upstream.ca", Kind::List, "", "PEM files with further authorities to trust upstream"),
    row("upstream.connections", Kind::Count, "64", "requests in flight to one host at most"),
    row(
        "prefetch.mode",
        Kind::Choice(&["full", "mods", "off"]),
        "full",
        "what is fetched before clients ask for it: all that can be told, go.mod files only, nothing",
    ),
    row("prefetch.requests", Kind::Count, "256", "such fetches in flight at most"),
    row(
        "prefetch.host",
        Kind::Count,
        "128",
        "such requests in flight to one host, besides those of clients; over https 64 at most",
    ),
    row(
        "prefetch.bytes",
        Kind::Size,
        "256MiB",
        "zips on their way at most before another is begun for nobody yet",
    ),
    row("prefetch.host_bytes", Kind::Size, "192MiB", "the same from one upstream"),
    row(
        "prefetch.unused",
        Kind::Size,
        "2GiB",
        "room in the store for what was fetched so and nobody asked for",
    ),
    row("prefetch.age", Kind::Duration, "7d", "how long such things are kept"),
    row("upstream.retries", Kind::Count, "2", "further tries inside one upstream for what is worth retrying"),
    row("answers.fresh", Kind::Duration, "60s", "how long lists and other answers are fresh, at most 1h"),
    row(
        "answers.negative",
        Kind::Duration,
        "60s",
        "how long a positive \"no such version\" is believed, at most 1h",
    ),
    row("limits.connect", Kind::Duration, "10s", "name look-up, connection and TLS handshake upstream"),
    row("limits.first_byte", Kind::Duration, "30s", "wait for an upstream's answer"),
    row(
        "limits.first_byte_zip",
        Kind::Duration,
        "120s",
        "the same for a zip, which an upstream may have to make first",
    ),
    row("limits.between_bytes", Kind::Duration, "30s", "wait between two pieces of a body"),
    row("limits.client_wait", Kind::Duration, "34s", "longest a client waits for a status"),
    row(
        "limits.fetches",
        Kind::Count,
        "256",
        "fetches in flight at most; where there are several routes, one has half of them at most",
    ),
    row("limits.retry_after", Kind::Duration, "10s", "longest Retry-After that is waited out"),
    row("limits.list", Kind::Size, "16MiB", "largest list"),
    row("limits.info", Kind::Size, "1MiB", "largest .info"),
    row("limits.mod", Kind::Size, "16MiB", "largest .mod"),
    row("limits.zip", Kind::Size, "500MiB", "largest zip; no go client accepts more than the default"),
    row(
        "server.connections",
        Kind::Count,
        "0",
        "client connections at most; 0: 80 % of the descriptor limit",
    ),
    row("server.head", Kind::Duration, "10s", "time to send a request's head"),
    row("server.idle", Kind::Duration, "120s", "time a connection may stay unused"),
    row("server.write", Kind::Duration, "60s", "time in which a client must take at least 6 kB"),
    row("server.drain", Kind::Duration, "30s", "time for running requests after SIGTERM"),
    row("memory", Kind::Size, "64MiB", "memory for small objects and answers"),
    row("git.program", Kind::Path, "git", "the git program, which `direct` needs"),
    row("git.processes", Kind::Count, "8", "runs of git at a time"),
    row("git.remote", Kind::Duration, "10m", "time for one run of git that talks to a forge"),
    row("git.local", Kind::Duration, "5m", "time for one run of git on what was fetched"),
    row(
        "git.refs",
        Kind::Duration,
        "10s",
        "how long the branches and tags that a forge named count as current",
    ),
    row("git.roots", Kind::Duration, "10m", "how long it counts as known which repository holds a module"),
    row("git.mirrors", Kind::Size, "10GiB", "room for all mirrors; the least recently used go first"),
    row("git.repository", Kind::Size, "2GiB", "room for the mirror of one repository"),
    row(
        "git.environment",
        Kind::List,
        "",
        "further variables that git and its credential helpers get from Larder's environment",
    ),
];

/// Parses `kind`, saying what would have been right.
pub(crate) fn check(kind: Kind, text: &str) -> Result<(), String> {
    match kind {
        Kind::Address => address(text).map(drop),
        Kind::Switch => switch(text).map(drop),
        Kind::Duration => duration(text).map(drop),
        Kind::Size => size(text).map(drop),
        Kind::Count => count(text).map(drop),
        Kind::Choice(words) if words.contains(&text) => Ok(()),
        Kind::Choice(words) => Err(format!("must be one of {}", words.join(", "))),
        Kind::Path if text.contains('\0') => Err("must be a path".to_owned()),
        Kind::Path | Kind::Text | Kind::List => Ok(()),
    }
}

/// Parses an address to listen on; a bare port or `:3000` means the loopback address, `localhost` is 127.0.0.1.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let port_only = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port_only.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let numeric = text.replacen("localhost:", "127.0.0.1:", 1);
    numeric
        .parse()
        .map_err(|_| "must be an IP address and a port, such as 127.0.0.1:3000 or [::1]:3000".to_owned())
}

/// Parses `true` or `false`.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be true or false".to_owned())
}

/// Parses a whole number.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "must be a whole number".to_owned())
}

/// Parses a duration with its unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a number with a unit: 500ms, 30s, 2m, 1h or 30d".to_owned();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..split].parse().map_err(|_| wrong())?;
    let milliseconds = match &text[split..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(wrong)
}

/// Parses a size in bytes with an optional binary unit.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "must be a number of bytes, or with a unit: 64KiB, 64MiB, 2GiB".to_owned();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..split].parse().map_err(|_| wrong())?;
    let unit = match &text[split..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1_u64 << 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

/// Splits the written form of a list.
pub(crate) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Returns the path, or nothing for an empty text.
pub(crate) fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_passes_its_own_check() {
        for setting in SETTINGS.iter().filter(|setting| !setting.default.is_empty()) {
            check(setting.kind, setting.default).unwrap_or_else(|wrong| panic!("{}: {wrong}", setting.key));
        }
    }

    #[test]
    fn the_manual_names_every_setting_with_its_variable_and_default() {
        let manual = include_str!("../../../../docs/configuration.md");
        for setting in SETTINGS {
            let default =
                if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
            let row = format!("| `{}` | `{}` | {default} | ", setting.key, setting.variable());
            assert!(manual.contains(&row), "docs/configuration.md lacks the row {row}");
        }
        assert_eq!(manual.matches("| `LARDER_").count(), SETTINGS.len(), "a row of the manual is no setting");
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for wrong in ["30", "s", "", "1.5s", "-1s", "99999999999999999999s", "1 s", "18446744073709551615d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_may_have_a_binary_unit() {
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("64MiB"), Ok(64 << 20));
        for wrong in ["", "MiB", "1MB", "-1", "99999999999TiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_without_a_host_stay_on_this_machine() {
        assert_eq!(address("8080"), Ok(SocketAddr::from(([127, 0, 0, 1], 8080))));
        assert_eq!(address(":8080"), Ok(SocketAddr::from(([127, 0, 0, 1], 8080))));
        assert_eq!(address("localhost:8080"), Ok(SocketAddr::from(([127, 0, 0, 1], 8080))));
        assert!(address("[::]:8080").is_ok());
        assert!(address("larder.example.com:8080").is_err());
        assert!(address("127.0.0.1:70000").is_err());
    }
}
