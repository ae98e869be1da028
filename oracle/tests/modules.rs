//! Kernel modules, with libbpf as the judge: which of their types are candidates, and distilled bases.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/kernels.rs"]
mod kernels;

use btfgen_core::KernelId;
use btfgen_core::btf::{Btf as Parsed, RelocateError, relocate};
use btfgen_core::hub::file::{HubBuilder, HubFile, KernelSource, ModuleSource};
use btfgen_core::minimize::{MinimizeError, Minimizer};
use btfgen_core::object::Object;
use btfgen_core::resolve::Roots;
use kernels::kernels;
use oracle::distill;
use oracle::elf::ObjectFile;
use oracle::forge::{self, Form, Relocation};
use oracle::libbpf::{Judge, Outcome};
use oracle::raw::{Btf, kind};

const FIELD_BYTE_OFFSET: u32 = 0;
const TYPE_ID_TARGET: u32 = 7;
const TYPE_EXISTS: u32 = 8;
const TYPE_SIZE: u32 = 9;
const ENUMVAL_VALUE: u32 = 11;
const TYPE_MATCHES: u32 = 12;

/// A BTF with the ints that pointers and members need.
fn start() -> (Btf, u32) {
    let mut btf = Btf::default();
    btf.int("long", 8, true);
    let int = btf.int("int", 4, true);
    (btf, int)
}

