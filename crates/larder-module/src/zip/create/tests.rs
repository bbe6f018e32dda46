use super::*;
use crate::dirhash::hash_zip;
use crate::zip::{FileProblem, InspectOptions, InvalidFile, inspect};
use ItemKind::{Folder, Other, Regular, Symlink};

/// Files as name, kind and content.
struct Files<'a>(Vec<(&'a [u8], ItemKind, &'a [u8])>);

impl<'a> Files<'a> {
    fn regular(files: &[(&'a str, &'a str)]) -> Self {
        let file =
            |(name, content): &(&'a str, &'a str)| (name.as_bytes(), ItemKind::Regular, content.as_bytes());
        Self(files.iter().map(file).collect())
    }

    fn items(&self) -> Vec<Item<'a>> {
        self.0
            .iter()
            .map(|(name, kind, content)| Item { name, kind: *kind, size: content.len() as i64 })
            .collect()
    }
}

impl<'c> Contents for Files<'c> {
    type Reader<'a>
        = &'c [u8]
    where
        Self: 'a;

    fn open(&mut self, item: usize) -> io::Result<Self::Reader<'_>> {
        Ok(self.0[item].2)
    }
}

fn of() -> ModuleVersion {
    ModuleVersion::parse("example.com/m", "v1.0.0").unwrap()
}

fn zip(mut files: Files<'_>) -> Result<(Vec<u8>, Created), CreateError> {
    let mut out = Vec::new();
    let created = create(&files.items(), &mut files, &of(), &mut out)?;
    Ok((out, created))
}

#[test]
fn a_zip_is_what_its_reader_wants() {
    let large = "0123456789abcdef".repeat(20_000);
    let files =
        [("go.mod", "module example.com/m\n"), ("é~/b.go", &large), ("a.go", ""), ("LICENSE", "free")];
    let (bytes, created) = zip(Files::regular(&files)).unwrap();
    let length = bytes.len() as u64;
    let report = inspect(&bytes, length, &of(), &InspectOptions::default()).unwrap();
    assert_eq!((report.h1, report.entries, length), (Some(created.h1), 4, created.length));
    assert_eq!(hash_zip(&bytes, length).unwrap(), created.h1);
    assert!(bytes.len() < 4_000);
    // The order in the listing doesn't matter.
    let mut reversed = files;
    reversed.reverse();
    assert_eq!(zip(Files::regular(&reversed)).unwrap().0, bytes);
    let (empty, created) = zip(Files::regular(&[])).unwrap();
    assert_eq!((empty.len(), hash_zip(&empty, 22).unwrap()), (22, created.h1));
}

#[test]
fn more_entries_than_the_old_format_counts() {
    let names: Vec<String> = (0..65_536).map(|number| number.to_string()).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    for count in [65_534, 65_535, 65_536] {
        let (bytes, created) = zip(Files::regular(&files[..count])).unwrap();
        assert_eq!(created.files, count);
        assert_eq!(hash_zip(&bytes, bytes.len() as u64).unwrap(), created.h1);
    }
}

#[test]
fn content_may_be_shorter_but_not_longer_than_declared() {
    let mut files = Files::regular(&[("a", "123")]);
    for (size, is_good) in [(4, true), (3, true), (2, false), (0, false)] {
        let items = [Item { name: b"a", kind: ItemKind::Regular, size }];
        let outcome = create(&items, &mut files, &of(), io::sink());
        assert_eq!(outcome.is_ok(), is_good, "{size}");
        assert!(is_good || matches!(outcome, Err(CreateError::Longer { .. })), "{size}");
    }
}

/// Checks items given as name, kind and size, and returns the names that are valid, omitted and invalid.
fn verdict(list: &[(&str, ItemKind, i64)], go_mod: &str) -> [String; 3] {
    let items: Vec<Item<'_>> = list
        .iter()
        .map(|(name, kind, size)| Item { name: name.as_bytes(), kind: *kind, size: *size })
        .collect();
    let mut contents =
        Files(list.iter().map(|(name, kind, _)| (name.as_bytes(), *kind, go_mod.as_bytes())).collect());
    let checked = check(&items, &mut contents).unwrap();
    let names =
        |places: Vec<usize>| places.into_iter().map(|place| list[place].0).collect::<Vec<_>>().join(" ");
    let invalid: Vec<String> = checked.invalid.iter().map(InvalidFile::printable_name).collect();
    [
        names(checked.valid),
        names(checked.omitted.into_iter().map(|(place, _)| place).collect()),
        format!("{}{}", invalid.join(" "), if checked.is_too_large { " too large" } else { "" }),
    ]
}

