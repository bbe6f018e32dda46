//! Where modules lie in a repository, and which major version they claim.

use larder_testkit::Commit;

use super::World;

pub(super) fn build(world: &mut World<'_>) {
    plain(world);
    pre_release(world);
    untagged(world);
    empty(world);
    nested(world);
    only_nested(world);
    major_folder(world);
    major_branch(world);
    major_mistakes(world);
    incompatible(world);
    incompatible_with_old_go_mod(world);
    legacy(world);
    forks(world);
    go_mod_forms(world);
    retracted(world);
    all_retracted(world);
    upper_case(world);
}

/// A module at the root with releases and work after them.
pub(super) fn plain(world: &mut World<'_>) {
    let mut case = world.case("plain");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n"), ("LICENSE", "Do.\n")]);
    let second = case.repository.files(&[("b.go", "package a\n\nconst B = 1\n")]);
    let candidate = case.repository.files(&[("c.go", "package a\n")]);
    let tip = case.repository.files(&[("cmd/x/main.go", "package main\n\nfunc main() {}\n")]);
    case.repository.tag("v1.0.0", first);
    case.repository.tag("v1.1.0", second);
    case.repository.tag("v1.2.0-rc.1", candidate);
    case.repository.branch("feature", second);
    case.repository.branch("work/deep", tip);
    let hash = case.hash(tip, 40);
    let pseudo = case.pseudo("v1.2.0-rc.1.0.", tip);
    case.ask(
        "v1.0.0 v1.1.0 v1.2.0-rc.1 v1.1.1 v9.0.0 main feature HEAD master v1 v1.0 v1.1 v1.2 v2 v0 v1.2.0-rc",
    );
    case.ask(&format!("{pseudo} {hash} {} {} {}", &hash[..12], &hash[..7], &hash[..6]));
    let second = case.hash(second, 12);
    case.ask(&format!("{second} ffffffffffff {} main~1 main^0 main@{0} :main -x", "e".repeat(40)));
    case.ask("v1.0.0+meta v1.0.0+incompatible v1.0.0-0 v1.0 v01.0.0 v1.0.0.0");
    case.ask_below("no/such/folder", "main v1.0.0");
    case.ask_below("v2", "main v2.0.0");
    world.add(case);
}

fn pre_release(world: &mut World<'_>) {
    let mut case = world.case("pre-release");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    let second = case.repository.files(&[("b.go", "package a\n")]);
    let tip = case.repository.files(&[("c.go", "package a\n")]);
    case.repository.tag("v0.1.0-alpha", first);
    case.repository.tag("v0.1.0-beta.2", second);
    let pseudo = case.pseudo("v0.1.0-beta.2.0.", tip);
    case.ask(&format!("v0.1.0-alpha v0.1.0-beta.2 v0 v0.1 main {pseudo}"));
    world.add(case);
}

fn untagged(world: &mut World<'_>) {
    let mut case = world.case("untagged");
    case.repository.default_branch("release/next");
    let go_mod = case.go_mod("");
    let first = case.repository.files_on("release/next", &[("go.mod", &go_mod), ("a.go", "package a\n")]);
    let tip = case.repository.files_on("release/next", &[("b.go", "package a\n")]);
    let other = case.repository.files_on("main", &[("go.mod", &go_mod), ("other.go", "package a\n")]);
    let versions: Vec<String> = [first, tip, other].map(|mark| case.pseudo("v0.0.0-", mark)).into();
    case.ask(&format!("{} main HEAD", versions.join(" ")));
    world.add(case);
}

/// Nothing was ever pushed; and a repository whose default branch is gone.
pub(super) fn empty(world: &mut World<'_>) {
    let mut case = world.case("empty");
    case.ask("main v1.0.0 HEAD v0.0.0-20240101120000-0123456789ab");
    world.add(case);

    let mut case = world.case("headless");
    case.repository.default_branch("gone");
    let go_mod = case.go_mod("");
    let tip = case.repository.files_on("work", &[("go.mod", &go_mod), ("a.go", "package a\n")]);
    let pseudo = case.pseudo("v0.0.0-", tip);
    case.ask(&format!("work gone HEAD {pseudo}"));
    world.add(case);

    let mut case = world.case("hollow");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod)]);
    let tip = case.repository.commit(Commit::on("main").remove_all());
    case.repository.tag("v1.0.0", first);
    case.repository.tag("v1.1.0", tip);
    case.ask("v1.0.0 v1.1.0 main");
    world.add(case);
}

