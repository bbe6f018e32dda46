//! Connections that stand and then fail.

use super::sight::{Sight, sights};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::symptom::Trouble;

/// Nothing more comes.
pub(super) fn stall(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let Trouble::Stalled { seconds, received } = sight.trouble else { return None };
        let (seconds, received) = (*seconds, *received);
        let sure = if seconds > 0 { 0.88 } else { 0.75 };
        let mut found = sight.found("N26").sure(sure);
        if seconds > 0 {
            let value = format!("{received} bytes, then nothing for {seconds} s");
            found = found.because(Evidence::new("what came", value, sight.symptom.seen()));
        }
        let small = sight.facts.probes.iter().flat_map(|probes| &probes.requests).find(|request| {
            request.trouble.is_none() && request.status == Some(200) && request.url.contains(&sight.host())
        });
        if let Some(small) = small {
            found = found.because(Evidence::new(
                format!("{} at the same host", small.url),
                format!("{} bytes in {} ms", small.received, small.total_ms),
                "probe http",
            ));
        }
        let what =
            if received > 0 { "stops in the middle of the answer" } else { "does not begin to answer" };
        Some(found.with("what", what).not(CauseId("N07"), "the connection was made"))
    };
    sights(facts).filter_map(one).collect()
}

/// The body breaks.
pub(super) fn broken_body(facts: &Facts) -> Vec<Match> {
    let one = |sight: Sight<'_>| {
        let (sure, text) = match sight.trouble.innermost() {
            Trouble::BodyBroken { text } => (0.88, text.clone()),
            Trouble::Reset { handshake: false, .. } => (0.55, "connection reset by peer".to_owned()),
            _ => return None,
        };
        let mut found = sight.found("N28").sure(sure).with("text", &text);
        if let Some(request) = sight.request() {
            let declared = request.header("content-length").unwrap_or("an unknown number of");
            found = found.because(Evidence::new(
                "what came",
                format!("{} of {declared} bytes", request.received),
                "probe http",
            ));
        }
        let reason = if text.contains("stream") || text.contains("http2") || text.contains("GOAWAY") {
            "the HTTP/2 stream was broken off"
        } else if text.contains("reset") {
            "the connection was reset"
        } else {
            "the connection ended before the body did"
        };
        Some(found.with("reason", reason).not(CauseId("C02"), "the text names the connection, not the disk"))
    };
    sights(facts).filter_map(one).collect()
}
