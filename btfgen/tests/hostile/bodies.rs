//! Fuzz targets: each runs a parser on any bytes. Shared by the tests here and by the crate `fuzz`.
//!
//! A body panics only if btfgen is wrong, never because its input is malformed.

use btfgen_core::btf::{Btf, BtfError, Endian, Enumerator, Kind, Member, TypeId, Writer};
use btfgen_core::facts::Facts;
use btfgen_core::hub::file::{HubFile, HubFileError};
use btfgen_core::hub::{self, Form};
use btfgen_core::kernel::KernelTypes;
use btfgen_core::minimize::{MinimizeError, Minimizer};
use btfgen_core::object::{Object, Patch, RelocationKind};
use btfgen_core::requirements::{Checks, Requirements};
use btfgen_core::resolve::Roots;
use btfgen_core::resolve::describe_spec;
use btfgen_core::types::{Interner, Types};
use btfgen_runtime::{Archive, Host, ObjectDigest, OsRelease};

use crate::elf::{self, SECTION};

/// A fuzz target's name and body.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All fuzz targets.
pub(crate) const TARGETS: &[Target] = &[
    ("object", object),
    ("digest", digest),
    ("btf", btf),
    ("resolve", resolve),
    ("codec", codec),
    ("archive", archive),
    ("hub_file", hub_file),
    ("os_release", os_release),
    ("image", image),
];

/// Blobs of one archive that are decoded: more only make a run slower.
const MOST_BLOBS: usize = 4;

/// An ELF file with `.BTF` and `.BTF.ext`, up to its own queries.
pub(crate) fn object(data: &[u8]) {
    let Ok(object) = Object::parse("fuzzed", data) else { return };
    for relocation in object.relocations() {
        assert!(object.program_or_section(relocation).len() <= data.len() + 16);
        assert!(object.line_of(relocation).is_none_or(|line| line.text.len() <= 3 * data.len()));
        let _ = object.code(object.section_of(relocation));
    }
    for program in object.programs().iter().take(8) {
        let flow = object.control_flow(&program.section);
        let unpatched = flow.reachable([]);
        assert!(unpatched.insns().count() <= data.len());
        let settings = object.setting_loads(&program.section);
        let patched = flow.reachable(settings.iter().map(|load| (load.insn, Patch::Value(0))));
        assert!(patched.insns().all(|insn| unpatched.contains(insn)));
    }
    requirements(&object);
    let Ok(roots) = Roots::new(std::slice::from_ref(&object)) else { return };
    assert_eq!(roots.lookups()[0].len(), object.relocations().len());
    for query in roots.roots().iter().flat_map(|root| &root.queries).take(1000) {
        assert!(describe_spec(roots.types(), &query.spec).len() < 1 << 20);
    }
    // Its own types as the target.
    minimize(&roots, object.btf());
}

/// The requirements of an object: every need is of an instruction of its code.
fn requirements(object: &Object) {
    let Ok(requirements) = Requirements::new(object) else { return };
    let checks = Checks::new(object);
    let can_run = |section: &str, insn| checks.can_run_if_failed(section, insn);
    for program in requirements.programs().iter().take(8) {
        let all = requirements.needs(program, &|_, _| true);
        for (need, sites) in requirements.needs(program, &can_run) {
            assert!(all[&need].len() >= sites.len());
            assert!(sites.iter().all(|site| site.insn.index() < object.code(&site.section).len() / 8));
            let _ = object.line_at(&sites[0].section, sites[0].insn);
        }
    }
}

/// An object's digest, which bytes after the file do not change.
pub(crate) fn digest(data: &[u8]) {
    if let Ok(digest) = ObjectDigest::of(data) {
        assert_eq!(ObjectDigest::of(&[data, &[0; 64]].concat()), Ok(digest));
    }
}

/// A BTF: every type read and interned.
pub(crate) fn btf(data: &[u8]) {
    let Ok(btf) = Btf::parse(data) else { return };
    let mut types = Types::new();
    let mut interner = Interner::new(&btf);
    for raw in btf.types() {
        let parts = raw.members().count() + raw.enumerators().count() + raw.params().count();
        assert!(parts <= 4 * raw.vlen as usize + 8);
        let _ = (btf.string(raw.name_off), raw.component(), raw.variables().count());
        // An error concerns one type only; the next ones are read.
        if let Ok(first) = interner.root(&mut types, raw.id) {
            assert_eq!(interner.root(&mut types, raw.id), Ok(first));
        }
    }
    assert!(types.len() <= 3 * btf.type_count() as usize + 8);
}

