//! Seeded folders and listings to make zips of: most names in them are ones that some rule speaks about.

use super::Question;
use super::zip_table::{MODULE, VERSION};
use crate::Rng;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// How many listings there are for each folder; they are cheap.
const LISTINGS: usize = 4;

/// The most that a module may hold.
const MAX_ZIP: u64 = 500 << 20;

const MAX_SMALL: u64 = 16 << 20;

/// Parts of paths; the first ones make most of them.
const ELEMENTS: &[&[u8]] = &[
    b"a",
    b"b",
    b"pkg",
    b"vendor",
    b"vendor",
    b"vendor",
    b"go.mod",
    b"modules.txt",
    b"a.go",
    b"GO.MOD",
    b"Go.mod",
    b"LICENSE",
    b".git",
    b".hg",
    b".svn",
    b".bzr",
    b".hg_archival.txt",
    b"A",
    b"A.go",
    b"PKG",
    b"Vendor",
    b"license",
    b"vendor.go",
    b"k",
    b"K",
    "\u{212a}".as_bytes(),
    b"s",
    "\u{17f}".as_bytes(),
    "\u{e9}".as_bytes(),
    "\u{c9}".as_bytes(),
    "e\u{301}".as_bytes(),
    "\u{df}".as_bytes(),
    "\u{1e9e}".as_bytes(),
    b"ss",
    "\u{3c3}".as_bytes(),
    "\u{3c2}".as_bytes(),
    "\u{130}".as_bytes(),
    b"i",
    "\u{65e5}\u{672c}.go".as_bytes(),
    "\u{fffd}".as_bytes(),
    "\u{31350}".as_bytes(),
    "\u{323b0}".as_bytes(),
    b"\xff",
    b"a\xc3",
    b"aux",
    b"AUX.txt",
    b"con",
    b"com1.go",
    b"com\xc2\xb9",
    b"a\\b",
    b"a:b",
    b"a b",
    b" ",
    b"a\nb",
    b"a*",
    b"a~1",
    b"-x",
    b"...",
    b"..a",
    b"a.",
    b".gitmodules",
    b".github",
    b"~",
    b"go.mod ",
    b"xgo.mod",
    b"vendorx",
    b"a'b",
    b"a\"b",
    b"a`b",
    b"[a]",
    b"{a}",
    b"a|b",
    b"\x7f",
    b"a;b",
    b"a,b",
    b"$",
];

/// How many of [`ELEMENTS`] make most paths.
const COMMON: usize = 18;

/// Contents of a go.mod.
const GO_MODS: &[&str] = &[
    "module example.com/m\n",
    "module example.com/m\n\ngo 1.23\n",
    "module example.com/m\n\ngo 1.24\n",
    "module example.com/m\n\ngo 1.24rc1\n",
    "module example.com/m\n\ngo 1.24.0\n",
    "module example.com/m\n\ngo 1.23.99\n",
    "module example.com/m\n\ngo 1.25.3\n",
    "module example.com/m\n\ngo 1.9\n",
    "module example.com/m\n\ngo 1.100\n",
    "module example.com/m\n\ngo 2.0\n",
    "module example.com/m\n\ngo 1.24rc01\n",
    "module example.com/m\n\ngo 1.24.0rc1\n",
    "module example.com/m\n\ngo 1.24beta\n",
    "module example.com/m\n\ngo 1.24beta1\n",
    "module example.com/m\n\ngo v1.24\n",
    "module example.com/m\n\ngo 1.24.x\n",
    "module example.com/m\n\ngo 1.24-custom\n",
    "module example.com/m\n\ngo 01.24\n",
    "module example.com/m\n\ngo 1.24\ngo 1.24\n",
    "go 1.24\n",
    "go \"1.24\"\n",
    "go `1.24`\n",
    "go 1.24 // comment\n",
    "go 1.24\nunknown (\n",
    "go 1.24\nignore x y z\n",
    "\u{feff}go 1.24\n",
    "go 1.24\r\n",
    "go 1.23\ntoolchain go1.24.0\n",
    "// go 1.24\n",
    "",
    "\0",
];

/// Returns the questions; the folders are written below `folder`.
pub(super) fn questions(rng: &mut Rng, folder: &Path, count: usize) -> Vec<Question> {
    let base = folder.join("folders");
    fs::create_dir_all(&base).unwrap_or_else(|error| panic!("{error}"));
    let mut questions = Vec::new();
    for number in 0..count {
        let root = base.join(number.to_string());
        write_folder(rng, &root).unwrap_or_else(|error| panic!("{error}"));
        let given = given_as(rng, &root).unwrap_or_else(|error| panic!("{error}"));
        let (module, version) = module_version(rng);
        let output = format!("{}.zip", root.display());
        questions.push(Question::new("zip_check_dir", [given.clone()]));
        questions.push(Question::new("zip_create", [given, module.into(), version.into(), output]));
        for _ in 0..LISTINGS {
            let (module, version) = module_version(rng);
            questions.push(Question::new("zip_create_files", [module, version, &listing(rng).to_string()]));
        }
    }
    questions.extend(large_folders(&base).unwrap_or_else(|error| panic!("{error}")));
    questions
}

