//! What the binary prints about logs, settings and upstreams that mean harm: nothing raw and no secret, in any form.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use larder_testkit::certificates::{Authority, Leaf};
use larder_testkit::git_server::Page;
use larder_testkit::hostile::{FRAMES, SECRET, SECRETS, filled, leaked, logs, raw};
use larder_testkit::lab::{self, Answer, Case, DnsAnswer, ForwardProxy, GoClient, Lab};
use larder_testkit::{FakeUpstream, Reply, settings};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");

/// All forms of a report.
const FORMS: &[&[&str]] = &[
    &["--lang", "en"],
    &["--lang", "zh"],
    &["--format", "json", "--lang", "en"],
    &["--format", "json", "--lang", "zh"],
    &["--format", "markdown", "--lang", "en"],
    &["--format", "markdown", "--lang", "zh", "--share"],
];

/// Says what is wrong with an output, whatever its form.
fn complaint(output: &[u8], secrets: bool) -> Option<String> {
    let Ok(text) = std::str::from_utf8(output) else { return Some("not UTF-8".to_owned()) };
    let mut texts = vec![text.to_owned()];
    if let Ok(report) = serde_json::from_str::<serde_json::Value>(text) {
        strings(&report, &mut texts);
    }
    if text.contains("panicked at") {
        return Some(text.to_owned());
    }
    let found = texts.iter().find_map(|text| raw(text));
    found.or_else(|| texts.iter().filter(|_| secrets).find_map(|text| leaked(text)))
}

fn strings(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => out.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        serde_json::Value::Object(fields) => fields.iter().for_each(|(name, item)| {
            out.push(name.clone());
            strings(item, out);
        }),
        _ => {}
    }
}

fn larder(home: &std::path::Path) -> Command {
    let mut command = Command::new(settings::binary().unwrap_or_else(|| BINARY.into()));
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").current_dir(home).stdin(Stdio::null());
    command
}

/// Has every form of the report about a log judged.
fn all_forms(home: &std::path::Path, name: &str, log: &[u8], complaints: &mut Vec<String>) {
    let file = home.join("build.log");
    fs_err::write(&file, log).expect("a temporary folder");
    for form in FORMS {
        let output = larder(home).args(["doctor", "log"]).args(*form).arg(&file).output().expect("it runs");
        if !matches!(output.status.code(), Some(0 | 1)) {
            complaints.push(format!("{name} {form:?}: {:?}", output.status));
        }
        let bad = complaint(&output.stdout, true).or_else(|| complaint(&output.stderr, true));
        complaints.extend(bad.map(|bad| format!("{name} {form:?}: {bad}")));
    }
    let bundle = home.join("bundle.json");
    let _ =
        larder(home).args(["doctor", "log", "--bundle"]).arg(&bundle).arg(&file).output().expect("it runs");
    if let Ok(kept) = fs_err::read(&bundle) {
        complaints.extend(complaint(&kept, true).map(|bad| format!("{name} bundle: {bad}")));
        let _ = fs_err::remove_file(&bundle);
    }
}

