//! Writes module zips, byte by byte, so that tests don't depend on the reader under test.

use std::io::Write;
use std::path::Path;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::Rng;
use crate::module::{h1_of_hashes, sha256_hex};

/// 2024-01-01 00:00 in the format of zip files.
const DOS_DATE: u16 = ((2024 - 1980) << 9) | (1 << 5) | 1;

struct Written {
    name: String,
    method: u16,
    crc: u32,
    packed: u32,
    size: u32,
    offset: u32,
}

/// A file's content, deflated once, so that many zips can hold it at the price of a copy.
#[derive(Clone, Debug)]
pub struct Packed {
    bytes: Vec<u8>,
    crc: u32,
    size: u64,
    /// The SHA-256 of the content, in hexadecimal digits.
    pub sha256: String,
}

impl Packed {
    /// Deflates a content as most tools do.
    pub fn new(content: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).expect("memory takes everything");
        let mut crc = Crc::new();
        crc.update(content);
        Self {
            bytes: encoder.finish().expect("memory takes everything"),
            crc: crc.sum(),
            size: content.len() as u64,
            sha256: sha256_hex(content),
        }
    }

    /// Returns how many bytes it has in a zip, names aside.
    pub fn packed_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes a zip to anything that takes bytes.
pub struct ZipWriter<W> {
    out: W,
    position: u64,
    entries: Vec<Written>,
}

impl<W: Write> ZipWriter<W> {
    /// Starts a zip.
    pub fn new(out: W) -> Self {
        Self { out, position: 0, entries: Vec::new() }
    }

    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.position += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Adds a deflated file.
    pub fn deflated(&mut self, name: &str, content: &[u8]) -> std::io::Result<()> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content)?;
        let packed = encoder.finish()?;
        let mut crc = Crc::new();
        crc.update(content);
        self.start(name, 8, crc.sum(), packed.len() as u64, content.len() as u64)?;
        self.put(&packed)
    }

    /// Adds a file that was deflated before.
    pub fn packed(&mut self, name: &str, content: &Packed) -> std::io::Result<()> {
        self.start(name, 8, content.crc, content.bytes.len() as u64, content.size)?;
        self.put(&content.bytes)
    }

    /// Adds a file as it is.
    pub fn stored(&mut self, name: &str, content: &[u8]) -> std::io::Result<()> {
        let mut crc = Crc::new();
        crc.update(content);
        self.start(name, 0, crc.sum(), content.len() as u64, content.len() as u64)?;
        self.put(content)
    }

    fn start(&mut self, name: &str, method: u16, crc: u32, packed: u64, size: u64) -> std::io::Result<()> {
        let entry = Written {
            name: name.to_owned(),
            method,
            crc,
            packed: narrow(packed),
            size: narrow(size),
            offset: narrow(self.position),
        };
        let mut header = Vec::with_capacity(30 + name.len());
        header.extend_from_slice(b"PK\x03\x04");
        common(&mut header, &entry);
        header.extend_from_slice(&0_u16.to_le_bytes());
        header.extend_from_slice(name.as_bytes());
        self.entries.push(entry);
        self.put(&header)
    }

    /// Writes the central directory and gives the writer back.
    pub fn finish(mut self) -> std::io::Result<W> {
        let start = self.position;
        for entry in std::mem::take(&mut self.entries) {
            let mut header = Vec::with_capacity(46 + entry.name.len());
            header.extend_from_slice(b"PK\x01\x02");
            header.extend_from_slice(&20_u16.to_le_bytes());
            common(&mut header, &entry);
            header.extend_from_slice(&[0; 12]); // extra, comment, disk, attributes
            header.extend_from_slice(&entry.offset.to_le_bytes());
            header.extend_from_slice(entry.name.as_bytes());
            self.put(&header)?;
            self.entries.push(entry);
        }
        let count = u16::try_from(self.entries.len()).expect("fewer than 65,536 files");
        let mut end = Vec::with_capacity(22);
        end.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        end.extend_from_slice(&count.to_le_bytes());
        end.extend_from_slice(&count.to_le_bytes());
        end.extend_from_slice(&narrow(self.position - start).to_le_bytes());
        end.extend_from_slice(&narrow(start).to_le_bytes());
        end.extend_from_slice(&0_u16.to_le_bytes());
        self.put(&end)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The fields that the local and the central header share, in the same order.
fn common(header: &mut Vec<u8>, entry: &Written) {
    header.extend_from_slice(&20_u16.to_le_bytes());
    header.extend_from_slice(&0x0800_u16.to_le_bytes()); // names are UTF-8
    header.extend_from_slice(&entry.method.to_le_bytes());
    header.extend_from_slice(&0_u16.to_le_bytes());
    header.extend_from_slice(&DOS_DATE.to_le_bytes());
    header.extend_from_slice(&entry.crc.to_le_bytes());
    header.extend_from_slice(&entry.packed.to_le_bytes());
    header.extend_from_slice(&entry.size.to_le_bytes());
    header.extend_from_slice(&u16::try_from(entry.name.len()).expect("a short name").to_le_bytes());
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).expect("test zips stay below 4 GiB")
}

/// Writes a module zip of about `size` bytes of incompressible content to a file, without holding it in memory,
/// and returns its `h1:`.
///
/// The content is split into files of 16 MiB at most.
pub fn write_large(path: &Path, prefix: &str, go_mod: &str, size: u64, seed: u64) -> std::io::Result<String> {
    let mut zip = ZipWriter::new(std::io::BufWriter::new(fs_err::File::create(path)?));
    let name = format!("{prefix}/go.mod");
    zip.deflated(&name, go_mod.as_bytes())?;
    let mut hashes = vec![(name, sha256_hex(go_mod.as_bytes()))];
    let mut rng = Rng::new(seed);
    let mut left = size;
    while left > 0 {
        let length = left.min(16 << 20);
        let name = format!("{prefix}/data{}.bin", hashes.len());
        let content = rng.bytes(usize::try_from(length).expect("16 MiB at most"));
        zip.stored(&name, &content)?;
        hashes.push((name, sha256_hex(&content)));
        left -= length;
    }
    zip.finish()?;
    Ok(h1_of_hashes(hashes))
}
