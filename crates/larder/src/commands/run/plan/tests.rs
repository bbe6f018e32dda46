use super::*;
use crate::config::Environment;
use crate::project::ProjectSettings;

struct Project(tempfile::TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().expect("temporary folder");
        for (name, text) in files {
            let file = home.path().join(name);
            fs_err::create_dir_all(file.parent().expect("a folder")).expect("temporary folder");
            fs_err::write(file, text).expect("temporary folder");
        }
        Self(home)
    }

    fn plan(&self, want: &Want) -> Plan {
        self.plan_without(want, "")
    }

    /// A plan where go fetches some modules itself.
    fn plan_without(&self, want: &Want, no_proxy: &str) -> Plan {
        let settings = ProjectSettings::read(&Environment::from([("GOENV", "off")]));
        let folder = self.0.path().join("main");
        let files = ProjectFiles::around(&folder, &settings).expect("readable").expect("a project");
        Plan::new(files, want, &folder, ModuleCache::new(Some(self.0.path().join("cache")), no_proxy))
    }
}

fn packages(patterns: &[&str]) -> Want {
    Want::Packages { patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(), tests: false }
}

/// Takes all wishes, in order.
fn wishes(plan: &mut Plan) -> Vec<String> {
    std::iter::from_fn(|| plan.wish()).map(|(of, kind)| format!("{of} {}", kind.extension())).collect()
}

fn of(text: &str) -> ModuleVersion {
    let (path, version) = text.split_once('@').expect("a version");
    ModuleVersion::parse(path, version).expect("a module version")
}

/// Reads everything that is in folders.
fn read(plan: &mut Plan) {
    let platform = super::super::walk::Platform {
        os: "linux".to_owned(),
        arch: "amd64".to_owned(),
        cgo: false,
        tags: Vec::new(),
    };
    loop {
        let readings = plan.readings();
        if readings.is_empty() {
            return;
        }
        for reading in readings {
            plan.learned_imports(&reading.imports(&platform));
        }
    }
}

const TIDY: &str =
    "module example.com/main\ngo 1.21\nrequire (\n\texample.com/a v1.0.0\n\texample.com/b v1.0.0\n)\n";
const SUMS: &str = "example.com/a v1.0.0 h1:x\nexample.com/a v1.0.0/go.mod h1:x\nexample.com/b v1.0.0 h1:x\n\
    example.com/b v1.0.0/go.mod h1:x\nexample.com/c v1.1.0/go.mod h1:x\n";

#[test]
fn a_download_begins_with_the_graph_and_ends_with_what_is_named() {
    let project = Project::new(&[("main/go.mod", TIDY), ("main/go.sum", SUMS)]);
    let mut plan = project.plan(&Want::Everything);
    assert!(plan.knows_all());
    assert_eq!(
        wishes(&mut plan),
        [
            "example.com/a@v1.0.0 mod",
            "example.com/b@v1.0.0 mod",
            "example.com/a@v1.0.0 mod",
            "example.com/b@v1.0.0 mod",
            "example.com/a@v1.0.0 info",
            "example.com/a@v1.0.0 zip",
            "example.com/b@v1.0.0 info",
            "example.com/b@v1.0.0 zip",
        ]
    );
    let requires = b"module example.com/a\ngo 1.21\nrequire example.com/c v1.0.0\n";
    plan.learned_mod(&of("example.com/a@v1.0.0"), Some(requires));
    assert_eq!(wishes(&mut plan), ["example.com/c@v1.1.0 mod"], "what go.sum lists of what is named");
    let requires = b"module example.com/b\nrequire example.com/d v1.0.0\n";
    plan.learned_mod(&of("example.com/b@v1.0.0"), Some(requires));
    assert_eq!(wishes(&mut plan), ["example.com/d@v1.0.0 mod"], "the graph comes to what go.sum lacks");
}

