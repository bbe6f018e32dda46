//! Zips on which readers disagree, with Go's verdicts.

use super::raw_zip::{Descriptor, RawEntry, RawZip, deflate};

/// The module that the zips claim to be.
pub const MODULE: &str = "example.com/m";

/// Its version.
pub const VERSION: &str = "v1.0.0";

/// A zip with Go's verdicts.
pub struct ZipCase {
    /// What is special about it.
    pub name: &'static str,
    /// The zip.
    pub bytes: Vec<u8>,
    /// Whether `CheckZip` passes.
    pub check: bool,
    /// Whether `HashZip` gives a hash.
    pub hash: bool,
}

/// Returns a name below the module's own folder.
pub fn prefixed(name: &str) -> String {
    format!("{MODULE}@{VERSION}/{name}")
}

fn file(name: &str) -> RawEntry {
    RawEntry::file(prefixed(name), format!("content of {name}"))
}

fn go_mod() -> RawEntry {
    RawEntry::file(prefixed("go.mod"), format!("module {MODULE}\n"))
}

/// Returns all cases.
pub fn zip_table() -> Vec<ZipCase> {
    [names(), sizes(), ends(), contents()].into_iter().flatten().collect()
}

fn case(name: &'static str, zip: &RawZip, check: bool, hash: bool) -> ZipCase {
    ZipCase { name, bytes: zip.to_bytes(), check, hash }
}

fn names() -> Vec<ZipCase> {
    let with = |entry: RawEntry| RawZip::of([go_mod(), entry]);
    let mode = |bits: u32| RawEntry { attributes: bits << 16, ..file("link") };
    vec![
        case("plain", &with(file("a.go")), true, true),
        case("no entries", &RawZip::of([]), true, true),
        case("symlink mode", &with(mode(0o120_777)), true, true),
        case("device mode", &with(mode(0o060_600)), true, true),
        case("vendor folder", &with(file("vendor/x/y.go")), true, true),
        case("git folder", &with(file(".git/config")), true, true),
        case("prefix alone", &with(RawEntry::stored(prefixed(""), "")), true, true),
        case("prefix without slash", &with(RawEntry::stored("example.com/m@v1.0.0", "")), false, true),
        case("another version", &with(RawEntry::stored("example.com/m@v1.0.1/a", "")), false, true),
        case("folder entry", &with(RawEntry::stored(prefixed("sub/"), "")), true, true),
        case("folder with a size", &with(RawEntry::stored(prefixed("sub/"), "x")), true, false),
        case(
            "folder with a packed size only",
            &with(RawEntry { size: Some(0), ..RawEntry::stored(prefixed("sub/"), "x") }),
            true,
            true,
        ),
        case("file twice", &RawZip::of([file("a"), file("a")]), false, true),
        case("folder twice", &RawZip::of([file("sub/"), file("sub/")].map(empty)), true, true),
        case("file and folder", &RawZip::of([file("a"), empty(file("a/"))]), false, true),
        case("file as a folder", &RawZip::of([file("a"), file("a/b")]), false, true),
        case("cases", &RawZip::of([file("a"), file("A")]), false, true),
        case("cases of parents", &RawZip::of([file("d/a"), file("D/b")]), false, true),
        case("kelvin", &RawZip::of([file("k"), file("\u{212a}")]), false, true),
        case("long s", &RawZip::of([file("s"), file("\u{17f}")]), false, true),
        case("both sigmas", &RawZip::of([file("\u{3c3}"), file("\u{3c2}")]), false, true),
        case("sharp s", &RawZip::of([file("\u{df}"), file("\u{1e9e}")]), false, true),
        case("sharp s is not ss", &RawZip::of([file("\u{df}"), file("ss")]), true, true),
        case("dotted I is not i", &RawZip::of([file("\u{130}"), file("i")]), true, true),
        case("nested go.mod", &with(file("sub/go.mod")), false, true),
        case("nested go.mod in capitals", &with(file("sub/GO.MOD")), false, true),
        case("GO.MOD", &RawZip::of([file("GO.MOD")]), false, true),
        case("folder named go.mod", &RawZip::of([file("go.mod/x")]), true, true),
        case("newline", &with(file("a\nb")), false, false),
        case("not UTF-8", &with(RawEntry::stored(b"example.com/m@v1.0.0/\xff".to_vec(), "")), false, true),
        case("climbs", &with(file("../x")), false, true),
        case("not clean", &with(file("a//b")), false, true),
        case("windows name", &with(file("aux.c")), false, true),
        case(
            "unicode path field",
            &with(RawEntry { extra: unicode_path(b"other"), ..file("a.go") }),
            true,
            true,
        ),
        case("code page 437", &with(RawEntry { flags: 0, ..file("\u{e9}.go") }), true, true),
    ]
}

fn empty(entry: RawEntry) -> RawEntry {
    RawEntry { content: Vec::new(), ..entry }
}

fn unicode_path(name: &[u8]) -> Vec<u8> {
    let mut field = vec![0x75, 0x70, (name.len() + 5) as u8, 0, 1, 0, 0, 0, 0];
    field.extend_from_slice(name);
    field
}

