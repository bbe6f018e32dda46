//! The resolver side by side with the real go command, on generated projects.
//!
//! Of every project the go command downloads what it wants from a fake upstream that takes note, and lists its modules.
//! The resolver has to name exactly those files and that list. `LARDER_LONG=1` compares 400 projects in place of 24;
//! `LARDER_SEED=n` tries others, `LARDER_GO=file` another go command. `LARDER_PROJECTS=folder:folder` compares real projects, through
//! whatever `GOPROXY` the machine has.

mod world;

use std::collections::BTreeSet;
use std::path::Path;

use larder_module::ModuleVersion;
use larder_module::gomod::GoMod;
use larder_module::gowork::GoWork;
use larder_module::graph::{Graph, Main, Project, Source};
use larder_testkit::rng::Rng;
use larder_testkit::upstream::{FakeUpstream, RunningUpstream};
use larder_testkit::{GoCommand, settings};

use world::World;

#[test]
fn the_resolver_names_what_the_go_command_asks_for() {
    let go = settings::machine("LARDER_GO").map(|file| GoCommand::at(file.as_ref()));
    let Some(go) = go.or_else(GoCommand::find) else {
        return settings::skipped("graph comparison", "there is no go on PATH or in /usr/local/go");
    };
    let seed = settings::seed(20);
    let rounds = if settings::long() { 400 } else { 24 };
    for round in 0..rounds {
        let world = World::generate(&mut Rng::new(seed.wrapping_mul(1_000_003).wrapping_add(round)));
        compare(&go, &world, &format!("seed {seed}, round {round}"));
    }
}

#[test]
fn real_projects_are_resolved_as_the_go_command_does() {
    let Some(folders) = settings::machine("LARDER_PROJECTS") else {
        return settings::skipped("real projects", "LARDER_PROJECTS names none");
    };
    let Some(go) = GoCommand::find() else { return };
    let proxy = settings::machine("GOPROXY").expect("the machine's GOPROXY");
    for folder in std::env::split_paths(&folders) {
        let read = |name: &str| fs_err::read_to_string(folder.join(name)).unwrap_or_default();
        let (go_mod, go_sum) = (read("go.mod"), read("go.sum"));
        let go = go.clone().fresh_module_cache().proxy(&proxy).env("GOSUMDB", "off");
        let project = go.project("real", &[("go.mod", &go_mod), ("go.sum", &go_sum)]);
        go.run(&project, &["mod", "download"]).expect_success();
        let cache = go.module_cache().join("cache/download");
        let main = GoMod::parse_strict(go_mod.as_bytes()).expect("a sound go.mod");
        let mut graph = Graph::new(Project::module(&main));
        tell(&mut graph, |source| match source {
            Source::Module(of) => {
                let file = format!("{}/@v/{}.mod", of.module().escaped(), of.version().escaped());
                fs_err::read_to_string(cache.join(file)).expect("the go command has read it, too")
            }
            Source::Folder(name) => {
                fs_err::read_to_string(folder.join(&**name).join("go.mod")).expect("readable")
            }
        });
        let mut had = BTreeSet::new();
        collect(&cache, &cache, &mut had);
        let named: BTreeSet<String> = named_escaped(&graph).collect();
        assert_eq!(had, named, "{}", folder.display());
        settings::say(&format!("{}: {} files, all of them named", folder.display(), named.len()));
    }
}

/// The files of modules below a download cache, as `/path@version.kind` in Go's escaping.
fn collect(cache: &Path, folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs_err::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            collect(cache, &path, into);
        } else if let Some("info" | "mod" | "zip") = path.extension().and_then(|kind| kind.to_str()) {
            let name = path.strip_prefix(cache).expect("below").to_string_lossy().replace("/@v/", "@");
            into.insert(name);
        }
    }
}

