//! Scan: finds BTF by its header, in images without ELF sections.

use memchr::memmem;

use btfgen_core::btf::{Btf, Endian, u32_at};

/// Length of the header that every version of BTF starts with, in bytes.
const HEADER: usize = 24;
/// Longest accepted header, in bytes: later kernels may append fields.
const MAX_HEADER: usize = 64;

/// First bytes of a header: magic, version 1, flags 0.
const STARTS: [(Endian, [u8; 4]); 2] =
    [(Endian::Little, [0x9f, 0xeb, 1, 0]), (Endian::Big, [0xeb, 0x9f, 1, 0])];

/// A BTF's parts by its header: within bounds, not parsed yet.
struct Layout<'a> {
    strings: &'a [u8],
    whole: &'a [u8],
}

/// The BTF that starts at `data[0]`, without the bytes behind it.
///
/// Unlike [`Btf::parse`] it finds where the BTF ends.
pub(crate) fn btf_at_start(data: &[u8]) -> Option<&[u8]> {
    let layout = layout(data)?;
    Btf::parse(layout.whole).ok().map(|_| layout.whole)
}

/// The largest BTF of a kernel anywhere in `image`, and its byte order.
///
/// A kernel may embed the BTFs of BPF objects that it preloads; only its own BTF has `task_struct`.
pub(crate) fn kernel_btf(image: &[u8]) -> Option<(&[u8], Endian)> {
    largest_kernel_btf(image, &mut search_limit(image))
}

/// Most bytes searched in one image: bounds the work on headers that claim the same types again and again.
fn search_limit(image: &[u8]) -> usize {
    image.len().saturating_mul(2).saturating_add(64 << 20)
}

/// Subtracts from `budget` the bytes it searches, and stops before it is exceeded.
fn largest_kernel_btf<'a>(image: &'a [u8], budget: &mut usize) -> Option<(&'a [u8], Endian)> {
    let mut best: Option<(&[u8], Endian)> = None;
    for (endian, start) in STARTS {
        for offset in memmem::find_iter(image, &start) {
            let Some(layout) = image.get(offset..).and_then(layout) else { continue };
            if best.is_some_and(|(best, _)| best.len() >= layout.whole.len()) {
                continue;
            }
            let Some(rest) = budget.checked_sub(layout.whole.len()) else { return best };
            *budget = rest;
            if memmem::find(layout.strings, b"\0task_struct\0").is_some() && Btf::parse(layout.whole).is_ok()
            {
                best = Some((layout.whole, endian));
            }
        }
    }
    best
}

fn layout(data: &[u8]) -> Option<Layout<'_>> {
    let (endian, _) = STARTS.into_iter().find(|(_, start)| data.starts_with(start))?;
    let word = |at| u32_at(data, at, endian).and_then(|word| usize::try_from(word).ok());
    let header_len = word(4)?;
    if !(HEADER..=MAX_HEADER).contains(&header_len) || header_len % 8 != 0 {
        return None;
    }
    let [type_off, type_len, str_off, str_len] = [word(8)?, word(12)?, word(16)?, word(20)?];
    let type_end = type_off.checked_add(type_len)?;
    let str_end = str_off.checked_add(str_len)?;
    if type_off % 4 != 0 || type_len < 12 || type_end > str_off {
        return None;
    }
    let mut end = str_end;
    // Sections that later kernels append to the header, each an offset and a length.
    for at in (HEADER..header_len).step_by(8) {
        end = end.max(word(at)?.checked_add(word(at + 4)?)?);
    }
    let body = data.get(header_len..)?;
    let strings = body.get(str_off..str_end)?;
    if strings.first() != Some(&0) || strings.last() != Some(&0) {
        return None;
    }
    Some(Layout { strings, whole: data.get(..header_len.checked_add(end)?)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::testing::{btf, filler};

    #[test]
    fn accepts_btf_and_rejects_damage() {
        let whole = |order| btf(order, 50);
        let check = |what: &str, expect: bool, damage: &dyn Fn(&mut Vec<u8>)| {
            for order in [Endian::Little, Endian::Big] {
                let mut bytes = whole(order);
                damage(&mut bytes);
                let expected = if expect { Some(bytes.clone()) } else { None };
                assert_eq!(btf_at_start(&bytes).map(<[u8]>::to_vec), expected, "{what}");
            }
        };
        check("whole", true, &|_| {});
        check("other version", false, &|bytes| bytes[2] = 2);
        check("flags", false, &|bytes| bytes[3] = 1);
        check("header length", false, &|bytes| bytes[4..8].fill(0));
        check("header length of 16777216", false, &|bytes| bytes[4..8].copy_from_slice(&[1, 0, 0, 1]));
        check("string offset", false, &|bytes| bytes[16..20].fill(0xff));
        check("cut short", false, &|bytes| bytes.truncate(bytes.len() - 1));
        check("first string not empty", false, &|bytes| {
            let at = bytes.windows(5).position(|five| five == b"\0int\0").unwrap();
            bytes[at] = b'x';
        });
        check("kind 0", false, &|bytes| bytes[28..32].fill(0));
        check("kind 31", false, &|bytes| bytes[28..32].fill(0x1f));
    }

    #[test]
    fn takes_headers_with_later_sections() {
        let mut bytes = btf(Endian::Little, 3);
        let rest = bytes.split_off(24);
        let end = u32::try_from(rest.len()).unwrap();
        bytes[4] = 40;
        // No layout section, and one that is not known yet.
        for word in [0, 0, end, 8] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(rest);
        bytes.extend([7; 8]);
        let whole = bytes.clone();
        bytes.extend([9; 100]);
        assert_eq!(btf_at_start(&bytes), Some(whole.as_slice()));
    }

    #[test]
    fn finds_the_kernel_among_others() {
        for order in [Endian::Little, Endian::Big] {
            let kernel = btf(order, 300);
            let smaller = btf(order, 20);
            // Larger, but a BPF object's: no task_struct.
            let mut foreign = btf(order, 900);
            let at = memmem::find(&foreign, b"task_struct").unwrap();
            foreign[at..at + 4].copy_from_slice(b"TASK");
            let mut image = filler(5_001);
            for part in [&smaller, &foreign, &kernel, &smaller] {
                image.extend(part);
                image.extend(filler(333));
            }
            assert!(kernel_btf(&image) == Some((kernel.as_slice(), order)));
        }
        assert_eq!(kernel_btf(&filler(10_000)), None);
    }

    #[test]
    fn overlapping_headers_are_searched_within_the_limit() {
        // Many headers that all claim the same types and strings, which are not a kernel's.
        let inner = btf(Endian::Little, 40_000);
        let body = inner.get(24..).unwrap();
        let types = u32::from_le_bytes(*inner.get(12..).unwrap().first_chunk().unwrap());
        let strings = u32::from_le_bytes(*inner.get(20..).unwrap().first_chunk().unwrap());
        let count = 40_000u32;
        let mut image = Vec::new();
        for left in (0..count).rev() {
            image.extend([0x9f, 0xeb, 1, 0]);
            for word in [24, left * 24, types, left * 24 + types, strings] {
                image.extend(word.to_le_bytes());
            }
        }
        image.extend(body);
        let at = memmem::find(&image, b"task_struct").unwrap();
        image[at] = b'T';
        let mut budget = search_limit(&image);
        assert_eq!(largest_kernel_btf(&image, &mut budget), None);
        // It stopped at a header that would exceed the limit; all of them together exceed it a thousand times.
        assert!(budget < image.len());
        assert!(u64::from(count) * body.len() as u64 > 1000 * search_limit(&image) as u64);
    }
}
