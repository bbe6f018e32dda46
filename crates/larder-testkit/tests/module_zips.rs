//! Larder's verdicts on zips that readers disagree about, and on zips made to exhaust whoever reads them.

use larder_module::dirhash::{hash_files, hash_mod, hash_zip};
use larder_module::version::ModuleVersion;
use larder_module::zip::{
    Archive, FileProblem, FolderState, Folders, InspectOptions, Limits, ZipError, check_zip, inspect,
};
use larder_testkit::rules::raw_zip::{RawEntry, RawZip, deflate};
use larder_testkit::rules::zip_table::{MODULE, VERSION, prefixed, zip_table};
use std::io::{Read as _, Write as _};

fn of() -> ModuleVersion {
    ModuleVersion::parse(MODULE, VERSION).expect("a module version")
}

fn options() -> InspectOptions {
    InspectOptions::default()
}

#[test]
fn verdicts_are_those_of_go() {
    let mut differences = Vec::new();
    for case in zip_table() {
        let size = case.bytes.len() as u64;
        let checked = check_zip(&case.bytes, size, &of());
        let passes = checked.as_ref().is_ok_and(|checked| checked.is_valid());
        let hash = hash_zip(&case.bytes, size);
        if (passes, hash.is_ok()) != (case.check, case.hash) {
            differences.push(format!("{:?}: {checked:?} {hash:?}", case.name));
        }
        let report = inspect(&case.bytes, size, &of(), &options());
        assert_eq!(report.is_ok(), passes && hash.is_ok(), "inspection of {:?}: {report:?}", case.name);
        if let (Ok(report), Ok(hash)) = (report, hash) {
            assert_eq!(report.h1, Some(hash), "{:?}", case.name);
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn every_cut_is_refused() {
    let zip = RawZip::of([
        RawEntry::file(prefixed("go.mod"), "module example.com/m\n"),
        RawEntry::file(prefixed("a.go"), "package m\n".repeat(100)),
    ]);
    let bytes = zip.to_bytes();
    for length in 0..bytes.len() {
        assert!(inspect(&bytes[..length], length as u64, &of(), &options()).is_err(), "cut at {length}");
    }
    // What stands behind the zip in the same file isn't read.
    let mut longer = bytes.clone();
    longer.extend_from_slice(b"more");
    assert!(inspect(&longer, bytes.len() as u64, &of(), &options()).is_ok());
}

#[test]
fn a_zip_and_its_files_have_one_hash() {
    let files = [("go.mod", "module example.com/m\n"), ("b/c.go", "package b\n"), ("a.go", "")];
    let zip = RawZip::of(files.map(|(name, content)| RawEntry::file(prefixed(name), content))).to_bytes();
    let names = files.map(|(name, _)| prefixed(name));
    let opened = hash_files(names, |name| {
        let found = files.iter().find(|(file, _)| prefixed(file) == name);
        found.map(|(_, content)| content.as_bytes()).ok_or_else(|| std::io::Error::other("no such file"))
    });
    let report = inspect(&zip, zip.len() as u64, &of(), &options()).expect("a good zip");
    assert_eq!(report.h1, opened.ok());
    assert_eq!(report.go_mod_h1, Some(hash_mod(b"module example.com/m\n")));
    assert_eq!(report.go_mod_size, Some(21));
    assert_eq!((report.entries, report.uncompressed), (3, 31));
    let names_only = InspectOptions { hash: false, ..options() };
    let report = inspect(&zip, zip.len() as u64, &of(), &names_only).expect("a good zip");
    assert_eq!((report.h1, report.go_mod_h1, report.go_mod_size), (None, None, Some(21)));
}

#[test]
fn duplicates_stay_visible() {
    let twice = RawZip::of([RawEntry::file(prefixed("a"), "one"), RawEntry::file(prefixed("a"), "two")]);
    let bytes = twice.to_bytes();
    let archive = Archive::open(bytes.as_slice(), bytes.len() as u64).expect("a zip");
    assert_eq!(archive.entries().len(), 2);
    let checked = check_zip(&bytes, bytes.len() as u64, &of()).expect("a zip");
    assert_eq!(checked.valid, [prefixed("a")]);
    assert_eq!(checked.invalid[0].problem, FileProblem::Duplicate);
    // The hash has two lines for the content that comes last.
    let both_last = RawZip::of([RawEntry::file(prefixed("a"), "two"), RawEntry::file(prefixed("a"), "two")]);
    let both_last = both_last.to_bytes();
    let hash = hash_zip(&bytes, bytes.len() as u64).expect("a hash");
    assert_eq!(hash, hash_zip(&both_last, both_last.len() as u64).expect("a hash"));
}

#[test]
fn entries_are_read_piece_by_piece() {
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let zip = RawZip::of([
        RawEntry::file("deflated", content.clone()),
        RawEntry::stored("stored", content.clone()),
    ]);
    let bytes = zip.to_bytes();
    let archive = Archive::open(bytes.as_slice(), bytes.len() as u64).expect("a zip");
    for entry in archive.entries() {
        let mut reader = archive.read(entry).expect("a reader");
        let mut found = Vec::new();
        reader.read_to_end(&mut found).expect("its content");
        assert!(found == content);
        let mut reader = archive.read(entry).expect("a reader");
        let mut largest = 0;
        while let Some(piece) = reader.next_piece().expect("a piece") {
            largest = largest.max(piece.len());
        }
        assert!(largest <= 128 * 1024, "no content is held as a whole");
    }
}

#[test]
fn folders_tell_packages_from_modules() {
    let names = ["go.mod", "a.go", "pkg/b.go", "deep/er/c.go", "other/go.mod", "other/sub/d.go", "empty/"];
    let entries = names.map(|name| RawEntry::stored(prefixed(name), ""));
    let bytes = RawZip::of(entries).to_bytes();
    let folders = Folders::read(&bytes, bytes.len() as u64, &of()).expect("folders");
    for (folder, state) in [
        ("pkg", FolderState::Folder),
        ("deep", FolderState::Folder),
        ("deep/er", FolderState::Folder),
        ("other", FolderState::Module),
        ("other/sub", FolderState::Module),
        ("empty", FolderState::Absent),
        ("deep/e", FolderState::Absent),
        ("a.go", FolderState::Absent),
        ("", FolderState::Absent),
        ("PKG", FolderState::Absent),
    ] {
        assert_eq!(folders.state(folder), state, "{folder:?}");
    }
    assert_eq!(folders.iter().collect::<Vec<_>>(), ["deep", "deep/er", "other", "other/sub", "pkg"]);
}

#[test]
fn floods_of_entries_are_refused() {
    let limits = Limits { entries: 100, name_bytes: 10_000, paths: 150 };
    let open = |zip: &RawZip| {
        let bytes = zip.to_bytes();
        let size = bytes.len() as u64;
        inspect(bytes, size, &of(), &InspectOptions { limits, ..options() }).map(|_| ())
    };
    let files =
        |count: usize| RawZip::of((0..count).map(|n| RawEntry::stored(prefixed(&format!("f{n}")), "")));
    assert!(open(&files(100)).is_ok());
    assert!(matches!(open(&files(101)), Err(ZipError::Limit { limit: 100, .. })));
    let long =
        RawZip::of((0..3).map(|n| RawEntry::stored(prefixed(&format!("{n}{}", "x".repeat(4000))), "")));
    assert!(matches!(open(&long), Err(ZipError::Limit { limit: 10_000, .. })));
    let deep = RawZip::of((0..2).map(|n| RawEntry::stored(prefixed(&format!("{n}{}", "/x".repeat(90))), "")));
    assert!(matches!(open(&deep), Err(ZipError::Limit { limit: 150, .. })));
    // With the usual limits: a file as large as a zip may be, all of it directory, isn't kept in memory.
    let header = RawZip::of([RawEntry::stored(prefixed("f"), "")]).to_bytes();
    let directory = header.len() - 22 - 46 - prefixed("f").len();
    let one = &header[directory..header.len() - 22];
    let mut flood = header[..directory].to_vec();
    for _ in 0..1_000_000 {
        flood.extend_from_slice(one);
    }
    let mut end = header[header.len() - 22..].to_vec();
    end[12..16].copy_from_slice(&((flood.len() - directory) as u32).to_le_bytes());
    flood.extend_from_slice(&end);
    let size = flood.len() as u64;
    assert!(matches!(inspect(flood, size, &of(), &options()), Err(ZipError::Limit { limit: 200_000, .. })));
}

/// Writes the zeroes' deflate stream a thousandth of their size.
fn bomb(length: usize) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..length >> 20 {
        encoder.write_all(&vec![0; 1 << 20]).expect("memory");
    }
    encoder.finish().expect("memory")
}

#[test]
fn lying_sizes_cost_nothing() {
    let bomb = bomb(256 << 20);
    for declared in [0, 1, 1000, 100_000] {
        let entry = RawEntry {
            packed: Some(bomb.clone()),
            size: Some(declared),
            ..RawEntry::file(prefixed("a"), "")
        };
        let bytes = RawZip::of([entry]).to_bytes();
        let archive = Archive::open(bytes.as_slice(), bytes.len() as u64).expect("a zip");
        let mut reader = archive.read(&archive.entries()[0]).expect("a reader");
        let mut made = 0;
        let error = loop {
            match reader.next_piece() {
                Ok(piece) => made += piece.map_or(0, <[u8]>::len) as u64,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ZipError::Entry { .. }), "{error}");
        assert!(made <= declared, "{made} bytes handed out of {declared}");
    }
}

#[test]
fn overlapping_entries_are_not_read_for_ever() {
    // Empty stored blocks take time and make nothing; every entry declares nothing and points at the same ones.
    let mut blocks = [0, 0, 0, 0xff, 0xff].repeat(200_000);
    blocks.extend(deflate(b""));
    let length = blocks.len() as u64;
    let mut first = RawEntry::file(prefixed("0"), "");
    first.packed = Some(blocks);
    let others = (1..20_000).map(|number| RawEntry {
        offset: Some(0),
        packed_size: Some(length),
        ..RawEntry::file(prefixed(&number.to_string()), "")
    });
    let bytes = RawZip::of([first].into_iter().chain(others)).to_bytes();
    let size = bytes.len() as u64;
    assert!(matches!(inspect(bytes, size, &of(), &options()), Err(ZipError::Overlap)));
}

#[test]
fn messages_are_short_and_printable() {
    let names = ["a\nb", "c\u{1b}[31m", "d"].map(prefixed);
    let mut entries: Vec<RawEntry> = names.iter().map(|name| RawEntry::stored(name.as_str(), "")).collect();
    entries.extend((0..50).map(|number| RawEntry::stored(format!("elsewhere/{number}"), "")));
    let bytes = RawZip::of(entries).to_bytes();
    let error = inspect(&bytes, bytes.len() as u64, &of(), &options()).expect_err("bad names").to_string();
    assert!(error.len() < 400 && !error.contains(char::is_control), "{error:?}");
    assert!(error.ends_with("and 49 more"), "{error}");
}
