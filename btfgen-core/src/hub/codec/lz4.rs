//! The lz4 legacy frame: a magic, then blocks of at most 8 MiB, each after its compressed size.

use std::io::{self, BufRead, Read};

use super::read_up_to::read_up_to;

/// Decodes one frame.
pub(super) struct Lz4Legacy<R> {
    inner: R,
    compressed: Vec<u8>,
    block: Vec<u8>,
    /// Bytes of `block` that have been handed out.
    read: usize,
    done: bool,
}

impl<R: BufRead> Lz4Legacy<R> {
    const BLOCK: usize = 8 << 20;

    pub(super) fn new(mut inner: R, magic: &[u8]) -> io::Result<Self> {
        let mut head = [0; 4];
        inner.read_exact(&mut head)?;
        if head != *magic {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not an lz4 legacy frame"));
        }
        Ok(Self { inner, compressed: Vec::new(), block: Vec::new(), read: 0, done: false })
    }

    /// Decodes the next block; false at the frame's end.
    fn next_block(&mut self) -> io::Result<bool> {
        // A block shorter than 8 MiB is the last one. The kernel's build appends the uncompressed size, which
        // would be mistaken for the size of another block (unlz4 in lib/decompress_unlz4.c).
        if self.done {
            return Ok(false);
        }
        let mut size = [0; 4];
        let len = read_up_to(&mut self.inner, &mut size)?;
        if len < size.len() {
            return Ok(false);
        }
        let size = u32::from_le_bytes(size) as usize;
        if size == 0 {
            return Ok(false);
        }
        if size > lz4_flex::block::get_maximum_output_size(Self::BLOCK) {
            // After at least one block this follows the frame and is not a part of it.
            return if self.block.is_empty() {
                Err(io::Error::new(io::ErrorKind::InvalidData, "lz4 block is too large"))
            } else {
                Ok(false)
            };
        }
        self.compressed.clear();
        self.inner.by_ref().take(size as u64).read_to_end(&mut self.compressed)?;
        if self.compressed.is_empty() && !self.block.is_empty() {
            return Ok(false); // An appended size, and nothing after it.
        }
        if self.compressed.len() < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.block.resize(Self::BLOCK, 0);
        let len = lz4_flex::block::decompress_into(&self.compressed, &mut self.block)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.block.truncate(len);
        self.read = 0;
        self.done = len < Self::BLOCK;
        Ok(len > 0)
    }
}

impl<R: BufRead> Read for Lz4Legacy<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == self.block.len() && !self.next_block()? {
            return Ok(0);
        }
        let rest = self.block.get(self.read..).unwrap_or_default();
        let len = rest.len().min(out.len());
        let (from, to) = (rest.get(..len).unwrap_or_default(), out.get_mut(..len).unwrap_or_default());
        to.copy_from_slice(from);
        self.read += len;
        Ok(len)
    }
}
