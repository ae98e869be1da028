//! Wire: the cache as bytes. All or nothing: a checksum is over everything, and what is out of range is no cache.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Finding, Known, Listing, Written, hash_bytes};
use crate::memo::Memo;
use crate::report::Unresolved;

/// First bytes of every cache, the last the layout's version.
pub(super) const MAGIC: &[u8] = b"btfgen cache 1\n";

/// Numbers have eight bytes, low byte first; texts and lists are preceded by their length.
pub(super) fn encode(known: &Known) -> Vec<u8> {
    let mut out = Writer(Vec::new());
    out.word(known.context);
    out.word(known.code);
    // Most findings share their bytes, and nearly all a reason with others.
    let (mut shared, mut numbers): (Vec<&[u8]>, Memo<&[u8], u64>) = (Vec::new(), Memo::default());
    let mut number = |bytes| -> u64 {
        *numbers.entry(bytes).or_insert_with(|| {
            shared.push(bytes);
            shared.len() as u64 - 1
        })
    };
    let mut findings = Writer(Vec::new());
    findings.list(known.findings.iter(), |out, (key, finding)| {
        out.word(*key);
        let (served, content) = match &finding.bytes {
            Ok(bytes) => (1, &**bytes),
            Err(reason) => (0, reason.as_bytes()),
        };
        out.word(served);
        out.word(number(content));
        out.list(finding.unresolved.iter(), |out, it| {
            out.word(it.object as u64);
            out.word(it.relocation as u64);
            out.word(u64::from(it.lasting) << 1 | u64::from(it.reached));
            out.word(number(it.reason.as_bytes()));
        });
    });
    out.list(shared.iter(), |out, bytes| out.bytes(bytes));
    out.0.extend(findings.0);
    out.list(known.listing.iter(), |out, listing| {
        out.word(listing.hub);
        out.list(listing.kernels.iter(), |out, (id, key)| {
            out.bytes(id.as_str().as_bytes());
            out.word(*key);
        });
        out.list(listing.idle.iter(), |out, glob| out.bytes(glob.as_bytes()));
    });
    out.list(known.archive.iter(), |out, written| {
        out.word(written.from);
        out.word(written.len as u64);
        out.word(written.hash);
    });
    [MAGIC, &hash_bytes(&out.0).to_le_bytes(), &out.0].concat()
}

/// What [`encode`] wrote; none for any other bytes.
pub(super) fn decode(bytes: &[u8]) -> Option<Known> {
    let (hash, content) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
    if u64::from_le_bytes(*hash) != hash_bytes(content) {
        return None;
    }
    let mut input = Reader(content);
    let (context, code) = (input.word()?, input.word()?);
    let shared: Vec<&[u8]> = input.list(Reader::bytes)?;
    let text = |number: u64| Some(std::str::from_utf8(shared.get(number as usize)?).ok()?.to_owned());
    let mut blobs: Memo<u64, Arc<[u8]>> = Memo::default();
    let mut reasons: Memo<u64, Arc<str>> = Memo::default();
    let findings: Vec<(u64, Finding)> = input.list(|input| {
        let (key, served, number) = (input.word()?, input.word()?, input.word()?);
        let bytes = match served {
            1 => {
                let content = *shared.get(number as usize)?;
                Ok(Arc::clone(blobs.entry(number).or_insert_with(|| content.into())))
            }
            _ => Err(text(number)?),
        };
        let unresolved = input.list(|input| {
            let (object, relocation) = (input.word()? as usize, input.word()? as usize);
            let (marks, number) = (input.word()?, input.word()?);
            let reason = match reasons.get(&number) {
                Some(known) => Arc::clone(known),
                None => {
                    let reason: Arc<str> = text(number)?.into();
                    reasons.insert(number, Arc::clone(&reason));
                    reason
                }
            };
            let (lasting, reached) = (marks & 2 != 0, marks & 1 != 0);
            Some(Unresolved { object, relocation, lasting, reason, reached })
        })?;
        Some((key, Finding { bytes, unresolved: unresolved.into() }))
    })?;
    let listing: Vec<Listing> = input.list(|input| {
        let hub = input.word()?;
        let kernels = input.list(|input| Some((input.text()?.parse().ok()?, input.word()?)))?;
        Some(Listing { hub, kernels, idle: input.list(Reader::text)? })
    })?;
    let archive: Vec<Written> = input.list(|input| {
        Some(Written { from: input.word()?, len: input.word()? as usize, hash: input.word()? })
    })?;
    let findings: BTreeMap<u64, Finding> = findings.into_iter().collect();
    let known = Known {
        context,
        code,
        findings,
        listing: listing.into_iter().next(),
        archive: archive.into_iter().next(),
    };
    input.0.is_empty().then_some(known)
}

struct Writer(Vec<u8>);

impl Writer {
    fn word(&mut self, word: u64) {
        self.0.extend_from_slice(&word.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut item: impl FnMut(&mut Self, T)) {
        self.word(items.len() as u64);
        items.for_each(|it| item(self, it));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.word()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        Some(std::str::from_utf8(self.bytes()?).ok()?.to_owned())
    }

    /// A list; each item takes a byte at least, which bounds their number.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = usize::try_from(self.word()?).ok().filter(|len| *len <= self.0.len())?;
        (0..len).map(|_| item(self)).collect()
    }
}
