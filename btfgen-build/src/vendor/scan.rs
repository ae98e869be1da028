//! Scan: BTF found by its header, in images that carry no ELF sections.

use memchr::memmem;

/// The magic of a BTF header, in the byte order of the kernel.
const MAGIC: u16 = 0xeb9f;
/// Length of the header that every version of BTF starts with, in bytes.
const HEADER: usize = 24;
/// Longest header that is accepted, in bytes: later kernels may append fields to it.
const MAX_HEADER: usize = 64;
/// The highest kind there is, `BTF_KIND_ENUM64`.
const MAX_KIND: u32 = 19;

/// Byte order of a BTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    fn u32_at(self, data: &[u8], at: usize) -> Option<u32> {
        data.get(at..)?.first_chunk().map(|bytes| self.u32(*bytes))
    }

    fn usize_at(self, data: &[u8], at: usize) -> Option<usize> {
        usize::try_from(self.u32_at(data, at)?).ok()
    }

    /// What a header of this byte order starts with: magic, version 1, flags 0.
    fn needle(self) -> [u8; 4] {
        match self {
            Self::Little => [0x9f, 0xeb, 1, 0],
            Self::Big => [0xeb, 0x9f, 1, 0],
        }
    }
}

/// Where a header says that its BTF's parts lie; all within the data, nothing parsed yet.
struct Layout<'a> {
    order: Order,
    types: &'a [u8],
    strings: &'a [u8],
    whole: &'a [u8],
}

/// The BTF that starts at `data[0]`, if one does; what follows it is cut off.
///
/// Header, section offsets, string table and every type record are checked.
pub(crate) fn btf_at_start(data: &[u8]) -> Option<&[u8]> {
    let layout = layout(data)?;
    types_parse(&layout).then_some(layout.whole)
}

/// The largest BTF of a kernel anywhere in `image`.
///
/// A kernel may embed other BTFs, those of the BPF objects it preloads; only the kernel's own names `task_struct`.
pub(crate) fn kernel_btf(image: &[u8]) -> Option<&[u8]> {
    // Bounds the work on images made of nothing but headers that overlap the same types.
    let mut budget = image.len().saturating_mul(2).saturating_add(64 << 20);
    let mut best: Option<&[u8]> = None;
    for order in [Order::Little, Order::Big] {
        for at in memmem::find_iter(image, &order.needle()) {
            let Some(layout) = image.get(at..).and_then(layout) else { continue };
            if best.is_some_and(|best| best.len() >= layout.whole.len()) {
                continue;
            }
            let Some(rest) = budget.checked_sub(layout.whole.len()) else { return best };
            budget = rest;
            if memmem::find(layout.strings, b"\0task_struct\0").is_some() && types_parse(&layout) {
                best = Some(layout.whole);
            }
        }
    }
    best
}

fn layout(data: &[u8]) -> Option<Layout<'_>> {
    let magic = *data.first_chunk()?;
    let order = [Order::Little, Order::Big].into_iter().find(|order| order.u16(magic) == MAGIC)?;
    if data.get(2..4)? != [1, 0] {
        return None;
    }
    let header_len = order.usize_at(data, 4)?;
    if !(HEADER..=MAX_HEADER).contains(&header_len) || header_len % 4 != 0 {
        return None;
    }
    let [type_off, type_len] = [order.usize_at(data, 8)?, order.usize_at(data, 12)?];
    let [str_off, str_len] = [order.usize_at(data, 16)?, order.usize_at(data, 20)?];
    let type_end = type_off.checked_add(type_len)?;
    let str_end = str_off.checked_add(str_len)?;
    if type_off % 4 != 0 || type_len < 12 || type_end > str_off {
        return None;
    }
    let mut end = str_end;
    // Sections that later kernels added to the header, each an offset and a length.
    for at in (HEADER..header_len).step_by(8) {
        let section_end = order.usize_at(data, at)?.checked_add(order.usize_at(data, at + 4)?)?;
        end = end.max(section_end);
    }
    let body = data.get(header_len..)?;
    let strings = body.get(str_off..str_end)?;
    if strings.first() != Some(&0) || strings.last() != Some(&0) {
        return None;
    }
    Some(Layout {
        order,
        types: body.get(type_off..type_end)?,
        strings,
        whole: data.get(..header_len.checked_add(end)?)?,
    })
}

/// Whether the type section is a sequence of whole records of known kinds, whose names lie in the string table.
fn types_parse(layout: &Layout<'_>) -> bool {
    let mut rest = layout.types;
    while !rest.is_empty() {
        let Some(len) = record_len(layout, rest) else { return false };
        let Some(next) = rest.get(len..) else { return false };
        rest = next;
    }
    true
}

/// Length of the first record of `types`, in bytes (`btf_type_size` in libbpf).
fn record_len(layout: &Layout<'_>, types: &[u8]) -> Option<usize> {
    let name = layout.order.usize_at(types, 0)?;
    let info = layout.order.u32_at(types, 4)?;
    let kind = info >> 24 & 0x1f;
    let vlen = (info & 0xffff) as usize;
    // Bits 16 to 23, 29 and 30 are unused.
    if name >= layout.strings.len() || info & 0x60ff_0000 != 0 || !(1..=MAX_KIND).contains(&kind) {
        return None;
    }
    Some(
        12 + match kind {
            // int, var, declaration tag
            1 | 14 | 17 => 4,
            // array
            3 => 12,
            // struct, union, data section, enum64
            4 | 5 | 15 | 19 => 12 * vlen,
            // enum, function prototype
            6 | 13 => 8 * vlen,
            // pointer, forward declaration, typedef, volatile, const, restrict, function, float, type tag
            _ => 0,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::testing::{btf, filler};

    #[test]
    fn accepts_btf_and_refuses_what_is_damaged() {
        let whole = |order| btf(order, 50);
        let check = |what: &str, expect: bool, damage: &dyn Fn(&mut Vec<u8>)| {
            for order in [Order::Little, Order::Big] {
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
        check("name beyond the strings", false, &|bytes| bytes[24..28].fill(0x7f));
    }

    #[test]
    fn takes_headers_with_later_sections() {
        let mut bytes = btf(Order::Little, 3);
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
        for order in [Order::Little, Order::Big] {
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
        let inner = btf(Order::Little, 40_000);
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
