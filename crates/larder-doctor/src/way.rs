//! The way of a request drawn as steps, with a mark where it breaks.

use crate::Facts;
use crate::probe::{HostProbe, Part, ProbeFacts, RequestProbe};
use crate::report::{PathStep, StepMark, Way};
use crate::symptom::{Endpoint, Stage, Symptom, Trouble};

/// Returns the ways: measured ones where there are any, else the one that the first symptom tells of.
pub(crate) fn ways(facts: &Facts) -> Vec<Way> {
    let measured = facts.probes.as_ref().map(measured).unwrap_or_default();
    if !measured.is_empty() {
        return measured;
    }
    facts.symptoms.iter().find_map(told).into_iter().collect()
}

fn step(label: &str, mark: StepMark, note: impl Into<String>) -> PathStep {
    PathStep { label: label.to_owned(), mark, note: note.into() }
}

fn measured(probes: &ProbeFacts) -> Vec<Way> {
    let mut ways: Vec<Way> = probes
        .chain
        .iter()
        .enumerate()
        .map(|(entry, of)| {
            let host =
                host_of(&of.name).and_then(|host| probes.hosts.iter().find(|known| known.host == host));
            let mut steps = host.map(layers).unwrap_or_default();
            let of_entry =
                |request: &&RequestProbe| request.entry == Some(entry) && request.part != Part::Compares;
            steps.extend(one_of_each(probes.requests.iter().filter(of_entry).map(answer)));
            Way { to: of.name.clone(), separator: of.separator.clone(), steps: ended(steps) }
        })
        .collect();
    let in_chain =
        |host: &HostProbe| probes.chain.iter().any(|of| host_of(&of.name) == Some(host.host.as_str()));
    ways.extend(probes.hosts.iter().filter(|host| !in_chain(host)).map(|host| Way {
        to: format!("{}: {}://{}:{}", host.role, host.scheme, host.host, host.port),
        separator: String::new(),
        steps: ended(layers(host)),
    }));
    ways
}

/// Several questions of one kind are one step; the one that breaks speaks for them.
fn one_of_each(answers: impl Iterator<Item = PathStep>) -> Vec<PathStep> {
    let mut steps: Vec<PathStep> = Vec::new();
    for answer in answers {
        match steps.iter_mut().find(|step| step.label == answer.label) {
            Some(known) if known.mark != StepMark::Breaks && answer.mark == StepMark::Breaks => {
                *known = answer
            }
            Some(known) if known.mark == StepMark::NotReached => *known = answer,
            Some(_) => {}
            None => steps.push(answer),
        }
    }
    steps
}

/// What stands behind a connection that breaks was not reached; one answer says nothing about the next.
fn ended(mut steps: Vec<PathStep>) -> Vec<PathStep> {
    let is_layer = |step: &PathStep| matches!(step.label.as_str(), "dns" | "tcp" | "connect" | "tls");
    if let Some(broken) = steps.iter().position(|step| step.mark == StepMark::Breaks && is_layer(step)) {
        for step in &mut steps[broken + 1..] {
            (step.mark, step.note) = (StepMark::NotReached, String::new());
        }
    }
    steps
}

fn host_of(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next();
    }
    Some(host.split(':').next().unwrap_or(host))
}

fn layers(host: &HostProbe) -> Vec<PathStep> {
    let mut steps = Vec::new();
    if !host.dns.is_empty() {
        let addresses: Vec<String> =
            host.dns.iter().flat_map(|probe| &probe.addresses).map(ToString::to_string).collect();
        let slowest = host.dns.iter().map(|probe| probe.milliseconds).max().unwrap_or_default();
        steps.push(match addresses.first() {
            Some(first) => step("dns", StepMark::Works, format!("{first}, {slowest} ms")),
            None => step("dns", StepMark::Breaks, host.dns[0].outcome.clone()),
        });
    }
    if !host.tcp.is_empty() {
        steps.push(match host.tcp.iter().find(|probe| probe.trouble.is_none()) {
            Some(probe) => {
                step("tcp", StepMark::Works, format!("{}, {} ms", probe.address, probe.milliseconds))
            }
            None => {
                step("tcp", StepMark::Breaks, host.tcp[0].trouble.as_ref().map(words).unwrap_or_default())
            }
        });
    }
    if let Some((code, said)) = &host.connect {
        let mark = if (200..300).contains(code) { StepMark::Works } else { StepMark::Breaks };
        steps.push(step("connect", mark, format!("{code} {said}")));
    }
    if let Some(tls) = &host.tls {
        steps.push(match &tls.trouble {
            None => step(
                "tls",
                StepMark::Works,
                format!("{}, {} ms", tls.version.as_deref().unwrap_or("TLS"), tls.milliseconds),
            ),
            Some(trouble) => step("tls", StepMark::Breaks, words(trouble)),
        });
    }
    if let Some(trouble) = &host.trouble
        && steps.iter().all(|step| step.mark != StepMark::Breaks)
    {
        let label = layer_of(trouble).unwrap_or("http");
        match steps.iter_mut().find(|step| step.label == label) {
            Some(step) => (step.mark, step.note) = (StepMark::Breaks, words(trouble)),
            None => steps.push(step(label, StepMark::Breaks, words(trouble))),
        }
    }
    steps
}

