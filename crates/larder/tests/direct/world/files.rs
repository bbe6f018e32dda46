//! What may be in a module's zip.

use larder_testkit::Commit;

use super::{Case, World};

pub(super) fn build(world: &mut World<'_>) {
    vendored(world);
    links(world);
    submodules(world);
    names(world);
    clashes(world);
    sizes(world);
    licenses(world);
    nested_markers(world);
    ordinary(world);
}

/// Tags a tree of its own that holds a go.mod and these files; returns nothing, the tag is asked for.
fn tree(case: &mut Case, tag: &str, files: &[(&str, &str)]) {
    let go_mod = case.go_mod("");
    let start = Commit::detached().orphan().file("go.mod", go_mod).file("a.go", "package a\n");
    let mark =
        case.repository.commit(files.iter().fold(start, |commit, (path, text)| commit.file(path, text)));
    case.repository.tag(tag, mark);
    case.ask(tag);
}

/// What lies below a vendor folder is left out, a little differently since Go 1.24.
fn vendored(world: &mut World<'_>) {
    let mut case = world.case("vendored");
    let lines =
        ["go 1.23", "go 1.24", "go 1.24rc1", "go 1.23.9", "go 1.24.0", "", "go 1.9", "toolchain go1.24.0"];
    for (number, line) in lines.iter().enumerate() {
        let go_mod = format!("module {}\n\n{line}\n", case.path);
        let mark = case.repository.commit(
            Commit::detached()
                .orphan()
                .file("go.mod", go_mod)
                .file("a.go", "package a\n")
                .file("vendor/modules.txt", "# x\n")
                .file("vendor/x.go", "package vendor\n")
                .file("vendor/example.com/x/x.go", "package x\n")
                .file("sub/vendor/modules.txt", "# x\n")
                .file("sub/vendor/y.go", "package vendor\n")
                .file("sub/vendor/example.com/y/y.go", "package y\n")
                .file("vendored/z.go", "package z\n")
                .file("my-vendor/z.go", "package z\n")
                .file("Vendor/z.go", "package z\n")
                .file("sub/vendor.go", "package sub\n"),
        );
        let tag = format!("v1.{number}.0");
        case.repository.tag(&tag, mark);
        case.ask(&tag);
    }
    world.add(case);

    let mut case = world.case("vendored-below");
    let old = case.go_mod("old").replace("go 1.21", "go 1.23");
    let new = case.go_mod("new").replace("go 1.21", "go 1.24");
    let mut commit = Commit::on("main").file("old/go.mod", old).file("new/go.mod", new);
    for folder in ["old", "new"] {
        for file in ["vendor/modules.txt", "vendor/e/e.go", "in/vendor/x.go", "in/vendor/f/f.go", "x.go"] {
            commit = commit.file(&format!("{folder}/{file}"), "package x\n");
        }
    }
    let mark = case.repository.commit(commit);
    case.repository.tag("old/v1.0.0", mark);
    case.repository.tag("new/v1.0.0", mark);
    case.ask_below("old", "v1.0.0 main");
    case.ask_below("new", "v1.0.0 main");
    world.add(case);
}

fn links(world: &mut World<'_>) {
    let mut case = world.case("links");
    let go_mod = case.go_mod("");
    let start = || Commit::detached().orphan().file("a.go", "package a\n");
    let trees = [
        start()
            .file("go.mod", &go_mod)
            .symlink("link.go", "a.go")
            .symlink("folder", "sub")
            .file("sub/s.go", "package s\n"),
        start()
            .file("go.mod", &go_mod)
            .symlink("LICENSE", "COPYING")
            .file("COPYING", "Do.\n")
            .symlink("gone", "nowhere"),
        start().symlink("go.mod", "real.mod").file("real.mod", &go_mod),
        start().file("go.mod", &go_mod).symlink("sub/go.mod", "../go.mod").file("sub/s.go", "package s\n"),
        start().file("go.mod", &go_mod).symlink("out", "../../../etc/passwd").symlink("root", "/etc/passwd"),
        start().file("go.mod", &go_mod).symlink("vendor", "sub").file("sub/s.go", "package s\n"),
        start().symlink("go.mod", &go_mod),
        start().symlink("go.mod", &format!("module {}", case.path)),
    ];
    for (number, commit) in trees.into_iter().enumerate() {
        let mark = case.repository.commit(commit);
        let tag = format!("v1.{number}.0");
        case.repository.tag(&tag, mark);
        case.ask(&tag);
    }
    world.add(case);
}

