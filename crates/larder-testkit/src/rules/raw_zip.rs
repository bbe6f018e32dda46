//! Zips written field by field, so that every field can lie.

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use std::io::Write as _;

/// What stands behind an entry's content.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Descriptor {
    /// Nothing.
    #[default]
    None,
    /// The signature, the checksum and the sizes.
    Signed,
    /// The checksum and the sizes.
    Unsigned,
    /// The flag says that there is one, and nothing is there.
    Missing,
    /// A wrong checksum.
    Wrong,
}

/// One entry, with a field for everything that a writer can get wrong.
#[derive(Clone, Debug, Default)]
pub struct RawEntry {
    /// The name in the directory.
    pub name: Vec<u8>,
    /// The name in the local header, if it is another.
    pub local_name: Option<Vec<u8>>,
    /// What is packed.
    pub content: Vec<u8>,
    /// Packed bytes to write instead of the content's.
    pub packed: Option<Vec<u8>>,
    /// The compression method: 0 is stored, 8 deflated.
    pub method: u16,
    /// The general purpose flags; the descriptor's is set by itself.
    pub flags: u16,
    /// The checksum, if another than the content's.
    pub crc32: Option<u32>,
    /// The declared size, if another than the content's.
    pub size: Option<u64>,
    /// The declared packed size, if another than it is.
    pub packed_size: Option<u64>,
    /// What stands behind the content.
    pub descriptor: Descriptor,
    /// Further extra fields in the directory.
    pub extra: Vec<u8>,
    /// Extra fields in the local header.
    pub local_extra: Vec<u8>,
    /// The entry's comment.
    pub comment: Vec<u8>,
    /// Whether sizes and offset stand in a zip64 field.
    pub zip64: bool,
    /// The place of the local header, if another than it is.
    pub offset: Option<u64>,
    /// Mode bits and the like.
    pub attributes: u32,
    /// Whether the local header says zero for sizes and checksum.
    pub empty_local: bool,
}

impl RawEntry {
    /// Returns a deflated file.
    pub fn file(name: impl Into<Vec<u8>>, content: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), content: content.into(), method: 8, ..Self::default() }
    }

    /// Returns a stored file.
    pub fn stored(name: impl Into<Vec<u8>>, content: impl Into<Vec<u8>>) -> Self {
        Self { method: 0, ..Self::file(name, content) }
    }

    fn packed(&self) -> Vec<u8> {
        match (&self.packed, self.method) {
            (Some(packed), _) => packed.clone(),
            (None, 8) => deflate(&self.content),
            (None, _) => self.content.clone(),
        }
    }

    fn crc32(&self) -> u32 {
        self.crc32.unwrap_or_else(|| {
            let mut crc = Crc::new();
            crc.update(&self.content);
            crc.sum()
        })
    }

    fn size(&self) -> u64 {
        self.size.unwrap_or(self.content.len() as u64)
    }

    fn flags(&self) -> u16 {
        self.flags | if self.descriptor == Descriptor::None { 0 } else { 8 }
    }
}

/// Returns the bytes as a deflate stream.
pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory can't fail.
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default()
}

/// A whole zip, with a field for everything around the entries.
#[derive(Clone, Debug, Default)]
pub struct RawZip {
    /// The entries, in order.
    pub entries: Vec<RawEntry>,
    /// Bytes before the first entry.
    pub before: Vec<u8>,
    /// Whether the offsets count those bytes; writers of self-extracting zips differ.
    pub offsets_skip_before: bool,
    /// Bytes between the entries and the directory.
    pub between: Vec<u8>,
    /// Bytes after the directory, before the end record.
    pub after_directory: Vec<u8>,
    /// The zip's comment.
    pub comment: Vec<u8>,
    /// The comment's length, if the end record has another.
    pub comment_length: Option<u16>,
    /// Bytes after the comment.
    pub trailing: Vec<u8>,
    /// The number of entries, if the end record has another.
    pub count: Option<u64>,
    /// The directory's length, if the end record has another.
    pub directory_size: Option<u64>,
    /// The directory's place, if the end record has another.
    pub directory_offset: Option<u64>,
    /// Whether there's a zip64 end record, to which the plain one points by its maxima.
    pub zip64: bool,
    /// The place of the zip64 end record, if the locator has another.
    pub zip64_offset: Option<u64>,
}

impl RawZip {
    /// Returns a zip of these entries without a lie.
    pub fn of(entries: impl IntoIterator<Item = RawEntry>) -> Self {
        Self { entries: entries.into_iter().collect(), ..Self::default() }
    }

