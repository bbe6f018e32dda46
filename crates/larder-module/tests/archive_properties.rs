//! No bytes from outside, however odd, make a parser panic, disagree with itself or use much memory.

use larder_module::dirhash::{H1, hash_zip};
use larder_module::sumdb::log::HashLog;
use larder_module::sumdb::record::{format_lookup, is_valid_text, parse_lookup, parse_record};
use larder_module::sumdb::tree::{Node, complete_subtrees, parse_tree, record_hash};
use larder_module::sumdb::verify::edge_tiles;
use larder_module::sumdb::{Signer, Tile, TilePlan, TreeHead, Verifier, note};
use larder_module::version::ModuleVersion;
use larder_module::zip::{Archive, Folders, InspectOptions, check_zip, inspect};
use proptest::collection::vec;
use proptest::prelude::*;

fn of() -> ModuleVersion {
    ModuleVersion::parse("example.com/m", "v1.0.0").unwrap()
}

/// Returns a small zip with one stored and one deflated file, both in good order.
fn zip() -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    let deflated: &[u8] =
        &[0x4b, 0x54, 0x28, 0x49, 0xad, 0x28, 0x51, 0xc8, 0x4f, 0x53, 0x48, 0x44, 0x63, 0x71, 0x01, 0x00];
    let files: [(&str, u16, u32, &[u8], u32); 2] = [
        ("example.com/m@v1.0.0/go.mod", 0, 0, b"module example.com/m\n", 21),
        ("example.com/m@v1.0.0/a.txt", 8, 0xa88afe51, deflated, 27),
    ];
    for (name, method, crc, packed, size) in files {
        let offset = out.len() as u32;
        let mut common = vec![20, 0, 0, 0];
        common.extend(method.to_le_bytes());
        common.extend([0; 4]);
        common.extend(crc.to_le_bytes());
        common.extend((packed.len() as u32).to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0; 2]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(packed);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0\x02\0\x02\0");
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    out
}

/// A change to some bytes: where, what to put there, and how many to take away.
fn change() -> impl Strategy<Value = (prop::sample::Index, Vec<u8>, usize)> {
    (any::<prop::sample::Index>(), vec(any::<u8>(), 0..4), 0_usize..4)
}

fn apply(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, Vec<u8>, usize)]) -> Vec<u8> {
    for (place, put, take) in changes {
        let at = place.index(bytes.len() + 1);
        let end = (at + take).min(bytes.len());
        bytes.splice(at..end, put.iter().copied());
    }
    bytes
}

fn read_every_way(bytes: &[u8]) {
    let size = bytes.len() as u64;
    let checked = check_zip(bytes, size, &of());
    let hash = hash_zip(bytes, size);
    let report = inspect(bytes, size, &of(), &InspectOptions::default());
    let passes = checked.as_ref().is_ok_and(|checked| checked.is_valid());
    assert_eq!(report.is_ok(), passes && hash.is_ok());
    if let (Ok(report), Ok(hash)) = (&report, hash) {
        assert_eq!(report.h1, Some(hash));
    }
    assert_eq!(Folders::read(bytes, size, &of()).is_ok(), checked.is_ok());
    if let Ok(archive) = Archive::open(bytes, size) {
        for entry in archive.entries() {
            let Ok(mut reader) = archive.read(entry) else { continue };
            let mut made = 0;
            while let Ok(Some(piece)) = reader.next_piece() {
                made += piece.len() as i64;
            }
            assert!(entry.declared_size() < 0 || made <= entry.declared_size());
        }
    }
}

#[test]
fn the_zip_to_change_is_good() {
    let bytes = zip();
    inspect(bytes.as_slice(), bytes.len() as u64, &of(), &InspectOptions::default()).unwrap();
}