fn submodules(world: &mut World<'_>) {
    let mut case = world.case("submodules");
    let (go_mod, other) = (case.go_mod(""), case.go_mod("tools"));
    let hash = "1".repeat(40);
    let modules = "[submodule \"third\"]\n\tpath = third\n\turl = https://git.corp.example/team/third.git\n";
    let mark = case.repository.commit(
        Commit::on("main")
            .file("go.mod", go_mod)
            .file("a.go", "package a\n")
            .file(".gitmodules", modules)
            .submodule("third", &hash)
            .submodule("deep/er", &hash)
            .submodule("tools/third", &hash)
            .file("tools/go.mod", other)
            .file("tools/t.go", "package t\n"),
    );
    case.repository.tag("v1.0.0", mark);
    case.repository.tag("tools/v1.0.0", mark);
    case.repository.tag("third/v1.0.0", mark);
    case.ask("v1.0.0 main");
    case.ask_below("tools", "v1.0.0 main");
    case.ask_below("third", "v1.0.0 main");
    world.add(case);
}

/// Names that Go accepts in a module, and those that it doesn't.
fn names(world: &mut World<'_>) {
    let mut case = world.case("names");
    let good = [
        "naïve.go",
        "日本語.txt",
        "with space.txt",
        "ÄÖ/ü.go",
        "a+b=c.txt",
        "x(1).txt",
        "~tilde",
        "under_score",
        "#hash#",
        "$d",
        "%p",
        "&x",
        "{b}",
        "[s]",
        "q!",
        "at@x",
        "c,omma",
        ".hidden/.x",
        "-dash",
        "x.~1",
        "..dots",
        "dots...x",
    ];
    let content: Vec<(&str, &str)> = good.iter().map(|name| (*name, "text\n")).collect();
    tree(&mut case, "v1.0.0", &content);
    let bad = [
        "colon:x",
        "star*",
        "quest?",
        "less<",
        "pipe|",
        "quote\"x",
        "back\\slash",
        "single'x",
        "semi;x",
        "back`tick",
        "con",
        "aux.txt",
        "COM1.go",
        "dir/nul.x/y.go",
        "trailing.",
        "dir./x.go",
        "tab\tx",
        "del\u{7f}",
        "e\u{301}.txt",
        "emoji😀.txt",
        "zero\u{200b}.txt",
        "½.txt",
        "foo~1.txt",
        "sp ",
        "³.txt",
        "ª.txt",
        "²x",
        "…",
        "conin$",
        "com¹",
    ];
    for (number, name) in bad.iter().enumerate() {
        tree(&mut case, &format!("v1.1.{number}"), &[(name, "text\n")]);
    }
    // Below a nested module nobody minds.
    let nested = case.go_mod("n");
    tree(
        &mut case,
        "v1.2.0",
        &[("n/go.mod", &nested), ("n/star*", "x\n"), ("n/README", "1\n"), ("n/readme", "2\n")],
    );
    case.ask_below("n", "v1.2.0");
    world.add(case);
}

fn clashes(world: &mut World<'_>) {
    let mut case = world.case("clashes");
    let trees: [&[(&str, &str)]; 12] = [
        &[("README", "1\n"), ("readme", "2\n")],
        &[("dir/a.txt", "1\n"), ("DIR/b.txt", "2\n")],
        &[("straße", "1\n"), ("STRASSE", "2\n")],
        &[("k", "1\n"), ("\u{212a}", "2\n")],
        &[("s", "1\n"), ("\u{17f}", "2\n")],
        &[("σ", "1\n"), ("ς", "2\n")],
        &[("ß", "1\n"), ("ẞ", "2\n")],
        &[("i", "1\n"), ("İ", "2\n")],
        &[("vendor/x/README", "1\n"), ("vendor/x/readme", "2\n")],
        &[("GO.MOD", "module x\n")],
        &[("x", "1\n"), ("X/y", "2\n")],
        &[("license", "1\n"), ("LICENSE", "2\n")],
    ];
    for (number, files) in trees.iter().enumerate() {
        tree(&mut case, &format!("v1.{number}.0"), files);
    }
    world.add(case);
}

/// 16 MiB is the limit for a go.mod and a LICENSE.
fn sizes(world: &mut World<'_>) {
    let mut case = world.case("sizes");
    let limit = 16 << 20;
    let big = |length: usize| "x".repeat(length);
    tree(&mut case, "v1.0.0", &[("LICENSE", &big(limit))]);
    tree(&mut case, "v1.0.1", &[("LICENSE", &big(limit + 1))]);
    tree(&mut case, "v1.0.2", &[("sub/LICENSE", &big(limit + 1))]);
    let go_mod = case.go_mod("");
    let padded = |length: usize| format!("{go_mod}// {}\n", big(length - go_mod.len() - 4));
    tree(&mut case, "v1.1.0", &[("go.mod", &padded(limit))]);
    tree(&mut case, "v1.1.1", &[("go.mod", &padded(limit + 1))]);
    tree(&mut case, "v1.2.0", &[("big.bin", &big(limit * 2))]);
    let nested = case.go_mod("sub");
    tree(&mut case, "v1.3.0", &[("sub/go.mod", &nested), ("LICENSE", &big(limit + 1))]);
    case.repository.git(&["status"].map(|_| "--version"));
    case.ask_below("sub", "main");
    world.add(case);
}

