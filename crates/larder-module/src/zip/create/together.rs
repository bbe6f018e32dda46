//! Compressing the files of one zip on several threads.
//!
//! Each file is compressed by itself, so who does it makes no difference to the bytes. What was compressed ahead waits in memory
//! for its turn to be written; so files are taken in batches of a few MiB, and a large file is written while it's compressed.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::writer::{Body, Packer, Trouble};
use super::{Contents, CreateError, Created, Item, Making, order};
use crate::version::ModuleVersion;

/// How much content is compressed before it is written. It may be in memory, with a little more where it can't be compressed.
const BATCH: i64 = 8 << 20;

/// From this declared size on, a file isn't held in memory.
const LARGE: i64 = 4 << 20;

type Packed = Result<(Body, Vec<u8>), Trouble>;

/// Writes the zip of a module version with a thread for each helper besides the caller's own. All of them have the same contents.
///
/// # Errors
///
/// As [`super::create`].
pub fn create_together<C: Contents + Send>(
    items: &[Item<'_>],
    contents: &mut C,
    helpers: &mut [C],
    of: &ModuleVersion,
    out: impl Write,
) -> Result<Created, CreateError> {
    let order = order(items, contents)?;
    let mut making = Making::new(items, of, out);
    let mut own = Worker::new(contents);
    let mut helpers: Vec<_> = helpers.iter_mut().map(Worker::new).collect();
    let mut rest = &order[..];
    while let [item, ..] = rest {
        let count = if helpers.is_empty() { 0 } else { batch(items, rest) };
        if count < 2 {
            making.add(*item, own.contents, &mut own.packer)?;
            rest = &rest[1..];
            continue;
        }
        let (batch, others) = rest.split_at(count);
        for (item, packed) in batch.iter().zip(pack(items, batch, &mut own, &mut helpers)) {
            making.put(*item, |zip, name| zip.add_packed(name, packed))?;
        }
        rest = others;
    }
    making.finish(order.len())
}

/// Returns how many of the next files are compressed together.
fn batch(items: &[Item<'_>], rest: &[usize]) -> usize {
    let mut left = BATCH;
    let fits = |item: &&usize| {
        let size = items[**item].size;
        left -= size;
        size < LARGE && left >= 0
    };
    rest.iter().take_while(fits).count()
}

/// Compresses some files, whoever comes first.
fn pack<C: Contents + Send>(
    items: &[Item<'_>],
    batch: &[usize],
    own: &mut Worker<'_, C>,
    helpers: &mut [Worker<'_, C>],
) -> impl Iterator<Item = Packed> {
    let done: Vec<OnceLock<Packed>> = batch.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = |worker: &mut Worker<'_, C>| {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = batch.get(place) else { return };
            // Nobody else has this place.
            done[place].set(worker.pack(*item, items[*item].size)).ok();
        }
    };
    thread::scope(|scope| {
        for helper in helpers {
            // Without a thread, its work is done by the others.
            thread::Builder::new().name("zip".to_owned()).spawn_scoped(scope, || work(helper)).ok();
        }
        work(own);
    });
    done.into_iter().map(|packed| packed.into_inner().unwrap_or_else(|| Err(Trouble::Read(broken_off()))))
}

/// A worker that panics takes the whole with it, so this is never seen.
fn broken_off() -> io::Error {
    io::Error::other("compressing was broken off")
}

struct Worker<'c, C> {
    contents: &'c mut C,
    packer: Packer,
}

impl<'c, C: Contents> Worker<'c, C> {
    fn new(contents: &'c mut C) -> Self {
        Self { contents, packer: Packer::new() }
    }

    fn pack(&mut self, item: usize, size: i64) -> Packed {
        let content = self.contents.open(item).map_err(Trouble::Read)?;
        let mut packed = Vec::new();
        let body = self.packer.pack(content, size, |bytes| {
            packed.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok((body, packed))
    }
}
