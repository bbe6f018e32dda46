//! The hash over all entries of a zip, two of them at a time.
//!
//! Hashing is a chain in which each step waits for the one before, and a processor that has instructions for it spends much of its time
//! waiting so. Two chains that take turns, block by block, take two thirds of the time of one after the other, on one core; the
//! checksum that a zip has of each entry then costs next to nothing. Which entry is refused first, and so what the refusal says, doesn't
//! depend on it.

use sha2::block_api::compress256;

use super::content::{EntryReader, Lent};
use super::directory::{Archive, Entry};
use super::read_at::ReadAt;
use super::{EntryProblem, ZipError};
use crate::dirhash::{H1, Lines};

/// How many packed bytes the hash reads at most, beside twice the zip's own size.
///
/// Entries may share packed bytes, and a stream of empty blocks costs time without making output. No honest zip
/// reads any of its bytes twice; the constant leaves small oddities to Go's rules.
const PACKED_ALLOWANCE: u64 = 128 << 20;

/// What SHA-256 takes in at once.
const BLOCK: usize = 64;
/// How many bytes the checksum takes in between blocks.
const STRIDE: usize = 4 * BLOCK;

/// Where SHA-256 begins.
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

impl<R: ReadAt> Archive<R> {
    /// Returns the hash over all entries, as Go's `HashZip` computes it.
    ///
    /// Folders are hashed as well, and of entries with one name only the last is read, as often
    /// as the name stands in the directory.
    ///
    /// # Errors
    ///
    /// Fails when a content can't be read in full or a name has a newline.
    pub fn hash(&self) -> Result<H1, ZipError> {
        self.hash_each(|_, _| {})
    }

    /// Returns the hash over all entries and shows the hash of each.
    pub(super) fn hash_each(&self, mut each: impl FnMut(&[u8], &[u8; 32])) -> Result<H1, ZipError> {
        let mut sorted: Vec<&Entry> = self.entries().iter().collect();
        // Stable, so the last of several entries with one name stays the last of them.
        sorted.sort_by(|a, b| self.name(a).cmp(self.name(b)));
        let groups = || sorted.chunk_by(|a, b| self.name(a) == self.name(b));
        let files: Vec<&Entry> = groups().filter_map(|group| group.last().copied()).collect();
        let digests = Pair::new(self, &files).digests()?;
        let mut lines = Lines::default();
        for (group, digest) in groups().zip(&digests) {
            let [.., last] = group else { continue };
            let name = self.name(last);
            each(name, digest);
            for _ in group {
                lines.push(digest, name);
            }
        }
        Ok(lines.finish())
    }
}

/// One entry on its way through the hash.
struct Lane<'a, R> {
    /// Which of the files it is.
    place: usize,
    reader: EntryReader<'a, R>,
    /// The part of what the reader has filled that isn't hashed yet.
    unhashed: std::ops::Range<usize>,
    crc: crc32fast::Hasher,
    state: [u32; 8],
    length: u64,
}

impl<R: ReadAt> Lane<'_, R> {
    /// Sees to it that a whole block is there; there isn't at the entry's end.
    fn has_block(&mut self, packed_left: &mut u64) -> Result<bool, ZipError> {
        if self.unhashed.len() < BLOCK && !self.reader.is_at_end() {
            self.reader.packed_left = *packed_left;
            self.unhashed = 0..self.reader.fill()?;
            *packed_left = self.reader.packed_left;
        }
        Ok(self.unhashed.len() >= BLOCK)
    }

    /// Takes so many blocks that are there.
    fn take(&mut self, blocks: usize) -> (&[u8], &mut crc32fast::Hasher, &mut [u32; 8]) {
        let bytes = blocks * BLOCK;
        let start = self.unhashed.start;
        self.unhashed.start += bytes;
        self.length += bytes as u64;
        (&self.reader.filled()[start..start + bytes], &mut self.crc, &mut self.state)
    }

    /// Takes all blocks that are there.
    fn hash_alone(&mut self) {
        let (bytes, crc, state) = self.take(self.unhashed.len() / BLOCK);
        for part in bytes.chunks(STRIDE) {
            crc.update(part);
            compress256(state, part.as_chunks().0);
        }
    }

    /// Takes what is left, has all checked, and returns the hash.
    fn finish(&mut self) -> Result<[u8; 32], ZipError> {
        let rest = &self.reader.filled()[self.unhashed.clone()];
        self.crc.update(rest);
        let bits = (self.length + rest.len() as u64) * 8;
        let mut last = [[0; BLOCK]; 2];
        last[0][..rest.len()].copy_from_slice(rest);
        last[0][rest.len()] = 0x80;
        let blocks = if rest.len() + 9 <= BLOCK { 1 } else { 2 };
        last[blocks - 1][BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
        compress256(&mut self.state, &last[..blocks]);
        self.unhashed = 0..0;
        self.reader.close(std::mem::take(&mut self.crc).finalize())?;
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        Ok(digest)
    }
}

