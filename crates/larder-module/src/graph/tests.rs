use super::*;
use crate::gowork::GoWork;
use std::collections::BTreeMap;

/// A world of go.mod files, by `path@version` or folder.
type World = BTreeMap<&'static str, &'static str>;

fn strict(text: &str) -> GoMod {
    GoMod::parse_strict(text.as_bytes()).expect("a sound go.mod")
}

/// Tells a graph all that it wants; returns what it wanted, in order.
fn resolve(graph: &mut Graph, world: &World) -> Vec<String> {
    let mut asked = Vec::new();
    loop {
        let wanted = graph.wanted();
        if wanted.is_empty() {
            break;
        }
        for source in wanted {
            let name = source.to_string();
            match world.get(name.as_str()) {
                Some(text) => {
                    graph.learn(&source, &GoMod::parse_lax(text.as_bytes()).expect("a sound go.mod"));
                }
                None => graph.failed(&source),
            }
            asked.push(name);
        }
    }
    assert!(graph.is_settled());
    asked
}

fn list(graph: &Graph) -> Vec<String> {
    graph.build_list().iter().map(|item| format!("{}@{}", item.path, item.version)).collect()
}

fn downloads(graph: &Graph) -> Vec<String> {
    graph.downloads().iter().map(ToString::to_string).collect()
}

#[test]
fn below_a_pruned_module_requirements_count_and_are_not_followed() {
    let main = strict("module example.com/app\ngo 1.21\nrequire example.com/a v1.0.0\n");
    let world = World::from([
        ("example.com/a@v1.0.0", "module example.com/a\ngo 1.21\nrequire example.com/b v1.1.0\n"),
        ("example.com/b@v1.1.0", "module example.com/b\ngo 1.16\nrequire example.com/c v1.0.0\n"),
    ]);
    let mut graph = Graph::new(Project::module(&main));
    assert_eq!(resolve(&mut graph, &world), ["example.com/a@v1.0.0"]);
    assert_eq!(list(&graph), ["example.com/a@v1.0.0", "example.com/b@v1.1.0"]);
    assert_eq!(downloads(&graph), ["example.com/a@v1.0.0"]);
}

#[test]
fn below_an_unpruned_module_everything_is_followed() {
    let main = strict("module example.com/app\ngo 1.21\nrequire example.com/a v1.0.0\n");
    let world = World::from([
        ("example.com/a@v1.0.0", "module example.com/a\ngo 1.16\nrequire example.com/b v1.1.0\n"),
        ("example.com/b@v1.1.0", "module example.com/b\ngo 1.21\nrequire example.com/c v1.0.0\n"),
        ("example.com/c@v1.0.0", "module example.com/c\n"),
    ]);
    let mut graph = Graph::new(Project::module(&main));
    let asked = resolve(&mut graph, &world);
    assert_eq!(asked, ["example.com/a@v1.0.0", "example.com/b@v1.1.0", "example.com/c@v1.0.0"]);
    assert_eq!(downloads(&graph), ["example.com/a@v1.0.0"]);
}

#[test]
fn an_old_main_module_downloads_the_whole_build_list() {
    let main = strict("module example.com/app\nrequire example.com/a v1.0.0\n");
    let world = World::from([
        ("example.com/a@v1.0.0", "module example.com/a\ngo 1.21\nrequire example.com/b v1.1.0\n"),
        ("example.com/b@v1.1.0", "module example.com/b\n"),
    ]);
    let mut graph = Graph::new(Project::module(&main));
    resolve(&mut graph, &world);
    assert_eq!(downloads(&graph), ["example.com/a@v1.0.0", "example.com/b@v1.1.0"]);
}

#[test]
fn names_that_the_graph_outdoes_are_raised_and_read_again() {
    let main = strict(
        "module example.com/app\ngo 1.21\nrequire (\n\texample.com/a v1.0.0\n\texample.com/b v1.0.0\n)\n",
    );
    let world = World::from([
        ("example.com/a@v1.0.0", "module example.com/a\ngo 1.21\nrequire example.com/b v1.2.0\n"),
        ("example.com/b@v1.0.0", "module example.com/b\ngo 1.21\n"),
        ("example.com/b@v1.2.0", "module example.com/b\ngo 1.21\nrequire example.com/c v1.5.0\n"),
    ]);
    let mut graph = Graph::new(Project::module(&main));
    let asked = resolve(&mut graph, &world);
    assert_eq!(asked, ["example.com/a@v1.0.0", "example.com/b@v1.0.0", "example.com/b@v1.2.0"]);
    assert_eq!(list(&graph), ["example.com/a@v1.0.0", "example.com/b@v1.2.0", "example.com/c@v1.5.0"]);
    assert_eq!(downloads(&graph), ["example.com/a@v1.0.0", "example.com/b@v1.2.0"]);
}

