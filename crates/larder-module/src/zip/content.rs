//! The content of entries: found, inflated and checked as Go does it.

use std::io;
use std::ops::{Deref, DerefMut};

use flate2::{Decompress, FlushDecompress, Status};

use super::directory::{Archive, Entry, Fields};
use super::read_at::ReadAt;
use super::window::Window;
use super::{EntryProblem, ZipError};

const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
const LOCAL_LENGTH: usize = 30;
const DESCRIPTOR_SIGNATURE: u32 = 0x0807_4b50;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Set when the checksum comes again behind the content.
const HAS_DESCRIPTOR: u16 = 8;

/// How much content is made at a time; a multiple of what hashes take in at once.
const OUTPUT: usize = 128 * 1024;

/// The buffers and inflate state that one reader after another can use; setting them up costs more than reading a small entry.
pub struct Workspace {
    inflate: Decompress,
    window: Window,
    output: Vec<u8>,
}

impl Workspace {
    /// Returns a workspace for whole contents.
    pub fn new() -> Self {
        Self::of_pieces(OUTPUT)
    }

    /// Returns a workspace that makes pieces of so many bytes, for who wants only the beginning of each content.
    pub fn of_pieces(bytes: usize) -> Self {
        Self { inflate: Decompress::new(false), window: Window::new(), output: vec![0; bytes.max(1)] }
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Workspace").field("pieces", &self.output.len()).finish_non_exhaustive()
    }
}

/// A workspace of the reader's own, or one that others use after it.
pub(super) enum Lent<'a> {
    Own(Box<Workspace>),
    For(&'a mut Workspace),
}

impl Deref for Lent<'_> {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        match self {
            Self::Own(workspace) => workspace,
            Self::For(workspace) => workspace,
        }
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Workspace {
        match self {
            Self::Own(workspace) => workspace,
            Self::For(workspace) => workspace,
        }
    }
}

/// Where an entry's packed bytes are.
struct Body {
    start: u64,
    /// The end, which may be past the file's: then the file's end counts.
    end: u64,
    /// Where the checksum behind the content would be, if that place can exist.
    descriptor: Option<u64>,
}

impl<R: ReadAt> Archive<R> {
    /// Returns a reader of one entry's content.
    ///
    /// # Errors
    ///
    /// Fails when there's no local header at the place that the directory names, or the entry is
    /// packed in a way that Go doesn't read.
    pub fn read<'a>(&'a self, entry: &'a Entry) -> Result<EntryReader<'a, R>, ZipError> {
        EntryReader::new(self, entry, Lent::Own(Box::default()))
    }

    /// Returns such a reader that uses a workspace which others use before and after it.
    ///
    /// # Errors
    ///
    /// Fails where [`Self::read`] does.
    pub fn read_with<'a>(
        &'a self,
        entry: &'a Entry,
        workspace: &'a mut Workspace,
    ) -> Result<EntryReader<'a, R>, ZipError> {
        // What it still has may be another zip's.
        workspace.window.clear();
        EntryReader::new(self, entry, Lent::For(workspace))
    }

    pub(super) fn problem(&self, entry: &Entry, problem: EntryProblem) -> ZipError {
        ZipError::Entry { name: crate::unicode::lossy(self.name(entry)).into_owned(), problem }
    }

    fn body(&self, entry: &Entry, window: &mut Window) -> Result<Body, ZipError> {
        let missing = || self.problem(entry, EntryProblem::Header);
        let place = u64::try_from(entry.header).map_err(|_| missing())?;
        let Some(local) = window.at(self, place, LOCAL_LENGTH)?.first_chunk::<LOCAL_LENGTH>() else {
            return Err(missing());
        };
        if Fields(local).u32() != LOCAL_SIGNATURE {
            return Err(missing());
        }
        let mut lengths = Fields(&local[26..]);
        let skipped = i64::from(lengths.u16()) + i64::from(lengths.u16());
        let start = entry.header + LOCAL_LENGTH as i64 + skipped;
        // As in Go, a size that is too large for the place, or negative, means no limit at all.
        let size = entry.compressed.cast_signed();
        let end = start.checked_add(size).filter(|_| size >= 0);
        Ok(Body {
            start: start.cast_unsigned(),
            end: end.unwrap_or(i64::MAX).cast_unsigned(),
            descriptor: u64::try_from(start.wrapping_add(size)).ok(),
        })
    }

    /// Reads within the zip, not what may stand behind it in the same file.
    pub(super) fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let left = self.size.saturating_sub(position);
        let count = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.source.read_full_at(&mut buffer[..count], position)
    }
}

