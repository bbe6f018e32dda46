//! What a hostile mirror or a misbehaving checksum database may try with notes, heads and look-ups.

use larder_module::dirhash::hash_mod;
use larder_module::sumdb::log::HashLog;
use larder_module::sumdb::note::{self, NoteError, Signer, Verifier, VerifierError};
use larder_module::sumdb::proof::check_tree;
use larder_module::sumdb::record::{format_lookup, parse_lookup};
use larder_module::sumdb::tree::{HeadError, SignedHead};
use larder_module::sumdb::verify::{
    AuthenticRecord, ConsistencyError, HeadOrder, LineError, Misbehaviour, VerifyError, check_consistency,
    compare_heads, refuse_rollback,
};
use larder_module::sumdb::{Hash, TilePlan, TreeHead};

const NAME: &str = "sum.example.com";

fn signer(seed: u8) -> Signer {
    Signer::from_seed(NAME, &[seed; 32]).unwrap()
}

fn record(module: &str) -> String {
    let h1 = hash_mod(module.as_bytes());
    format!("{module} v1.0.0 {h1}\n{module} v1.0.0/go.mod {h1}\n")
}

fn log_of(modules: impl IntoIterator<Item = String>) -> HashLog {
    let mut log = HashLog::default();
    for module in modules {
        log.append(record(&module).as_bytes());
    }
    log
}

fn names(count: usize, prefix: &str) -> impl Iterator<Item = String> {
    (0..count).map(move |number| format!("example.com/{prefix}{number}"))
}

fn signed(log: &HashLog, size: u64, key: &Signer) -> SignedHead {
    let note = key.sign(&log.head(size).unwrap().to_string());
    SignedHead::open(note.as_bytes(), key.verifier()).unwrap()
}

/// Runs the whole client over a look-up's answer.
fn look_up(log: &HashLog, answer: &[u8], key: &Verifier) -> Result<AuthenticRecord, String> {
    let lookup = parse_lookup(answer).map_err(|error| error.to_string())?;
    let head = SignedHead::open(&lookup.head_note, key).map_err(|error| error.to_string())?;
    let prove = || {
        let mut plan = TilePlan::new(head.head(), 8)?;
        plan.want_record(lookup.id)?;
        let bytes = plan.tiles().iter().map(|tile| log.tile(tile).unwrap_or_default()).collect();
        plan.authenticate::<Vec<u8>>(bytes)?.record(lookup.id, &lookup.text)
    };
    prove().map_err(|error: VerifyError| error.to_string())
}

fn good_answer(log: &HashLog, id: u64, module: &str) -> String {
    let head = signed(log, log.size(), &signer(1));
    String::from_utf8(format_lookup(id, &record(module), head.note())).unwrap()
}

#[test]
fn a_good_look_up_gives_its_lines() {
    let log = log_of(names(300, "m"));
    let answer = good_answer(&log, 7, "example.com/m7");
    let found = look_up(&log, answer.as_bytes(), signer(1).verifier()).unwrap();
    let h1 = hash_mod(b"example.com/m7");
    assert_eq!(found.zip_h1("example.com/m7", "v1.0.0"), Ok(h1));
    assert_eq!(found.go_mod_h1("example.com/m7", "v1.0.0"), Ok(h1));
}

#[test]
fn a_record_without_the_asked_module_is_refused() {
    let log = log_of(names(300, "m"));
    let answer = good_answer(&log, 7, "example.com/m7");
    let found = look_up(&log, answer.as_bytes(), signer(1).verifier()).unwrap();
    for (module, version) in [
        ("example.com/m8", "v1.0.0"),
        ("example.com/m", "v1.0.0"),
        ("example.com/m7", "v1.0.1"),
        ("example.com/m7", "v1.0"),
        ("example.com/m7", "v1.0.0/go.mod"),
        ("xample.com/m7", "v1.0.0"),
        ("", ""),
        ("example.com/M7", "v1.0.0"),
    ] {
        let zip = found.zip_h1(module, version);
        if version.ends_with("/go.mod") {
            // Asked so, it's the go.mod line; as a version nobody can hold such a thing.
            assert!(larder_module::ModuleVersion::parse(module, version).is_err());
        } else {
            assert_eq!(zip, Err(LineError::Absent), "{module} {version}");
        }
        assert_eq!(found.go_mod_h1(module, version), Err(LineError::Absent), "{module} {version}");
    }
}

