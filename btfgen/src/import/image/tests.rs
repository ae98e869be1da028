//! Tests of images of every format, and of malformed ones.

use super::*;
use crate::import::testing::{
    arm_zimage, arm64_image, btf, build_id_note, bzimage, compress, elf, filler, s390_image, zboot,
};
use btfgen_core::btf::Endian;

/// The byte of the test kernels' build id.
const ID: u8 = 7;

fn vmlinux(endian: Endian) -> (Vec<u8>, Vec<u8>) {
    let (btf, note) = (btf(endian, 400), build_id_note(endian, ID));
    let code = [&filler(80_000)[..], &vdso(endian, 9)].concat();
    let elf = elf(endian, &[(".text", &code), (".notes", &note), (".BTF", &btf), (".data", &filler(3_000))]);
    (elf, btf)
}

/// A program in a kernel's memory, with a build id of its own.
fn vdso(endian: Endian, id: u8) -> Vec<u8> {
    elf(endian, &[(".note.gnu.build-id", &build_id_note(endian, id)), (".text", &filler(500))])
}

/// The memory image of a kernel, and its BTF.
fn memory_image() -> (Vec<u8>, Vec<u8>) {
    let (little, btf) = (Endian::Little, btf(Endian::Little, 400));
    let parts = [&vdso(little, 8), &filler(3_000), &build_id_note(little, ID), &vdso(little, 9), &btf];
    (arm64_image(&parts.map(Vec::as_slice).concat()), btf)
}

/// The memory image of a kernel without BTF.
fn memory_without_btf(endian: Endian) -> Vec<u8> {
    let banner = b"\0Linux version 6.1.0-50-armmp (a@b) (gcc) # SMP\n\0";
    [&filler(70_000)[..], banner, &build_id_note(endian, ID), &vdso(endian, 9), &filler(3_000)].concat()
}

#[track_caller]
fn check(what: &str, image: &[u8], expect: &[u8]) {
    let found = find_btf(image).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(found.btf == expect, "{what}: other bytes");
    let expect = (what != "raw BTF").then_some(BuildId::from_bytes([ID; BuildId::LEN]));
    assert_eq!(found.build_id, expect, "{what}");
}

#[test]
fn finds_btf_in_every_form() {
    let (vmlinux, btf) = vmlinux(Endian::Little);
    check("raw BTF", &btf, &btf);
    check("vmlinux", &vmlinux, &btf);
    let (image, image_btf) = memory_image();
    check("arm64 Image", &image, &image_btf);
    for codec in Codec::ALL {
        let payload = compress(codec, &vmlinux);
        check(&format!("bzImage with {codec}"), &bzimage(&payload, vmlinux.len()), &btf);
        check(&format!("{codec} of a vmlinux"), &payload, &btf);
        let payload = compress(codec, &image);
        check(&format!("{codec} of an arm64 Image"), &payload, &btf);
        check(&format!("zboot with {codec}"), &zboot(&payload, &codec.to_string()), &btf);
        check(&format!("ARM zImage with {codec}"), &arm_zimage(&payload, Endian::Little), &image_btf);
        check(&format!("s390 boot image with {codec}"), &s390_image(&payload), &image_btf);
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
fn names_the_kernel_that_has_none() {
    let check = |format: &str, image: &[u8]| {
        let expect = format!(
            "no BTF in the {format} of kernel 6.1.0-50-armmp, build id {}; vendor its package of debug symbols, such as \
             Debian's linux-image-6.1.0-50-armmp-dbg",
            "07".repeat(BuildId::LEN)
        );
        assert_eq!(find_btf(image).unwrap_err().to_string(), expect);
    };
    for endian in [Endian::Little, Endian::Big] {
        let memory = memory_without_btf(endian);
        let payload = compress(Codec::Xz, &memory);
        check("ARM zImage", &arm_zimage(&payload, endian));
        check("s390 boot image", &s390_image(&payload));
        check("compressed file", &payload);
        let vmlinux = elf(endian, &[(".text", &memory), (".notes", &build_id_note(endian, ID))]);
        check("ELF file", &vmlinux);
        check("bzImage", &bzimage(&compress(Codec::Zstd, &vmlinux), vmlinux.len()));
    }
    // A note in the ELF file of another program is not the kernel's.
    let without_note = [&b"Linux version 6.1.0 (a@b)"[..], &filler(70_000), &vdso(Endian::Big, 9)].concat();
    let error = find_btf(&s390_image(&compress(Codec::Gzip, &without_note))).unwrap_err().to_string();
    assert!(error.contains("of kernel 6.1.0; vendor"), "{error}");
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
    let read = |bytes: Vec<u8>| read_vmlinux(std::io::Cursor::new(bytes)).unwrap();
    let found = read(vmlinux);
    assert!(found.btf == Some(btf) && !found.has_dwarf);
    assert_eq!(found.build_id, Some(BuildId::from_bytes([ID; BuildId::LEN])));
    let found = read(elf(Endian::Little, &[(".debug_info", b"dwarf")]));
    assert!(found.btf.is_none() && found.has_dwarf && found.build_id.is_none());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_images_give_an_answer(form in 0usize..7, at: proptest::sample::Index, byte: u8, cut: proptest::sample::Index) {
        let (vmlinux, btf) = vmlinux(Endian::Little);
        let mut image = match form {
            0 => btf,
            1 => vmlinux,
            2 => bzimage(&compress(Codec::Lz4, &vmlinux), vmlinux.len()),
            3 => zboot(&compress(Codec::Xz, &vmlinux), "xzkern"),
            4 => arm_zimage(&compress(Codec::Gzip, &memory_without_btf(Endian::Big)), Endian::Big),
            5 => s390_image(&compress(Codec::Bzip2, &memory_without_btf(Endian::Big))),
            _ => memory_image().0,
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
