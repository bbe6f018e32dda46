//! Finding out that a chain leads back to this very server.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};

use url::{Host, Url};

/// Reports whether a request to `entry`, one element of a `GOPROXY` list, would reach a server at `listen`.
pub(crate) fn reaches(entry: &str, listen: SocketAddr) -> bool {
    let with_scheme = if entry.contains(":/") { entry.to_owned() } else { format!("https://{entry}") };
    let Ok(url) = Url::parse(&with_scheme) else { return false };
    if !matches!(url.scheme(), "http" | "https") || url.port_or_known_default() != Some(listen.port()) {
        return false;
    }
    addresses(&url).into_iter().any(|address| serves(listen.ip(), address))
}

fn addresses(url: &Url) -> Vec<IpAddr> {
    match url.host() {
        Some(Host::Ipv4(address)) => vec![address.into()],
        Some(Host::Ipv6(address)) => vec![address.into()],
        Some(Host::Domain("localhost")) => vec![[127, 0, 0, 1].into(), [0, 0, 0, 0, 0, 0, 0, 1_u16].into()],
        // Only reached when the port is ours, so a slow resolver costs a start nothing in the usual case.
        Some(Host::Domain(name)) => {
            (name, 0).to_socket_addrs().map_or_else(|_| Vec::new(), |found| found.map(|a| a.ip()).collect())
        }
        None => Vec::new(),
    }
}

/// Reports whether a listener bound to `bound` takes connections to `target` on this machine.
fn serves(bound: IpAddr, target: IpAddr) -> bool {
    if bound.is_unspecified() { target.is_unspecified() || is_local(target) } else { bound == target }
}

/// Reports whether the address is one of this machine's own: only such an address can be bound.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

/// Removes the entries of a `GOPROXY` list that lead back to `listen`; returns what is left and what was removed.
pub(crate) fn remove(list: &str, listen: SocketAddr) -> (String, Vec<String>) {
    let (mut kept, mut removed) = (String::new(), Vec::new());
    for piece in list.split_inclusive([',', '|']) {
        let entry = piece.trim_end_matches([',', '|']).trim();
        if reaches(entry, listen) {
            removed.push(entry.to_owned());
        } else {
            kept.push_str(piece);
        }
    }
    if !removed.is_empty() {
        kept.truncate(kept.trim_end_matches([',', '|']).len());
    }
    (kept, removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_and_numbers_are_one_server() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 3000));
        for own in
            ["http://127.0.0.1:3000", "http://localhost:3000/", "127.0.0.1:3000", "http://127.0.0.1:3000/go"]
        {
            assert!(reaches(own, listen), "{own}");
        }
        for other in [
            "http://127.0.0.1:3001",
            "http://127.0.0.2:3000",
            "direct",
            "off",
            "https://127.0.0.1",
            "file:///x",
        ] {
            assert!(!reaches(other, listen), "{other}");
        }
    }

    #[test]
    fn a_server_on_all_addresses_is_every_local_one() {
        let listen = SocketAddr::from(([0, 0, 0, 0], 3000));
        assert!(reaches("http://127.0.0.7:3000", listen));
        assert!(reaches("http://[::1]:3000", listen));
        assert!(!reaches("http://192.0.2.1:3000", listen));
    }

    #[test]
    fn removal_keeps_the_separators_of_the_rest() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 3000));
        let list = "http://localhost:3000|https://proxy.example.com,direct";
        assert_eq!(
            remove(list, listen),
            ("https://proxy.example.com,direct".into(), vec!["http://localhost:3000".into()])
        );
        let last = "https://proxy.example.com,http://localhost:3000";
        assert_eq!(remove(last, listen).0, "https://proxy.example.com");
    }
}