/// A module below the root inherits the root's LICENSE, byte for byte, unless it has one.
fn licenses(world: &mut World<'_>) {
    let mut case = world.case("licenses");
    let hash = "2".repeat(40);
    let go_mod = case.go_mod("sub");
    let start = || Commit::detached().orphan().file("sub/go.mod", &go_mod).file("sub/s.go", "package s\n");
    let trees = [
        start().file("LICENSE", "Root.\n"),
        start().file("LICENSE", "Root.\n").file("sub/LICENSE", "Own.\n"),
        start().file("LICENSE", "Root\nof two lines.\n").file(".gitattributes", "* text eol=crlf\n"),
        start().symlink("LICENSE", "COPYING").file("COPYING", "Linked.\n"),
        start().file("LICENSE/MIT", "A folder.\n"),
        start().submodule("LICENSE", &hash),
        start().file("LICENSE", "Root.\n").file("sub/LICENSE/MIT", "A folder.\n"),
        start().file("LICENSE", "Root.\n").symlink("sub/LICENSE", "../LICENSE"),
        start().file("LICENSE", "Root.\n").file("sub/license", "Small.\n"),
        start().file("License", "Other case.\n").file("COPYING", "Copy.\n").file("LICENSE.md", "Mark.\n"),
        start().executable("LICENSE", "Runs.\n"),
        start().file("LICENSE", "").file("sub/x/LICENSE", "Deeper.\n"),
        start().file("LICENSE", "$Id$\n").file(".gitattributes", "LICENSE ident filter=lfs export-ignore\n"),
    ];
    for (number, commit) in trees.into_iter().enumerate() {
        let mark = case.repository.commit(commit);
        case.repository.tag(&format!("sub/v1.{number}.0"), mark);
        case.ask_below("sub", &format!("v1.{number}.0"));
    }
    world.add(case);
}

/// Which folders are modules of their own and so no part of this one.
fn nested_markers(world: &mut World<'_>) {
    let mut case = world.case("nested-markers");
    let go_mod = case.go_mod("");
    let start = || Commit::detached().orphan().file("go.mod", &go_mod).file("a.go", "package a\n");
    let trees = [
        start().file("n/go.mod", "").file("n/x.go", "package n\n"),
        start().file("n/GO.MOD", "").file("n/x.go", "package n\n"),
        start().file("n/Go.mod", "module x\n").file("n/x.go", "package n\n"),
        start().file("n/go.mod/x.go", "package n\n").file("n/y.go", "package n\n"),
        start()
            .file("go.mod.d/x", "1\n")
            .file("n/go.sum", "\n")
            .file("go.work", "go 1.21\n")
            .file("go.sum", ""),
        start().file("n/vendor/go.mod", "module v\n").file("n/vendor/v.go", "package v\n"),
        start().file("vendor/m/go.mod", "module v\n").file("vendor/m/v.go", "package v\n"),
        start()
            .file("testdata/go.mod", "module t\n")
            .file("testdata/t.go", "package t\n")
            .file("_x/y.go", "package y\n"),
        start().file(".hg_archival.txt", "x\n").file("sub/.hg_archival.txt", "x\n").file(".gitignore", "*\n"),
    ];
    for (number, commit) in trees.into_iter().enumerate() {
        let mark = case.repository.commit(commit);
        case.repository.tag(&format!("v1.{number}.0"), mark);
        case.ask(&format!("v1.{number}.0"));
    }
    world.add(case);
}

fn ordinary(world: &mut World<'_>) {
    let mut case = world.case("ordinary");
    let go_mod = case.go_mod("");
    let mut commit = Commit::on("main").file("go.mod", go_mod).executable("build.sh", "#!/bin/sh\nexit 0\n");
    commit = commit.file("empty.txt", "").file("bin.dat", (0..=255_u8).collect::<Vec<u8>>());
    commit = commit.file("crlf.txt", "one\r\ntwo\r\n").file("mixed.txt", "one\r\ntwo\nthree\r");
    commit = commit.file("no-newline", "end").file("nul.txt", "a\0b\n");
    for number in 0..400 {
        commit = commit
            .file(&format!("p{}/f{number}.go", number % 20), format!("package p\n\nconst F{number} = 1\n"));
    }
    let mark = case.repository.commit(commit);
    case.repository.tag("v1.0.0", mark);
    case.ask("v1.0.0 main");
    world.add(case);
}
