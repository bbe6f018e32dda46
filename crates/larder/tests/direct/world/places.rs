//! How a module path leads to a repository.

use larder_testkit::git_server::Page;

use super::{Case, World};

pub(super) fn build(world: &mut World<'_>) {
    known_hosts(world);
    dot_git(world);
    vanity(world);
    folders(world);
    redirected(world);
    lenient_pages(world);
    gopkg_in(world);
    nobody(world);
}

/// Fills a repository with a release and a commit after it.
fn filled(case: &mut Case) {
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    case.repository.files(&[("b.go", "package a\n")]);
    case.repository.tag("v1.0.0", first);
}

/// Hosts that the go command knows without a page.
fn known_hosts(world: &mut World<'_>) {
    for place in ["github.com/corp/tool", "bitbucket.org/corp/tool"] {
        let mut case = world.at(place, place);
        filled(&mut case);
        let sub = case.go_mod("sub/pkg");
        let mark = case.repository.files(&[("sub/pkg/go.mod", &sub), ("sub/pkg/p.go", "package p\n")]);
        case.repository.tag("sub/pkg/v0.1.0", mark);
        case.ask("v1.0.0 main");
        case.ask_below("sub/pkg", "v0.1.0 main");
        case.ask_below("sub", "main");
        case.ask_of(&format!("{place}.git"), "v1.0.0");
        world.add(case);
    }
    let mut case = world.at("github.com/corp/none", "github.com/corp/gone");
    case.ask("v1.0.0 main");
    case.ask_of("github.com/corp", "v1.0.0");
    world.add(case);
}

/// A path with a `.git` element needs no page.
fn dot_git(world: &mut World<'_>) {
    let mut case = world.at("git.corp.example/deep/group/dotted", "git.corp.example/deep/group/dotted.git");
    filled(&mut case);
    let sub = case.go_mod("sub");
    let mark = case.repository.files(&[("sub/go.mod", &sub), ("sub/p.go", "package p\n")]);
    case.repository.tag("sub/v0.1.0", mark);
    case.ask("v1.0.0 main");
    case.ask_below("sub", "v0.1.0 main");
    world.add(case);
}

/// A company's own name in front of another host's repository.
fn vanity(world: &mut World<'_>) {
    let mut case = world.at("git.corp.example/hidden/vanity", "go.corp.example/vanity");
    filled(&mut case);
    let (sub, two) = (case.go_mod("sub"), case.go_mod("v2"));
    let mark = case.repository.files(&[
        ("sub/go.mod", &sub),
        ("sub/p.go", "package p\n"),
        ("v2/go.mod", &two),
        ("v2/a.go", "package a\n"),
    ]);
    case.repository.tag("sub/v0.1.0", mark);
    case.repository.tag("v2.0.0", mark);
    let url = "https://git.corp.example/hidden/vanity.git";
    world.page_below("go.corp.example/vanity", Page::import("go.corp.example/vanity", "git", url));
    case.ask("v1.0.0 main");
    case.ask_below("sub", "v0.1.0 main");
    case.ask_below("v2", "v2.0.0 main");
    world.add(case);

    // The root of a page may be the whole path, major version included.
    let mut case = world.at("git.corp.example/hidden/second", "go.corp.example/second/v2");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package a\n")]);
    case.repository.tag("v2.1.0", first);
    case.repository.tag("v1.1.0", first);
    let url = "https://git.corp.example/hidden/second.git";
    world.page("go.corp.example/second/v2", Page::import("go.corp.example/second/v2", "git", url));
    case.ask("v2.1.0 v1.1.0 main v2");
    world.add(case);
}

/// The fourth field of a go-import: a folder of the repository stands for the root.
fn folders(world: &mut World<'_>) {
    let mut case = world.at("git.corp.example/hidden/mono", "go.corp.example/mono");
    let (lib, two, inner) = (case.go_mod(""), case.go_mod("v2"), case.go_mod("inner"));
    let first = case.repository.files(&[
        ("README.md", "Not Go.\n"),
        ("LICENSE", "Root.\n"),
        ("src/lib/go.mod", &lib),
        ("src/lib/a.go", "package a\n"),
        ("src/lib/inner/go.mod", &inner),
        ("src/lib/inner/i.go", "package i\n"),
        ("src/lib/v2/go.mod", &two),
        ("src/lib/v2/a.go", "package a\n"),
    ]);
    for tag in ["src/lib/v1.0.0", "src/lib/v2.0.0", "src/lib/inner/v0.1.0", "v1.7.0", "inner/src/lib/v0.4.0"]
    {
        case.repository.tag(tag, first);
    }
    let tip = case.repository.files(&[("src/lib/b.go", "package a\n")]);
    let pseudo = case.pseudo("v1.0.1-0.", tip);
    let url = "https://git.corp.example/hidden/mono.git";
    world.page_below("go.corp.example/mono", Page::import_folder("go.corp.example/mono", url, "src/lib"));
    case.ask(&format!("v1.0.0 v1.7.0 main v1 {pseudo}"));
    case.ask_below("inner", "v0.1.0 v0.4.0 main");
    case.ask_below("v2", "v2.0.0 main");
    world.add(case);
}

