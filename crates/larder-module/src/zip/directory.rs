//! The central directory: where a zip says what it holds.
//!
//! The verdict and the entries are those of Go's archive/zip, its leniency included. Sizes and
//! offsets that Go keeps in signed 64-bit integers are kept so here too, because a value past
//! their maximum turns negative there and leads to another verdict.

use super::ZipError;
use super::create::ItemKind;
use super::read_at::ReadAt;

const HEADER_SIGNATURE: u32 = 0x0201_4b50;
const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const LOCATOR64_SIGNATURE: u32 = 0x0706_4b50;
const END64_SIGNATURE: u32 = 0x0606_4b50;

const HEADER_LENGTH: usize = 46;
const END_LENGTH: usize = 22;
const LOCATOR64_LENGTH: usize = 20;
const END64_LENGTH: usize = 56;
const ZIP64_EXTRA: u16 = 1;

/// How far from the end the end record is looked for, first and last.
const END_SEARCH: [u64; 2] = [1024, 65 * 1024];

/// How much of the directory is read at once.
const CHUNK: usize = 64 * 1024;

/// How much of a zip's directory Larder is willing to keep in memory.
///
/// Go has no such limits; the largest zip it allows could hold millions of entries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The most entries.
    pub entries: usize,
    /// The most bytes of all names together.
    pub name_bytes: usize,
    /// The most different files and folders, named or implied by a name.
    pub paths: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 200_000, name_bytes: 32 << 20, paths: 400_000 }
    }
}

/// One entry of the central directory.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    name_start: u32,
    name_length: u16,
    pub(super) flags: u16,
    pub(super) method: u16,
    kind: ItemKind,
    pub(super) crc32: u32,
    pub(super) compressed: u64,
    pub(super) uncompressed: u64,
    /// Where the local header is said to be; it may lie outside the file.
    pub(super) header: i64,
}

impl Entry {
    /// Returns the declared size of the content, as Go's signed integer has it.
    pub fn declared_size(&self) -> i64 {
        self.uncompressed.cast_signed()
    }

    /// Returns what the entry was where it was packed; module zips don't say, source archives do.
    pub fn kind(&self) -> ItemKind {
        self.kind
    }
}

/// A zip whose central directory was read.
#[derive(Debug)]
pub struct Archive<R> {
    pub(super) source: R,
    pub(super) size: u64,
    pub(super) limits: Limits,
    names: Vec<u8>,
    entries: Vec<Entry>,
}

impl<R: ReadAt> Archive<R> {
    /// Reads the central directory with the usual limits.
    ///
    /// # Errors
    ///
    /// Fails where Go's reader fails, and beyond the limits.
    pub fn open(source: R, size: u64) -> Result<Self, ZipError> {
        Self::open_within(source, size, Limits::default())
    }

    /// Reads the central directory.
    ///
    /// # Errors
    ///
    /// Fails where Go's reader fails, and beyond the limits.
    pub fn open_within(source: R, size: u64, limits: Limits) -> Result<Self, ZipError> {
        if i64::try_from(size).is_err() {
            return Err(ZipError::Format("impossible size"));
        }
        let end = End::find(&source, size)?;
        let mut archive = Self { source, size, limits, names: Vec::new(), entries: Vec::new() };
        archive.read_entries(&end)?;
        Ok(archive)
    }

    fn read_entries(&mut self, end: &End) -> Result<(), ZipError> {
        let mut cursor = Cursor::new(&self.source, self.size, end.directory_start());
        let reason = loop {
            let (mut entry, name) = match read_header(&mut cursor)? {
                Header::Entry(entry, name) => (entry, name),
                Header::Stop(reason) => break reason,
            };
            if self.entries.len() == self.limits.entries {
                return Err(limit("entries", self.limits.entries));
            }
            let start = self.names.len();
            if start + name.len() > self.limits.name_bytes.min(u32::MAX as usize) {
                return Err(limit("bytes of names", self.limits.name_bytes));
            }
            entry.header = entry.header.wrapping_add(end.base);
            entry.name_start = u32::try_from(start).unwrap_or(u32::MAX);
            self.names.extend_from_slice(name);
            self.entries.push(entry);
        };
        // The count wraps in zips of old, so only its low 16 bits can be held against them.
        if (self.entries.len() as u64 ^ end.records) & 0xffff != 0 {
            return Err(ZipError::Format(reason));
        }
        self.entries.shrink_to_fit();
        Ok(())
    }

