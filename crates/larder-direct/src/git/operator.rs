//! What the operator has configured in git itself and Larder has to know: rewritten URLs, allowed protocols, the ssh program.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::command::Commands;
use super::run::{Output, Runner};
use crate::error::DirectError;

/// How long what was read counts as current. Operators edit it by hand.
const FRESHNESS: Duration = Duration::from_secs(60);
const LIMIT: usize = 1 << 20;

/// The part of the operator's git configuration that matters here.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct OperatorConfiguration {
    /// The ssh program is chosen by `core.sshCommand`.
    pub(super) own_ssh: bool,
    /// There are `url.*.insteadOf` lines, so a URL may become another.
    pub(super) rewrites: bool,
    /// Protocols that `protocol.NAME.allow` allows.
    pub(super) allowed: Vec<String>,
    /// Own certificate authorities are configured for https.
    pub(super) own_authorities: bool,
    /// A forward proxy is configured (`http.proxy`, `http.URL.proxy`), which looks hosts up by itself.
    pub(super) own_proxy: bool,
    /// The first two numbers of git's version; zeros if it says none.
    pub(super) version: (u32, u32),
}

#[derive(Debug, Default)]
pub(super) struct Operator {
    known: Mutex<Option<(Instant, OperatorConfiguration)>>,
}

impl Operator {
    /// Reads the configuration, or remembers it.
    pub(super) async fn configuration(
        &self,
        commands: &Commands,
        runner: &Runner,
        folder: &Path,
    ) -> Result<OperatorConfiguration, DirectError> {
        let known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if let Some((read, configuration)) = &known
            && read.elapsed() < FRESHNESS
        {
            return Ok(configuration.clone());
        }
        let expression = r"^(core\.sshcommand|protocol\..*\.allow|url\..*\.insteadof|http\..*sslcainfo|(http|remote)\.(.*\.)?proxy)$";
        let job = commands.configured(folder, &["config", "--includes", "-z", "--get-regexp", expression]);
        let done = runner.run(job, Output::Memory(LIMIT)).await?;
        // Status 1 is git's way to say that there is nothing of the sort.
        let mut configuration = read(&String::from_utf8_lossy(&done.stdout));
        configuration.version = match known {
            Some((_, known)) if known.version != (0, 0) => known.version,
            _ => {
                let job = commands.configured(folder, &["version"]);
                version(&String::from_utf8_lossy(&runner.run(job, Output::Memory(LIMIT)).await?.stdout))
            }
        };
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *known = Some((Instant::now(), configuration.clone()));
        Ok(configuration)
    }
}

/// Reads `git version 2.39.5 (and what a distributor adds)`.
fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.trim().trim_start_matches("git version ").split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => (0, 0),
    }
}

fn read(text: &str) -> OperatorConfiguration {
    let mut configuration = OperatorConfiguration::default();
    for entry in text.split('\0') {
        let (name, value) = entry.split_once('\n').unwrap_or((entry, "true"));
        let lower = name.to_ascii_lowercase();
        if lower == "core.sshcommand" {
            configuration.own_ssh = true;
        } else if lower.starts_with("url.") {
            configuration.rewrites = true;
        } else if lower.ends_with(".proxy") {
            // An empty one means that there is none.
            configuration.own_proxy |= !value.is_empty();
        } else if lower.starts_with("http.") {
            configuration.own_authorities = true;
        } else if let Some(protocol) =
            lower.strip_prefix("protocol.").and_then(|rest| rest.strip_suffix(".allow"))
        {
            configuration.allowed.retain(|allowed| allowed != protocol);
            if matches!(value, "always" | "user") {
                configuration.allowed.push(protocol.to_owned());
            }
        }
    }
    configuration
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_git_are_understood() {
        for (text, expected) in [
            ("git version 2.39.5\n", (2, 39)),
            ("git version 2.39.3 (Apple Git-146)\n", (2, 39)),
            ("git version 2.45.windows.1", (2, 45)),
            ("git version 3.0-rc1", (0, 0)),
            ("", (0, 0)),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }

    #[test]
    fn lines_of_git_config_are_understood() {
        let text = "core.sshcommand\nssh -i key\0protocol.file.allow\nalways\0protocol.http.allow\nnever\0url.ssh://git@h/.insteadof\nhttps://h/\0http.sslcainfo\n/x\0";
        let expected = OperatorConfiguration {
            own_ssh: true,
            rewrites: true,
            allowed: vec!["file".into()],
            own_authorities: true,
            own_proxy: false,
            version: (0, 0),
        };
        assert_eq!(read(text), expected);
        for (text, own_proxy) in [
            ("http.proxy\nhttp://p:3128\0", true),
            ("http.https://h/.proxy\nsocks5h://p\0", true),
            ("remote.origin.proxy\nhttp://p\0", true),
            ("http.proxy\n\0", false),
        ] {
            let expected = OperatorConfiguration { own_proxy, ..OperatorConfiguration::default() };
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(read(""), OperatorConfiguration::default());
    }
}
