//! `larder warm` in front of the real go command: what it fetched is all that is asked for afterwards.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use larder_testkit::{
    Corpus, CorpusOptions, FakeUpstream, Fault, GoCommand, ModuleBuilder, RunningUpstream, Scenario, settings,
};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");

fn go() -> Option<GoCommand> {
    let found = GoCommand::find();
    if found.is_none() {
        settings::skipped("go command", "there is no go on PATH or in /usr/local/go");
    }
    found.map(|go| go.build_cache(&PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("go-build")))
}

fn corpus() -> Corpus {
    Corpus::generate(&CorpusOptions { modules: 24, versions: 60, bytes: 1 << 20, seed: settings::seed(6) })
}

/// A scene with a project on disk.
struct Stage {
    scene: Scenario,
    project: tempfile::TempDir,
}

impl Stage {
    fn new(upstream: FakeUpstream, files: &[(&str, &str)]) -> Self {
        let project = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let file = project.path().join(name);
            fs_err::create_dir_all(file.parent().expect("a folder")).expect("a temporary folder");
            fs_err::write(file, text).expect("a temporary folder");
        }
        Self { scene: Scenario::new(BINARY, upstream), project }
    }

    fn with_corpus(corpus: &Corpus) -> Self {
        Self::new(corpus.upstream(), &corpus.project())
    }

    /// Runs `larder warm` in the project's folder, into the store that the scene's Larder serves.
    fn warm(&self, arguments: &[&str]) -> Output {
        let mut command = self.scene.larder.command(&["warm", "--data"]);
        command.arg(self.scene.larder.data()).args(arguments).current_dir(self.project.path());
        command.output().expect("the binary can be started")
    }

    fn warm_json(&self, arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
        let output = self.warm(&[arguments, &["--format", "json"]].concat());
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code(), report)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn expect_success(output: &Output) -> String {
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The module files that were asked for.
fn asked(upstream: &RunningUpstream) -> BTreeSet<String> {
    let log = upstream.log();
    log.iter().map(|request| request.path.clone()).filter(|path| path.contains("/@v/")).collect()
}

#[test]
fn the_go_command_needs_no_upstream_afterwards() {
    let Some(go) = go() else { return };
    let corpus = corpus();
    let stage = Stage::with_corpus(&corpus);
    // Both may work on one store.
    let larder = stage.scene.larder.start();
    let told = expect_success(&stage.warm(&[]));
    assert!(told.contains(" 0 stored already"), "{told}");
    assert!(told.contains(&format!("from {}", stage.scene.upstream.url())), "{told}");

    stage.scene.upstream.cut();
    let client = stage.scene.client(go.clone(), larder.url());
    let project = client.project("warmed", &corpus.project());
    client.run(&project, &["mod", "download"]).expect_success();
    client.run(&project, &["build", "./..."]).expect_success();

    // Nor does it need Larder.
    let folder = format!("file://{}/modules", stage.scene.larder.data().display());
    let client = stage.scene.client(go, &folder);
    let [go_mod, _, main] = corpus.project();
    let project = client.project("without-larder", &[go_mod, main]);
    client.run(&project, &["mod", "download"]).expect_success();
    client.run(&project, &["build", "-mod=mod", "./..."]).expect_success();
}

#[test]
fn it_fetches_what_the_go_command_asks_for_and_nothing_twice() {
    let Some(go) = go() else { return };
    let corpus = corpus();
    let stage = Stage::with_corpus(&corpus);
    let client = stage.scene.client(go, stage.scene.upstream.url());
    let project = client.project("direct", &corpus.project());
    client.run(&project, &["mod", "download"]).expect_success();
    let wanted = asked(&stage.scene.upstream);

    stage.scene.upstream.forget();
    expect_success(&stage.warm(&["."]));
    assert_eq!(asked(&stage.scene.upstream), wanted);
    let files = stage.scene.upstream.log().iter().filter(|request| request.path.contains("/@v/")).count();
    assert_eq!(files, wanted.len(), "every file was asked for once");

    stage.scene.upstream.cut();
    let (code, report) = stage.warm_json(&["go.mod"]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["fetched"]["files"], 0, "{report}");
    assert_eq!(report["stored_already"]["files"], wanted.len(), "{report}");
    assert_eq!(report["failures"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_running_larder_is_filled() {
    let Some(go) = go() else { return };
    let corpus = corpus();
    let stage = Stage::with_corpus(&corpus);
    let larder = stage.scene.larder.start();
    let (code, report) = stage.warm_json(&["--to", larder.url()]);
    assert_eq!(code, Some(0), "{report}");
    assert!(report["fetched"]["files"].as_u64() > Some(60), "{report}");
    stage.scene.upstream.cut();
    let (_, again) = stage.warm_json(&["--to", larder.url()]);
    assert_eq!(
        (&again["fetched"]["files"], &again["stored_already"]),
        (&0.into(), &report["fetched"]),
        "{again}"
    );

    let client = stage.scene.client(go, larder.url());
    let project = client.project("warmed", &corpus.project());
    client.run(&project, &["mod", "download"]).expect_success();
    client.run(&project, &["build", "./..."]).expect_success();
}

#[test]
fn a_dry_run_reads_the_graph_and_no_zip() {
    let corpus = corpus();
    let stage = Stage::with_corpus(&corpus);
    let (code, report) = stage.warm_json(&["--dry-run"]);
    assert_eq!(code, Some(0), "{report}");
    assert!(asked(&stage.scene.upstream).iter().all(|path| path.ends_with(".mod")));
    let left_out = report["left_out"].as_array().expect("a list");
    let zips = left_out.iter().filter(|item| item["file"] == ".zip").count();
    assert_eq!((zips, &left_out[0]["stored"]), (24, &false.into()), "{report}");
    let told = expect_success(&stage.warm(&["--dry-run"]));
    assert!(told.contains("would fetch example.com/BigCorp/module0@"), "{told}");
    assert!(told.contains("48 files would be fetched, 0 are stored already"), "{told}");
}

fn tools() -> FakeUpstream {
    FakeUpstream::new()
        .module("example.com/lib", "v1.0.0")
        .with(
            &ModuleBuilder::new("example.com/lib", "v1.5.0")
                .file("lib.go", "package lib\n\nconst Name = \"lib\"\n"),
        )
        .with(
            &ModuleBuilder::new("example.com/lib", "v1.6.0")
                .go_mod("module example.com/lib\n\ngo 1.21\n\nretract v1.6.0 // too early\n"),
        )
        .module("example.com/lib", "v2.0.0-rc.1+incompatible")
        .with(&ModuleBuilder::new("example.com/tool", "v1.4.0").require("example.com/lib", "v1.5.0").file(
            "cmd/x/main.go",
            "package main\n\nimport \"example.com/lib\"\n\nfunc main() { println(lib.Name) }\n",
        ))
        .query("example.com/lib", "main", "v1.0.0")
}

#[test]
fn versions_and_queries_bring_what_their_packages_need() {
    let Some(go) = go() else { return };
    let stage = Stage::new(tools(), &[]);
    let told = expect_success(&stage.warm(&["example.com/tool/cmd/x@latest"]));
    assert!(told.contains("example.com/tool/cmd/x@latest is example.com/tool@v1.4.0"), "{told}");
    let (_, report) = stage.warm_json(&[
        "example.com/lib@latest",
        "example.com/lib@main",
        "example.com/lib@<v1.5.0",
        "example.com/lib@v1",
        "example.com/tool@v1.4.0",
    ]);
    for (query, version) in
        [("latest", "v1.5.0"), ("main", "v1.0.0"), ("<v1.5.0", "v1.0.0"), ("v1", "v1.5.0")]
    {
        let resolved = &report["resolved"][format!("example.com/lib@{query}")];
        assert_eq!(resolved, &format!("example.com/lib@{version}"), "{query}: {report}");
    }

    stage.scene.upstream.cut();
    let larder = stage.scene.larder.start();
    let client = stage.scene.client(go, larder.url());
    client.run(Path::new("/"), &["install", "example.com/tool/cmd/x@v1.4.0"]).expect_success();
}

#[test]
fn a_version_alone_is_three_files() {
    let stage = Stage::new(tools(), &[]);
    expect_success(&stage.warm(&["--no-deps", "example.com/tool@v1.4.0"]));
    let files: Vec<String> = asked(&stage.scene.upstream).into_iter().collect();
    let of = "/example.com/tool/@v/v1.4.0";
    assert_eq!(files, [format!("{of}.info"), format!("{of}.mod"), format!("{of}.zip")]);
}

#[test]
fn what_cannot_be_had_is_told_at_the_end_and_the_rest_is_fetched() {
    let upstream = FakeUpstream::new()
        .with(
            &ModuleBuilder::new("example.com/a", "v1.0.0")
                .go_line("1.16")
                .require("example.com/gone", "v1.0.0"),
        )
        .module("example.com/b", "v1.0.0");
    let go_mod =
        "module example.com/app\n\ngo 1.21\n\nrequire example.com/a v1.0.0\nrequire example.com/b v1.0.0\n";
    let stage = Stage::new(upstream, &[("go.mod", go_mod)]);
    let output = stage.warm(&[]);
    assert_eq!(output.status.code(), Some(1));
    let (told, said) = (text(&output.stdout), text(&output.stderr));
    assert!(told.contains("2 modules"), "{told}");
    assert!(
        said.contains("error: 1 thing could not be had as wanted\n  example.com/gone@v1.0.0 .mod\n"),
        "{said}"
    );
    assert!(said.contains("    required by example.com/a@v1.0.0\n"), "{said}");
    assert!(said.contains("not found"), "{said}");
}

#[test]
fn go_sum_names_the_files_and_what_is_in_them() {
    let corpus = Corpus::generate(&CorpusOptions { modules: 4, versions: 4, bytes: 10_000, seed: 3 });
    let stage = Stage::with_corpus(&corpus);
    expect_success(&stage.warm(&["go.sum"]));
    assert_eq!(asked(&stage.scene.upstream).len(), 12);

    let [first, second] = [&corpus.modules[0], &corpus.modules[1]];
    let broken = corpus.go_sum.replace(&first.h1, &second.h1).replace(&second.mod_h1, &first.mod_h1);
    fs_err::write(stage.project.path().join("other.sum"), broken).expect("a temporary folder");
    let larder = stage.scene.larder.start();
    // Here, where the store has the hashes, and elsewhere, where all that comes is looked at.
    for arguments in [&["other.sum"][..], &["--to", larder.url(), "other.sum"]] {
        let output = stage.warm(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let of_mod = format!("{}@{} .mod\n    go.sum says {}", second.path, second.version, first.mod_h1);
        assert!(said.contains(&of_mod), "{said}");
        assert!(said.contains(&format!("what came has {}", first.h1)), "{said}");
    }
    let (code, report) = stage.warm_json(&["--to", larder.url(), "go.sum"]);
    assert_eq!((code, &report["failures"]), (Some(0), &serde_json::json!([])), "{report}");
}

#[test]
fn workspaces_flags_and_folders_count() {
    let upstream = FakeUpstream::new()
        .with(&ModuleBuilder::new("example.com/a", "v1.0.0").require("example.com/b", "v1.1.0"))
        .module("example.com/b", "v1.0.0")
        .module("example.com/b", "v1.1.0")
        .module("example.com/fork", "v1.0.0");
    let files = [
        ("go.work", "go 1.22\n\nuse ./one\nuse ./two\n"),
        ("one/go.mod", "module example.com/one\n\ngo 1.21\n\nrequire example.com/a v1.0.0\n"),
        (
            "two/go.mod",
            "module example.com/two\n\ngo 1.21\n\nrequire example.com/b v1.0.0\nrequire example.com/c v1.0.0\nreplace example.com/c => ../c\n",
        ),
        ("c/go.mod", "module example.com/c\n\ngo 1.21\n"),
        (
            "one/fork.mod",
            "module example.com/one\n\ngo 1.21\n\nrequire example.com/a v1.0.0\nreplace example.com/a => example.com/fork v1.0.0\n",
        ),
        ("one/deep/x.go", "package deep\n"),
    ];
    let stage = Stage::new(upstream, &files);
    expect_success(&stage.warm(&["one/deep"]));
    let zips = |stage: &Stage| {
        let asked = asked(&stage.scene.upstream).into_iter();
        asked.filter(|path| path.ends_with(".zip")).collect::<Vec<_>>()
    };
    assert_eq!(zips(&stage), ["/example.com/a/@v/v1.0.0.zip", "/example.com/b/@v/v1.1.0.zip"]);

    stage.scene.upstream.forget();
    let mut command = stage.scene.larder.command(&["warm", "--data"]);
    command.arg(stage.scene.larder.data()).arg("one").current_dir(stage.project.path());
    command.env("GOWORK", "off").env("GOFLAGS", "-modfile=fork.mod");
    expect_success(&command.output().expect("the binary can be started"));
    assert_eq!(zips(&stage), ["/example.com/fork/@v/v1.0.0.zip"]);
}

#[test]
fn the_toolchain_that_a_project_names_comes_along() {
    let toolchain = "v0.0.1-go1.99.1.linux-amd64";
    let upstream = FakeUpstream::new()
        .with(&ModuleBuilder::new("golang.org/toolchain", toolchain).go_mod("module golang.org/toolchain\n"));
    let stage =
        Stage::new(upstream, &[("go.mod", "module example.com/app\n\ngo 1.21\n\ntoolchain go1.99.1\n")]);
    expect_success(&stage.warm(&["--toolchain=linux/amd64"]));
    let files: Vec<String> = asked(&stage.scene.upstream).into_iter().collect();
    assert_eq!(files, [format!("/golang.org/toolchain/@v/{toolchain}.zip")]);
}

/// Starts it, sends what ctrl-c sends once a path is asked for, and returns the exit code.
fn interrupted_at(stage: &Stage, arguments: &[&str], path: &str) -> Option<i32> {
    let mut command = stage.scene.larder.command(&["warm", "--data"]);
    command.arg(stage.scene.larder.data()).args(arguments).current_dir(stage.project.path());
    command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("the binary can be started");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let is_there = stage.scene.upstream.wait_for_requests(path, 1, Duration::from_secs(60));
    assert!(runtime.block_on(is_there), "{path} was never asked for");
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it runs");
    child.wait().expect("it ends").code()
}

#[test]
fn queries_wait_for_each_other_no_more_than_files_do() {
    let stage = Stage::new(tools(), &[]);
    stage.scene.upstream.set_fault_on("/example.com/lib/@v/list", Fault::StallBeforeHead, None);
    let arguments = ["example.com/lib@latest", "example.com/tool@v1.4.0"];
    let code = interrupted_at(&stage, &arguments, "/example.com/tool/@v/v1.4.0.mod");
    assert_eq!(code, Some(130), "ctrl-c counts here too");
}

#[test]
fn ctrl_c_stops_it_and_the_next_run_goes_on() {
    let corpus = Corpus::generate(&CorpusOptions { modules: 10, versions: 10, bytes: 50_000, seed: 4 });
    let stage = Stage::with_corpus(&corpus);
    let last = corpus.modules[9].url_path("zip");
    stage.scene.upstream.set_fault_on(&last, Fault::StallBeforeHead, None);
    assert_eq!(interrupted_at(&stage, &[], &last), Some(130));

    stage.scene.upstream.heal();
    let told = expect_success(&stage.warm(&[]));
    assert!(told.contains("10 modules, 10 go.mod files"), "{told}");
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    let stage = Stage::new(FakeUpstream::new(), &[("x.txt", "")]);
    for (arguments, expected) in [
        (&[][..], "there is no go.mod or go.work file in"),
        (&["example.com/a"], "say example.com/a@latest"),
        (&["@v1.0.0"], "write MODULE@VERSION, such as"),
        (&["x.txt"], "is no go.mod, go.work or go.sum file"),
        (&["missing/go.sum"], "there is no file missing/go.sum"),
        (&[""], "an empty word names nothing"),
        (&["--to", "ftp://proxy.example.com", "example.com/a@latest"], "not by ftp"),
        (&["--to", "nonsense", "example.com/a@latest"], "--to nonsense: it is not a URL"),
    ] {
        let output = stage.warm(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