#[test]
fn what_is_left_out_and_what_is_refused() {
    let regular = |names: &[&'static str]| -> Vec<(&'static str, ItemKind, i64)> {
        names.iter().map(|name| (*name, Regular, 1)).collect()
    };
    for (names, expected) in [
        (&["a", "sub/go.mod", "sub/a", "subs"][..], ["a subs", "sub/go.mod sub/a", ""]),
        (&["sub/GO.MOD", "sub/a"], ["", "sub/GO.MOD sub/a", ""]),
        (&["GO.MOD"], ["", "", "GO.MOD"]),
        (
            &[".git", ".hg_archival.txt", "x/.hg_archival.txt"],
            [".git x/.hg_archival.txt", ".hg_archival.txt", ""],
        ),
        (&["a", "A"], ["a", "", "A"]),
        (&["a", "a", "a"], ["a", "", "a"]),
        (
            &["../vendor/x/y", "vendor//x/y", "/vendor/x/y", "./x"],
            ["", "../vendor/x/y", "vendor//x/y /vendor/x/y ./x"],
        ),
        (&["a/b", "a"], ["a/b", "", "a"]),
        (&["aux.c", "a\\b", "-x"], ["-x", "", "aux.c a\\b"]),
    ] {
        assert_eq!(verdict(&regular(names), ""), expected, "{names:?}");
    }
    for (list, expected) in [
        (&[("a", Symlink, 1), ("b", Other, 1), ("c", Folder, 1)][..], ["", "a b c", ""]),
        // What was said about a name is said once.
        (&[("a", Symlink, 1), ("a", Regular, 1)], ["", "a", ""]),
        (&[("s/go.mod", Symlink, 1), ("s/a", Regular, 1)], ["s/a", "s/go.mod", ""]),
        (&[("a", Regular, 500 << 20), ("b", Regular, 0)], ["a b", "", ""]),
        (&[("a", Regular, 500 << 20), ("b", Regular, 1)], ["a b", "", " too large"]),
        (&[("a", Regular, -1)], ["a", "", " too large"]),
        (&[("go.mod", Regular, 16 << 20), ("LICENSE", Regular, (16 << 20) + 1)], ["go.mod", "", "LICENSE"]),
        (
            &[("go.mod", Regular, (16 << 20) + 1), ("x/LICENSE", Regular, 17 << 20)],
            ["x/LICENSE", "", "go.mod"],
        ),
    ] {
        assert_eq!(verdict(list, ""), expected, "{list:?}");
    }
}

#[test]
fn the_go_line_of_a_regular_go_mod_at_the_root_counts() {
    let list =
        |kind| [("go.mod", kind, 9), ("vendor/modules.txt", Regular, 1), ("p/vendor/x.go", Regular, 1)];
    let since_124 = ["go.mod p/vendor/x.go", "vendor/modules.txt", ""];
    assert_eq!(verdict(&list(Regular), "go 1.24rc1\n"), since_124);
    assert_eq!(verdict(&list(Regular), "go 1.23\n"), ["go.mod vendor/modules.txt", "p/vendor/x.go", ""]);
    assert_eq!(verdict(&list(Symlink), "go 1.24\n"), ["vendor/modules.txt", "go.mod p/vendor/x.go", ""]);
}

#[test]
fn refusals_say_what_is_wrong() {
    let error = zip(Files::regular(&[("go.mod", ""), ("a", ""), ("A", "")])).unwrap_err();
    assert_eq!(error.to_string(), "\"A\": differs from another name by case only");
    assert!(error.is_final());
    let CreateError::Rules(checked) = error else { panic!() };
    assert_eq!(checked.invalid[0].problem, FileProblem::CaseCollision);
    let long = "x/".repeat(40_000) + "x";
    assert!(matches!(zip(Files::regular(&[(&long, "")])), Err(CreateError::LongName { .. })));
}

#[test]
fn the_limit_for_archives_is_about_compressed_contents() {
    let text = "text\n".repeat(100_000);
    let (bytes, created) = zip(Files::regular(&[("a", &text), ("b", &text)])).unwrap();
    let archive = crate::zip::Archive::open(&bytes, created.length).unwrap();
    assert!(created.length < 10_000);
    assert!(!packs_beyond(&archive, created.length).unwrap());
    assert!(packs_beyond(&archive, created.length - 1).unwrap());
    assert!(packs_beyond(&archive, 100).unwrap());
}

#[test]
fn threads_make_no_difference() {
    let large = "a large file that is compressed while it is written\n".repeat(90_000);
    let medium = "one of some that are compressed ahead\n".repeat(40_000);
    let names: Vec<String> = (0..40).map(|number| format!("f{number}.txt")).collect();
    let contents: Vec<String> = (0..40_usize).map(|number| medium[number * 7..].to_owned()).collect();
    let mut files: Vec<(&str, &str)> =
        names.iter().zip(&contents).map(|(name, content)| (name.as_str(), content.as_str())).collect();
    files.extend([("f2z.txt", large.as_str()), ("f3", ""), ("go.mod", "module example.com/m\n")]);
    let expected = zip(Files::regular(&files)).unwrap();
    for helpers in [0, 1, 3] {
        let mut helpers: Vec<_> = (0..helpers).map(|_| Files::regular(&files)).collect();
        let (mut own, mut out) = (Files::regular(&files), Vec::new());
        let created = create_together(&own.items(), &mut own, &mut helpers, &of(), &mut out).unwrap();
        assert_eq!(created, expected.1);
        assert!(out == expected.0, "other bytes");
    }
}

#[test]
fn threads_fail_at_the_file_that_is_first_in_the_zip() {
    let files = [("a", "1"), ("b", "22"), ("c", "333"), ("d", "4444")];
    let (mut own, mut helpers) = (Files::regular(&files), [Files::regular(&files), Files::regular(&files)]);
    let mut items = own.items();
    items[3].size = 0;
    items[1].size = 1;
    let outcome = create_together(&items, &mut own, &mut helpers, &of(), io::sink());
    assert!(matches!(outcome, Err(CreateError::Longer { name }) if name == "b"));
}
