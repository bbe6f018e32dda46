//! Seeded questions about zips, notes, tree heads, records and tiles, most of them about broken ones.

use super::{Question, zip_cases};
use crate::Rng;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use larder_module::sumdb::{Hash, Signer, TreeHead};
use std::path::Path;

/// How many zips there are; each takes some ten kilobytes of the folder.
const ZIPS: usize = 6_000;

/// How many of the other questions there are.
const TEXTS: usize = 60_000;

/// Returns the questions; zips are written to `folder`.
pub(super) fn questions(rng: &mut Rng, folder: &Path) -> Vec<Question> {
    let mut questions = zip_cases::questions(rng, folder, ZIPS);
    questions.extend((0..TEXTS).map(|_| text_question(rng)));
    questions
}

fn text_question(rng: &mut Rng) -> Question {
    match rng.below(10) {
        0..3 => note_question(rng),
        3..5 => Question::new("tree_parse", [tree_text(rng)]),
        5..7 => Question::new("record_parse", [record_text(rng)]),
        7..9 => Question::new("tile_path_parse", [tile_path(rng)]),
        _ => Question::new("mod_hash", [base64_text(rng)]),
    }
}

/// Characters that one reader or another treats specially.
const ODD: &[&str] = &[
    "\n",
    "\n\n",
    "\r",
    "\t",
    " ",
    "\0",
    "+",
    "=",
    "-",
    "0",
    "x",
    "/",
    ".p/",
    "\u{2014} ",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{3000}",
    "\u{1680}",
    "\u{200b}",
    "\u{fffd}",
    "A",
    "9",
    "\u{feff}",
];

fn mutate(rng: &mut Rng, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..rng.below(3) {
        let at = rng.below(letters.len() + 1);
        let odd: Vec<char> = rng.pick(ODD).chars().collect();
        let end = (at + rng.below(4)).min(letters.len());
        match rng.below(5) {
            0 => letters.splice(at..at, odd).for_each(drop),
            1 => letters.splice(at..end, odd).for_each(drop),
            2 => letters.drain(at..end).for_each(drop),
            3 => letters.truncate(at),
            _ => {
                let repeated: Vec<char> = letters[at..].to_vec();
                letters.extend(repeated.into_iter().take(200));
            }
        }
    }
    letters.into_iter().collect()
}

fn base64_text(rng: &mut Rng) -> String {
    let length = rng.below(80);
    let text = STANDARD.encode(rng.bytes(length));
    mutate(rng, &text)
}

fn note_question(rng: &mut Rng) -> Question {
    let seed = [rng.below(3) as u8; 32];
    let name = *rng.pick(&["sum.example.com", "x", "\u{65e5}\u{672c}", "a/b"]);
    // The names are valid, so there's always a key.
    let signer = Signer::from_seed(name, &seed).unwrap_or_else(|error| panic!("{name}: {error}"));
    let text = match rng.below(4) {
        0 => tree_text(rng),
        1 => format!("{}\n", rng.pick(ODD)),
        2 => format!("a\n\nb{}\n", rng.pick(ODD)),
        _ => "some text\n".to_owned(),
    };
    let mut note = signer.sign(&text);
    for _ in 0..rng.below(4) {
        match rng.below(6) {
            0 => note.push_str(&signer.signature_line(&text)),
            1 => note.push_str(&signer.signature_line("another text\n")),
            2 => {
                let stranger =
                    Signer::from_seed("stranger", &[9; 32]).unwrap_or_else(|error| panic!("{error}"));
                let lines = stranger.signature_line(&text).repeat(*rng.pick(&[1, 2, 98, 99, 100, 101]));
                note.push_str(&lines);
            }
            3 => note.push_str(&format!("\u{2014} y {}\n", base64_text(rng))),
            _ => note = mutate(rng, &note),
        }
    }
    let mut key = match rng.below(8) {
        0 => weak_key(rng, name),
        1 => Signer::from_seed(name, &[7; 32]).map(|other| other.verifier().to_string()).unwrap_or_default(),
        _ => signer.verifier().to_string(),
    };
    if rng.one_in(4) {
        key = mutate(rng, &key);
    }
    if rng.one_in(8) {
        note = weak_note(rng, &key, &text).unwrap_or(note);
    }
    Question::new("note_open", [note, key])
}