#[test]
fn what_only_go_sum_still_names_is_asked_of_nobody() {
    let go_mod = format!(
        "{TIDY}replace example.com/b => ../fork\nreplace example.com/a v1.0.0 => example.com/a2 v1.0.0\n"
    );
    let lines: String = ["a v1.0.0", "a2 v1.0.0", "b v0.9.0", "b v1.0.0", "gone v1.0.0", "secret v1.0.0"]
        .map(|name| format!("example.com/{name}/go.mod h1:x\n"))
        .concat();
    let project = Project::new(&[
        ("main/go.mod", go_mod.as_str()),
        ("main/go.sum", lines.as_str()),
        ("fork/go.mod", "module example.com/b\ngo 1.21\nrequire example.com/secret v1.1.0\n"),
    ]);
    for want in [Want::Everything, Want::Graph] {
        let mut plan = project.plan(&want);
        let wanted = wishes(&mut plan);
        assert!(!wanted.is_empty());
        assert!(wanted.iter().all(|wish| wish.starts_with("example.com/a2@v1.0.0 ")), "{wanted:?}");
    }
}

#[test]
fn a_build_wants_what_its_packages_import_and_nothing_of_the_graph() {
    let project = Project::new(&[
        ("main/go.mod", TIDY),
        ("main/go.sum", SUMS),
        ("main/cmd/x/x.go", "package main\nimport (\n\"fmt\"\n\"example.com/b/p\"\n)\n"),
        ("main/cmd/y/y.go", "package main\nimport _ \"example.com/a\"\n"),
    ]);
    for pattern in ["./cmd/x", "example.com/main/cmd/x", "cmd/x/x.go"] {
        let mut plan = project.plan(&packages(&[pattern]));
        read(&mut plan);
        let expected = ["example.com/b@v1.0.0 zip", "example.com/b@v1.0.0 mod", "example.com/b@v1.0.0 info"];
        assert_eq!(wishes(&mut plan), expected, "{pattern}");
    }
    let mut plan = project.plan(&packages(&["./..."]));
    read(&mut plan);
    assert_eq!(wishes(&mut plan).len(), 6);
    let mut plan = project.plan_without(&packages(&["./..."]), "example.com/b");
    read(&mut plan);
    assert!(wishes(&mut plan).iter().all(|wish| wish.starts_with("example.com/a@")), "go fetches b itself");
}

#[test]
fn what_go_has_is_read_where_it_has_it() {
    let project = Project::new(&[
        ("main/go.mod", TIDY),
        ("main/m.go", "package main\nimport _ \"example.com/a\"\n"),
        ("cache/example.com/a@v1.0.0/a.go", "package a\nimport _ \"example.com/b\"\n"),
    ]);
    let mut plan = project.plan(&packages(&["."]));
    read(&mut plan);
    assert!(wishes(&mut plan).iter().all(|wish| wish.starts_with("example.com/b@v1.0.0 ")));
}

#[test]
fn an_old_go_line_needs_the_graph_before_it_is_known_where_packages_are() {
    let old = "module example.com/main\ngo 1.16\nrequire example.com/a v1.0.0\n";
    let project =
        Project::new(&[("main/go.mod", old), ("main/m.go", "package main\nimport _ \"example.com/c\"\n")]);
    let mut plan = project.plan(&packages(&["./..."]));
    read(&mut plan);
    assert_eq!(wishes(&mut plan), ["example.com/a@v1.0.0 mod"]);
    let requires = b"module example.com/a\nrequire example.com/c v1.2.0\n";
    plan.learned_mod(&of("example.com/a@v1.0.0"), Some(requires));
    assert_eq!(wishes(&mut plan), ["example.com/c@v1.2.0 mod"]);
    plan.learned_mod(&of("example.com/c@v1.2.0"), Some(b"module example.com/c\n"));
    read(&mut plan);
    assert_eq!(wishes(&mut plan), ["example.com/c@v1.2.0 zip", "example.com/c@v1.2.0 info"]);
}

#[test]
fn replacements_are_read_or_fetched_where_they_are() {
    let go_mod = format!(
        "{TIDY}replace example.com/a => ../fork\nreplace example.com/b => example.com/other/b v1.5.0\n"
    );
    let project = Project::new(&[
        ("main/go.mod", go_mod.as_str()),
        ("main/m.go", "package main\nimport _ \"example.com/a/p\"\n"),
        ("fork/go.mod", "module example.com/a\n"),
        ("fork/p/p.go", "package p\nimport _ \"example.com/b\"\n"),
    ]);
    let mut plan = project.plan(&packages(&["./..."]));
    read(&mut plan);
    assert!(wishes(&mut plan).iter().all(|wish| wish.starts_with("example.com/other/b@v1.5.0 ")));
}