/// Relocations of an object: root, access and kind.
type Queries<'a> = &'a [(u32, &'a str, u32)];

fn object(local: &Btf, queries: Queries<'_>) -> Vec<u8> {
    let relocation = |&(root, access, kind): &(u32, &str, u32)| {
        vec![Relocation { root, access: access.to_owned(), kind, form: Form::Immediate(0) }]
    };
    forge::object(local, &queries.iter().map(relocation).collect::<Vec<_>>(), false)
}

/// A kernel with modules; each extends the kernel's BTF.
struct Kernel {
    own: Btf,
    modules: Vec<Btf>,
}

impl Kernel {
    fn splits(&self) -> Vec<Vec<u8>> {
        self.modules.iter().map(|module| module.split_over(&self.own).to_bytes(false)).collect()
    }

    fn hub(&self) -> HubFile {
        let splits = self.splits();
        let modules: Vec<ModuleSource<'_>> =
            splits.iter().map(|btf| ModuleSource { name: "module", btf }).collect();
        let (own, id) = (self.own.to_bytes(false), id());
        let source = KernelSource { modules: &modules, ..KernelSource::new(&id, "a test", &own) };
        let mut hub = HubBuilder::new();
        hub.add_btf(&source).unwrap();
        HubFile::open(hub.finish(1).unwrap()).unwrap()
    }

    /// The outcomes that libbpf finds with the kernel's own BTF and its modules loaded.
    fn judge(&self, object: &[u8]) -> Vec<Outcome> {
        let file = ObjectFile::parse(object).unwrap();
        let own = self.own.to_bytes(false);
        let mut judge = Judge::new(&file, &own).unwrap();
        self.splits().iter().for_each(|split| judge.add_module(split).unwrap());
        outcomes(&mut judge)
    }

    fn minimized(&self, object: &[u8]) -> Result<Vec<u8>, MinimizeError> {
        let roots = Roots::new(&[Object::parse("forged", object).unwrap()]).unwrap();
        let mut types = roots.types().clone();
        let view = self.hub().view(&mut types, &roots, &[0]).unwrap();
        Ok(Minimizer::new(&roots).minimize(&types, &view.distinct[0])?.to_vec())
    }
}

fn id() -> KernelId {
    "custom/1/x86_64/6.1.0".parse().unwrap()
}

fn outcomes(judge: &mut Judge<'_>) -> Vec<Outcome> {
    judge.isolated().relocations.iter().map(oracle::libbpf::Judged::comparable).collect()
}

fn outcomes_against(object: &[u8], target: &[u8]) -> Vec<Outcome> {
    outcomes(&mut Judge::new(&ObjectFile::parse(object).unwrap(), target).unwrap())
}

/// The value of an outcome; none if there is none, or no single one.
fn value(outcome: &Outcome) -> Option<u64> {
    match outcome {
        Outcome::Resolved(value) | Outcome::Unpatchable(value, _) => {
            Some(value.new).filter(|_| !value.poison)
        }
        Outcome::Unresolvable(_) => None,
    }
}

/// libbpf with kernel and modules, with the minimized and with the extracted BTF: all outcomes must be equal.
fn check(kernel: &Kernel, local: &Btf, queries: Queries<'_>, expect: &[Option<u64>]) {
    let object = object(local, queries);
    let full = kernel.judge(&object);
    assert_eq!(full.iter().map(value).collect::<Vec<_>>(), expect);
    let minimized = kernel.minimized(&object).unwrap();
    assert_eq!(outcomes_against(&object, &minimized), full, "minimized");
    let extracted = kernel.hub().extract(&id()).unwrap();
    assert_eq!(outcomes_against(&object, &extracted), full, "extracted");
}

/// The kernel's `struct s` has `b` at byte 4, the module's at byte 8.
fn two_layouts() -> (Kernel, Btf) {
    let (mut own, int) = start();
    own.composite(false, "s", 8, &[("a", int, 0), ("b", int, 32)]);
    let mut module = own.clone();
    let copy = module.composite(false, "s", 12, &[("c", int, 0), ("a", int, 32), ("b", int, 64)]);
    module.composite(false, "m", 16, &[("n", int, 0), ("s", copy, 32)]);
    (Kernel { own, modules: vec![module] }, start().0)
}

#[test]
fn a_module_does_not_redefine_a_kernels_struct() {
    let (kernel, mut local) = two_layouts();
    let s = local.composite(false, "s", 4, &[("b", 2, 0)]);
    check(&kernel, &local, &[(s, "0:0", FIELD_BYTE_OFFSET), (s, "0", TYPE_SIZE)], &[Some(4), Some(8)]);
}

#[test]
fn a_modules_own_layout_counts_inside_its_structs() {
    let (kernel, mut local) = two_layouts();
    let s = local.composite(false, "s", 4, &[("b", 2, 0)]);
    let m = local.composite(false, "m", 4, &[("s", s, 0)]);
    // The one `s` that has a name is the kernel's: its id is not ambiguous.
    let queries = [
        (m, "0:0:0", FIELD_BYTE_OFFSET),
        (s, "0:0", FIELD_BYTE_OFFSET),
        (s, "0", TYPE_ID_TARGET),
        (s, "0", TYPE_SIZE),
    ];
    check(&kernel, &local, &queries, &[Some(12), Some(4), Some(1), Some(8)]);
}

#[test]
fn modules_are_searched_by_kind_and_essential_name() {
    let (mut own, int) = start();
    own.forward("only_declared", false);
    own.composite(false, "flavored___old", 4, &[("a", int, 0)]);
    own.enumeration("e", 4, false, &[("X", 1)]);
    let module = |own_types: u32, offset| {
        let mut module = own.clone();
        // Ids of different modules may be equal, which libbpf does not notice; here they are not.
        (0..own_types).for_each(|number| _ = module.int(&format!("u{number}"), 1, false));
        module.composite(false, "only_declared", 8, &[("a", int, 32)]);
        module.composite(false, "flavored", 8, &[("a", int, 32)]);
        module.enumeration64("e", 8, false, &[("X", 2)]);
        module.composite(false, "both", 8, &[("a", int, 0), ("b", int, offset)]);
        module
    };
    let (first, copy, second) = (module(0, 32), module(10, 32), module(10, 64));
    let (mut local, _) = start();
    let [declared, flavored, both] =
        ["only_declared", "flavored", "both"].map(|name| local.composite(false, name, 4, &[("a", int, 0)]));
    let b = local.composite(false, "both___b", 4, &[("b", int, 0)]);
    let e = local.enumeration("e", 4, false, &[("X", 0)]);
    let queries = [
        (declared, "0:0", FIELD_BYTE_OFFSET),
        (flavored, "0:0", FIELD_BYTE_OFFSET),
        (e, "0", ENUMVAL_VALUE),
        (both, "0:0", FIELD_BYTE_OFFSET),
        (both, "0", TYPE_ID_TARGET),
        (b, "0:0", FIELD_BYTE_OFFSET),
    ];
    let expect = |both, b| [Some(4), Some(0), Some(1), Some(0), both, b];
    let kernel =
        |modules: &[&Btf]| Kernel { own: own.clone(), modules: modules.iter().copied().cloned().collect() };
    check(&kernel(&[&first]), &local, &queries, &expect(Some(1), Some(4)));
    // A private copy in each of two modules: the id is ambiguous, the fields are not.
    check(&kernel(&[&first, &copy]), &local, &queries, &expect(None, Some(4)));
    // Two structs of one name: a field at two offsets is ambiguous as well.
    check(&kernel(&[&first, &second]), &local, &queries, &expect(None, None));
}

/// `TYPE_MATCHES` reads the name of a contained struct. Then the written struct is a candidate too, although the module's is not.
#[test]
fn a_second_candidate_is_written_only_if_it_changes_nothing() {
    let (kernel, mut local) = two_layouts();
    let s = local.composite(false, "s", 4, &[("b", 2, 0)]);
    let m = local.composite(false, "m", 4, &[("s", s, 0)]);
    let matches = (m, "0", TYPE_MATCHES);
    let minimized = |queries: Queries<'_>| {
        let object = object(&local, queries);
        let minimized = kernel.minimized(&object)?;
        assert_eq!(outcomes_against(&object, &minimized), kernel.judge(&object));
        Ok::<(), MinimizeError>(())
    };
    minimized(&[matches]).unwrap();
    minimized(&[matches, (s, "0", TYPE_EXISTS)]).unwrap();
    for query in [(s, "0:0", FIELD_BYTE_OFFSET), (s, "0", TYPE_ID_TARGET)] {
        let error = minimized(&[matches, query]).unwrap_err();
        assert_eq!(error, MinimizeError::TwoDefinitions { name: "s".into() });
    }
}

/// A module over a kernel: structs that contain, point to and rename some of the kernel's types.
fn module_over(kernel: &Btf, random: &mut impl FnMut(usize) -> usize) -> Btf {
    let named: Vec<u32> =
        kernel.names().iter().map(|(_, _, index)| u32::try_from(index + 1).unwrap()).collect();
    let data = |(kind, _, _): &&(u32, String, usize)| {
        matches!(*kind, kind::INT | kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 | kind::FLOAT)
    };
    let data: Vec<u32> =
        kernel.names().iter().filter(data).map(|(_, _, index)| u32::try_from(index + 1).unwrap()).collect();
    let data_or_type =
        |ty: u32| if data.contains(&ty) || ty > u32::try_from(kernel.len()).unwrap() { ty } else { data[0] };
    let mut module = kernel.clone();
    for number in 0..1 + random(4) {
        let by_value = data[random(data.len())];
        let constant = module.reference(kind::CONST, "", data[random(data.len())]);
        let array = module.array(constant, data[0], 3);
        let pointer = module.reference(kind::PTR, "", data_or_type(named[random(named.len())]));
        let alias = module.reference(kind::TYPEDEF, &format!("alias_{number}"), by_value);
        let proto = module.prototype(by_value, &[("arg", pointer), ("", alias)]);
        module.reference(kind::FUNC, &format!("func_{number}"), proto);
        module.enumeration(&format!("enum_{number}"), 4, false, &[("VALUE", 1)]);
        let members = [("a", by_value, 0), ("b", array, 640), ("c", pointer, 6400), ("d", alias, 64000)];
        module.composite(false, &format!("struct_{number}"), 9000, &members);
    }
    module
}

/// Modules distilled by libbpf over one kernel and relocated to another: the same bytes as libbpf's, or both refuse.
#[test]
fn distilled_bases_are_relocated_as_by_libbpf() {
    let kernels: Vec<_> = kernels().into_iter().filter(|kernel| kernel.btf[0] == 0x9f).take(3).collect();
    let mut state = 1u64;
    let mut random = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % limit
    };
    let (mut relocated, mut refused) = (0, 0);
    for from in &kernels {
        let base = Btf::parse(&from.btf).unwrap();
        for _ in 0..3 {
            let split = module_over(&base, &mut random).split_over(&base).to_bytes(false);
            let module = distill::distill(&split, &from.btf).unwrap();
            for to in &kernels {
                let kernel = Parsed::parse(&to.btf).unwrap();
                let ours = relocate(&module.split, &module.base, &kernel);
                match (ours, distill::relocate(&module, &to.btf)) {
                    (Ok(ours), Ok(theirs)) => {
                        assert!(ours == theirs, "from {} to {}", from.id, to.id);
                        relocated += 1;
                    }
                    (Err(_), Err(_)) => refused += 1,
                    (ours, theirs) => panic!(
                        "from {} to {}: {:?}, but libbpf: {:?}",
                        from.id,
                        to.id,
                        ours.map(|_| ()),
                        theirs.map(|_| ())
                    ),
                }
            }
        }
    }
    assert!(relocated >= 9 && refused > 0, "{relocated} and {refused}");
}

