//! The reader as a whole: what people paste, and what has to be read from it.

use super::read;
use crate::symptom::{Endpoint, Stage, Symptom, Trouble};

fn symptoms(log: &str) -> Vec<Symptom> {
    read(log.as_bytes()).expect("memory can be read").symptoms
}

fn one(log: &str) -> Symptom {
    let mut found = symptoms(log);
    assert_eq!(found.len(), 1, "{log}\n{found:#?}");
    found.remove(0)
}

fn no_such_host(host: &str, server: Option<&str>) -> Trouble {
    Trouble::NoSuchHost { host: host.to_owned(), server: server.map(str::to_owned) }
}

#[test]
fn a_name_without_address_in_every_dress() {
    let line = r#"go: example.com/m@v1.0.0: Get "https://proxy.example.com/example.com/m/@v/v1.0.0.info": dial tcp: lookup proxy.example.com on 127.0.0.53:53: no such host"#;
    let wanted = no_such_host("proxy.example.com", Some("127.0.0.53:53"));
    let json = serde_json::json!({"log": format!("{line}\n"), "stream": "stderr"}).to_string();
    let hard: Vec<String> =
        line.as_bytes().chunks(80).map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect();
    let soft = line.replace("lookup proxy", "lookup\nproxy").replace(": Get", ":\nGet");
    for log in [
        line.to_owned(),
        format!(
            "2026-01-01T00:00:00.0000000Z {line}\r\n2026-01-01T00:00:00.0000000Z ##[error]Process completed with exit code 1.\r\n"
        ),
        format!(
            "#12 3.456 {line}\n#12 ERROR: process \"/bin/sh -c go mod download\" did not complete successfully: exit code: 1\n------\n > [build 4/6] RUN go mod download:\n3.456 {line}\n------"
        ),
        format!("web-1  | {line}"),
        format!("> {line}"),
        format!("    {line}"),
        format!("\u{1b}[31m{line}\u{1b}[0m"),
        format!("[Error - 12:00:00 PM] err: exit status 1: stderr: {line}"),
        json,
        hard.join("\n"),
        soft,
        format!("Jan  2 15:04:05 ci dockerd[12]: {line}"),
        format!(
            "ERROR: An error occurred during the fetch of repository 'com_example_m':\n   Traceback (most recent call last):\nError in fail: failed to fetch com_example_m: {line}"
        ),
    ] {
        let found = symptoms(&log);
        assert_eq!(found.first().map(|symptom| &symptom.trouble), Some(&wanted), "{log}\n{found:#?}");
        assert_eq!(found.len(), 1, "{log}\n{found:#?}");
        assert_eq!(found[0].module.as_deref(), Some("example.com/m"), "{log}");
        assert_eq!(found[0].version.as_deref(), Some("v1.0.0"), "{log}");
        assert_eq!(found[0].stage, Stage::Proxy(Endpoint::Info), "{log}");
    }
    let cut = one(&line[60..]);
    assert_eq!(cut.trouble, wanted);
}

