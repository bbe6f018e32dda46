//! The same settings as each place wants them written.

use super::words::reason;
use super::{Line, Place, Reason, Recipe, Setting, Wishes};
use crate::catalogue::Language;

/// Writes the settings for the place that was asked for.
pub(super) fn written(wishes: &Wishes, settings: &[Setting], language: Language) -> Recipe {
    let line = |text: String, why| Line { text, reason: reason(why, language).to_owned() };
    let lines = match wishes.place {
        Place::Shell => shell(wishes, settings, &line),
        Place::Docker => docker(wishes, settings, &line),
        Place::GithubActions => github(wishes, settings, &line),
        Place::GitlabCi => gitlab(wishes, settings, &line),
    };
    Recipe { lines, notes: Vec::new() }
}

type Writer<'a> = &'a dyn Fn(String, Reason) -> Line;

fn shell(wishes: &Wishes, settings: &[Setting], line: Writer<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = settings
        .iter()
        .map(|setting| match setting.reason {
            Reason::Unset => line(format!("go env -u {}", setting.name), setting.reason),
            why => line(format!("go env -w {}", quoted(&format!("{}={}", setting.name, setting.value))), why),
        })
        .collect();
    for (name, value, why) in outgoing(wishes) {
        lines.push(line(format!("export {name}={}", quoted(&value)), why));
    }
    if let Some(machine) = machine(wishes) {
        let text = format!("umask 077; echo 'machine {machine} login USER password TOKEN' >> ~/.netrc");
        lines.push(line(text, Reason::Login));
    }
    lines
}

fn docker(wishes: &Wishes, settings: &[Setting], line: Writer<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = set(settings)
        .map(|setting| {
            line(format!("ENV {}={}", setting.name, docker_quoted(&setting.value)), setting.reason)
        })
        .collect();
    lines.push(line("COPY go.mod go.sum ./".to_owned(), Reason::ModulesFirst));
    let secret = machine(wishes).is_some();
    let mount = if secret { " --mount=type=secret,id=netrc,target=/run/secrets/netrc" } else { "" };
    let login = if secret { "NETRC=/run/secrets/netrc " } else { "" };
    let download = format!("RUN --mount=type=cache,target=/go/pkg/mod{mount} \\\n    {login}go mod download");
    lines.push(line(download, Reason::Cache));
    let arguments: Vec<String> = outgoing(wishes)
        .into_iter()
        .map(|(name, value, _)| format!(" --build-arg {name}={}", quoted(&value)))
        .collect();
    let secrets = if secret { " --secret id=netrc,src=\"$HOME/.netrc\"" } else { "" };
    if secret || !arguments.is_empty() {
        let why = if secret { Reason::Login } else { Reason::Outgoing };
        lines.push(line(format!("# docker build{}{secrets} .", arguments.concat()), why));
    }
    lines
}

/// The settings and what else goes into the environment, as entries of a YAML map.
fn variables(wishes: &Wishes, settings: &[Setting], line: Writer<'_>) -> Vec<Line> {
    let mut lines = vec![];
    for setting in set(settings) {
        lines.push(line(format!("  {}: {}", setting.name, yaml_quoted(&setting.value)), setting.reason));
    }
    for (name, value, why) in outgoing(wishes) {
        lines.push(line(format!("  {name}: {}", yaml_quoted(&value)), why));
    }
    lines
}

fn github(wishes: &Wishes, settings: &[Setting], line: Writer<'_>) -> Vec<Line> {
    let mut lines = variables(wishes, settings, line);
    if let Some(first) = lines.first_mut() {
        first.text = format!("env:\n{}", first.text);
    }
    if let Some(machine) = machine(wishes) {
        let text = format!(
            "- run: |\n    umask 077\n    echo \"machine {machine} login $LOGIN password $TOKEN\" >> ~/.netrc\n  env:\n    LOGIN: ${{{{ secrets.PROXY_LOGIN }}}}\n    TOKEN: ${{{{ secrets.PROXY_TOKEN }}}}"
        );
        lines.push(line(text, Reason::Login));
    }
    lines.push(line("- run: go mod download".to_owned(), Reason::ModulesFirst));
    lines
}

fn gitlab(wishes: &Wishes, settings: &[Setting], line: Writer<'_>) -> Vec<Line> {
    let mut lines = variables(wishes, settings, line);
    lines.push(line("  GOMODCACHE: \"$CI_PROJECT_DIR/.go/mod\"".to_owned(), Reason::Cache));
    lines[0].text = format!("variables:\n{}", lines[0].text);
    lines.push(line("cache:\n  key:\n    files: [go.sum]\n  paths: [.go/mod]".to_owned(), Reason::Cache));
    if let Some(machine) = machine(wishes) {
        let text = format!(
            "before_script:\n  - umask 077; echo \"machine {machine} login $PROXY_LOGIN password $PROXY_TOKEN\" >> ~/.netrc"
        );
        lines.push(line(text, Reason::Login));
    }
    lines
}

/// Settings that a file has to hold; what is Go's default is left out.
fn set(settings: &[Setting]) -> impl Iterator<Item = &Setting> {
    settings.iter().filter(|setting| setting.reason != Reason::Unset)
}

fn outgoing(wishes: &Wishes) -> Vec<(&'static str, String, Reason)> {
    let Some(proxy) = &wishes.forward_proxy else { return Vec::new() };
    let mut inside: Vec<String> =
        wishes.private.iter().filter_map(|pattern| host_of_pattern(pattern)).collect();
    inside.extend(wishes.proxy.as_deref().and_then(host));
    inside.dedup();
    let mut lines = vec![
        ("HTTPS_PROXY", proxy.clone(), Reason::Outgoing),
        ("HTTP_PROXY", proxy.clone(), Reason::Outgoing),
    ];
    if !inside.is_empty() {
        lines.push(("NO_PROXY", inside.join(","), Reason::NotOutgoing));
    }
    lines
}

/// Returns the host of a pattern as `NO_PROXY` wants it: `*.corp.example` becomes `.corp.example`.
fn host_of_pattern(pattern: &str) -> Option<String> {
    let first = pattern.split('/').next()?;
    let host = first.strip_prefix('*').unwrap_or(first);
    (!host.is_empty() && !host.contains(['*', '?', '[', '\\'])).then(|| host.to_owned())
}

fn host(url: &str) -> Option<String> {
    url::Url::parse(url).ok()?.host_str().map(str::to_owned)
}

/// Returns what the netrc calls the proxy, if it wants a login.
fn machine(wishes: &Wishes) -> Option<String> {
    let url = url::Url::parse(wishes.proxy.as_deref().filter(|_| wishes.login)?).ok()?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Quotes for a POSIX shell where that is needed.
fn quoted(text: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_./:=,@%+".contains(char);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn docker_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"))
}

fn yaml_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