    /// Writes the zip.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.before.clone();
        let base = if self.offsets_skip_before { self.before.len() } else { 0 };
        let mut directory = Vec::new();
        for entry in &self.entries {
            let place = (out.len() - base) as u64;
            put_local(&mut out, entry);
            put_directory_header(&mut directory, entry, entry.offset.unwrap_or(place));
        }
        out.extend_from_slice(&self.between);
        let offset = self.directory_offset.unwrap_or((out.len() - base) as u64);
        let size = self.directory_size.unwrap_or(directory.len() as u64);
        let count = self.count.unwrap_or(self.entries.len() as u64);
        out.extend_from_slice(&directory);
        out.extend_from_slice(&self.after_directory);
        if self.zip64 {
            let place = self.zip64_offset.unwrap_or(out.len() as u64);
            put_end64(&mut out, count, size, offset, place);
            put_end(&mut out, 0xffff, 0xffff_ffff, 0xffff_ffff);
        } else {
            put_end(&mut out, count as u16, narrow(size), narrow(offset));
        }
        let comment_length = self.comment_length.unwrap_or(self.comment.len() as u16);
        out.extend_from_slice(&comment_length.to_le_bytes());
        out.extend_from_slice(&self.comment);
        out.extend_from_slice(&self.trailing);
        out
    }
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn put_local(out: &mut Vec<u8>, entry: &RawEntry) {
    let packed = entry.packed();
    let size = narrow(entry.size());
    let name = entry.local_name.as_ref().unwrap_or(&entry.name);
    out.extend_from_slice(b"PK\x03\x04\x14\0");
    out.extend_from_slice(&entry.flags().to_le_bytes());
    out.extend_from_slice(&entry.method.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let fields = match entry.empty_local {
        true => [0; 3],
        false => [entry.crc32(), narrow(packed.len() as u64), size],
    };
    for field in fields {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(&(name.len() as u16).to_le_bytes());
    out.extend_from_slice(&(entry.local_extra.len() as u16).to_le_bytes());
    out.extend_from_slice(name);
    out.extend_from_slice(&entry.local_extra);
    out.extend_from_slice(&packed);
    let crc = match entry.descriptor {
        Descriptor::None | Descriptor::Missing => return,
        Descriptor::Signed => {
            out.extend_from_slice(b"PK\x07\x08");
            entry.crc32()
        }
        Descriptor::Unsigned => entry.crc32(),
        Descriptor::Wrong => !entry.crc32(),
    };
    for field in [crc, narrow(packed.len() as u64), size] {
        out.extend_from_slice(&field.to_le_bytes());
    }
}

fn put_directory_header(out: &mut Vec<u8>, entry: &RawEntry, offset: u64) {
    let size = entry.size();
    let packed = entry.packed_size.unwrap_or_else(|| entry.packed().len() as u64);
    let mut extra = entry.extra.clone();
    let mut fields = [narrow(packed), narrow(size), narrow(offset)];
    if entry.zip64 {
        fields = [u32::MAX; 3];
        let mut field = vec![1, 0, 24, 0];
        for value in [size, packed, offset] {
            field.extend_from_slice(&value.to_le_bytes());
        }
        extra.splice(0..0, field);
    }
    let [packed, size, offset] = fields;
    out.extend_from_slice(b"PK\x01\x02\x14\x03\x14\0");
    out.extend_from_slice(&entry.flags().to_le_bytes());
    out.extend_from_slice(&entry.method.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    for field in [entry.crc32(), packed, size] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    for length in [entry.name.len(), extra.len(), entry.comment.len()] {
        out.extend_from_slice(&(length as u16).to_le_bytes());
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&entry.attributes.to_le_bytes());
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(&entry.name);
    out.extend_from_slice(&extra);
    out.extend_from_slice(&entry.comment);
}

fn put_end64(out: &mut Vec<u8>, count: u64, size: u64, offset: u64, place: u64) {
    out.extend_from_slice(b"PK\x06\x06");
    out.extend_from_slice(&44_u64.to_le_bytes());
    out.extend_from_slice(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for field in [count, count, size, offset] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(b"PK\x06\x07\0\0\0\0");
    out.extend_from_slice(&place.to_le_bytes());
    out.extend_from_slice(&1_u32.to_le_bytes());
}

/// Writes the end record up to the comment's length.
fn put_end(out: &mut Vec<u8>, count: u16, size: u32, offset: u32) {
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&offset.to_le_bytes());
}