#[test]
fn logs_are_shown_clean_in_every_form() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut complaints = Vec::new();
    for (number, some) in logs().chunks(60).enumerate() {
        let log: Vec<u8> = some.iter().flat_map(|(_, log)| [log.as_slice(), b"\n"].concat()).collect();
        all_forms(home.path(), &format!("chunk {number}"), &log, &mut complaints);
    }
    for (number, frames) in FRAMES.chunks(5).enumerate() {
        let log: Vec<u8> = frames
            .iter()
            .flat_map(|frame| SECRETS.iter().map(move |shape| filled(frame, shape.as_bytes())))
            .flatten()
            .collect();
        all_forms(home.path(), &format!("secrets in frames {number}"), &log, &mut complaints);
    }
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn a_line_of_64_megabytes_is_read_in_bounded_memory() {
    let home = tempfile::tempdir().expect("a temporary folder");
    for piece in [
        &b"x"[..],
        b"go: example.com/m@v1.0.0: Get \"https://proxy.example.com/\": EOF ",
        b"\x1b[31m\xe2\x80\xae{\"a\":",
    ] {
        let mut command = larder(home.path());
        command
            .args(["doctor", "log", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let mut input = child.stdin.take().expect("it is piped");
        let block: Vec<u8> = piece.iter().copied().cycle().take(1 << 20).collect();
        let started = Instant::now();
        for _ in 0..64 {
            input.write_all(&block).expect("it reads all");
        }
        let status = fs_err::read_to_string(format!("/proc/{}/status", child.id())).expect("it still runs");
        let peak: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .expect("the kernel says it");
        drop(input);
        let mut output = Vec::new();
        child.stdout.take().expect("it is piped").read_to_end(&mut output).expect("it can be read");
        child.wait().expect("it ends");
        settings::say(&format!("64 MB of one line: {peak} kB, {:?}", started.elapsed()));
        assert!(peak < 100_000, "{peak} kB");
        assert_eq!(complaint(&output, true), None);
        assert!(output.len() < 200_000, "{} bytes", output.len());
    }
}

#[test]
fn settings_and_projects_are_shown_clean() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mark = "\u{1b}]52;c;AAAA\u{7}\u{202e}\u{200b}\u{9b}31m";
    let folder = home.path().join(format!("app{mark}"));
    fs_err::create_dir_all(&folder).expect("a temporary folder");
    fs_err::create_dir_all(home.path().join(".config/go")).expect("a temporary folder");
    fs_err::write(
        folder.join("go.mod"),
        format!(
            "module example.com/app{mark}\n\ngo 1.21{mark}\n\nrequire example.com/m{mark} v1.0.0\n{mark}\n"
        ),
    )
    .expect("a temporary folder");
    fs_err::write(folder.join("go.sum"), format!("example.com/m{mark} v1.0.0 h1:AAAA\n<<<<<<< {mark}\n"))
        .expect("a temporary folder");
    fs_err::write(
        home.path().join(".config/go/env"),
        format!("GOSUMDB=off{mark}\r\nexport GOPROXY={mark}\nGOFLAGS=\"{mark}\"\n"),
    )
    .expect("a temporary folder");
    fs_err::write(
        home.path().join(".netrc"),
        format!("machine proxy.example.com{mark} login dev password {SECRET}\n"),
    )
    .expect("a temporary folder");
    let login = format!("https://dev:{SECRET}@proxy.example.com");
    let mut complaints = Vec::new();
    for (name, value) in [
        ("GOPROXY", format!("{login}/{mark},https://{SECRET}@b.example.com|direct")),
        ("GOPROXY", mark.to_owned()),
        ("GOPRIVATE", format!("git.corp.example{mark},https://git.corp.example")),
        ("GOSUMDB", format!("sum.example.com+0a1b{mark} {login}")),
        ("GOFLAGS", format!("-mod=mod -ldflags=-X=main.token={SECRET} {mark}")),
        ("HTTPS_PROXY", format!("{}{mark}", login.replace("https", "http"))),
        ("NO_PROXY", format!("{mark},proxy.example.com")),
        ("GOMODCACHE", format!("~/mod{mark}")),
        ("GOAUTH", format!("git /home/dev{mark}; netrc")),
        ("GONOPRIVATE", mark.to_owned()),
        ("GITHUB_TOKEN", SECRET.to_owned()),
    ] {
        for more in [&["doctor", "--no-network"][..], &["doctor", "explain", "example.com/m@v1.0.0"]] {
            for form in &FORMS[..5] {
                let mut command = larder(home.path());
                command.args(more).args(*form).env(name, &value).current_dir(&folder);
                let output = command.output().expect("it runs");
                let bad = complaint(&output.stdout, true).or_else(|| complaint(&output.stderr, true));
                complaints.extend(bad.map(|bad| format!("{name} {more:?} {form:?}: {bad}")));
            }
        }
    }
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
}

const MARK: &str = "\u{1b}[2J\u{1b}]52;c;AAAA\u{7}\u{1b}]8;;https://evil.example\u{7}x\u{1b}\\\u{202e}\u{2066}\u{200b}\u{9b}31m\u{7f}\0";

/// A way to be treated badly, and how to make it.
type Treatment = (&'static str, fn(&mut Case<'_>));

