//! Nearest: the entries around a release that has none, in its own series and flavour.

use std::cmp::Ordering;

use crate::catalog::Catalog;
use crate::identity::{Identity, Verdict, hub_arch};
use crate::{Host, KernelId, wire};

/// How many entries a refusal names.
const NAMED: usize = 4;

/// A release's words and numbers: releases of one series and flavour differ in later numbers only.
struct Shape {
    template: Vec<u8>,
    numbers: Vec<u32>,
}

impl Shape {
    fn of(release: &str) -> Self {
        let mut shape = Self { template: Vec::new(), numbers: Vec::new() };
        wire::split(release, &mut shape.template, &mut shape.numbers);
        shape
    }

    /// Same words, and the same kernel version (the first two numbers).
    fn same_series(&self, other: &Self) -> bool {
        self.template == other.template && self.numbers.get(..2) == other.numbers.get(..2)
    }
}

/// The two entries of the host kernel's own folder, series and flavour that its release lies between, if their BTFs
/// are equal.
pub(crate) fn between(
    host: &Host,
    identity: &Identity<'_>,
    catalog: &dyn Catalog,
) -> Option<(KernelId, KernelId)> {
    let wanted = Shape::of(&host.release);
    let mut below: Option<(Vec<u32>, KernelId)> = None;
    let mut above: Option<(Vec<u32>, KernelId)> = None;
    catalog.visit(&mut |id| {
        let Ok(id) = id.parse::<KernelId>() else { return };
        let shape = Shape::of(id.release());
        let fits = hub_arch(id.arch()) == host.arch()
            && shape.same_series(&wanted)
            && identity.judge(id.distro(), id.version()) == Verdict::Yes;
        if !fits {
            return;
        }
        match shape.numbers.cmp(&wanted.numbers) {
            Ordering::Less if below.as_ref().is_none_or(|(best, _)| *best < shape.numbers) => {
                below = Some((shape.numbers, id));
            }
            Ordering::Greater if above.as_ref().is_none_or(|(best, _)| *best > shape.numbers) => {
                above = Some((shape.numbers, id));
            }
            _ => {}
        }
    });
    let ((_, below), (_, above)) = (below?, above?);
    let one_folder = (below.distro(), below.version()) == (above.distro(), above.version());
    (one_folder && catalog.same(&below, &above)).then_some((below, above))
}

/// A few entries near the host's kernel: of its own distribution, series, flavour and number first.
pub(crate) fn near(host: &Host, identity: &Identity<'_>, catalog: &dyn Catalog) -> Vec<KernelId> {
    let wanted = Shape::of(&host.release);
    let (mut distances, mut best) = (Vec::with_capacity(NAMED + 1), Vec::with_capacity(NAMED + 1));
    catalog.visit(&mut |id| {
        let Ok(id) = id.parse::<KernelId>() else { return };
        if hub_arch(id.arch()) != host.arch() || id.release() == host.release {
            return;
        }
        let shape = Shape::of(id.release());
        let distance = [
            u64::from(identity.judge(id.distro(), id.version()) == Verdict::No),
            u64::from(shape.numbers.get(..2) != wanted.numbers.get(..2)),
            u64::from(shape.template != wanted.template),
            number_distance(&shape.numbers, &wanted.numbers),
        ];
        let mut before = distances.iter().zip(&best);
        let at = before.position(|(other, near)| (other, near) >= (&distance, &id)).unwrap_or(best.len());
        if at < NAMED {
            distances.insert(at, distance);
            distances.truncate(NAMED);
            best.insert(at, id);
            best.truncate(NAMED);
        }
    });
    best
}

/// Orders by the first number that differs, an earlier one weighing more.
fn number_distance(a: &[u32], b: &[u32]) -> u64 {
    let differing = a.iter().zip(b).enumerate().find(|(_, (a, b))| a != b);
    differing.map_or(0, |(at, (a, b))| (8 - (at as u64).min(8)) << 32 | u64::from(a.abs_diff(*b)))
}
