//! Which modules, versions, requirements and imports there are, and what the go command makes of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::UniverseOptions;
use crate::Rng;

/// Versions by module, both as numbers.
pub(super) type Versions = BTreeMap<usize, usize>;

/// One module of the world. Modules import only modules of higher number, so there are no cycles.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// How many versions there are.
    pub(super) versions: usize,
    /// The first version with a go line of 1.17 or later; `versions` when there is none.
    pub(super) pruned_from: usize,
    /// What its packages import, at every version.
    pub(super) imports: Vec<usize>,
    /// What its first package imports: a small part of it.
    pub(super) core: Vec<usize>,
    /// What only its tests, tools and rarely used packages need.
    pub(super) extra: Vec<usize>,
    /// The direct requirements of each version.
    direct: Vec<Versions>,
    /// How much of the bytes is its own.
    pub(super) weight: f64,
}

/// Every module there is, and the projects that use them.
#[derive(Clone, Debug)]
pub struct Universe {
    pub(super) options: UniverseOptions,
    pub(super) shapes: Vec<Shape>,
    /// The requirements of each version of each module, as its go.mod lists them.
    pub(super) listed: Vec<Vec<Versions>>,
}

/// A main module.
#[derive(Clone, Debug)]
pub struct Project {
    /// What its packages import themselves.
    pub(super) direct: BTreeSet<usize>,
    /// All that its go.mod lists.
    pub(super) requires: Versions,
    /// The versions whose go.mod the go command reads to know the module graph.
    pub(super) read: BTreeSet<(usize, usize)>,
    /// The modules of whose first package the small command makes use.
    pub(super) small: BTreeSet<usize>,
}

impl Project {
    /// Returns how many modules it lists.
    pub fn listed(&self) -> usize {
        self.requires.len()
    }

    /// Returns how many `.mod` files a download reads.
    pub fn read(&self) -> usize {
        self.read.len()
    }
}

impl Universe {
    /// Makes the world of a seed.
    pub fn generate(options: &UniverseOptions) -> Self {
        let mut rng = Rng::new(options.seed);
        let mut shapes: Vec<Shape> =
            (0..options.modules).map(|number| shape(number, options, &mut rng)).collect();
        let counts: Vec<usize> = shapes.iter().map(|shape| shape.versions).collect();
        for shape in &mut shapes {
            shape.direct =
                (0..shape.versions).map(|version| direct(shape, version, &counts, &mut rng)).collect();
        }
        let listed = listed(&shapes);
        Self { options: options.clone(), shapes, listed }
    }

    /// Makes the main project: large, with requirements that only it names.
    pub fn project(&self) -> Project {
        let mut rng = Rng::new(self.options.seed ^ 0x9a17);
        let mut roots = BTreeSet::new();
        while self.closure(&roots, |shape| &shape.imports).len() < self.options.listed {
            // Applications import frameworks rather than what those are made of.
            roots.insert(rng.below(self.shapes.len() * 3 / 5));
        }
        self.project_of(roots, &mut rng)
    }

    /// Makes one of the further projects.
    pub fn graph(&self, number: u64) -> Project {
        let mut rng = Rng::new(self.options.seed ^ (0x6247 + number));
        let wanted = self.options.listed / 8 + rng.below(self.options.listed / 6);
        let mut roots = BTreeSet::new();
        while self.closure(&roots, |shape| &shape.imports).len() < wanted {
            roots.insert(self.shapes.len() / 5 + rng.below(self.shapes.len() * 3 / 5));
        }
        self.project_of(roots, &mut rng)
    }

    fn project_of(&self, direct: BTreeSet<usize>, rng: &mut Rng) -> Project {
        let needed = self.closure(&direct, |shape| &shape.imports);
        let mut requires = Versions::new();
        for module in &needed {
            let last = self.shapes[*module].versions - 1;
            // What the main module asks for by itself; what it leaves to others is raised below.
            let version = if rng.one_in(4) { last } else { rng.below(last + 1) / 2 };
            requires.insert(*module, version);
        }
        let read = loop {
            let (selected, read) = self.load(&requires);
            let raised: Vec<(usize, usize)> =
                requires.keys().map(|module| (*module, selected[module])).collect();
            let same = raised.iter().all(|(module, version)| requires[module] == *version);
            requires.extend(raised);
            if same {
                break read;
            }
        };
        let small = self.small(&direct);
        Project { direct, requires, read, small }
    }

    /// Finds first packages of direct requirements that need few modules together.
    fn small(&self, direct: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut small = BTreeSet::new();
        let mut have = 0;
        for module in direct {
            small.insert(*module);
            let size = self.closure(&small, |shape| &shape.core).len();
            if size > self.options.small {
                small.remove(module);
            } else {
                have = size;
            }
            if have == self.options.small {
                break;
            }
        }
        small
    }

    /// Returns some modules with all that they reach.
    pub(super) fn closure(
        &self,
        from: &BTreeSet<usize>,
        next: impl Fn(&Shape) -> &Vec<usize>,
    ) -> BTreeSet<usize> {
        closure(&self.shapes, from, next)
    }

    /// Loads the module graph as the go command does for a main module with a go line of 1.17 or later: it reads the
    /// go.mod of what the main module lists, and all below those that don't support pruning.
    fn load(&self, requires: &Versions) -> (Versions, BTreeSet<(usize, usize)>) {
        let mut selected = requires.clone();
        let mut read = BTreeSet::new();
        let mut waiting: VecDeque<(usize, usize, bool)> =
            requires.iter().map(|(module, version)| (*module, *version, false)).collect();
        let mut seen = BTreeSet::new();
        while let Some((module, version, wholly)) = waiting.pop_front() {
            if !seen.insert((module, version, wholly)) {
                continue;
            }
            read.insert((module, version));
            let wholly = wholly || version < self.shapes[module].pruned_from;
            for (other, at) in &self.listed[module][version] {
                let highest = selected.entry(*other).or_insert(*at);
                *highest = (*highest).max(*at);
                if wholly {
                    waiting.push_back((*other, *at, true));
                }
            }
        }
        (selected, read)
    }
}

