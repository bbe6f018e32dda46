//! A trouble in the go command's own words, so that a probe's finding reads like the error that somebody knows.

use super::RequestProbe;
use crate::symptom::{Endpoint, Source, Stage, Symptom, Trouble};

/// Says what the go command would print about asking `url`, without its prefix.
pub(super) fn words(url: &str, trouble: &Trouble) -> String {
    match trouble {
        Trouble::Status { code } => format!("reading {url}: {}", status_line(*code)),
        Trouble::BodyBroken { text } => format!("read \"{url}\": {text}"),
        Trouble::BadAnswer { text } | Trouble::BadZip { file: None, text } => text.clone(),
        Trouble::BadZip { file: Some(file), text } => format!("{file}: {text}"),
        Trouble::OtherVersion { got, wanted } => {
            format!("proxy returned info for version {got} instead of requested version {wanted}")
        }
        Trouble::Stalled { seconds, received } => {
            format!("nothing more came from {url} for {seconds} s after {received} bytes")
        }
        Trouble::FileTrouble { text, .. } => format!("reading {url}: {text}"),
        other => format!("Get \"{url}\": {}", other.words()),
    }
}

/// Returns `404 Not Found`.
pub(super) fn status_line(code: u16) -> String {
    let reason = hyper::StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason());
    reason.map_or_else(|| code.to_string(), |reason| format!("{code} {reason}"))
}

/// Makes a symptom of a request that went wrong.
pub(super) fn symptom(probe: &RequestProbe, trouble: Trouble, text: String) -> Symptom {
    let name = match trouble.innermost() {
        Trouble::NoSuchHost { .. }
        | Trouble::ResolverError { .. }
        | Trouble::ResolverTimeout { .. }
        | Trouble::ResolverUnreachable { .. } => "dns",
        Trouble::Unroutable { .. } | Trouble::ConnectTimeout { .. } | Trouble::ConnectRefused { .. } => "tcp",
        Trouble::UnknownAuthority { .. }
        | Trouble::WrongName { .. }
        | Trouble::CommonNameOnly
        | Trouble::NotInValidity { .. }
        | Trouble::BadCertificate { .. }
        | Trouble::TlsAlert { .. }
        | Trouble::HandshakeTimeout
        | Trouble::NotTls { .. } => "tls",
        _ => "http",
    };
    Symptom {
        source: Source::Probe { name: name.to_owned() },
        stage: if probe.endpoint == Endpoint::Other { Stage::Unknown } else { Stage::Proxy(probe.endpoint) },
        module: probe.module.clone(),
        version: probe.version.clone(),
        url: (!probe.url.is_empty()).then(|| probe.hops.last().unwrap_or(&probe.url).clone()),
        detail: server_response(probe, &trouble),
        trouble,
        text,
        ..Symptom::default()
    }
}

/// Returns the lines that the go command prints after `server response:`.
fn server_response(probe: &RequestProbe, trouble: &Trouble) -> Vec<String> {
    let is_plain = probe.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
    if !matches!(trouble, Trouble::Status { .. }) || !is_plain {
        return Vec::new();
    }
    let lines: Vec<_> = probe.body.trim().lines().take(8).map(str::to_owned).collect();
    match lines.as_slice() {
        [] => lines,
        [one] => vec![format!("server response: {one}")],
        _ => [vec!["server response:".to_owned()], lines].concat(),
    }
}

/// Encodes a path as the go command does for proxies: `!` becomes `%21`.
pub(super) fn percent(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b'=' | b':' | b'@' | b'/' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