/// A pair of small type graphs and relocations between them, drawn from the data.
pub(crate) fn resolve(data: &[u8]) {
    let mut draw = Draw { data };
    let endian = if draw.below(4) == 0 { Endian::Big } else { Endian::Little };
    let kinds = RelocationKind::ALL.len() as u32;
    let mut local = Graph::draw(&mut draw, endian, 24);
    let target = Graph::draw(&mut draw, endian, 48);
    let section = local.writer.string(SECTION.as_bytes()).0;
    let mut relocations = Vec::new();
    for at in 0..draw.below(24) {
        let root = draw.below(local.count + 1);
        let kind = draw.below(kinds);
        let levels = if kind >= 6 { 0 } else { draw.below(4) };
        let mut access =
            if (10..12).contains(&kind) { draw.below(4) } else { u32::from(draw.below(8) == 7) }.to_string();
        for _ in 0..levels {
            access += &format!(":{}", draw.below(5));
        }
        let access = local.writer.string(access.as_bytes()).0;
        relocations.push([at * 8, root, access, kind]);
    }
    let (Ok(local), Ok(target)) = (local.writer.finish(), target.writer.finish()) else { return };
    let ext = elf::ext(endian, &[], &[(section, relocations)]);
    let Ok(object) = Object::parse("drawn", &elf::object(endian, &local, &ext)) else { return };
    let Ok(roots) = Roots::new(&[object]) else { return };
    minimize(&roots, &target);
}

/// Minimizes, which resolves everything twice and compares; then minimizes the result, which must change nothing.
fn minimize(roots: &Roots, target: &[u8]) {
    let Some(minimized) = minimized(roots, target) else { return };
    let again = minimized_or_panic(roots, &minimized);
    assert!(again == minimized, "minimizing again changes the bytes");
}

fn minimized(roots: &Roots, target: &[u8]) -> Option<Vec<u8>> {
    let btf = Btf::parse(target).ok()?;
    let mut types = roots.types().clone();
    let kernel = KernelTypes::from_btf(&mut types, roots, &btf).ok()?;
    match Minimizer::new(roots).minimize(&types, &kernel) {
        Ok(bytes) => Some(bytes.to_vec()),
        Err(error @ MinimizeError::Difference(_)) => panic!("{error}"),
        Err(_) => None,
    }
}

fn minimized_or_panic(roots: &Roots, target: &[u8]) -> Vec<u8> {
    minimized(roots, target).expect("a minimized BTF can be minimized")
}

/// A packed BTF, in the form selected by the first byte.
pub(crate) fn codec(data: &[u8]) {
    let Some((&form, packed)) = data.split_first() else { return };
    let form = Form::ALL[usize::from(form) % Form::ALL.len()];
    if let Ok(bytes) = hub::unpack(packed, form) {
        assert!(bytes.len() as u64 <= hub::MAX_BTF_LEN);
    }
}

/// An archive as the runtime reads it.
pub(crate) fn archive(data: &[u8]) {
    let Ok(archive) = Archive::open(data) else { return };
    assert_eq!(archive.kernels().count(), archive.len());
    for kernel in archive.kernels().take(MOST_BLOBS) {
        let number = archive.blob_of(&kernel).expect("a listed kernel has a blob");
        if let Ok(Some(blob)) = archive.get(&kernel) {
            assert_eq!(archive.blob(number).as_ref(), Ok(&blob));
        }
    }
    for number in 0..archive.blob_count().min(MOST_BLOBS) {
        let _ = archive.blob(number);
    }
    assert!(archive.blob(archive.blob_count()).is_err());
}

/// A hub file: every kernel listed, its facts asked for, a few kernels written out again.
pub(crate) fn hub_file(data: &[u8]) {
    let Ok(file) = HubFile::open(data.to_vec()) else { return };
    let _ = file.stat();
    if let Ok(facts) = Facts::new(&file) {
        let kernels = file.kernels().len();
        assert!(facts.kernels_with_functions().len() <= kernels);
        assert!(facts.functions("first").iter().all(|function| function.kernels.len() <= kernels));
        assert!(facts.kernels_with_value("bpf_func_id", 1).len() <= kernels);
    }
    let sound = file.check().is_ok();
    for kernel in file.kernels().iter().take(MOST_BLOBS) {
        assert!(file.find(&kernel.id).is_some());
        match file.extract(&kernel.id) {
            Ok(btf) => assert!(Btf::parse(&btf).is_ok()),
            Err(HubFileError::Btf {
                source: BtfError::UnwritableKind { .. } | BtfError::TooManyEntries { .. },
                ..
            }) => {}
            Err(error) => assert!(!sound, "a file without fault: {error}"),
        }
    }
}

