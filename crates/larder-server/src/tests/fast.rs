//! Answers that are given at once are the very bytes that hyper would have sent.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use larder_cache::{Body, Content, Failure, Outcome, Reason, Served};
use larder_testkit::client;

use super::fake::{Fake, INFO, MOD, file_of, memory, zip_bytes};
use super::{Running, parts};
use crate::{AccessLog, AppParts, LogForm, ServerSettings};

/// What is sent after a request whose answer leaves the connection open.
const LAST: &str = "GET /-/healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
const AGE: Duration = Duration::from_secs(7);

/// A backend with answers of every kind and size.
fn fake() -> Arc<Fake> {
    let aged = |content, text| Served {
        outcome: Outcome::Hit { age: Some(AGE) },
        modified: None,
        ..memory(content, text, false)
    };
    let stale = || Outcome::Stale { age: Duration::from_secs(70) };
    let large: &'static str = Box::leak("require example.com/b v1.0.0\n".repeat(4_000).into_boxed_str());
    let empty = file_of(b"");
    Arc::new(
        Fake::new()
            .on("/example.com/aged/@v/list", move || Ok(aged(Content::List, "v1.0.0\n")))
            .on("/example.com/aged/@latest", move || Ok(aged(Content::Latest, INFO)))
            .on("/example.com/stale/@latest", move || {
                Ok(Served { outcome: stale(), ..aged(Content::Latest, INFO) })
            })
            .on("/example.com/computed/@v/list", move || {
                Ok(Served { outcome: Outcome::Computed, ..aged(Content::List, "v1.0.0\n") })
            })
            .on("/example.com/large/@v/v1.0.0.mod", move || Ok(memory(Content::Mod, large, false)))
            .on("/example.com/none/@v/list", || Ok(memory(Content::List, "", false)))
            .on("/example.com/untagged/@v/v1.0.0.mod", || {
                Ok(Served { etag: None, modified: None, ..memory(Content::Mod, MOD, false) })
            })
            .on("/example.com/undated/@v/v1.0.0.mod", || {
                Ok(Served { modified: None, ..memory(Content::Mod, MOD, false) })
            })
            .on("/example.com/empty/@v/v1.0.0.zip", move || {
                Ok(Served {
                    body: Body::File { file: Arc::clone(&empty), len: 0 },
                    ..memory(Content::Zip, "", false)
                })
            })
            .on("/example.com/down/@v/list", || {
                Err(Failure::new(Reason::StoreBroken, "nobody can be asked", &[], &[]))
            }),
    )
}

/// A server whose log can be read.
struct Logged {
    server: Running,
    fake: Arc<Fake>,
    log: AccessLog,
    lines: Lines,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Logged {
    fn start(is_slow: bool, settings: &ServerSettings) -> Self {
        let (fake, lines) = (fake(), Lines::default());
        fake.is_slow.store(is_slow, Relaxed);
        let log =
            AccessLog::start(LogForm::Json, || SystemTime::UNIX_EPOCH, lines.clone()).expect("a thread");
        let parts = AppParts { access_log: log.clone(), ..parts(&fake) };
        Self { server: Running::with(parts, settings.clone()), fake, log, lines }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        stream.set_nodelay(true).expect("set");
        stream
    }

    /// Sends `text`, a piece of so many bytes at a time, and reads until the server closes.
    fn converse(&self, text: &str, piece: usize) -> String {
        let mut stream = self.connect();
        for part in text.as_bytes().chunks(piece) {
            if stream.write_all(part).is_err() {
                break;
            }
        }
        let mut all = Vec::new();
        match stream.read_to_end(&mut all) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}: {text}"),
            _ => without_dates(&all),
        }
    }

    /// Returns the lines so far, without what differs from run to run.
    fn log(&self) -> Vec<String> {
        assert!(self.log.flush(Duration::from_secs(20)));
        let bytes = self.lines.0.lock().expect("no panic");
        let mut lines: Vec<String> = String::from_utf8_lossy(&bytes)
            .lines()
            .map(|line| {
                let mut value: serde_json::Value = serde_json::from_str(line).expect("JSON");
                value["duration_ms"] = 0.into();
                value.to_string()
            })
            .collect();
        // A line is written when its body ends, which may be after the next request has begun.
        lines.sort();
        lines
    }
}

fn without_dates(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split("\r\ndate: ");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        assert!(part.as_bytes().get(..29).is_some_and(|date| date.ends_with(b" GMT")), "{part:.40}");
        all += "\r\ndate: ";
        all += &part[29..];
    }
    all
}

