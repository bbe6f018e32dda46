//! Over three hundred raw requests that smell of smuggling: one answer each, and the connection closed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::Running;
use super::fake::Fake;

/// What a smuggled request would be answered with.
const SMUGGLED: &str = "GET /-/version HTTP/1.1\r\nHost: h\r\n\r\n";

fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    stream.write_all(bytes).expect("sent");
    let mut answer = Vec::new();
    // A reset after the answer is a close as well; a time-out is not.
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => {
            panic!("the connection stayed open: {error} after {:?}", String::from_utf8_lossy(bytes))
        }
    }
    answer
}

fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok()).collect()
}

fn framings() -> Vec<String> {
    let lengths = [
        "Content-Length: 5",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 5, 5",
        "Content-Length: 5, 6",
        "Content-Length: 0x5",
        "Content-Length: 99999999999999999999",
        "Content-Length: 5 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 0",
        "Content-Length:",
        "Content-Length: 00000",
        "Content-Length: 5;",
        "Content-Length: five",
        "Content-Length : 5",
        "Content-Length\t: 5",
        " Content-Length: 5",
        "Content-Length: 5\r\n 6",
    ];
    let encodings = [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunKED",
        "Transfer-Encoding:\tchunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding:",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\x0b: chunked",
        " Transfer-Encoding: chunked",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: chunked\r\n ,identity",
        "X: y\rTransfer-Encoding: chunked",
    ];
    let mut all: Vec<String> = lengths.iter().chain(&encodings).map(|&line| line.to_owned()).collect();
    for length in ["Content-Length: 5", "Content-Length: 0", "Content-Length: 44"] {
        for encoding in &encodings {
            all.push(format!("{length}\r\n{encoding}"));
            all.push(format!("{encoding}\r\n{length}"));
        }
    }
    all
}

#[test]
fn t_26_bodies_are_refused_and_the_connection_closed() {
    let fake = Arc::new(Fake::new());
    let server = Running::plain(&fake);
    let mut sent = 0;
    for framing in framings() {
        for (method, version) in [("GET", "1.1"), ("HEAD", "1.1"), ("GET", "1.0")] {
            let raw = format!(
                "{method} /example.com/a/@latest HTTP/{version}\r\nHost: h\r\nConnection: keep-alive\r\n{framing}\r\n\r\n0\r\n\r\n{SMUGGLED}"
            );
            let answer = send(server.address, raw.as_bytes());
            assert_eq!(statuses(&answer), [400], "{raw:?}\n{}", String::from_utf8_lossy(&answer));
            sent += 1;
        }
        let raw = format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n0\r\n\r\n{SMUGGLED}");
        let answer = send(server.address, raw.as_bytes());
        assert!(
            matches!(statuses(&answer)[..], [400 | 405]),
            "{raw:?}\n{}",
            String::from_utf8_lossy(&answer)
        );
        sent += 1;
    }
    assert!(sent >= 300, "{sent}");
    assert!(fake.asked().is_empty(), "none of it was taken for a request: {:?}", fake.asked());
}

#[test]
fn t_26_bad_heads_are_refused_and_the_connection_closed() {
    let server = Running::plain(&Arc::new(Fake::new()));
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(20_000));
    let wide = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(3_000));
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(150));
    let heads: Vec<(&[u8], &[u16])> = vec![
        (b"GET / HTTP/1.1\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n", &[400]),
        (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", &[400]),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", &[400]),
        (b"GET / http/1.1\r\nHost: a\r\n\r\n", &[400]),
        (b"GET /\r\nHost: a\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", &[400]),
        (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        (b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        (b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nNoColon\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", &[400]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n", &[400]),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n", &[405]),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &[405]),
        (b"GET * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &[400]),
        (long.as_bytes(), &[414, 431]),
        (wide.as_bytes(), &[431]),
        (many.as_bytes(), &[431]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", &[400]),
        (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", &[400]),
    ];
    for (head, allowed) in heads {
        let answer = send(server.address, head);
        let got = statuses(&answer);
        let shown = String::from_utf8_lossy(&head[..head.len().min(90)]).into_owned();
        assert!(got.len() == 1 && allowed.contains(&got[0]), "{shown:?}: {got:?}, not one of {allowed:?}");
    }
}

#[test]
fn odd_but_legal_heads_are_answered() {
    let server = Running::plain(&Arc::new(Fake::new()));
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: [::1]:3000\r\nConnection: Close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let answer = send(server.address, head.as_bytes());
        assert_eq!(statuses(&answer), [200], "{head:?}: {}", String::from_utf8_lossy(&answer));
    }
}
