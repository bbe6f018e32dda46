//! Looking names up as Go's own resolver does, with every server's answer kept.
//!
//! Go asks one server after the other and gives each five seconds. A doctor in a hurry asks all at once and then judges in
//! Go's order: what counts is the first server that answers at all.

mod config;
mod message;

pub use config::ResolverConfig;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use self::message::{Answer, Question};
use super::DnsProbe;
use super::errno;
use crate::symptom::Trouble;

/// One name is not looked up for longer.
const MOST: Duration = Duration::from_secs(5);

/// What a look-up brought.
#[derive(Clone, Debug)]
pub struct LookUp {
    /// Who said what.
    pub dns: Vec<DnsProbe>,
    /// The addresses that Go would use, or its error.
    pub result: Result<Vec<IpAddr>, Trouble>,
}

/// Why one question of one server has no address.
#[derive(Clone, Debug)]
enum Failure {
    NoSuchHost,
    Misbehaving,
    Timeout,
    Trouble(Trouble),
}

/// Which question: the number of the server, and what was asked for.
type Asked = (usize, bool);

/// Looks a name up: an address stands for itself, then the hosts file, then the servers.
pub async fn look_up(config: &ResolverConfig, host: &str, deadline: Instant) -> LookUp {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.split('%').next().unwrap_or_default().parse() {
        return LookUp { dns: Vec::new(), result: Ok(vec![address]) };
    }
    let listed = config.in_hosts(host);
    if !listed.is_empty() {
        let probe = DnsProbe {
            server: "hosts file".to_owned(),
            name: host.to_owned(),
            question: "A and AAAA".to_owned(),
            outcome: "NOERROR".to_owned(),
            addresses: listed.clone(),
            ..DnsProbe::default()
        };
        return LookUp { dns: vec![probe], result: Ok(listed) };
    }
    let mut dns = Vec::new();
    let mut last = None;
    for name in config.names(host) {
        let (probes, result) = ask_all(config, &name, deadline, false).await;
        dns.extend(probes);
        match result {
            Ok(addresses) => return LookUp { dns, result: Ok(addresses) },
            // Go prefers the error that the name as it was written met.
            Err(failure) if last.is_none() || name == host => last = Some(failure),
            Err(_) => {}
        }
        if Instant::now() >= deadline {
            break;
        }
    }
    let (server, failure) = last.unwrap_or((0, Failure::NoSuchHost));
    let server = config.servers.get(server).map(ToString::to_string);
    let host = host.to_owned();
    let trouble = match failure {
        Failure::NoSuchHost => Trouble::NoSuchHost { host, server },
        Failure::Misbehaving => Trouble::ResolverError { host, server },
        Failure::Timeout => Trouble::ResolverTimeout { host, server },
        Failure::Trouble(trouble) => match trouble {
            Trouble::ResolverUnreachable { text, .. } => Trouble::ResolverUnreachable { host, server, text },
            other => other,
        },
    };
    LookUp { dns, result: Err(trouble) }
}

