//! Writing zips in one go, without turning back: sizes and checksum stand behind each content.
//!
//! Nothing but names and contents has a say in the bytes. Contents are compressed in pieces of one size, whatever pieces they come
//! in, because a compressor may decide otherwise at another border.

use std::io::{self, Read, Write};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use sha2::{Digest as _, Sha256};

/// How much content is compressed at once; a change of it may change the bytes of zips.
const PIECE: usize = 64 * 1024;

const PACKED: usize = 64 * 1024;

/// A fair price for a size that is paid again by each download.
const LEVEL: u32 = 6;

/// The version of the format that readers need: 2.0, for deflate.
const VERSION: u16 = 20;

/// The version of the format that readers need for large directories: 4.5.
const VERSION_LARGE: u16 = 45;

/// Sizes and checksum come behind the content.
const HAS_DESCRIPTOR: u16 = 8;

/// The name can't be read as if it were in an old code page.
const IS_UTF8: u16 = 0x800;

const DEFLATED: u16 = 8;

/// What went wrong with one entry.
#[derive(Debug)]
pub(super) enum Trouble {
    LongName,
    Longer,
    Read(io::Error),
    Write(io::Error),
}

/// A zip in the making.
pub(super) struct ZipWriter<W> {
    out: Counted<W>,
    /// The central directory so far.
    directory: Vec<u8>,
    entries: u64,
}

/// What compresses one content after the other.
pub(super) struct Packer {
    compress: Compress,
    piece: Vec<u8>,
    packed: Vec<u8>,
}

struct Counted<W> {
    out: W,
    position: u64,
}

impl<W: Write> Counted<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.position += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

impl Packer {
    pub(super) fn new() -> Self {
        Self {
            compress: Compress::new(Compression::new(LEVEL), false),
            piece: vec![0; PIECE],
            packed: vec![0; PACKED],
        }
    }

