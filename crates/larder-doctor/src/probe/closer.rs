//! A second look at a host that can't be reached: what separates causes that print the same words.
//!
//! The go command asks none of this. Each question is put only where its answer changes the verdict, and nothing that
//! comes over a connection without a trusted chain is used for anything else.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use url::Url;

use super::open::{Network, Target, open};
use super::tls::{self, Greeting, Shaken};
use super::wire::{Io, Listening};
use super::{HostProbe, errno};
use crate::dates;
use crate::symptom::Trouble;

/// One question of this kind is not waited for any longer.
const MOST: Duration = Duration::from_secs(2);
/// A name that nobody filters and nobody has a certificate for.
const NEUTRAL_NAME: &str = "www.example.com";
/// No certificate is larger.
const MOST_CERTIFICATE: u64 = 64 << 10;

/// Asks what tells the causes of this failure apart, and adds the answers to the probe.
pub async fn look_closer(network: &Network, probe: &mut HostProbe, deadline: Instant) {
    let Some(trouble) = probe.trouble.clone() else { return };
    let name = asked_name(probe);
    match trouble.innermost() {
        Trouble::NoSuchHost { .. } | Trouble::ResolverError { .. } | Trouble::ResolverTimeout { .. } => {
            compare_servers(network, probe, &name, deadline).await;
        }
        Trouble::ConnectRefused { .. } | Trouble::ConnectTimeout { .. } | Trouble::WrongName { .. } => {
            compare_servers(network, probe, &name, deadline).await;
        }
        Trouble::SocketDenied { .. } | Trouble::Unroutable { .. } => ask_for_routes(probe),
        _ => {}
    }
    if probe.forward_proxy.is_some() {
        return;
    }
    match trouble {
        Trouble::Reset { handshake: true, .. }
        | Trouble::ClosedEarly { handshake: true }
        | Trouble::HandshakeTimeout => {
            let neutral = again_with(network, probe, NEUTRAL_NAME, Greeting::Http1, deadline);
            let small = again_with(network, probe, &probe.host, Greeting::Small, deadline);
            let (neutral, small) = tokio::join!(neutral, small);
            set_tls(probe, |tls| (tls.neutral_name, tls.small_greeting) = (neutral, small));
        }
        Trouble::TlsAlert { .. } => {
            let version = old_version(probe, deadline).await;
            set_tls(probe, |tls| tls.only_old_version = version);
        }
        Trouble::NotInValidity { .. } => probe.clock_offset = clock_offset(network, probe, deadline).await,
        Trouble::UnknownAuthority { .. } => {
            let complete = complete_with_issuer(network, probe, deadline).await;
            set_tls(probe, |tls| tls.complete_with_issuer = complete);
        }
        _ => {}
    }
}

/// Returns the name whose address was looked for: the forward proxy's, where there is one.
fn asked_name(probe: &HostProbe) -> String {
    let proxy = probe.forward_proxy.as_deref().and_then(|proxy| Url::parse(proxy).ok());
    proxy.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| probe.host.clone())
}

fn set_tls(probe: &mut HostProbe, set: impl FnOnce(&mut super::TlsProbe)) {
    if let Some(tls) = &mut probe.tls {
        set(tls);
    }
}

/// Adds what every name server says, also where the hosts file had spared the question.
async fn compare_servers(network: &Network, probe: &mut HostProbe, name: &str, deadline: Instant) {
    if name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok() {
        return;
    }
    let until = deadline.min(Instant::now() + MOST * 2);
    let answers = super::dns::ask_every_server(&network.resolver, name, until).await;
    probe.dns.retain(|known| {
        !answers.iter().any(|new| {
            (&new.server, &new.question, &new.name, new.tcp)
                == (&known.server, &known.question, &known.name, known.tcp)
        })
    });
    probe.dns.extend(answers);
}

/// Asks the kernel whether it would send to each address: a forbidden route is not a forbidden socket.
fn ask_for_routes(probe: &mut HostProbe) {
    for attempt in &mut probe.tcp {
        let here = if attempt.address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let asked = UdpSocket::bind(here).and_then(|socket| socket.connect(attempt.address));
        attempt.route = Some(asked.map_or_else(|error| errno::words(&error), |()| "there is one".to_owned()));
    }
}

/// Returns an address that answered.
fn reached(probe: &HostProbe) -> Option<SocketAddr> {
    probe.tcp.iter().find(|attempt| attempt.trouble.is_none()).map(|attempt| attempt.address)
}

async fn again(probe: &HostProbe, deadline: Instant) -> Option<TcpStream> {
    let limit = MOST.min(deadline.saturating_duration_since(Instant::now()));
    timeout(limit, TcpStream::connect(reached(probe)?)).await.ok()?.ok()
}

async fn shake_again(
    network: &Network,
    probe: &HostProbe,
    name: &str,
    greeting: Greeting,
    deadline: Instant,
) -> Option<Shaken> {
    let (listening, heard) = Listening::new(again(probe, deadline).await?);
    let until = deadline.min(Instant::now() + MOST);
    Some(
        tls::shake_hands(
            Box::new(listening),
            &heard,
            name,
            &network.authorities,
            network.now(),
            greeting,
            until,
        )
        .await,
    )
}

