//! A bound for decoders: what they produce may be far longer than what they read.

use std::io::{self, Read};

/// A reader that fails after `limit` bytes, and keeps the first failure.
pub struct Limited<R> {
    inner: R,
    limit: u64,
    left: u64,
    failure: Option<Failure>,
}

/// Why a [`Limited`] reader failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// There are more bytes than the limit.
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },
    /// The reader inside failed.
    Read(io::Error),
}

impl<R: Read> Limited<R> {
    /// Limits a reader to so many bytes.
    pub fn new(inner: R, limit: u64) -> Self {
        Self { inner, limit, left: limit, failure: None }
    }

    /// The first failure, which may have been wrapped on its way to the caller.
    pub fn into_failure(self) -> Option<Failure> {
        self.failure
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failure.is_some() {
            return Err(io::Error::other("an earlier read failed"));
        }
        let read = match self.inner.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let copy = io::Error::new(error.kind(), error.to_string());
                self.failure = Some(Failure::Read(error));
                return Err(copy);
            }
            Ok(read) => read,
        };
        let Some(left) = self.left.checked_sub(read as u64) else {
            self.failure = Some(Failure::TooLong { limit: self.limit });
            let message = format!("expands to more than {} bytes", self.limit);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        };
        self.left = left;
        Ok(read)
    }
}