#[test]
fn sockets_of_three_systems() {
    for (words, wanted) in [
        ("dial tcp: lookup p: no such host", no_such_host("p", None)),
        ("dial tcp: lookup p: getaddrinfow: No such host is known.", no_such_host("p", None)),
        (
            "dial tcp: lookup p on 10.0.0.1:53: server misbehaving",
            Trouble::ResolverError { host: "p".to_owned(), server: Some("10.0.0.1:53".to_owned()) },
        ),
        (
            "dial tcp: lookup p on 10.0.0.1:53: read udp 10.0.0.2:4242->10.0.0.1:53: i/o timeout",
            Trouble::ResolverTimeout { host: "p".to_owned(), server: Some("10.0.0.1:53".to_owned()) },
        ),
        (
            "dial tcp: lookup p on [::1]:53: read udp [::1]:4242->[::1]:53: read: connection refused",
            Trouble::ResolverUnreachable {
                host: "p".to_owned(),
                server: Some("[::1]:53".to_owned()),
                text: "read udp [::1]:4242->[::1]:53: read: connection refused".to_owned(),
            },
        ),
        (
            "dial tcp 192.0.2.1:443: i/o timeout",
            Trouble::ConnectTimeout { address: "192.0.2.1:443".to_owned() },
        ),
        (
            "dial tcp 192.0.2.1:443: connectex: A connection attempt failed because the connected party did not properly respond after a period of time, or established connection failed because connected host has failed to respond.",
            Trouble::ConnectTimeout { address: "192.0.2.1:443".to_owned() },
        ),
        (
            "dial tcp [::1]:443: connect: connection refused",
            Trouble::ConnectRefused { address: "[::1]:443".to_owned() },
        ),
        (
            "dial tcp 127.0.0.1:443: connectex: No connection could be made because the target machine actively refused it.",
            Trouble::ConnectRefused { address: "127.0.0.1:443".to_owned() },
        ),
        (
            "read tcp 10.0.0.2:4242->192.0.2.1:443: read: connection reset by peer",
            Trouble::Reset { address: Some("192.0.2.1:443".to_owned()), handshake: true },
        ),
        (
            "read tcp 10.0.0.2:4242->192.0.2.1:443: wsarecv: An existing connection was forcibly closed by the remote host.",
            Trouble::Reset { address: Some("192.0.2.1:443".to_owned()), handshake: true },
        ),
        (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            Trouble::UnknownAuthority { text: "certificate signed by unknown authority".to_owned() },
        ),
        (
            "x509: \u{201c}p\u{201d} certificate is not trusted",
            Trouble::UnknownAuthority { text: "\"p\" certificate is not trusted".to_owned() },
        ),
        (
            "x509: \u{201c}p\u{201d} certificate is not standards compliant",
            Trouble::BadCertificate { text: "\"p\" certificate is not standards compliant".to_owned() },
        ),
        (
            "tls: failed to verify certificate: x509: certificate is valid for a.example.com, *.b.example.com, not p",
            Trouble::WrongName {
                valid_for: "a.example.com, *.b.example.com".to_owned(),
                wanted: "p".to_owned(),
            },
        ),
        (
            "x509: certificate has expired or is not yet valid: current time 2026-01-02T00:00:00Z is after 2025-01-01T00:00:00Z",
            Trouble::NotInValidity {
                now: "2026-01-02T00:00:00Z".to_owned(),
                limit: "2025-01-01T00:00:00Z".to_owned(),
                after: true,
            },
        ),
        ("remote error: tls: handshake failure", Trouble::TlsAlert { text: "handshake failure".to_owned() }),
        ("http: server gave HTTP response to HTTPS client", Trouble::NotTls { http: true }),
        ("EOF", Trouble::ClosedEarly { handshake: true }),
        ("net/http: TLS handshake timeout", Trouble::HandshakeTimeout),
        ("Forbidden", Trouble::ConnectDenied { code: Some(403), text: "Forbidden".to_owned() }),
        (
            "proxyconnect tcp: dial tcp 10.0.0.9:3128: connect: connection refused",
            Trouble::ForwardProxy {
                inner: Box::new(Trouble::ConnectRefused { address: "10.0.0.9:3128".to_owned() }),
            },
        ),
        (
            "proxyconnect tcp: tls: first record does not look like a TLS handshake",
            Trouble::ForwardProxy { inner: Box::new(Trouble::NotTls { http: false }) },
        ),
    ] {
        let found = one(&format!(
            "go: m.example.com/m@v1.0.0: Get \"https://p/m.example.com/m/@v/v1.0.0.mod\": {words}\n"
        ));
        assert_eq!(found.trouble, wanted, "{words}");
        assert_eq!(found.stage, Stage::Proxy(Endpoint::Mod), "{words}");
        let old = one(&format!(
            "go: m.example.com/m@v1.0.0: Get https://p/m.example.com/m/@v/v1.0.0.mod: {words}\n"
        ));
        assert_eq!(old.trouble, wanted, "unquoted: {words}");
    }
}