/// Several modules, several of them at one tag's commit.
pub(super) fn nested(world: &mut World<'_>) {
    let mut case = world.case("nested");
    let (root, sub, deep, upper) =
        (case.go_mod(""), case.go_mod("sub"), case.go_mod("sub/deep/er"), case.go_mod("Sub.Two"));
    let first = case.repository.files(&[
        ("go.mod", &root),
        ("a.go", "package a\n"),
        ("sub/go.mod", &sub),
        ("sub/s.go", "package sub\n"),
        ("sub/deep/d.go", "package deep\n"),
        ("sub/deep/er/go.mod", &deep),
        ("sub/deep/er/e.go", "package er\n"),
        ("Sub.Two/go.mod", &upper),
        ("Sub.Two/x.go", "package x\n"),
        ("plain/p.go", "package plain\n"),
        ("LICENSE", "The root's.\n"),
    ]);
    let second = case.repository.files(&[("sub/LICENSE", "The folder's.\n"), ("sub/t.go", "package sub\n")]);
    let tip = case.repository.files(&[("z.go", "package a\n")]);
    for tag in ["v1.0.0", "sub/v1.0.0", "sub/deep/er/v0.1.0", "Sub.Two/v1.0.0", "plain/v1.0.0"] {
        case.repository.tag(tag, first);
    }
    case.repository.tag("sub/v1.1.0", second);
    case.repository.annotated_tag("v1.1.0", second);
    case.repository.tag("sub/v2.0.0", second);
    let (root, below) = (case.pseudo("v1.1.1-0.", tip), case.pseudo("v0.1.1-0.", tip));
    let sub = case.pseudo("v1.1.1-0.", tip);
    case.ask(&format!("v1.0.0 v1.1.0 main {root}"));
    case.ask_below("sub", &format!("v1.0.0 v1.1.0 v2.0.0 v2.0.0+incompatible main {sub}"));
    case.ask_below("sub/deep/er", &format!("v0.1.0 main {below}"));
    case.ask_below("sub/deep", "v1.0.0 main");
    case.ask_below("Sub.Two", "v1.0.0 main");
    case.ask_below("plain", "v1.0.0 main");
    case.ask_below("sub/v2", "v2.0.0 main");
    world.add(case);
}

fn only_nested(world: &mut World<'_>) {
    let mut case = world.case("only-nested");
    let sub = case.go_mod("go/client");
    let first = case.repository.files(&[
        ("README.md", "Not Go.\n"),
        ("go/client/go.mod", &sub),
        ("go/client/c.go", "package client\n"),
        ("go/other/x.go", "package x\n"),
    ]);
    let tip = case.repository.files(&[("go/client/d.go", "package client\n")]);
    case.repository.tag("go/client/v0.3.0", first);
    case.repository.tag("v7.0.0", first);
    let pseudo = case.pseudo("v0.3.1-0.", tip);
    let zero = case.pseudo("v0.0.0-", tip);
    case.ask_below("go/client", &format!("v0.3.0 main v0 {pseudo} {zero}"));
    case.ask_below("go/other", &format!("main {zero}"));
    case.ask_below("go", "main");
    case.ask(&format!("v7.0.0 v7.0.0+incompatible main {zero}"));
    world.add(case);
}

