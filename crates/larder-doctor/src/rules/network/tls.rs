//! Handshakes that break before any certificate is judged.

use super::sight::{Sight, sights};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::symptom::Trouble;

fn neutral<'a>(sight: &Sight<'a>) -> Option<&'a str> {
    sight.probe?.tls.as_ref()?.neutral_name.as_deref()
}

fn with_neutral(found: Match, sight: &Sight<'_>) -> Match {
    match neutral(sight) {
        Some(outcome) => {
            found.because(Evidence::new("the same address, asked with a neutral name", outcome, "probe tls"))
        }
        None => found,
    }
}

/// Reports whether another name gets an answer where this one does not.
fn only_this_name(sight: &Sight<'_>) -> Option<bool> {
    neutral(sight).map(|outcome| outcome == "answers" || outcome.starts_with("remote error"))
}

/// The connection is reset when the name is seen in the handshake.
pub(super) fn reset(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let sure = match (sight.trouble, only_this_name(&sight)) {
            (Trouble::Reset { handshake: true, .. }, Some(true)) => 0.95,
            (Trouble::Reset { handshake: true, .. }, Some(false)) => 0.7,
            (Trouble::Reset { handshake: true, .. }, None) => 0.78,
            (Trouble::ClosedEarly { handshake: true } | Trouble::HandshakeTimeout, Some(true)) => 0.93,
            (Trouble::Reset { handshake: false, .. }, _) => 0.5,
            _ => return None,
        };
        let found = with_neutral(sight.found("N08").sure(sure), &sight);
        Some(
            found
                .not(CauseId("N07"), "the connection was made")
                .not(CauseId("N09"), "the connection was made"),
        )
    };
    sights(facts).filter_map(one).collect()
}

/// The peer closes or says nothing.
pub(super) fn stalled(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let small = sight.probe.and_then(|probe| probe.tls.as_ref()?.small_greeting.as_deref());
        let only_small = small == Some("answers");
        let sure = match sight.trouble {
            Trouble::HandshakeTimeout
            | Trouble::ClosedEarly { handshake: true }
            | Trouble::Reset { handshake: true, .. }
                if only_small =>
            {
                0.96
            }
            Trouble::HandshakeTimeout => 0.9,
            Trouble::ClosedEarly { handshake: true } => 0.78,
            Trouble::ClosedEarly { handshake: false } => 0.55,
            _ => return None,
        };
        let found = with_neutral(sight.found("N19").sure(sure), &sight);
        let found = match small {
            Some(outcome) => {
                found.because(Evidence::new("a handshake that fits into one packet", outcome, "probe tls"))
            }
            None => found,
        };
        let did = match sight.trouble {
            _ if only_small => "answers only a greeting that fits into one packet; go's is larger",
            Trouble::HandshakeTimeout => "says nothing",
            _ => "closes the connection",
        };
        Some(found.with("did", did).not(CauseId("N07"), "the connection was made"))
    };
    sights(facts).filter_map(one).collect()
}

/// The peer refuses this kind of client.
pub(super) fn alert(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let Trouble::TlsAlert { text } = sight.trouble else { return None };
        let tls = sight.probe.and_then(|probe| probe.tls.as_ref());
        let old = tls.and_then(|tls| tls.only_old_version.clone());
        let asks = tls.is_some_and(|tls| tls.asks_client_certificate);
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let version = says(&[
            "protocol version",
            "unsupported protocol",
            "unsupported version",
            "no supported versions",
        ]);
        let certificate = asks || says(&["certificate required"]);
        let (sure, reason) = if old.is_some() || version {
            (0.93, "it speaks no version of TLS that go speaks")
        } else if certificate {
            (0.93, "it wants a certificate of the client, and the go command can't present one")
        } else if says(&["handshake failure", "insufficient security", "bad certificate", "access denied"]) {
            (0.85, "it refuses this client: no common version or cipher, or it wants a client certificate")
        } else {
            (0.65, "it breaks off the handshake")
        };
        let mut found = sight.found("N17").sure(sure).with("text", text).with("reason", reason);
        if let Some(old) = old {
            found = found.because(Evidence::new("newest version that it speaks", old, "probe tls"));
        }
        if asks {
            found =
                found.because(Evidence::new("client certificate", "the server asks for one", "probe tls"));
        }
        Some(found.not(CauseId("N10"), "the other side refuses, not this one"))
    };
    sights(facts).filter_map(one).collect()
}

/// `https` is spoken to a port of plain HTTP, or the other way round.
pub(super) fn mixed_up(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let (sure, reason) = match sight.trouble {
            Trouble::NotTls { http: true } => {
                (0.96, "the URL says https, and plain HTTP is spoken at that port")
            }
            Trouble::NotTls { http: false } => {
                (0.93, "the URL says https, and something else is spoken at that port")
            }
            Trouble::NotHttp { text } if looks_like_tls(text) => {
                (0.95, "the URL says http, and TLS is spoken at that port")
            }
            Trouble::NotHttp { .. } => (0.85, "the URL says http, and something else is spoken at that port"),
            Trouble::Status { code: 400 } if refuses_plain(&sight) => {
                (0.95, "the URL says http, and TLS is spoken at that port")
            }
            Trouble::Status { code: 400 } if plain_at_tls_port(&sight) => {
                (0.8, "the URL says http, and the port is one where TLS is usual")
            }
            Trouble::ClosedEarly { .. } if plain_at_tls_port(&sight) => {
                (0.72, "the URL says http, and the port is one where TLS is usual")
            }
            _ => return None,
        };
        let found = sight.found("N18").sure(sure).with("reason", reason);
        Some(
            found.not(CauseId("N10"), "no certificate was ever sent").not(CauseId("N19"), "the peer answers"),
        )
    };
    sights(facts).filter_map(one).collect()
}

fn looks_like_tls(text: &str) -> bool {
    text.contains("\\x15\\x03") || text.contains("\\x16\\x03")
}

fn refuses_plain(sight: &Sight<'_>) -> bool {
    [
        "HTTP request to an HTTPS server",
        "plain HTTP request was sent to HTTPS port",
        "speaking plain HTTP to an SSL",
    ]
    .iter()
    .any(|words| {
        sight.symptom.says(words) || sight.request().is_some_and(|request| request.body.contains(words))
    })
}

fn plain_at_tls_port(sight: &Sight<'_>) -> bool {
    sight.symptom.url.is_some() && !sight.is_https() && ["443", "8443"].contains(&sight.port().as_str())
}