#[test]
fn answers_keep_what_the_server_said() {
    let found = one(
        "go: example.com/a@v1.0.0 requires\n\texample.com/b@v1.2.0: reading https://proxy.example.com/example.com/b/@v/v1.2.0.mod: 403 Forbidden\n\tserver response:\n\tblocked by policy\n\task security\n",
    );
    assert_eq!(found.trouble, Trouble::Status { code: 403 });
    assert_eq!(found.required_by, ["example.com/a@v1.0.0"]);
    assert_eq!(found.module.as_deref(), Some("example.com/b"));
    assert_eq!(found.detail, ["server response:", "blocked by policy", "ask security"]);
    let old = one(
        "go: example.com/b@v1.2.0: unexpected status (https://proxy.example.com/example.com/b/@v/v1.2.0.info): 410 Gone",
    );
    assert_eq!(old.trouble, Trouble::Status { code: 410 });
    assert_eq!(old.stage, Stage::Proxy(Endpoint::Info));
}

#[test]
fn a_mismatch_is_one_symptom_with_both_hashes() {
    let log = "verifying example.com/m@v1.0.0: checksum mismatch\n\tdownloaded: h1:AAAA=\n\tgo.sum:     h1:BBBB=\n\nSECURITY ERROR\nThis download does NOT match an earlier download recorded in go.sum.\nThe bits may have been replaced on the origin server, or an attacker may\nhave intercepted the download attempt.\n\nFor more information, see 'go help module-auth'.\n";
    let found = one(log);
    assert_eq!(
        found.trouble,
        Trouble::Mismatch {
            go_mod: false,
            downloaded: "h1:AAAA=".to_owned(),
            expected: "h1:BBBB=".to_owned(),
            by: "go.sum".to_owned()
        }
    );
    assert!(found.says("earlier download recorded in go.sum"));
    let prefixed: String = log.lines().map(|line| format!("2026-01-01T00:00:00.0Z {line}\n")).collect();
    assert_eq!(one(&prefixed).trouble, found.trouble);
    let flat: String = log.lines().map(|line| format!("{}\n\n", line.trim())).collect();
    assert_eq!(one(&flat).trouble, found.trouble);
}

#[test]
fn the_checksum_database_and_its_transport_are_told_apart() {
    let found = one(
        "go: example.com/m@v1.0.0: verifying module: example.com/m@v1.0.0: reading https://sum.example.com/lookup/example.com/m@v1.0.0: 404 Not Found\n\tserver response:\n\tnot found: example.com/m@v1.0.0: invalid version: git ls-remote -q origin in /tmp/gopath/pkg/mod/cache/vcs/1: exit status 128:\n\t\tfatal: could not read Username for 'https://example.com': terminal prompts disabled\n",
    );
    assert_eq!(found.stage, Stage::ChecksumDatabase("lookup".to_owned()));
    assert_eq!(found.trouble, Trouble::Status { code: 404 });
    assert!(found.says("could not read Username"));
    let found = one(
        "go: example.com/m@v1.0.0: verifying go.mod: example.com/m@v1.0.0/go.mod: open /home/ci/go/pkg/sumdb/sum.example.com/latest: permission denied",
    );
    assert!(matches!(found.trouble, Trouble::FileTrouble { .. }), "{found:?}");
    assert_eq!(found.stage, Stage::ModuleCache);
}

#[test]
fn git_keeps_its_words_in_any_language() {
    let found = one(
        "go: git.corp.example/a/b@v1.0.0: invalid version: git ls-remote -q origin in /home/ci/go/pkg/mod/cache/vcs/abc: exit status 128:\n\tfatal: could not read Username for 'https://git.corp.example': terminal prompts disabled\n\tConfirm the import path was entered correctly.\n",
    );
    assert_eq!(
        found.trouble,
        Trouble::Command { line: "git ls-remote -q origin".to_owned(), status: Some(128) }
    );
    assert_eq!(found.stage, Stage::VersionControl);
    assert_eq!(found.module.as_deref(), Some("git.corp.example/a/b"));
    let chinese = one(
        "go: git.corp.example/a/b@v1.0.0: git fetch -f origin in /home/ci/x: exit status 128:\n\t致命错误：无法读取远程仓库。\n\n\t请确认您有正确的访问权限并且仓库存在。\n",
    );
    assert_eq!(chinese.detail.len(), 2);
}

