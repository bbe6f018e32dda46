//! An upstream that is far away: each answer comes after a delay, and at a rate.

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::SendFlags;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{TcpListener, TcpStream};

use super::counts::{Answered, Counts};
use super::tree::{Found, Tree};
use crate::sumdb::FakeSumdb;

/// Bodies up to this length go out with their head in one write.
const SMALL: u64 = 64 << 10;

/// The path below which the upstream itself is asked, not a module.
const CONTROL: &str = "/-/bench/";

/// How far away it is; can be changed while it runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Distance {
    /// What passes before each answer.
    pub delay: Duration,
    /// How many bytes of a body are sent in a second; 0 for as many as the socket takes.
    pub rate: u64,
}

/// The upstream.
pub struct Upstream {
    tree: Tree,
    sumdb: Option<FakeSumdb>,
    distance: RefCell<Distance>,
    counts: RefCell<Counts>,
}

impl Upstream {
    /// Serves a tree, and a checksum database below `/-/sumdb`.
    pub fn new(tree: Tree, sumdb: Option<FakeSumdb>, distance: Distance) -> Self {
        let (distance, counts) = (RefCell::new(distance), RefCell::default());
        Self { tree, sumdb, distance, counts }
    }

    /// Serves for ever; to be run in a `LocalSet`.
    pub async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        let this = Rc::new(self);
        for number in 1.. {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let this = Rc::clone(&this);
            tokio::task::spawn_local(async move {
                this.counts.borrow_mut().connected();
                // A client that goes away is no concern of an upstream.
                let _ = this.connection(stream, number).await;
            });
        }
        Ok(())
    }

    async fn connection(&self, mut stream: TcpStream, number: u64) -> std::io::Result<()> {
        let mut buffer = Vec::new();
        while let Some(request) = read_head(&mut stream, &mut buffer).await? {
            if let Some(command) = request.path.strip_prefix(CONTROL) {
                let answer = self.control(command);
                send_small(&mut stream, 200, answer.as_bytes(), &request).await?;
            } else {
                self.answer(&mut stream, number, &request).await?;
            }
            if request.closes {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn answer(
        &self,
        stream: &mut TcpStream,
        connection: u64,
        request: &Request,
    ) -> std::io::Result<()> {
        let asked = Instant::now();
        let distance = *self.distance.borrow();
        self.counts.borrow_mut().asked();
        if !distance.delay.is_zero() {
            tokio::time::sleep(distance.delay).await;
        }
        let result = self.send(stream, request, distance.rate).await;
        let (status, bytes) = *result.as_ref().unwrap_or(&(0, 0));
        let path = request.path.clone();
        let answered = Answered { connection, asked, ended: Instant::now(), path, status, bytes };
        self.counts.borrow_mut().answered(answered);
        result.map(|_| ())
    }

    async fn send(
        &self,
        stream: &mut TcpStream,
        request: &Request,
        rate: u64,
    ) -> std::io::Result<(u16, u64)> {
        if let (Some(sumdb), Some(path)) = (&self.sumdb, request.path.strip_prefix("/-/sumdb")) {
            let reply = sumdb.answer(path);
            send_small(stream, reply.status, &reply.body, request).await?;
            return Ok((reply.status, reply.body.len() as u64));
        }
        match self.tree.find(&request.path)? {
            Found::Absent => {
                send_small(stream, 404, b"not found\n", request).await?;
                Ok((404, 10))
            }
            Found::Made(bytes) => {
                send_small(stream, 200, &bytes, request).await?;
                Ok((200, bytes.len() as u64))
            }
            Found::File(mut file, length) if length <= SMALL && rate == 0 => {
                let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
                std::io::Read::read_to_end(&mut file, &mut bytes)?;
                send_small(stream, 200, &bytes, request).await?;
                Ok((200, length))
            }
            Found::File(file, length) => {
                send_file(stream, &file, length, request, rate).await?;
                Ok((200, length))
            }
        }
    }

    /// Does what a path below `/-/bench/` says.
    fn control(&self, command: &str) -> String {
        let (command, value) = command.split_once('/').unwrap_or((command, ""));
        match command {
            "counts" => self.counts.borrow().summary().to_string(),
            "log" => self.counts.borrow().log(),
            "sumdb" => self.sumdb.as_ref().map(FakeSumdb::verifier_key).unwrap_or_default(),
            "reset" => {
                self.counts.borrow_mut().reset();
                "reset\n".to_owned()
            }
            "delay" => {
                self.distance.borrow_mut().delay = Duration::from_millis(value.parse().unwrap_or(0));
                format!("{value} ms\n")
            }
            "rate" => {
                self.distance.borrow_mut().rate = value.parse().unwrap_or(0);
                format!("{value} B/s\n")
            }
            _ => "counts, log, sumdb, reset, delay/MS, rate/BYTES\n".to_owned(),
        }
    }
}

struct Request {
    path: String,
    wants_body: bool,
    closes: bool,
}

/// Reads a request's head; none when the client ended the connection.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Request>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.drain(..end + 4);
            let mut words = head.split(' ');
            let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or("/"));
            let path = target.split('?').next().unwrap_or("/");
            return Ok(Some(Request {
                path: decode(path),
                wants_body: method != "HEAD",
                closes: head.to_ascii_lowercase().contains("\r\nconnection: close"),
            }));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn head(status: u16, length: u64, request: &Request) -> String {
    let kind = match request.path.rsplit('.').next() {
        Some("info") => "application/json",
        Some("zip") => "application/zip",
        _ => "text/plain; charset=utf-8",
    };
    let reason = if status == 200 { "OK" } else { "Not Found" };
    format!("HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n")
}

async fn send_small(
    stream: &mut TcpStream,
    status: u16,
    body: &[u8],
    request: &Request,
) -> std::io::Result<()> {
    let mut bytes = head(status, body.len() as u64, request).into_bytes();
    if request.wants_body {
        bytes.extend_from_slice(body);
    }
    stream.write_all(&bytes).await
}

async fn send_file(
    stream: &mut TcpStream,
    file: &fs_err::File,
    length: u64,
    request: &Request,
    rate: u64,
) -> std::io::Result<()> {
    let head = head(200, length, request);
    if !request.wants_body {
        return stream.write_all(head.as_bytes()).await;
    }
    // The head is a few hundred bytes into an empty or waiting socket; what it does not take at once is written after.
    let taken = rustix::net::send(stream.as_fd(), head.as_bytes(), SendFlags::MORE | SendFlags::DONTWAIT);
    let taken = taken.unwrap_or(0);
    if taken < head.len() {
        stream.write_all(&head.as_bytes()[taken..]).await?;
    }
    let started = Instant::now();
    let mut offset = 0;
    while offset < length {
        let piece = match rate {
            0 => length - offset,
            // Fifty pieces a second.
            rate => (rate / 50).max(1).min(length - offset),
        };
        let end = offset + piece;
        while offset < end {
            let left = usize::try_from(end - offset).unwrap_or(usize::MAX);
            let sent = stream
                .async_io(Interest::WRITABLE, || {
                    rustix::fs::sendfile(stream.as_fd(), file.as_fd(), Some(&mut offset), left).map_err(
                        |error| {
                            if error == Errno::AGAIN {
                                std::io::ErrorKind::WouldBlock.into()
                            } else {
                                error.into()
                            }
                        },
                    )
                })
                .await?;
            if sent == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        if rate > 0 {
            let due = Duration::from_secs_f64(offset as f64 / rate as f64);
            tokio::time::sleep_until((started + due).into()).await;
        }
    }
    Ok(())
}