fn answer(request: &RequestProbe) -> PathStep {
    let label = match request.checksum_database.as_deref() {
        Some(_) => "sumdb",
        None => file(request.endpoint),
    };
    if request.part == Part::NotReached {
        return step(label, StepMark::NotReached, "");
    }
    match (&request.trouble, request.status) {
        (Some(trouble), status) => step(
            label,
            StepMark::Breaks,
            status
                .filter(|status| *status != 200)
                .map_or_else(|| words(trouble), |status| status.to_string()),
        ),
        (None, Some(status)) => {
            let mark = if (200..300).contains(&status) { StepMark::Works } else { StepMark::Breaks };
            step(label, mark, format!("{status}, {} ms", request.total_ms))
        }
        (None, None) => step(label, StepMark::NotReached, ""),
    }
}

const fn file(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::List => "list",
        Endpoint::Latest => "latest",
        Endpoint::Info => "info",
        Endpoint::Mod => "mod",
        Endpoint::Zip => "zip",
        Endpoint::Other => "http",
    }
}

/// The way that a symptom of a log tells of: all before the break worked, or there would have been another symptom.
fn told(symptom: &Symptom) -> Option<Way> {
    let host = symptom.host()?;
    let last = match &symptom.stage {
        Stage::Proxy(endpoint) => file(*endpoint),
        Stage::ChecksumDatabase(what) => what.as_str(),
        Stage::GoImport => "go-import",
        Stage::VersionControl => "git",
        _ => "http",
    };
    let forward = matches!(symptom.trouble, Trouble::ForwardProxy { .. } | Trouble::ConnectDenied { .. });
    let secure = symptom.url.as_deref().is_some_and(|url| url.starts_with("https:"));
    let mut labels = if forward { vec!["connect"] } else { vec!["dns", "tcp"] };
    if secure {
        labels.push("tls");
    }
    labels.push(last);
    let broken = layer_of(&symptom.trouble).unwrap_or(last);
    let at = labels.iter().position(|label| *label == broken)?;
    let steps = labels
        .iter()
        .enumerate()
        .map(|(place, label)| match place.cmp(&at) {
            std::cmp::Ordering::Less => step(label, StepMark::Works, ""),
            std::cmp::Ordering::Equal => step(label, StepMark::Breaks, words(&symptom.trouble)),
            std::cmp::Ordering::Greater => step(label, StepMark::NotReached, ""),
        })
        .collect();
    let scheme = if secure { "https" } else { "http" };
    Some(Way { to: format!("{scheme}://{host}"), separator: String::new(), steps })
}

/// Returns the layer that a trouble breaks; none where that is the request's last step.
fn layer_of(trouble: &Trouble) -> Option<&'static str> {
    match trouble {
        Trouble::NoSuchHost { .. }
        | Trouble::ResolverError { .. }
        | Trouble::ResolverTimeout { .. }
        | Trouble::ResolverUnreachable { .. } => Some("dns"),
        Trouble::Unroutable { .. }
        | Trouble::ConnectTimeout { .. }
        | Trouble::ConnectRefused { .. }
        | Trouble::SocketDenied { .. } => Some("tcp"),
        Trouble::HandshakeTimeout
        | Trouble::UnknownAuthority { .. }
        | Trouble::WrongName { .. }
        | Trouble::CommonNameOnly
        | Trouble::NotInValidity { .. }
        | Trouble::BadCertificate { .. }
        | Trouble::TlsAlert { .. }
        | Trouble::NotTls { .. }
        | Trouble::Reset { handshake: true, .. }
        | Trouble::ClosedEarly { handshake: true } => Some("tls"),
        Trouble::ForwardProxy { .. } | Trouble::ConnectDenied { .. } => Some("connect"),
        _ => None,
    }
}