#[test]
fn records_with_too_little_or_too_much_are_refused() {
    let h1 = hash_mod(b"a");
    let other = hash_mod(b"b");
    let cases = [
        (format!("m v1.0.0/go.mod {h1}\n"), Err(LineError::Absent), Ok(h1)),
        (format!("m v1.0.0 {h1}\n"), Ok(h1), Err(LineError::Absent)),
        (format!("m v1.0.0 {h1}\nm v1.0.0 {other}\n"), Err(LineError::Conflicting), Err(LineError::Absent)),
        (format!("m v1.0.0 {h1}\nm v1.0.0 {h1}\n"), Ok(h1), Err(LineError::Absent)),
        ("m v1.0.0 h1:AAAA\n".to_owned(), Err(LineError::Malformed), Err(LineError::Absent)),
        (format!("m v1.0.0 {h1} \n"), Err(LineError::Malformed), Err(LineError::Absent)),
        (format!(" m v1.0.0 {h1}\n"), Err(LineError::Absent), Err(LineError::Absent)),
        (format!("m  v1.0.0 {h1}\n"), Err(LineError::Absent), Err(LineError::Absent)),
        ("x\n".to_owned(), Err(LineError::Absent), Err(LineError::Absent)),
    ];
    for (text, zip, go_mod) in cases {
        let mut log = HashLog::default();
        log.append(text.as_bytes());
        let answer = format_lookup(0, &text, signed(&log, 1, &signer(1)).note());
        let found = look_up(&log, &answer, signer(1).verifier()).unwrap();
        assert_eq!(found.zip_h1("m", "v1.0.0"), zip, "{text:?}");
        assert_eq!(found.go_mod_h1("m", "v1.0.0"), go_mod, "{text:?}");
    }
}

/// Hash lines in the note's text, among its signatures and behind them were believed by other clients.
#[test]
fn lines_outside_the_record_are_never_read() {
    let log = log_of(names(300, "m"));
    let key = signer(1);
    let evil = "example.com/evil v1.0.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let head_text = log.head(300).unwrap().to_string();
    let text = record("example.com/m7");
    let answers = [
        // In the signed text, which may have further lines.
        format!("7\n{text}\n{}", key.sign(&format!("{head_text}{evil}\n"))),
        // After the signatures, between them, before the record and behind a second blank line.
        format!("7\n{text}\n{}{evil}\n", key.sign(&head_text)),
        format!("7\n{text}\n{head_text}\n{evil}\n{}", key.signature_line(&head_text)),
        format!("{evil}\n7\n{text}\n{}", key.sign(&head_text)),
        format!("7\n{text}\n{evil}\n\n{}", key.sign(&head_text)),
        format!("7\n{text}{evil}\n\n{}", key.sign(&head_text)),
        format!("7\n{evil}\n{text}\n{}", key.sign(&head_text)),
        format!("7\n{evil}\n\n{text}\n{}", key.sign(&head_text)),
    ];
    for answer in answers {
        if let Ok(found) = look_up(&log, answer.as_bytes(), key.verifier()) {
            assert!(!found.text().contains("evil"), "{answer}");
            assert_eq!(found.zip_h1("example.com/evil", "v1.0.0"), Err(LineError::Absent));
            assert_eq!(found.go_mod_h1("example.com/evil", "v1.0.0"), Err(LineError::Absent));
        }
    }
}

#[test]
fn wrong_numbers_and_texts_are_refused() {
    let log = log_of(names(300, "m"));
    let good = good_answer(&log, 7, "example.com/m7");
    for number in ["8", "6", "-7", "300", "299", "9223372036854775807", "-9223372036854775808", "x", "", "7 "]
    {
        let answer = good.replacen("7\n", &format!("{number}\n"), 1);
        assert!(look_up(&log, answer.as_bytes(), signer(1).verifier()).is_err(), "{number}");
    }
    // A padded number is read as Go reads it, and leads to the same record.
    assert!(look_up(&log, format!("+00{good}").as_bytes(), signer(1).verifier()).is_ok());
    let end = good.find("\n\n").unwrap();
    for at in 2..end {
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1;
        assert!(look_up(&log, &bytes, signer(1).verifier()).is_err(), "byte {at}");
    }
}

