//! Bringing tiles, and proving with them.
//!
//! Wherever bytes come from (memory, disk, a source) they count for nothing until the pure verifier has checked
//! every one of them up to the signed root, each time anew. What it accepted is kept in memory as bytes, not as
//! truth: so neither a damaged disk nor an old tile under a forged head can lend a lie any credit.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use larder_module::sumdb::{
    tile::{DEFAULT_HEIGHT, Tile},
    tree::{Node, TreeHead},
    verify::{AuthenticTiles, TilePlan, VerifyError},
};
use larder_upstream::UpstreamName;
use quick_cache::sync::Cache;

use super::{files::Files, flights::Flights, source::Source, trouble::Trouble};

/// How many tiles are kept in memory, at most 8 KiB each.
const KEPT_TILES: usize = 1_536;

/// The bytes of a tile, and whether the store has them.
#[derive(Clone, Debug)]
pub(super) struct Held(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bytes: Bytes,
    stored: AtomicBool,
}

impl Held {
    fn new(bytes: Bytes, stored: bool) -> Self {
        Self(Arc::new(Inner { bytes, stored: AtomicBool::new(stored) }))
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    pub(super) fn is_stored(&self) -> bool {
        self.0.stored.load(Ordering::Acquire)
    }

    pub(super) fn set_stored(&self) {
        self.0.stored.store(true, Ordering::Release);
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

/// Tiles that were proven to belong to one tree.
pub(super) type Proven = AuthenticTiles<Held>;

/// What is to be proven about a tree.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// The record with this number stands in it.
    pub(super) record: Option<i64>,
    /// It begins with the tree of so many records.
    pub(super) older: Option<u64>,
    /// It begins with a still older tree of so many records.
    pub(super) oldest: Option<u64>,
    /// It has this hash.
    pub(super) node: Option<Node>,
}

impl Wanted {
    pub(super) fn record(id: i64) -> Self {
        Self { record: Some(id), ..Self::default() }
    }

    pub(super) fn older(size: u64) -> Self {
        Self { older: Some(size), ..Self::default() }
    }
}

/// All tiles of one database.
pub(super) struct Tiles {
    files: Files,
    kept: Cache<Tile, Held>,
    flights: Arc<Flights<(UpstreamName, Tile), Result<Bytes, Trouble>>>,
}

/// Where tiles may come from.
#[derive(Clone, Copy)]
pub(super) enum Reach<'a> {
    /// Only from memory and disk.
    Here,
    /// From memory and disk, and what is not there from a source.
    Both(&'a Source),
    /// Only from a source: what is here turned out not to fit.
    There(&'a Source),
}

impl<'a> Reach<'a> {
    pub(super) fn source(source: Option<&'a Source>) -> Self {
        source.map_or(Self::Here, Self::Both)
    }
}

impl Tiles {
    pub(super) fn new(files: Files) -> Self {
        Self { files, kept: Cache::new(KEPT_TILES), flights: Arc::default() }
    }

    /// Proves what is wanted about a signed tree, or fails with whose fault it is.
    pub(super) async fn prove(
        &self,
        head: &TreeHead,
        wanted: Wanted,
        from: Reach<'_>,
    ) -> Result<Proven, Trouble> {
        let (by, again) = match from {
            Reach::Here => (None, None),
            Reach::Both(source) => (Some(source.name()), Some(Reach::There(source))),
            Reach::There(source) => (Some(source.name()), None),
        };
        let forged = |error: VerifyError| match by {
            Some(by) => Trouble::forged(by, error.to_string()),
            None => Trouble::NotHeld,
        };
        let first = plan(head, wanted).map_err(forged)?;
        let (tiles, any_local) = self.bring(&first, from).await?;
        let error = match first.authenticate(tiles) {
            Ok(proven) => return Ok(proven),
            Err(error) => error,
        };
        // What is here may be damaged or belong to another history: only the source's own tiles tell.
        let Some(there) = again.filter(|_| any_local) else { return Err(forged(error)) };
        let second = plan(head, wanted).map_err(forged)?;
        let (tiles, _) = self.bring(&second, there).await?;
        second.authenticate(tiles).map_err(forged)
    }

    /// Brings one tile that lies in the tree, proven.
    pub(super) async fn tile(
        &self,
        head: &TreeHead,
        tile: &Tile,
        from: Reach<'_>,
    ) -> Result<(Bytes, Proven), Trouble> {
        let level = u32::try_from(tile.level()).map_err(|_| Trouble::NotHeld)?;
        // Any node of the tile makes the plan hold it: its first hash.
        let node = Node { level: level * u32::from(DEFAULT_HEIGHT), index: tile.index() << DEFAULT_HEIGHT };
        let proven = self.prove(head, Wanted { node: Some(node), ..Wanted::default() }, from).await?;
        self.keep(&proven);
        let cut = |(wider, held): (&Tile, &Held)| {
            let length = tile.cut(wider, held.as_ref()).ok()?.len();
            Some(held.bytes().slice(..length))
        };
        let bytes = proven.tiles().find_map(cut).ok_or(Trouble::NotHeld)?;
        Ok((bytes, proven))
    }

    /// Keeps proven tiles in memory. Only for heads that are known to continue the kept one.
    pub(super) fn keep(&self, proven: &Proven) {
        for (tile, held) in proven.tiles() {
            self.kept.insert(*tile, held.clone());
        }
    }

    async fn bring(&self, plan: &TilePlan, from: Reach<'_>) -> Result<(Vec<Held>, bool), Trouble> {
        let tiles = plan.tiles();
        let mut held: Vec<Option<Held>> = match from {
            Reach::There(_) => vec![None; tiles.len()],
            Reach::Here | Reach::Both(_) => self.bring_local(tiles).await,
        };
        let any_local = held.iter().any(Option::is_some);
        let absent: Vec<usize> = (0..tiles.len()).filter(|index| held[*index].is_none()).collect();
        let source = match from {
            Reach::Here if absent.is_empty() => return Ok((held.into_iter().flatten().collect(), any_local)),
            Reach::Here => return Err(Trouble::NotHeld),
            Reach::Both(source) | Reach::There(source) => source,
        };
        // Boxed one by one: the compiler can't see that a closure's futures are `Send` for every lifetime.
        let mut fetches: Vec<BoxFuture<'_, Result<Bytes, Trouble>>> = Vec::with_capacity(absent.len());
        for index in &absent {
            fetches.push(Box::pin(self.fetch(tiles[*index], source)));
        }
        let fetched = join_all(fetches).await;
        for (index, bytes) in absent.into_iter().zip(fetched) {
            held[index] = Some(Held::new(bytes?, false));
        }
        Ok((held.into_iter().flatten().collect(), any_local))
    }

    /// Looks for tiles in memory, then on disk; a partial tile is the start of the full one.
    async fn bring_local(&self, tiles: &[Tile]) -> Vec<Option<Held>> {
        let mut held: Vec<Option<Held>> = tiles.iter().map(|tile| self.kept_here(tile)).collect();
        let absent: Vec<usize> = (0..tiles.len()).filter(|index| held[*index].is_none()).collect();
        if absent.is_empty() {
            return held;
        }
        let paths =
            absent.iter().flat_map(|index| [tiles[*index].path(), tiles[*index].full().path()]).collect();
        let files = self.files.read_all(paths).await;
        for (index, files) in absent.into_iter().zip(files.chunks_exact(2)) {
            let (tile, full) = (tiles[index], tiles[index].full());
            let cut =
                |from: &Tile, bytes: &Bytes| tile.cut(from, bytes).ok().map(|cut| bytes.slice(..cut.len()));
            let exact = files[0].as_ref().and_then(|bytes| cut(&tile, bytes));
            let bytes = exact.or_else(|| cut(&full, files[1].as_ref()?));
            held[index] = bytes.map(|bytes| Held::new(bytes, true));
        }
        held
    }

    fn kept_here(&self, tile: &Tile) -> Option<Held> {
        self.kept.get(tile).or_else(|| {
            let full = self.kept.get(&tile.full())?;
            let length = tile.cut(&tile.full(), full.as_ref()).ok()?.len();
            // Clients cut it the same way, so the full tile's file is file enough.
            Some(Held::new(full.bytes().slice(..length), full.is_stored()))
        })
    }

    /// Asks a source for a tile; a partial one that has vanished is cut from the full one.
    async fn fetch(&self, wanted: Tile, source: &Source) -> Result<Bytes, Trouble> {
        let asked = source.clone();
        let work = move || async move {
            match asked.tile(&wanted).await {
                Err(error) if error.is_absence() && !wanted.is_full() => {
                    let bytes = asked.tile(&wanted.full()).await?;
                    Ok(bytes.slice(..wanted.byte_length()))
                }
                answer => Ok(answer?),
            }
        };
        let key = (source.name().clone(), wanted);
        self.flights.join(key, || work().boxed()).await.unwrap_or(Err(Trouble::Broken))
    }
}

fn plan(head: &TreeHead, wanted: Wanted) -> Result<TilePlan, VerifyError> {
    let mut plan = TilePlan::new(head, DEFAULT_HEIGHT)?;
    if let Some(id) = wanted.record {
        plan.want_record(id)?;
    }
    for size in [wanted.older, wanted.oldest].into_iter().flatten() {
        plan.want_older(size)?;
    }
    if let Some(node) = wanted.node {
        plan.want(node)?;
    }
    Ok(plan)
}