/// Not a random test: every single bit, since each field has its own way to lie.
#[test]
fn zips_with_one_flipped_bit() {
    let good = zip();
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        read_every_way(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn changed_zips(changes in vec(change(), 1..5)) {
        read_every_way(&apply(zip(), &changes));
    }

    #[test]
    fn bytes_that_are_no_zip(start in vec(any::<u8>(), 0..200), end in vec(any::<u8>(), 0..60)) {
        let mut bytes = start;
        bytes.extend_from_slice(b"PK\x05\x06");
        bytes.extend(end);
        read_every_way(&bytes);
    }

    #[test]
    fn any_note(message in vec(any::<u8>(), 0..300), changes in vec(change(), 0..5)) {
        let signer = Signer::from_seed("x", &[1; 32]).unwrap();
        let known = [signer.verifier().clone()];
        let _ = note::open(&message, &known);
        let good = signer.sign("go.sum database tree\n0\nx\n");
        let changed = apply(good.clone().into_bytes(), &changes);
        if let Ok(note) = note::open(&changed, &known) {
            // Whatever else was changed, the signed text wasn't.
            assert_eq!(note.text(), "go.sum database tree\n0\nx\n");
        }
    }

    #[test]
    fn any_verifier_key(text in "\\PC*", changes in vec(change(), 0..5)) {
        let _ = Verifier::parse(&text);
        let good = Signer::from_seed("sum.example.com", &[1; 32]).unwrap().verifier().to_string();
        let changed = apply(good.into_bytes(), &changes);
        if let Ok(key) = Verifier::parse(&String::from_utf8_lossy(&changed)) {
            assert_eq!(Verifier::parse(&key.to_string()).as_ref(), Ok(&key));
        }
    }

    #[test]
    fn any_tree_head(text in vec(any::<u8>(), 0..200), changes in vec(change(), 0..5), size in any::<u64>()) {
        let _ = parse_tree(&text);
        let head = TreeHead { size, hash: record_hash(&text) };
        assert_eq!(parse_tree(head.to_string().as_bytes()).ok(), i64::try_from(size).is_ok().then_some(head));
        if let Ok(read) = parse_tree(&apply(head.to_string().into_bytes(), &changes)) {
            assert_eq!(parse_tree(read.to_string().as_bytes()), Ok(read));
        }
    }

    #[test]
    fn any_record(message in vec(any::<u8>(), 0..200), id in 0..i64::MAX as u64, text in "(\\PC|\n){0,40}") {
        if let Ok(record) = parse_record(&message) {
            assert!(is_valid_text(record.text));
        }
        let answer = format_lookup(id, &text, b"note");
        let read = parse_lookup(&answer);
        if is_valid_text(&text) {
            let read = read.unwrap();
            assert_eq!((read.id, read.text, read.head_note), (id.cast_signed(), text, b"note".to_vec()));
        }
    }

    #[test]
    fn any_tile_path(text in "\\PC*", path in "tile/[0-9]{1,2}/(data|[0-9]{1,3})/(x[0-9]{3}/){0,7}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        for text in [text, path] {
            if let Ok(tile) = Tile::parse(&text) {
                assert_eq!(tile.path(), text);
                assert!(tile.width() <= tile.full().width());
                let _ = tile.is_in(u64::MAX);
            }
        }
    }

    #[test]
    fn any_h1(text in "\\PC*", base64 in "h1:[A-Za-z0-9+/]{42}[A-Za-z0-9+/=]{2}") {
        for text in [text, base64] {
            if let Ok(hash) = text.parse::<H1>() {
                assert_eq!(hash.to_string(), text);
            }
        }
    }

    #[test]
    fn any_plan(size in any::<u64>(), height in any::<u8>(), id in any::<i64>(), older in any::<u64>(), level in 0_u32..70) {
        let head = TreeHead { size: size >> (level % 64), ..TreeHead::EMPTY };
        if let Ok(mut plan) = TilePlan::new(&head, height) {
            let _ = plan.want_record(id);
            let _ = plan.want_record((id as u64 % head.size.max(1)).cast_signed());
            let _ = plan.want_older(older % head.size.max(1));
            let _ = plan.want(Node { level, index: older });
            assert!(plan.tiles().len() <= 64 * 4);
            for (number, tile) in plan.tiles().iter().enumerate() {
                assert!(tile.is_in(head.size), "{tile} {head}");
                assert!(!plan.tiles()[..number].contains(tile), "{tile} is planned twice");
            }
        }
    }

    #[test]
    fn edges_of_any_trees(old in any::<u64>(), new in any::<u64>(), shift in 0_u32..63, height in 1_u8..=30) {
        let (old, new) = ((old >> 1).min(new >> 1) >> shift, (old >> 1).max(new >> 1) >> shift);
        for tile in edge_tiles(height, old, new) {
            assert!(tile.is_in(new));
        }
        let covered: u128 = complete_subtrees(0, new).map(|node| 1 << node.level).sum();
        assert_eq!(covered, u128::from(new));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// A random tree, random records and an older size; then random damage to one tile.
    #[test]
    fn random_trees_and_random_damage(
        size in 1_u64..3000,
        height in 1_u8..=10,
        wanted in vec(any::<prop::sample::Index>(), 1..6),
        damage in (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_u8..=255),
    ) {
        let mut log = HashLog::default();
        for record in 0..size {
            log.append(&record.to_be_bytes());
        }
        let mut plan = TilePlan::new(&log.head(size).unwrap(), height).unwrap();
        let records: Vec<u64> = wanted.iter().map(|wanted| wanted.index(size as usize) as u64).collect();
        for record in &records {
            plan.want_record(record.cast_signed()).unwrap();
            plan.want_older(record + 1).unwrap();
        }
        let mut bytes: Vec<Vec<u8>> = plan.tiles().iter().map(|tile| log.tile(tile).unwrap()).collect();
        let tiles = plan.clone().authenticate(bytes.clone()).unwrap();
        for record in &records {
            assert_eq!(tiles.hash(Node::leaf(*record)), Some(record_hash(&record.to_be_bytes())));
            assert_eq!(tiles.older_root(record + 1), log.head(record + 1).map(|head| head.hash));
        }
        let tile = damage.0.index(bytes.len());
        let at = damage.1.index(bytes[tile].len());
        bytes[tile][at] ^= damage.2;
        assert!(plan.authenticate(bytes).is_err());
    }
}
