//! A name server that knows what the lab tells it, and fails in every way on demand.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

/// What a name server says about a name.
#[derive(Clone, Debug)]
pub enum DnsAnswer {
    /// These addresses.
    Addresses(Vec<Ipv4Addr>),
    /// These addresses, of the newer kind only.
    Addresses6(Vec<Ipv6Addr>),
    /// There is the name, but it has no address.
    NoData,
    /// There is no such name.
    NoSuchName,
    /// An error: 2 is SERVFAIL, 5 REFUSED.
    Error(u8),
    /// Nothing at all.
    Silence,
}

/// A name server, by UDP and TCP, until the process ends.
#[derive(Clone, Debug)]
pub struct DnsServer {
    known: Arc<Mutex<HashMap<String, DnsAnswer>>>,
}

impl DnsServer {
    /// Starts one at an address of this machine.
    ///
    /// # Panics
    ///
    /// When the port is taken or forbidden.
    pub fn start(address: SocketAddr) -> Self {
        let server = Self { known: Arc::default() };
        let socket = UdpSocket::bind(address).expect("the lab's address has this port free");
        let listener = TcpListener::bind(address).expect("the lab's address has this port free");
        let (by_udp, by_tcp) = (server.clone(), server.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = by_udp.answer(&buffer[..length]) {
                    let _ = socket.send_to(&answer, peer);
                }
            }
        });
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let server = by_tcp.clone();
                std::thread::spawn(move || {
                    let mut length = [0; 2];
                    while stream.read_exact(&mut length).is_ok() {
                        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                        if stream.read_exact(&mut query).is_err() {
                            return;
                        }
                        let Some(answer) = server.answer(&query) else { continue };
                        let length = u16::try_from(answer.len()).expect("a short answer").to_be_bytes();
                        if stream.write_all(&[&length[..], &answer].concat()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        server
    }

    /// Tells it what to say about a name, or about all names below `*.`.
    pub fn set(&self, name: &str, answer: DnsAnswer) {
        self.known.lock().expect("nobody panics holding it").insert(name.to_lowercase(), answer);
    }

    fn about(&self, name: &str) -> DnsAnswer {
        let known = self.known.lock().expect("nobody panics holding it");
        let exact = known.get(name);
        let below = || name.match_indices('.').find_map(|(dot, _)| known.get(&format!("*{}", &name[dot..])));
        exact.or_else(below).cloned().unwrap_or(DnsAnswer::NoSuchName)
    }

    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = question(query)?;
        let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
        let mut records: Vec<Vec<u8>> = Vec::new();
        let mut code = 0;
        match self.about(&name) {
            DnsAnswer::Addresses(addresses) if kind == 1 => {
                records.extend(addresses.iter().map(|address| address.octets().to_vec()));
            }
            DnsAnswer::Addresses6(addresses) if kind == 28 => {
                records.extend(addresses.iter().map(|address| address.octets().to_vec()));
            }
            DnsAnswer::Addresses(_) | DnsAnswer::Addresses6(_) | DnsAnswer::NoData => {}
            DnsAnswer::NoSuchName => code = 3,
            DnsAnswer::Error(other) => code = other,
            DnsAnswer::Silence => return None,
        }
        let count = u8::try_from(records.len()).expect("few addresses");
        let mut answer = query[..2].to_vec();
        answer.extend_from_slice(&[0x85, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
        answer.extend_from_slice(&query[12..end + 4]);
        for record in records {
            answer.extend_from_slice(&[0xc0, 12]);
            answer.extend_from_slice(&kind.to_be_bytes());
            answer.extend_from_slice(&[0, 1, 0, 0, 0, 60, 0]);
            answer.push(u8::try_from(record.len()).expect("an address"));
            answer.extend_from_slice(&record);
        }
        Some(answer)
    }
}

/// Returns the name that is asked for, in small letters, and where it ends.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let mut labels: Vec<String> = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_lowercase());
        at += length;
    }
    (query.len() >= at + 4).then(|| (labels.join("."), at))
}
