//! A client of a checksum database with nothing of its own, as the go command is on a fresh machine.

use std::{collections::HashMap, future::Future};

use bytes::Bytes;
use larder_module::{
    sumdb::{
        note::Verifier,
        record::parse_lookup,
        tile::{DEFAULT_HEIGHT, Tile},
        tree::SignedHead,
        verify::{AuthenticTiles, HeadOrder, TilePlan, check_consistency, compare_heads},
    },
    version::ModuleVersion,
};

pub(crate) struct Client<Get> {
    get: Get,
    key: Verifier,
    head: Option<SignedHead>,
    tiles: HashMap<Tile, Bytes>,
}

impl<Get, Getting> Client<Get>
where
    Get: Fn(String) -> Getting,
    Getting: Future<Output = Option<Bytes>>,
{
    pub(crate) fn new(key: &str, get: Get) -> Self {
        Self { get, key: key.parse().expect("a key"), head: None, tiles: HashMap::new() }
    }

    /// Does what the go command does for one line of go.sum, and fails where it would.
    pub(crate) async fn zip_h1(&mut self, of: &ModuleVersion) -> Result<String, String> {
        let path = format!("/lookup/{}@{}", of.module().escaped(), of.version().escaped());
        let answer = (self.get)(path.clone()).await.ok_or_else(|| format!("no {path}"))?;
        let lookup = parse_lookup(&answer).map_err(|error| error.to_string())?;
        let seen = SignedHead::open(&lookup.head_note, &self.key).map_err(|error| error.to_string())?;
        let head = self.merge(seen).await?;
        let mut plan = plan(&head);
        plan.want_record(lookup.id).map_err(|error| error.to_string())?;
        let record = self.authenticate(plan).await?.record(lookup.id, &lookup.text);
        let record = record.map_err(|error| error.to_string())?;
        let h1 = record.zip_h1(of.module().as_str(), of.version().as_str());
        h1.map(|h1| h1.to_string()).map_err(|error| error.to_string())
    }

    async fn merge(&mut self, seen: SignedHead) -> Result<SignedHead, String> {
        let known = self.head.clone().unwrap_or_else(|| seen.clone());
        let (older, newer) = match compare_heads(&known, &seen).map_err(|error| error.to_string())? {
            HeadOrder::Same => {
                self.head = Some(seen.clone());
                return Ok(seen);
            }
            HeadOrder::Newer => (known, seen),
            HeadOrder::Older => (seen, known),
        };
        let mut plan = plan(&newer);
        plan.want_older(older.size()).map_err(|error| error.to_string())?;
        let tiles = self.authenticate(plan).await?;
        check_consistency(&tiles, &older, &newer).map_err(|error| error.to_string())?;
        self.head = Some(newer.clone());
        Ok(newer)
    }

    async fn authenticate(&mut self, plan: TilePlan) -> Result<AuthenticTiles<Bytes>, String> {
        let mut bytes = Vec::new();
        for tile in plan.tiles().to_vec() {
            bytes.push(self.tile(&tile).await?);
        }
        plan.authenticate(bytes).map_err(|error| error.to_string())
    }

    /// A partial tile that is not there is cut from the full one, as the go command does it.
    async fn tile(&mut self, tile: &Tile) -> Result<Bytes, String> {
        if let Some(bytes) = self.tiles.get(tile) {
            return Ok(bytes.clone());
        }
        let bytes = match (self.get)(format!("/{}", tile.path())).await {
            Some(bytes) => bytes,
            None => {
                let full = (self.get)(format!("/{}", tile.full().path())).await;
                let full = full.ok_or_else(|| format!("neither {tile} nor {}", tile.full()))?;
                full.slice(..tile.byte_length())
            }
        };
        self.tiles.insert(*tile, bytes.clone());
        Ok(bytes)
    }
}

fn plan(head: &SignedHead) -> TilePlan {
    TilePlan::new(head.head(), DEFAULT_HEIGHT).expect("a height that exists")
}
