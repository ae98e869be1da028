//! Kallsyms: the symbols in an x86_64 kernel image, and the tables of ftrace sites and of the kprobe blacklist.
//!
//! `scripts/kallsyms.c` writes, in an order and with an alignment that depend on the version: the number of symbols, their names as
//! indices of tokens, markers (the offset of every 256th name), a table of 256 tokens and one of their offsets, and the
//! symbols' addresses. Nothing names these tables, so the tokens of the digits are searched, and all else is checked.

use std::collections::HashMap;
use std::ops::Range;

use memchr::memmem;
use object::{Architecture, Object, ObjectSection};

use btfgen_core::btf::{Endian, u32_at};
use btfgen_core::hub::AttachTable;

use super::symbols::{Sites, Symbol, Tables};

const TOKENS: usize = 256;
/// Most bytes of all tokens.
const MAX_TOKENS_LEN: usize = 16 << 10;
/// Fewest and most symbols of a kernel; distributions' have about 200,000.
const SYMBOLS: Range<usize> = 1_000..1 << 20;
/// Most bytes of a name (`KSYM_NAME_LEN`), and of all names.
const MAX_NAME_LEN: usize = 512;
const MAX_NAMES_LEN: usize = 64 << 20;
/// Most bytes from the number of symbols to the table of tokens.
const MAX_NAMES_AREA: usize = 16 << 20;
/// Most names that are read while the number of symbols is searched.
const MAX_STEPS: usize = 1 << 28;
/// Most bytes of a symbol in all tables before the tokens, on average; real ones have under 20.
const MAX_MEAN_LEN: usize = 64;
/// Symbols between markers.
const MARKED: usize = 256;
/// Lowest address of a kernel's code.
const KERNEL: u64 = 0xffff_ffff_8000_0000;

/// The attachability of functions by an uncompressed image with sections; none if it does not tell.
pub(super) fn attachability(image: &[u8]) -> Option<AttachTable> {
    let file = object::File::parse(image).ok().filter(|file| file.architecture() == Architecture::X86_64)?;
    let mut sections = Vec::new();
    for section in file.sections() {
        if let (Some((offset, len)), address @ KERNEL..) = (section.file_range(), section.address()) {
            sections.push(Section { address, offset, len });
        }
    }
    let image = Image { bytes: image, sections };
    let symbols = image.symbols()?;
    let mut addresses: HashMap<&[u8], u64> = HashMap::new();
    addresses.extend(symbols.iter().map(|(address, name)| (name.as_slice(), *address)));
    let between = |start: &str, end: &str| -> Option<Range<u64>> {
        Some(*addresses.get(start.as_bytes())?..*addresses.get(end.as_bytes())?)
    };
    // Freed after the boot, and their sites with them.
    let init = between("__init_begin", "__init_end")?;
    let sites = image.addresses(between("__start_mcount_loc", "__stop_mcount_loc")?)?;
    let sites = Sites::at(sites.into_iter().filter(|site| !init.contains(site)));
    // As `populate_kprobe_blacklist` and x86's `arch_populate_kprobe_blacklist`.
    let blacklist = image.addresses(between("__start_kprobe_blacklist", "__stop_kprobe_blacklist")?)?;
    let mut blacklist: Vec<Range<u64>> =
        blacklist.into_iter().map(|address| address..address.saturating_add(1)).collect();
    blacklist.extend(between("__kprobes_text_start", "__kprobes_text_end"));
    blacklist.extend(between("__noinstr_text_start", "__noinstr_text_end"));
    blacklist.extend(between("__entry_text_start", "__entry_text_end"));
    let symbols = symbols.iter().map(|(address, name)| Symbol { address: *address, name }).collect();
    Some(Tables { symbols, sites: Some(sites), blacklist: Some(blacklist) }.attachability())
}

struct Section {
    address: u64,
    offset: u64,
    len: u64,
}

struct Image<'a> {
    bytes: &'a [u8],
    sections: Vec<Section>,
}

/// Where the tables of tokens are.
struct TokenTable {
    start: usize,
    index: usize,
}

/// Where the names are.
struct NameTable {
    /// Byte offset of the number of symbols.
    count_at: usize,
    count: usize,
    start: usize,
}

