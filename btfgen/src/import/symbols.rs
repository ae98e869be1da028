//! Symbols: which functions of a kernel are attachable, by its symbols, ftrace sites and kprobe blacklist.
//!
//! Sites are compared by address, as the kernel's `within_notrace_func` does: an alias shares the site of its function.

use std::collections::HashMap;
use std::ops::Range;

use btfgen_core::hub::{AttachTable, Attachability};

/// Most bytes from a function's start to its ftrace site (`FTRACE_MCOUNT_MAX_OFFSET` of all architectures).
const MAX_SITE_OFFSET: u64 = 16;

/// A symbol of the kernel itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Symbol<'a> {
    pub(super) address: u64,
    pub(super) name: &'a [u8],
}

/// Addresses of ftrace sites, ascending.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sites {
    pub(super) certain: Vec<u64>,
    /// Symbols of one name, of which fewer have sites than there are.
    uncertain: Vec<u64>,
}

/// What a kernel tells of its functions.
pub(super) struct Tables<'a> {
    pub(super) symbols: Vec<Symbol<'a>>,
    pub(super) sites: Option<Sites>,
    /// Address ranges on the kprobe blacklist.
    pub(super) blacklist: Option<Vec<Range<u64>>>,
}

impl<'a> Tables<'a> {
    /// The tables of a running kernel: `/proc/kallsyms`, `available_filter_functions_addrs` (since Linux 6.5) or else
    /// `available_filter_functions`, and `kprobes/blacklist`. None if there are no symbols.
    pub(super) fn of_host(
        kallsyms: &'a [u8],
        site_addresses: Option<&[u8]>,
        site_names: Option<&[u8]>,
        blacklist: Option<&[u8]>,
    ) -> Option<Self> {
        let symbols: Vec<_> = lines(kallsyms).filter_map(symbol).collect();
        if symbols.is_empty() {
            return None;
        }
        // Without permission all addresses are 0 (`kptr_restrict`).
        if symbols.iter().all(|symbol| symbol.address == 0) {
            return Some(Self { symbols, sites: None, blacklist: None });
        }
        let sites = match (site_addresses, site_names) {
            (Some(text), _) => Some(Sites::at(lines(text).filter_map(|line| hex(words(line).next()?)))),
            (None, Some(text)) => Some(Sites::named(text, &symbols)),
            (None, None) => None,
        };
        let sites = sites.filter(|sites| sites.certain.iter().any(|&site| site != 0));
        let blacklist = blacklist.map(|text| lines(text).filter_map(blacklisted).collect::<Vec<_>>());
        // Without permission all addresses are 0 here too.
        let blacklist = blacklist.filter(|ranges| ranges.iter().any(|range| range.end != 0));
        Some(Self { symbols, sites, blacklist })
    }

    /// The attachability of each symbol.
    pub(super) fn attachability(mut self) -> AttachTable {
        self.symbols.sort_unstable();
        let mut counts: HashMap<&[u8], usize> = HashMap::new();
        self.symbols.iter().for_each(|symbol| *counts.entry(symbol.name).or_default() += 1);
        let decide = |index: usize| {
            let Symbol { address, name } = self.symbols[index];
            let rest = &self.symbols[index..];
            let next = rest.partition_point(|symbol| symbol.address == address);
            let end = address.saturating_add(MAX_SITE_OFFSET + 1);
            let end = rest.get(next).map_or(end, |symbol| end.min(symbol.address));
            (name.to_vec(), self.decide(address..end, counts[name]))
        };
        (0..self.symbols.len()).map(decide).collect()
    }

    fn decide(&self, function: Range<u64>, symbols_of_name: usize) -> Attachability {
        let Self { sites, blacklist, .. } = self;
        let has = |sites: &[u64]| {
            let first = sites.partition_point(|&site| site < function.start);
            sites.get(first).is_some_and(|site| function.contains(site))
        };
        let is_blacklisted =
            blacklist.as_ref().is_some_and(|all| all.iter().any(|range| range.contains(&function.start)));
        let takes_kprobe = symbols_of_name == 1 && !is_blacklisted;
        match sites {
            Some(sites) if !has(&sites.certain) && !has(&sites.uncertain) => Attachability::No,
            _ if !takes_kprobe => Attachability::TraceOnly,
            Some(sites) if has(&sites.certain) && blacklist.is_some() => Attachability::Yes,
            _ => Attachability::Unknown,
        }
    }
}

impl Sites {
    pub(super) fn at(addresses: impl Iterator<Item = u64>) -> Self {
        let mut certain: Vec<u64> = addresses.collect();
        certain.sort_unstable();
        Self { certain, uncertain: Vec::new() }
    }

