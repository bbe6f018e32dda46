//! What names, versions and files are made of that the mutations start from.

pub(super) const PATH_OPERATIONS: &[&str] = &[
    "check_path", "check_import_path", "check_file_path", "escape_path", "unescape_path", "escape_version",
    "unescape_version", "split_path_version",
];

pub(super) const VERSION_OPERATIONS: &[&str] = &[
    "canonical_version", "semver_valid", "semver_canonical", "semver_major", "semver_major_minor",
    "semver_prerelease", "semver_build", "is_pseudo", "pseudo_time", "pseudo_rev", "pseudo_base",
    "escape_version", "unescape_version",
];

pub(super) const FILE_OPERATIONS: &[&str] = &[
    "gomod", "gomod_strict", "gowork",
];

pub(super) const INFOS: &[&str] = &[
    "", "null", "[]", "{}", r#"{"Version":"v1.0.0"}"#,
    r#"{"Version":"v1.0.0","Time":"2020-01-02T03:04:05Z"}"#,
    r#"{"version":"v1.2.3","TIME":"2020-01-02T03:04:05.5+01:00","x":[1,{"y":null}]}"#,
    r#"{"Version":null,"Version":"v1.0.0","Version":null}"#, r#"{"Version":"v1.0.0","Time":null}"#,
    r#"{"Version":"v1.0.0","Time":""}"#, r#"{"Version":"v1.0.0","Time":"0001-01-01T00:00:00Z"}"#,
    r#"{"Version":"v1.0.0","Time":"2020-01-02T03:04:05\u005a"}"#,
    r#"{"Version":"v1.0.0","Origin":{"VCS":"git","URL":"x","Hash":null,"Ref":"y"}}"#,
    r#"{"Version":"v1.0.0","Origin":{"VCS":1}}"#, r#"{"Version":"v1.0.0","Origin":null}"#,
    r#"{"Version":"v1.0.0","Origin":[]}"#, "{\"Ver\u{17f}ion\":\"v1.0.0\"}", r#"{"Version":"v1\u002e0.0"}"#,
    r#" {"Version" : "v1.0.0" } "#, r#"{"Version":"v1.0.0"} {}"#, r#"{"Version":1}"#,
    r#"{"Version":"v1.0.0+incompatible","Name":"x","Short":1}"#, r#"{"Version":"master"}"#, "<!DOCTYPE html>",
];

pub(super) const LISTS: &[&str] = &[
    "", ",", " ", "direct", "off", "direct,%%", "off|x", "none", "noproxy", "https://a.example.com,direct",
    "a.example.com|b.example.com/x,off", " a.example.com , | ,direct", "localhost:3000", "a:1|https://b/|",
    "/srv/go", "file:///srv/go,direct", "x:/y", "Direct", "a.b,direct ", "*.x", "http:", "https:|.",
];

/// What may follow `http`.
pub(super) const URLS: &[&str] = &[
    "s://proxy.example.com", "s://proxy.example.com/a/b%20c?x=y#z", "://user:p%40ss@proxy.example.com:3000/",
    "S://A.example.com", "://[::1]:3000", "://[fe80::1%25en0]:80/", "://[fe80::1%25]/", "://[::ffff:1.2.3.4]",
    "://[1.2.3.4]", "://[::1", "://a:1:2", "://a:", "://a:x", "://:80", "://", ":a", "s:/a", "s:///a", "",
    "x://a", "-://a", ".a", "/a", "@a", ":", "%", "s:///", "://%41.b", "://%ff.b", "://a b", "://a/b c",
    "://a\u{7f}", "://a@b@c", "://a[b", "://a^b", "://<a>", "://a?x@b", "://a#b@c", "s:a%zz", "s:a#%zz",
    "://[::1%2541]", "://[::1%25%20x]", "://[::1%25%ff]", "://é", "://a/%2", "://u%2@a", "://a#%2", "://a?%2",
    "://[::1]x", "://x[::1]", "://[::1%25a%25]",
];

/// What may follow `file:`.
pub(super) const FILE_URLS: &[&str] = &[
    "///srv/go", "/srv/go", "//host/srv", "//", "///srv?", "///srv?x", "///srv#", "///srv#x", "///%zz", "srv",
    "//@/srv", "//:80/srv", "", "////srv",
];

