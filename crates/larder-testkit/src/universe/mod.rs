//! A made-up world of modules for benchmarks, with what makes real module graphs costly.
//!
//! What a proxy can foresee of a download depends on the shape of the graph, so the shape is taken from real projects:
//! half of the `.mod` files that the go command reads belong to versions that nobody selects, because older modules (a
//! go line below 1.17) make it read all that is below them; newer ones list what their packages need, tests and tools
//! included, and are not followed further; one in four of the main module's requirements is higher than any dependency
//! asks for; a module has several packages with imports of their own, so that a small command needs little of all
//! that its go.mod lists; and zips hold thousands of compressible text files, a few of them large.
//!
//! All projects are cut from the same world, as real ones are: they share libraries, in different versions.

mod content;
mod shape;
mod write;

pub use content::Pool;
pub use shape::{Project, Universe};
pub use write::Written;

/// How large the world is.
#[derive(Clone, Debug)]
pub struct UniverseOptions {
    /// How many modules there are.
    pub modules: usize,
    /// How many versions a module has, on average.
    pub versions_each: f64,
    /// How many bytes the zips have that the main project needs, about.
    pub bytes: u64,
    /// How many modules the main project lists at least.
    pub listed: usize,
    /// How many modules the packages of the small command need, about.
    pub small: usize,
    /// How many further projects, each of a quarter of the main one's size or so.
    pub graphs: usize,
    /// The seed.
    pub seed: u64,
}

impl Default for UniverseOptions {
    fn default() -> Self {
        Self {
            modules: 285,
            versions_each: 3.2,
            bytes: 160 << 20,
            listed: 190,
            small: 12,
            graphs: 20,
            seed: 1,
        }
    }
}

impl UniverseOptions {
    /// A world of the same kind that is made and downloaded in a moment.
    pub fn small() -> Self {
        Self { modules: 60, versions_each: 3.0, bytes: 6 << 20, listed: 35, small: 6, graphs: 4, seed: 1 }
    }
}