#[test]
fn every_cut_of_an_answer_is_refused() {
    let log = log_of(names(300, "m"));
    let good = good_answer(&log, 7, "example.com/m7");
    for length in 0..good.len() {
        assert!(look_up(&log, &good.as_bytes()[..length], signer(1).verifier()).is_err(), "{length}");
    }
}

#[test]
fn every_bit_of_a_signed_head_counts() {
    let log = log_of(names(300, "m"));
    let key = signer(1);
    let good = signed(&log, 300, &key);
    let mut accepted = Vec::new();
    for bit in 0..good.note().len() * 8 {
        let mut note = good.note().to_vec();
        note[bit / 8] ^= 1 << (bit % 8);
        if let Ok(head) = SignedHead::open(&note, key.verifier()) {
            assert_eq!(head.head(), good.head());
            accepted.push(bit);
        }
    }
    // A signature of 68 bytes ends in `=`, before which two bits of base64 mean nothing; that's all.
    assert!(accepted.len() <= 4, "{accepted:?}");
}

#[test]
fn notes_need_the_pinned_key() {
    let text = TreeHead { size: 0, hash: Hash::EMPTY_TREE }.to_string();
    let (key, other) = (signer(1), signer(2));
    let named_alike = other.sign(&text);
    assert_eq!(note::open(named_alike.as_bytes(), &[key.verifier().clone()]), Err(NoteError::Unverified));
    // The same key under another name is another key.
    let renamed = Signer::from_seed("other.example.com", &[1; 32]).unwrap();
    let error = note::open(renamed.sign(&text).as_bytes(), &[key.verifier().clone()]);
    assert_eq!(error, Err(NoteError::Unverified));
    // Other signatures beside a good one are kept, and don't count.
    let both = key.sign(&text) + &other.signature_line(&text);
    let opened = note::open(both.as_bytes(), &[key.verifier().clone()]).unwrap();
    assert_eq!((opened.signatures().len(), opened.unverified().len()), (1, 1));
}

#[test]
fn stripped_duplicated_and_mixed_signatures() {
    let text = TreeHead::EMPTY.to_string();
    let (key, other) = (signer(1), signer(2));
    let known = [key.verifier().clone()];
    let open = |note: &str| note::open(note.as_bytes(), &known).map(|note| note.signatures().len());
    let line = key.signature_line(&text);
    let bad_line = key.signature_line("another text\n");
    assert_eq!(open(&text), Err(NoteError::Malformed));
    assert_eq!(open(&format!("{text}\n")), Err(NoteError::Malformed));
    assert_eq!(open(&format!("{text}\n{}", line.trim_end())), Err(NoteError::Malformed));
    assert_eq!(open(&format!("{text}\n{line}{line}")), Ok(1));
    // Of several lines by one key the first is checked, as in Go.
    assert_eq!(open(&format!("{text}\n{line}{bad_line}")), Ok(1));
    let refused = open(&format!("{text}\n{bad_line}{line}")).unwrap_err();
    assert!(matches!(refused, NoteError::InvalidSignature { .. }));
    assert_eq!(open(&format!("{text}\n{}", other.signature_line(&text))), Err(NoteError::Unverified));
    assert_eq!(
        open(&format!("{text}\n{line}\n{line}")),
        Err(NoteError::InvalidSignature { name: NAME.to_owned(), key_hash: key.verifier().key_hash() })
    );
    let strangers = |count: usize| {
        let lines: String = (0..count).map(|_| other.signature_line(&text)).collect();
        format!("{text}\n{line}{lines}")
    };
    assert_eq!(open(&strangers(99)), Ok(1));
    assert_eq!(open(&strangers(100)), Err(NoteError::Malformed));
    for broken in
        ["\u{2014} x\n", "\u{2014} x \n", "\u{2014}  AAAAAAA=\n", "- x AAAAAAA=\n", "\u{2014} x AAAA\n"]
    {
        assert_eq!(open(&format!("{text}\n{line}{broken}")), Err(NoteError::Malformed), "{broken:?}");
    }
    for (control, refused) in [("\t", true), ("\r", true), ("\0", true), ("\u{7f}", false), ("\u{85}", false)]
    {
        let text = format!("{text}{control}\n");
        assert_eq!(open(&key.sign(&text)).is_err(), refused, "{control:?}");
    }
}