    /// Compresses a content and hands on what comes of it.
    pub(super) fn pack(
        &mut self,
        mut content: impl Read,
        size: i64,
        mut put: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Body, Trouble> {
        let Self { compress, piece, packed } = self;
        let (mut crc, mut digest, mut length) = (Crc::new(), Sha256::new(), 0_u32);
        compress.reset();
        loop {
            let count = fill(&mut content, piece).map_err(Trouble::Read)?;
            let more = u32::try_from(count).ok().and_then(|count| length.checked_add(count));
            length = more.filter(|length| i64::from(*length) <= size).ok_or(Trouble::Longer)?;
            crc.update(&piece[..count]);
            digest.update(&piece[..count]);
            let is_last = count < piece.len();
            pack_piece(compress, &piece[..count], packed, is_last, &mut put).map_err(Trouble::Write)?;
            if is_last {
                let packed = compress.total_out();
                return Ok(Body { crc: crc.sum(), digest: digest.finalize().into(), length, packed });
            }
        }
    }
}

/// Compresses a piece by way of the buffer `packed`.
fn pack_piece(
    compress: &mut Compress,
    mut piece: &[u8],
    packed: &mut [u8],
    is_last: bool,
    mut put: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let flush = if is_last { FlushCompress::Finish } else { FlushCompress::None };
    loop {
        let (before_in, before_out) = (compress.total_in(), compress.total_out());
        let status = compress.compress(piece, packed, flush).map_err(io::Error::other)?;
        let taken = usize::try_from(compress.total_in() - before_in).unwrap_or(usize::MAX);
        let made = usize::try_from(compress.total_out() - before_out).unwrap_or(usize::MAX);
        piece = &piece[taken..];
        put(&packed[..made])?;
        let is_done = match is_last {
            true => status == Status::StreamEnd,
            false => piece.is_empty() && made < packed.len(),
        };
        if is_done {
            return Ok(());
        }
    }
}

impl<W: Write> ZipWriter<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out: Counted { out, position: 0 }, directory: Vec::new(), entries: 0 }
    }

    /// Returns how much was written.
    pub(super) fn position(&self) -> u64 {
        self.out.position
    }

    /// Adds a file and returns the SHA-256 of its content.
    pub(super) fn add(
        &mut self,
        packer: &mut Packer,
        name: &[u8],
        content: impl Read,
        size: i64,
    ) -> Result<[u8; 32], Trouble> {
        let head = self.begin(name)?;
        let body = packer.pack(content, size, |bytes| self.out.put(bytes))?;
        self.end(head, name, &body)?;
        Ok(body.digest)
    }

    /// Adds a file whose content is compressed already.
    pub(super) fn add_packed(
        &mut self,
        name: &[u8],
        content: Result<(Body, Vec<u8>), Trouble>,
    ) -> Result<[u8; 32], Trouble> {
        // What is wrong with the name is said first, just as when nothing was compressed yet.
        let head = self.begin(name)?;
        let (body, packed) = content?;
        self.out.put(&packed).map_err(Trouble::Write)?;
        self.end(head, name, &body)?;
        Ok(body.digest)
    }

    /// Writes what stands before a content.
    fn begin(&mut self, name: &[u8]) -> Result<Head, Trouble> {
        let name_length = u16::try_from(name.len()).map_err(|_| Trouble::LongName)?;
        let offset = self.position_32()?;
        let needs_utf8 = name.iter().any(|byte| !matches!(byte, b' '..=b'}') || *byte == b'\\');
        let mut common = Vec::with_capacity(10);
        for field in [VERSION, HAS_DESCRIPTOR | if needs_utf8 { IS_UTF8 } else { 0 }, DEFLATED, 0, 0] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        let mut header = [b"PK\x03\x04", &common[..], &[0; 12]].concat();
        header.extend_from_slice(&name_length.to_le_bytes());
        header.extend_from_slice(&[0; 2]);
        header.extend_from_slice(name);
        self.out.put(&header).map_err(Trouble::Write)?;
        Ok(Head { name_length, offset, common })
    }

    /// Writes what stands behind a content, and notes the file in the directory.
    fn end(&mut self, head: Head, name: &[u8], body: &Body) -> Result<(), Trouble> {
        let packed = u32::try_from(body.packed).map_err(|_| Trouble::Write(too_long()))?;
        let mut sizes = body.crc.to_le_bytes().to_vec();
        sizes.extend_from_slice(&packed.to_le_bytes());
        sizes.extend_from_slice(&body.length.to_le_bytes());
        self.out.put(&[b"PK\x07\x08", &sizes[..]].concat()).map_err(Trouble::Write)?;
        self.directory.extend_from_slice(b"PK\x01\x02");
        self.directory.extend_from_slice(&VERSION.to_le_bytes());
        self.directory.extend_from_slice(&head.common);
        self.directory.extend_from_slice(&sizes);
        self.directory.extend_from_slice(&head.name_length.to_le_bytes());
        self.directory.extend_from_slice(&[0; 12]);
        self.directory.extend_from_slice(&head.offset.to_le_bytes());
        self.directory.extend_from_slice(name);
        self.entries += 1;
        Ok(())
    }

    fn position_32(&self) -> Result<u32, Trouble> {
        u32::try_from(self.out.position).map_err(|_| Trouble::Write(too_long()))
    }

    /// Writes the directory and returns the zip's length.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        let start = self.out.position;
        let directory = std::mem::take(&mut self.directory);
        self.out.put(&directory)?;
        let length = directory.len() as u64;
        let is_small =
            self.entries < u64::from(u16::MAX) && length < u64::from(u32::MAX) && start < u64::from(u32::MAX);
        if !is_small {
            self.finish_large(start, length)?;
        }
        let short = |number: u64| u16::try_from(number).ok().filter(|_| is_small).unwrap_or(u16::MAX);
        let long = |number: u64| u32::try_from(number).ok().filter(|_| is_small).unwrap_or(u32::MAX);
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend_from_slice(&short(self.entries).to_le_bytes());
        end.extend_from_slice(&short(self.entries).to_le_bytes());
        end.extend_from_slice(&long(length).to_le_bytes());
        end.extend_from_slice(&long(start).to_le_bytes());
        end.extend_from_slice(&[0; 2]);
        self.out.put(&end)?;
        self.out.out.flush()?;
        Ok(self.out.position)
    }

    /// Writes the end record for numbers that don't fit into the usual one, and where it is.
    fn finish_large(&mut self, start: u64, length: u64) -> io::Result<()> {
        let place = self.out.position;
        let mut end = b"PK\x06\x06".to_vec();
        // How much of the record follows.
        end.extend_from_slice(&44_u64.to_le_bytes());
        end.extend_from_slice(&VERSION_LARGE.to_le_bytes());
        end.extend_from_slice(&VERSION_LARGE.to_le_bytes());
        end.extend_from_slice(&[0; 8]);
        for number in [self.entries, self.entries, length, start] {
            end.extend_from_slice(&number.to_le_bytes());
        }
        end.extend_from_slice(b"PK\x06\x07\0\0\0\0");
        end.extend_from_slice(&place.to_le_bytes());
        end.extend_from_slice(&1_u32.to_le_bytes());
        self.out.put(&end)
    }
}

/// What an entry's two headers have in common.
struct Head {
    name_length: u16,
    offset: u32,
    common: Vec<u8>,
}

/// What is known of a content after it was read.
pub(super) struct Body {
    crc: u32,
    digest: [u8; 32],
    length: u32,
    /// The length of what it was compressed to.
    packed: u64,
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "the zip grows beyond 4 GiB")
}

/// Reads until the buffer is full or the content ends.
fn fill(content: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match content.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