/// A few words for a trouble.
fn words(trouble: &Trouble) -> String {
    match trouble {
        Trouble::NoSuchHost { .. } => "no such host".to_owned(),
        Trouble::ResolverError { .. } => "the name server fails".to_owned(),
        Trouble::ResolverTimeout { .. } => "the name server is silent".to_owned(),
        Trouble::ResolverUnreachable { text, .. }
        | Trouble::Unroutable { text, .. }
        | Trouble::SocketDenied { text }
        | Trouble::TooManyFiles { text }
        | Trouble::UnknownAuthority { text }
        | Trouble::BadCertificate { text }
        | Trouble::TlsAlert { text }
        | Trouble::NotHttp { text }
        | Trouble::BodyBroken { text }
        | Trouble::BadAnswer { text }
        | Trouble::BadRedirect { text }
        | Trouble::BadZip { text, .. } => text.clone(),
        Trouble::ConnectTimeout { .. } => "no answer".to_owned(),
        Trouble::ConnectRefused { .. } => "connection refused".to_owned(),
        Trouble::Reset { .. } => "connection reset".to_owned(),
        Trouble::ClosedEarly { .. } => "closed without an answer".to_owned(),
        Trouble::HandshakeTimeout => "no answer to the handshake".to_owned(),
        Trouble::WrongName { valid_for, wanted } => format!("valid for {valid_for}, not {wanted}"),
        Trouble::CommonNameOnly => "the certificate has a common name only".to_owned(),
        Trouble::NotInValidity { limit, after: true, .. } => format!("expired {limit}"),
        Trouble::NotInValidity { limit, after: false, .. } => format!("not valid before {limit}"),
        Trouble::NotTls { .. } => "not TLS".to_owned(),
        Trouble::ForwardProxy { inner } => words(inner),
        Trouble::ConnectDenied { code: Some(code), text } => format!("{code} {text}"),
        Trouble::ConnectDenied { code: None, text } => text.clone(),
        Trouble::Stalled { seconds, .. } => format!("nothing for {seconds} s"),
        Trouble::Status { code } => code.to_string(),
        Trouble::OtherVersion { got, wanted } => format!("{got} instead of {wanted}"),
        Trouble::Mismatch { .. } => "checksum mismatch".to_owned(),
        Trouble::FileTrouble { operation, text, .. } => format!("{operation}: {text}"),
        Trouble::Command { status: Some(status), .. } => format!("exit status {status}"),
        Trouble::Command { status: None, .. } | Trouble::Said => "failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_how_far_the_request_came() {
        let symptom = Symptom {
            url: Some("https://proxy.example.com/example.com/m/@v/list".to_owned()),
            stage: Stage::Proxy(Endpoint::List),
            trouble: Trouble::ConnectRefused { address: "192.0.2.1:443".to_owned() },
            ..Symptom::default()
        };
        let way = told(&symptom).expect("a way");
        let drawn: Vec<_> = way.steps.iter().map(|step| (step.label.as_str(), step.mark)).collect();
        assert_eq!(
            drawn,
            [
                ("dns", StepMark::Works),
                ("tcp", StepMark::Breaks),
                ("tls", StepMark::NotReached),
                ("list", StepMark::NotReached)
            ]
        );
    }

    #[test]
    fn each_entry_of_the_chain_is_a_way() {
        let probes: ProbeFacts = serde_json::from_value(serde_json::json!({
            "chain": [{"name": "https://proxy.example.com", "separator": ","}, {"name": "direct"}],
            "hosts": [{"role": "GOPROXY entry 1", "scheme": "https", "host": "proxy.example.com", "port": 443,
                       "dns": [{"server": "system", "outcome": "NOERROR", "addresses": ["192.0.2.1"]}],
                       "tcp": [{"address": "192.0.2.1:443", "milliseconds": 4}],
                       "tls": {"trouble": {"unknown_authority": {"text": "unknown authority"}}}}],
            "requests": [{"entry": 0, "endpoint": "info", "url": "https://proxy.example.com/x"}],
        }))
        .expect("facts");
        let ways = measured(&probes);
        assert_eq!(ways.len(), 2);
        let marks: Vec<_> = ways[0].steps.iter().map(|step| (step.label.as_str(), step.mark)).collect();
        assert_eq!(
            marks,
            [
                ("dns", StepMark::Works),
                ("tcp", StepMark::Works),
                ("tls", StepMark::Breaks),
                ("info", StepMark::NotReached)
            ]
        );
    }
}