/// Says what another handshake does at the same address.
async fn again_with(
    network: &Network,
    probe: &HostProbe,
    name: &str,
    greeting: Greeting,
    deadline: Instant,
) -> Option<String> {
    let shaken = shake_again(network, probe, name, greeting, deadline).await?;
    Some(match (shaken.stream, shaken.probe.trouble) {
        (Some(_), _) => "answers".to_owned(),
        (None, Some(trouble)) => trouble.words(),
        (None, None) => return None,
    })
}

/// Says how far the peer's clock is from ours, by the `Date` of an answer over a connection whose chain nobody trusts.
async fn clock_offset(network: &Network, probe: &HostProbe, deadline: Instant) -> Option<i64> {
    let mut stream = shake_again(network, probe, &probe.host, Greeting::Http1, deadline).await?.stream?;
    let answer = ask(&mut stream, "HEAD", &probe.host, "/", 4096, deadline).await?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let date = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("date").then(|| value.trim().to_owned())
    })?;
    offset(&date, network.now())
}

/// Sends a request and reads the answer up to a limit, or as far as it comes in time.
async fn ask(
    stream: &mut (impl Io + ?Sized),
    method: &str,
    host: &str,
    path: &str,
    most: u64,
    deadline: Instant,
) -> Option<Vec<u8>> {
    let request = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let limit = MOST.min(deadline.saturating_duration_since(Instant::now()));
    let mut answer = Vec::new();
    let _ = timeout(limit, async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        stream.take(most).read_to_end(&mut answer).await
    })
    .await;
    (!answer.is_empty()).then_some(answer)
}

/// Reports whether the chain would be trusted with its missing link, which the certificate says where to get.
async fn complete_with_issuer(network: &Network, probe: &HostProbe, deadline: Instant) -> Option<bool> {
    let chain = &probe.tls.as_ref()?.chain;
    let [leaf] = chain.as_slice() else { return None };
    let url = Url::parse(leaf.issuer_url.as_deref()?).ok()?;
    let target = Target::of("issuer's certificate", &url).filter(|target| target.scheme == "http")?;
    let until = deadline.min(Instant::now() + MOST * 2);
    let mut stream = Box::pin(open(network, &target, until)).await.wire?;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let answer = ask(&mut stream.io, "GET", &target.authority(), &path, MOST_CERTIFICATE, until).await?;
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| &answer[at + 4..])?;
    let raw = shake_for_chain(network, probe, deadline).await?;
    tls::trusted_with(&raw, body, &probe.host, &network.authorities, network.now())
}

async fn shake_for_chain(
    network: &Network,
    probe: &HostProbe,
    deadline: Instant,
) -> Option<Vec<rustls::pki_types::CertificateDer<'static>>> {
    let shaken = shake_again(network, probe, &probe.host, Greeting::Http1, deadline).await?;
    (!shaken.chain.is_empty()).then_some(shaken.chain)
}

/// Asks with a greeting of TLS 1.1, which today's clients don't send, and says what the peer chooses.
async fn old_version(probe: &HostProbe, deadline: Instant) -> Option<String> {
    let mut stream = again(probe, deadline).await?;
    let limit = MOST.min(deadline.saturating_duration_since(Instant::now()));
    let mut head = [0; 11];
    timeout(limit, async {
        stream.write_all(&old_greeting(&probe.host)).await?;
        stream.read_exact(&mut head).await
    })
    .await
    .ok()?
    .ok()?;
    // A handshake record with a ServerHello, whose version follows its length.
    match (head[0], head[5], head[9], head[10]) {
        (22, 2, 3, 1) => Some("TLS 1.0".to_owned()),
        (22, 2, 3, 2) => Some("TLS 1.1".to_owned()),
        (22, 2, 3, 0) => Some("SSL 3.0".to_owned()),
        _ => None,
    }
}

fn old_greeting(host: &str) -> Vec<u8> {
    let counted = |bytes: &[u8]| {
        let mut out = u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes().to_vec();
        out.extend(bytes);
        out
    };
    let mut extensions = Vec::new();
    let mut extension = |code: u8, body: &[u8]| {
        extensions.extend([0, code]);
        extensions.extend(counted(body));
    };
    if host.parse::<IpAddr>().is_err() {
        let entry = [vec![0], counted(host.as_bytes())].concat();
        extension(0, &counted(&entry));
    }
    extension(10, &counted(&[0, 29, 0, 23, 0, 24]));
    extension(11, &[1, 0]);
    let suites =
        [0xc0, 0x14, 0xc0, 0x13, 0xc0, 0x0a, 0xc0, 0x09, 0, 0x39, 0, 0x33, 0, 0x35, 0, 0x2f, 0, 0x0a];
    // Nothing is encrypted with it, so the random part may be any.
    let body = [&[3, 2], &[7; 32][..], &[0], &counted(&suites), &[1, 0], &counted(&extensions)].concat();
    let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
    let message = [&[1], &length[1..], &body].concat();
    [&[22, 3, 1][..], &counted(&message)].concat()
}

/// Returns how far a peer's `Date` is from a clock, in seconds.
#[must_use]
pub fn offset(date: &str, now: SystemTime) -> Option<i64> {
    let ours = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Some(dates::http_date(date)? - i64::try_from(ours).ok()?)
}

#[cfg(test)]
mod tests;
