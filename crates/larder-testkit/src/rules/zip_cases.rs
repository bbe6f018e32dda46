//! Seeded zips, most of them broken in one of many ways.

use super::Question;
use super::raw_zip::{Descriptor, RawEntry, RawZip, deflate};
use super::zip_table::{MODULE, VERSION, prefixed, zip_table};
use crate::Rng;
use fs_err as fs;
use std::path::Path;

/// Writes the table's zips and that many others below the folder and returns the questions about them.
pub(super) fn questions(rng: &mut Rng, folder: &Path, count: usize) -> Vec<Question> {
    let mut questions = Vec::new();
    let table: Vec<Vec<u8>> = zip_table().into_iter().map(|case| case.bytes).collect();
    let table_size = table.len();
    let others = std::iter::repeat_with(|| None).take(count);
    for (number, bytes) in table.into_iter().map(Some).chain(others).enumerate() {
        let path = folder.join(format!("{number}.zip"));
        let bytes = bytes.unwrap_or_else(|| zip(rng));
        fs::write(&path, bytes).unwrap_or_else(|error| panic!("{error}"));
        let path = path.to_string_lossy().into_owned();
        let (module, version) = match rng.below(40) {
            _ if number < table_size => (MODULE, VERSION),
            0 => (MODULE, "v1.0"),
            1 => (MODULE, "v1.0.0+incompatible"),
            2 => ("example.com/M", VERSION),
            3 => ("example.com/m/v2", "v2.0.0"),
            4 => ("example.com/m/v2", VERSION),
            5 => ("", ""),
            _ => (MODULE, VERSION),
        };
        questions.push(Question::new("zip_check", [path.as_str(), module, version]));
        questions.push(Question::new("zip_hash", [path]));
    }
    questions
}

/// Returns a zip that is good, or broken in one of many ways.
fn zip(rng: &mut Rng) -> Vec<u8> {
    let mut zip = RawZip::default();
    if !rng.one_in(4) {
        zip.entries.push(RawEntry::file(prefixed("go.mod"), "module example.com/m\n"));
    }
    for _ in 0..rng.below(7) {
        zip.entries.push(entry(rng));
    }
    if rng.one_in(8) && !zip.entries.is_empty() {
        let twin = rng.pick(&zip.entries).clone();
        zip.entries.push(RawEntry { content: rng.bytes(9), ..twin });
    }
    for _ in 0..rng.below(5).saturating_sub(2) {
        tweak_zip(rng, &mut zip);
    }
    let mut bytes = zip.to_bytes();
    if rng.one_in(4) {
        damage(rng, &mut bytes);
    }
    bytes
}

const NAMES: &[&str] = &[
    "a.go",
    "A.go",
    "a.go/",
    "sub/b.go",
    "sub/",
    "Sub/c.go",
    "sub",
    "sub/go.mod",
    "sub/GO.MOD",
    "GO.MOD",
    "Go.mod",
    "go.mod",
    "go.mod/x",
    "LICENSE",
    "license",
    "vendor/x/y.go",
    "vendor/modules.txt",
    ".git/config",
    ".hidden",
    "",
    "/",
    "//",
    ".",
    "..",
    "../x",
    "a/../b",
    "a//b",
    "./a",
    "a/.",
    "CON",
    "con.txt",
    "aux.c/x",
    "x:y",
    "x\\y",
    "x*y",
    "x y",
    "x\ty",
    "x\ny",
    "\n",
    "x'y",
    "x\"y",
    "ends.",
    "ends ",
    "a~1",
    "a~1.txt",
    "-dash",
    "k",
    "\u{212a}",
    "s",
    "\u{17f}",
    "\u{3c3}",
    "\u{3c2}",
    "\u{3a3}",
    "\u{df}",
    "\u{1e9e}",
    "ss",
    "\u{130}",
    "i",
    "\u{e9}",
    "e\u{301}",
    "\u{65e5}\u{672c}.go",
    "\u{1f600}",
    "\u{7f}",
    "\u{feff}",
    "\u{10400}",
    "\u{10428}",
];

