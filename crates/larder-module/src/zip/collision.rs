//! Names that can't live beside each other in one folder on every file system.
//!
//! Two names collide when they are equal under Unicode's simple folding, and so do their parent
//! folders. Paths are kept as a tree of elements: memory grows with the names' length only, however
//! deep a hostile zip nests.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::unicode;

/// Why a name can't be added to those that are there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Collision {
    /// The name, or a folder in it, differs from another one by case only.
    Case,
    /// One entry says that it's a file, another that it's a folder.
    FileAndFolder,
    /// The file is there already.
    Duplicate,
    /// There are more names than the limit allows.
    TooMany,
}

/// All names seen so far, with the folders that they imply.
pub(super) struct Names<'a> {
    limit: usize,
    /// A number for each path as it is spelled: by its parent's number and its last element.
    spelled: HashMap<(u32, &'a str), u32>,
    /// A place for each path as it is folded, in the same way.
    folded: HashMap<(u32, Cow<'a, str>), Place>,
}

#[derive(Clone, Copy)]
struct Place {
    number: u32,
    /// How the path was spelled when it was first seen.
    spelling: u32,
    is_folder: bool,
}

impl<'a> Names<'a> {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, spelled: HashMap::new(), folded: HashMap::new() }
    }

    /// Adds a file or folder.
    ///
    /// A name that collides stays among those that later names collide with, as in Go; so does
    /// what is new of its parents.
    pub(super) fn add(&mut self, name: &'a str, is_folder: bool) -> Result<(), Collision> {
        let (mut parent, mut folded_parent) = (0, 0);
        let mut verdict = Ok(());
        let mut elements = name.split('/').peekable();
        while let Some(element) = elements.next() {
            let is_folder = is_folder || elements.peek().is_some();
            let next = number(self.spelled.len());
            let spelling = *self.spelled.entry((parent, element)).or_insert(next);
            let next = number(self.folded.len());
            let mut is_new = false;
            let place = *self.folded.entry((folded_parent, fold(element))).or_insert_with(|| {
                is_new = true;
                Place { number: next, spelling, is_folder }
            });
            if self.folded.len() > self.limit || self.spelled.len() > self.limit {
                return Err(Collision::TooMany);
            }
            if !is_new {
                // The deepest element's trouble is the one to tell.
                if let Err(collision) = place.compare(spelling, is_folder) {
                    verdict = Err(collision);
                }
            }
            (parent, folded_parent) = (spelling, place.number);
        }
        verdict
    }
}

impl Place {
    fn compare(self, spelling: u32, is_folder: bool) -> Result<(), Collision> {
        if self.spelling != spelling {
            Err(Collision::Case)
        } else if self.is_folder != is_folder {
            Err(Collision::FileAndFolder)
        } else if !is_folder {
            Err(Collision::Duplicate)
        } else {
            Ok(())
        }
    }
}

/// Returns the number after so many; 0 stands for the root.
fn number(count: usize) -> u32 {
    u32::try_from(count).map_or(u32::MAX, |count| count.saturating_add(1))
}

fn fold(element: &str) -> Cow<'_, str> {
    let is_folded = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if element.bytes().all(is_folded) {
        return Cow::Borrowed(element);
    }
    Cow::Owned(element.chars().map(unicode::fold).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(names: &[&str]) -> Vec<Result<(), Collision>> {
        let all: Vec<&str> = names.to_vec();
        let mut seen = Names::new(100);
        let split = |name: &&'static str| name.strip_suffix('/').map_or((*name, false), |n| (n, true));
        let names: Vec<(&'static str, bool)> = all
            .iter()
            .map(|name| {
                let name: &'static str = Box::leak((*name).to_owned().into_boxed_str());
                split(&name)
            })
            .collect();
        names.into_iter().map(|(name, is_folder)| seen.add(name, is_folder)).collect()
    }

    #[test]
    fn folds_as_go_does() {
        let case = Err(Collision::Case);
        assert_eq!(verdicts(&["a", "A"]), [Ok(()), case]);
        assert_eq!(verdicts(&["k", "\u{212a}"]), [Ok(()), case]);
        assert_eq!(verdicts(&["s", "\u{17f}"]), [Ok(()), case]);
        assert_eq!(verdicts(&["\u{3c3}", "\u{3c2}"]), [Ok(()), case]);
        assert_eq!(verdicts(&["\u{df}", "\u{1e9e}"]), [Ok(()), case]);
        assert_eq!(verdicts(&["\u{df}", "ss"]), [Ok(()), Ok(())]);
        assert_eq!(verdicts(&["\u{130}", "i"]), [Ok(()), Ok(())]);
    }

    #[test]
    fn parents_collide_too() {
        let case = Err(Collision::Case);
        assert_eq!(verdicts(&["a/x", "A/y"]), [Ok(()), case]);
        assert_eq!(verdicts(&["a/x", "a/y", "a/"]), [Ok(()); 3]);
        assert_eq!(verdicts(&["a/x", "a"])[1], Err(Collision::FileAndFolder));
        assert_eq!(verdicts(&["a", "a/x"])[1], Err(Collision::FileAndFolder));
        assert_eq!(verdicts(&["a/x", "a/x"])[1], Err(Collision::Duplicate));
        assert_eq!(verdicts(&["a/", "a/"]), [Ok(()); 2]);
        // What was first seen in a refused name counts as well.
        assert_eq!(verdicts(&["a", "A/d/", "a/d/"]), [Ok(()), case, case]);
        assert_eq!(verdicts(&["a/", "A/d/", "a/d/"]), [Ok(()), case, case]);
    }

    #[test]
    fn the_number_of_paths_is_bounded() {
        let mut seen = Names::new(3);
        assert_eq!(seen.add("a/b/c", false), Ok(()));
        assert_eq!(seen.add("a/b/d", false), Err(Collision::TooMany));
    }
}
