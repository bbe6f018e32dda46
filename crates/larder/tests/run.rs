//! `larder run`: the command is left as it was, its go commands find everything ahead of them, and two lines say what happened.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use larder_testkit::{FakeUpstream, GoCommand, Larder, ModuleBuilder, RunningUpstream, settings};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");

/// A project that names two modules, of which one of its commands needs one.
struct Stage {
    upstream: RunningUpstream,
    larder: Larder,
    project: tempfile::TempDir,
}

fn module(path: &str) -> ModuleBuilder {
    ModuleBuilder::new(path, "v1.0.0")
}

impl Stage {
    fn new() -> Self {
        let needs = module("example.com/needs")
            .require("example.com/deep", "v1.0.0")
            .file("needs.go", "package needs\n\nimport \"example.com/deep\"\n\nconst Word = deep.Word\n");
        let deep = module("example.com/deep").file("deep.go", "package deep\n\nconst Word = \"deep\"\n");
        let other = module("example.com/other");
        let built = [needs.build(), deep.build(), other.build()];
        let upstream = FakeUpstream::new().with(&needs).with(&deep).with(&other).start_blocking();
        let project = tempfile::tempdir().expect("temporary folder");
        let sums: String = built.iter().map(larder_testkit::BuiltModule::sum_lines).collect();
        for (name, text) in [
            (
                "go.mod",
                "module example.com/project\n\ngo 1.21\n\nrequire (\n\texample.com/deep v1.0.0 // indirect\n\
                 \texample.com/needs v1.0.0\n\texample.com/other v1.0.0\n)\n",
            ),
            ("go.sum", sums.as_str()),
            (
                "cmd/a/main.go",
                "package main\n\nimport \"example.com/needs\"\n\nfunc main() { println(needs.Word) }\n",
            ),
            ("cmd/b/main.go", "package main\n\nimport _ \"example.com/other\"\n\nfunc main() {}\n"),
        ] {
            let file = project.path().join(name);
            fs_err::create_dir_all(file.parent().expect("a folder")).expect("temporary folder");
            fs_err::write(file, text).expect("temporary folder");
        }
        let larder = Larder::new(BINARY).upstream(upstream.url()).env("GOSUMDB", "off");
        Self { upstream, larder, project }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.larder.command(&["run"]);
        command.args(arguments).current_dir(self.project.path());
        command
    }

    /// Runs go below `larder run`, with a module cache of its own for each call.
    fn go(&self, flags: &[&str], arguments: &[&str]) -> Option<Output> {
        let Some(go) = go_binary() else {
            settings::skipped("go command", "there is no go on PATH or in /usr/local/go");
            return None;
        };
        let home = tempfile::tempdir().expect("temporary folder");
        let output = self
            .command(flags)
            .arg("--")
            .arg(go)
            .args(arguments)
            .env("GOFLAGS", "-modcacherw")
            .env("GOTOOLCHAIN", "local")
            .env("GOTELEMETRY", "off")
            .env("GOMODCACHE", home.path().join("modules"))
            .env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-build"))
            .output()
            .expect("larder starts");
        assert!(output.status.success(), "{}", text(&output.stderr));
        Some(output)
    }
}

