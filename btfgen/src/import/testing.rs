//! Testing: small BTFs, images and packages, built byte by byte for the tests of this module.

use std::io::Write;

use super::codec::Codec;
use btfgen_core::btf::Endian;

/// A BTF with an int, `structs` structs and a `task_struct`.
pub(crate) fn btf(endian: Endian, structs: u32) -> Vec<u8> {
    let u32_bytes = |value: u32| endian.bytes32(value);
    let mut strings = b"\0int\0task_struct\0pid\0".to_vec();
    let mut types = Vec::new();
    let mut push = |words: &[u32]| types.extend(words.iter().copied().flat_map(u32_bytes));
    push(&[1, 1 << 24, 4, 32]);
    push(&[5, 4 << 24 | 1, 4, 17, 1, 0]);
    for number in 0..structs {
        let name = u32::try_from(strings.len()).unwrap();
        strings.extend(format!("struct_{number}_{}\0", number.wrapping_mul(2_654_435_761)).bytes());
        push(&[name, 4 << 24 | 1, 4, 17, 1, 0]);
    }
    let (types_len, strings_len) =
        (u32::try_from(types.len()).unwrap(), u32::try_from(strings.len()).unwrap());
    let mut out = match endian {
        Endian::Little => vec![0x9f, 0xeb, 1, 0],
        Endian::Big => vec![0xeb, 0x9f, 1, 0],
    };
    for word in [24, 0, types_len, types_len, strings_len] {
        out.extend(u32_bytes(word));
    }
    out.extend(types);
    out.extend(strings);
    out
}

/// Bytes that compress badly and hold none of the magics that a scan looks for, as code does.
pub(crate) fn filler(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 & 0x7e
    };
    (0..len).map(|_| next()).collect()
}

/// The note of a build id whose bytes are all `id`.
pub(crate) fn build_id_note(endian: Endian, id: u8) -> Vec<u8> {
    let words = [4, 20, 3].into_iter().flat_map(|word| endian.bytes32(word));
    words.chain(*b"GNU\0").chain([id; 20]).collect()
}

/// A 64-bit ELF with the given sections; those named `.note...` are notes.
pub(crate) fn elf(endian: Endian, sections: &[(&str, &[u8])]) -> Vec<u8> {
    use object::write::{Object, StandardSegment};
    let (endian, architecture) = match endian {
        Endian::Little => (object::Endianness::Little, object::Architecture::X86_64),
        Endian::Big => (object::Endianness::Big, object::Architecture::S390x),
    };
    let mut elf = Object::new(object::BinaryFormat::Elf, architecture, endian);
    for (name, data) in sections {
        let segment = elf.segment_name(StandardSegment::Data).to_vec();
        let kind = match name.starts_with(".note") {
            true => object::SectionKind::Note,
            false => object::SectionKind::ReadOnlyData,
        };
        let id = elf.add_section(segment, name.as_bytes().to_vec(), kind);
        elf.append_section_data(id, data, 8);
    }
    elf.write().unwrap()
}

/// Compresses as the kernel's build or a packager does.
pub(crate) fn compress(codec: Codec, data: &[u8]) -> Vec<u8> {
    match codec {
        Codec::Gzip => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(data).unwrap();
            writer.finish().unwrap()
        }
        Codec::Xz => {
            let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
            writer.write_all(data).unwrap();
            writer.finish().unwrap()
        }
        Codec::Lzma => {
            let options = liblzma::stream::LzmaOptions::new_preset(1).unwrap();
            let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
            let mut writer = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
            writer.write_all(data).unwrap();
            writer.finish().unwrap()
        }
        Codec::Lz4 => {
            let mut out = vec![0x02, 0x21, 0x4c, 0x18];
            for block in data.chunks(8 << 20) {
                let packed = lz4_flex::block::compress(block);
                out.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
                out.extend(packed);
            }
            out
        }
        Codec::Zstd => zstd::bulk::compress(data, 1).unwrap(),
        Codec::Bzip2 => {
            let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            writer.write_all(data).unwrap();
            writer.finish().unwrap()
        }
    }
}