fn entry(rng: &mut Rng) -> RawEntry {
    let mut name = match rng.below(30) {
        0 => rng.pick(NAMES).as_bytes().to_vec(),
        1 => format!("{MODULE}@{VERSION}").into_bytes(),
        2 => format!("example.com/m@v1.0.1/{}", rng.pick(NAMES)).into_bytes(),
        3 => prefixed(&format!("{}/{}", rng.pick(NAMES), rng.pick(NAMES))).into_bytes(),
        4..10 => prefixed(rng.pick::<&str>(NAMES)).into_bytes(),
        _ => prefixed(&format!("folder{}/file{}.go", rng.below(3), rng.below(1000))).into_bytes(),
    };
    if rng.one_in(25) {
        let at = rng.below(name.len() + 1);
        name.insert(at, *rng.pick(&[0x80, 0xff, 0xc3, 0, b'\r', 0xe2]));
    }
    let length = *rng.pick(&[0, 1, 5, 100, 3000, 70_000]);
    let content = match rng.one_in(2) {
        true => rng.bytes(length),
        false => b"package m // ".iter().copied().cycle().take(length).collect(),
    };
    let mut entry = RawEntry::file(name, content);
    if rng.one_in(3) {
        entry.method = 0;
    }
    for _ in 0..rng.below(4).saturating_sub(1) {
        tweak_entry(rng, &mut entry);
    }
    entry
}

/// Sizes around which the rules change.
const SIZES: &[u64] = &[
    0,
    1,
    4,
    (16 << 20) - 1,
    16 << 20,
    (16 << 20) + 1,
    (500 << 20) - 1,
    500 << 20,
    (500 << 20) + 1,
    u32::MAX as u64 - 1,
    u32::MAX as u64,
    u32::MAX as u64 + 1,
    i64::MAX as u64,
    i64::MAX as u64 + 1,
    u64::MAX,
];

fn tweak_entry(rng: &mut Rng, entry: &mut RawEntry) {
    match rng.below(20) {
        0 => entry.descriptor = Descriptor::Signed,
        1 => entry.descriptor = Descriptor::Unsigned,
        2 => entry.descriptor = *rng.pick(&[Descriptor::Missing, Descriptor::Wrong]),
        3 => entry.crc32 = Some(*rng.pick(&[0, 0, 1, 0x0807_4b50, u32::MAX])),
        4 => entry.size = Some(*rng.pick(SIZES)),
        5 => {
            let length = entry.content.len() as u64;
            entry.size = Some(*rng.pick(&[length + 1, length.saturating_sub(1)]));
        }
        6 => {
            entry.packed_size = Some(*rng.pick(SIZES));
            entry.zip64 = rng.one_in(2);
        }
        7 => entry.zip64 = true,
        8 => entry.flags = *rng.pick(&[1, 0x800, 0x41, 0xffff, 8, 1 << 5]),
        9 => entry.method = *rng.pick(&[0, 1, 8, 9, 12, 14, 93, 99, 0xffff]),
        10 => entry.local_name = Some(b"other".to_vec()),
        11 => entry.empty_local = true,
        12 => {
            let mut packed = deflate(&entry.content);
            match rng.below(4) {
                0 => packed.extend_from_slice(b"junk behind"),
                1 => packed.truncate(rng.below(packed.len() + 1)),
                2 => packed.extend(deflate(b"a second stream")),
                _ => damage(rng, &mut packed),
            }
            entry.packed = Some(packed);
        }
        13 => {
            let packed = match rng.one_in(2) {
                true => odd_deflate(rng),
                false => {
                    let mut packed = deflate(&entry.content);
                    let at = rng.below(packed.len().min(100));
                    packed[at] ^= 1 << rng.below(8);
                    packed
                }
            };
            // With the size that it really has and no checksum, only the inflater can refuse it.
            entry.size = Some(inflated_length(&packed));
            entry.crc32 = Some(0);
            entry.method = 8;
            entry.packed = Some(packed);
        }
        14 => entry.extra = odd_extra(rng),
        15 => {
            let length = rng.below(50);
            entry.local_extra = rng.bytes(length);
        }
        16 => {
            let length = *rng.pick(&[1, 40, 60_000]);
            entry.comment = rng.bytes(length);
        }
        17 => entry.attributes = *rng.pick(&[0o120_777 << 16, 0o040_755 << 16, 0o060_644 << 16, 0x10]),
        18 => entry.offset = Some(*rng.pick(&[0, 1, 30, 1 << 20, u64::MAX, i64::MAX as u64, 1 << 63])),
        _ => {
            entry.name.push(b'/');
            if rng.one_in(2) {
                entry.content.clear();
            }
        }
    }
}

/// Returns how many bytes come out of a deflate stream before it ends or breaks.
fn inflated_length(packed: &[u8]) -> u64 {
    let mut inflate = flate2::Decompress::new(false);
    let mut out = vec![0; 1 << 20];
    let outcome = inflate.decompress(packed, &mut out, flate2::FlushDecompress::None);
    outcome.map_or(0, |_| inflate.total_out())
}