fn closure(
    shapes: &[Shape],
    from: &BTreeSet<usize>,
    next: impl Fn(&Shape) -> &Vec<usize>,
) -> BTreeSet<usize> {
    let mut reached = from.clone();
    let mut waiting: Vec<usize> = from.iter().copied().collect();
    while let Some(module) = waiting.pop() {
        waiting.extend(next(&shapes[module]).iter().filter(|other| reached.insert(**other)));
    }
    reached
}

fn shape(number: usize, options: &UniverseOptions, rng: &mut Rng) -> Shape {
    let higher = options.modules - number - 1;
    // A quarter has many versions, as the libraries that everybody uses do.
    let most = if rng.one_in(4) { options.versions_each * 4.0 } else { options.versions_each };
    let versions = 1 + rng.below((most * 1.2) as usize + 1);
    let pruned_from = match rng.below(10) {
        0..5 => versions,     // never moved on
        5..8 => versions / 2, // moved on at some time
        _ => 0,
    };
    let mut pick = |most: usize| -> Vec<usize> {
        if higher == 0 {
            return Vec::new();
        }
        let picked: BTreeSet<usize> = (0..rng.below(most + 1))
            .map(|_| {
                // Half of all imports are of the thirty libraries at the end.
                let reach = if rng.one_in(2) { higher.min(30) } else { higher };
                options.modules - 1 - rng.below(reach)
            })
            .collect();
        picked.into_iter().collect()
    };
    let imports = pick(6);
    let extra = pick(3).into_iter().filter(|other| !imports.contains(other)).collect();
    let core = imports.iter().copied().filter(|_| rng.one_in(3)).take(2).collect();
    let weight = (rng.fraction() * 7.0).exp();
    Shape { versions, pruned_from, imports, core, extra, direct: Vec::new(), weight }
}

/// Chooses what a version asks for itself: the older it is, the older are the versions.
fn direct(shape: &Shape, version: usize, counts: &[usize], rng: &mut Rng) -> Versions {
    let age = (version + 1) as f64 / shape.versions as f64;
    let mut requires = Versions::new();
    let extra: Vec<usize> = shape.extra.iter().copied().filter(|_| !rng.one_in(3)).collect();
    for other in shape.imports.iter().copied().chain(extra) {
        let newest = (counts[other] - 1) as f64 * age * (0.4 + 0.6 * rng.fraction());
        requires.insert(other, newest.round() as usize);
    }
    requires
}

/// Makes the requirements of every go.mod: those of its own, and since go 1.17 also those of all that its
/// packages import.
fn listed(shapes: &[Shape]) -> Vec<Vec<Versions>> {
    // What the packages of a version import in the end, with the highest versions that are asked for on the way.
    let mut wanted: Vec<Vec<Versions>> = vec![Vec::new(); shapes.len()];
    for number in (0..shapes.len()).rev() {
        for version in 0..shapes[number].versions {
            let mut all = Versions::new();
            for other in &shapes[number].imports {
                let at = shapes[number].direct[version][other];
                raise(&mut all, *other, at);
                wanted[*other][at].iter().for_each(|(module, at)| raise(&mut all, *module, *at));
            }
            wanted[number].push(all);
        }
    }
    shapes
        .iter()
        .enumerate()
        .map(|(number, shape)| {
            (0..shape.versions)
                .map(|version| {
                    let mut requires = shape.direct[version].clone();
                    if version >= shape.pruned_from {
                        let below = &wanted[number][version];
                        below.iter().for_each(|(module, at)| raise(&mut requires, *module, *at));
                    }
                    requires
                })
                .collect()
        })
        .collect()
}

fn raise(versions: &mut Versions, module: usize, at: usize) {
    let highest = versions.entry(module).or_insert(at);
    *highest = (*highest).max(at);
}

#[cfg(test)]
mod tests {
    use super::{Universe, UniverseOptions};

    #[test]
    fn the_main_project_has_what_makes_real_graphs_costly() {
        let universe = Universe::generate(&UniverseOptions::default());
        let project = universe.project();
        assert!(project.listed() >= 150, "{} modules", project.listed());
        assert!(project.read() >= 330, "{} go.mod files", project.read());
        let asked_by_others = |module: &usize, version: &usize| {
            project.read.iter().any(|(number, at)| universe.listed[*number][*at].get(module) == Some(version))
        };
        let own =
            project.requires.iter().filter(|(module, version)| !asked_by_others(module, version)).count();
        assert!(own * 6 >= project.listed(), "{own} versions that only the main module names");
        let unlisted =
            project.read.iter().filter(|(module, _)| !project.requires.contains_key(module)).count();
        assert!(unlisted > 5, "{unlisted} go.mod files of modules that the main one does not list");
        let small = universe.closure(&project.small, |shape| &shape.core).len();
        assert!((8..=12).contains(&small), "{small} modules for the small command");
    }

    #[test]
    fn the_same_seed_makes_the_same_world() {
        let [one, other] = [(); 2].map(|()| Universe::generate(&UniverseOptions::small()));
        assert_eq!(one.listed, other.listed);
        assert_eq!(one.graph(3).requires, other.graph(3).requires);
        assert_ne!(one.graph(3).requires, one.graph(2).requires);
    }
}