fn major_folder(world: &mut World<'_>) {
    let mut case = world.case("major-folder");
    let (one, two, three) = (case.go_mod(""), case.go_mod("v2"), case.go_mod("sub/v3"));
    let first = case.repository.files(&[("go.mod", &one), ("a.go", "package a\n"), ("LICENSE", "Root.\n")]);
    let second = case.repository.files(&[
        ("v2/go.mod", &two),
        ("v2/a.go", "package a\n"),
        ("sub/v3/go.mod", &three),
        ("sub/v3/s.go", "package sub\n"),
    ]);
    let tip = case.repository.files(&[("v2/b.go", "package a\n")]);
    case.repository.tag("v1.0.0", first);
    case.repository.tag("v2.0.0", second);
    case.repository.tag("v2.1.0-pre", tip);
    case.repository.tag("sub/v3.0.1", second);
    let pseudo = case.pseudo("v2.0.1-0.", tip);
    let (bare, one) = (case.pseudo("v2.0.0-", tip), case.pseudo("v1.0.1-0.", tip));
    case.ask(&format!("v1.0.0 main v2.0.0 v2.0.0+incompatible v2 {one}"));
    case.ask_below("v2", &format!("v2.0.0 v2.1.0-pre v1.0.0 main v2 v2.0 v1 {pseudo} {bare}"));
    case.ask_below("sub/v3", "v3.0.1 main v3");
    case.ask_below("sub", "v3.0.1 main");
    case.ask_below("v3", "v3.0.0 main");
    world.add(case);
}

fn major_branch(world: &mut World<'_>) {
    let mut case = world.case("major-branch");
    let (one, two) = (case.go_mod(""), case.go_mod("v2"));
    let first = case.repository.files(&[("go.mod", &one), ("a.go", "package a\n")]);
    let second = case.repository.commit(Commit::on("v2").parent(first).file("go.mod", &two));
    let third = case.repository.files_on("v2", &[("b.go", "package a\n")]);
    let main = case.repository.files(&[("c.go", "package a\n")]);
    case.repository.tag("v1.0.0", first);
    case.repository.tag("v2.0.0", second);
    let (on_branch, on_main) = (case.pseudo("v2.0.1-0.", third), case.pseudo("v1.0.1-0.", main));
    let wrong = case.pseudo("v2.0.1-0.", main);
    case.ask(&format!("v1.0.0 main v2 {on_main}"));
    case.ask_below("v2", &format!("v2.0.0 main v2 {on_branch} {wrong}"));
    world.add(case);
}

/// Both places, or neither, or a go.mod that says nothing.
fn major_mistakes(world: &mut World<'_>) {
    let mut case = world.case("major-mistakes");
    let (one, two) = (case.go_mod(""), case.go_mod("v2"));
    let mut tag = |name: &str, files: &[(&str, &str)]| {
        let commit = files
            .iter()
            .fold(Commit::on("main").remove_all(), |commit, (path, text)| commit.file(path, text));
        let mark = case.repository.commit(commit.file("a.go", "package a\n"));
        case.repository.tag(name, mark);
    };
    tag("v2.0.0", &[("go.mod", &two), ("v2/go.mod", &two)]);
    tag("v2.1.0", &[("go.mod", &one), ("v2/a.go", "package a\n")]);
    tag("v2.2.0", &[("go.mod", &two), ("v2/go.mod", "go 1.21\n")]);
    tag("v2.3.0", &[("go.mod", &two), ("v2/go.mod", "module example.com/x/v3\n")]);
    tag("v2.4.0", &[("go.mod", "module example.com/other/v2\n")]);
    tag("v2.5.0", &[("v2/a.go", "package a\n")]);
    tag("v2.6.0", &[("v2/go.mod", "module example.com/elsewhere/v2\n")]);
    tag("v2.7.0", &[("go.mod", "module example.com/elsewhere/v3\n")]);
    tag("v1.0.0", &[("go.mod", &two)]);
    tag("v1.1.0", &[("go.mod", "module example.com/elsewhere/v3\n")]);
    case.ask_below("v2", "v2.0.0 v2.1.0 v2.2.0 v2.3.0 v2.4.0 v2.5.0 v2.6.0 v2.7.0 main");
    case.ask("v1.0.0 v1.1.0 v2.5.0 v2.5.0+incompatible main");
    world.add(case);
}

