//! Tests of images of every format, and of malformed ones.

use super::*;
use crate::import::testing::{arm64_image, btf, bzimage, compress, elf, filler, zboot};
use btfgen_core::btf::Endian;

fn vmlinux(endian: Endian) -> (Vec<u8>, Vec<u8>) {
    let btf = btf(endian, 400);
    let elf = elf(endian, &[(".text", &filler(80_000)), (".BTF", &btf), (".data", &filler(3_000))]);
    (elf, btf)
}

#[track_caller]
fn check(what: &str, image: &[u8], expect: &[u8]) {
    match find_btf(image) {
        Ok(found) => assert!(found == expect, "{what}: other bytes"),
        Err(error) => panic!("{what}: {error}"),
    }
}

#[test]
fn finds_btf_in_every_form() {
    let (vmlinux, btf) = vmlinux(Endian::Little);
    check("raw BTF", &btf, &btf);
    check("vmlinux", &vmlinux, &btf);
    check("arm64 Image", &arm64_image(&btf), &btf);
    for codec in Codec::ALL {
        let payload = compress(codec, &vmlinux);
        check(&format!("bzImage with {codec}"), &bzimage(&payload, vmlinux.len()), &btf);
        check(&format!("{codec} of a vmlinux"), &payload, &btf);
        let image = arm64_image(&btf);
        let payload = compress(codec, &image);
        check(&format!("{codec} of an arm64 Image"), &payload, &btf);
        check(&format!("zboot with {codec}"), &zboot(&payload, &codec.to_string()), &btf);
    }
}

#[test]
fn finds_btf_without_a_known_header() {
    for endian in [Endian::Little, Endian::Big] {
        let (vmlinux, btf) = vmlinux(endian);
        for codec in Codec::ALL {
            let mut image = filler(30_000);
            image.extend(compress(codec, &vmlinux));
            image.extend(filler(1_000));
            check(&format!("boot image with {codec}"), &image, &btf);
        }
        let mut wrapper = elf(endian, &[(".kernel:vmlinux.strip", &compress(Codec::Gzip, &vmlinux))]);
        check("ppc zImage", &wrapper, &btf);
        wrapper.extend([0; 3]);
        check("ppc zImage, padded", &wrapper, &btf);
    }
    let (vmlinux, btf) = vmlinux(Endian::Little);
    let nested = compress(Codec::Gzip, &zboot(&compress(Codec::Zstd, &vmlinux), "zstd22"));
    check("zboot in gzip", &nested, &btf);
    let mut lying = bzimage(&compress(Codec::Xz, &vmlinux), vmlinux.len());
    lying[0x248] = 0x77;
    check("bzImage whose header points elsewhere", &lying, &btf);
}

#[test]
fn reports_why_there_is_none() {
    let message = |image: &[u8]| find_btf(image).unwrap_err().to_string();
    let no_btf = |format: &str| {
        format!("no BTF in the {format}; if it is a kernel, try its debug symbols (package or vmlinux)")
    };
    assert_eq!(message(&elf(Endian::Little, &[(".text", b"x")])), no_btf("ELF file"));
    let image = bzimage(&compress(Codec::Gzip, &filler(100_000)), 100_000);
    assert_eq!(message(&image), no_btf("bzImage"));
    let dwarf = elf(Endian::Little, &[(".text", &filler(70_000)), (".debug_info", b"dwarf")]);
    assert!(message(&dwarf).contains("pahole"), "{}", message(&dwarf));
    assert!(message(&bzimage(&compress(Codec::Zstd, &dwarf), dwarf.len())).contains("pahole"));
    let packed = compress(Codec::Xz, &filler(100_000));
    let cut = packed.get(..packed.len() / 2).unwrap();
    assert_eq!(message(cut), "cannot decompress the xz data at offset 0");
    assert_eq!(message(b""), no_btf("file of unknown format"));
}

#[test]
fn bombs_are_refused() {
    let mut compressor = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..=IMAGE_LIMIT >> 20 {
        std::io::Write::write_all(&mut compressor, &zeros).unwrap();
    }
    let bomb = compressor.finish().unwrap();
    assert!(matches!(find_btf(&bomb), Err(ImportError::TooLarge { .. })));
}

#[test]
fn reads_elf_files_in_parts() {
    let (vmlinux, btf) = vmlinux(Endian::Big);
    assert!(find_btf_in_elf(std::io::Cursor::new(vmlinux)).unwrap() == btf);
    let dwarf = elf(Endian::Little, &[(".debug_info", b"dwarf")]);
    assert!(matches!(find_btf_in_elf(std::io::Cursor::new(dwarf)), Err(ImportError::NeedsPahole)));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_images_give_an_answer(form in 0usize..5, at: proptest::sample::Index, byte: u8, cut: proptest::sample::Index) {
        let (vmlinux, btf) = vmlinux(Endian::Little);
        let mut image = match form {
            0 => btf,
            1 => vmlinux,
            2 => bzimage(&compress(Codec::Lz4, &vmlinux), vmlinux.len()),
            3 => zboot(&compress(Codec::Xz, &vmlinux), "xzkern"),
            _ => arm64_image(&btf),
        };
        let headers = image.len().min(0x300);
        image[at.index(headers)] = byte;
        image.truncate(cut.index(image.len() + 1));
        // Result or error, never a panic.
        let _: Result<_, _> = find_btf(&image);
    }

    #[test]
    fn any_bytes_give_an_answer(image: Vec<u8>) {
        let _: Result<_, _> = find_btf(&image);
    }
}
