//! Random type graphs and relocations with few names, so that types often share a name.

use oracle::forge::{Form, Relocation};
use oracle::raw::{Btf, kind};
use proptest::prelude::*;

/// One random type; it refers to earlier types, and through pointers to any.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    Int { name: usize, size: u32, signed: bool, old_bitfield: bool },
    Float,
    Pointer { to: usize },
    Array { of: usize, len: u32 },
    Composite { union: bool, name: usize, members: Vec<(usize, usize, u32)>, bitfields: bool },
    Enum { name: usize, size: u32, signed: bool, wide: bool, values: Vec<(usize, i64)> },
    Forward { name: usize, union: bool },
    Typedef { name: usize, to: usize },
    Modifier { kind: u32, to: usize },
    Prototype { result: usize, parameters: Vec<usize> },
    Tag { to: usize },
}

const INTS: [&str; 5] = ["int", "long", "u8", "int___flavor", "long unsigned int"];
const COMPOSITES: [&str; 8] = ["a", "b", "c", "a___one", "a___two", "b___x___y", "c____d", ""];
const MEMBERS: [&str; 7] = ["x", "y", "z", "w", "x___flavor", "", ""];
const ENUMS: [&str; 4] = ["e", "f", "e___flavor", ""];
const VALUES: [&str; 5] = ["P", "Q", "R", "P___flavor", "S"];
const TYPEDEFS: [&str; 4] = ["t", "u", "t___flavor", "a"];

fn plan() -> impl Strategy<Value = Plan> {
    let index = 0..64_usize;
    let size = prop::sample::select(vec![1_u32, 2, 4, 8]);
    let members = prop::collection::vec((0..MEMBERS.len(), index.clone(), 0..40_u32), 0..6);
    let values = prop::collection::vec((0..VALUES.len(), any::<i64>()), 0..5);
    let modifier = prop::sample::select(vec![kind::CONST, kind::VOLATILE, kind::RESTRICT, kind::TYPE_TAG]);
    prop_oneof![
        4 => (0..INTS.len(), size.clone(), any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(name, size, signed, old_bitfield)| Plan::Int { name, size, signed, old_bitfield }),
        1 => Just(Plan::Float),
        3 => index.clone().prop_map(|to| Plan::Pointer { to }),
        2 => (index.clone(), 0..4_u32).prop_map(|(of, len)| Plan::Array { of, len }),
        9 => (prop::bool::weighted(0.3), 0..COMPOSITES.len(), members, prop::bool::weighted(0.3))
            .prop_map(|(union, name, members, bitfields)| Plan::Composite { union, name, members, bitfields }),
        3 => (0..ENUMS.len(), size, any::<bool>(), any::<bool>(), values)
            .prop_map(|(name, size, signed, wide, values)| Plan::Enum { name, size, signed, wide, values }),
        1 => (0..COMPOSITES.len() - 1, any::<bool>()).prop_map(|(name, union)| Plan::Forward { name, union }),
        3 => (0..TYPEDEFS.len(), index.clone()).prop_map(|(name, to)| Plan::Typedef { name, to }),
        1 => (modifier, index.clone()).prop_map(|(kind, to)| Plan::Modifier { kind, to }),
        1 => (index.clone(), prop::collection::vec(index.clone(), 0..3))
            .prop_map(|(result, parameters)| Plan::Prototype { result, parameters }),
        1 => index.prop_map(|to| Plan::Tag { to }),
    ]
}

/// A BTF under construction, with the shapes of its types to choose sensible accesses.
struct Graph {
    btf: Btf,
    shapes: Vec<Shape>,
    /// Indices of the types that others may refer to: all but declaration tags.
    referable: Vec<usize>,
    /// Size of the type `long`.
    long: Option<u32>,
}

/// A type as far as an access depends on it; indices count from 0.
#[derive(Clone)]
enum Shape {
    Scalar { bytes: u32, integer: bool },
    Inside { bytes: u32, members: Vec<usize> },
    Elements { bytes: u32, of: usize, len: u32 },
    Values(usize),
    Same(usize),
    Sizeless,
}