fn incompatible(world: &mut World<'_>) {
    let mut case = world.case("incompatible");
    let first = case.repository.files(&[("a.go", "package a\n"), ("LICENSE", "Do.\n")]);
    let second = case.repository.files(&[("b.go", "package a\n")]);
    let third = case.repository.files(&[("c.go", "package a\n")]);
    let go_mod = case.go_mod("v4");
    let fourth = case.repository.files(&[("go.mod", &go_mod)]);
    let tip = case.repository.commit(Commit::on("old").parent(third).file("d.go", "package a\n"));
    case.repository.tag("v1.0.0", first);
    case.repository.tag("v2.0.0", second);
    case.repository.tag("v2.1.0", third);
    case.repository.tag("v3.0.0-rc.1", third);
    case.repository.tag("v4.0.0", fourth);
    let (good, bad) = (case.pseudo("v2.1.1-0.", tip), case.pseudo("v2.1.2-0.", tip));
    case.ask(
        "v1.0.0 v2.0.0 v2.0.0+incompatible v2.1.0+incompatible v3.0.0-rc.1+incompatible v4.0.0+incompatible",
    );
    case.ask(&format!("main old v1 v2 v2.0 v3 v4 {good}+incompatible {good} {bad}+incompatible"));
    let pre = case.pseudo("v3.0.0-rc.1.0.", tip);
    case.ask(&format!("{pre}+incompatible v1.0.0+incompatible"));
    case.ask_below("v2", "v2.0.0 main");
    world.add(case);
}

/// The latest release of the old line has a go.mod: later lines are not listed, but may be asked for.
fn incompatible_with_old_go_mod(world: &mut World<'_>) {
    let mut case = world.case("incompatible-modules");
    let (one, two) = (case.go_mod(""), case.go_mod("v2"));
    let first = case.repository.files(&[("go.mod", &one), ("a.go", "package a\n")]);
    let second = case.repository.commit(Commit::on("main").remove("go.mod"));
    let third =
        case.repository.files(&[("v3/go.mod", &two.replace("/v2", "/v3")), ("v3/a.go", "package a\n")]);
    case.repository.tag("v1.5.0", first);
    case.repository.tag("v2.0.0", second);
    case.repository.tag("v3.0.0", third);
    case.ask("v1.5.0 v2.0.0 v2.0.0+incompatible v3.0.0 v3.0.0+incompatible v2 main");
    case.ask_below("v3", "v3.0.0 main");
    world.add(case);

    let mut case = world.case("incompatible-folder");
    let three = case.go_mod("v3");
    let first = case.repository.files(&[("a.go", "package a\n")]);
    let second = case.repository.files(&[("v3/go.mod", &three), ("v3/a.go", "package a\n")]);
    let tip = case.repository.files(&[("b.go", "package a\n")]);
    case.repository.tag("v2.0.0", first);
    case.repository.tag("v3.0.0", second);
    let pseudo = case.pseudo("v3.0.1-0.", tip);
    case.ask(&format!("v2.0.0+incompatible v3.0.0+incompatible v3.0.0 v3 main {pseudo}+incompatible"));
    case.ask_below("v3", &format!("v3.0.0 main {pseudo}"));
    world.add(case);
}

fn legacy(world: &mut World<'_>) {
    let mut case = world.case("legacy");
    let first = case.repository.files(&[("a.go", "package a\n"), ("Gopkg.toml", "x = 1\n")]);
    let tip = case.repository.files(&[("vendor/x/x.go", "package x\n"), ("sub/b.go", "package b\n")]);
    case.repository.tag("v0.9.0", first);
    let pseudo = case.pseudo("v0.9.1-0.", tip);
    case.ask(&format!("v0.9.0 main {pseudo}"));
    case.ask_below("sub", "main v0.9.0");
    world.add(case);
}

/// A go.mod that declares another path is served as it is; a wrong major version is not.
fn forks(world: &mut World<'_>) {
    let mut case = world.case("fork");
    let first =
        case.repository.files(&[("go.mod", "module example.com/up/stream\n"), ("a.go", "package a\n")]);
    let second = case.repository.files(&[("go.mod", "module gopkg.in/stream.v1\n")]);
    let third = case.repository.files(&[("go.mod", "module gopkg.in/stream.v2\n")]);
    let fourth = case.repository.files(&[("go.mod", "module example.com/up/stream/v5\n")]);
    for (tag, mark) in [("v1.0.0", first), ("v1.1.0", second), ("v1.2.0", third), ("v1.3.0", fourth)] {
        case.repository.tag(tag, mark);
    }
    let pseudo = case.pseudo("v1.3.1-0.", first);
    case.ask(&format!("v1.0.0 v1.1.0 v1.2.0 v1.3.0 main {pseudo}"));
    world.add(case);
}