    /// Returns all entries in the directory's order, duplicates included.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the name of one of the archive's entries: raw bytes, of no particular encoding.
    pub fn name(&self, entry: &Entry) -> &[u8] {
        let start = entry.name_start as usize;
        let end = start + usize::from(entry.name_length);
        self.names.get(start..end).unwrap_or_default()
    }
}

fn limit(what: &'static str, limit: usize) -> ZipError {
    ZipError::Limit { what, limit }
}

/// What the end of the zip says about its directory.
struct End {
    records: u64,
    /// Where the directory begins, relative to the base.
    offset: i64,
    /// What to add to every offset: more than zero when something was put before the zip.
    base: i64,
}

impl End {
    fn directory_start(&self) -> u64 {
        self.base.wrapping_add(self.offset).cast_unsigned()
    }

    fn find(source: &impl ReadAt, size: u64) -> Result<Self, ZipError> {
        let (mut position, record) = find_end_record(source, size)?;
        let mut fields = Fields(&record[10..]);
        let mut records = u64::from(fields.u16());
        let mut length = u64::from(fields.u32());
        let mut offset = u64::from(fields.u32());
        // The length's mark should have eight digits; Go compares with four, so this does.
        if (records == 0xffff || length == 0xffff || offset == 0xffff_ffff)
            && let Some(place) = find_end64(source, position)?
        {
            position = place;
            let record = read_end64(source, place)?;
            let mut fields = Fields(&record[32..]);
            (records, length, offset) = (fields.u64(), fields.u64(), fields.u64());
        }
        let (Ok(length), Ok(offset)) = (i64::try_from(length), i64::try_from(offset)) else {
            return Err(ZipError::Format("impossible directory size"));
        };
        let base = position.wrapping_sub(length).wrapping_sub(offset);
        let start = base.wrapping_add(offset);
        if start < 0 || start.cast_unsigned() >= size {
            return Err(ZipError::Format("the directory is outside the file"));
        }
        let mut end = Self { records, offset, base };
        // Some writers give offsets from the file's start although something comes first.
        if base > 0 {
            let mut cursor = Cursor::new(source, size, offset.cast_unsigned());
            if matches!(read_header(&mut cursor), Ok(Header::Entry(..))) {
                end.base = 0;
            }
        }
        Ok(end)
    }
}

/// Finds the last end record, and returns its position and fixed part.
fn find_end_record(source: &impl ReadAt, size: u64) -> Result<(i64, [u8; END_LENGTH]), ZipError> {
    for search in END_SEARCH {
        let length = search.min(size);
        let mut block = vec![0; usize::try_from(length).unwrap_or_default()];
        source.read_full_at(&mut block, size - length)?;
        if let Some((start, record)) = last_end_record(&block) {
            let position = size - length + start as u64;
            return Ok((position.cast_signed(), record));
        }
        if length == size {
            break;
        }
    }
    Err(ZipError::Format("no end record"))
}

/// Finds the last end record in a block; one whose comment goes past the end hides all before it.
fn last_end_record(block: &[u8]) -> Option<(usize, [u8; END_LENGTH])> {
    let last = block.len().checked_sub(END_LENGTH)?;
    let start = (0..=last).rev().find(|start| block[*start..].starts_with(END_SIGNATURE))?;
    let record: [u8; END_LENGTH] = block[start..start + END_LENGTH].try_into().ok()?;
    let comment = usize::from(u16::from_le_bytes([record[20], record[21]]));
    (start + END_LENGTH + comment <= block.len()).then_some((start, record))
}