/// A host: lines of os-release, `uname` and `/proc/version`, separated by NUL bytes.
pub(crate) fn os_release(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('\0').map(str::to_owned);
    let os = OsRelease::parse(&parts.next().unwrap_or_default());
    for name in ["ID", "VERSION_ID", "ID_LIKE", "VERSION_CODENAME", ""] {
        assert_ne!(os.get(name), Some(""));
    }
    let mut next = || parts.next().unwrap_or_default();
    let host = Host {
        release: next(),
        version: next(),
        machine: next(),
        proc_version: Some(next()),
        version_signature: Some(next()),
        os_release: Some(os),
        local_os_release: Some(OsRelease::parse(&next())),
        build_id: next().parse().ok(),
    };
    if let Some(id) = host.kernel_id() {
        assert_eq!(id.as_str().parse().as_ref(), Ok(&id));
    }
}

/// A kernel image, searched for BTF.
pub(crate) fn image(data: &[u8]) {
    if let Ok(found) = btfgen::import::image::find_btf(data) {
        assert!(Btf::parse(&found.btf).is_ok());
    }
}

/// Numbers drawn from bytes; when they run out, all zeros.
struct Draw<'a> {
    data: &'a [u8],
}

impl Draw<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.data.split_first() else { return 0 };
        self.data = rest;
        first
    }

    /// A number below a bound of at most 256.
    fn below(&mut self, bound: u32) -> u32 {
        u32::from(self.byte()) % bound.max(1)
    }
}

/// Types that refer to each other in any way, cycles included.
struct Graph {
    writer: Writer,
    count: u32,
}

/// Few names, so that types, members and enumerators of both sides often share one.
const NAMES: [&[u8]; 10] = [b"", b"", b"a", b"b", b"a___x", b"b___y", b"c", b"a___z___x", b"long", b"d"];

impl Graph {
    fn draw(draw: &mut Draw<'_>, endian: Endian, most: u32) -> Self {
        let mut writer = Writer::new(endian);
        let count = draw.below(most) + 1;
        for _ in 0..count {
            one(draw, &mut writer, count).expect("small enough for the format");
        }
        Self { writer, count }
    }
}

fn one(draw: &mut Draw<'_>, writer: &mut Writer, count: u32) -> Result<TypeId, BtfError> {
    let name = NAMES[draw.below(NAMES.len() as u32) as usize];
    let kind = draw.below(20);
    // Mostly to earlier types, so that most graphs have few cycles.
    let other = |draw: &mut Draw<'_>, writer: &Writer| match draw.below(8) {
        0 => TypeId(draw.below(count + 1)),
        _ => TypeId(draw.below(writer.next_id().0)),
    };
    match kind {
        0 | 1 => {
            let size = 1 << draw.below(4);
            let bits = (size * 8) as u8 - draw.below(3) as u8;
            writer.int(name, size, draw.below(5) as u8, u8::from(draw.below(16) == 0), bits)
        }
        2 => writer.float(name, 4 << draw.below(2)),
        3 | 4 => {
            let target = other(draw, writer);
            writer.reference(Kind::Ptr, b"", target)
        }
        5 | 6 => {
            let (element, len) = (other(draw, writer), draw.below(4));
            writer.array(element, element, len)
        }
        7..=12 => {
            let members: Vec<Member<&[u8]>> = (0..draw.below(6))
                .map(|_| {
                    let name = NAMES[draw.below(NAMES.len() as u32) as usize];
                    let ty = other(draw, writer);
                    let bitfield_size = if draw.below(6) == 0 { draw.below(34) as u8 } else { 0 };
                    let bit_offset = draw.below(64) * if bitfield_size == 0 { 8 } else { 1 };
                    Member { name, ty, bit_offset, bitfield_size }
                })
                .collect();
            let kind = if draw.below(4) == 0 { Kind::Union } else { Kind::Struct };
            writer.composite(kind, name, draw.below(64), members.into_iter())
        }
        13 | 14 => {
            let values: Vec<Enumerator<&[u8]>> = (0..draw.below(5))
                .map(|_| Enumerator {
                    name: NAMES[draw.below(NAMES.len() as u32) as usize],
                    value: u64::from(draw.byte()) << 30,
                })
                .collect();
            let wide = draw.below(2) == 0;
            writer.enumeration(name, 4 << u32::from(wide), draw.below(2) == 0, wide, values.into_iter())
        }
        15 => writer.forward(name, draw.below(2) == 0),
        16 => {
            let target = other(draw, writer);
            writer.reference(Kind::Typedef, name, target)
        }
        17 => {
            let target = other(draw, writer);
            let kinds = [Kind::Const, Kind::Volatile, Kind::Restrict, Kind::TypeTag];
            writer.reference(kinds[draw.below(4) as usize], b"", target)
        }
        18 => {
            let result = other(draw, writer);
            let params: Vec<TypeId> = (0..draw.below(3)).map(|_| other(draw, writer)).collect();
            writer.func_proto(result, params.into_iter())
        }
        _ => {
            let target = other(draw, writer);
            writer.reference(Kind::Func, name, target)
        }
    }
}
