//! Rules of go.mod files as tables.

use super::*;

fn lax(text: &str) -> Option<GoMod> {
    GoMod::parse_lax(text.as_bytes()).ok()
}

#[test]
fn a_dependency() {
    let text = r#"// A module.
//
// Deprecated: use
// example.com/b instead.
//
// More.
module "example.com/a" // Deprecated: not this

go 1.21.x
toolchain nonsense
require example.com/x v1.2 // indirect
require (
	example.com/y/v2 v2.0.0+meta // indirect; soon
	example.com/z v1.0.0 // not indirect
)
replace example.com/x => nonsense
exclude nonsense
retract (
	v1.0.0 // broken

	// Both.
	[v1.1.0, v1.2.0]
	v1 extra
	[v1.1.0
)
"#;
    let file = lax(text).expect("sound");
    assert_eq!(file.module.as_deref(), Some("example.com/a"));
    assert_eq!(file.deprecated, "use\nexample.com/b instead.");
    assert_eq!(file.go.as_deref(), Some("1.21"));
    let require: Vec<_> =
        file.require.iter().map(|line| (&*line.path, &*line.version, line.indirect)).collect();
    assert_eq!(
        require,
        [
            ("example.com/x", "v1.2.0", true),
            ("example.com/y/v2", "v2.0.0", true),
            ("example.com/z", "v1.0.0", false),
        ]
    );
    let retract: Vec<_> =
        file.retract.iter().map(|line| (&*line.low, &*line.high, &*line.rationale)).collect();
    assert_eq!(retract, [("v1.0.0", "v1.0.0", "broken"), ("v1.1.0", "v1.2.0", "Both."), ("v1", "v1", "")]);
    assert!(file.toolchain.is_none() && file.replace.is_empty() && file.exclude.is_empty());
}

#[test]
fn what_lenient_reading_still_refuses() {
    for bad in [
        "module a\nmodule b",
        "go 1.21\ngo 1.22",
        "go abc",
        "module",
        "module `a`",
        "module 'a'",
        "require a",
        "require a master",
        "require a v2.0.0",
        "require a/v1 v1.0.0",
        "ignore",
        "ignore a b",
        "unknown /* x */",
        "unknown \"",
        "unknown \u{7}",
        "unknown `a\n`",
        "unknown (\n",
        "unknown (\n) x",
        "\u{feff}module a",
    ] {
        assert!(lax(bad).is_none(), "{bad:?}");
    }
    for good in [
        "",
        "go (\n1.21\n2\n)",
        "require x (\na\n)",
        "unknown ( ) x",
        "tool",
        "replace a",
        "foo \"\\q\"",
        "(",
        "x // y",
    ] {
        assert!(lax(good).is_some(), "{good:?}");
    }
}

#[test]
fn a_comment_behind_a_word_of_two_lines_goes_to_an_earlier_line() {
    let file = lax("require a v1.0.0\nunknown \"x\\\ny\" // indirect\n").expect("sound");
    assert!(file.require[0].indirect);
}

#[test]
fn block_comments_count_for_lines_without_their_own() {
    let file = lax("// Deprecated: old\nmodule (\n\ta\n)\n").expect("sound");
    assert_eq!((file.module.as_deref(), &*file.deprecated), (Some("a"), "old"));
    let file = lax("// why\nretract (\n\tv1.0.0\n\n\tv1.1.0\n\tv1.2.0\n)\n").expect("sound");
    let rationales: Vec<_> = file.retract.iter().map(|line| &*line.rationale).collect();
    assert_eq!(rationales, ["why", "", "why"], "a blank line above counts as an own comment");
}

#[test]
fn a_main_module() {
    let text = "module a\ngo 1.24\ntoolchain go1.24.1\ngodebug (\n\tx=y\n)\ntool a/cmd/t\nignore ./node_modules\nexclude b v1.0.0\nreplace (\n\tb => ../b\n\tc v1.0.0 => d v1.1\n)\nretract [v1.0.0, v1.1.0]\n";
    let file = GoMod::parse_strict(text.as_bytes()).expect("sound");
    assert_eq!(file.toolchain.as_deref(), Some("go1.24.1"));
    assert_eq!((&*file.godebug[0].key, &*file.godebug[0].value), ("x", "y"));
    assert_eq!((&*file.tool[0], &*file.ignore[0]), ("a/cmd/t", "./node_modules"));
    assert_eq!((&*file.replace[1].new_path, &*file.replace[1].new_version), ("d", "v1.1.0"));
    for bad in [
        "unknown x",
        "unknown (\n)",
        "require x (\n)",
        "go 1.21.x",
        "toolchain 1.21",
        "godebug x",
        "godebug \"x=y\"",
        "retract v1.0.0 x",
        "retract [v1.0.0",
        "replace a => b",
        "replace a => b@v1.0.0",
        "replace a => .\\b",
        "replace a => ./b v1.0.0",
        "replace a v2.0.0 => ./b",
        "exclude a v1",
        "exclude a master",
    ] {
        let refused = GoMod::parse_strict(bad.as_bytes()).is_err();
        assert_eq!(refused, bad != "exclude a v1", "{bad:?}");
    }
}

#[test]
fn a_late_comment_finds_its_line_behind_others() {
    let file = lax("retract v1.0.0\nretract v2.0.0 \"x\\\ny\" // why\n").expect("sound");
    let rationales: Vec<_> = file.retract.iter().map(|line| &*line.rationale).collect();
    assert_eq!(rationales, ["why", ""]);
    let file = lax("require a v1.0.0\n\n// alone\n\nunknown \"x\\\ny\" // indirect\n").expect("sound");
    assert!(!file.require[0].indirect, "the comment above stands between");
}

#[test]
fn lines_of_a_block_share_its_comment() {
    let text = format!("// {}\nretract (\n{})\n", "x".repeat(100_000), "v1.0.0\n".repeat(10_000));
    let file = lax(&text).expect("sound");
    assert!(Arc::ptr_eq(&file.retract[0].rationale, &file.retract[9_999].rationale));
}

#[test]
fn a_file_of_nothing_but_errors_tells_ten() {
    let error = GoMod::parse_lax("go\n".repeat(100_000).as_bytes()).expect_err("go takes an argument");
    assert_eq!(error.0.len(), 10);
}

#[test]
fn only_the_first_words_of_a_line_are_kept() {
    for words in [7, 8, 9, 1000] {
        let many = "x ".repeat(words);
        for bad in [format!("go {many}"), format!("require {many}"), format!("require (\n{many}\n)")] {
            assert!(lax(&bad).is_none(), "{words}");
        }
        let good = format!(
            "retract v1.0.0 {many}\nunknown {many}\n{many} (\nx\n)\n{many} ()\nretract [v1.1.0, v1.2.0] {many}\n"
        );
        assert_eq!(lax(&good).expect("lenient").retract.len(), 2, "{words}");
        assert!(GoMod::parse_strict(format!("retract v1.0.0 {many}").as_bytes()).is_err(), "{words}");
    }
}

#[test]
fn comments_above_are_told_without_what_lies_between() {
    let text = "retract (\n\tv0.9.0\n\n\t//a\r\n\n \t// b //c \n\n\n//\t\nv1.0.0 // d\n)\n";
    assert_eq!(&*lax(text).expect("sound").retract[1].rationale, "a\nb //c\n\nd");
}