/// Requests after which the connection stays open, as method, path and fields.
fn requests() -> Vec<String> {
    let mut all = Vec::new();
    let paths = [
        "/example.com/a/@v/list",
        "/example.com/a/@latest",
        "/example.com/a/@v/v1.0.0.info",
        "/example.com/a/@v/v1.0.0.mod",
        "/example.com/a/@v/v1.0.0.zip",
        "/example.com/a/@v/master.info",
        "/github.com/!azure/x/@v/v1.0.0.info",
        "/corp.example.com/p/@v/v1.0.0.mod",
        "/example.com/aged/@v/list",
        "/example.com/aged/@latest",
        "/example.com/stale/@latest",
        "/example.com/computed/@v/list",
        "/example.com/large/@v/v1.0.0.mod",
        "/example.com/none/@v/list",
        "/example.com/untagged/@v/v1.0.0.mod",
        "/example.com/undated/@v/v1.0.0.mod",
        "/example.com/empty/@v/v1.0.0.zip",
        "/example.com/absent/@v/v1.0.0.zip",
        "/example.com/down/@v/list",
        "/cached-only/example.com/a/@v/v1.0.0.mod",
        "/loop-check.invalid/larder-other/0/@v/list",
        "/",
        "/-/healthz",
        "/-/none",
        "/robots.txt",
        "/none",
        "//example.com/a/@v/list",
        "/example.com/a/@v/list?x",
        "/example.com/%61/@v/list",
        "/example.com/A/@v/list",
    ];
    for path in paths {
        for method in ["GET", "HEAD"] {
            all.push(format!(
                "{method} {path} HTTP/1.1\r\nHost: h\r\nUser-Agent: Go-http-client/1.1\r\n\r\n"
            ));
        }
    }
    let fields = [
        "Connection: keep-alive\r\n",
        "Range: bytes=5-9\r\n",
        "Range: bytes=9999999-\r\n",
        "If-None-Match: \"tag\"\r\n",
        "If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT\r\n",
        "If-Match: \"other\"\r\n",
        "Disable-Module-Fetch: true\r\n",
        "Via: 1.1 other\r\n",
        "X-Forwarded-For: 192.0.2.1\r\n",
        "Content-Length: 0\r\n",
        "X-Unknown: \u{7}\r\n",
        "TE: trailers\r\n",
    ];
    for field in fields {
        for path in ["/example.com/a/@v/v1.0.0.mod", "/corp.example.com/p/@v/v1.0.0.zip"] {
            all.push(format!("GET {path} HTTP/1.1\r\nHost: h\r\n{field}\r\n"));
        }
    }
    all
}

/// Requests after which the server closes.
fn last_requests() -> Vec<String> {
    let mut all = vec![
        "GET /example.com/a/@latest HTTP/1.0\r\n\r\n".to_owned(),
        "GET /example.com/a/@latest HTTP/1.1\r\n\r\n".to_owned(),
        "GET http://h/example.com/a/@latest HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /example.com/a/@latest HTTP/1.1\nHost: h\nConnection: close\n\n".to_owned(),
        "get / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned(),
        "GARBAGE\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(17 << 10)),
    ];
    for field in [
        "Content-Length: 3\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Upgrade: h2c\r\n\r\n",
        "Connection: close\r\n\r\n",
        "Connection: Upgrade\r\n\r\n",
        "Host: other\r\n\r\n",
    ] {
        all.push(format!("GET /example.com/a/@v/v1.0.0.mod HTTP/1.1\r\nHost: h\r\n{field}"));
    }
    all
}

fn both(settings: &ServerSettings) -> (Logged, Logged) {
    (Logged::start(false, settings), Logged::start(true, settings))
}

#[test]
fn both_paths_give_the_same_bytes_and_log_lines() {
    let (fast, slow) = both(&ServerSettings::default());
    let open = requests().into_iter().map(|text| text + LAST);
    for text in open.chain(last_requests()) {
        let (got, want) = (fast.converse(&text, usize::MAX), slow.converse(&text, usize::MAX));
        assert!(want.starts_with("HTTP/1."), "{text}");
        assert!(got == want, "{text}\n{got:.900}\n---\n{want:.900}");
    }
    assert!(fast.fake.answered_at_once.load(Relaxed) > 30);
    assert_eq!(slow.fake.answered_at_once.load(Relaxed), 0);
    let (got, want) = (fast.log(), slow.log());
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(&want) {
        assert_eq!(got, want);
    }
}

