//! A total order of definitions by content alone, independent of the order of interning.

use std::cmp::Ordering;

use super::definition::{Type, TypeRef};
use super::store::Types;

impl Types {
    /// Compares two definitions by content: kind, name, size, then members, enumerators or parameters, then contained types.
    ///
    /// Only a definition itself compares equal, because equal content is stored once.
    pub fn compare(&self, a: TypeRef, b: TypeRef) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        let (left, right) = (self.get(a), self.get(b));
        let own = left.kind().cmp(&right.kind()).then_with(|| {
            let names = self.names();
            names.get(self.name_of(a)).cmp(names.get(self.name_of(b)))
        });
        own.then_with(|| match (left, right) {
            (
                Type::Int { size, encoding, offset, bits, .. },
                Type::Int { size: s, encoding: e, offset: o, bits: b, .. },
            ) => (size, encoding, offset, bits).cmp(&(s, e, o, b)),
            (Type::Float { size, .. }, Type::Float { size: s, .. }) => size.cmp(&s),
            (Type::Ptr { pointee }, Type::Ptr { pointee: p }) => self.compare(pointee, p),
            (Type::Array { element, len }, Type::Array { element: e, len: l }) => {
                len.cmp(&l).then_with(|| self.compare(element, e))
            }
            (Type::Composite { size, .. }, Type::Composite { size: s, .. }) => {
                size.cmp(&s).then_with(|| self.compare_members(a, b))
            }
            (Type::Enum { size, signed, wide, .. }, Type::Enum { size: s, signed: g, wide: w, .. }) => {
                (size, signed, wide).cmp(&(s, g, w)).then_with(|| self.compare_enumerators(a, b))
            }
            (Type::Opaque { kind, .. }, Type::Opaque { kind: k, .. }) => kind.cmp(&k),
            (Type::Typedef { target, .. }, Type::Typedef { target: t, .. }) => self.compare(target, t),
            (Type::FuncProto { result }, Type::FuncProto { result: r }) => {
                let (params, others) = (self.params(a), self.params(b));
                params.len().cmp(&others.len()).then_with(|| self.compare(result, r)).then_with(|| {
                    first_difference(params.iter().zip(others).map(|(&a, &b)| self.compare(a, b)))
                })
            }
            _ => Ordering::Equal,
        })
    }

    fn compare_members(&self, a: TypeRef, b: TypeRef) -> Ordering {
        let (left, right) = (self.members(a), self.members(b));
        let names = self.names();
        let pairs = || left.iter().zip(right);
        let flat = first_difference(pairs().map(|(a, b)| {
            let name = names.get(a.name).cmp(names.get(b.name));
            name.then((a.bit_offset, a.bitfield_size).cmp(&(b.bit_offset, b.bitfield_size)))
        }));
        flat.then(left.len().cmp(&right.len()))
            .then_with(|| first_difference(pairs().map(|(a, b)| self.compare(a.ty, b.ty))))
    }

    fn compare_enumerators(&self, a: TypeRef, b: TypeRef) -> Ordering {
        let (left, right) = (self.enumerators(a), self.enumerators(b));
        let names = self.names();
        let flat = first_difference(
            left.iter()
                .zip(right)
                .map(|(a, b)| names.get(a.name).cmp(names.get(b.name)).then(a.value.cmp(&b.value))),
        );
        flat.then(left.len().cmp(&right.len()))
    }
}

/// The definitions of a growing store except `void`, in the order of their content.
#[derive(Default)]
pub(crate) struct Ranking {
    order: Vec<TypeRef>,
    /// For each definition its index in `order`.
    ranks: Vec<u32>,
}

impl Ranking {
    /// Adds the definitions that are new in the store since the last call.
    pub(crate) fn update(&mut self, types: &Types) {
        let mut new: Vec<TypeRef> = types.refs().skip(self.ranks.len().max(1)).collect();
        if new.is_empty() {
            return;
        }
        new.sort_unstable_by(|&a, &b| types.compare(a, b));
        let mut order = Vec::with_capacity(types.len());
        let mut known = self.order.as_slice();
        for ty in new {
            let (before, after) =
                known.split_at(known.partition_point(|&other| types.compare(other, ty).is_lt()));
            order.extend_from_slice(before);
            order.push(ty);
            known = after;
        }
        order.extend_from_slice(known);
        self.order = order;
        self.ranks.resize(types.len(), 0);
        for (rank, ty) in self.order.iter().enumerate() {
            self.ranks[ty.index()] = rank as u32;
        }
    }

    /// A definition's index in the order of content.
    pub(crate) fn rank(&self, ty: TypeRef) -> u32 {
        self.ranks[ty.index()]
    }
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}
