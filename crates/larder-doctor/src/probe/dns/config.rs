//! `/etc/resolv.conf` and `/etc/hosts` as Go's own resolver reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use crate::System;

/// Go reads no more name servers than this.
const MAX_SERVERS: usize = 3;
const DNS_PORT: u16 = 53;

/// What decides how names are looked up.
#[derive(Clone, Debug)]
pub struct ResolverConfig {
    /// The name servers, in order; this machine where resolv.conf names none.
    pub servers: Vec<SocketAddr>,
    /// Search domains, without dots at the ends.
    pub search: Vec<String>,
    /// A name with as many dots is tried as it is before the search domains.
    pub ndots: usize,
    /// How long one question waits.
    pub timeout: Duration,
    /// How often all servers are asked.
    pub attempts: u32,
    /// Whether questions go over TCP.
    pub tcp: bool,
    /// Lines of the hosts file: name in lower case, address.
    pub hosts: Vec<(String, IpAddr)>,
}

impl ResolverConfig {
    /// Reads both files.
    #[must_use]
    pub fn read(system: &System) -> Self {
        let text = |path: &str| {
            fs_err::read(system.path(path))
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default()
        };
        Self::parse(&text("/etc/resolv.conf"), &text("/etc/hosts"))
    }

    /// Reads the texts of both files.
    #[must_use]
    pub fn parse(resolv_conf: &str, hosts: &str) -> Self {
        let mut config = Self {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            tcp: false,
            hosts: parse_hosts(hosts),
        };
        for line in resolv_conf.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(keyword) = words.next().filter(|word| !word.starts_with([';', '#'])) else { continue };
            match keyword {
                "nameserver" if config.servers.len() < MAX_SERVERS => {
                    config.servers.extend(words.next().and_then(server_address));
                }
                "domain" => config.search = words.next().into_iter().map(bare).collect(),
                "search" => config.search = words.map(bare).filter(|domain| !domain.is_empty()).collect(),
                "options" => words.for_each(|option| config.option(option)),
                _ => {}
            }
        }
        if config.servers.is_empty() {
            config.servers = vec![
                SocketAddr::from((Ipv4Addr::LOCALHOST, DNS_PORT)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, DNS_PORT)),
            ];
        }
        config
    }

    fn option(&mut self, option: &str) {
        let (name, value) = option.split_once(':').unwrap_or((option, ""));
        let number = value.parse::<u64>().unwrap_or(0);
        match name {
            "ndots" => self.ndots = usize::try_from(number.min(15)).unwrap_or(1),
            "timeout" => self.timeout = Duration::from_secs(number.max(1)),
            "attempts" => self.attempts = u32::try_from(number.clamp(1, 100)).unwrap_or(1),
            "use-vc" | "usevc" | "tcp" => self.tcp = true,
            _ => {}
        }
    }

    /// Returns the addresses that the hosts file has for a name.
    #[must_use]
    pub fn in_hosts(&self, host: &str) -> Vec<IpAddr> {
        let wanted = bare(host);
        let mut found = Vec::new();
        for (_, address) in self.hosts.iter().filter(|(name, _)| *name == wanted) {
            if !found.contains(address) {
                found.push(*address);
            }
        }
        found
    }

    /// Returns the full names that are asked for a name, in order, each without its last dot.
    #[must_use]
    pub fn names(&self, host: &str) -> Vec<String> {
        if let Some(rooted) = host.strip_suffix('.') {
            return vec![rooted.to_owned()];
        }
        let suffixed = self.search.iter().map(|domain| format!("{host}.{domain}"));
        let as_it_is = std::iter::once(host.to_owned());
        if host.matches('.').count() >= self.ndots {
            as_it_is.chain(suffixed).collect()
        } else {
            suffixed.chain(as_it_is).collect()
        }
    }
}

fn bare(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Reads `192.0.2.1`, `2001:db8::1` and `fe80::1%2`.
fn server_address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(address, DNS_PORT));
    }
    let (address, zone) = text.split_once('%')?;
    let scope = zone.parse().unwrap_or(0);
    Some(SocketAddrV6::new(address.parse().ok()?, DNS_PORT, 0, scope).into())
}

fn parse_hosts(text: &str) -> Vec<(String, IpAddr)> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let Some(Ok(address)) = words.next().map(|word| word.split('%').next().unwrap_or_default().parse())
        else {
            continue;
        };
        lines.extend(words.map(|name| (bare(name), address)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_is_read_as_go_reads_it() {
        let config = ResolverConfig::parse(
            "# comment\nnameserver 192.0.2.1\nnameserver 2001:db8::1 \nnameserver fe80::1%3\nnameserver 192.0.2.4\n\
             search corp.example. Example.COM\noptions ndots:2 timeout:1 attempts:4 use-vc\n; other",
            "",
        );
        let servers: Vec<String> = config.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%3]:53"]);
        assert_eq!(config.search, ["corp.example", "example.com"]);
        assert_eq!((config.ndots, config.timeout.as_secs(), config.attempts, config.tcp), (2, 1, 4, true));
        assert_eq!(config.names("a.b"), ["a.b.corp.example", "a.b.example.com", "a.b"]);
        assert_eq!(config.names("a.b.c"), ["a.b.c", "a.b.c.corp.example", "a.b.c.example.com"]);
        assert_eq!(config.names("a."), ["a"]);
    }

    #[test]
    fn without_servers_this_machine_is_asked() {
        let config = ResolverConfig::parse("", "");
        assert_eq!(config.servers[0].to_string(), "127.0.0.1:53");
        assert_eq!(config.servers[1].to_string(), "[::1]:53");
    }

    #[test]
    fn hosts_lines_have_comments_aliases_and_any_case() {
        let config = ResolverConfig::parse(
            "",
            "127.0.0.1 a Proxy.Example.com # b\n::1 proxy.example.com.\nbad c\n#1.1.1.1 d",
        );
        assert_eq!(config.in_hosts("proxy.example.com.").len(), 2);
        assert_eq!(config.in_hosts("A").len(), 1);
        assert!(["b", "c", "d"].iter().all(|name| config.in_hosts(name).is_empty()));
    }
}