pub(super) const PATHS: &[&str] = &[
    "", "/", ".", "..", "-", "a", "a.b", "a.b/", "/a.b", "a.b//c", "a.b/c", "A.b/c", "a.b/C", "-a.b/c",
    "a.b/-c", "example.com/a/v1", "example.com/a/v2", "example.com/a/v02", "example.com/a/v2.0",
    "example.com/a/v0", "example.com/v2", "example.com/a/v", "example.com/a/v10",
    "example.com/a/v99999999999999999999", "example.com/a/v2/", "v2", "/v2", "x/v2", "gopkg.in/yaml.v2",
    "gopkg.in/yaml.v0", "gopkg.in/yaml.v00", "gopkg.in/yaml.v01", "gopkg.in/yaml.v1-unstable",
    "gopkg.in/yaml", "gopkg.in/yaml.v", "gopkg.in/yaml.v-unstable", "gopkg.in/.v1", "gopkg.in/a/yaml.v2",
    "gopkg.in/", "gopkg.in/yaml.v2/v3", "gopkg.in", "github.com/BurntSushi/toml",
    "github.com/!burnt!sushi/toml", "github.com/!Burnt", "github.com/!!a", "github.com/a!", "github.com/!1",
    "example.com/con", "example.com/CON.txt", "example.com/aux.x.y", "example.com/com1", "example.com/com0",
    "example.com/COM10", "example.com/lpt9.", "example.com/nul~1", "example.com/a~1", "example.com/a~1.txt",
    "example.com/a~", "example.com/~1", "example.com/a~1~x", "example.com/a.~1", "example.com/.a",
    "example.com/a.", "example.com/...", "example.com/a+b", "example.com/a b", "example.com/a@b",
    "example.com/é", "example.com/\u{212a}", "example.com:80/a", "example_com.x/a", "1.2/3",
    "golang.org/toolchain", "rsc.io/quote/v3", "example.com/a/v2-unstable", "example.com/a.v2", "localhost/a",
    "a.b/c\\d", "a.b/%20", "a.b/\u{0}", "con.x/a", "a.b/prn",
];

pub(super) const FILES: &[&str] = &[
    "go.mod", "a/b.txt", "a//b", "a/", "/a", "é.go", "日本/x", "a\u{301}", "Ⅷ", "ª", "a b", "a'b", "a\"b",
    "a*b", "a:b", "a<b", "a|b", "a?b", "a`b", "a\\b", "!#$%&()+,-.=@[]^_{}~ ", "-a", ".a", "a.", ".", "..",
    "...", "a/../b", "CON", "con.go", "a~1", "a/nul.x/b", "LPT1.tar.gz", "com\u{b9}", "\u{17f}", "\u{1e9e}",
    "\u{31350}", "\u{323b0}", "\u{fffd}", "a\nb", "a\u{7f}b", "²",
];

pub(super) const VERSIONS: &[&str] = &[
    "", "v", "v0", "v1", "v1.2", "v1.2.3", "v01.2.3", "v1.02.3", "v1.2.03", "v1.2.3-pre", "v1.2.3-pre.1",
    "v1.2.3-0", "v1.2.3-01", "v1.2.3-0a", "v1.2.3-a..b", "v1.2.3-", "v1.2.3+", "v1.2.3+meta",
    "v1.2.3+meta.01", "v1.2.3-pre+meta", "v1.2.3+a+b", "v1.2.3+incompatible", "v2.0.0+incompatible",
    "v2.0.0-rc.1+incompatible", "v2.3.4", "v1.2+meta", "v1-pre", "1.2.3", "V1.2.3", "v1.2.3.4", "v1.2.",
    "v1.", "v.1", "v1.2.3 ", " v1.2.3", "v1.2.3-é", "v18446744073709551616.0.0",
    "v1.2.3-18446744073709551616", "master", "latest", "v1.2.3-RC1", "v1.2.3-!r!c1", "v1.2.3-rc.10",
    "v1.2.3-rc.9", "v1.2.3-rc-9", "v1.2.3-9.rc", "v1.2.3--", "v1.2.3---", "v0.0.0", "v0.0.0-", "v0.0.0-x!",
    "v10.0.0", "v2.0.0", "v1.0.0-alpha.beta", "v1.0.0-alpha.1", "v1.0.0+incompatible",
];

