//! A small HTTP client on the bare connection.
//!
//! It shows what a library would hide: whether the body was whole, what the head said word for word, and how long
//! the first byte took. Requests can be any bytes at all.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, names in small letters.
    pub headers: Vec<(String, String)>,
    /// As much of the body as arrived, without chunk framing.
    pub body: Vec<u8>,
    /// Whether the body ended as its framing promised.
    pub complete: bool,
    /// How long the head took.
    pub head_after: Duration,
    /// How long everything took.
    pub elapsed: Duration,
}

impl Response {
    /// Returns the first header of this name (in small letters).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Returns the address in a URL such as `http://127.0.0.1:3000/base`.
///
/// # Panics
///
/// When there is none.
pub fn address_of(url: &str) -> SocketAddr {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or(rest);
    host.parse().unwrap_or_else(|_| panic!("{url} names no address"))
}

/// Asks for a path of a server and reads the answer to its end.
pub fn get(url: &str, path: &str) -> io::Result<Response> {
    request(url, "GET", path, &[])
}

/// Asks with a method and headers of one's own, on a new connection.
pub fn request(url: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> io::Result<Response> {
    let address = address_of(url);
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    exchange(address, head.as_bytes(), method == "HEAD", Duration::from_secs(60))
}

/// Sends these bytes and reads one answer.
pub fn exchange(address: SocketAddr, bytes: &[u8], head_only: bool, limit: Duration) -> io::Result<Response> {
    let started = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(bytes)?;
    read_response(&mut stream, head_only, started)
}

/// Reads one answer; fails when not even a whole head came.
pub fn read_response(stream: &mut impl Read, head_only: bool, started: Instant) -> io::Result<Response> {
    let mut ahead = Vec::new();
    let end = loop {
        if let Some(end) = ahead.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if read_more(stream, &mut ahead)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended before a head"));
        }
    };
    let head_after = started.elapsed();
    let head = String::from_utf8_lossy(&ahead[..end]).into_owned();
    ahead.drain(..end + 4);
    let (status, headers) = parse_head(&head)?;
    let mut response =
        Response { status, headers, body: Vec::new(), complete: true, head_after, elapsed: head_after };
    if !(head_only || status == 204 || status == 304) {
        let length = response.header("content-length").and_then(|text| text.parse::<usize>().ok());
        let chunked = response.header("transfer-encoding").is_some_and(|value| value.contains("chunked"));
        response.complete = if chunked {
            read_chunks(stream, ahead, &mut response.body)
        } else {
            read_plain(stream, ahead, length, &mut response.body)
        };
    }
    response.elapsed = started.elapsed();
    Ok(response)
}

fn read_more(stream: &mut impl Read, into: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = [0; 65_536];
    let length = stream.read(&mut buffer)?;
    into.extend_from_slice(&buffer[..length]);
    Ok(length)
}

fn parse_head(head: &str) -> io::Result<(u16, Vec<(String, String)>)> {
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no status line"))?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Ok((status, headers))
}

fn read_plain(stream: &mut impl Read, ahead: Vec<u8>, length: Option<usize>, body: &mut Vec<u8>) -> bool {
    *body = ahead;
    loop {
        if length.is_some_and(|length| body.len() >= length) {
            return length == Some(body.len());
        }
        match read_more(stream, body) {
            Ok(0) => return length.is_none(),
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

fn read_chunks(stream: &mut impl Read, mut ahead: Vec<u8>, body: &mut Vec<u8>) -> bool {
    loop {
        let Some(line_end) = ahead.windows(2).position(|window| window == b"\r\n") else {
            if !matches!(read_more(stream, &mut ahead), Ok(1..)) {
                return false;
            }
            continue;
        };
        let size = std::str::from_utf8(&ahead[..line_end])
            .ok()
            .and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        let Some(size) = size else { return false };
        while ahead.len() < line_end + 2 + size + 2 {
            if !matches!(read_more(stream, &mut ahead), Ok(1..)) {
                let have = ahead.len().min(line_end + 2 + size);
                body.extend_from_slice(&ahead[(line_end + 2).min(have)..have]);
                return false;
            }
        }
        body.extend_from_slice(&ahead[line_end + 2..line_end + 2 + size]);
        ahead.drain(..line_end + 2 + size + 2);
        if size == 0 {
            return true;
        }
    }
}
