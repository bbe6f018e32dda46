//! What keeps one client from taking the server away from the others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_cache::{Body, Content, Served};
use larder_testkit::client;

use super::Running;
use super::fake::{Fake, file_of, memory};
use crate::ServerSettings;

fn connect(server: &Running) -> TcpStream {
    let stream = TcpStream::connect(server.address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    stream
}

/// Waits until the server closes, and returns how long that took.
fn closed_after(stream: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    let mut sink = [0; 65_536];
    loop {
        match stream.read(&mut sink) {
            Ok(0) => return begun.elapsed(),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return begun.elapsed(),
            Err(error) => panic!("still open after {:?}: {error}", begun.elapsed()),
        }
    }
}

#[test]
fn t_27_a_head_that_does_not_end_is_cut() {
    let mut settings = ServerSettings::default();
    settings.limits.head_timeout = Duration::from_millis(600);
    let server = Running::start(&Arc::new(Fake::new()), settings);
    let mut silent = connect(&server);
    let mut half = connect(&server);
    half.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nX: ").expect("sent");
    let mut second = connect(&server);
    second.write_all(b"GET /-/healthz HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    assert_eq!(client::read_response(&mut second, false, Instant::now()).expect("answered").status, 200);
    second.write_all(b"GET /-/hea").expect("sent");
    for stream in [&mut silent, &mut half, &mut second] {
        assert!(closed_after(stream) < Duration::from_secs(5));
    }
}

#[test]
fn dripping_bytes_do_not_extend_the_time_for_a_head() {
    let mut settings = ServerSettings::default();
    settings.limits.head_timeout = Duration::from_millis(800);
    let server = Running::start(&Arc::new(Fake::new()), settings);
    let mut stream = connect(&server);
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("set");
    let begun = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nX: ").expect("sent");
    loop {
        assert!(begun.elapsed() < Duration::from_secs(10), "the drip keeps it open");
        if stream.write_all(b"x").is_err() {
            break;
        }
        match stream.read(&mut [0; 16]) {
            Ok(0) => break,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => break,
        }
    }
}

#[test]
fn idle_connections_are_closed() {
    let mut settings = ServerSettings::default();
    settings.limits.idle_timeout = Duration::from_millis(500);
    let server = Running::start(&Arc::new(Fake::new()), settings);
    let mut stream = connect(&server);
    stream.write_all(b"GET /-/healthz HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    assert_eq!(client::read_response(&mut stream, false, Instant::now()).expect("answered").status, 200);
    assert!(closed_after(&mut stream) < Duration::from_secs(5));
}

#[test]
fn f_10_half_open_heads_make_room_for_a_new_client() {
    let mut settings = ServerSettings::default();
    settings.limits.connections = 200;
    let server = Running::start(&Arc::new(Fake::new()), settings);
    let mut halves: Vec<TcpStream> = Vec::new();
    for round in 0..5 {
        for _ in 0..100 {
            let mut stream = connect(&server);
            // The server may close it at any time.
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost:");
            halves.push(stream);
        }
        let begun = Instant::now();
        let got = client::get(&server.url, "/example.com/a/@latest").expect("answered");
        assert_eq!(got.status, 200);
        assert!(begun.elapsed() < Duration::from_secs(1), "round {round}: {:?}", begun.elapsed());
    }
}

#[test]
fn busy_connections_are_not_closed_for_newcomers() {
    let mut settings = ServerSettings::default();
    settings.limits.connections = 4;
    let fake = Arc::new(Fake::new());
    let server = Running::start(&fake, settings);
    let mut busy: Vec<TcpStream> = (0..4).map(|_| connect(&server)).collect();
    for stream in &mut busy {
        stream.write_all(b"GET /slow.example.com/s/@latest HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    }
    server.until_asked(&fake, 4);
    let mut late = connect(&server);
    late.write_all(b"GET /example.com/a/@latest HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    fake.gate.add_permits(4);
    for stream in busy.iter_mut().chain([&mut late]) {
        assert_eq!(client::read_response(stream, false, Instant::now()).expect("answered").status, 200);
    }
}

/// A backend with a zip that no socket buffer holds.
fn big() -> Arc<Fake> {
    let len = 64 << 20;
    let file = file_of(b"");
    file.set_len(len).expect("a sparse file");
    Arc::new(Fake::new().on("/example.com/big/@v/v1.0.0.zip", move || {
        let body = Body::File { file: Arc::clone(&file), len };
        Ok(Served { body, ..memory(Content::Zip, "", false) })
    }))
}

const GET_BIG: &[u8] = b"GET /example.com/big/@v/v1.0.0.zip HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn f_9_a_reader_that_does_not_read_is_cut() {
    let mut settings = ServerSettings::default();
    settings.limits.write_window = Duration::from_millis(1500);
    let server = Running::start(&big(), settings);
    let mut stalled = connect(&server);
    stalled.write_all(GET_BIG).expect("sent");
    let mut reading = connect(&server);
    reading.write_all(GET_BIG).expect("sent");
    let mut slow = connect(&server);
    slow.write_all(GET_BIG).expect("sent");
    let mut buffer = vec![0; 1 << 20];
    let mut got = 0;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(6) {
        assert!(slow.read(&mut buffer[..32 << 10]).expect("the slow one too") > 0);
        got += reading.read(&mut buffer[..256 << 10]).expect("the one that reads goes on");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(got > 1 << 20);
    let mut taken = 0;
    loop {
        match stalled.read(&mut buffer) {
            Ok(0) => break,
            Ok(bytes) => taken += bytes,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(taken < 64 << 20, "it was cut, {taken} bytes had been on their way");
}

#[test]
fn many_stalled_readers_hold_little_memory() {
    let server = Running::start(&big(), ServerSettings::default());
    let mut stalled: Vec<TcpStream> = (0..150).map(|_| connect(&server)).collect();
    for stream in &mut stalled {
        stream.write_all(GET_BIG).expect("sent");
    }
    let begun = Instant::now();
    let got = client::get(&server.url, "/example.com/a/@v/v1.0.0.zip").expect("answered");
    assert!(got.complete);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// The resident memory of this process, its peak, in MiB.
fn peak_memory() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").expect("readable");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") / 1024
}

fn raise_descriptor_limit() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).expect("raised");
}

#[test]
#[ignore = "needs 19,000 descriptors; run alone"]
fn f_10_nine_thousand_half_open_heads() {
    raise_descriptor_limit();
    let mut settings = ServerSettings::default();
    settings.limits.connections = 8_000;
    let server = Running::start(&Arc::new(Fake::new()), settings);
    let mut worst = Duration::ZERO;
    let mut halves = Vec::new();
    for _ in 0..9 {
        for _ in 0..1_000 {
            let mut stream = connect(&server);
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost:");
            halves.push(stream);
        }
        let begun = Instant::now();
        assert_eq!(client::get(&server.url, "/example.com/a/@latest").expect("answered").status, 200);
        worst = worst.max(begun.elapsed());
    }
    println!("worst answer {worst:?}, peak {} MiB", peak_memory());
    assert!(worst < Duration::from_secs(1), "{worst:?}");
    assert!(closed_after(&mut halves[8_999]) < Duration::from_secs(12));
}

#[test]
#[ignore = "needs 5,000 descriptors and a memory of its own; run alone"]
fn f_9_two_thousand_slow_readers() {
    raise_descriptor_limit();
    let mut settings = ServerSettings::default();
    settings.limits.connections = 8_000;
    let server = Running::start(&big(), settings);
    let mut slow: Vec<TcpStream> = (0..2_000).map(|_| connect(&server)).collect();
    for stream in &mut slow {
        stream.write_all(GET_BIG).expect("sent");
    }
    let mut worst = Duration::ZERO;
    for _ in 0..10 {
        for stream in &mut slow {
            stream.read_exact(&mut [0; 1024]).expect("slow, and served");
        }
        let begun = Instant::now();
        assert!(client::get(&server.url, "/example.com/a/@v/v1.0.0.zip").expect("answered").complete);
        worst = worst.max(begun.elapsed());
    }
    println!("worst zip {worst:?}, peak {} MiB", peak_memory());
    assert!(peak_memory() < 256, "{} MiB", peak_memory());
}
