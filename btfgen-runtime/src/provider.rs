//! Provider: an app's own source of BTF, as values: what it is asked for, what it returns, and how that is checked.

use std::error::Error;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::digest::ObjectDigest;
use crate::elf;
use crate::host::Host;
use crate::kernel_id::KernelId;

/// What a provider is asked for.
///
/// [`Finder::provider`](crate::Finder::provider) has an example.
#[derive(Debug)]
#[non_exhaustive]
pub struct Wanted<'a> {
    /// The host.
    pub host: &'a Host,
    /// The kernel's id in a hub; `None` if the host's strings leave it open. Then only [`Host::build_id`] identifies the kernel.
    pub kernel: Option<KernelId>,
    /// The digests of the objects to load: those of [`Finder::for_object`](crate::Finder::for_object), or else all that the archive
    /// was built for.
    pub objects: Vec<ObjectDigest>,
}

/// A BTF from a provider, whole or minimized.
///
/// [`Finder::provider`](crate::Finder::provider) has an example.
///
/// ```
/// use btfgen_runtime::ProvidedBtf;
///
/// # let (download, expected) = (Vec::new(), [0; 32]);
/// // `expected` is in the program, `download` comes from a server.
/// let btf = ProvidedBtf::new(download).sha256(expected);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvidedBtf {
    btf: Vec<u8>,
    sha256: Option<[u8; 32]>,
}

/// A function of the app that is asked for a BTF.
pub(crate) type Provider<'a> = Box<dyn Fn(&Wanted<'_>) -> Result<Option<ProvidedBtf>, Box<dyn Error>> + 'a>;

/// Why a provider's BTF is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    NotBtf { len: usize },
    OtherByteOrder,
    OtherHash { expected: [u8; 32], actual: [u8; 32] },
}

impl ProvidedBtf {
    /// Raw BTF, as in `/sys/kernel/btf/vmlinux`.
    pub fn new(btf: Vec<u8>) -> Self {
        Self { btf, sha256: None }
    }

    /// Sets the SHA-256 that the BTF must have, for an app that has it from a source that it trusts more.
    #[must_use]
    pub fn sha256(mut self, expected: [u8; 32]) -> Self {
        self.sha256 = Some(expected);
        self
    }

    /// The bytes, if they have the expected hash and are a BTF in this program's byte order, which is the kernel's.
    ///
    /// Only the header of the BTF is checked; the loader parses the rest.
    pub(crate) fn check(self) -> Result<Vec<u8>, Flaw> {
        let actual: [u8; 32] = Sha256::digest(&self.btf).into();
        match self.sha256 {
            Some(expected) if expected != actual => Err(Flaw::OtherHash { expected, actual }),
            _ if !elf::is_btf(&self.btf) => Err(Flaw::NotBtf { len: self.btf.len() }),
            _ if (self.btf[0] == 0xeb) != cfg!(target_endian = "big") => Err(Flaw::OtherByteOrder),
            _ => Ok(self.btf),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBtf { len } => write!(f, "refused {len} bytes that are not BTF"),
            Self::OtherByteOrder => f.write_str("refused a BTF in the other byte order"),
            Self::OtherHash { expected, actual } => {
                write!(f, "refused a BTF with SHA-256 {}, expected {}", hex(actual), hex(expected))
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_btf_is_checked_before_it_is_used() {
        let btf = |big: bool| {
            let word = |word: u32| if big { word.to_be_bytes() } else { word.to_le_bytes() };
            let magic = if big { [0xeb, 0x9f, 1, 0] } else { [0x9f, 0xeb, 1, 0] };
            let words = [24, 0, 0, 0, 1].map(word).concat();
            [&magic[..], &words, &[0]].concat()
        };
        let own = btf(cfg!(target_endian = "big"));
        let hash: [u8; 32] = Sha256::digest(&own).into();
        let check = |provided: ProvidedBtf, expect: Result<&[u8], Flaw>| {
            assert_eq!(provided.clone().check(), expect.map(<[u8]>::to_vec), "{provided:?}");
        };
        check(ProvidedBtf::new(own.clone()), Ok(&own));
        check(ProvidedBtf::new(own.clone()).sha256(hash), Ok(&own));
        check(
            ProvidedBtf::new(own.clone()).sha256([1; 32]),
            Err(Flaw::OtherHash { expected: [1; 32], actual: hash }),
        );
        check(ProvidedBtf::new(btf(cfg!(target_endian = "little"))), Err(Flaw::OtherByteOrder));
        check(ProvidedBtf::new(own[..23].to_vec()), Err(Flaw::NotBtf { len: 23 }));
        check(ProvidedBtf::new(b"<html>not found</html>".to_vec()), Err(Flaw::NotBtf { len: 22 }));
        check(ProvidedBtf::new(Vec::new()), Err(Flaw::NotBtf { len: 0 }));
    }
}