const TREATMENTS: &[Treatment] = &[
    ("a refusal", |case| {
        let words = format!("{MARK} password={SECRET}\n{MARK}\n");
        case.broken_proxy(&modules(), move |_| Some(Answer::status(403, &words)));
    }),
    ("a page", |case| {
        case.broken_proxy(&modules(), |_| {
            Some(Answer::page(&format!("<html><title>{MARK}</title>token={SECRET}")))
        });
    }),
    ("a login", |case| {
        case.broken_proxy(&modules(), |_| {
            let reply = Reply::status(401, "text/plain", MARK.to_owned());
            Some(Answer::Reply(reply.header("WWW-Authenticate", "Basic realm=\"\u{1b}[31m\u{202e}\"")))
        });
    }),
    ("a redirect", |case| {
        case.broken_proxy(&modules(), |_| {
            Some(Answer::redirect(&format!("https://dev:{SECRET}@evil.example/\u{202e}?token={SECRET}")))
        });
    }),
    ("another version", |case| {
        case.broken_proxy(&modules(), |request| {
            let named = "{\"Version\":\"v9.9.9\\u001b[31m\\u202e\"}";
            request.path.ends_with(".info").then(|| Answer::Reply(Reply::ok("application/json", named)))
        });
    }),
    ("another module", |case| {
        case.broken_proxy(&modules(), |request| {
            let text = format!("module example.com/{MARK}\n\nrequire {MARK} v1\n");
            request.path.ends_with(".mod").then(|| Answer::Reply(Reply::ok("text/plain", text)))
        });
    }),
    ("junk for a zip", |case| {
        case.broken_proxy(&modules(), |request| {
            request
                .path
                .ends_with(".zip")
                .then(|| Answer::Reply(Reply::ok("application/zip", format!("PK\u{3}\u{4}{MARK}"))))
        });
    }),
    ("no HTTP", |case| {
        case.broken_proxy(&modules(), |_| Some(Answer::Raw(format!("{MARK}\r\n\r\n").into_bytes())));
    }),
    ("a reason", |case| {
        case.broken_proxy(&modules(), |_| {
            Some(Answer::Raw(b"HTTP/1.1 403 No\x1b[31m\xe2\x80\xae\r\nContent-Length: 0\r\n\r\n".to_vec()))
        });
    }),
    ("a checksum database", |case| {
        case.proxy(&modules());
        let url = case.site("sum.example.com", |_| {
            Answer::status(404, &format!("not found: {MARK} secret={SECRET}\n"))
        });
        let key = case.variable("GOSUMDB").split(' ').next().unwrap_or_default().to_owned();
        case.env("GOSUMDB", &format!("{key} {url}"));
    }),
    ("junk of a checksum database", |case| {
        case.proxy(&modules());
        let url = case.site("sum.example.com", |_| {
            Answer::status(200, &format!("1\n{MARK}\n\ngo.sum database tree\n"))
        });
        let key = case.variable("GOSUMDB").split(' ').next().unwrap_or_default().to_owned();
        case.env("GOSUMDB", &format!("{key} {url}"));
    }),
    ("a certificate's names", |case| {
        let host = "evil-names.example.com";
        let authority = Authority::new("Evil \u{1b}[31m\u{202e}\u{200b} CA");
        let names = vec!["other.example.com\u{1b}[2J\u{7}".to_owned()];
        case.lab().dns.set(host, DnsAnswer::Addresses(vec![lab::WEB]));
        case.lab().web.certificate(host, authority.identity(&Leaf::of(&names)).certified());
        let url = case.proxy(&modules()).replace("proxy.example.com", host);
        case.env("GOPROXY", &url);
    }),
    ("a forward proxy", |case| {
        let address = SocketAddr::from((case.lab().address(), 3128));
        ForwardProxy::Refuses(format!("403 {MARK} token={SECRET}")).start(address);
        case.proxy(&modules());
        case.env("HTTPS_PROXY", &format!("http://dev:{SECRET}@{address}"));
    }),
    ("a name server", |case| {
        let address = SocketAddr::from((case.lab().address(), 53));
        garbled_names(address);
        case.proxy(&modules());
        case.write(
            "resolv.conf",
            &format!(
                "nameserver {}\noptions timeout:1 attempts:1\nsearch \u{1b}[31m\u{202e}.example\n",
                address.ip()
            ),
        );
        case.prelude =
            "real=$(readlink -f /etc/resolv.conf) && mount --bind \"$CASE/home/resolv.conf\" \"$real\""
                .to_owned();
    }),
    ("a go-import page", |case| {
        let path = format!("git.corp.example/evil{}/lib", case.lab().number());
        let page = format!(
            "<html><head><meta name=\"go-import\" content=\"{path}\u{1b}[31m\u{202e} git https://dev:{SECRET}@git.corp.example/\u{200b}x\"></head>{MARK}</html>"
        );
        case.lab().forge.page(&path, Page::Html(page));
        case.env("GOPRIVATE", "git.corp.example");
        case.subject = Some(format!("{path}@v1.0.0"));
    }),
    ("git", |case| {
        let (mut repository, path) = case.repository("git.corp.example", "lib");
        let first = repository.files(&[("go.mod", &format!("module {path}\n"))]);
        repository.tag("v1.0.0", first);
        repository.save();
        case.write(
            "bin/git",
            &format!("#!/bin/sh\nprintf 'remote: \\033[2J\\033]52;c;AAAA\\007\\342\\200\\256 https://dev:{SECRET}@git.corp.example/x\\nfatal: \\000\\377 password={SECRET}\\n' >&2\nexit 128\n"),
        );
        case.shell("chmod +x bin/git");
        let programs = format!("{}:{}", case.home().join("bin").display(), case.variable("PATH"));
        case.env("PATH", &programs);
        case.env("GOPRIVATE", "git.corp.example");
        case.subject = Some(format!("{path}@v1.0.0"));
    }),
];

