//! `git ls-remote` as the go command runs it: without a prompt, and never longer than the doctor's time.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;

use super::GitProbe;
use super::http::shown;
use crate::System;

/// The lines that are kept of what git says.
const LINES: usize = 12;

/// Runs `git version`.
pub(super) async fn version(system: &System, until: tokio::time::Instant) -> GitProbe {
    let mut probe = run(system, &["version"], until).await;
    probe.version = probe.said.first().and_then(|line| line.strip_prefix("git version ")).map(str::to_owned);
    probe
}

/// Lists the references of a repository, and says whether a released version has its tag there.
pub(super) async fn list(
    system: &System,
    repository: &str,
    version: Option<&str>,
    until: tokio::time::Instant,
) -> (GitProbe, Option<bool>) {
    let mut probe = run(system, &["ls-remote", "-q", repository], until).await;
    if probe.status != Some(0) {
        return (probe, None);
    }
    let released = version.filter(|version| {
        super::module::is_canonical(version) && !larder_module::pseudo::is_pseudo_version(version)
    });
    let has_tag = released.map(|version| {
        let tag = version.trim_end_matches("+incompatible");
        probe.said.iter().any(|line| line.contains("refs/tags/") && line.ends_with(&format!("/{tag}")))
    });
    let count = probe.said.len();
    probe.said.truncate(LINES);
    probe.said.push(format!("{count} references"));
    (probe, has_tag)
}

async fn run(system: &System, arguments: &[&str], until: tokio::time::Instant) -> GitProbe {
    let began = Instant::now();
    let mut probe = GitProbe { command: format!("git {}", without_login(arguments)), ..GitProbe::default() };
    let mut command = Command::new("git");
    command
        .args(arguments)
        .env_clear()
        .envs(&system.environment)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GCM_INTERACTIVE", "never")
        .env("GIT_ASKPASS", "")
        .env("SSH_ASKPASS", "")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if system.variable("GIT_SSH").is_none() && system.variable("GIT_SSH_COMMAND").is_none() {
        command.env("GIT_SSH_COMMAND", "ssh -o ControlMaster=no -o BatchMode=yes");
    }
    if system.folder.is_dir() {
        command.current_dir(&system.folder);
    }
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            probe.said.push(format!("exec: \"git\": {error}"));
            return probe;
        }
    };
    let group = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
    match tokio::time::timeout_at(until, child.wait_with_output()).await {
        Ok(Ok(output)) => {
            probe.status = output.status.code();
            let said = if output.status.success() { &output.stdout } else { &output.stderr };
            let whole = &said[..said.len().min(1 << 20)];
            probe.said = String::from_utf8_lossy(whole)
                .lines()
                .map(|line| shown(line.as_bytes()))
                .filter(|line| !line.trim().is_empty())
                .collect();
            if !output.status.success() {
                probe.said.truncate(LINES);
            }
        }
        Ok(Err(error)) => probe.said.push(error.to_string()),
        Err(_) => {
            // Helpers of git (ssh, curl) live in its group.
            if let Some(group) = group {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            probe.said.push("no answer in time".to_owned());
        }
    }
    probe.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    probe
}

/// Returns when a run has to end that begins now.
pub(super) fn limit(until: tokio::time::Instant) -> tokio::time::Instant {
    until.min(tokio::time::Instant::now() + Duration::from_secs(10))
}

pub(super) fn without_login(arguments: &[&str]) -> String {
    let shown = |text: &&str| match url::Url::parse(text) {
        Ok(mut url) if url.password().is_some() => {
            let _ = url.set_password(Some("xxxxx"));
            url.to_string()
        }
        _ => (*text).to_owned(),
    };
    arguments.iter().map(shown).collect::<Vec<_>>().join(" ")
}
