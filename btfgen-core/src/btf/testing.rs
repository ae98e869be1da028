//! Hand-made BTFs in the form of Linux 7.1: a header of 32 bytes and a layout section.

use super::endian::Endian;

/// A type's record: name, kind, `vlen`, the third word, and the words after it.
pub(crate) fn record(name: u32, kind: u8, vlen: u32, third: u32, words: &[u32]) -> Vec<u32> {
    [&[name, u32::from(kind) << 24 | vlen, third], words].concat()
}

/// A BTF of these records, with `info_sz` and `elem_sz` of each kind from number 0 on.
pub(crate) fn wide(endian: Endian, records: &[Vec<u32>], sizes: &[[u8; 2]], strings: &[u8]) -> Vec<u8> {
    let types: Vec<u8> = records.iter().flatten().flat_map(|&word| endian.bytes32(word)).collect();
    let layout: Vec<u8> = sizes.iter().flat_map(|&[info, element]| [info, element, 0, 0]).collect();
    let mut bytes = endian.bytes16(0xeb9f).to_vec();
    bytes.extend([1, 0]);
    let (types_len, layout_len) = (types.len() as u32, layout.len() as u32);
    let strings_at = types_len + layout_len;
    for word in [32, 0, types_len, strings_at, strings.len() as u32, types_len, layout_len] {
        bytes.extend(endian.bytes32(word));
    }
    [bytes, types, layout, strings.to_vec()].concat()
}

/// Sizes for a layout section in which only one kind has any.
pub(crate) fn sizes_of(kind: u8, info: u8, element: u8) -> Vec<[u8; 2]> {
    let mut sizes = vec![[0; 2]; usize::from(kind)];
    sizes.push([info, element]);
    sizes
}