fn sizes() -> Vec<ZipCase> {
    let declared = |name: &str, size: u64| {
        let entry = RawEntry { size: Some(size), zip64: true, ..file(name) };
        RawZip::of([go_mod(), entry])
    };
    let largest = 500 << 20;
    vec![
        case("declared too long", &declared("a", 100), true, false),
        case("declared too short", &declared("a", 1), true, false),
        case("500 MiB declared", &declared("a", largest - 21), true, false),
        case("one byte too many declared", &declared("a", largest - 20), false, false),
        case("two to the 63rd declared", &declared("a", 1 << 63), false, false),
        case("all bits declared", &declared("a", u64::MAX), false, false),
        case("16 MiB LICENSE", &declared("LICENSE", 16 << 20), true, false),
        case("larger LICENSE", &declared("LICENSE", (16 << 20) + 1), false, false),
        case("larger LICENSE below", &declared("sub/LICENSE", (16 << 20) + 1), true, false),
        case(
            "larger go.mod",
            &RawZip::of([RawEntry { size: Some((16 << 20) + 1), ..go_mod() }]),
            false,
            false,
        ),
    ]
}

fn ends() -> Vec<ZipCase> {
    let plain = || RawZip::of([go_mod(), file("a.go")]);
    let trailing = |length| RawZip { trailing: vec![0; length], ..plain() };
    let inner = || RawZip::of([file("inner.go")]).to_bytes();
    let counted = |count| RawZip { count: Some(count), ..plain() };
    vec![
        case("comment", &RawZip { comment: b"hello".to_vec(), ..plain() }, true, true),
        case("longest comment", &RawZip { comment: vec![b'x'; 65_535], ..plain() }, true, true),
        case("trailing bytes", &trailing(1), true, true),
        case("as many trailing bytes as Go looks through", &trailing(66_538), true, true),
        case("one more", &trailing(66_539), false, false),
        case("comment past the end", &RawZip { comment_length: Some(1), ..plain() }, false, false),
        case("zip as a comment", &RawZip { comment: inner(), ..plain() }, true, true),
        case("zip before", &RawZip { before: inner(), ..plain() }, true, true),
        case(
            "zip before, offsets from the second",
            &RawZip { before: inner(), offsets_skip_before: true, ..plain() },
            true,
            true,
        ),
        case("bytes before", &RawZip { before: vec![b'#'; 99], ..plain() }, true, true),
        case(
            "bytes before, offsets without them",
            &RawZip { before: vec![b'#'; 99], offsets_skip_before: true, ..plain() },
            true,
            true,
        ),
        case("bytes behind the directory", &RawZip { after_directory: vec![0; 9], ..plain() }, true, true),
        case("count too low", &counted(1), false, false),
        case("count too high", &counted(3), false, false),
        case("count off by 65,536", &RawZip { zip64: true, ..counted(65_538) }, true, true),
        case("zip64", &RawZip { zip64: true, ..plain() }, true, true),
        case(
            "zip64 record elsewhere",
            &RawZip { zip64: true, zip64_offset: Some(1), ..plain() },
            false,
            false,
        ),
        case(
            "directory size of 0xffffffff without zip64",
            &RawZip { directory_size: Some(0xffff_ffff), ..plain() },
            false,
            false,
        ),
        case("nothing", &RawZip { trailing: Vec::new(), ..RawZip::of([]) }, true, true),
    ]
}

fn contents() -> Vec<ZipCase> {
    let with = |entry: RawEntry| RawZip::of([go_mod(), entry]);
    let described = |descriptor| with(RawEntry { descriptor, empty_local: true, ..file("a.go") });
    let packed = |packed: Vec<u8>| with(RawEntry { packed: Some(packed), ..file("a.go") });
    let stream = deflate(b"content of a.go");
    let short = stream[..stream.len() - 1].to_vec();
    let junk = [stream.as_slice(), b"junk"].concat();
    let crc32 = |crc32| with(RawEntry { crc32: Some(crc32), ..file("a.go") });
    let method = |method| with(RawEntry { method, ..file("a.go") });
    vec![
        case(
            "another local name",
            &with(RawEntry { local_name: Some(b"x".into()), ..file("a") }),
            true,
            true,
        ),
        case("encryption flag", &with(RawEntry { flags: 1, ..file("a") }), true, true),
        case("checksum 0", &crc32(0), true, true),
        case("wrong checksum", &crc32(1), true, false),
        case("descriptor", &described(Descriptor::Signed), true, true),
        case("descriptor without signature", &described(Descriptor::Unsigned), true, true),
        case("no descriptor", &described(Descriptor::Missing), true, false),
        case("wrong descriptor", &described(Descriptor::Wrong), true, false),
        case(
            "descriptor of a checksum of 0",
            &with(RawEntry { descriptor: Descriptor::Signed, crc32: Some(0), ..file("a.go") }),
            true,
            false,
        ),
        case("junk behind the stream", &packed(junk), true, true),
        case("stream cut short", &packed(short), true, false),
        case("no stream", &packed(Vec::new()), true, false),
        case("stored", &method(0), true, true),
        case("bzip2", &method(12), true, false),
        case("no local header", &with(RawEntry { offset: Some(1), ..file("a.go") }), true, false),
        case("local header outside", &with(RawEntry { offset: Some(1 << 30), ..file("a.go") }), true, false),
        case(
            "local header before the file",
            &with(RawEntry { offset: Some(1 << 63), zip64: true, ..file("a.go") }),
            true,
            false,
        ),
        case(
            "negative packed size",
            &with(RawEntry { packed_size: Some(1 << 63), zip64: true, ..file("a.go") }),
            true,
            true,
        ),
    ]
}
