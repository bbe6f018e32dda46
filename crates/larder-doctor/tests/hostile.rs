//! Logs and upstreams that mean harm: nothing raw and no secret in a report, no panic, no memory without bounds.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use larder_doctor::catalogue::Language;
use larder_doctor::probe::Budget;
use larder_doctor::redact::Redactor;
use larder_doctor::{Facts, Look, Subject, System, diagnose, examine, read_log};
use larder_testkit::hostile::{FRAMES, SECRETS, filled, leaked, logs, payloads, raw};

/// Every text of the report as it is shown.
fn shown(facts: &Facts) -> Vec<String> {
    let mut texts = Vec::new();
    for language in [Language::English, Language::Chinese] {
        let shown = Redactor::default().report(diagnose(facts, language));
        let report = serde_json::to_value(shown.report()).expect("a report is JSON");
        strings(&report, &mut texts);
    }
    texts
}

fn strings(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => out.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        serde_json::Value::Object(fields) => {
            for (name, item) in fields {
                out.push(name.clone());
                strings(item, out);
            }
        }
        _ => {}
    }
}

fn of_log(log: &[u8]) -> Vec<String> {
    shown(&read_log(log).expect("memory can be read"))
}

#[test]
fn no_log_shows_anything_raw() {
    let logs = logs();
    assert!(logs.len() >= 200, "{}", logs.len());
    let mut complaints = Vec::new();
    for (name, log) in &logs {
        let started = Instant::now();
        let texts = of_log(log);
        complaints.extend(texts.iter().find_map(|text| raw(text)).map(|bad| format!("{name}: {bad}")));
        let longest = texts.iter().map(String::len).max().unwrap_or(0);
        if longest > 40_000 {
            complaints.push(format!("{name}: a text of {longest} bytes"));
        }
        if started.elapsed() > Duration::from_secs(5) {
            complaints.push(format!("{name}: {:?}", started.elapsed()));
        }
    }
    assert!(complaints.is_empty(), "{} of {}:\n{}", complaints.len(), logs.len(), complaints.join("\n"));
}

#[test]
fn no_log_shows_a_secret() {
    assert!(SECRETS.len() >= 50);
    let alone = ["@@\n", "+ @@\ngo: example.com/m@v1.0.0: EOF\n", "\t@@\n"];
    let mut complaints = Vec::new();
    for shape in SECRETS {
        for frame in FRAMES.iter().chain(&alone) {
            let texts = of_log(&filled(frame, shape.as_bytes()));
            complaints.extend(
                texts
                    .iter()
                    .find_map(|text| leaked(text))
                    .map(|leak| format!("{shape:?} in {frame:?}: {leak}")),
            );
        }
    }
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn secrets_on_lines_of_their_own_stay_secret() {
    let logs = [
        "go: example.com/m@v1.0.0: reading https://proxy.example.com/x: 401 Unauthorized\n\tserver response:\n\tmachine proxy.example.com\n\tlogin dev\n\tpassword Zq7hunter2Wx\n",
        "go: example.com/m@v1.0.0: git fetch -f origin in /x: exit status 128:\n\t-----BEGIN RSA PRIVATE KEY-----\n\tMIIEowIBAAKCAQEAZq7hunter2WxZq7hunter2WxZq7hunter2WxZq7hunter2Wx0\n\tZq7hunter2Wx==\n\t-----END RSA PRIVATE KEY-----\n",
        "go: example.com/m@v1.0.0: reading https://proxy.example.com/x: 403 Forbidden\n\tserver response:\n\tAuthorization:\n\tBearer Zq7hunter2Wx\n",
    ];
    for log in logs {
        let leak = of_log(log.as_bytes()).iter().find_map(|text| leaked(text));
        assert_eq!(leak, None, "{log}");
    }
}

/// A reader of the same bytes again and again, which nobody holds in memory.
struct Again {
    piece: Vec<u8>,
    at: usize,
    left: usize,
}

impl Again {
    fn of(piece: &[u8], total: usize) -> impl BufRead {
        BufReader::with_capacity(64 << 10, Self { piece: piece.to_vec(), at: 0, left: total })
    }
}

impl Read for Again {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let length = out.len().min(self.left).min(self.piece.len() - self.at);
        out[..length].copy_from_slice(&self.piece[self.at..self.at + length]);
        self.at = (self.at + length) % self.piece.len();
        self.left -= length;
        Ok(length)
    }
}