/// Encodings of the identity, of points of small order, of no point, and with unreduced coordinates.
fn weak_point(rng: &mut Rng) -> [u8; 32] {
    let mut point = [0; 32];
    match rng.below(8) {
        0 => point[0] = 1,
        1 => {}
        2 => {
            point = [0xff; 32];
            point[0] = *rng.pick(&[0xec, 0xed, 0xee, 0xff]);
            point[31] = *rng.pick(&[0x7f, 0xff]);
        }
        3 => {
            point[0] = 1;
            point[31] = 0x80;
        }
        4 => point[0] = 2,
        5 => point[31] = 0x80,
        6 => {
            point = [
                0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
                0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
                0xfc, 0x05,
            ];
        }
        _ => rng.fill(&mut point),
    }
    point
}

fn weak_key(rng: &mut Rng, name: &str) -> String {
    use sha2::Digest as _;
    let mut key = vec![*rng.pick(&[1, 1, 1, 1, 0, 2])];
    key.extend_from_slice(&weak_point(rng));
    if rng.one_in(8) {
        key.truncate(rng.below(33));
    }
    let digest = sha2::Sha256::new().chain_update(name).chain_update(b"\n").chain_update(&key).finalize();
    let hash: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name}+{hash}+{}", STANDARD.encode(key))
}

/// Returns a note whose signature is made of a weak point and a special scalar.
fn weak_note(rng: &mut Rng, key: &str, text: &str) -> Option<String> {
    let mut parts = key.splitn(3, '+');
    let (name, hash) = (parts.next()?, parts.next()?);
    let mut signature = u32::from_str_radix(hash, 16).ok()?.to_be_bytes().to_vec();
    signature.extend_from_slice(&weak_point(rng));
    // Zero, one, and the group's order with its neighbours.
    let mut scalar = [0; 32];
    match rng.below(4) {
        0 => {}
        1 => scalar[0] = 1,
        _ => {
            scalar = [
                0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
                0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
            ];
            scalar[0] = *rng.pick(&[0xec, 0xed, 0xee]);
        }
    }
    signature.extend_from_slice(&scalar);
    Some(format!("{text}\n\u{2014} {name} {}\n", STANDARD.encode(signature)))
}

fn tree_text(rng: &mut Rng) -> String {
    let size = *rng.pick(&[0, 1, 7, 1 << 40, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX]);
    let mut hash = [0; 32];
    rng.fill(&mut hash);
    let mut text = TreeHead { size, hash: Hash::from_bytes(hash) }.to_string();
    if rng.one_in(5) {
        text.push_str("further\nlines\n");
    }
    if rng.one_in(200) {
        text.push_str(&"x".repeat(1_000_000 - text.len() + rng.below(2)));
        return text;
    }
    mutate(rng, &text)
}

fn record_text(rng: &mut Rng) -> String {
    let id =
        *rng.pick(&["0", "7", "-7", "+007", "9223372036854775807", "9223372036854775808", "", "1_0", "0x1"]);
    let text = format!("{id}\nexample.com/m v1.0.0 h1:x\nexample.com/m v1.0.0/go.mod h1:y\n\nrest\n");
    mutate(rng, &text)
}

fn tile_path(rng: &mut Rng) -> String {
    if rng.one_in(2) {
        return mutate(rng, "tile/8/1/x123/456.p/78");
    }
    let height = *rng.pick(&["1", "2", "8", "30", "31", "0", "08", "-1", "x"]);
    let level =
        *rng.pick(&["0", "1", "data", "63", "64", "9223372036854775807", "9223372036854775808", "-1"]);
    let index = *rng.pick(&[
        "000",
        "001",
        "x001/234",
        "x123/x456/078",
        "x000/001",
        "1000",
        "01",
        "x009/x223/x372/x036/x854/x775/807",
        "x009/x223/x372/x036/x854/x775/808",
        "x018/x446/x744/x073/x709/x551/616",
        "x036/x893/x488/x147/x419/x103/232",
    ]);
    let partial = *rng.pick(&["", "", ".p/1", ".p/255", ".p/256", ".p/0", ".p/01", ".p/", ".p", ".p/-1"]);
    mutate(rng, &format!("tile/{height}/{level}/{index}{partial}"))
}