pub(super) const PSEUDO_VERSIONS: &[&str] = &[
    "v0.0.0-20200101000000-abcdef123456", "v1.0.0-20200101000000-abcdef123456",
    "v2.0.0-20200101000000-abcdef123456", "v1.2.0-20200101000000-abcdef123456",
    "v1.2.4-0.20200101000000-abcdef123456", "v1.2.0-0.20200101000000-abcdef123456",
    "v1.2.100-0.20200101000000-abcdef123456", "v1.2.10-0.20200101000000-abcdef123456",
    "v1.2.1-0.20200101000000-abcdef123456", "v1.2.3-pre.0.20200101000000-abcdef123456",
    "v1.2.3-pre.20200101000000-abcdef123456", "v1.2.3-0.0.20200101000000-abcdef123456",
    "v2.2.4-0.20200101000000-abcdef123456+incompatible", "v2.0.0-20200101000000-abcdef123456+incompatible",
    "v2.3.4-pre.0.20200101000000-abcdef123456+incompatible", "v1.2.4-0.20200101000000-abcdef123456+meta.1",
    "v0.0.0-20201301000000-abcdef123456", "v0.0.0-20200230000000-abcdef123456",
    "v0.0.0-20000229246060-abcdef123456", "v0.0.0-00010101000000-000000000000", "v0.0.0-00000101000000-0",
    "v0.0.0-19000229000000-a", "v0.0.0-2020010100000-abcdef123456", "v0.0.0-202001010000000-abcdef123456",
    "v0.0.0-20200101000000-", "v0.0.0-20200101000000-abc-def", "v0.0.0-20200101000000",
    "v0.0.0-20200101000000-abc.def", "v1.2.3-20200101000000-abcdef123456",
    "v1.2.3-a-b.0.20200101000000-abcdef123456", "v1.0.18446744073709551616-0.20200101000000-abc",
    "v1-20200101000000-abc", "v1.0.0-0.20200101000000-ABC", "v1.0.0-x.00.20200101000000-abc",
    "v1.0.0-.0.20200101000000-abc",
];

pub(super) const MAJORS: &[&str] = &[
    "", "/", ".", "/v1", "/v2", "/v3", "/v0", "/v02", ".v0", ".v1", ".v2", ".v1-unstable", ".v2-unstable",
    "/v2-unstable", "v2", "-unstable", ".v-unstable", "/v10", ".v", "v0 or v1",
];

pub(super) const GLOBS: &[&str] = &[
    "", ",", "*", "*/*", "?", "example.com", "example.com/", "example.com//", "/example.com", "example.com/*",
    "*.example.com", "*.com/a?c", "example.com/[a-c]*", "[^x]*", "[!x]*", "[]a]", "[a-]", "[-a]", "[a", "a[",
    "a\\", "\\*", "[\\]]", "[a-c-e]", "é?", "[é-ü]", "a*b*c", "**", "*x*", "x,example.com", "[,example.com",
    "example.com,[", " example.com", "*,", "a/b/c", "git.*/x", "[[]a", "[*]", "*[", "*\\",
];

pub(super) const TARGETS: &[&str] = &[
    "", "/", "example.com", "example.com/", "example.com/a", "example.com/abc/d", "git.example.com/a/b", "a",
    "a/b", "a/b/c", "abc", "axbxc", "ab", "b", "]", "-", "!x", "*", "[", "é", "éü", "x/y/z", "aaaa/bbbb",
    "\\", "\u{fffd}", "日/本",
];

pub(super) const TIMES: &[&str] = &[
    "2020-01-02T03:04:05Z", "2020-01-02T03:04:05+01:00", "2020-12-31T23:59:59-24:60",
    "0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2020-02-29T00:00:00Z", "2019-02-29T00:00:00Z",
    "2020-01-02T3:04:05Z", "2020-01-02T03:04:05,5Z", "2020-01-02T03:04:05.123456789123Z",
    "2020-01-02T03:04:60Z", "2020-01-02T24:04:05Z", "2020-13-02T03:04:05Z", "2020-00-02T03:04:05Z",
    "2020-01-00T03:04:05Z", "2020-1-02T03:04:05Z", "2020-01-02 03:04:05Z", "2020-01-02T03:04:05",
    "2020-01-02T03:04:05z", "", "1900-02-29T00:00:00Z", "2000-02-29T00:00:00.Z", "2020-01-02T03:04:05+0100",
    "2020-01-02T03:04:05 01:00", "2020-01-02T03:04:05Z ",
];