#[test]
fn gigantic_lines_are_read_in_bounded_memory() {
    for piece in [
        &b"x"[..],
        b"go: ",
        b"\x1b[31m",
        b"{\"a\":",
        b"\\\"",
        b": \"\\n",
        b"\xe2\x80\xae",
        b"https://a:b@c/ ",
        b"\r",
    ] {
        let facts = read_log(Again::of(piece, 8 << 20)).expect("it can be read");
        let held: usize = facts.symptoms.iter().map(|symptom| symptom.text.len()).sum::<usize>()
            + facts.symptoms.iter().flat_map(|symptom| &symptom.detail).map(String::len).sum::<usize>()
            + facts.unexplained.iter().map(String::len).sum::<usize>()
            + facts.seen_settings.iter().map(|(_, text)| text.len()).sum::<usize>();
        assert!(held < 16 << 20, "{held} bytes are kept of {:?}", String::from_utf8_lossy(piece));
        assert_eq!(shown(&facts).iter().find_map(|text| raw(text)), None);
    }
}

#[test]
fn ten_thousand_failures_are_a_report_that_can_be_read() {
    let mut log = String::new();
    for number in 0..10_000 {
        log.push_str(&format!(
            "go: example{number}.com/m@v1.0.{number}: reading https://proxy.example.com/example{number}.com/m/@v/v1.0.{number}.zip: 404 Not Found\n\tserver response: not found\n"
        ));
    }
    let started = Instant::now();
    let facts = read_log(log.as_bytes()).expect("memory can be read");
    let report = diagnose(&facts, Language::English);
    assert!(!report.findings.is_empty() && report.findings.len() <= 1000, "{}", report.findings.len());
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

/// The answers of an upstream that means harm, as they go over the wire, with a name.
fn answers() -> Vec<(String, Vec<u8>)> {
    let mut answers = Vec::new();
    let reply = |status: &[u8], headers: &[u8], body: &[u8]| {
        let length = format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
        [b"HTTP/1.1 ", status, b"\r\n", length.as_bytes(), headers, b"\r\n", body].concat()
    };
    for (number, (name, payload)) in payloads().into_iter().enumerate() {
        let statuses: [&[u8]; 6] = [
            b"403 Forbidden",
            b"500 Internal Server Error",
            b"200 OK",
            b"404 Not Found",
            b"401 Unauthorized",
            b"302 Found",
        ];
        let status = statuses[number % statuses.len()];
        let plain = b"Content-Type: text/plain; charset=utf-8\r\n";
        answers.push((format!("body: {name}"), reply(status, plain, &payload)));
        let line: Vec<u8> = payload.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
        let header = |name: &[u8]| [name, b": ", &line, b"\r\n"].concat();
        let all = [
            header(b"Server"),
            header(b"Via"),
            header(b"Content-Type"),
            header(b"WWW-Authenticate"),
            header(b"Retry-After"),
            header(b"X-Request-Id"),
        ]
        .concat();
        answers.push((format!("headers: {name}"), reply(b"403 Forbidden", &all, b"no\n")));
        answers.push((
            format!("redirect: {name}"),
            reply(b"302 Found", &[&b"Location: /"[..], &line, b"\r\n"].concat(), b""),
        ));
        let reason = [b"599 ", &line[..]].concat();
        answers.push((format!("reason: {name}"), reply(&reason, plain, b"no\n")));
        let json =
            [b"{\"Version\":\"v1.0.0", &payload[..], b"\",\"Time\":\"2024-01-01T00:00:00Z\"}"].concat();
        answers.push((format!("json: {name}"), reply(b"200 OK", b"", &json)));
    }
    let secret = |text: &str| reply(b"403 Forbidden", b"Content-Type: text/plain\r\n", text.as_bytes());
    answers.extend(SECRETS.iter().map(|shape| (format!("secret: {shape:?}"), secret(shape))));
    for (name, bytes) in [
        ("no protocol", b"hello \x1b[31m\r\n\r\n".to_vec()),
        ("nothing", Vec::new()),
        ("endless header", [b"HTTP/1.1 200 OK\r\nX: ", &b"x".repeat(1 << 20)[..]].concat()),
        ("many headers", [b"HTTP/1.1 403 No\r\n", &b"X-A: \x1b[1m\r\n".repeat(5000)[..], b"\r\nno"].concat()),
        ("odd length", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx".to_vec()),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx".to_vec()),
        (
            "bad chunks",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx".to_vec(),
        ),
        ("old tls", b"\x15\x03\x01\x00\x02\x02\x46".to_vec()),
        ("location to a file", reply(b"302 Found", b"Location: file:///etc/passwd\r\n", b"")),
        (
            "location with login",
            reply(b"302 Found", b"Location: http://dev:Zq7hunter2Wx@127.0.0.1:9/\r\n", b""),
        ),
        ("location to itself", reply(b"302 Found", b"Location: ?\r\n", b"")),
        ("list of junk", reply(b"200 OK", b"", &b"v1.0.0\x1b[2J\nv\xff\nv1.0.1\xe2\x80\xae\n".repeat(2000))),
    ] {
        answers.push((name.to_owned(), bytes));
    }
    answers
}

/// Answers request `/N/...` with the answer of that number.
fn upstream(answers: Arc<Vec<(String, Vec<u8>)>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answers = Arc::clone(&answers);
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut buffer = [0; 2048];
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut buffer) {
                        Ok(length @ 1..) => head.extend_from_slice(&buffer[..length]),
                        _ => return,
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let number = head.split('/').nth(1).and_then(|number| number.parse::<usize>().ok());
                if let Some((_, answer)) = number.and_then(|number| answers.get(number)) {
                    let _ = stream.write_all(answer);
                }
            });
        }
    });
    address
}

