//! Scan: BTF found by its header, in images that carry no ELF sections.

use memchr::memmem;

use btfgen_core::btf::{Btf, Endian, u32_at};

/// Length of the header that every version of BTF starts with, in bytes.
const HEADER: usize = 24;
/// Longest header that is accepted, in bytes: later kernels may append fields to it.
const MAX_HEADER: usize = 64;

/// What a header starts with: magic, version 1, flags 0.
const STARTS: [(Endian, [u8; 4]); 2] =
    [(Endian::Little, [0x9f, 0xeb, 1, 0]), (Endian::Big, [0xeb, 0x9f, 1, 0])];

/// Where a header says that its BTF's parts lie; all within the data, nothing parsed yet.
struct Layout<'a> {
    strings: &'a [u8],
    whole: &'a [u8],
}

/// The BTF that starts at `data[0]`, if one does; what follows it is cut off.
///
/// Unlike [`Btf::parse`] it finds where the BTF ends.
pub(crate) fn btf_at_start(data: &[u8]) -> Option<&[u8]> {
    let layout = layout(data)?;
    Btf::parse(layout.whole).ok().map(|_| layout.whole)
}

/// The largest BTF of a kernel anywhere in `image`.
///
/// A kernel may embed other BTFs, those of the BPF objects it preloads; only the kernel's own names `task_struct`.
pub(crate) fn kernel_btf(image: &[u8]) -> Option<&[u8]> {
    // Bounds the work on images made of nothing but headers that overlap the same types.
    let mut budget = image.len().saturating_mul(2).saturating_add(64 << 20);
    let mut best: Option<&[u8]> = None;
    for (_, start) in STARTS {
        for at in memmem::find_iter(image, &start) {
            let Some(layout) = image.get(at..).and_then(layout) else { continue };
            if best.is_some_and(|best| best.len() >= layout.whole.len()) {
                continue;
            }
            let Some(rest) = budget.checked_sub(layout.whole.len()) else { return best };
            budget = rest;
            if memmem::find(layout.strings, b"\0task_struct\0").is_some() && Btf::parse(layout.whole).is_ok()
            {
                best = Some(layout.whole);
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
    // Sections that later kernels added to the header, each an offset and a length.
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
    fn accepts_btf_and_refuses_what_is_damaged() {
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
        bytes[4] = 32;
        bytes.extend(end.to_le_bytes());
        bytes.extend(8u32.to_le_bytes());
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
            assert!(kernel_btf(&image) == Some(kernel.as_slice()));
        }
        assert_eq!(kernel_btf(&filler(10_000)), None);
    }

    #[test]
    fn overlapping_headers_do_not_take_forever() {
        // Headers all over, each of which claims all the types and strings that follow, which are no kernel's.
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
        let started = std::time::Instant::now();
        assert_eq!(kernel_btf(&image), None);
        assert!(started.elapsed().as_secs() < 10);
    }
}