impl Graph {
    fn build(plans: &[Plan]) -> Self {
        let mut graph = Self { btf: Btf::default(), shapes: Vec::new(), referable: Vec::new(), long: None };
        let composite = |index: &usize| matches!(plans[*index], Plan::Composite { .. });
        let composites: Vec<usize> = (0..plans.len()).filter(composite).collect();
        for (index, plan) in plans.iter().enumerate() {
            let shape = graph.add(plan, &composites);
            graph.shapes.push(shape);
            if !matches!(plan, Plan::Tag { .. }) {
                graph.referable.push(index);
            }
        }
        graph
    }

    /// The index of an earlier type.
    fn earlier(&self, index: usize) -> Option<usize> {
        (!self.referable.is_empty()).then(|| self.referable[index % self.referable.len()])
    }

    fn bytes(&self, index: usize) -> u32 {
        match self.shapes[index] {
            Shape::Scalar { bytes, .. } | Shape::Inside { bytes, .. } | Shape::Elements { bytes, .. } => {
                bytes
            }
            Shape::Values(_) => 4,
            Shape::Same(of) => self.bytes(of),
            Shape::Sizeless => 0,
        }
    }

    fn is_integer(&self, index: usize) -> bool {
        match self.shapes[index] {
            Shape::Scalar { integer, .. } => integer,
            Shape::Same(of) => self.is_integer(of),
            _ => false,
        }
    }

    fn add(&mut self, plan: &Plan, composites: &[usize]) -> Shape {
        let id = |index: usize| u32::try_from(index + 1).expect("few types");
        let earlier = |graph: &Self, index: usize| graph.earlier(index).map_or(0, id);
        match plan {
            Plan::Int { name, size, signed, old_bitfield } => {
                // A pointer's size is that of the first `long`, so there is one size of it.
                let (name, mut size) = (INTS[*name], *size);
                if name.starts_with("long") {
                    size = *self.long.get_or_insert(if size < 4 { 8 } else { size });
                }
                self.btf.int(name, size, *signed);
                if *old_bitfield {
                    self.btf.make_last_int_a_bitfield(1, 3);
                }
                Shape::Scalar { bytes: size, integer: true }
            }
            Plan::Float => {
                self.btf.float("double", 8);
                Shape::Scalar { bytes: 8, integer: false }
            }
            // Pointers may point ahead to structs and unions, and so close cycles.
            Plan::Pointer { to } => {
                let ahead = composites.get(to / 2).map(|&index| id(index)).filter(|_| to % 2 == 0);
                let target = ahead.unwrap_or_else(|| earlier(self, *to));
                self.btf.reference(kind::PTR, "", target);
                Shape::Scalar { bytes: 8, integer: false }
            }
            Plan::Array { of, len } => {
                let Some(of) = self.earlier(*of) else { return self.placeholder() };
                self.btf.array(id(of), id(of), *len);
                Shape::Elements { bytes: self.bytes(of).saturating_mul(*len) % 4096, of, len: *len }
            }
            Plan::Composite { union, name, members, bitfields } => {
                self.composite(*union, COMPOSITES[*name], members, *bitfields)
            }
            Plan::Enum { name, size, signed, wide, values } => {
                let bytes = if *wide { *size } else { 4 };
                if *wide {
                    let values: Vec<_> =
                        values.iter().map(|&(name, value)| (VALUES[name], value.cast_unsigned())).collect();
                    self.btf.enumeration64(ENUMS[*name], bytes, *signed, &values);
                } else {
                    let small = |value: i64| i32::try_from(value % 1000).unwrap_or_default();
                    let values: Vec<_> =
                        values.iter().map(|&(name, value)| (VALUES[name], small(value))).collect();
                    self.btf.enumeration(ENUMS[*name], bytes, *signed, &values);
                }
                Shape::Values(values.len())
            }
            Plan::Forward { name, union } => {
                self.btf.forward(COMPOSITES[*name], *union);
                Shape::Sizeless
            }
            Plan::Typedef { name, to } => {
                let target = earlier(self, *to);
                self.btf.reference(kind::TYPEDEF, TYPEDEFS[*name], target);
                self.earlier(*to).map_or(Shape::Sizeless, Shape::Same)
            }
            Plan::Modifier { kind, to } => {
                let target = earlier(self, *to);
                let text = if *kind == kind::TYPE_TAG { "tag" } else { "" };
                self.btf.reference(*kind, text, target);
                self.earlier(*to).map_or(Shape::Sizeless, Shape::Same)
            }
            Plan::Prototype { result, parameters } => {
                let parameters: Vec<_> =
                    parameters.iter().map(|&index| ("p", earlier(self, index))).collect();
                let result = earlier(self, *result);
                self.btf.prototype(result, &parameters);
                Shape::Sizeless
            }
            Plan::Tag { to } => {
                let target = earlier(self, *to);
                if target == 0 {
                    return self.placeholder();
                }
                self.btf.declaration_tag("tag", target, -1);
                Shape::Sizeless
            }
        }
    }