pub(super) const PIECES: &[&str] = &[
    "/v2", ".v2", "-unstable", "+incompatible", "v0.0.0-", "-0.", ".0.", "20200101000000", "con", "~1", "!",
    "!a", "..", "//", "/*", "\\\"", "\"", "`", "[^", "[", "]", "(", ")", "=>", ",", "\n\n", "// ",
    "Deprecated:", "indirect", "v1.2.3", " ", "0", "9", "00", "*",
];

pub(super) const BLOCKS: &[&str] = &[
    "require (\n", "retract (\n", "module (\n", "// why\nretract (\n", "// Deprecated: b\nmodule ( // c\n",
    "ignore (\n", "go (\n", "tool(\n", "godebug (\n", "use (\n", "replace (\n", "exclude (\n",
    "replace ( // x\n", "require x (\n", "foo (\n", "require (// indirect\n", "require ( )\n",
    "require () x\n", "( (\n",
];

pub(super) const GO_MODS: &[&str] = &[
    "module example.com/a\n\ngo 1.21\n\nrequire (\n\texample.com/b v1.2.3\n\texample.com/c/v2 v2.0.0 // indirect\n)\n",
    "// Deprecated: use example.com/b.\nmodule example.com/a\n",
    "// First.\n//\n// Deprecated: use\n// example.com/b.\n//\n// Last.\nmodule example.com/a // and\n",
    "module example.com/a\n\n// Published by accident.\nretract v1.0.0\n\nretract (\n\t[v1.1.0, v1.2.0] // broken\n\n\t// too old\n\tv0.1.0\n\tv0.2.0\n)\n",
    "module example.com/a\nreplace example.com/b => ../b\nexclude example.com/b v1.0.0\ntoolchain go1.21.1\ntool example.com/b/cmd/c\nignore ./x\n",
    "require a v1.0.0\nunknown \"x\\\ny\" // indirect\n",
    "// lone\n\nunknown \"x\\\ny\" // indirect\nmodule a // z\n",
    "retract (\n\n\tv1.0.0\n\n\n\t// a\n\n\t// b\n\tv1.1.0 // c\n\n)\n// tail",
    "module \"example.com/\\u0061\"\r\n// x\r\ngo 1.21.x\r\n",
];

pub(super) const GO_MOD_LINES: &[&str] = &[
    "", "module example.com/a", "module \"a b\"", "module `a`", "module 'a'", "module a b", "module",
    "module a//b", "module a/*b*/", "module (", ")", "(", "go 1.21", "go 1.21.0", "go 1.21rc1", "go 1.21.x",
    "go v1.21.3", "go v1.21", "go 1", "go 1.021", "go 1.21 2", "go \"1.21\"", "go 1.21.3-foo", "go 1.",
    "go 01.2", "go 1.0.05", "go 1.2.3.4", "toolchain go1.21", "toolchain x y", "require a v1",
    "require a v1.2", "require a v1.2.3+meta", "require a v2.0.0+incompatible", "require a/v2 v2.0.0",
    "require a/v2 v2.0.0+incompatible", "require a v2.0.0", "require a/v1 v1.0.0",
    "require gopkg.in/a.v1 v0.0.0-20200101000000-abc", "require gopkg.in/a v1.0.0",
    "require \"a\" \"v1.0.0\"", "require a master", "require a", "require a v1.0.0 // indirect",
    "require a v1.0.0 //indirect", "require a v1.0.0 // indirect; x", "require a v1.0.0 // indirect x",
    "require a v1.0.0 // indirect;", "require a v1.0.0 // not indirect", "require a v1.0.0//\u{3000}indirect",
    "require a v1.0.0 // // indirect", "a v1.0.0", "b v1.0.0 // indirect", "exclude a v1", "exclude a v2.0.0",
    "replace a => b", "replace a => ./b", "replace a v1 => b v1.2", "replace a/v2 v1.0.0 => ../b",
    "replace a => b v1.0.0", "replace a v1.0.0 => C:\\x", "replace a => .\\x", "replace a => /x v1.0.0",
    "replace a => b@v1.0.0", "replace => b", "replace a => =>", "replace a => => v1.0.0",
    "replace \"a\" => \"./b c\"", "replace a/v1 => ./b", "a => ./b", "godebug x=y", "godebug x",
    "godebug x=y=z", "godebug \"x=y\"", "godebug x=y,z=w", "x=y", "use .", "use ./a", "use \"./a b\"",
    "use a b", "toolchain default", "toolchain go1", "toolchain go1.21.3-x", "toolchain go2", "tool a b",
    "tool \"a\"", "retract v1.0.0", "retract v1", "retract x", "retract", "retract \"v1.0.0\"",
    "retract [v1.0.0, v1.1.0]", "retract [v1.0.0,v1.1.0] x", "retract [v1.0.0", "retract [ ] , x ]",
    "retract v1.0.0 // why", "retract `x`", "retract ( )", "v1.0.0", "[v1.0.0, v1.1.0] // b", "// comment",
    "// Deprecated: x", "//", "//\n// Deprecated:   y\n//", "// Deprecated:", "/* x */", "ignore", "ignore a",
    "ignore \"a b\"", "ignore a b", "ignore `a`", "tool a", "foo \"bar", "foo \"\\", "foo `a\nb`",
    "foo \u{7}", "\u{feff}", "foo \u{a0}", "foo \u{ad}", "[a]", "{", ",", "foo \"\\q\"",
    "module \"\\x41\\101\\U00000042\\n\"", "module \"\\ud800\"", "module \"\\'\"", "module \"\\xff\"",
    "module \u{fffd}", "\t module\ta ", "module a\\", "x ( y ) z", "x ( ) // c", "x () y // c", "x ( // c",
    "module \u{301}a", "module 日本", "foo \u{2028}",
];