/// Takes blocks of two entries by turns.
fn hash_both<R: ReadAt>(one: &mut Lane<'_, R>, other: &mut Lane<'_, R>) {
    let blocks = one.unhashed.len().min(other.unhashed.len()) / BLOCK;
    let (one_bytes, one_crc, one_state) = one.take(blocks);
    let (other_bytes, other_crc, other_state) = other.take(blocks);
    for (one, other) in one_bytes.chunks(STRIDE).zip(other_bytes.chunks(STRIDE)) {
        one_crc.update(one);
        other_crc.update(other);
        let (one, other): (&[[u8; BLOCK]], &[[u8; BLOCK]]) = (one.as_chunks().0, other.as_chunks().0);
        for (one, other) in one.iter().zip(other) {
            compress256(one_state, std::slice::from_ref(one));
            compress256(other_state, std::slice::from_ref(other));
        }
    }
}

/// The files of a zip, and the two of them that are being hashed.
struct Pair<'a, R> {
    archive: &'a Archive<R>,
    files: &'a [&'a Entry],
    lanes: [Option<Lane<'a, R>>; 2],
    /// How many files were begun.
    begun: usize,
    packed_left: u64,
    digests: Vec<[u8; 32]>,
}

impl<'a, R: ReadAt> Pair<'a, R> {
    fn new(archive: &'a Archive<R>, files: &'a [&'a Entry]) -> Self {
        Self {
            archive,
            files,
            lanes: [None, None],
            begun: 0,
            packed_left: archive.size.saturating_mul(2).saturating_add(PACKED_ALLOWANCE),
            digests: vec![[0; 32]; files.len()],
        }
    }

    /// Returns the hashes of all files, in their order.
    fn digests(mut self) -> Result<Vec<[u8; 32]>, ZipError> {
        for lane in 0..self.lanes.len() {
            if let Err(error) = self.begin(lane, Lent::Own(Box::default())) {
                return Err(self.first_error(lane, error));
            }
        }
        loop {
            for lane in 0..self.lanes.len() {
                if let Err(error) = self.advance(lane) {
                    return Err(self.first_error(lane, error));
                }
            }
            match &mut self.lanes {
                [Some(one), Some(other)] => hash_both(one, other),
                [Some(lane), None] | [None, Some(lane)] => lane.hash_alone(),
                [None, None] => return Ok(self.digests),
            }
        }
    }

    /// Begins the next file, if there is one.
    fn begin(&mut self, lane: usize, workspace: Lent<'a>) -> Result<(), ZipError> {
        let place = self.begun;
        let Some(entry) = self.files.get(place) else { return Ok(()) };
        if self.archive.name(entry).contains(&b'\n') {
            return Err(self.archive.problem(entry, EntryProblem::Newline));
        }
        let reader = EntryReader::new(self.archive, entry, workspace)?;
        self.begun += 1;
        let crc = crc32fast::Hasher::new();
        self.lanes[lane] = Some(Lane { place, reader, unhashed: 0..0, crc, state: START, length: 0 });
        Ok(())
    }

    /// Ends the file in a lane, and those after it, until there's one with a block to hash.
    fn advance(&mut self, lane: usize) -> Result<(), ZipError> {
        while let Some(current) = &mut self.lanes[lane] {
            if current.has_block(&mut self.packed_left)? {
                break;
            }
            self.digests[current.place] = current.finish()?;
            if let Some(done) = self.lanes[lane].take() {
                self.begin(lane, done.reader.into_workspace())?;
            }
        }
        Ok(())
    }

    /// Returns the error of the first file that has one; all before both lanes are good.
    fn first_error(&mut self, lane: usize, error: ZipError) -> ZipError {
        let place = self.lanes[lane].as_ref().map_or(self.begun, |lane| lane.place);
        let [one, other] = &mut self.lanes;
        let earlier = if lane == 0 { other } else { one };
        let Some(earlier) = earlier.as_mut().filter(|earlier| earlier.place < place) else { return error };
        loop {
            match earlier.has_block(&mut self.packed_left) {
                Ok(true) => earlier.hash_alone(),
                Ok(false) => return earlier.finish().err().unwrap_or(error),
                Err(earlier) => return earlier,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// Returns a zip whose contents aren't compressed.
    fn stored_zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (name, content) in files {
            // No flags, stored, no time.
            let mut common = [[0; 4], [0; 4], crc32fast::hash(content).to_le_bytes()].concat();
            for _ in ["packed", "unpacked"] {
                common.extend((content.len() as u32).to_le_bytes());
            }
            common.extend((name.len() as u16).to_le_bytes());
            common.extend([0; 2]);
            directory.extend(b"PK\x01\x02\x14\0\x14\0");
            directory.extend(&common);
            directory.extend([0; 10]);
            directory.extend((out.len() as u32).to_le_bytes());
            directory.extend(name.as_bytes());
            out.extend(b"PK\x03\x04\x14\0");
            out.extend(&common);
            out.extend(name.as_bytes());
            out.extend(content);
        }
        let start = out.len() as u32;
        out.extend(&directory);
        out.extend(b"PK\x05\x06\0\0\0\0");
        for _ in ["here", "in all"] {
            out.extend((files.len() as u16).to_le_bytes());
        }
        out.extend((directory.len() as u32).to_le_bytes());
        out.extend(start.to_le_bytes());
        out.extend([0; 2]);
        out
    }

    #[test]
    fn contents_of_every_length_hash_as_they_should() {
        let lengths =
            (0..200).chain([1 << 16, (128 << 10) - 1, 128 << 10, (128 << 10) + 1, 300_000, 5, 400_001]);
        let files: Vec<(String, Vec<u8>)> = lengths
            .enumerate()
            .map(|(number, length)| {
                let content = (0..length).map(|at| (at * 7 + number) as u8).collect();
                (format!("f{number:04}"), content)
            })
            .collect();
        let zip = stored_zip(&files);
        let mut seen = Vec::new();
        let archive = Archive::open(&zip[..], zip.len() as u64).expect("a zip");
        archive.hash_each(|name, digest| seen.push((name.to_vec(), *digest))).expect("good contents");
        let expected: Vec<(Vec<u8>, [u8; 32])> = files
            .iter()
            .map(|(name, content)| (name.clone().into_bytes(), Sha256::digest(content).into()))
            .collect();
        assert!(seen == expected, "a hash differs");
    }

    #[test]
    fn the_first_bad_entry_is_named_whichever_lane_sees_one_first() {
        let files = [("a", vec![1; 1 << 20]), ("b", vec![2; 70]), ("c", vec![3; 80])];
        let mut zip = stored_zip(&files.map(|(name, content)| (name.to_owned(), content)));
        let last_of_a = zip.windows(2).position(|pair| pair == [1, b'P']).expect("the next header");
        let in_c = zip.windows(40).position(|part| part == [3; 40]).expect("content");
        zip[last_of_a] ^= 8;
        zip[in_c] ^= 8;
        let bad = |zip: &[u8]| {
            let archive = Archive::open(zip, zip.len() as u64).expect("a zip");
            archive.hash().expect_err("a bad content").to_string()
        };
        assert!(bad(&zip).contains("\"a\""), "{}", bad(&zip));
        zip[last_of_a] ^= 8;
        assert!(bad(&zip).contains("\"c\""), "{}", bad(&zip));
    }
}