#[test]
fn streams_that_alternate_don_t_mix() {
    let log = "#12 1.1 go: example.com/a@v1.0.0: reading https://p/example.com/a/@v/v1.0.0.info: 403 Forbidden\n#13 1.1 go: example.com/b@v1.0.0: reading https://p/example.com/b/@v/v1.0.0.info: 404 Not Found\n#12 1.2 \tserver response: blocked\n#13 1.2 \tserver response: unknown\n";
    let found = symptoms(log);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].detail, ["server response: blocked"]);
    assert_eq!(found[1].detail, ["server response: unknown"]);
}

#[test]
fn quiet_logs_have_no_symptoms() {
    let log = "go: downloading example.com/m v1.0.0\ngo: finding module for package example.com/m\nok  \texample.com/x\t0.1s\n--- PASS: TestTLS (0.1s)\ngo: added example.com/m v1.0.0\nmake: *** [build] Error 1\n";
    let facts = read(log.as_bytes()).expect("memory can be read");
    assert!(facts.symptoms.is_empty(), "{:#?}", facts.symptoms);
    assert!(facts.unexplained.is_empty());
}

#[test]
fn files_of_the_cache_that_are_gone_or_stay() {
    let found =
        one("main.go:3:8: open /home/me/go/pkg/mod/example.com/m@v1.0.0/m.go: no such file or directory\n");
    assert!(matches!(found.trouble, Trouble::FileTrouble { .. }), "{found:?}");
    assert_eq!(found.stage, Stage::ModuleCache);
    let found = one("rm: cannot remove '/home/me/go/pkg/mod/example.com/m@v1.0.0/m.go': Permission denied\n");
    assert!(
        matches!(&found.trouble, Trouble::FileTrouble { operation, .. } if operation == "remove"),
        "{found:?}"
    );
    assert_eq!(found.stage, Stage::ModuleCache);
}

#[test]
fn chains_of_imports_lead_to_what_fails() {
    let log = "app imports\n        example.com/a/log imports\n        example.com/a/log/b tested by\n        example.com/a/log/b.test imports\n        example.com/c: cannot find module providing package example.com/c: module example.com/c: reading https://proxy.example.com/example.com/c/@v/list: 404 Not Found\n        server response:\n        not found: module example.com/c: git ls-remote -q origin in /tmp/gopath/1: exit status 128:\n                fatal: could not read Username for 'https://example.com': terminal prompts disabled\n        Confirm the import path was entered correctly.\napp imports\n        example.com/d: cannot find module providing package example.com/d: module example.com/d: reading https://proxy.example.com/example.com/d/@v/list: 404 Not Found\n";
    let found = symptoms(log);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(found[0].trouble, Trouble::Status { code: 404 });
    assert_eq!(found[0].module.as_deref(), Some("example.com/c"));
    assert!(found[0].says("could not read Username"));
    assert_eq!(found[1].module.as_deref(), Some("example.com/d"));
    let indented = log.replace("app imports\n", "").replace("        example.com/a/log imports\n", "");
    assert!(symptoms(&indented)[0].says("could not read Username"));
}

#[test]
fn clients_before_modules_and_early_ones() {
    let found = one(
        "golang.example.com/x/text@v0.3.2: read tcp 172.17.0.3:38984->192.0.2.1:443: read: connection reset by peer",
    );
    assert!(matches!(found.trouble, Trouble::BodyBroken { .. }), "{found:?}");
    let found = one(
        "go: example.com/m@v1.4.4: Get \"https://proxy.example.com/example.com/m/@v/v1.4.4.mod\": dial tcp: i/o timeout",
    );
    assert_eq!(found.trouble, Trouble::ConnectTimeout { address: String::new() });
    let found = symptoms(
        "Fetching https://example.com/m?go-get=1\nhttps fetch failed: Get https://example.com/m?go-get=1: x509: certificate signed by unknown authority\npackage example.com/m: unrecognized import path \"example.com/m\" (https fetch: Get https://example.com/m?go-get=1: x509: certificate signed by unknown authority)\n",
    );
    assert!(
        found.iter().all(|found| matches!(found.trouble, Trouble::UnknownAuthority { .. })),
        "{found:#?}"
    );
    assert!(found.iter().all(|found| found.stage == Stage::GoImport), "{found:#?}");
    let found = one(
        "go get: example.com/m@none updating to\n\texample.com/m@v0.1.0: parsing go.mod:\n\tmodule declares its path as: m\n\t        but was required as: example.com/m\n",
    );
    assert!(found.says("declares its path as") && found.says("but was required as"));
}