#[test]
fn a_request_in_pieces_is_the_same_request() {
    let (fast, slow) = both(&ServerSettings::default());
    for text in
        requests().into_iter().step_by(3).map(|text| text + LAST).chain(last_requests().into_iter().skip(7))
    {
        let want = slow.converse(&text, usize::MAX);
        assert!(fast.converse(&text, 1) == want, "{text}");
    }
    assert!(fast.fake.answered_at_once.load(Relaxed) > 10);
}

#[test]
fn requests_that_are_sent_ahead_are_answered_in_order() {
    let (fast, slow) = both(&ServerSettings::default());
    let all = requests().concat() + LAST;
    let want = slow.converse(&all, usize::MAX);
    for piece in [usize::MAX, 4_096, 1_000, 17] {
        let want = if piece == usize::MAX { want.clone() } else { slow.converse(&all, usize::MAX) };
        let got = fast.converse(&all, piece);
        assert!(got == want, "pieces of {piece}: {} and {} bytes", got.len(), want.len());
    }
    // Many answers at once, more than one write takes.
    let many = "GET /example.com/large/@v/v1.0.0.mod HTTP/1.1\r\nHost: h\r\n\r\nGET /example.com/a/@v/v1.0.0.mod HTTP/1.1\r\nHost: h\r\n\r\n"
        .repeat(200)
        + LAST;
    let got = fast.converse(&many, usize::MAX);
    assert_eq!(got.matches("HTTP/1.1 200 OK\r\n").count(), 401);
}

#[test]
fn what_a_server_is_told_of_its_surroundings_holds_on_both_paths() {
    let mut settings =
        ServerSettings { base_path: "/x".parse().expect("a path"), ..ServerSettings::default() };
    settings.private_clients = "192.0.2.0/24".parse().expect("addresses");
    settings.answer_lifetime = Duration::from_secs(5);
    let (fast, slow) = both(&settings);
    for path in [
        "/x/example.com/a/@v/v1.0.0.mod",
        "/example.com/a/@v/v1.0.0.mod",
        "/x/corp.example.com/p/@v/v1.0.0.mod",
        "/x/example.com/aged/@v/list",
        "/xexample.com/a/@v/v1.0.0.mod",
    ] {
        let text = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n{LAST}");
        assert_eq!(fast.converse(&text, usize::MAX), slow.converse(&text, usize::MAX), "{path}");
    }
    assert_eq!(fast.fake.answered_at_once.load(Relaxed), 2);
}

#[test]
fn a_connection_comes_back_from_hyper() {
    let logged = Logged::start(false, &ServerSettings::default());
    let mut stream = logged.connect();
    let mut ask = |path: &str| {
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).expect("sent");
        client::read_response(&mut stream, false, Instant::now()).expect("an answer")
    };
    for round in 1..=20 {
        assert_eq!(ask("/example.com/a/@v/v1.0.0.mod").text(), MOD);
        assert_eq!(ask("/example.com/absent/@v/list").status, 404);
        assert!(ask("/example.com/a/@v/v1.0.0.zip").body == zip_bytes());
        assert_eq!(ask("/-/healthz").status, 200);
        assert_eq!(logged.fake.answered_at_once.load(Relaxed), 2 * round);
    }
}

#[test]
fn a_client_that_has_sent_all_it_will_gets_its_answers() {
    let logged = Logged::start(false, &ServerSettings::default());
    let mut stream = logged.connect();
    let text = "GET /example.com/a/@v/v1.0.0.zip HTTP/1.1\r\nHost: h\r\n\r\nGET /example.com/a/@v/v1.0.0.mod HTTP/1.1\r\nHost: h\r\n\r\n";
    stream.write_all(text.as_bytes()).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("shut");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("closed in order");
    assert!(all.len() > zip_bytes().len() && all.ends_with(MOD.as_bytes()));
}

#[test]
fn a_drain_finishes_a_file_that_is_on_its_way() {
    let len = 64 << 20;
    let file = file_of(b"");
    file.set_len(len).expect("a sparse file");
    let fake = Arc::new(Fake::new().on("/example.com/big/@v/v1.0.0.zip", move || {
        Ok(Served { body: Body::File { file: Arc::clone(&file), len }, ..memory(Content::Zip, "", false) })
    }));
    let mut server = Running::plain(&fake);
    let mut stream = TcpStream::connect(server.address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    stream.write_all(b"GET /example.com/big/@v/v1.0.0.zip HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    server.until_asked(&fake, 1);
    server.tell_to_stop();
    let got = client::read_response(&mut stream, false, Instant::now()).expect("an answer");
    assert!(got.complete && got.body.len() as u64 == len);
    assert_eq!(stream.read(&mut [0; 16]).expect("closed in order"), 0);
    assert_eq!(server.wait(), 0, "nothing had to be cut");
}