impl Image<'_> {
    fn u32(&self, at: usize) -> Option<u32> {
        u32_at(self.bytes, at, Endian::Little)
    }

    fn u64(&self, at: usize) -> Option<u64> {
        Some(u64::from_le_bytes(*self.bytes.get(at..)?.first_chunk()?))
    }

    /// The file offset of an address.
    fn offset(&self, address: u64) -> Option<usize> {
        let inside = |section: &&Section| {
            address.checked_sub(section.address).is_some_and(|distance| distance < section.len)
        };
        let section = self.sections.iter().find(inside)?;
        usize::try_from(section.offset.checked_add(address - section.address)?).ok()
    }

    /// The address of a file offset.
    fn address(&self, offset: usize) -> Option<u64> {
        let offset = offset as u64;
        let inside = |section: &&Section| {
            offset.checked_sub(section.offset).is_some_and(|distance| distance < section.len)
        };
        let section = self.sections.iter().find(inside)?;
        section.address.checked_add(offset - section.offset)
    }

    /// A table of addresses of code; none if it has something else.
    fn addresses(&self, table: Range<u64>) -> Option<Vec<u64>> {
        let start = self.offset(table.start)?;
        let len = usize::try_from(table.end.checked_sub(table.start)?).ok()?;
        let bytes = self.bytes.get(start..start.checked_add(len)?)?;
        let addresses =
            bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
        // Weak functions that others replace leave zeros.
        let addresses: Vec<u64> = addresses.filter(|&address| address != 0).collect();
        addresses.iter().all(|&address| address >= KERNEL).then_some(addresses)
    }

    fn symbols(&self) -> Option<Vec<(u64, Vec<u8>)>> {
        let tokens = self.token_table()?;
        let names = self.name_table(tokens.start)?;
        let addresses = self.symbol_addresses(&tokens, &names)?;
        let mut symbols = Vec::with_capacity(names.count);
        let (mut at, mut total) = (names.start, 0);
        for address in addresses {
            let encoded = self.name_at(at)?;
            let mut name = Vec::new();
            for &token in self.bytes.get(encoded.clone())? {
                name.extend_from_slice(self.token(&tokens, token)?);
                if name.len() > MAX_NAME_LEN {
                    return None;
                }
            }
            // The first character is the symbol's type.
            name = name.get(1..)?.to_vec();
            total += name.len();
            if total > MAX_NAMES_LEN {
                return None;
            }
            symbols.push((address, name));
            at = encoded.end;
        }
        Some(symbols)
    }

    /// The bytes of a name: its length has one byte, or two if the first has bit 7.
    fn name_at(&self, at: usize) -> Option<Range<usize>> {
        let first = usize::from(*self.bytes.get(at)?);
        let (start, len) = match first & 0x80 {
            0 => (at + 1, first),
            _ => (at + 2, first & 0x7f | usize::from(*self.bytes.get(at + 1)?) << 7),
        };
        (len > 0).then_some(start..start + len)
    }

    fn token(&self, tokens: &TokenTable, token: u8) -> Option<&[u8]> {
        let at = tokens.index + 2 * usize::from(token);
        let start = tokens.start + usize::from(u16::from_le_bytes(*self.bytes.get(at..)?.first_chunk()?));
        let rest = self.bytes.get(start..tokens.index)?;
        Some(&rest[..memchr::memchr(0, rest)?])
    }

    fn token_table(&self) -> Option<TokenTable> {
        // Each digit is a token of itself.
        let digits: Vec<u8> = (b'0'..=b'9').flat_map(|digit| [digit, 0]).collect();
        memmem::find_iter(self.bytes, &digits).take(16).find_map(|digits| {
            let index = digits.next_multiple_of(4);
            (index..index + MAX_TOKENS_LEN).step_by(4).find_map(|index| self.token_table_with(index, digits))
        })
    }

    /// The table whose offsets are at `index` and whose token `0` is at `digits`.
    fn token_table_with(&self, index: usize, digits: usize) -> Option<TokenTable> {
        let bytes = self.bytes.get(index..index.checked_add(2 * TOKENS)?)?;
        let offset = |token: usize| usize::from(u16::from_le_bytes([bytes[2 * token], bytes[2 * token + 1]]));
        let start = digits.checked_sub(offset(usize::from(b'0')))?;
        let ends_token = |token: usize| self.bytes.get(start + offset(token) - 1) == Some(&0);
        let is_table = offset(0) == 0
            && (1..TOKENS).all(|token| offset(token - 1) < offset(token) && ends_token(token))
            && start + offset(TOKENS - 1) < index;
        is_table.then_some(TokenTable { start, index })
    }

    /// The names, which end at most a table of other numbers before the tokens: their markers tell them.
    fn name_table(&self, tokens: usize) -> Option<NameTable> {
        let mut steps = MAX_STEPS;
        let lowest = tokens.saturating_sub(MAX_NAMES_AREA);
        let last = tokens & !3;
        for count_at in (lowest.next_multiple_of(4)..last).step_by(4).rev() {
            let count = self.u32(count_at)? as usize;
            if !SYMBOLS.contains(&count) {
                continue;
            }
            for align in [4, 8] {
                let start = (count_at + 4).next_multiple_of(align);
                // Each name has at least 2 bytes, and few have many.
                let is_plausible =
                    (count * 2..count * MAX_MEAN_LEN).contains(&(tokens.saturating_sub(start)));
                let is_padding = self.bytes.get(count_at + 4..start)?.iter().all(|&byte| byte == 0);
                if is_plausible && is_padding && self.has_markers(start, count, align, tokens, &mut steps) {
                    return Some(NameTable { count_at, count, start });
                }
            }
            if steps == 0 {
                return None;
            }
        }
        None
    }

    fn has_markers(&self, start: usize, count: usize, align: usize, end: usize, steps: &mut usize) -> bool {
        let (mut at, mut markers) = (start, Vec::new());
        for index in 0..count {
            if index % MARKED == 0 {
                markers.push((at - start) as u32);
            }
            *steps = steps.saturating_sub(1);
            match self.name_at(at) {
                Some(name) if name.end <= end && *steps > 0 => at = name.end,
                _ => return false,
            }
        }
        let table = at.next_multiple_of(align);
        markers.iter().enumerate().all(|(index, &marker)| self.u32(table + 4 * index) == Some(marker))
    }

    /// The addresses of the symbols, in the order of their names. Up to Linux 6.3 they are before the names, and relative to a
    /// base; later after the tokens; since 7.0 relative to their own place.
    fn symbol_addresses(&self, tokens: &TokenTable, names: &NameTable) -> Option<Vec<u64>> {
        let count = names.count;
        let after = tokens.index + 2 * TOKENS;
        let base_after = (after.next_multiple_of(8) + 4 * count).next_multiple_of(8);
        let base_before = names.count_at.saturating_sub(8);
        let before = base_before.checked_sub((4 * count).next_multiple_of(8));
        self.based(after.next_multiple_of(8), base_after, count)
            .or_else(|| self.based(before?, base_before, count))
            .or_else(|| self.placed(after.next_multiple_of(4), count))
    }

    /// Addresses relative to a base. If per-CPU symbols are absolute (before 6.15 or so), the others are negative.
    fn based(&self, table: usize, base_at: usize, count: usize) -> Option<Vec<u64>> {
        let base = self.u64(base_at).filter(|&base| base >= KERNEL)?;
        let offsets = self.offsets(table, count)?;
        let has_absolute = offsets.iter().any(|&offset| offset < 0);
        let address = |&offset: &i32| match (has_absolute, offset) {
            (true, 0..) => offset as u64,
            (true, _) => base.wrapping_sub(1).wrapping_add_signed(-i64::from(offset)),
            (false, _) => base.wrapping_add(offset as u64),
        };
        ascending(offsets.iter().map(address).collect())
    }

    /// Addresses relative to the places of their offsets.
    fn placed(&self, table: usize, count: usize) -> Option<Vec<u64>> {
        let start = self.address(table)?;
        let offsets = self.offsets(table, count)?;
        let places = (0..).map(|index: u64| start.wrapping_add(4 * index));
        let addresses = places.zip(offsets).map(|(place, offset)| place.wrapping_add_signed(offset.into()));
        ascending(addresses.collect())
    }

    fn offsets(&self, table: usize, count: usize) -> Option<Vec<i32>> {
        (0..count).map(|index| Some(self.u32(table + 4 * index)?.cast_signed())).collect()
    }
}