#[test]
fn editors_and_builders_wrap_the_go_command() {
    let lsp = r#"Params: {"type":1,"message":"2026/01/01 19:22:44 errors loading workspace: err: exit status 1: stderr: go: example.com/a@v1.0.0 requires\n\texample.com/b@v1.3.5: Get \"https://proxy.example.com/example.com/b/@v/v1.3.5.mod\": dial tcp: lookup proxy.example.com: no such host\n: packages.Load error\n\tsnapshot=0\n"}"#;
    let plain = "[Error - 7:22:44 PM] 2026/01/01 19:22:43 go/packages.Load: err: exit status 1: stderr: go: example.com/a@v1.0.0 requires\n\texample.com/b@v1.3.5: Get \"https://proxy.example.com/example.com/b/@v/v1.3.5.mod\": dial tcp: lookup proxy.example.com: no such host\n\n\tsnapshot=3\n\tdirectory=/home/me\n";
    let stderr = r#" "stderr": "go: finding example.com/b v1.3.5\n# get https://proxy.example.com/example.com/@v/v1.3.5.info: 404 Not Found (1.037s)\ngo: example.com/b@v1.3.5: Get \"https://proxy.example.com/example.com/b/@v/v1.3.5.mod\": dial tcp: lookup proxy.example.com: no such host\n""#;
    let bazel = "ERROR: An error occurred during the fetch of repository 'com_example_b':\n  | Traceback (most recent call last):\n  | File \"C:/b/external/bazel_gazelle/internal/go_repository.bzl\", line 230, column 17, in _go_repository_impl\n  | fail(\"failed to fetch %s: %s\" % (ctx.name, result.stderr))\n  | Error in fail: failed to fetch com_example_b: fetch_repo: example.com/b@v1.3.5: Get \"https://proxy.example.com/example.com/b/@v/v1.3.5.mod\": dial tcp: lookup proxy.example.com: no such host\n";
    for log in [lsp, plain, stderr, bazel] {
        let found = one(log);
        assert_eq!(found.trouble, no_such_host("proxy.example.com", None), "{log}");
        assert_eq!(found.module.as_deref(), Some("example.com/b"), "{log}");
    }
}

#[test]
fn people_shorten_and_break_lines() {
    let found = one(
        "Get \"https://binaries.example.com/example.com/m/@v/v1.77.0.mod\":\n  dial tcp 172.27.5.36:443: i/o timeout\n",
    );
    assert_eq!(found.trouble, Trouble::ConnectTimeout { address: "172.27.5.36:443".to_owned() });
    let found = one("go: module git.corp.example/team/pkg: reading ...: 401 Unauthorized\n");
    assert_eq!(found.trouble, Trouble::Status { code: 401 });
    assert_eq!(found.module.as_deref(), Some("git.corp.example/team/pkg"));
    let found = one(
        "go: example.com/m@v1.2.3: reading https://proxy.example.com/example.com/m/@v/v1.2.3.mod:\n410 Gone\n\tserver response: not found\n",
    );
    assert_eq!(found.trouble, Trouble::Status { code: 410 });
    let found = one("go: failed to create cache directory /go/pkg/mod/cache: mkdir /go: permission denied\n");
    assert_eq!(found.stage, Stage::ModuleCache);
    let found = one(
        "[   47s] go: inconsistent vendoring in /home/abuild/x:\n[   47s]        example.com/m@v0.2.1: is explicitly required in go.mod, but not marked as explicit in vendor/modules.txt\n",
    );
    assert_eq!(found.detail.len(), 1);
    let found = one(
        r#"level=error msg="Running error: failed to load with go/packages: err: exit status 1: stderr: go: downloading go1.22 (linux/amd64)\ngo: download go1.22 for linux/amd64: toolchain not available\n""#,
    );
    assert_eq!(found.stage, Stage::Toolchain);
}

