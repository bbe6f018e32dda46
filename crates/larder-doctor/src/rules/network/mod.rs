//! Names, routes, connections, TLS, forward proxies: why there is no HTTP answer.

mod certificates;
mod dns;
mod forward_proxy;
mod sight;
mod signers;
mod stream;
mod tcp;
mod tls;

use super::{Rule, rule};

pub(super) const RULES: &[Rule] = &[
    rule("N01", dns::no_such_host),
    rule("N02", dns::server_error),
    rule("N03", dns::silent_server),
    rule("N04", dns::no_server),
    rule("N05", dns::wrong_address),
    rule("N06", tcp::no_route),
    rule("N07", tcp::dropped),
    rule("N08", tls::reset),
    rule("N09", tcp::refused),
    rule("N10", signers::private_authority),
    rule("N11", signers::missing_link),
    rule("N12", signers::inspected),
    rule("N13", certificates::wrong_name),
    rule("N14", signers::no_authorities),
    rule("N15", certificates::wrong_clock),
    rule("N16", certificates::expired),
    rule("N17", tls::alert),
    rule("N18", tls::mixed_up),
    rule("N19", tls::stalled),
    rule("N20", forward_proxy::dead),
    rule("N21", forward_proxy::wrong_scheme),
    rule("N22", forward_proxy::wants_login),
    rule("N23", forward_proxy::denies),
    rule("N26", stream::stall),
    rule("N27", tcp::denied_here),
    rule("N28", stream::broken_body),
];
