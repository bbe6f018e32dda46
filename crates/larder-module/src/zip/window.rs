//! A part of a zip in memory, moved over it as entries are read.
//!
//! An entry is found by its local header, and a checksum may stand behind its content: read one by one, these are three calls to the
//! system for each of thousands of small files. Most zips have their entries in the order of their names, or nearly so, and then one call
//! brings many entries.

use std::io;

use super::directory::Archive;
use super::read_at::ReadAt;

/// What is read at a place that doesn't follow on the last one; each place that does doubles it.
///
/// Small, because a directory may lead from place to place so that nothing but the next few bytes is ever used.
const SMALLEST: usize = 8 * 1024;
const LARGEST: usize = 128 * 1024;

/// The part.
pub(super) struct Window {
    buffer: Vec<u8>,
    start: u64,
    length: usize,
    /// How much was read the last time.
    step: usize,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; LARGEST], start: 0, length: 0, step: 0 }
    }

    /// Returns the bytes at a position: at least so many, unless the zip ends before, and more when they are at
    /// hand; none when none are asked for.
    pub(super) fn at<R: ReadAt>(
        &mut self,
        archive: &Archive<R>,
        position: u64,
        least: usize,
    ) -> io::Result<&[u8]> {
        if least == 0 {
            return Ok(&[]);
        }
        let known = position.checked_sub(self.start).and_then(|offset| usize::try_from(offset).ok());
        let from = match known {
            Some(offset) if offset < self.length && self.length - offset >= least => offset,
            Some(offset) if offset <= self.length + SMALLEST => {
                self.fill(archive, position, self.step * 2)?
            }
            Some(_) | None => self.fill(archive, position, SMALLEST)?,
        };
        Ok(&self.buffer[from..self.length])
    }

    /// Forgets what is at hand.
    pub(super) fn clear(&mut self) {
        (self.length, self.step) = (0, 0);
    }

    /// Moves to a position, and returns where in the buffer that is.
    fn fill<R: ReadAt>(&mut self, archive: &Archive<R>, position: u64, step: usize) -> io::Result<usize> {
        self.step = step.clamp(SMALLEST, LARGEST);
        // Nothing is known until the bytes are there.
        self.length = 0;
        let count = archive.read_at(&mut self.buffer[..self.step], position)?;
        (self.start, self.length) = (position, count);
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::dirhash::hash_zip;
    use crate::version::ModuleVersion;
    use crate::zip::create::{Contents, Created, Item, ItemKind, create};

    /// Counts the calls that a file would cost.
    struct Counted<'a>(&'a [u8], Cell<usize>);

    impl ReadAt for Counted<'_> {
        fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
            self.1.set(self.1.get() + 1);
            self.0.read_at(buffer, position)
        }
    }

    struct Files<'a>(&'a [Vec<u8>]);

    impl Contents for Files<'_> {
        type Reader<'a>
            = &'a [u8]
        where
            Self: 'a;

        fn open(&mut self, item: usize) -> io::Result<&[u8]> {
            Ok(&self.0[item])
        }
    }

    fn zip(contents: &[Vec<u8>]) -> (Vec<u8>, Created) {
        let names: Vec<String> = (0..contents.len()).map(|number| format!("folder/f{number}.txt")).collect();
        let item = |(name, content): (&'_ String, &Vec<u8>)| (name.clone(), content.len() as i64);
        let listed: Vec<(String, i64)> = names.iter().zip(contents).map(item).collect();
        let items: Vec<Item<'_>> = listed
            .iter()
            .map(|(name, size)| Item { name: name.as_bytes(), kind: ItemKind::Regular, size: *size })
            .collect();
        let of = ModuleVersion::parse("example.com/m", "v1.0.0").expect("a module version");
        let mut out = Vec::new();
        let created = create(&items, &mut Files(contents), &of, &mut out).expect("a good module");
        (out, created)
    }

    /// Returns bytes that don't pack well.
    fn noise(seed: usize, length: usize) -> Vec<u8> {
        let mut state = seed as u64 + 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn many_small_entries_cost_few_reads() {
        let contents: Vec<Vec<u8>> = (0..500).map(|number| noise(number, number % 700)).collect();
        let (zip, created) = zip(&contents);
        let source = Counted(&zip, Cell::new(0));
        assert_eq!(hash_zip(&source, created.length).expect("a good zip"), created.h1);
        let most = 10 + zip.len().div_ceil(LARGEST) + 5;
        assert!(source.1.get() <= most, "{} reads of {} bytes", source.1.get(), zip.len());
    }

    #[test]
    fn entries_of_every_size_around_the_window_are_read_whole() {
        let sizes =
            [0, 1, SMALLEST - 1, SMALLEST, SMALLEST + 1, LARGEST - 31, LARGEST, 3 * LARGEST + 7, 2, 0];
        let contents: Vec<Vec<u8>> = sizes.iter().map(|size| noise(*size, *size)).collect();
        let (zip, created) = zip(&contents);
        assert_eq!(hash_zip(&zip[..], created.length).expect("a good zip"), created.h1);
    }
}