/// Reads one entry's content, piece by piece.
pub struct EntryReader<'a, R> {
    archive: &'a Archive<R>,
    entry: &'a Entry,
    workspace: Lent<'a>,
    state: State,
    position: u64,
    end: u64,
    /// How many more packed bytes may be read.
    pub(super) packed_left: u64,
    descriptor: Option<u64>,
    /// The part of the output buffer that `Read` hasn't handed out.
    pending: std::ops::Range<usize>,
    crc: crc32fast::Hasher,
    produced: u64,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Stored,
    Deflated,
    /// The packed bytes are used up, the checks are still to be made.
    Ended,
    Done,
}

impl<'a, R: ReadAt> EntryReader<'a, R> {
    pub(super) fn new(
        archive: &'a Archive<R>,
        entry: &'a Entry,
        mut workspace: Lent<'a>,
    ) -> Result<Self, ZipError> {
        let body = archive.body(entry, &mut workspace.window)?;
        let state = if archive.name(entry).ends_with(b"/") {
            // Folders have no content; some writers give them a packed size all the same.
            if entry.uncompressed != 0 {
                return Err(archive.problem(entry, EntryProblem::Long));
            }
            State::Done
        } else {
            match entry.method {
                STORED => State::Stored,
                DEFLATED => State::Deflated,
                other => return Err(archive.problem(entry, EntryProblem::Method(other))),
            }
        };
        workspace.inflate.reset(false);
        Ok(Self {
            archive,
            entry,
            workspace,
            state,
            position: body.start,
            end: body.end,
            packed_left: u64::MAX,
            descriptor: body.descriptor,
            pending: 0..0,
            crc: crc32fast::Hasher::new(),
            produced: 0,
        })
    }

    /// Returns the next piece of the content; after the last one, all checks have passed.
    ///
    /// # Errors
    ///
    /// Fails when the content is broken, shorter or longer than declared, or its checksum is
    /// wrong.
    pub fn next_piece(&mut self) -> Result<Option<&[u8]>, ZipError> {
        let count = self.fill()?;
        if count == 0 {
            let crc = std::mem::take(&mut self.crc).finalize();
            return self.close(crc).map(|()| None);
        }
        let piece = &self.workspace.output[..count];
        self.crc.update(piece);
        Ok(Some(piece))
    }

    /// Fills the output with what comes next, and returns how much that is: less than a whole piece only at the end.
    ///
    /// The caller keeps the checksum and has it compared in the end.
    pub(super) fn fill(&mut self) -> Result<usize, ZipError> {
        let mut filled = 0;
        while filled < self.workspace.output.len() {
            let count = match self.state {
                State::Stored => self.copy(filled)?,
                State::Deflated => self.inflate(filled)?,
                State::Ended | State::Done => break,
            };
            filled += count;
            self.produced += count as u64;
            if self.produced > self.entry.uncompressed {
                self.state = State::Done;
                return Err(self.problem(EntryProblem::Long));
            }
        }
        Ok(filled)
    }

    /// Makes the checks that are due after the last piece, with the checksum of all pieces.
    pub(super) fn close(&mut self, crc: u32) -> Result<(), ZipError> {
        match self.state {
            State::Ended => {
                self.check(crc)?;
                self.state = State::Done;
                Ok(())
            }
            State::Stored | State::Deflated | State::Done => Ok(()),
        }
    }

    /// Returns what was filled.
    pub(super) fn filled(&self) -> &[u8] {
        &self.workspace.output
    }

    /// Reports whether nothing more will come.
    pub(super) fn is_at_end(&self) -> bool {
        matches!(self.state, State::Ended | State::Done)
    }

