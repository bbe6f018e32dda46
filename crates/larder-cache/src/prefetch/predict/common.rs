//! What a module most probably imports when nobody can say which of its packages are meant.
//!
//! All imports of all packages would be far too much: a single package for special purposes may import what is larger than everything
//! else together. So each package has a vote for all that it needs, by way of others in the same module too, and what gets few votes is
//! left out.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::ZipFacts;

/// An import needs the votes of more than one package in so many.
const ONE_IN: usize = 2;
/// Who needs no more modules than this counts twice.
const LEAN: usize = 1;
/// Larger modules have packages for every purpose; nothing is guessed of them.
const MAX_PACKAGES: usize = 400;
/// So many imports are looked at, each once for each package that comes by it.
const MAX_STEPS: usize = 500_000;

/// Returns what many packages of a module import from other modules.
pub(super) fn imports(module: &str, facts: &ZipFacts) -> Vec<Arc<str>> {
    let voters: Vec<&str> = facts
        .packages
        .iter()
        .filter(|(folder, package)| !package.is_command && is_public(folder))
        .map(|(folder, _)| &**folder)
        .collect();
    if voters.len() > MAX_PACKAGES {
        return Vec::new();
    }
    let mut votes: HashMap<Arc<str>, usize> = HashMap::new();
    let mut steps = MAX_STEPS;
    for voter in &voters {
        let Some(needs) = needs(module, facts, voter, &mut steps) else { return Vec::new() };
        // A lean package costs little if it is the wrong one.
        let weight = if needs.len() <= LEAN { 2 } else { 1 };
        for import in needs {
            *votes.entry(import).or_default() += weight;
        }
    }
    let mut common: Vec<_> = votes.into_iter().filter(|(_, count)| count * ONE_IN > voters.len()).collect();
    common.sort();
    common.into_iter().map(|(import, _)| import).collect()
}

/// Returns what a package imports from other modules, by way of packages of its own module too; nothing once the steps are used up.
fn needs(module: &str, facts: &ZipFacts, folder: &str, steps: &mut usize) -> Option<HashSet<Arc<str>>> {
    let mut needs = HashSet::new();
    let mut seen = HashSet::from([folder]);
    let mut work = vec![folder];
    while let Some(folder) = work.pop() {
        let Some(package) = facts.packages.get(folder) else { continue };
        *steps = steps.checked_sub(package.imports.len())?;
        for import in &package.imports {
            match super::lazy::folder_in(import, module) {
                Some(inner) if facts.packages.contains_key(inner) => {
                    if seen.insert(inner) {
                        work.push(inner);
                    }
                }
                _ => {
                    needs.insert(Arc::clone(import));
                }
            }
        }
    }
    Some(needs)
}

/// Packages that a program outside of the module is likely to import.
fn is_public(folder: &str) -> bool {
    let is_private =
        |element: &str| matches!(element, "internal" | "cmd" | "example" | "examples" | "test" | "tests");
    !folder.split('/').any(is_private)
}