fn redirected(world: &mut World<'_>) {
    let mut case = world.at("git.corp.example/hidden/moved", "go.corp.example/moved");
    filled(&mut case);
    let url = "https://git.corp.example/hidden/moved.git";
    world.page(
        "go.corp.example/moved",
        Page::Redirect("https://git.corp.example/hidden/page?go-get=1".to_owned()),
    );
    world.page("git.corp.example/hidden/page", Page::import("go.corp.example/moved", "git", url));
    case.ask("v1.0.0 main");
    world.add(case);

    // The page of a path below names the root, whose own page must agree.
    let mut case = world.at("git.corp.example/hidden/agree", "go.corp.example/agree");
    filled(&mut case);
    let url = "https://git.corp.example/hidden/agree.git";
    let other = "https://git.corp.example/hidden/moved.git";
    world.page("go.corp.example/agree/sub", Page::import("go.corp.example/agree", "git", other));
    world.page("go.corp.example/agree", Page::import("go.corp.example/agree", "git", url));
    case.ask("v1.0.0");
    case.ask_below("sub", "v1.0.0");
    world.add(case);
}

/// A page's name, and what it says for a root.
type Written<'a> = (&'a str, &'a dyn Fn(&str) -> String);

/// Pages as people write them.
fn lenient_pages(world: &mut World<'_>) {
    let url = "https://git.corp.example/hidden/pages.git";
    let mut case = world.at("git.corp.example/hidden/pages", "go.corp.example/pages");
    filled(&mut case);
    let tag = |root: &str| format!("<meta name=\"go-import\" content=\"{root} git {url}\">");
    let pages: [Written<'_>; 14] = [
        ("plain", &|root| format!("<html><head>{}</head></html>", tag(root))),
        ("upper", &|root| format!("<HTML><HEAD><META NAME=\"go-import\" CONTENT='{root} git {url}'></HEAD>")),
        ("bare", &|root| tag(root)),
        ("body", &|root| format!("<html><head></head><body>{}</body></html>", tag(root))),
        ("after-head", &|root| format!("<html><head></head>{}<body></body></html>", tag(root))),
        ("spaces", &|root| format!("<meta name=\"go-import\"\n content=\"  {root}   git\n {url} \"/>")),
        ("unquoted", &|root| format!("<meta name=go-import content=\"{root} git {url}\">")),
        ("comment", &|root| format!("<!-- {} --><title>x</title>", tag(root))),
        ("others", &|root| {
            format!("{}<meta name=\"go-import\" content=\"go.corp.example/zzz git {url}\">", tag(root))
        }),
        ("twice", &|root| format!("{}{}", tag(root), tag(root))),
        ("broken", &|root| format!("<p <b>< &nbsp; <br>{}", tag(root))),
        ("latin", &|root| {
            format!("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><html>{}</html>", tag(root))
        }),
        ("utf16", &|root| format!("<?xml version=\"1.0\" encoding=\"utf-16\"?><html>{}</html>", tag(root))),
        ("hg", &|root| {
            format!("<meta name=\"go-import\" content=\"{root} hg https://git.corp.example/hg\">")
        }),
    ];
    for (name, page) in pages {
        let path = format!("go.corp.example/pages-{name}");
        world.page(&path, Page::Html(page(&path)));
        case.ask_of(&path, "v1.0.0");
    }
    let path = "go.corp.example/pages-status";
    world.page(path, Page::Status(404, tag(path)));
    case.ask_of(path, "v1.0.0");
    world.add(case);
}

/// The major version is in the path's last element, with a dot.
fn gopkg_in(world: &mut World<'_>) {
    let mut case = world.at("gopkg.in/yaml.v2", "gopkg.in/yaml.v2");
    let go_mod = case.go_mod("");
    let old = case.repository.files(&[("a.go", "package yaml\n")]);
    let new = case.repository.files(&[("go.mod", &go_mod)]);
    let tip = case.repository.files(&[("b.go", "package yaml\n")]);
    case.repository.tag("v2.0.0", old);
    case.repository.tag("v2.1.0", new);
    case.repository.tag("v1.0.0", old);
    case.repository.tag("v3.0.0", new);
    let (pseudo, bare) = (case.pseudo("v2.1.1-0.", tip), case.pseudo("v2.0.0-", old));
    let zero = case.pseudo("v0.0.0-", tip);
    case.ask(&format!("v2.0.0 v2.1.0 v1.0.0 v3.0.0 main v2 {pseudo} {bare} {zero}"));
    world.add(case);

    let mut case = world.at("gopkg.in/check.v1", "gopkg.in/check.v1");
    let first = case.repository.files(&[("a.go", "package check\n")]);
    let tip = case.repository.files(&[("b.go", "package check\n")]);
    case.repository.tag("v1.0.0", first);
    let (pseudo, one, zero) =
        (case.pseudo("v1.0.1-0.", tip), case.pseudo("v1.0.0-", tip), case.pseudo("v0.0.0-", tip));
    case.ask(&format!("v1.0.0 main v1 {pseudo} {one} {zero}"));
    world.add(case);

    let mut case = world.at("gopkg.in/bakery.v2-unstable", "gopkg.in/bakery.v2-unstable");
    let go_mod = case.go_mod("");
    let first = case.repository.files(&[("go.mod", &go_mod), ("a.go", "package bakery\n")]);
    case.repository.tag("v2.0.0", first);
    let tip = case.repository.files(&[("b.go", "package bakery\n")]);
    let (pseudo, bare) = (case.pseudo("v2.0.1-0.", tip), case.pseudo("v2.0.0-", tip));
    case.ask(&format!("v2.0.0 main {pseudo} {bare}"));
    world.add(case);
}

/// Paths that lead nowhere.
fn nobody(world: &mut World<'_>) {
    let mut case = world.at("git.corp.example/hidden/nobody", "git.corp.example/team/nobody");
    case.ask("v1.0.0 main");
    case.ask_of("git.corp.example", "v1.0.0");
    case.ask_of("git.corp.example/team", "v1.0.0");
    case.ask_of("go.corp.example/nothing/here", "v1.0.0 main");
    world.add(case);
}
