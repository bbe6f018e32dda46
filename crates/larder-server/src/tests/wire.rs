//! On real sockets: pipelining, broken bodies, draining, TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_cache::{Body, Content, Served};
use larder_testkit::client;

use super::Running;
use super::fake::{Fake, INFO, MOD, file_of, memory, zip_bytes};
use crate::{BindError, Server, ServerSettings};

fn connect(server: &Running) -> TcpStream {
    let stream = TcpStream::connect(server.address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    stream
}

fn read_one(stream: &mut TcpStream) -> client::Response {
    client::read_response(stream, false, Instant::now()).expect("an answer")
}

#[test]
fn whole_files_arrive_whole() {
    let server = Running::plain(&Arc::new(Fake::new()));
    let got = client::get(&server.url, "/example.com/a/@v/v1.0.0.zip").expect("answered");
    assert!(got.complete && got.body == zip_bytes());
    let got =
        client::request(&server.url, "GET", "/example.com/a/@v/v1.0.0.zip", &[("range", "bytes=5-300004")]);
    assert!(got.expect("answered").body == zip_bytes()[5..300_005]);
    let got = client::get(&server.url, "/example.com/a/@v/v1.0.0.mod").expect("answered");
    assert_eq!(got.text(), MOD);
    assert!(got.header("date").is_some());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Running::plain(&Arc::new(Fake::new()));
    let mut stream = connect(&server);
    let paths = ["@latest", "@v/v1.0.0.mod", "@v/none.info", "@v/v1.0.0.zip", "@v/v1.0.0.info"];
    let mut sent = String::new();
    for path in paths.iter().cycle().take(25) {
        sent += &format!("GET /example.com/a/{path} HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    sent += "GET /example.com/a/@latest HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(sent.as_bytes()).expect("sent");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("closed at the end");
    let mut rest = &all[..];
    for (index, path) in paths.iter().cycle().take(25).enumerate() {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&rest[..end]).to_ascii_lowercase();
        let want = if path.contains("none") { "http/1.1 404" } else { "http/1.1 200" };
        assert!(head.starts_with(want), "{index}: {head}");
        let length = head.split("content-length: ").nth(1).and_then(|text| text.split("\r\n").next());
        let length: usize = length.expect("a length").parse().expect("a number");
        let body = &rest[end..end + length];
        match *path {
            "@v/v1.0.0.mod" => assert_eq!(body, MOD.as_bytes()),
            "@v/v1.0.0.zip" => assert!(body == zip_bytes()),
            "@latest" | "@v/v1.0.0.info" => assert_eq!(body, INFO.as_bytes()),
            _ => {}
        }
        rest = &rest[end + length..];
    }
    assert!(rest.starts_with(b"HTTP/1.1 200"));
}

/// A backend whose zip is shorter than it should be.
fn broken() -> Arc<Fake> {
    let short = file_of(&vec![7; 3_000_000]);
    Arc::new(Fake::new().on("/example.com/broken/@v/v1.0.0.zip", move || {
        let body = Body::File { file: Arc::clone(&short), len: 9_000_000 };
        Ok(Served { body, ..memory(Content::Zip, "", false) })
    }))
}

#[test]
fn a_body_that_fails_breaks_the_connection() {
    let server = Running::plain(&broken());
    let mut stream = connect(&server);
    let head = "GET /example.com/broken/@v/v1.0.0.zip HTTP/1.1\r\nHost: h\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sent");
    let got = read_one(&mut stream);
    assert_eq!(got.status, 200);
    assert_eq!(got.header("content-length"), Some("9000000"));
    assert!(!got.complete && got.body.len() <= 3_000_000, "{} bytes", got.body.len());
}

#[test]
fn the_server_lives_on_after_broken_bodies() {
    let fake = broken();
    let server = Running::plain(&fake);
    for _ in 0..20 {
        let got = client::get(&server.url, "/example.com/broken/@v/v1.0.0.zip").expect("a head");
        assert!(!got.complete);
    }
    assert_eq!(client::get(&server.url, "/example.com/a/@latest").expect("answered").status, 200);
}

#[test]
fn http_1_0_closes_unless_asked_otherwise() {
    let server = Running::plain(&Arc::new(Fake::new()));
    let mut stream = connect(&server);
    stream.write_all(b"GET /example.com/a/@latest HTTP/1.0\r\n\r\n").expect("sent");
    let mut all = String::new();
    stream.read_to_string(&mut all).expect("closed");
    assert!(all.starts_with("HTTP/1.0 200") && all.ends_with(INFO), "{all}");
}

#[test]
fn f_17_a_drain_finishes_what_is_in_flight() {
    let fake = Arc::new(Fake::new());
    let mut server = Running::plain(&fake);
    let mut idle = connect(&server);
    idle.write_all(b"GET /-/healthz HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    assert_eq!(read_one(&mut idle).status, 200);
    let mut busy: Vec<TcpStream> = (0..20).map(|_| connect(&server)).collect();
    for stream in &mut busy {
        stream.write_all(b"GET /slow.example.com/s/@v/v1.0.0.zip HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    }
    server.until_asked(&fake, busy.len());
    // Connected, and silent so far: its request is still answered.
    let mut fresh = connect(&server);
    fresh.write_all(b"GET /example.com/a/@latest HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    server.tell_to_stop();
    assert_eq!(read_one(&mut fresh).status, 200);
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).expect("the idle connection is closed");
    assert!(rest.is_empty());
    fake.gate.add_permits(busy.len());
    for mut stream in busy {
        let got = read_one(&mut stream);
        assert!(got.status == 200 && got.complete && got.body == zip_bytes());
        assert_eq!(stream.read(&mut [0; 16]).expect("closed in order"), 0);
    }
    assert_eq!(server.wait(), 0, "nothing had to be cut");
    assert!(TcpStream::connect(server.address).is_err(), "nobody listens any more");
}

#[test]
fn who_has_asked_before_a_drain_is_answered() {
    for _ in 0..20 {
        let mut server = Running::plain(&Arc::new(Fake::new()));
        let mut streams: Vec<TcpStream> = (0..50).map(|_| connect(&server)).collect();
        for stream in &mut streams {
            stream.write_all(b"GET /example.com/a/@latest HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
        }
        server.tell_to_stop();
        for stream in &mut streams {
            assert_eq!(read_one(stream).status, 200);
        }
        assert_eq!(server.wait(), 0, "nothing had to be cut");
    }
}

#[test]
fn a_drain_has_an_end() {
    let fake = Arc::new(Fake::new());
    let mut settings = ServerSettings::default();
    settings.limits.drain = Duration::from_millis(300);
    let mut server = Running::start(&fake, settings);
    let mut stuck = connect(&server);
    stuck.write_all(b"GET /slow.example.com/s/@latest HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    server.until_asked(&fake, 1);
    assert_eq!(server.wait(), 1);
}

#[tokio::test]
async fn a_taken_port_and_a_bad_address_are_said_plainly() {
    let fake = Arc::new(Fake::new());
    let bind = async |listen: &str| {
        let settings = ServerSettings { listen: listen.to_owned(), ..ServerSettings::default() };
        Server::bind(settings, super::parts(&fake)).await
    };
    let first = bind("127.0.0.1:0").await.expect("bound");
    let taken = bind(&first.local_address().to_string()).await.err().expect("taken");
    assert!(matches!(taken, BindError::PortTaken { .. }), "{taken}");
    assert!(taken.to_string().contains("the port is taken"));
    for listen in ["nonsense", "127.0.0.1", "192.0.2.1:0", "127.0.0.1:99999", ""] {
        let error = bind(listen).await.err().expect(listen);
        assert!(matches!(error, BindError::BadAddress { .. }), "{listen}: {error}");
    }
}