#[test]
fn replacements_and_exclusions_of_the_main_module_count() {
    let main = strict(concat!(
        "module example.com/app\ngo 1.21\n",
        "require (\n\texample.com/a v1.0.0\n\tlocal v0.0.0\n\texample.com/x v1.0.0\n)\n",
        "replace example.com/a => example.com/fork v1.9.0\n",
        "replace local => ./local\n",
        "exclude example.com/x v1.0.0\n",
        "exclude example.com/b v1.0.0\n",
    ));
    let world = World::from([
        (
            "example.com/fork@v1.9.0",
            "module example.com/a\ngo 1.21\nrequire example.com/b v1.0.0\nrequire example.com/d v1.0.0\n",
        ),
        ("./local", "module whatever\ngo 1.21\nrequire example.com/c v1.0.0\n"),
    ]);
    let mut graph = Graph::new(Project::module(&main));
    assert_eq!(resolve(&mut graph, &world), ["example.com/fork@v1.9.0", "./local"]);
    assert_eq!(
        list(&graph),
        ["example.com/a@v1.0.0", "example.com/c@v1.0.0", "example.com/d@v1.0.0", "local@v0.0.0"]
    );
    assert_eq!(downloads(&graph), ["example.com/fork@v1.9.0"]);
    assert!(graph.problems().is_empty());
}

#[test]
fn workspaces_join_their_modules_and_download_all() {
    let work = GoWork::parse(
        b"go 1.21\nuse (\n\t./one\n\t./two\n)\nreplace example.com/b => example.com/b v1.3.0\n",
    )
    .expect("sound");
    let one = strict(
        "module example.com/one\ngo 1.21\nrequire example.com/a v1.0.0\nreplace example.com/l => ../l\n",
    );
    let two = strict(
        "module example.com/two\ngo 1.21\nrequire example.com/one v1.0.0\nrequire example.com/l v1.0.0\n",
    );
    let mains =
        [Main { folder: "./one".to_owned(), file: one }, Main { folder: "./two".to_owned(), file: two }];
    let world = World::from([
        ("example.com/a@v1.0.0", "module example.com/a\ngo 1.21\nrequire example.com/b v1.0.0\n"),
        ("example.com/b@v1.3.0", "module example.com/b\ngo 1.21\n"),
        ("example.com/one@v1.0.0", "module example.com/one\ngo 1.21\n"),
        ("./one/../l", "module example.com/l\n"),
    ]);
    let mut graph = Graph::new(Project::workspace(&work, &mains));
    let asked = resolve(&mut graph, &world);
    assert_eq!(asked, ["example.com/a@v1.0.0", "example.com/one@v1.0.0", "./one/../l"]);
    assert_eq!(downloads(&graph), ["example.com/a@v1.0.0", "example.com/b@v1.3.0"]);
}

#[test]
fn what_cannot_be_read_leaves_the_rest_standing() {
    let main = strict(
        "module example.com/app\ngo 1.21\nrequire (\n\texample.com/a v1.0.0\n\tnodots v1.0.0\n\texample.com/b v1.0.0\n)\n",
    );
    let world = World::from([("example.com/b@v1.0.0", "module example.com/other\n")]);
    let mut graph = Graph::new(Project::module(&main));
    resolve(&mut graph, &world);
    let faults: Vec<String> = graph.problems().iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("nodots@v1.0.0: "), "{faults:?}");
    assert_eq!(faults[1], "example.com/b@v1.0.0: its go.mod calls it example.com/other");
    assert_eq!(downloads(&graph), ["example.com/a@v1.0.0", "example.com/b@v1.0.0"]);
}

#[test]
fn a_version_brings_what_its_own_packages_need() {
    let of = ModuleVersion::parse("example.com/tool", "v1.2.0").expect("sound");
    let file = strict(
        "module example.com/tool\ngo 1.21\nrequire example.com/a v1.0.0\nreplace example.com/a => ./elsewhere\n",
    );
    let world = World::from([("example.com/a@v1.0.0", "module example.com/a\ngo 1.21\n")]);
    let mut graph = Graph::new(Project::version(&of, &file));
    assert_eq!(graph.likely_downloads().len(), 2);
    resolve(&mut graph, &world);
    assert_eq!(downloads(&graph), ["example.com/tool@v1.2.0", "example.com/a@v1.0.0"]);
    let a = Source::Module(ModuleVersion::parse("example.com/a", "v1.0.0").expect("sound"));
    assert!(graph.required_by(&a).is_empty());
}

#[test]
fn go_lines() {
    for (line, pruned) in [
        ("1.17", true),
        ("1.16", false),
        ("1.21rc1", true),
        ("2", true),
        ("1", false),
        ("1.9.7", false),
        ("x", false),
    ] {
        assert_eq!(is_pruning_version(line), pruned, "{line}");
    }
}

#[test]
fn a_go_mod_file_full_of_mistakes_is_not_told_to_its_end() {
    let main = strict("module example.com/app\ngo 1.21\nrequire example.com/a v1.0.0\n");
    let bad: String = (0..5_000).map(|n| format!("require example.com/a/../{n} v1.0.0\n")).collect();
    let text = format!("module example.com/a\ngo 1.16\n{bad}");
    let mut graph = Graph::new(Project::module(&main));
    for source in graph.wanted() {
        graph.learn(&source, &GoMod::parse_lax(text.as_bytes()).expect("read as it is"));
    }
    assert!(graph.is_settled());
    assert_eq!(graph.problems().len(), Graph::MOST_PROBLEMS);
}