/// Every way to write a module line, and some that are none.
fn go_mod_forms(world: &mut World<'_>) {
    let mut case = world.case("go-mod-forms");
    let path = case.path.clone();
    let forms = [
        format!("module \"{path}\"\n"),
        format!("module `{path}`\n"),
        format!("// First a word.\n\nmodule {path} // why\r\n\r\ngo 1.21\r\n"),
        format!("module (\n\t{path}\n)\n"),
        "go 1.21\n".to_owned(),
        String::new(),
        "modul x\n".to_owned(),
        format!("\u{feff}module {path}\n"),
        format!("module {path}\nmodule {path}\n"),
        "module example.com/bad/v1\n".to_owned(),
        format!("module {path}\n\ngo 1.21\n\nrequire (((\n"),
        format!("module\t{path}\n\ngo 1.21"),
        "module example.com/a b\n".to_owned(),
        "module ../up\n".to_owned(),
        format!("\tmodule {path}\n"),
        format!("module /* no */ {path}\n"),
    ];
    let mut versions = Vec::new();
    for (number, form) in forms.iter().enumerate() {
        let mark = case.repository.files(&[("go.mod", form), ("a.go", "package a\n")]);
        let version = format!("v0.{number}.0");
        case.repository.tag(&version, mark);
        versions.push(version);
    }
    case.ask(&format!("{} main", versions.join(" ")));
    world.add(case);
}

fn retracted(world: &mut World<'_>) {
    let mut case = world.case("retracted");
    let go_mod = case.go_mod("");
    let retracting = format!(
        "// Deprecated: use another.\n{go_mod}\nretract [v1.3.0, v1.4.0] // a mistake\nretract v1.1.0\nretract v1.9.0\n"
    );
    let mut marks = Vec::new();
    for tag in ["v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0"] {
        let mark =
            case.repository.files(&[("go.mod", &go_mod), ("a.go", &format!("package a\n\n// {tag}\n"))]);
        case.repository.tag(tag, mark);
        marks.push(mark);
    }
    let last = case.repository.files(&[("go.mod", &retracting)]);
    case.repository.tag("v1.4.0", last);
    let tip = case.repository.files(&[("tip.go", "package a\n")]);
    let (allowed, over) = (case.pseudo("v1.2.1-0.", tip), case.pseudo("v1.4.1-0.", tip));
    let hash = case.hash(marks[3], 12);
    case.ask(&format!("v1.0.0 v1.1.0 v1.2.0 v1.3.0 v1.4.0 v1 v1.1 v1.3 v1.4 main {allowed} {over} {hash}"));
    world.add(case);
}

/// Everything is retracted, the retraction included.
fn all_retracted(world: &mut World<'_>) {
    let mut case = world.case("all-retracted");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    let second = case.repository.files(&[("go.mod", &format!("{go_mod}retract [v1.0.0, v1.0.1]\n"))]);
    case.repository.tag("v1.0.0", first);
    case.repository.tag("v1.0.1", second);
    case.ask("v1.0.0 v1.0.1 v1 main");
    world.add(case);

    let mut case = world.case("all-retracted-since");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    let second = case.repository.files(&[("go.mod", &format!("{go_mod}retract [v1.0.0, v1.0.1-pre]\n"))]);
    case.repository.tag("v1.0.0", first);
    case.repository.tag("v1.0.1-pre", second);
    let tip = case.repository.files(&[("b.go", "package a\n")]);
    let pseudo = case.pseudo("v0.0.0-", tip);
    case.ask(&format!("v1.0.0 v1.0.1-pre v1 main {pseudo}"));
    world.add(case);
}

fn upper_case(world: &mut World<'_>) {
    let mut case = world.case("Upper/CASE.Name_x~y");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("A.go", "package a\n")]);
    case.repository.tag("v1.0.0-RC1", first);
    case.repository.branch("Feature", first);
    case.ask("v1.0.0-RC1 v1.0.0-rc1 Feature feature main");
    world.add(case);
}