/// Finds where the zip64 end record is said to be, when there's a locator for it.
fn find_end64(source: &impl ReadAt, end: i64) -> Result<Option<i64>, ZipError> {
    let Ok(place) = u64::try_from(end - LOCATOR64_LENGTH as i64) else {
        return Ok(None);
    };
    let mut locator = [0; LOCATOR64_LENGTH];
    read_exact(source, &mut locator, place)?;
    let mut fields = Fields(&locator);
    let (signature, disk) = (fields.u32(), fields.u32());
    let (position, disks) = (fields.u64(), fields.u32());
    let usable = signature == LOCATOR64_SIGNATURE && disk == 0 && disks == 1;
    Ok(Some(position.cast_signed()).filter(|position| usable && *position >= 0))
}

fn read_end64(source: &impl ReadAt, place: i64) -> Result<[u8; END64_LENGTH], ZipError> {
    let mut record = [0; END64_LENGTH];
    read_exact(source, &mut record, place.cast_unsigned())?;
    match Fields(&record).u32() {
        END64_SIGNATURE => Ok(record),
        _ => Err(ZipError::Format("no zip64 end record at its place")),
    }
}

fn read_exact(source: &impl ReadAt, buffer: &mut [u8], place: u64) -> Result<(), ZipError> {
    match source.read_full_at(buffer, place)? == buffer.len() {
        true => Ok(()),
        false => Err(ZipError::Format("a record is outside the file")),
    }
}