/// Lines that are fine by themselves, most of them for dependencies too.
pub(super) const GOOD_LINES: &[&str] = &[
    "module example.com/a", "module example.com/a // Deprecated: x", "go 1.21", "go 1.21.3", "require a v1.0.0",
    "require a v1.0.0 // indirect", "require b/v2 v2.1.0 // x", "require ( )", "retract v1.0.0 // why",
    "retract [v1.0.0, v1.1.0]", "// Deprecated: y", "// a comment", "//", "", "", "ignore ./x", "exclude a v1.0.0",
    "replace a => ../a", "replace a v1.0.0 => b v1.2.0", "godebug x=y", "tool a/b", "toolchain go1.22.1", "use ./a",
    "unknown x y (z)", "unknown \"x\\\ny\" // indirect", "retract v1.0.0 \"x\\\ny\" // z", "require (\na v1.0.0 // indirect\n\nb v1.0.0\n)",
    "// why\nretract (\nv1.0.0\n\nv1.1.0\n// c\n[v1.2.0, v1.3.0] // d\n)", "unknown (\nx\n)", "go (\n1.2\n)",
    "// Deprecated: b\nmodule (\nexample.com/a\n)", "replace (\na => ./b // c\n)", "use (\n.\n\"./b c\"\n)", "( x",
];

/// Pieces of versions; the first of each kind makes a pseudo-version.
pub(super) const NUMBERS: &[&str] =
    &["0", "1", "2", "9", "10", "99", "09", "18446744073709551616", "1000", "999", ""];

pub(super) const TAILS: &[&str] = &[
    "-0.", "", "-", "-pre", "-0", "-pre.0.", "-pre.", ".0.", "-rc.1", "-01", "+incompatible", "+meta", "-0.0.",
];

pub(super) const DATES: &[&str] =
    &["20200101000000", "20201301000000", "20200229235959", "2020010100000", "00000000000000", ""];

pub(super) const REVISIONS: &[&str] = &["-abcdef123456", "-ABC", "-", "", "-a-b", "-abc.d"];

pub(super) const BUILDS: &[&str] = &["", "+incompatible", "+meta", "+a.b", "+", "+01"];

/// Characters that rules of other languages judge otherwise.
pub(super) const ODD: &[char] = &[
    '\0', '\t', '\n', '\r', '\u{b}', '\u{7f}', '\u{85}', '\u{a0}', '\u{ad}', 'é', 'ß', 'ſ', '\u{130}', '\u{212a}',
    '\u{301}', 'Ⅷ', '²', '日', '\u{2028}', '\u{3000}', '\u{200b}', '\u{feff}', '\u{fffd}', '\u{e000}', '\u{10400}',
    '\u{1f600}', '\u{31350}', '\u{323b0}', '\u{e0100}', '\u{10ffff}', 'ª', 'ǅ', 'ʰ', '٣',
];