#[test]
fn no_answer_of_an_upstream_is_shown_raw() {
    let answers = Arc::new(answers());
    assert!(answers.len() >= 200, "{}", answers.len());
    let address = upstream(Arc::clone(&answers));
    let home = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let one = |number: usize| {
        let environment: BTreeMap<String, String> = [
            ("HOME", home.path().to_string_lossy().into_owned()),
            ("GOPROXY", format!("http://{address}/{number}")),
            ("GOSUMDB", "off".to_owned()),
            ("GOENV", "off".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let system = System {
            environment,
            folder: home.path().to_owned(),
            root: "/".into(),
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        };
        let subject = Subject { module: "example.com/ok".to_owned(), version: Some("v1.0.0".to_owned()) };
        let network = Some(Budget { time: Duration::from_secs(8), ..Budget::default() });
        async move { examine(&system, Look { subject: Some(subject), network, ..Look::default() }).await }
    };
    let mut complaints = Vec::new();
    for begin in (0..answers.len()).step_by(16) {
        let numbers = begin..answers.len().min(begin + 16);
        let all = runtime.block_on(async { futures_util::future::join_all(numbers.clone().map(one)).await });
        for (number, facts) in numbers.zip(all) {
            let name = &answers[number].0;
            let texts = shown(&facts);
            complaints
                .extend(texts.iter().find_map(|text| raw(text)).map(|bad| format!("{name}: raw {bad}")));
            complaints.extend(
                texts.iter().find_map(|text| leaked(text)).map(|bad| format!("{name}: secret {bad}")),
            );
        }
    }
    assert!(complaints.is_empty(), "{} of {}:\n{}", complaints.len(), answers.len(), complaints.join("\n"));
}