/// What was found where the next directory header should be.
enum Header<'a> {
    Entry(Entry, &'a [u8]),
    /// No header, or one cut off or contradictory: the directory ends here.
    Stop(&'static str),
}

/// Reads the next header; fails only where Go gives the whole zip up.
fn read_header<'a>(cursor: &'a mut Cursor<'_, impl ReadAt>) -> Result<Header<'a>, ZipError> {
    let fixed: [u8; HEADER_LENGTH] = match cursor.take(HEADER_LENGTH)? {
        Taken::All(bytes) => bytes.try_into().unwrap_or([0; HEADER_LENGTH]),
        Taken::Part => return Ok(Header::Stop("a directory entry is cut off")),
        Taken::Nothing => return Err(ZipError::Format("no directory entry at the file's end")),
    };
    let mut fields = Fields(&fixed);
    if fields.u32() != HEADER_SIGNATURE {
        return Ok(Header::Stop("wrong number of directory entries"));
    }
    let creator = fields.u16() >> 8;
    fields.skip(2);
    let (flags, method) = (fields.u16(), fields.u16());
    fields.skip(4);
    let (crc32, compressed, uncompressed) = (fields.u32(), fields.u32(), fields.u32());
    let (name_length, extra_length) = (fields.u16(), fields.u16());
    let comment_length = fields.u16();
    fields.skip(4);
    let attributes = fields.u32();
    let mut entry = Entry {
        name_start: 0,
        name_length,
        flags,
        method,
        kind: kind(creator, attributes),
        crc32,
        compressed: u64::from(compressed),
        uncompressed: u64::from(uncompressed),
        header: i64::from(fields.u32()),
    };
    let name_end = usize::from(name_length);
    let extra_end = name_end + usize::from(extra_length);
    let rest = match cursor.take(extra_end + usize::from(comment_length))? {
        Taken::All(bytes) => bytes,
        Taken::Part => return Ok(Header::Stop("a directory entry is cut off")),
        Taken::Nothing => return Err(ZipError::Format("a directory entry is cut off")),
    };
    if rest[..name_end].ends_with(b"/") {
        entry.kind = ItemKind::Folder;
    }
    match widen(&mut entry, &rest[name_end..extra_end]) {
        true => Ok(Header::Entry(entry, &rest[..name_end])),
        false => Ok(Header::Stop("a zip64 field is missing or cut off")),
    }
}

/// Reads the kind from the attributes, which mean what the creator's system means by them.
fn kind(creator: u16, attributes: u32) -> ItemKind {
    match creator {
        // Unix and macOS.
        3 | 19 => match attributes >> 28 {
            0o04 => ItemKind::Folder,
            0o12 => ItemKind::Symlink,
            0o01 | 0o02 | 0o06 | 0o14 => ItemKind::Other,
            _ => ItemKind::Regular,
        },
        // FAT, NTFS and VFAT.
        0 | 10 | 14 if attributes & 0x10 != 0 => ItemKind::Folder,
        _ => ItemKind::Regular,
    }
}

/// Takes sizes and offset from the zip64 fields where the plain ones are at their maximum.
///
/// Only the first of several zip64 fields can give each value. A maximal content size alone is
/// believed when there is none.
fn widen(entry: &mut Entry, extra: &[u8]) -> bool {
    const MAXIMUM: u64 = u32::MAX as u64;
    let mut wants_size = entry.uncompressed == MAXIMUM;
    let mut wants_compressed = entry.compressed == MAXIMUM;
    let mut wants_header = entry.header == MAXIMUM.cast_signed();
    let mut rest = extra;
    while rest.len() >= 4 {
        let mut fields = Fields(rest);
        let (tag, length) = (fields.u16(), usize::from(fields.u16()));
        let Some((field, after)) = fields.0.split_at_checked(length) else {
            break;
        };
        rest = after;
        if tag != ZIP64_EXTRA {
            continue;
        }
        let mut field = Fields(field);
        for (wanted, value) in
            [(&mut wants_size, &mut entry.uncompressed), (&mut wants_compressed, &mut entry.compressed)]
        {
            if std::mem::take(wanted) {
                if field.0.len() < 8 {
                    return false;
                }
                *value = field.u64();
            }
        }
        if std::mem::take(&mut wants_header) {
            if field.0.len() < 8 {
                return false;
            }
            entry.header = field.u64().cast_signed();
        }
    }
    !wants_compressed && !wants_header
}

/// Little-endian fields, taken one after the other from bytes that are long enough.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        if let Some((first, rest)) = self.0.split_first_chunk::<N>() {
            bytes = *first;
            self.0 = rest;
        }
        bytes
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn skip(&mut self, count: usize) {
        self.0 = self.0.get(count..).unwrap_or_default();
    }
}

/// What could be taken from a cursor.
enum Taken<'a> {
    All(&'a [u8]),
    Part,
    /// The file was at its end already.
    Nothing,
}

/// Reads a file from a position on, in chunks.
struct Cursor<'a, R> {
    source: &'a R,
    size: u64,
    position: u64,
    buffer: Vec<u8>,
    start: usize,
}

impl<'a, R: ReadAt> Cursor<'a, R> {
    fn new(source: &'a R, size: u64, position: u64) -> Self {
        Self { source, size, position, buffer: Vec::new(), start: 0 }
    }

    fn take(&mut self, count: usize) -> Result<Taken<'_>, ZipError> {
        if self.buffer.len() - self.start < count {
            self.fill(count)?;
        }
        let available = self.buffer.len() - self.start;
        if available < count {
            self.start = self.buffer.len();
            return Ok(match available {
                0 => Taken::Nothing,
                _ => Taken::Part,
            });
        }
        let from = self.start;
        self.start += count;
        Ok(Taken::All(&self.buffer[from..self.start]))
    }

    fn fill(&mut self, count: usize) -> Result<(), ZipError> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let kept = self.buffer.len();
        let left = self.size.saturating_sub(self.position);
        let more = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK.max(count - kept));
        self.buffer.resize(kept + more, 0);
        let filled = self.source.read_full_at(&mut self.buffer[kept..], self.position)?;
        self.buffer.truncate(kept + filled);
        self.position += filled as u64;
        Ok(())
    }
}
