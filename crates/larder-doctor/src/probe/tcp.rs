//! Connecting: every address by itself, so that one that works does not hide one that doesn't.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{TcpProbe, errno};
use crate::symptom::Trouble;

/// One connection is not waited for any longer; Go would wait for thirty seconds.
const MOST: Duration = Duration::from_secs(6);
/// How long the other addresses may take once one works.
const GRACE: Duration = Duration::from_millis(50);
/// No more addresses than this are tried.
const MOST_ADDRESSES: usize = 8;

/// Connects to all addresses at once and returns each result and the connection that Go would use, or the error that it
/// would show: that of the first address.
pub(super) async fn connect(
    addresses: &[IpAddr],
    port: u16,
    deadline: Instant,
) -> (Vec<TcpProbe>, Result<TcpStream, Trouble>) {
    let addresses = in_order(addresses);
    let limit = MOST.min(deadline.saturating_duration_since(Instant::now()) / 2);
    let mut running = JoinSet::new();
    for (place, address) in addresses.iter().take(MOST_ADDRESSES).enumerate() {
        running.spawn(attempt(place, SocketAddr::new(*address, port), limit));
    }
    let mut attempts = Vec::new();
    let mut until = deadline + MOST;
    while let Ok(Some(Ok(done))) = tokio::time::timeout_at(until, running.join_next()).await {
        if done.2.is_some() {
            until = until.min(Instant::now() + GRACE);
        }
        attempts.push(done);
    }
    attempts.sort_by_key(|(place, ..)| *place);
    let mut probes = Vec::new();
    let mut stream = None;
    for (_, probe, connected) in attempts {
        probes.push(probe);
        stream = stream.or(connected);
    }
    let result = stream.ok_or_else(|| {
        let first = probes.iter().find_map(|probe| probe.trouble.clone());
        first.unwrap_or_else(|| Trouble::ConnectTimeout { address: format!(":{port}") })
    });
    (probes, result)
}

async fn attempt(place: usize, address: SocketAddr, limit: Duration) -> (usize, TcpProbe, Option<TcpStream>) {
    let begun = Instant::now();
    let (trouble, stream) = match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            let _ = stream.set_nodelay(true);
            (None, Some(stream))
        }
        Ok(Err(error)) => (Some(errno::connecting(&error, address)), None),
        Err(_) => (Some(Trouble::ConnectTimeout { address: address.to_string() }), None),
    };
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    (place, TcpProbe { address, trouble, route: None, milliseconds }, stream)
}

/// Orders addresses as Go does where it matters: those that this machine has a route for come first, IPv6 before IPv4.
fn in_order(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut ordered: Vec<(bool, bool, IpAddr)> =
        addresses.iter().map(|address| (!has_route(*address), address.is_ipv4(), *address)).collect();
    ordered.sort_by_key(|(no_route, four, _)| (*no_route, *four));
    ordered.into_iter().map(|(_, _, address)| address).collect()
}

/// Reports whether the kernel would send there; nothing is sent.
fn has_route(address: IpAddr) -> bool {
    let here: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((here, 0)).and_then(|socket| socket.connect((address, 9))).is_ok()
}