#[test]
fn nothing_that_is_cut_or_broken_makes_the_reader_panic() {
    let log = "2026-01-01T00:00:00.0Z go: a.example.com/a@v1.0.0 requires\n\tb.example.com/b@v1: Get \"https://p/b/@v/v1.mod\": dial tcp: lookup p on [::1]:53: read udp [::1]:1->[::1]:53: i/o timeout\n#12 1.0 verifying m.example.com/m@v1: checksum mismatch\n\tdownloaded: h1:\u{e9}=\n[31m\u{1b}[1mgo: m@v1: git ls-remote in /x: exit status 128:\n\tfatal: \u{81f4}\u{547d}\n{\"log\":\"go: x: EOF\\n\"}\n::error::go: &quot;\u{201c}x\u{201d}\r";
    let bytes = log.as_bytes();
    for at in 0..bytes.len() {
        for broken in
            [&bytes[..at], &bytes[at..], &[&bytes[..at], &[0xff, b'\x1b', b'['], &bytes[at..]].concat()]
        {
            assert!(read(broken).is_ok());
        }
    }
}

#[test]
fn what_other_programs_say_is_no_failure_of_modules() {
    let others = "docker: Error response from daemon: Get \"https://registry.example.com/v2/\": dial tcp: lookup registry.example.com: no such host.\n2026/01/01 12:00:00 db: dial tcp 127.0.0.1:5432: connect: connection refused\n    server_test.go:12: got \"dial tcp 127.0.0.1:1: connect: connection refused\", as wanted\nnpm warn deprecated left@1.0.0: use right instead\ncp: cannot stat 'x': No such file or directory\nmain.c:3:1: error: expected ';'\nE   requests.exceptions.ConnectionError: connection refused\n";
    let module = "go: example.com/m@v1.0.0: reading https://proxy.example.com/example.com/m/@v/v1.0.0.info: 403 Forbidden\n";
    assert_eq!(one(&format!("{others}{module}")).trouble, Trouble::Status { code: 403 });
    assert_eq!(
        one("t\": dial tcp: lookup p.example.com: no such host").trouble,
        no_such_host("p.example.com", None)
    );
    let healthy = "go: downloading example.com/m v1.0.0\ngo: added example.com/m v1.0.0\ngo: upgraded example.com/n v1.0.0 => v1.1.0\ngo: warning: \"./...\" matched no packages\n=== RUN   TestPermissionDenied\n--- PASS: TestPermissionDenied (0.00s)\n    x_test.go:9: dial tcp 127.0.0.1:1: connect: connection refused\nok  \texample.com/app\t0.1s\nSuccessfully built 0123456789ab\n";
    let facts = read(healthy.as_bytes()).expect("memory can be read");
    assert!(facts.symptoms.is_empty() && facts.unexplained.is_empty(), "{facts:#?}");
}

#[test]
fn what_is_indented_below_a_mere_announcement_stands_for_itself() {
    let log = "Running \"go mod tidy\" failed with: exit status 1\n  stderr: go: finding module for package example.com/x\n  stderr: go: example.com/app imports\n  stderr: \texample.com/x: cannot find module providing package example.com/x: module example.com/x: reading https://p/example.com/x/@v/list: 403 Forbidden\n";
    assert_eq!(one(log).trouble, Trouble::Status { code: 403 });
    let found = one(
        "go: example.com/m@v1.0.0: parsing go.mod:\n\tmodule declares its path as: example.com/n\n\t        but was required as: example.com/m\n",
    );
    assert!(found.says("but was required as: example.com/m"));
}
