//! The doctor as a command: what it takes, how it ends, and that nothing raw or secret comes out in any form.

use std::io::Write;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use larder_testkit::Larder;

const FORMATS: [&str; 3] = ["text", "json", "markdown"];

fn larder() -> Larder {
    Larder::new(env!("CARGO_BIN_EXE_larder"))
}

fn piped(larder: &Larder, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = larder
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    let _closed = writer.join();
    output
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("what is printed is UTF-8")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const NO_HOST: &str = "go: example.com/m@v1.0.0: Get \"https://proxy.corp.example/example.com/m/@v/v1.0.0.mod\": \
    dial tcp: lookup proxy.corp.example on 10.1.2.3:53: no such host\n";

#[test]
fn a_log_is_explained_from_a_pipe_and_from_a_file() {
    let larder = larder();
    let output = piped(&larder, &["doctor", "log"], NO_HOST.as_bytes());
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(out(&output).contains("N01"), "{}", out(&output));
    let file = larder.folder().join("build.log");
    fs_err::write(&file, NO_HOST).expect("a temporary folder");
    let from_file = larder.run(&["doctor", "log", file.to_str().expect("UTF-8")]);
    assert_eq!(out(&from_file), out(&output));
    let dash = piped(&larder, &["doctor", "log", "-"], NO_HOST.as_bytes());
    assert_eq!(out(&dash), out(&output));
}

#[test]
fn the_options_of_a_report_stand_before_or_after_the_command() {
    let larder = larder();
    let before = piped(&larder, &["doctor", "--format", "json", "log"], NO_HOST.as_bytes());
    let after = piped(&larder, &["doctor", "log", "--format", "json"], NO_HOST.as_bytes());
    assert_eq!(out(&before), out(&after));
    let report: serde_json::Value = serde_json::from_slice(&before.stdout).expect("JSON");
    assert_eq!(report["schema"], 1);
    assert_eq!(report["findings"][0]["id"], "N01");
    assert_eq!(report["findings"][0]["verdict"], "fail");
    for name in ["findings", "ruled_out", "skipped", "facts", "settings"] {
        assert!(!report[name].is_null(), "{name}");
    }
    let fix = &report["findings"][0]["fix"];
    assert!(fix["summary"].is_string() && fix["commands"].is_array(), "{fix}");
}

#[test]
fn the_report_speaks_the_language_of_the_locale_or_of_the_option() {
    let chinese = larder().env("LANG", "zh_CN.UTF-8");
    let output = piped(&chinese, &["doctor", "log"], NO_HOST.as_bytes());
    assert!(out(&output).contains("域名没有地址"), "{}", out(&output));
    let output = piped(&chinese, &["doctor", "log", "--lang", "en"], NO_HOST.as_bytes());
    assert!(out(&output).contains("The name has no address"), "{}", out(&output));
}

#[test]
fn healthy_is_zero_wrong_usage_is_two() {
    let larder = larder();
    let healthy = larder.run(&["doctor", "--no-network"]);
    assert_eq!(healthy.status.code(), Some(0), "{}{}", out(&healthy), errors(&healthy));
    assert!(out(&healthy).lines().count() <= 4, "{}", out(&healthy));
    for wrong in [
        &["doctor", "log", "/no/such/file"][..],
        &["doctor", "show", "Z99"],
        &["doctor", "--format", "xml"],
        &["doctor", "example.com/m@", "--no-network"],
        &["doctor", "--timeout", "0"],
        &["doctor", "--pid", "4194304"],
    ] {
        assert_eq!(larder.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn the_manual_shows_every_cause_that_it_lists() {
    let larder = larder();
    let list = out(&larder.run(&["doctor", "list"]));
    let ids: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(!ids.is_empty());
    for id in ids.iter().step_by(9) {
        for language in ["en", "zh"] {
            let page = larder.run(&["doctor", "show", id, "--lang", language]);
            assert_eq!(page.status.code(), Some(0), "{id}");
            assert!(out(&page).starts_with(id), "{}", out(&page));
            assert!(!out(&page).contains('{') || out(&page).contains("${"), "{}", out(&page));
        }
    }
}

#[test]
fn run_keeps_output_and_exit_code() {
    let larder = larder();
    let fine = larder.run(&["doctor", "run", "--", "sh", "-c", "echo out; echo err >&2"]);
    assert_eq!(
        (fine.status.code(), out(&fine).as_str(), errors(&fine).as_str()),
        (Some(0), "out\n", "err\n")
    );
    let fails = larder.run(&["doctor", "run", "--", "sh", "-c", "echo out; printf 'x\\033[1m' >&2; exit 7"]);
    assert_eq!((fails.status.code(), out(&fails).as_str()), (Some(7), "out\n"));
    assert!(errors(&fails).starts_with("x\x1b[1m"), "{:?}", errors(&fails));
    let killed = larder.run(&["doctor", "run", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed.status.code(), Some(128 + 15));
    assert_eq!(larder.run(&["doctor", "run", "--", "no-such-command"]).status.code(), Some(127));
}

#[test]
fn run_explains_a_download_that_failed() {
    let larder = larder();
    let script = format!("printf '%s' '{NO_HOST}' >&2; exit 1");
    let arguments = ["doctor", "run", "--no-network", "--", "sh", "-c", &script];
    let output = larder.run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).starts_with(NO_HOST), "{}", errors(&output));
    assert!(errors(&output).contains("N01"), "{}", errors(&output));
    assert_eq!(out(&output), "");
}

#[test]
fn run_passes_signals_on() {
    let larder = larder();
    let mut child = larder
        .command(&[
            "doctor",
            "run",
            "--",
            "sh",
            "-c",
            "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    let mut ready = String::new();
    let mut lines = std::io::BufReader::new(child.stdout.take().expect("it is piped"));
    std::io::BufRead::read_line(&mut lines, &mut ready).expect("a line");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(9));
}

/// Ways in which a log can try to get something raw or secret out of the doctor.
fn hostile_logs() -> Vec<String> {
    let secrets = [
        "https://user:Hidden9Word@proxy.corp.example",
        "https://Hidden9Word@proxy.corp.example",
        "https://user:Hid/den9Word@proxy.corp.example",
        "https://proxy.corp.example/?private_token=Hidden9Word",
        "https://proxy.corp.example/ghp_Hidden9WordHidden9Word",
        "https://proxy.corp.example/glpat-Hidden9Word-x",
    ];
    let marks =
        ["\x1b[2J\x1b]0;x\x07", "\u{202e}", "\u{9b}31m", "\u{200b}", "\0", "\x08\x08", "\r", "\u{feff}"];
    let shapes: [fn(&str, &str) -> String; 5] = [
        |secret, mark| {
            format!(
                "go: example.com/m@v1.0.0: Get \"{secret}/example.com/m/@v/v1.0.0.mod\": {mark}dial tcp: lookup proxy.corp.example on 10.1.2.3:53: no such host\n"
            )
        },
        |secret, mark| {
            format!(
                "go: example.com/{mark}m@v1.0.0: reading {secret}/example.com/m/@v/v1.0.0.mod: 403 Forbidden\n\tserver response: {mark}Authorization: Bearer Hidden9Word\n"
            )
        },
        |secret, mark| {
            format!(
                "go: example.com/m@v1: git ls-remote -q {secret}/m in /tmp/x: exit status 128:\n\tfatal: could not read Username for '{secret}{mark}': terminal prompts disabled\n"
            )
        },
        |secret, mark| {
            format!("go: {mark}: invalid proxy URL missing scheme: {secret}{mark} password=Hidden9Word\n")
        },
        |secret, mark| {
            format!("{mark}go: something new {secret}{mark} failed: exit status 7 {}\n", "x".repeat(200_000))
        },
    ];
    let mut logs = Vec::new();
    for secret in secrets {
        for mark in marks {
            logs.extend(shapes.iter().map(|shape| shape(secret, mark)));
        }
    }
    logs
}

#[test]
fn nothing_raw_or_secret_comes_out_in_any_form() {
    let larder = larder();
    let logs = hostile_logs();
    assert!(logs.len() >= 200, "{}", logs.len());
    // One process for several logs keeps this affordable; each log alone still appears in its own place.
    for (number, group) in logs.chunks(8).enumerate() {
        let format = FORMATS[number % FORMATS.len()];
        for share in [&[][..], &["--share"]] {
            let arguments = [&["doctor", "log", "--format", format][..], share].concat();
            let output = piped(&larder, &arguments, group.concat().as_bytes());
            assert!(matches!(output.status.code(), Some(0 | 1)), "{}", errors(&output));
            let text = out(&output) + &errors(&output);
            let low = text.to_lowercase();
            assert!(!low.contains("hidden9") && !low.contains("den9word"), "{format}: {text}");
            let raw = text.chars().find(|c| {
                (c.is_control() && *c != '\n')
                    || matches!(u32::from(*c), 0x200b..=0x200f | 0x202a..=0x202e | 0xfeff)
            });
            assert_eq!(raw, None, "{format}: {text:?}");
            if !share.is_empty() {
                assert!(!text.contains("corp.example") && !text.contains("10.1.2.3"), "{format}: {text}");
            }
        }
    }
}

#[test]
fn a_bundle_holds_facts_and_no_names() {
    let larder = larder();
    let file = larder.folder().join("bundle.json");
    let name = file.to_str().expect("UTF-8");
    piped(&larder, &["doctor", "log", "--bundle", name], NO_HOST.as_bytes());
    let text = fs_err::read_to_string(&file).expect("it was written");
    assert!(!text.contains("corp.example") && !text.contains("10.1.2.3"), "{text}");
    let bundle: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(bundle["found"][0]["id"], "N01");
    assert!(bundle["facts"]["symptoms"].is_array());
}

#[test]
fn explain_says_who_is_asked_and_patterns_say_what_they_match() {
    let larder = larder().env("GOPROXY", "https://u:Hidden9Word@proxy.corp.example|direct");
    let output = larder.run(&["doctor", "explain", "example.com/m@v1.2.3"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(
        out(&output).contains("proxy.corp.example") && !out(&output).contains("Hidden9"),
        "{}",
        out(&output)
    );
    let json = larder.run(&["doctor", "explain", "--format", "json", "example.com/m@v1.2.3"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert!(value["steps"][0]["sentence"].is_string(), "{value}");
    let output =
        larder.run(&["doctor", "explain", "--pattern", "*.corp.example", "git.corp.example/x", "a.example"]);
    let lines: Vec<String> = out(&output).lines().map(str::to_owned).collect();
    assert!(lines[0].ends_with("matches") && lines[1].contains("no match"), "{lines:?}");
}

#[test]
fn the_environment_of_another_process_is_read() {
    let larder = larder();
    let mut other = larder
        .command(&["doctor", "run", "--", "sleep", "30"])
        .env("GOPROXY", "https://other.corp.example")
        .spawn()
        .expect("the binary can be started");
    let pid = other.id().to_string();
    let report = larder.run(&["doctor", "--no-network", "--format", "json", "--pid", &pid]);
    let pid = rustix::process::Pid::from_child(&other);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    other.wait().expect("it ends");
    assert!(out(&report).contains("https://other.corp.example"), "{}{}", out(&report), errors(&report));
}

#[test]
fn a_run_ends_within_its_time() {
    // A proxy that accepts and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = silent.local_addr().expect("an address");
    let larder = larder().env("GOPROXY", format!("http://{address}")).env("GOSUMDB", "off");
    let start = Instant::now();
    let output = larder.run(&["doctor", "--timeout", "2", "example.com/m@v1.0.0"]);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?} {}", start.elapsed(), out(&output));
}

#[test]
fn lines_of_text_are_eighty_columns_at_most() {
    let larder = larder();
    for language in ["en", "zh"] {
        let output = piped(&larder, &["doctor", "log", "--lang", language], NO_HOST.as_bytes());
        for line in out(&output).lines().filter(|line| !line.trim_start().starts_with("$ ")) {
            let wide = line.chars().filter(|c| ('\u{2e80}'..='\u{ffe6}').contains(c)).count();
            assert!(line.chars().count() + wide <= 80, "{line}");
        }
    }
}

#[test]
fn five_hundred_failures_are_told_in_a_few_pages() {
    let line = |number: usize| {
        format!(
            "go: example.com/m{number}@v1.0.0: reading https://proxy.corp.example/example.com/m{number}/@v/v1.0.0.mod: 404 Not Found\n"
        )
    };
    let log: String = (0..500).map(line).collect();
    for format in FORMATS {
        let output = piped(&larder(), &["doctor", "log", "--format", format], log.as_bytes());
        let lines = out(&output).lines().count();
        assert!(lines < 1_000 || format == "json", "{format}: {lines}");
        assert_eq!(output.status.code(), Some(1));
    }
}