fn go_binary() -> Option<PathBuf> {
    GoCommand::find()?;
    let usual = PathBuf::from("/usr/local/go/bin");
    settings::search_path()
        .into_iter()
        .chain([usual])
        .map(|folder| folder.join("go"))
        .find(|file| file.is_file())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The last two lines, which are Larder's.
fn two_lines(output: &Output) -> [String; 2] {
    let said = text(&output.stderr);
    let mut lines = said.lines().rev().map(str::to_owned);
    let (second, first) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    assert!(first.starts_with("larder: ") && second.starts_with("larder: "), "{said}");
    [first, second]
}

#[test]
fn a_download_finds_everything_ahead_of_it_and_the_next_run_in_the_store() {
    let stage = Stage::new();
    let Some(output) = stage.go(&[], &["mod", "download", "-x"]) else { return };
    let [first, second] = two_lines(&output);
    assert!(first.contains(&format!("9 from {}", stage.upstream.url())), "{first}");
    assert!(second.starts_with("larder: waited "), "{second}");
    for path in ["needs", "deep", "other"] {
        for kind in ["info", "mod", "zip"] {
            let asked = stage.upstream.requests(&format!("/example.com/{path}/@v/v1.0.0.{kind}"));
            assert_eq!(asked, 1, "{path} {kind}");
        }
    }
    stage.upstream.cut();
    let again = stage.go(&[], &["mod", "download"]).expect("go");
    assert_eq!(two_lines(&again)[0], "larder: 9 asked for: 9 from the store");
    assert_eq!(two_lines(&again)[1].split(" in ").next(), Some("larder: waited for nobody"));
}

#[test]
fn a_build_of_one_command_fetches_what_that_one_imports() {
    let stage = Stage::new();
    let Some(output) = stage.go(&[], &["build", "-o", "/dev/null", "./cmd/a"]) else { return };
    let [first, _] = two_lines(&output);
    assert!(!first.contains("in vain"), "{first}");
    assert_eq!(stage.upstream.requests("/example.com/needs/@v/v1.0.0.zip"), 1);
    assert_eq!(stage.upstream.requests("/example.com/deep/@v/v1.0.0.zip"), 1);
    assert_eq!(stage.upstream.requests("/example.com/other/@v/v1.0.0.zip"), 0);
}

#[test]
fn a_script_is_not_fetched_for_before_it_asks() {
    let stage = Stage::new();
    let output = stage.command(&["--", "true"]).output().expect("larder starts");
    assert!(output.status.success());
    assert_eq!(stage.upstream.total(), 0);
    let [first, second] = two_lines(&output);
    assert_eq!(first, "larder: nothing was asked for");
    assert!(second.starts_with("larder: waited for nobody in "), "{second}");
}

#[test]
fn input_output_and_exit_code_are_the_commands_own() {
    let stage = Stage::new();
    let mut child = stage
        .command(&["--quiet", "--", "sh", "-c", "cat; echo error >&2; exit 7"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("larder starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), b"given\n").expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(7));
    assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), ("given\n", "error\n"));
    for (script, code) in [("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        let output = stage.command(&["-q", "--", "sh", "-c", script]).output().expect("larder starts");
        assert_eq!(output.status.code(), Some(code), "{script}");
    }
    let missing = stage.command(&["--", "no-such-program"]).output().expect("larder starts");
    assert_eq!(missing.status.code(), Some(127));
    assert!(
        text(&missing.stderr).contains("error: no-such-program can't be run"),
        "{}",
        text(&missing.stderr)
    );
}

#[test]
fn signals_reach_the_command_and_its_end_is_waited_for() {
    let stage = Stage::new();
    for (name, signal) in [
        ("INT", rustix::process::Signal::INT),
        ("TERM", rustix::process::Signal::TERM),
        ("HUP", rustix::process::Signal::HUP),
        ("USR1", rustix::process::Signal::USR1),
        ("USR2", rustix::process::Signal::USR2),
    ] {
        let script =
            format!("sleep 600 >&2 & trap \"kill $!; echo got {name}; exit 5\" {name}; echo ready; wait");
        let mut child = stage
            .command(&["-q", "--", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .expect("larder starts");
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("piped")));
        assert_eq!(lines.next().expect("a line").expect("text"), "ready");
        let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("an id");
        rustix::process::kill_process(id, signal).expect("it runs");
        assert_eq!(lines.next().expect("a line").expect("text"), format!("got {name}"));
        assert_eq!(child.wait().expect("it ends").code(), Some(5));
    }
}

#[test]
fn the_address_is_secret_and_says_nothing_to_those_who_do_not_know_it() {
    let stage = Stage::new();
    let script = "printf '%s\\n' \"$GOPROXY\"; read -r go_on";
    let mut child = stage
        .command(&["-q", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("larder starts");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("piped")));
    let url = lines.next().expect("a line").expect("text");
    let (origin, secret) = url.rsplit_once('/').expect("a path");
    assert!(secret.len() == 32 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()), "{url}");
    let get = |path: &str| larder_testkit::client::request(origin, "GET", path, &[]).expect("an answer");
    for path in [
        "/",
        "/-/healthz",
        "/-/metrics",
        "/example.com/needs/@v/v1.0.0.mod",
        "/x/",
        &format!("/{}/", &secret[1..]),
    ] {
        let response = get(path);
        assert_eq!(response.status, 404, "{path}");
        assert!(!format!("{response:?}").contains(secret), "{path}");
    }
    assert_eq!(get(&format!("/{secret}/example.com/needs/@v/v1.0.0.mod")).status, 200);
    drop(child.stdin.take());
    child.wait().expect("it ends");
}

#[test]
fn runs_beside_each_other_share_the_store() {
    let stage = Stage::new();
    if go_binary().is_none() {
        return settings::skipped("go command", "there is no go on PATH or in /usr/local/go");
    }
    std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..3).map(|_| scope.spawn(|| stage.go(&[], &["mod", "download"]).is_some())).collect();
        assert!(runs.into_iter().all(|run| run.join().expect("no panic")));
    });
    stage.upstream.cut();
    let after = stage.go(&[], &["mod", "download"]).expect("go");
    assert_eq!(two_lines(&after)[0], "larder: 9 asked for: 9 from the store");
}

#[test]
fn what_go_fetches_without_a_proxy_is_not_asked_of_any() {
    let stage = Stage::new();
    let settings = [("GOPRIVATE", "example.com/other"), ("GONOPROXY", "example.com/other")];
    let Some(go) = go_binary() else { return settings::skipped("go command", "there is no go") };
    let home = tempfile::tempdir().expect("temporary folder");
    let output = stage
        .command(&["--", "sh", "-c", "echo $GOPRIVATE $GONOPROXY; \"$0\" mod download -x; :"])
        .arg(go)
        .envs(settings)
        .env("GOVCS", "*:off")
        .env("GOMODCACHE", home.path().join("modules"))
        .output()
        .expect("larder starts");
    assert!(text(&output.stdout).contains("example.com/other example.com/other"), "{}", text(&output.stdout));
    for kind in ["info", "mod", "zip"] {
        assert_eq!(stage.upstream.requests(&format!("/example.com/other/@v/v1.0.0.{kind}")), 0, "{kind}");
    }
}

#[test]
fn the_report_is_one_page_that_names_every_request() {
    let stage = Stage::new();
    let report = stage.project.path().join("report.html");
    let path = report.to_string_lossy().into_owned();
    if stage.go(&["--report", &path], &["mod", "download"]).is_none() {
        return;
    }
    let page = fs_err::read_to_string(&report).expect("a page");
    for path in ["example.com/needs/@v/v1.0.0.zip", "example.com/deep/@v/v1.0.0.mod", stage.upstream.url()] {
        assert!(page.contains(path), "{path}");
    }
    for outside in ["src=", "href=", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
}