fn named_escaped(graph: &Graph) -> impl Iterator<Item = String> {
    let file = |of: &ModuleVersion, kind: &str| {
        format!("{}@{}.{kind}", of.module().escaped(), of.version().escaped())
    };
    let mods: Vec<String> = graph.mod_files().iter().map(|of| file(of, "mod")).collect();
    let whole = graph.downloads();
    let whole: Vec<String> = whole.iter().flat_map(|of| ["info", "zip"].map(|kind| file(of, kind))).collect();
    mods.into_iter().chain(whole)
}

fn compare(go: &GoCommand, world: &World, name: &str) {
    let modules = world.modules.iter().fold(FakeUpstream::new(), FakeUpstream::with);
    let upstream = modules.start_blocking();
    let go = go.clone().fresh_module_cache().proxy(upstream.url()).env("GOSUMDB", "off");
    let files: Vec<(&str, &str)> =
        world.files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let project = name.replace([' ', ','], "-");
    let folder = go.project(&project, &files);
    let output = go.run(&folder, &["mod", "download"]);
    if output.stderr.contains("conflicting replacements") {
        // The go command doesn't work with such a workspace at all.
        return;
    }
    // It complains of names that are excluded and nowhere else in the graph, and downloads the rest.
    let is_whole = output.succeeded();
    assert!(is_whole || output.stderr.contains("not a known dependency"), "{name}: {output}\n{world}");
    let asked = asked(&upstream);
    let graph = resolve(world);
    assert_eq!(graph.problems(), [], "{name}\n{world}");
    let named: BTreeSet<String> = named_escaped(&graph).collect();
    let missing: Vec<_> = asked.difference(&named).collect();
    let needless: Vec<_> = named.difference(&asked).collect();
    assert!(
        missing.is_empty() && needless.is_empty(),
        "{name}: missing {missing:?}, needless {needless:?}\n{world}"
    );

    if !is_whole {
        return;
    }
    // The download may have raised the go line, and with it the pruning.
    go.project(&project, &files);
    let mode = if files.iter().any(|(file, _)| *file == "go.work") { "-mod=readonly" } else { "-mod=mod" };
    let list = ["list", "-m", mode, "-f", "{{if not .Main}}{{.Path}}@{{.Version}}{{end}}", "all"];
    let text = go.run(&folder, &list).expect_success();
    let listed: BTreeSet<String> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let selected = graph.build_list().iter().map(|item| format!("{}@{}", item.path, item.version)).collect();
    assert_eq!(listed, selected, "{name}\n{world}");
}

/// Returns what was asked of the upstream, as `/path@version.kind`.
fn asked(upstream: &RunningUpstream) -> BTreeSet<String> {
    let log = upstream.log();
    log.iter().map(|request| request.path.replace("/@v/", "@").trim_start_matches('/').to_owned()).collect()
}

fn resolve(world: &World) -> Graph {
    let strict = |name: &str| GoMod::parse_strict(world.file(name).as_bytes()).expect("a sound go.mod");
    let project = match world.files.iter().find(|(name, _)| name == "go.work") {
        None => Project::module(&strict("go.mod")),
        Some((_, text)) => {
            let work = GoWork::parse(text.as_bytes()).expect("a sound go.work");
            let main = |folder: &String| {
                let file = strict(&format!("{}/go.mod", folder.trim_start_matches("./")));
                Main { folder: folder.clone(), file }
            };
            let mains: Vec<Main> = work.uses.iter().map(main).collect();
            Project::workspace(&work, &mains)
        }
    };
    let mut graph = Graph::new(project);
    tell(&mut graph, |source| match source {
        Source::Module(of) => world.go_mod(of.module().as_str(), of.version().as_str()),
        Source::Folder(folder) => world.file(&world::normal(&format!("{folder}/go.mod"))).to_owned(),
    });
    graph
}

/// Tells a graph all that it wants to know.
fn tell(graph: &mut Graph, mut read: impl FnMut(&Source) -> String) {
    loop {
        let wanted = graph.wanted();
        if wanted.is_empty() {
            return assert!(graph.is_settled());
        }
        for source in wanted {
            let text = read(&source);
            graph.learn(&source, &GoMod::parse_lax(text.as_bytes()).expect("a sound go.mod"));
        }
    }
}
