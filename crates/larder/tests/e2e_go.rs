//! The real go command lives on Larder, with checksum verification on in both.

use std::path::{Path, PathBuf};

use larder_testkit::sumdb::Heads;
use larder_testkit::{
    Corpus, CorpusOptions, FakeUpstream, GoCommand, ModuleBuilder, Rng, Scenario, settings,
};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");
const LIB: &str = "example.com/Team/lib";
const BRANCH: &str = "v1.1.1-0.20240203040506-0123456789ab";

/// The machine's go command with a build cache that the tests of this file share.
fn go() -> Option<GoCommand> {
    let found = GoCommand::find();
    if found.is_none() {
        settings::skipped("go command", "there is no go on PATH or in /usr/local/go");
    }
    found.map(|go| go.build_cache(&PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("go-build")))
}

fn world(corpus: &Corpus) -> FakeUpstream {
    corpus
        .upstream()
        .module(LIB, "v1.0.0")
        .module(LIB, "v1.1.0")
        .module(LIB, "v1.2.0-rc.1")
        .with(&ModuleBuilder::new(LIB, BRANCH).time("2024-02-03T04:05:06Z"))
        .query(LIB, "main", BRANCH)
        .query(LIB, "feature/new", BRANCH)
        .with(
            &ModuleBuilder::new("example.com/old", "v2.0.0+incompatible").go_mod("module example.com/old\n"),
        )
        .with(
            &ModuleBuilder::new("example.com/tool", "v1.4.0")
                .file("tool.go", "package tool\n\nconst Name = \"tool\"\n")
                .file("cmd/x/main.go", "package main\n\nfunc main() { println(\"x of v1.4.0\") }\n"),
        )
}

fn small_corpus() -> Corpus {
    Corpus::generate(&CorpusOptions { modules: 20, versions: 50, bytes: 1 << 20, seed: settings::seed(11) })
}

/// What a developer and a build machine do in a day.
fn everything_works(go: &GoCommand, corpus: &Corpus, name: &str, with_sums: bool) {
    let mut files = corpus.project().to_vec();
    if !with_sums {
        files.retain(|(file, _)| *file != "go.sum");
    }
    let project = go.project(name, &files);
    go.run(&project, &["mod", "download"]).expect_success();
    let build: &[&str] = if with_sums { &["build", "./..."] } else { &["build", "-mod=mod", "./..."] };
    go.run(&project, build).expect_success();

    let versions = go.run(&project, &["list", "-m", "-versions", LIB]).expect_success();
    assert_eq!(versions.trim(), format!("{LIB} v1.0.0 v1.1.0 v1.2.0-rc.1"), "{name}");
    let latest = go.run(&project, &["list", "-m", "-f", "{{.Version}}", &format!("{LIB}@latest")]);
    assert_eq!(latest.expect_success().trim(), "v1.1.0", "{name}");

    let empty = go.project(&format!("{name}-get"), &[("go.mod", "module example.com/empty\n\ngo 1.21\n")]);
    go.run(&empty, &["get", &format!("{LIB}@latest")]).expect_success();
    go.run(&empty, &["get", &format!("{LIB}@main")]).expect_success();
    let chosen = go.run(&empty, &["list", "-m", "-f", "{{.Version}}", LIB]).expect_success();
    assert_eq!(chosen.trim(), BRANCH, "{name}: a branch query names the branch's version");
    go.run(&empty, &["get", "example.com/old@v2"]).expect_success();
}

fn programs_install(go: &GoCommand, name: &str) {
    for version in ["v1.4.0", "latest"] {
        let _ = fs_err::remove_file(go.programs().join("x"));
        go.run(Path::new("/"), &["install", &format!("example.com/tool/cmd/x@{version}")]).expect_success();
        assert!(go.programs().join("x").is_file(), "{name}: go install of @{version} made a program");
    }
}

#[test]
fn a_developer_works_with_the_upstream_then_without_it_then_without_larder() {
    let Some(go) = go() else { return };
    let corpus = small_corpus();
    let scene = Scenario::new(BINARY, world(&corpus));
    let larder = scene.larder.start();

    let online = scene.client(go.clone(), larder.url());
    everything_works(&online, &corpus, "online", true);
    everything_works(&scene.client(go.clone(), larder.url()), &corpus, "online-no-sums", false);
    programs_install(&online, "online");

    scene.upstream.cut();
    let offline = scene.client(go.clone(), larder.url());
    everything_works(&offline, &corpus, "offline", true);
    everything_works(&scene.client(go.clone(), larder.url()), &corpus, "offline-no-sums", false);
    programs_install(&scene.client(go.clone(), larder.url()), "offline");

    let tree = format!("file://{}/modules", larder.data().display());
    drop(larder);
    let files = scene.client(go, &tree);
    let project = files.project("files", &corpus.project()[..1]);
    fs_err::write(project.join("main.go"), &corpus.main_go).unwrap();
    files.run(&project, &["mod", "download"]).expect_success();
    files.run(&project, &["build", "-mod=mod", "./..."]).expect_success();
    files.run(&project, &["list", "-m", "-versions", LIB]).expect_success();
}

