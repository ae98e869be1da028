//! Wire: the cache as bytes. All or nothing: a checksum is over everything, and what is out of range is no cache.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use super::{Finding, Known, Listing, Written, hash_bytes};
use crate::memo::Memo;
use crate::report::Unresolved;

/// First bytes of every cache, the last the layout's version.
pub(super) const MAGIC: &[u8] = b"btfgen cache 2\n";

/// Numbers have eight bytes, low byte first; texts and lists are preceded by their length.
///
/// Most findings share their bytes, nearly all what they leave unresolved, and that its reasons: each is there once.
pub(super) fn encode(known: &Known) -> Vec<u8> {
    let mut out = Writer(Vec::new());
    out.word(known.context);
    out.word(known.code);
    let (mut shared, mut lists) = (Shared::default(), Shared::default());
    // What is shared in memory too is told by where it lies.
    let mut by_place: Memo<(*const u8, usize), u64> = Memo::default();
    let mut number = |bytes| -> u64 {
        *by_place.entry((<[u8]>::as_ptr(bytes), bytes.len())).or_insert_with(|| shared.number(bytes))
    };
    let mut lists_by_place: Memo<*const Unresolved, u64> = Memo::default();
    let mut findings = Writer(Vec::new());
    findings.list(known.findings.iter(), |out, (key, finding)| {
        out.word(*key);
        let (served, content) = match &finding.bytes {
            Ok(bytes) => (1, &**bytes),
            Err(reason) => (0, reason.as_bytes()),
        };
        out.word(served);
        out.word(number(content));
        let list = lists_by_place.entry(finding.unresolved.as_ptr());
        out.word(*list.or_insert_with(|| {
            let mut list = Writer(Vec::new());
            for it in finding.unresolved.iter() {
                list.word((it.object as u64) << 32 | it.relocation as u64);
                let reason = number(it.reason.as_bytes());
                list.word(reason << 2 | u64::from(it.lasting) << 1 | u64::from(it.reached));
            }
            lists.number(list.0)
        }));
    });
    out.list(shared.all.iter(), |out, bytes| out.bytes(bytes));
    out.list(lists.all.iter(), |out, bytes| out.bytes(bytes));
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
    let text = |number: u64| std::str::from_utf8(shared.get(number as usize)?).ok();
    let mut blobs: Memo<u64, Arc<[u8]>> = Memo::default();
    let mut reasons: Memo<u64, Arc<str>> = Memo::default();
    let lists: Vec<Arc<[Unresolved]>> = input.list(|input| {
        let (words, rest) = input.bytes()?.as_chunks::<16>();
        let mut list = Vec::with_capacity(words.len());
        for words in words {
            let mut input = Reader(words);
            let (place, number) = (input.word()?, input.word()?);
            let reason = match reasons.get(&(number >> 2)) {
                Some(known) => Arc::clone(known),
                None => {
                    let reason: Arc<str> = text(number >> 2)?.into();
                    reasons.insert(number >> 2, Arc::clone(&reason));
                    reason
                }
            };
            let (object, relocation) = ((place >> 32) as usize, place as u32 as usize);
            let (lasting, reached) = (number & 2 != 0, number & 1 != 0);
            list.push(Unresolved { object, relocation, lasting, reason, reached });
        }
        rest.is_empty().then(|| list.into())
    })?;
    let findings: Vec<(u64, Finding)> = input.list(|input| {
        let (key, served, number) = (input.word()?, input.word()?, input.word()?);
        let bytes = match served {
            1 => {
                let content = *shared.get(number as usize)?;
                Ok(Arc::clone(blobs.entry(number).or_insert_with(|| content.into())))
            }
            _ => Err(text(number)?.to_owned()),
        };
        let unresolved = Arc::clone(lists.get(input.word()? as usize)?);
        Some((key, Finding { bytes, unresolved }))
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

/// Bytes that are stored once, by the number of their first use.
struct Shared<B> {
    all: Vec<B>,
    numbers: Memo<B, u64>,
}

impl<B> Default for Shared<B> {
    fn default() -> Self {
        Self { all: Vec::new(), numbers: Memo::default() }
    }
}

impl<B: Clone + Eq + Hash> Shared<B> {
    fn number(&mut self, bytes: B) -> u64 {
        *self.numbers.entry(bytes).or_insert_with_key(|bytes| {
            self.all.push(bytes.clone());
            self.all.len() as u64 - 1
        })
    }
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