/// Makes everything that was written readable again, so that it can be removed.
pub fn unlock(folder: &Path) {
    let Ok(found) = fs::symlink_metadata(folder) else { return };
    if !found.is_dir() {
        return;
    }
    // What can't be unlocked can't be removed either, and says so then.
    let _ = fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        unlock(&entry.path());
    }
}

fn module_version(rng: &mut Rng) -> (&'static str, &'static str) {
    match rng.below(60) {
        0 => (MODULE, "v1.0"),
        1 => (MODULE, "v1.0.0+meta"),
        2 => (MODULE, "v2.0.0+incompatible"),
        3 => ("example.com/M", "v0.0.0-20200101000000-0123456789ab"),
        4 => ("example.com/m/v2", "v2.0.0"),
        5 => ("example.com/m/v2", VERSION),
        6 => ("", ""),
        7 => ("example.com/..", VERSION),
        8 => ("gopkg.in/m.v1", "v1.0.0"),
        _ => (MODULE, VERSION),
    }
}

fn element(rng: &mut Rng) -> &'static [u8] {
    let elements = if rng.one_in(5) { ELEMENTS } else { &ELEMENTS[..COMMON] };
    rng.pick::<&[u8]>(elements)
}

fn write_folder(rng: &mut Rng, root: &Path) -> io::Result<()> {
    fs::create_dir_all(root)?;
    write_go_mod(rng, root)?;
    for _ in 0..rng.below(9) {
        let mut path = root.to_owned();
        let deepest = *rng.pick(&[3, 3, 5]);
        let depth = 1 + rng.below(deepest);
        for _ in 1..depth {
            path.push(OsStr::from_bytes(element(rng)));
        }
        // A file may be in the way, or a folder that nobody may write to.
        if fs::create_dir_all(&path).is_err() {
            continue;
        }
        if rng.one_in(12) {
            let _ = fs::write(path.join("go.mod"), *rng.pick(GO_MODS));
        }
        let path = path.join(OsStr::from_bytes(element(rng)));
        if fs::symlink_metadata(&path).is_ok() {
            continue;
        }
        // Names that this file system doesn't take are left out.
        let _ = write_item(rng, root, &path);
    }
    Ok(())
}

fn write_go_mod(rng: &mut Rng, root: &Path) -> io::Result<()> {
    let path = root.join("go.mod");
    let content = *rng.pick(GO_MODS);
    match rng.below(14) {
        0..2 => Ok(()),
        2 => symlink("nowhere", path),
        3 => {
            let beside = PathBuf::from(format!("{}.mod", root.display()));
            fs::write(&beside, content)?;
            symlink(beside, path)
        }
        4 => {
            fs::write(root.join("other.mod"), content)?;
            symlink("other.mod", path)
        }
        5 => fs::create_dir(path),
        6 => fs::write(root.join(*rng.pick(&["GO.MOD", "Go.mod", "go.MOD"])), content),
        _ => fs::write(path, content),
    }
}

fn write_item(rng: &mut Rng, root: &Path, path: &Path) -> io::Result<()> {
    match rng.below(24) {
        0 => symlink("nowhere", path),
        1 => symlink(root, path),
        2 => symlink("/dev/null", path),
        3 => fs::create_dir(path),
        // To read a go.mod that is a pipe would take for ever.
        4 if path != root.join("go.mod") => {
            mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(Into::into)
        }
        5 => {
            fs::write(path, "secret")?;
            fs::set_permissions(path, std::fs::Permissions::from_mode(0o000))
        }
        6 if rng.one_in(4) => {
            fs::create_dir(path)?;
            fs::set_permissions(path, std::fs::Permissions::from_mode(0o000))
        }
        7 if rng.one_in(3) => {
            let around = *rng.pick(&[MAX_SMALL, MAX_ZIP]);
            fs::File::create(path)?.set_len(around + 1 + rng.below(2) as u64)
        }
        8 => fs::write(path, rng.bytes(70_000)),
        9 => fs::write(path, "text\n".repeat(rng.below(40_000))),
        _ => fs::write(path, rng.bytes(40)),
    }
}