    fn placeholder(&mut self) -> Shape {
        self.btf.int("int", 4, true);
        Shape::Scalar { bytes: 4, integer: true }
    }

    fn composite(
        &mut self,
        union: bool,
        name: &str,
        members: &[(usize, usize, u32)],
        bitfields: bool,
    ) -> Shape {
        let (mut at, mut end, mut written, mut indices) = (0, 0, Vec::new(), Vec::new());
        for &(name, index, gap) in members {
            let Some(index) = self.earlier(index) else { continue };
            let ty = u32::try_from(index + 1).expect("few types");
            // libbpf divides by the size of a bit field's type, so only integers are made bit fields.
            let bits = if bitfields && self.is_integer(index) {
                1 + gap % (self.bytes(index) * 8).min(33)
            } else {
                0
            };
            let name = MEMBERS[name];
            // Only structs and unions are embedded without a name.
            let embeds = matches!(self.shapes[index], Shape::Inside { .. });
            let name = if name.is_empty() && !embeds { "v" } else { name };
            let offset = if union { 0 } else { at };
            written.push((name, ty, offset, bits));
            indices.push(index);
            let width = if bits > 0 { bits } else { self.bytes(index) * 8 };
            at = if bits > 0 { at + width + gap % 3 } else { (at + width + gap / 8 * 8).next_multiple_of(8) };
            end = end.max(offset + width);
        }
        let bytes = end.max(if union { 0 } else { at }).div_ceil(8);
        self.btf.bitfields(union, name, bytes, &written);
        Shape::Inside { bytes, members: indices }
    }

    /// The type that a typedef or modifier refers to.
    fn skip(&self, mut index: usize) -> usize {
        while let Shape::Same(of) = self.shapes[index] {
            index = of;
        }
        index
    }

    /// A relocation kind, mostly one that fits the root; others fail whatever the target.
    fn kind(&self, root: usize, die: u32) -> u32 {
        const FIELDS: [u32; 11] = [0, 0, 1, 2, 2, 3, 4, 5, 8, 9, 12];
        const ENUMERATORS: [u32; 7] = [7, 8, 10, 10, 11, 11, 12];
        const TYPES: [u32; 6] = [6, 7, 8, 9, 12, 12];
        let of = |kinds: &[u32]| kinds[die as usize % kinds.len()];
        match self.shapes[self.skip(root)] {
            _ if die % 16 == 15 => die / 16 % 13,
            Shape::Inside { .. } => of(&FIELDS),
            Shape::Values(_) => of(&ENUMERATORS),
            _ => of(&TYPES),
        }
    }