#[test]
fn ambiguous_keys_are_refused() {
    let key = signer(1);
    let twice = [key.verifier().clone(), key.verifier().clone()];
    let note = key.sign("text\n");
    assert!(matches!(note::open(note.as_bytes(), &twice), Err(NoteError::AmbiguousKey { .. })));
}

#[test]
fn verifier_keys_are_read_as_go_reads_them() {
    let key = signer(1).verifier().to_string();
    assert_eq!(Verifier::parse(&key).unwrap(), *signer(1).verifier());
    assert_eq!(Verifier::parse(&format!("{key}\n")).unwrap(), *signer(1).verifier());
    let (name, rest) = key.split_once('+').unwrap();
    let (hash, base64) = rest.split_once('+').unwrap();
    for wrong in [
        "".to_owned(),
        name.to_owned(),
        format!("{name}+{hash}"),
        format!("{name}+{hash}+"),
        format!("+{hash}+{base64}"),
        format!("a b+{hash}+{base64}"),
        format!("{name}+0{hash}+{base64}"),
        format!("{name}+{}+{base64}", &hash[1..]),
        format!("{name}++{}+{base64}", &hash[1..]),
        format!("{name}+{hash}+{}", &base64[1..]),
    ] {
        assert_eq!(Verifier::parse(&wrong), Err(VerifierError::Malformed), "{wrong:?}");
    }
    assert_eq!(Verifier::parse(&format!("x{key}")), Err(VerifierError::Hash));
}

/// Go's Ed25519 takes the identity as a key; then the identity and zero sign every text.
#[test]
fn keys_of_small_order_behave_as_in_go() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let key = verifier_of(&identity);
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(key.verify(b"any text", &signature));
    signature[33] = 1;
    assert!(!key.verify(b"any text", &signature));
    assert!(!key.verify(b"any text", &signature[..63]));
    // No point has this key's bytes: Go reads the key and refuses every signature.
    let mut none = [0; 32];
    none[0] = 2;
    assert!(!verifier_of(&none).verify(b"any text", &signature));
}

#[test]
fn a_scalar_that_is_not_reduced_is_refused() {
    // The order of the group, little-endian.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    signature[32..].copy_from_slice(&order);
    assert!(!verifier_of(&identity).verify(b"any text", &signature));
}

fn verifier_of(key: &[u8; 32]) -> Verifier {
    use base64::Engine as _;
    let bytes: Vec<u8> = [1].into_iter().chain(*key).collect();
    let digest = sha2::Sha256::new();
    use sha2::Digest as _;
    let digest = digest.chain_update(NAME).chain_update(b"\n").chain_update(&bytes).finalize();
    let hash: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
    Verifier::parse(&format!("{NAME}+{hash}+{base64}")).unwrap()
}

#[test]
fn a_head_by_another_key_or_of_another_kind_is_refused() {
    let key = signer(1);
    let head = TreeHead::EMPTY.to_string();
    let open = |note: String| SignedHead::open(note.as_bytes(), key.verifier()).map(|_| ());
    assert!(open(key.sign(&head)).is_ok());
    assert!(open(key.sign(&format!("{head}further line\n"))).is_ok());
    assert!(matches!(open(signer(2).sign(&head)), Err(HeadError::Note(NoteError::Unverified))));
    assert!(matches!(open(key.sign("some other text\n")), Err(HeadError::Tree(_))));
    assert!(matches!(open(key.sign(&head.replace("tree\n", "tree v2\n"))), Err(HeadError::Tree(_))));
}