    /// Gives the workspace back, for another entry.
    pub(super) fn into_workspace(self) -> Lent<'a> {
        self.workspace
    }

    fn problem(&self, problem: EntryProblem) -> ZipError {
        self.archive.problem(self.entry, problem)
    }

    /// Returns how much output is worth making: what is missing, and a byte to see a lie.
    fn room(&self, filled: usize) -> std::ops::Range<usize> {
        let missing = self.entry.uncompressed.saturating_sub(self.produced);
        let whole = self.workspace.output.len();
        let missing = usize::try_from(missing).map_or(whole, |missing| missing.saturating_add(1));
        filled..filled.saturating_add(missing).min(whole)
    }

    fn advance(&mut self, count: usize) -> Result<(), ZipError> {
        self.position += count as u64;
        self.packed_left = self.packed_left.checked_sub(count as u64).ok_or(ZipError::Overlap)?;
        Ok(())
    }

    /// Returns how many of the packed bytes from here on belong to the entry.
    fn left(&self) -> usize {
        usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX)
    }

    fn copy(&mut self, filled: usize) -> Result<usize, ZipError> {
        let (room, left) = (self.room(filled), self.left());
        let Workspace { window, output, .. } = &mut *self.workspace;
        let packed = window.at(self.archive, self.position, left.min(1))?;
        let count = packed.len().min(room.len()).min(left);
        output[room][..count].copy_from_slice(&packed[..count]);
        self.advance(count)?;
        if count == 0 {
            self.state = State::Ended;
        }
        Ok(count)
    }

    fn inflate(&mut self, filled: usize) -> Result<usize, ZipError> {
        let (room, left) = (self.room(filled), self.left());
        let Workspace { inflate, window, output } = &mut *self.workspace;
        let packed = window.at(self.archive, self.position, left.min(1))?;
        let packed = &packed[..packed.len().min(left)];
        let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(packed, &mut output[room], FlushDecompress::None);
        let consumed = usize::try_from(inflate.total_in() - before_in).unwrap_or_default();
        let count = usize::try_from(inflate.total_out() - before_out).unwrap_or_default();
        self.advance(consumed)?;
        match status {
            Ok(Status::StreamEnd) => self.state = State::Ended,
            Ok(Status::Ok | Status::BufError) if consumed + count > 0 => {}
            // Neither input nor output moved: the stream isn't over, but the bytes are.
            Ok(Status::Ok | Status::BufError) => {
                return Err(self.problem(EntryProblem::Short));
            }
            Err(_) => return Err(self.problem(EntryProblem::Deflate)),
        }
        Ok(count)
    }

    fn check(&mut self, crc: u32) -> Result<(), ZipError> {
        if self.produced != self.entry.uncompressed {
            return Err(self.problem(EntryProblem::Short));
        }
        let expected = self.entry.crc32;
        let is_checked = if self.entry.flags & HAS_DESCRIPTOR != 0 {
            if self.descriptor_crc()? != Some(expected) {
                return Err(self.problem(EntryProblem::Checksum));
            }
            true
        } else {
            expected != 0
        };
        match is_checked && crc != expected {
            true => Err(self.problem(EntryProblem::Checksum)),
            false => Ok(()),
        }
    }

    /// Reads the checksum behind the content, which may or may not start with a signature.
    ///
    /// The sizes after it come in two widths and are ignored; but the first twelve bytes have to
    /// be there.
    fn descriptor_crc(&mut self) -> Result<Option<u32>, ZipError> {
        let Some(place) = self.descriptor else {
            return Ok(None);
        };
        let bytes = self.workspace.window.at(self.archive, place, 16)?;
        let count = bytes.len();
        let mut fields = Fields(bytes);
        let first = fields.u32();
        let (crc, needed) = match first {
            DESCRIPTOR_SIGNATURE => (fields.u32(), 16),
            other => (other, 12),
        };
        Ok((count >= needed).then_some(crc))
    }
}

impl<R: ReadAt> io::Read for EntryReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.pending.is_empty() {
            let piece = self.next_piece().map_err(|error| match error {
                ZipError::Read(error) => error,
                other => io::Error::new(io::ErrorKind::InvalidData, other),
            })?;
            self.pending = 0..piece.map_or(0, <[u8]>::len);
        }
        let count = buffer.len().min(self.pending.len());
        let from = self.pending.start;
        buffer[..count].copy_from_slice(&self.workspace.output[from..from + count]);
        self.pending.start += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::version::ModuleVersion;
    use crate::zip::create::{Contents, Item, ItemKind, create};

    struct One(Vec<u8>);

    impl Contents for One {
        type Reader<'a>
            = &'a [u8]
        where
            Self: 'a;

        fn open(&mut self, _item: usize) -> io::Result<&[u8]> {
            Ok(&self.0)
        }
    }

    #[test]
    fn a_workspace_goes_from_zip_to_zip_and_makes_pieces_of_its_size() {
        let of = ModuleVersion::parse("example.com/m", "v1.0.0").expect("a module version");
        let mut workspace = Workspace::of_pieces(100);
        for fill in [1_u8, 2, 3] {
            let content = vec![fill; 1_000];
            let item = Item { name: b"a.txt", kind: ItemKind::Regular, size: 1_000 };
            let mut zip = Vec::new();
            create(&[item], &mut One(content.clone()), &of, &mut zip).expect("a good module");
            let archive = Archive::open(&zip[..], zip.len() as u64).expect("a zip");
            let mut reader = archive.read_with(&archive.entries()[0], &mut workspace).expect("an entry");
            assert_eq!(reader.next_piece().expect("a piece"), Some(&content[..100]));
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).expect("the rest");
            assert_eq!(rest, content[100..]);
        }
    }
}