fn modules() -> FakeUpstream {
    FakeUpstream::new().module("example.com/ok", "v1.0.0")
}

/// A name server that answers with other names, bad lengths and names that point to themselves.
fn garbled_names(address: SocketAddr) {
    let socket = UdpSocket::bind(address).expect("the lab's address has this port free");
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        let mut number = 0;
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            number += 1;
            let mut answer = buffer[..length].to_vec();
            answer[2] = 0x81;
            answer[3] = 0x80;
            answer[7] = 3;
            // An alias with an escape in it, a name that points to itself, a length beyond the end.
            answer.extend_from_slice(
                b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x0c\x04\x1b[2J\x05evil\x07\x00",
            );
            answer.extend_from_slice(&[
                0xc0,
                u8::try_from(answer.len() % 256).unwrap_or(0),
                0,
                1,
                0,
                1,
                0,
                0,
                0,
                60,
                0xff,
                0xff,
            ]);
            answer.truncate(answer.len() - number % 7);
            let _ = socket.send_to(&answer, peer);
        }
    });
}

#[test]
fn upstreams_are_shown_clean() {
    if !lab::enter("upstreams_are_shown_clean") {
        return;
    }
    let Some(client) = GoClient::machine() else {
        settings::skipped("upstreams_are_shown_clean", "there is no go command");
        return;
    };
    let wanted = settings::machine("LARDER_LAB").unwrap_or_default();
    let lab = Lab::start();
    let mut complaints = Vec::new();
    for (name, set_up) in TREATMENTS.iter().filter(|(name, _)| name.contains(&wanted)) {
        let mut case = lab.case(&client);
        case.app(&[("example.com/ok", "v1.0.0")], &["example.com/ok"]);
        case.subject = Some("example.com/ok@v1.0.0".to_owned());
        set_up(&mut case);
        let subject = case.subject.clone().unwrap_or_default();
        for form in &FORMS[1..5] {
            let arguments: Vec<String> = ["doctor", subject.as_str(), "--timeout", "6"]
                .iter()
                .chain(form.iter())
                .map(|word| (*word).to_owned())
                .collect();
            let run = case.run_program(BINARY, &arguments, Duration::from_secs(40));
            if run.code != Some(1) {
                complaints.push(format!("{name} {form:?}: code {:?}: {}", run.code, run.text));
            }
            complaints
                .extend(complaint(run.text.as_bytes(), true).map(|bad| format!("{name} {form:?}: {bad}")));
        }
    }
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
}
