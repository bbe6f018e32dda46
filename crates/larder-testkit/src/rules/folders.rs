//! The operations that make module zips, from folders on disk and from listings.

use super::names::decode;
use super::{Answer, wrong_inputs};
use fs_err as fs;
use larder_module::dirhash::{H1, hash_zip};
use larder_module::unicode;
use larder_module::version::ModuleVersion;
use larder_module::zip::create::{
    CheckedItems, Contents, Found, Item, ItemKind, Listing, Tree, check, create,
};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io::{self, BufWriter, Read, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Answers one question, if it is about making zips.
pub(super) fn answer(operation: &str, inputs: &[&str]) -> Option<Answer> {
    Some(match (operation, inputs) {
        ("zip_create", [folder, module, version, output]) => {
            zip_create(folder, module, version, output).map(|h1| h1.to_string()).into()
        }
        ("zip_check_dir", [folder]) => check_folder(folder),
        ("zip_create_files", [module, version, listing]) => create_files(module, version, listing),
        ("zip_create" | "zip_check_dir" | "zip_create_files", _) => wrong_inputs(operation),
        _ => return None,
    })
}

/// A folder on disk.
struct Disk(PathBuf);

impl Disk {
    fn path(&self, path: &[u8]) -> PathBuf {
        match path {
            // Joining would add a slash, which looks through a symbolic link.
            b"" => self.0.clone(),
            _ => self.0.join(OsStr::from_bytes(path)),
        }
    }
}

impl Tree for Disk {
    fn look(&self, path: &[u8]) -> io::Result<Found> {
        let found = fs::symlink_metadata(self.path(path))?;
        let kind = match found.file_type() {
            kind if kind.is_file() => ItemKind::Regular,
            kind if kind.is_dir() => ItemKind::Folder,
            kind if kind.is_symlink() => ItemKind::Symlink,
            _ => ItemKind::Other,
        };
        Ok(Found { kind, size: found.len().cast_signed() })
    }

    fn names(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let entries = fs::read_dir(self.path(path))?;
        entries.map(|entry| entry.map(|entry| entry.file_name().into_vec())).collect()
    }

    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(fs::File::open(self.path(path))?))
    }
}

fn zip_create(folder: &str, module: &str, version: &str, output: &str) -> Result<H1, String> {
    let tree = Disk(folder.into());
    let listing = Listing::read(&tree).map_err(|error| error.to_string())?;
    let of = ModuleVersion::parse(module, version).map_err(|error| error.to_string())?;
    let mut file = fs::File::create(output).map_err(|error| error.to_string())?;
    let written = create(&listing.items(), &mut listing.contents(), &of, BufWriter::new(&mut file));
    let written = written.map_err(|error| error.to_string()).and_then(|created| {
        // What was computed while writing is what a reader finds.
        file.flush().map_err(|error| error.to_string())?;
        let read = fs::File::open(output).map_err(|error| error.to_string())?;
        let found = hash_zip(read.into_parts().0, created.length).map_err(|error| error.to_string())?;
        match found == created.h1 {
            true => Ok(created.h1),
            false => Err(format!("wrote {} but read {found}", created.h1)),
        }
    });
    if written.is_err() {
        // Nobody should take what is there for a zip; the failure itself is what counts.
        let _ = fs::remove_file(output);
    }
    written
}

fn check_folder(folder: &str) -> Answer {
    let tree = Disk(folder.into());
    let listing = match Listing::read(&tree) {
        Ok(listing) => listing,
        Err(error) => return Answer::fail_with(error, json!({"valid": [], "omitted": [], "invalid": []})),
    };
    let items = listing.items();
    let checked = match check(&items, &mut listing.contents()) {
        Ok(checked) => checked,
        Err(error) => return Answer::fail(error),
    };
    let mut lists = lists(&items, &checked, |name| joined(folder, name));
    let omitted = listing.omitted().iter().map(|(name, _)| Value::from(joined(folder, name)));
    if let Some(list) = lists["omitted"].as_array_mut() {
        list.extend(omitted);
    }
    verdict(&checked, lists)
}

/// Returns the name as Go joins it to its folder.
fn joined(folder: &str, name: &[u8]) -> String {
    let folder: PathBuf = Path::new(folder).components().collect();
    match name {
        b"." => folder.to_string_lossy().into_owned(),
        _ => format!("{}/{}", folder.display(), unicode::lossy(name)),
    }
}

fn lists(items: &[Item<'_>], checked: &CheckedItems, print: impl Fn(&[u8]) -> String) -> Value {
    let names = |places: &mut dyn Iterator<Item = usize>| -> Vec<String> {
        places.map(|place| print(items[place].name)).collect()
    };
    let invalid: Vec<String> = checked.invalid.iter().map(|file| print(&file.name)).collect();
    json!({
        "valid": names(&mut checked.valid.iter().copied()),
        "omitted": names(&mut checked.omitted.iter().map(|(place, _)| *place)),
        "invalid": invalid,
    })
}

fn verdict(checked: &CheckedItems, out: Value) -> Answer {
    match checked.is_valid() {
        true => Answer::pass(out),
        false => Answer::fail_with(checked, out),
    }
}

/// A file of a listing: what it says of itself, and what is in it.
struct Listed {
    name: Vec<u8>,
    kind: ItemKind,
    size: i64,
    data: Vec<u8>,
}

fn listed(file: &Value) -> Option<Listed> {
    let bytes = |key: &str| decode(file[key].as_str()?).ok();
    let kind = match file["kind"].as_str()? {
        "f" => ItemKind::Regular,
        "d" => ItemKind::Folder,
        "l" => ItemKind::Symlink,
        _ => ItemKind::Other,
    };
    Some(Listed { name: bytes("name")?, kind, size: file["size"].as_i64()?, data: bytes("data")? })
}

struct Memory<'a>(&'a [Listed]);

impl<'m> Contents for Memory<'m> {
    type Reader<'a>
        = &'m [u8]
    where
        Self: 'a;

    fn open(&mut self, item: usize) -> io::Result<Self::Reader<'_>> {
        Ok(&self.0[item].data)
    }
}

fn create_files(module: &str, version: &str, listing: &str) -> Answer {
    let listing: Vec<Value> = serde_json::from_str(listing).unwrap_or_default();
    let Some(files) = listing.iter().map(listed).collect::<Option<Vec<Listed>>>() else {
        return Answer::fail("malformed listing");
    };
    let items: Vec<Item<'_>> =
        files.iter().map(|file| Item { name: &file.name, kind: file.kind, size: file.size }).collect();
    let checked = match check(&items, &mut Memory(&files)) {
        Ok(checked) => checked,
        Err(error) => return Answer::fail(error),
    };
    let mut out = lists(&items, &checked, |name| unicode::lossy(name).into_owned());
    let created = ModuleVersion::parse(module, version).map_err(|error| error.to_string()).and_then(|of| {
        let created = create(&items, &mut Memory(&files), &of, io::sink());
        created.map_err(|error| error.to_string())
    });
    match created {
        Ok(created) => {
            out["h1"] = created.h1.to_string().into();
            Answer::pass(out)
        }
        Err(reason) => Answer::fail_with(reason, out),
    }
}