/// Returns bytes that are almost a deflate stream: blocks of all kinds with random insides.
fn odd_deflate(rng: &mut Rng) -> Vec<u8> {
    let length = 1 + rng.below(40);
    let mut bytes = rng.bytes(length);
    match rng.below(6) {
        // Stored, fixed and dynamic blocks, the last of the stream or not.
        0 => bytes.splice(0..0, [1, 2, 0, 0xfd, 0xff, b'a', b'b']).for_each(drop),
        1 => bytes.splice(0..0, [0, 0, 0, 0xff, 0xff]).for_each(drop),
        2 => bytes[0] = (bytes[0] & !7) | 3,
        3 => bytes[0] = (bytes[0] & !7) | 5,
        4 => bytes = vec![3, 0],
        _ => bytes[0] = (bytes[0] & !7) | 4,
    }
    bytes
}

fn odd_extra(rng: &mut Rng) -> Vec<u8> {
    let mut extra = Vec::new();
    for _ in 0..=rng.below(3) {
        let tag: u16 = *rng.pick(&[1, 1, 0x0a, 0x0d, 0x5455, 0x5855, 0x7075, 0x9999]);
        let length = *rng.pick(&[0, 4, 5, 7, 8, 16, 24, 28, 32]);
        let claimed = if rng.one_in(6) { length + 1 + rng.below(9) } else { length };
        extra.extend_from_slice(&tag.to_le_bytes());
        extra.extend_from_slice(&(claimed as u16).to_le_bytes());
        extra.extend(rng.bytes(length));
    }
    if rng.one_in(4) {
        let length = rng.below(4);
        extra.extend(rng.bytes(length));
    }
    extra
}

fn tweak_zip(rng: &mut Rng, zip: &mut RawZip) {
    match rng.below(17) {
        0 => {
            let length = *rng.pick(&[1, 22, 46, 1000, 70_000]);
            zip.before = rng.bytes(length);
            zip.offsets_skip_before = rng.one_in(2);
        }
        1 => zip.before = RawZip::of([RawEntry::stored(prefixed("before.go"), "before")]).to_bytes(),
        2 => {
            let length = *rng.pick(&[1, 22, 1001, 65_000, 65_535]);
            zip.comment = rng.bytes(length);
        }
        3 => zip.comment = RawZip::of([RawEntry::stored(prefixed("comment.go"), "comment")]).to_bytes(),
        4 => {
            let length = *rng.pick(&[1, 21, 22, 1002, 1003, 66_515, 66_516, 66_538, 66_539, 70_000]);
            zip.trailing = match rng.one_in(2) {
                true => vec![0; length],
                false => rng.bytes(length),
            };
        }
        5 => zip.comment_length = Some(*rng.pick(&[0, 1, 22, 1000, 65_535])),
        6 => zip.count = Some(*rng.pick(&[0, 1, 2, 3, 65_535, 65_536, 65_537])),
        7 => {
            zip.zip64 = true;
            zip.count = Some(zip.entries.len() as u64 + *rng.pick(&[0, 1, 65_536, 1 << 40]));
        }
        8 => zip.zip64 = true,
        9 => {
            zip.zip64 = true;
            zip.zip64_offset = Some(*rng.pick(&[0, 1, 1 << 20, i64::MAX as u64, 1 << 63, u64::MAX]));
        }
        10 => zip.directory_size = Some(*rng.pick(&[0, 1, 46, 100, 0xffff, 0xffff_ffff])),
        11 => zip.directory_offset = Some(*rng.pick(&[0, 1, 100, 0xffff, 0xffff_ffff])),
        12 => {
            zip.zip64 = true;
            zip.directory_size = Some(*rng.pick(SIZES));
        }
        13 => {
            zip.zip64 = true;
            zip.directory_offset = Some(*rng.pick(SIZES));
        }
        14 => {
            let length = *rng.pick(&[1, 22, 46, 100]);
            zip.between = rng.bytes(length);
        }
        15 => {
            let length = *rng.pick(&[1, 20, 22, 46, 100]);
            zip.after_directory = rng.bytes(length);
        }
        _ => zip.after_directory = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
    }
}

/// Flips, cuts, repeats or removes some bytes.
fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len());
        // Most of what matters stands near the end.
        let at = if rng.one_in(2) { at } else { bytes.len() - 1 - at % bytes.len().min(150) };
        match rng.below(6) {
            0 => bytes.truncate(at),
            1 => {
                let end = bytes.len().min(at + 1 + rng.below(8));
                bytes.drain(at..end);
            }
            2 => {
                let end = bytes.len().min(at + 1 + rng.below(60));
                bytes.extend_from_within(at..end);
            }
            3 => bytes[at] = *rng.pick(&[0, 1, 0x7f, 0x80, 0xff]),
            _ => bytes[at] ^= 1 << rng.below(8),
        }
        if bytes.is_empty() {
            return;
        }
    }
}