/// Addresses of symbols, if they are those of a kernel: ascending, most of them high.
fn ascending(addresses: Vec<u64>) -> Option<Vec<u64>> {
    let middle = addresses.get(addresses.len() / 2)?;
    (addresses.is_sorted() && *middle >= KERNEL).then_some(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How versions of Linux write the addresses.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Layout {
        /// Up to 6.3: before the names, per-CPU symbols absolute.
        Before,
        /// After the tokens, per-CPU symbols absolute.
        After,
        /// After the tokens, all relative to the base.
        AfterRelative,
        /// Since 7.0: relative to their own places.
        Placed,
    }

    const LAYOUTS: [Layout; 4] = [Layout::Before, Layout::After, Layout::AfterRelative, Layout::Placed];

    fn symbols(layout: Layout) -> Vec<(u64, Vec<u8>)> {
        let absolute = if matches!(layout, Layout::Before | Layout::After) { 2 } else { 0 };
        let symbol = |index: u64| {
            let address = if index < absolute { index * 0x1000 } else { KERNEL + index / 2 * 16 };
            // Some names need two bytes for their length.
            let name = format!("symbol_{index}{}", "x".repeat(if index % 300 == 7 { 200 } else { 0 }));
            (address, name.into_bytes())
        };
        (0..1500).map(symbol).collect()
    }

    fn align(bytes: &mut Vec<u8>, align: usize) {
        bytes.resize(bytes.len().next_multiple_of(align), 0);
    }

    /// A section with the tables of these symbols, at the lowest kernel address.
    fn image(layout: Layout, symbols: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let has_absolute = matches!(layout, Layout::Before | Layout::After);
        let alignment = if layout == Layout::Placed { 4 } else { 8 };
        let offsets = |start: usize| -> Vec<u8> {
            let offset = |(index, &(address, _)): (usize, &(u64, Vec<u8>))| match layout {
                Layout::Placed => address.wrapping_sub(KERNEL + (start + 4 * index) as u64) as u32,
                _ if has_absolute && address >= KERNEL => {
                    (KERNEL.wrapping_sub(1).wrapping_sub(address)) as u32
                }
                _ => address as u32 & 0x7fff_ffff,
            };
            symbols.iter().enumerate().flat_map(|symbol| offset(symbol).to_le_bytes()).collect()
        };
        let put_offsets = |out: &mut Vec<u8>| {
            out.extend(offsets(out.len()));
            if layout != Layout::Placed {
                align(out, 8);
                out.extend(KERNEL.to_le_bytes());
            }
        };
        let mut out = vec![0xcc; 640];
        if layout == Layout::Before {
            put_offsets(&mut out);
        }
        out.extend((symbols.len() as u32).to_le_bytes());
        align(&mut out, alignment);
        let start = out.len();
        let mut markers = Vec::new();
        for (index, (_, name)) in symbols.iter().enumerate() {
            if index % MARKED == 0 {
                markers.push((out.len() - start) as u32);
            }
            let len = name.len() + 1;
            out.push(if len < 0x80 { len as u8 } else { len as u8 & 0x7f | 0x80 });
            if len >= 0x80 {
                out.push((len >> 7) as u8);
            }
            out.push(b'T');
            out.extend(name);
        }
        align(&mut out, alignment);
        out.extend(markers.into_iter().flat_map(u32::to_le_bytes));
        align(&mut out, alignment);
        let (tokens, mut index) = (out.len(), Vec::new());
        for token in 0..=255u8 {
            index.extend(((out.len() - tokens) as u16).to_le_bytes());
            let text = if token.is_ascii_graphic() { vec![token] } else { b"pair".to_vec() };
            out.extend(text);
            out.push(0);
        }
        align(&mut out, alignment);
        out.extend(index);
        align(&mut out, alignment);
        if layout != Layout::Before {
            put_offsets(&mut out);
        }
        out.extend([0xcc; 64]);
        out
    }

    fn decode(bytes: &[u8]) -> Option<Vec<(u64, Vec<u8>)>> {
        let sections = vec![Section { address: KERNEL, offset: 0, len: bytes.len() as u64 }];
        Image { bytes, sections }.symbols()
    }

    #[test]
    fn decodes_the_layouts_of_all_versions() {
        for layout in LAYOUTS {
            let symbols = symbols(layout);
            let decoded = decode(&image(layout, &symbols)).unwrap_or_else(|| panic!("{layout:?}"));
            assert!(decoded == symbols, "{layout:?}");
        }
    }

    #[test]
    fn damage_is_not_fatal() {
        let layouts = LAYOUTS.map(|layout| image(layout, &symbols(layout)));
        for bytes in &layouts {
            for at in (0..bytes.len()).step_by(997) {
                let mut bytes = bytes.clone();
                bytes[at] ^= 0xff;
                let _ = decode(&bytes);
                bytes.truncate(at);
                assert!(decode(&bytes).is_none_or(|symbols| symbols.len() < 4096));
            }
        }
        assert!(attachability(&layouts[0]).is_none(), "no ELF file");
    }
}