/// The x86 boot image around a compressed payload; as in a real one, the uncompressed size follows the payload.
pub(crate) fn bzimage(payload: &[u8], unpacked: usize) -> Vec<u8> {
    let (sectors, offset) = (3usize, 0x400usize);
    let mut image = filler((sectors + 1) * 512 + offset);
    image[0x1f1] = u8::try_from(sectors).unwrap();
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&0x20fu16.to_le_bytes());
    image[0x248..0x24c].copy_from_slice(&u32::try_from(offset).unwrap().to_le_bytes());
    image[0x24c..0x250].copy_from_slice(&u32::try_from(payload.len() + 4).unwrap().to_le_bytes());
    image.extend(payload);
    image.extend(u32::try_from(unpacked).unwrap().to_le_bytes());
    image.extend(filler(1000));
    image
}

/// The EFI image around a compressed payload.
pub(crate) fn zboot(payload: &[u8], codec: &str) -> Vec<u8> {
    let at = 0x1000;
    let mut image = filler(at);
    image[..8].copy_from_slice(b"MZ\0\0zimg");
    image[8..12].copy_from_slice(&u32::try_from(at).unwrap().to_le_bytes());
    image[12..16].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
    image[24..24 + codec.len()].copy_from_slice(codec.as_bytes());
    image[24 + codec.len()] = 0;
    image.extend(payload);
    image
}

/// The boot image of a 32-bit ARM kernel around a compressed payload.
pub(crate) fn arm_zimage(payload: &[u8], endian: Endian) -> Vec<u8> {
    let mut image = filler(0x5000);
    image[0x24..0x28].copy_from_slice(&endian.bytes32(0x016f_2818));
    image.extend(payload);
    image.extend(filler(1000));
    image
}

/// The boot image of an s390 kernel around a compressed payload; its decompressor has the format of a banner.
pub(crate) fn s390_image(payload: &[u8]) -> Vec<u8> {
    let mut image = filler(0x18000);
    image[0x10008..0x1000e].copy_from_slice(b"S390EP");
    image.extend(b"Linux version %s\n\0");
    image.extend(payload);
    image.extend(filler(1000));
    image
}

/// An uncompressed arm64 kernel: no sections, its content somewhere inside.
pub(crate) fn arm64_image(content: &[u8]) -> Vec<u8> {
    let mut image = filler(70_000);
    image[..2].copy_from_slice(b"MZ");
    image[0x38..0x3c].copy_from_slice(b"ARM\x64");
    image.extend(content);
    image.extend(filler(5_000));
    image
}

/// A tar of regular files.
pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *data).unwrap();
    }
    builder.into_inner().unwrap()
}

/// An `ar` archive.
pub(crate) fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, data) in members {
        out.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, data.len()).bytes());
        out.extend(*data);
        if data.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

/// A Debian package.
pub(crate) fn deb(codec: Codec, control: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let suffix = match codec {
        Codec::Gzip => "gz",
        Codec::Zstd => "zst",
        _ => "xz",
    };
    let control = compress(codec, &tar(&[("./md5sums", b"x"), ("./control", control.as_bytes())]));
    let data = compress(codec, &tar(files));
    ar(&[
        ("debian-binary", b"2.0\n"),
        (&format!("control.tar.{suffix}"), &control),
        (&format!("data.tar.{suffix}"), &data),
    ])
}

/// A cpio archive of regular files.
pub(crate) fn cpio(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, data) in files.iter().copied().chain([("TRAILER!!!", [].as_slice())]) {
        let fields = [1, 0o100_644, 0, 0, 1, 0, data.len(), 0, 0, 0, 0, path.len() + 1, 0];
        out.extend(b"070701");
        fields.iter().for_each(|field| out.extend(format!("{field:08x}").bytes()));
        out.extend(path.bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(data);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

/// An RPM package with the tags given.
pub(crate) fn rpm(codec: Codec, tags: &[(u32, &str)], files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = vec![0; 96];
    out[..4].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb]);
    // A signature block of 5 bytes, so that it has to be padded.
    out.extend(header_block(&[(1000, "sign")]));
    out.extend([0; 3]);
    out.extend(header_block(tags));
    out.extend(compress(codec, &cpio(files)));
    out
}

fn header_block(tags: &[(u32, &str)]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, text) in tags {
        for word in [*tag, 6, u32::try_from(data.len()).unwrap(), 1] {
            index.extend(word.to_be_bytes());
        }
        data.extend(text.bytes());
        data.push(0);
    }
    let mut out = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    out.extend(u32::try_from(tags.len()).unwrap().to_be_bytes());
    out.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
    out.extend(index);
    out.extend(data);
    out
}