    /// The sites of functions by name, one a line; a module's have its name in brackets.
    fn named(text: &[u8], symbols: &[Symbol<'_>]) -> Self {
        let mut listed: HashMap<&[u8], usize> = HashMap::new();
        for line in lines(text) {
            let mut words = words(line);
            if let (Some(name), None) = (words.next(), words.next()) {
                *listed.entry(name).or_default() += 1;
            }
        }
        let mut addresses: HashMap<&[u8], Vec<u64>> = HashMap::new();
        for symbol in symbols.iter().filter(|symbol| listed.contains_key(symbol.name)) {
            addresses.entry(symbol.name).or_default().push(symbol.address);
        }
        let mut sites = Self::default();
        for (name, addresses) in addresses {
            let is_certain = listed[name] >= addresses.len();
            let list = if is_certain { &mut sites.certain } else { &mut sites.uncertain };
            list.extend(addresses);
        }
        sites.certain.sort_unstable();
        sites.uncertain.sort_unstable();
        sites
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n')
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

fn hex(digits: &[u8]) -> Option<u64> {
    let digits = digits.strip_prefix(b"0x").unwrap_or(digits);
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A line of `/proc/kallsyms`: address, type, name, and of others than the kernel's the module in brackets.
fn symbol(line: &[u8]) -> Option<Symbol<'_>> {
    let mut words = words(line);
    let (address, _, name) = (hex(words.next()?)?, words.next()?, words.next()?);
    words.next().is_none().then_some(Symbol { address, name })
}

/// A line of `kprobes/blacklist`: `0xSTART-0xEND`, and a name.
fn blacklisted(line: &[u8]) -> Option<Range<u64>> {
    let range = words(line).next()?;
    let dash = memchr::memchr(b'-', range)?;
    Some(hex(&range[..dash])?..hex(&range[dash + 1..])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYMBOLS: &[u8] = b"ffffffff81000000 T _stext\n\
        ffffffff81000000 T plain\n\
        ffffffff81000100 t notrace\n\
        ffffffff81000200 t twice\n\
        ffffffff81000300 t twice\n\
        ffffffff81000300 T alias_of_twice\n\
        ffffffff81000400 T sys_fork\n\
        ffffffff81000400 T alias_of_fork\n\
        ffffffff81000500 t blacklisted\n\
        ffffffffc0000000 t in_module\t[ext4]\n\
        ffffffffc0000100 t plain\t[ext4]\n";
    const BLACKLIST: &[u8] = b"0xffffffff81000500-0xffffffff81000510\tblacklisted+0x0/0x10\n";
    const ADDRESSES: &[u8] = b"ffffffff81000004 plain\nffffffff81000204 twice\nffffffff81000304 twice\n\
        ffffffff81000404 sys_fork\nffffffff81000500 blacklisted\nffffffffc0000000 in_module [ext4]\n";

    #[test]
    fn compares_addresses_and_counts_names() {
        use Attachability::{No, TraceOnly, Unknown, Yes};
        let names = b"plain\ntwice\nsys_fork\nblacklisted\nin_module [ext4]\nunsymbolic\n".as_slice();
        let both = b"plain\ntwice\ntwice\nsys_fork\nblacklisted\n".as_slice();
        // Without permission the kernel shows 0 for each address.
        let hide = |line: &str| format!("{:016}{}\n", 0, &line[16..]);
        let hidden: String = String::from_utf8_lossy(SYMBOLS).lines().map(hide).collect();
        let check = |symbols: &[u8], addresses, names, blacklist, expect: [Attachability; 9]| {
            let table = Tables::of_host(symbols, addresses, names, blacklist).unwrap().attachability();
            let all = [
                "plain",
                "notrace",
                "twice",
                "alias_of_twice",
                "sys_fork",
                "alias_of_fork",
                "blacklisted",
                "in_module",
                "inlined",
            ];
            assert_eq!(all.map(|name| table.get(name.as_bytes())), expect);
        };
        let black = Some(BLACKLIST);
        let all = [Yes, No, TraceOnly, Yes, Yes, Yes, TraceOnly, No, No];
        check(SYMBOLS, Some(ADDRESSES), None, black, all);
        check(SYMBOLS, Some(ADDRESSES), Some(names), black, all);
        check(SYMBOLS, None, Some(both), black, all);
        // One of two symbols of a name has a site: the other's alias may have none.
        check(SYMBOLS, None, Some(names), black, [Yes, No, TraceOnly, Unknown, Yes, Yes, TraceOnly, No, No]);
        let unsure = [Unknown, No, TraceOnly, Unknown, Unknown, Unknown, Unknown, No, No];
        check(SYMBOLS, Some(ADDRESSES), None, None, unsure);
        let only_names = [Unknown, Unknown, TraceOnly, Unknown, Unknown, Unknown, Unknown, No, No];
        let without_sites = [Unknown, Unknown, TraceOnly, Unknown, Unknown, Unknown, TraceOnly, No, No];
        check(SYMBOLS, None, None, black, without_sites);
        check(SYMBOLS, None, None, None, only_names);
        check(hidden.as_bytes(), Some(ADDRESSES), None, black, only_names);
        let hidden = b"0x0000000000000000-0x0000000000000000\tblacklisted\n".as_slice();
        check(SYMBOLS, Some(ADDRESSES), None, Some(hidden), unsure);
        assert!(Tables::of_host(b"", None, None, None).is_none());
        assert!(Tables::of_host(b"x\n \n1\nffff T\nzz t name\n", None, None, None).is_none());
    }
}