#[test]
fn a_workspace_has_several_main_modules_and_reads_its_graph() {
    let project = Project::new(&[
        ("go.work", "go 1.21\nuse ./main\nuse ./other\n"),
        ("main/go.mod", TIDY),
        ("main/m.go", "package main\nimport _ \"example.com/second/q\"\n"),
        ("other/go.mod", "module example.com/second\ngo 1.21\nrequire example.com/a v1.0.0\n"),
        ("other/q/q.go", "package q\nimport _ \"example.com/a\"\n"),
    ]);
    let mut plan = project.plan(&packages(&["."]));
    for _ in 0..3 {
        for wish in wishes(&mut plan) {
            let module = wish.split('@').next().unwrap_or_default().to_owned();
            let text = format!("module {module}\ngo 1.21\n");
            plan.learned_mod(&of(wish.split(' ').next().unwrap_or_default()), Some(text.as_bytes()));
        }
    }
    read(&mut plan);
    let wanted = wishes(&mut plan);
    assert!(wanted.contains(&"example.com/a@v1.0.0 zip".to_owned()), "{wanted:?}");
    assert!(
        !wanted.iter().any(|wish| wish.starts_with("example.com/b@") && wish.ends_with(" zip")),
        "{wanted:?}"
    );
}

#[test]
fn a_script_that_goes_on_to_ask_for_what_no_package_needs_downloads_everything() {
    let requires: String = (0..6).map(|n| format!("require example.com/x{n} v1.0.0\n")).collect();
    let go_mod = format!("module example.com/main\ngo 1.21\n{requires}");
    let project = Project::new(&[("main/go.mod", go_mod.as_str()), ("main/m.go", "package main\n")]);
    let mut plan = project.plan(&packages(&["./..."]));
    read(&mut plan);
    for n in 0..SURPRISES {
        assert!(wishes(&mut plan).is_empty(), "{n}");
        plan.note(&format!("/example.com/x{n}/@v/v1.0.0.info"));
        plan.note("/example.com/elsewhere/@v/v1.0.0.info");
    }
    let zips = wishes(&mut plan).iter().filter(|wish| wish.ends_with(" zip")).count();
    assert_eq!(zips, 6);
}

#[test]
fn a_command_that_asks_for_what_nobody_names_is_not_known_after_all() {
    let project = Project::new(&[("main/go.mod", TIDY), ("main/go.sum", SUMS)]);
    let mut plan = project.plan(&Want::Everything);
    for path in ["a/@v/v1.0.0.info", "a/@v/v1.0.0.mod", "a/@v/v1.0.0.zip", "b/@v/v1.0.0.zip"] {
        assert!(!plan.is_wrong_about(&format!("/example.com/{path}")), "{path} was planned");
    }
    assert!(!plan.is_wrong_about("/sumdb/sum.example.com/lookup/example.com/a@v1.0.0"));
    for path in ["x/@v/list", "c/@v/v1.1.0.mod", "x/@v/v1.0.0.info"] {
        assert!(!plan.is_wrong_about(&format!("/example.com/{path}")), "{path}: too few");
    }
    plan.learned_mod(
        &of("example.com/a@v1.0.0"),
        Some(b"module example.com/a\ngo 1.21\nrequire example.com/c v1.1.0\n"),
    );
    assert!(!plan.is_wrong_about("/example.com/x/@v/v1.0.0.mod"), "one of them was planned a moment later");
    assert!(!plan.is_wrong_about("/example.com/x/@v/v1.0.0.zip"), "the graph is still being read");
    for module in ["b", "c"] {
        let text = format!("module example.com/{module}\ngo 1.21\n");
        let version = if module == "b" { "v1.0.0" } else { "v1.1.0" };
        plan.learned_mod(&of(&format!("example.com/{module}@{version}")), Some(text.as_bytes()));
    }
    assert!(plan.is_wrong_about("/example.com/y/@v/list"));
}
