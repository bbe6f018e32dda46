//! Attributes that change the bytes that git archives, and those that the go command switches off.

use larder_testkit::Commit;

use super::World;

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:\
                       4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

pub(super) fn build(world: &mut World<'_>) {
    each(world);
    above_a_module(world);
    macros(world);
}

/// Files whose bytes tell what was done to them.
fn marked(commit: Commit) -> Commit {
    commit
        .file("a.go", "package a\n\n// $Id$\n// $Id: old $\n// $Format:%H$\n")
        .file("text.txt", "one\ntwo\n$Id$\n$Format:%H %ad$\n")
        .file("crlf.txt", "one\r\ntwo\r\n")
        .file("mixed.txt", "one\r\ntwo\n")
        .file("data.bin", b"\x00\x01\n\x02\r\n\xff".as_slice())
        .file("utf16.txt", "één\n")
        .file("big.psd", POINTER)
        .file("skip/me.txt", "left out?\n")
        .file("sub/deeper/x.txt", "one\ntwo\n")
}

fn each(world: &mut World<'_>) {
    let mut case = world.case("attributes");
    let go_mod = case.go_mod("");
    let attributes = [
        "* text eol=crlf\n",
        "* text=auto eol=crlf\n",
        "* text=auto\n",
        "*.txt text\n",
        "*.txt crlf\n",
        "*.txt -text\ncrlf.txt text eol=lf\n",
        "*.go ident\ntext.txt ident eol=crlf\n",
        "utf16.txt working-tree-encoding=UTF-16\n",
        "utf16.txt working-tree-encoding=UTF-16LE eol=crlf\n",
        "text.txt working-tree-encoding=ISO-8859-1 text\n",
        "utf16.txt working-tree-encoding=no-such-encoding\n",
        "skip export-ignore\n*.go export-ignore\n",
        "* export-subst\n",
        "*.psd filter=lfs diff=lfs merge=lfs -text\n",
        "* filter=lfs eol=crlf\n",
        "go.mod text eol=crlf\n",
        "go.mod ident export-ignore\n",
        "sub/** eol=crlf\n[attr]strange ident\n*.txt strange\n",
        "* binary\n",
        "*.txt text eol=CRLF\n",
        "* !text eol=crlf\nmixed.txt text=auto eol=crlf\n",
        "\"text.txt\" eol=crlf\n/a.go eol=crlf\n!crlf.txt eol=crlf\n",
    ];
    for (number, text) in attributes.iter().enumerate() {
        let commit = Commit::detached().orphan().file("go.mod", format!("{go_mod}// $Id$\n"));
        let mark = case.repository.commit(marked(commit).file(".gitattributes", text));
        case.repository.tag(&format!("v1.{number}.0"), mark);
        case.ask(&format!("v1.{number}.0"));
    }
    let deeper = Commit::detached()
        .orphan()
        .file("go.mod", &go_mod)
        .file(".gitattributes", "*.txt eol=crlf\n")
        .file("sub/.gitattributes", "*.txt -text\n")
        .file("sub/deeper/.gitattributes", "x.txt eol=crlf ident\n");
    let linked = Commit::detached().orphan().file("go.mod", &go_mod).symlink(".gitattributes", "attributes");
    for (number, commit) in [deeper, linked.file("attributes", "* eol=crlf\n")].into_iter().enumerate() {
        let mark = case.repository.commit(marked(commit));
        case.repository.tag(&format!("v2.{number}.0"), mark);
        case.repository.tag(&format!("v1.{number}.1"), mark);
        case.ask(&format!("v1.{number}.1"));
    }
    world.add(case);
}

/// Attributes of a folder above the module count; those of the repository's own settings don't travel.
fn above_a_module(world: &mut World<'_>) {
    let mut case = world.case("attributes-above");
    let go_mod = case.go_mod("mods/one");
    let attributes = [
        "* text eol=crlf\n",
        "*.go ident\nmods/one/text.txt eol=crlf\n",
        "mods/one/*.txt working-tree-encoding=UTF-16\n",
        "mods export-ignore\nmods/one export-ignore\n",
        "*.psd filter=lfs diff=lfs merge=lfs -text\n",
        "go.mod eol=crlf\n",
    ];
    for (number, text) in attributes.iter().enumerate() {
        let mark = case.repository.commit(
            Commit::detached()
                .orphan()
                .file(".gitattributes", text)
                .file("LICENSE", "one\ntwo\n$Id$\n")
                .file("mods/one/go.mod", &go_mod)
                .file("mods/one/a.go", "package a\n\n// $Id$\n")
                .file("mods/one/text.txt", "one\ntwo\n")
                .file("mods/one/big.psd", POINTER)
                .file("mods/two/x.txt", "one\n"),
        );
        case.repository.tag(&format!("mods/one/v1.{number}.0"), mark);
        case.ask_below("mods/one", &format!("v1.{number}.0"));
    }
    let between = Commit::detached()
        .orphan()
        .file("mods/.gitattributes", "*.txt eol=crlf\n")
        .file("mods/one/.gitattributes", "a.go eol=crlf\n")
        .file("mods/one/go.mod", &go_mod)
        .file("mods/one/a.go", "package a\n")
        .file("mods/one/text.txt", "one\ntwo\n");
    let mark = case.repository.commit(between);
    case.repository.tag("mods/one/v1.9.0", mark);
    case.ask_below("mods/one", "v1.9.0");
    world.add(case);
}

/// Macros are defined at the top only, and may carry anything.
fn macros(world: &mut World<'_>) {
    let mut case = world.case("attributes-macros");
    let go_mod = case.go_mod("");
    let attributes = [
        "[attr]dos text eol=crlf\n*.txt dos\n",
        "[attr]secret export-ignore\nskip secret\n[attr]stamped ident export-subst\n*.go stamped\n",
        "[attr]large filter=lfs -text\n*.psd large\n*.txt -large eol=crlf\n",
        "[attr]binary eol=crlf text\n*.txt binary\n",
        "[attr]a b\n[attr]b eol=crlf text\n*.txt a\n",
    ];
    for (number, text) in attributes.iter().enumerate() {
        let commit = Commit::detached().orphan().file("go.mod", &go_mod).file(".gitattributes", text);
        let mark = case
            .repository
            .commit(marked(commit).file("sub/.gitattributes", "[attr]late eol=crlf\n* late\n"));
        case.repository.tag(&format!("v1.{number}.0"), mark);
        case.ask(&format!("v1.{number}.0"));
    }
    world.add(case);
}