#[test]
fn a_fork_is_seen_and_its_evidence_holds() {
    let key = signer(1);
    let honest = log_of(names(300, "m"));
    for (shared, size) in [(0, 300), (100, 700), (299, 1000), (255, 256 + 300)] {
        let forked = log_of(names(shared, "m").chain(names(size - shared, "forked")));
        let (known, seen) = (signed(&honest, 300, &key), signed(&forked, size as u64, &key));
        if size == 300 {
            let error = compare_heads(&known, &seen).unwrap_err();
            assert_evidence(&error, &known, &seen);
            continue;
        }
        assert_eq!(compare_heads(&known, &seen), Ok(HeadOrder::Newer));
        let (older, newer) = (known, seen);
        let mut plan = TilePlan::new(newer.head(), 8).unwrap();
        plan.want_older(older.size()).unwrap();
        let bytes: Vec<Vec<u8>> = plan.tiles().iter().map(|tile| forked.tile(tile).unwrap()).collect();
        let tiles = plan.authenticate(bytes).unwrap();
        let Err(ConsistencyError::Misbehaviour(error)) = check_consistency(&tiles, &older, &newer) else {
            panic!("the fork at {shared} was not seen");
        };
        assert_evidence(&error, &older, &newer);
        let Misbehaviour::Fork(fork) = error else { panic!("not a fork") };
        let old = TreeHead { hash: fork.found, ..*older.head() };
        check_tree(&fork.proof, newer.head(), &old).unwrap();
    }
}

fn assert_evidence(error: &Misbehaviour, older: &SignedHead, newer: &SignedHead) {
    let Misbehaviour::Fork(fork) = error else { panic!("not a fork: {error}") };
    assert_eq!((fork.older_note.as_slice(), fork.newer_note.as_slice()), (older.note(), newer.note()));
    let text = error.to_string();
    assert!(text.contains(std::str::from_utf8(older.note()).unwrap().trim_end()), "{text}");
    assert!(text.contains(std::str::from_utf8(newer.note()).unwrap().trim_end()), "{text}");
}

#[test]
fn honest_growth_is_consistent() {
    let key = signer(1);
    let log = log_of(names(1100, "m"));
    for (old, new) in [(0, 1), (1, 1), (1, 2), (255, 256), (256, 257), (300, 1100), (1024, 1100)] {
        let (older, newer) = (signed(&log, old, &key), signed(&log, new, &key));
        let mut plan = TilePlan::new(newer.head(), 8).unwrap();
        plan.want_older(old).unwrap();
        let bytes: Vec<Vec<u8>> = plan.tiles().iter().map(|tile| log.tile(tile).unwrap()).collect();
        let tiles = plan.authenticate(bytes).unwrap();
        check_consistency(&tiles, &older, &newer).unwrap();
        // Tiles of one head say nothing about another.
        if old != new {
            assert!(check_consistency(&tiles, &newer, &older).is_err());
        }
    }
}

#[test]
fn a_rollback_is_refused_where_only_the_newest_will_do() {
    let key = signer(1);
    let log = log_of(names(300, "m"));
    let (old, new) = (signed(&log, 200, &key), signed(&log, 300, &key));
    assert_eq!(compare_heads(&new, &old), Ok(HeadOrder::Older));
    assert_eq!(refuse_rollback(&old, &new), Ok(HeadOrder::Newer));
    assert_eq!(refuse_rollback(&new, &new), Ok(HeadOrder::Same));
    let error = refuse_rollback(&new, &old).unwrap_err();
    let Misbehaviour::Rollback { known_note, seen_note } = &error else { panic!("not a rollback") };
    assert_eq!((known_note.as_slice(), seen_note.as_slice()), (new.note(), old.note()));
    // A "fork" of an empty log: an empty tree can't have a root of its own.
    let wrong_empty = key.sign(&TreeHead { size: 0, ..*old.head() }.to_string());
    let wrong_empty = SignedHead::open(wrong_empty.as_bytes(), key.verifier()).unwrap();
    let plan = TilePlan::new(new.head(), 8).unwrap();
    let bytes: Vec<Vec<u8>> = plan.tiles().iter().map(|tile| log.tile(tile).unwrap()).collect();
    let tiles = plan.authenticate(bytes).unwrap();
    assert!(check_consistency(&tiles, &wrong_empty, &new).is_err());
}
