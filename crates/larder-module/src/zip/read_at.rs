//! Reading at a position, without a shared cursor.
//!
//! One open file serves many readers at once this way: the proxy checks a zip through the same
//! descriptor that clients are being served from.

use std::fs::File;
use std::io;
use std::sync::Arc;

/// A source of bytes that is read at given positions.
pub trait ReadAt {
    /// Reads some bytes at a position; none only at or after the end.
    ///
    /// # Errors
    ///
    /// Fails when the source does.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Reads until the buffer is full or the source ends, and returns how much it was.
    ///
    /// # Errors
    ///
    /// Fails when the source does.
    fn read_full_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let Some(next) = position.checked_add(filled as u64) else {
                break;
            };
            match self.read_at(&mut buffer[filled..], next) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl ReadAt for File {
    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        if i64::try_from(position).is_err() {
            return Ok(0);
        }
        std::os::unix::fs::FileExt::read_at(self, buffer, position)
    }

    #[cfg(windows)]
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(self, buffer, position)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let start = usize::try_from(position).map_or(self.len(), |start| start.min(self.len()));
        let count = buffer.len().min(self.len() - start);
        buffer[..count].copy_from_slice(&self[start..start + count]);
        Ok(count)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.as_slice().read_at(buffer, position)
    }
}

impl<R: ReadAt + ?Sized> ReadAt for &R {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        (**self).read_at(buffer, position)
    }
}

impl<R: ReadAt + ?Sized> ReadAt for Arc<R> {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        (**self).read_at(buffer, position)
    }
}