/// A kernel that is not the one a module was built for: what does not fit is named, as where libbpf refuses it.
#[test]
fn a_distilled_base_that_does_not_fit_is_refused() {
    let (mut own, int) = start();
    let inner = own.composite(false, "inner", 8, &[("a", int, 0)]);
    let opaque = own.forward("opaque", false);
    let mode = own.enumeration("mode", 4, false, &[("X", 0)]);
    let mut module = own.clone();
    let pointer = module.reference(kind::PTR, "", opaque);
    module.composite(false, "m", 24, &[("a", inner, 0), ("b", pointer, 64), ("c", mode, 128)]);
    let (own_bytes, split) = (own.to_bytes(false), module.split_over(&own).to_bytes(false));
    let module = distill::distill(&split, &own_bytes).unwrap();

    // Damaged input gives a result or an error.
    let kernel = Parsed::parse(&own_bytes).unwrap();
    for at in 0..module.split.len() + module.base.len() {
        let (mut split, mut base) = (module.split.clone(), module.base.clone());
        match at.checked_sub(split.len()) {
            None => split[at] ^= 0xff,
            Some(at) => base[at] ^= 0xff,
        }
        let _ = relocate(&split, &base, &kernel);
    }

    let check = |expect: &str, change: &dyn Fn(&mut Btf, u32)| {
        let (mut kernel, int) = start();
        change(&mut kernel, int);
        let kernel = kernel.to_bytes(false);
        let ours = relocate(&module.split, &module.base, &Parsed::parse(&kernel).unwrap());
        let theirs = distill::relocate(&module, &kernel).ok();
        assert_eq!(ours.as_ref().ok(), theirs.as_ref(), "{expect}");
        assert_eq!(ours.err().as_ref().map_or(String::new(), RelocateError::to_string), expect);
    };
    let missing = |what| {
        format!("the kernel has no {what} that fits the distilled base; the module is for another kernel")
    };
    let inner = |btf: &mut Btf, bytes, int| btf.composite(false, "inner", bytes, &[("z", int, 0)]);
    let rest = |btf: &mut Btf| {
        btf.forward("opaque", false);
        btf.enumeration("mode", 4, false, &[("Y", 1)])
    };
    check("", &|btf, int| {
        rest(btf);
        inner(btf, 8, int);
    });
    // The pointed-to struct has a definition here; the enum has 64 bits elsewhere, but its size is the same.
    check("", &|btf, int| {
        inner(btf, 8, int);
        btf.composite(false, "opaque", 4, &[("a", int, 0)]);
        btf.enumeration64("mode", 4, false, &[("Y", 1)]);
    });
    // Structs of one name are told apart by size.
    check("", &|btf, int| {
        rest(btf);
        inner(btf, 8, int);
        inner(btf, 12, int);
    });
    check(&missing("struct inner"), &|btf, int| {
        rest(btf);
        inner(btf, 12, int);
    });
    check(&missing("fwd opaque"), &|btf, int| {
        inner(btf, 8, int);
        btf.forward("opaque", true);
        btf.enumeration("mode", 4, false, &[("Y", 1)]);
    });
    check(&missing("enum mode"), &|btf, int| {
        inner(btf, 8, int);
        btf.forward("opaque", false);
        btf.enumeration("mode", 8, false, &[("Y", 1)]);
    });
    check("the kernel has several types inner that fit struct inner of the distilled base", &|btf, int| {
        rest(btf);
        inner(btf, 8, int);
        inner(btf, 8, int);
    });
}