#[test]
fn a_restarted_larder_has_everything_from_the_start() {
    let Some(go) = go() else { return };
    let corpus = small_corpus();
    let scene = Scenario::new(BINARY, world(&corpus));
    let mut larder = scene.larder.start();
    everything_works(&scene.client(go.clone(), larder.url()), &corpus, "before", true);
    let status = larder.terminate(std::time::Duration::from_secs(20)).expect("it stops when asked");
    assert!(status.success(), "{status}");

    scene.upstream.cut();
    let larder = scene.larder.start();
    everything_works(&scene.client(go, larder.url()), &corpus, "after", false);
}

#[test]
fn a_lost_index_loses_nothing() {
    let Some(go) = go() else { return };
    let corpus = small_corpus();
    let scene = Scenario::new(BINARY, world(&corpus));
    let mut larder = scene.larder.start();
    let project = go.project("p", &corpus.project());
    scene.client(go.clone(), larder.url()).run(&project, &["mod", "download"]).expect_success();
    let data = larder.data().to_owned();
    // Not a kill: the last objects may be with the client before they are on the disk.
    larder.terminate(std::time::Duration::from_secs(20)).expect("it stops when asked");
    for entry in fs_err::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("index.db")) {
            fs_err::remove_file(path).unwrap();
        }
    }
    scene.upstream.cut();
    let larder = scene.larder.start();
    scene.client(go, larder.url()).run(&project, &["mod", "download"]).expect_success();
}

#[test]
fn bytes_that_the_database_does_not_confirm_reach_nobody() {
    let Some(go) = go() else { return };
    let scene = Scenario::new(BINARY, FakeUpstream::new().module("example.com/good", "v1.0.0"));
    // The upstream serves other content than was recorded when the version was published.
    let tampered =
        scene.upstream.add(&ModuleBuilder::new("example.com/evil", "v1.0.0").file("a.go", "package evil\n"));
    let original = ModuleBuilder::new("example.com/evil", "v1.0.0").file("a.go", "package good\n").build();
    scene.sumdb.record("example.com/evil", "v1.0.0", &original.h1, &original.mod_h1);
    let larder = scene.larder.start();

    let answer = larder.get(&tampered.url_path("zip"));
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("checksum"), "{}", answer.text());
    let client = scene.client(go, larder.url());
    let project = client.project("p", &[("go.mod", "module example.com/p\n\ngo 1.21\n")]);
    let message = client.run(&project, &["get", "example.com/evil@v1.0.0"]).expect_failure();
    assert!(message.contains("403 Forbidden"), "{message}");
    assert!(message.contains("checksum"), "the go command shows Larder's reason: {message}");
    assert!(!larder.data().join("modules/example.com/evil/@v/v1.0.0.zip").exists());
    // Off the same upstream, what is right is served.
    client.run(&project, &["get", "example.com/good@v1.0.0"]).expect_success();
}

#[test]
fn what_the_database_does_not_know_is_refused_with_a_hint() {
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    let private = scene.upstream.add(&ModuleBuilder::new("corp.example.com/secret", "v1.0.0"));
    let larder = scene.larder.start();
    let answer = larder.get(&private.url_path("zip"));
    assert_eq!(answer.status, 403, "{}", answer.text());
    drop(larder);

    let trusting = scene.larder.clone().env("GONOSUMDB", "corp.example.com").start();
    let answer = trusting.get(&private.url_path("zip"));
    assert_eq!((answer.status, answer.body), (200, private.zip.to_vec()));
}

#[test]
fn fresh_clients_verify_in_any_order_with_no_egress() {
    let Some(go) = go() else { return };
    let corpus = small_corpus();
    let scene = Scenario::new(BINARY, world(&corpus));
    scene.sumdb.fill(700);
    scene.sumdb.set_heads(Heads::Growing);
    let larder = scene.larder.start();
    let mut wanted: Vec<String> =
        corpus.modules.iter().map(|module| format!("{}@{}", module.path, module.version)).collect();
    let mut rng = Rng::new(settings::seed(17));
    rng.shuffle(&mut wanted);
    scene.sumdb.set_heads(Heads::Mixed);
    for half in wanted.chunks(wanted.len() / 2 + 1) {
        let client = scene.client(go.clone(), larder.url());
        let project = client.project("warm", &[("go.mod", "module example.com/p\n\ngo 1.21\n")]);
        let mut arguments = vec!["mod", "download"];
        arguments.extend(half.iter().map(String::as_str));
        client.run(&project, &arguments).expect_success();
    }
    scene.upstream.cut();
    let rounds = if settings::long() { 100 } else { 8 };
    for round in 0..rounds {
        rng.shuffle(&mut wanted);
        let client = scene.client(go.clone(), larder.url());
        let project = client.project("fresh", &[("go.mod", "module example.com/p\n\ngo 1.21\n")]);
        let some: Vec<&str> = wanted.iter().take(1 + rng.below(wanted.len())).map(String::as_str).collect();
        let output = client.run(&project, &[vec!["mod", "download"], some].concat());
        assert!(output.succeeded(), "round {round}: {output}");
        fs_err::remove_dir_all(client.module_cache()).unwrap();
    }
}

#[test]
fn a_base_path_is_part_of_the_url() {
    let Some(go) = go() else { return };
    let corpus = small_corpus();
    let scene = Scenario::new(BINARY, world(&corpus));
    let larder = scene.larder.clone().arg("--base-path").arg("/go/modules").start();
    assert!(larder.url().ends_with("/go/modules"), "{}", larder.url());
    let project = go.project("p", &corpus.project());
    scene.client(go, larder.url()).run(&project, &["mod", "download"]).expect_success();
}