    /// A random access into a type; it is valid, or nearly.
    fn access(&self, root: usize, dice: &[u32]) -> String {
        let mut text =
            if dice.first().is_some_and(|&die| die % 8 == 7) { "2".to_owned() } else { "0".to_owned() };
        let mut index = root;
        for (step, &die) in dice.iter().enumerate() {
            index = self.skip(index);
            let die = die as usize;
            match &self.shapes[index] {
                Shape::Inside { members, .. } if !members.is_empty() && (step == 0 || die % 7 != 6) => {
                    let member = die % members.len();
                    text += &format!(":{member}");
                    index = members[member];
                }
                Shape::Elements { of, len, .. } if die % 7 != 6 => {
                    text += &format!(":{}", die % (*len as usize + 2));
                    index = *of;
                }
                Shape::Values(count) if text.len() == 1 && *count > 0 => return (die % count).to_string(),
                _ => break,
            }
        }
        text
    }
}

/// Local types with relocations, and a target with partly the same types.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) local: Btf,
    pub(crate) target: Btf,
    pub(crate) programs: Vec<Vec<Relocation>>,
    pub(crate) big_endian: bool,
}

const FIELD_LSHIFT_U64: u32 = 4;
const FIELD_RSHIFT_U64: u32 = 5;

/// A random case.
pub(crate) fn case() -> impl Strategy<Value = Case> {
    let shared = prop::collection::vec((plan(), 0..5_u32), 1..24);
    let extra = prop::collection::vec(plan(), 0..16);
    let relocation =
        (any::<prop::sample::Index>(), any::<u32>(), prop::collection::vec(any::<u32>(), 5), any::<bool>());
    let programs = prop::collection::vec(prop::collection::vec(relocation, 1..8), 1..4);
    (shared, extra, programs, prop::bool::weighted(0.25)).prop_map(|(shared, extra, programs, big_endian)| {
        let local: Vec<Plan> = shared.iter().map(|(plan, _)| plan.clone()).collect();
        // The target lacks a fifth of the shared types, and repeats some.
        let copies = |die: u32| [0, 1, 1, 1, 2][die as usize];
        let target = shared.iter().flat_map(|(plan, die)| std::iter::repeat_n(plan.clone(), copies(*die)));
        let target: Vec<Plan> = target.chain(extra).collect();
        let (local, target) = (Graph::build(&local), Graph::build(&target));
        // Tags have names too, but compilers never make them roots.
        let is_tag = |kind: u32| matches!(kind, kind::TYPE_TAG | kind::DECL_TAG);
        let names = local.btf.names();
        let named: Vec<usize> = names.iter().filter(|name| !is_tag(name.0)).map(|name| name.2).collect();
        let tags: Vec<usize> = names.iter().filter(|name| is_tag(name.0)).map(|name| name.2).collect();
        let programs = programs.iter().map(|relocations| {
            let relocations = relocations.iter().filter_map(|(root, kind, dice, load)| {
                // Roots without a name fail whatever the target, so few are generated.
                let all = local.shapes.len();
                let any = Some(root.index(all)).filter(|index| dice[0] % 16 == 0 && !tags.contains(index));
                let index = any.or_else(|| (!named.is_empty()).then(|| *root.get(&named)))?;
                // libbpf compares candidates by the left shift for its own machine, and only the result can be
                // converted (`turn_lshift` in the shim). So left shifts of big-endian objects are tested by fixtures
                // only.
                let kind = match local.kind(index, *kind) {
                    FIELD_LSHIFT_U64 if big_endian => FIELD_RSHIFT_U64,
                    kind => kind,
                };
                let type_based = matches!(kind, 6..=9 | 12);
                let access = if type_based { "0".to_owned() } else { local.access(index, dice) };
                let form = if *load { Form::Load(0, 0) } else { Form::Immediate(0) };
                Some(Relocation { root: u32::try_from(index + 1).expect("few types"), access, kind, form })
            });
            relocations.collect()
        });
        let programs = programs.collect();
        Case { local: local.btf, target: target.btf, programs, big_endian }
    })
}
