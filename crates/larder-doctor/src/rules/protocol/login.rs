//! Logins that are wanted, and netrc entries that the go command does not use.

use super::{about, request_of, status_of, with_answer, with_symptom};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::symptom::{Stage, Symptom};

/// Iterates over refusals for want of a login.
fn refusals(facts: &Facts) -> impl Iterator<Item = (usize, &Symptom)> {
    facts.symptoms().filter(|(_, symptom)| {
        let asks = matches!(symptom.stage, Stage::Proxy(_) | Stage::Toolchain | Stage::ChecksumDatabase(_));
        asks && status_of(symptom) == Some(401)
    })
}

/// P06: the proxy wants a login.
pub(super) fn unauthorized(facts: &Facts) -> Vec<Match> {
    refusals(facts)
        .map(|(index, symptom)| {
            let found = Match::of(CauseId("P06"), symptom.host().unwrap_or_default()).sure(0.85);
            let mut found = with_symptom(found, index, symptom);
            if let Some(probe) = request_of(facts, symptom) {
                found = with_answer(found, probe);
                let (sent, sent_zh) = match &probe.login {
                    Some(from) => (
                        format!("a login was sent (from {from}), and refused"),
                        format!("已发送登录信息（来自 {from}），但被拒绝"),
                    ),
                    None => ("no login was sent".to_owned(), "go 没有发送登录信息".to_owned()),
                };
                found = found
                    .because(Evidence::new("Authorization", &sent, "probe http"))
                    .with("sent", sent)
                    .with("sent_zh", sent_zh);
            } else if symptom.url.as_deref().is_some_and(|url| url.contains("xxxxx@")) {
                found = found
                    .with("sent", "the login in GOPROXY was sent, and refused")
                    .with("sent_zh", "已发送 GOPROXY 中的登录信息，但被拒绝");
            }
            found
        })
        .collect()
}

/// P07: netrc names the machine, and the go command does not use the entry.
pub(super) fn netrc_not_used(facts: &Facts) -> Vec<Match> {
    let netrc = facts.probes.as_ref().and_then(|probes| probes.netrc.as_ref());
    refusals(facts)
        .filter_map(|(index, symptom)| {
            let netrc = netrc?;
            let probe = request_of(facts, symptom);
            if probe.is_some_and(|probe| probe.login.is_some()) {
                return None;
            }
            let whole = symptom.host()?;
            let bare = without_port(whole);
            let named = netrc.machines.iter().find(|machine| without_port(machine) == bare)?;
            let is_usable = netrc.usable.iter().any(|machine| machine == named);
            let (why, why_zh) = if symptom.url.as_deref().is_some_and(|url| url.starts_with("http://")) {
                (
                    "the go command sends no login over http".to_owned(),
                    "go 不会通过 http 发送登录信息".to_owned(),
                )
            } else if !is_usable {
                (
                    format!("the entry for {named} lacks a login or a password"),
                    format!("{named} 的条目缺少 login 或 password"),
                )
            } else if named != whole && facts.go.is_none_or(|go| go.netrc_needs_port()) {
                (
                    format!("the URL says {whole}, and the entry is for {named}"),
                    format!("地址是 {whole}，而条目是 {named}"),
                )
            } else {
                return None;
            };
            let found = Match::of(CauseId("P07"), about(symptom))
                .sure(0.93)
                .with("why", &why)
                .with("why_zh", why_zh)
                .with("bare", bare)
                .with("file", &netrc.path)
                .because(Evidence::new(netrc.path.as_str(), format!("machine {named}"), "netrc"))
                .not(CauseId("P06"), "there is a login for this host; it is not sent");
            Some(with_symptom(found, index, symptom))
        })
        .collect()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((bare, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => bare,
        _ => host,
    }
}