/// Returns the folder as the question names it.
fn given_as(rng: &mut Rng, root: &Path) -> io::Result<String> {
    let name = root.display();
    Ok(match rng.below(30) {
        0 => {
            symlink(root, format!("{name}.link"))?;
            format!("{name}.link")
        }
        1 => {
            symlink(root, format!("{name}.link"))?;
            format!("{name}.link/")
        }
        2 => format!("{name}/"),
        3 => format!("{name}.absent"),
        4 => {
            fs::write(format!("{name}.file"), "text")?;
            format!("{name}.file")
        }
        5 => format!("{name}/."),
        _ => name.to_string(),
    })
}

/// Writes some folders around the limits; those below them have to be read in full.
fn large_folders(base: &Path) -> io::Result<Vec<Question>> {
    let cases: &[&[(&str, u64)]] = &[
        &[("a", MAX_ZIP)],
        &[("a", MAX_ZIP), ("b", 1)],
        &[("a", MAX_ZIP + 1)],
        &[("a", 1 << 40)],
        &[("LICENSE", MAX_SMALL)],
        &[("LICENSE", MAX_SMALL + 1)],
        &[("go.mod", MAX_SMALL)],
        &[("go.mod", MAX_SMALL + 1)],
        &[("x/LICENSE", MAX_SMALL + 1), ("License", 1)],
        &[("vendor/a/b", 1 << 40), ("n/go.mod", 1), ("n/a", 1 << 40)],
    ];
    let mut questions = Vec::new();
    for (number, files) in cases.iter().enumerate() {
        let root = base.join(format!("large{number}"));
        for (name, size) in *files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&root))?;
            let mut file = fs::File::create(path)?;
            file.write_all(b"\n")?;
            file.set_len(*size)?;
        }
        let (root, output) = (root.display().to_string(), format!("{}.zip", root.display()));
        questions.push(Question::new("zip_check_dir", [root.clone()]));
        questions.push(Question::new("zip_create", [root, MODULE.into(), VERSION.into(), output]));
    }
    Ok(questions)
}

/// Returns a listing as no folder could give it: unclean names, one name twice, sizes that lie.
fn listing(rng: &mut Rng) -> Value {
    let count = rng.below(9);
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut files = Vec::new();
    for _ in 0..count {
        let name = match rng.below(8) {
            0 if !names.is_empty() => rng.pick(&names).clone(),
            1 => b"go.mod".to_vec(),
            _ => name(rng),
        };
        let data = match rng.below(4) {
            0 => rng.pick(GO_MODS).as_bytes().to_vec(),
            1 if rng.one_in(4) => "text\n".repeat(rng.below(30_000)).into_bytes(),
            _ if name.ends_with(b"go.mod") => rng.pick(GO_MODS).as_bytes().to_vec(),
            _ => rng.bytes(20),
        };
        let length = data.len() as i64;
        let limit = *rng.pick(&[MAX_SMALL as i64, MAX_ZIP as i64]);
        let size = match rng.below(40) {
            0 => length + 1,
            1 => (length - 1).max(0),
            2 => limit,
            3 => limit + 1,
            4 => *rng.pick(&[-1, i64::MAX, i64::MIN, 0]),
            _ => length,
        };
        let kind = *rng.pick(&["f", "f", "f", "f", "f", "f", "f", "d", "l", "o"]);
        files.push(json!({
            "name": STANDARD.encode(&name), "kind": kind, "size": size, "data": STANDARD.encode(data),
        }));
        names.push(name);
    }
    Value::Array(files)
}

fn name(rng: &mut Rng) -> Vec<u8> {
    const JOINTS: &[&[u8]] = &[b"//", b"/./", b"/../", b"\\", b"/ /"];
    let mut name = match rng.below(40) {
        0 => b"/".to_vec(),
        1 => b"./".to_vec(),
        2 => b"../".to_vec(),
        // As long as a zip's names can be, and a little longer. Not deep: Go takes seconds for such a name.
        3 if rng.one_in(4) => [&[b'x'; 199][..], b"/"].concat().repeat(327 + rng.below(2)),
        _ => Vec::new(),
    };
    for number in 0..=rng.below(4) {
        if number > 0 {
            let joint: &[u8] = if rng.one_in(40) { rng.pick::<&[u8]>(JOINTS) } else { b"/" };
            name.extend_from_slice(joint);
        }
        name.extend_from_slice(element(rng));
    }
    match rng.below(60) {
        0 => name.push(b'/'),
        1 => name.clear(),
        2 => name.extend_from_slice(b"/.."),
        3 => name = rng.pick(&[&b"."[..], b"..", b"/", b"vendor/", b"./go.mod"]).to_vec(),
        _ => {}
    }
    name
}