/// Asks every server about a name as it stands, waits for all of them, and tries TCP where UDP is not answered.
pub async fn ask_every_server(config: &ResolverConfig, host: &str, deadline: Instant) -> Vec<DnsProbe> {
    let (mut probes, _) = ask_all(config, host.trim_end_matches('.'), deadline, true).await;
    if config.tcp || probes.iter().all(|probe| probe.outcome != "timeout") {
        return probes;
    }
    for (number, server) in config.servers.iter().enumerate() {
        if probes.iter().any(|probe| probe.server == server.to_string() && probe.outcome == "timeout") {
            let limit = left(deadline).min(Duration::from_secs(2));
            let (_, probe, _) = ask(*server, number, host.to_owned(), Question::A, true, limit).await;
            probes.push(probe);
        }
    }
    probes
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Asks all servers for both kinds of address at once; stops when it is clear what Go would see, or when all have answered.
async fn ask_all(
    config: &ResolverConfig,
    name: &str,
    deadline: Instant,
    wait_for_all: bool,
) -> (Vec<DnsProbe>, Result<Vec<IpAddr>, (usize, Failure)>) {
    let limit = (config.timeout * config.attempts).min(MOST).min(left(deadline) / 2);
    let mut running = JoinSet::new();
    for (number, server) in config.servers.iter().enumerate() {
        for question in [Question::A, Question::Aaaa] {
            running.spawn(ask(*server, number, name.to_owned(), question, config.tcp, limit));
        }
    }
    let mut answers: BTreeMap<Asked, Result<Vec<IpAddr>, Failure>> = BTreeMap::new();
    let mut probes = Vec::new();
    let mut enough = false;
    loop {
        let next = if enough { running.try_join_next() } else { running.join_next().await };
        let Some(Ok((asked, probe, answer))) = next else { break };
        probes.push(probe);
        answers.insert(asked, answer);
        enough = !wait_for_all
            && decided(&answers, false, config.servers.len()).is_some()
            && decided(&answers, true, config.servers.len()).is_some();
    }
    probes.sort_by(|a: &DnsProbe, b| (&a.server, &a.question).cmp(&(&b.server, &b.question)));
    let count = config.servers.len();
    let of = |six| decided(&answers, six, count).unwrap_or(Err((0, Failure::Timeout)));
    let result = match (of(false), of(true)) {
        (Ok(mut four), Ok(six)) => {
            four.extend(six);
            Ok(four)
        }
        (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
        (Err(_), Err(last)) => Err(last),
    };
    (probes, result)
}

/// Returns what Go makes of one kind of question: the first server that answers decides, a failing one passes it on.
fn decided(
    answers: &BTreeMap<Asked, Result<Vec<IpAddr>, Failure>>,
    six: bool,
    servers: usize,
) -> Option<Result<Vec<IpAddr>, (usize, Failure)>> {
    let mut last = None;
    for server in 0..servers {
        match answers.get(&(server, six))? {
            Ok(addresses) => return Some(Ok(addresses.clone())),
            Err(Failure::NoSuchHost) => return Some(Err((server, Failure::NoSuchHost))),
            Err(other) => last = Some(Err((server, other.clone()))),
        }
    }
    last
}

/// Asks one server one question.
async fn ask(
    server: SocketAddr,
    number: usize,
    name: String,
    question: Question,
    tcp: bool,
    limit: Duration,
) -> (Asked, DnsProbe, Result<Vec<IpAddr>, Failure>) {
    let begun = Instant::now();
    let told = timeout(limit, exchange(server, &name, question, tcp, limit)).await;
    let (outcome, result) = match told {
        Err(_) => ("timeout".to_owned(), Err(Failure::Timeout)),
        Ok(Err(error)) => {
            let trouble = unreachable(server, tcp, &error);
            let words = match &trouble {
                Trouble::ResolverUnreachable { text, .. }
                | Trouble::SocketDenied { text }
                | Trouble::TooManyFiles { text } => text.clone(),
                _ => error.to_string(),
            };
            (words, Err(Failure::Trouble(trouble)))
        }
        Ok(Ok(None)) => ("not a name that can be asked for".to_owned(), Err(Failure::NoSuchHost)),
        Ok(Ok(Some(answer))) => (answer.outcome(), judge(answer)),
    };
    let probe = DnsProbe {
        server: server.to_string(),
        name,
        question: question.name().to_owned(),
        tcp,
        outcome,
        addresses: result.clone().unwrap_or_default(),
        milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    ((number, question == Question::Aaaa), probe, result)
}

fn judge(answer: Answer) -> Result<Vec<IpAddr>, Failure> {
    match answer.rcode {
        3 => Err(Failure::NoSuchHost),
        0 if answer.lame => Err(Failure::Misbehaving),
        0 if answer.addresses.is_empty() => Err(Failure::NoSuchHost),
        0 => Ok(answer.addresses),
        _ => Err(Failure::Misbehaving),
    }
}

/// Puts a failed system call into Go's words.
fn unreachable(server: SocketAddr, tcp: bool, error: &io::Error) -> Trouble {
    let words = errno::words(error);
    let network = if tcp { "tcp" } else { "udp" };
    match errno::denied(error, &format!("dial {network} {server}: socket: {words}")) {
        Some(trouble) => trouble,
        None => {
            let text = match error.kind() {
                io::ErrorKind::ConnectionRefused if tcp => format!("dial tcp {server}: connect: {words}"),
                io::ErrorKind::ConnectionRefused => format!("read udp ->{server}: read: {words}"),
                _ => format!("dial {network} {server}: connect: {words}"),
            };
            Trouble::ResolverUnreachable { host: String::new(), server: None, text }
        }
    }
}

async fn exchange(
    server: SocketAddr,
    name: &str,
    question: Question,
    tcp: bool,
    limit: Duration,
) -> io::Result<Option<Answer>> {
    let id = number();
    let Some(message) = message::question(id, name, question) else { return Ok(None) };
    if tcp {
        return over_tcp(server, &message, id, question).await.map(Some);
    }
    let answer = over_udp(server, &message, id, question, limit).await?;
    if answer.truncated
        && let Ok(whole) = over_tcp(server, &message, id, question).await
    {
        return Ok(Some(whole));
    }
    Ok(Some(answer))
}

/// Asks twice within the limit, for packets get lost.
async fn over_udp(
    server: SocketAddr,
    message: &[u8],
    id: u16,
    question: Question,
    limit: Duration,
) -> io::Result<Answer> {
    let here: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(here).await?;
    socket.connect(server).await?;
    let mut buffer = vec![0; 4096];
    loop {
        socket.send(message).await?;
        let heard = timeout(limit / 2, async {
            loop {
                let length = socket.recv(&mut buffer).await?;
                if let Some(answer) = message::answer(&buffer[..length], id, question) {
                    return io::Result::Ok(answer);
                }
            }
        });
        if let Ok(answer) = heard.await {
            return answer;
        }
    }
}

async fn over_tcp(server: SocketAddr, message: &[u8], id: u16, question: Question) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let length = stream.read_u16().await?;
    let mut told = vec![0; usize::from(length)];
    stream.read_exact(&mut told).await?;
    message::answer(&told, id, question).ok_or_else(|| io::Error::other("what came is no answer"))
}

/// Returns a number that nobody guesses.
fn number() -> u16 {
    let [high, low, ..] = RandomState::new().build_hasher().finish().to_be_bytes();
    u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests;
