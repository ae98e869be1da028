//! Outcomes: which relocations of objects get no value from a kernel, and whether their instructions can be run.

use std::sync::Arc;

use super::layout::{Layout, Member};
use super::verdicts::{Resolution, Verdict, Verdicts};
use crate::memo::{Memo, Placed};
use crate::object::{InsnIndex, Patch};

/// The relocations of one section that do not get a value from a kernel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The section, among those of all objects that have relocations.
    pub(crate) section: u32,
    /// The object, by its place.
    pub(crate) object: u32,
    /// The relocations, in the order of the object.
    pub(crate) unresolved: Vec<Unresolved>,
}

/// A relocation that does not get a value from a kernel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unresolved {
    /// The relocation, by its place in the object.
    pub(crate) relocation: u32,
    /// Whether its instruction can be run, as far as this kernel's existence checks do not rule it out.
    pub(crate) reached: bool,
    /// Why, in words.
    pub(crate) reason: Arc<str>,
}

/// All that a kernel leaves unresolved, section by section.
pub(crate) type Pieces = Arc<[Arc<Piece>]>;

/// Why a relocation gets no value.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Failure {
    /// Whether libbpf refuses the object, so that nothing is run.
    refused: bool,
    reason: Arc<str>,
}

/// What fails of a group: the relocations from one place to another that ask the same.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Failing {
    group: u32,
    start: u32,
    end: u32,
    asked: usize,
    failure: Failure,
}

/// The relocations of one section that fail.
#[derive(PartialEq, Eq, Hash)]
struct Failed {
    section: u32,
    /// Relocation, instruction, failure.
    relocations: Vec<(u32, Option<InsnIndex>, Failure)>,
}

/// Works out outcomes kernel after kernel; what kernels have alike is worked on once.
///
/// Few kernels get the same verdicts on all relocations, but many have the same failures, and the same values where
/// branches hang on them; all that is said of relocations is said of these.
pub(crate) struct Outcomes<'l> {
    layout: &'l Layout<'l>,
    /// For each group the list of what fails of it, by where its resolution lies, which is kept alive.
    seen: Vec<Placed<(Arc<Resolution>, usize)>>,
    lists: Vec<Arc<[Failing]>>,
    numbers: Memo<Arc<[Failing]>, usize>,
    /// What fails in each section, by the numbers of the lists that are not empty.
    failed: Memo<Vec<usize>, Arc<[Arc<Failed>]>>,
    /// Each section's part once, and the pieces that come of it by what decides of its other instructions.
    sections: Memo<Arc<Failed>, ()>,
    pieces: Memo<(*const Failed, Vec<Decision>), Arc<Piece>>,
    /// By where the pieces lie.
    all: Memo<Vec<*const Piece>, Pieces>,
}

/// What relocations that ask the same make of instructions that branches hang on.
#[derive(PartialEq, Eq, Hash)]
enum Decision {
    Patch(Option<Patch>),
    /// Not all the same: where the resolution lies.
    Pruned(*const Resolution),
}

impl<'l> Outcomes<'l> {
    /// Outcomes of relocations that lie so.
    pub(crate) fn new(layout: &'l Layout<'l>) -> Self {
        Self {
            layout,
            seen: layout.groups.iter().map(|_| Default::default()).collect(),
            lists: Vec::new(),
            numbers: Memo::default(),
            failed: Memo::default(),
            sections: Memo::default(),
            pieces: Memo::default(),
            all: Memo::default(),
        }
    }

    /// What a kernel with such verdicts leaves unresolved in the layout's sections.
    pub(crate) fn unresolved(&mut self, verdicts: &Verdicts) -> Pieces {
        let mut lists = Vec::new();
        for (group, resolution) in verdicts.iter().enumerate() {
            let list = self.failing(group, resolution);
            if !self.lists[list].is_empty() {
                lists.push(list);
            }
        }
        if lists.is_empty() {
            return Arc::default();
        }
        let failed = self.failed(lists);
        let pieces: Vec<Arc<Piece>> = failed.iter().map(|failed| self.piece(failed, verdicts)).collect();
        let key = pieces.iter().map(Arc::as_ptr).collect();
        Arc::clone(self.all.entry(key).or_insert_with(|| pieces.into()))
    }

    /// The number of the list of what fails of a group.
    fn failing(&mut self, group: usize, resolution: &Arc<Resolution>) -> usize {
        let Self { layout, seen, lists, numbers, .. } = self;
        let seek = || {
            let failing: Arc<[Failing]> = failing(layout, group as u32, resolution).into();
            let list = numbers.entry(failing).or_insert_with_key(|failing| {
                lists.push(Arc::clone(failing));
                lists.len() - 1
            });
            (Arc::clone(resolution), *list)
        };
        let (_, list) = seen[group].get(Arc::as_ptr(resolution), seek);
        *list
    }

    fn failed(&mut self, lists: Vec<usize>) -> Arc<[Arc<Failed>]> {
        let (layout, all, sections) = (self.layout, &self.lists, &mut self.sections);
        let failed = self.failed.entry(lists).or_insert_with_key(|lists| {
            let failed = failed(layout, lists.iter().flat_map(|&list| all[list].iter()));
            layout.decode(failed.iter().filter(|it| it.has_poison()).map(|it| it.section));
            let shared = failed.into_iter().map(|failed| {
                let entry = sections.entry(Arc::new(failed)).insert_entry(());
                Arc::clone(entry.key())
            });
            shared.collect()
        });
        Arc::clone(failed)
    }

    /// What a section leaves unresolved, if this fails there and others get what the verdicts say.
    fn piece(&mut self, failed: &Arc<Failed>, verdicts: &Verdicts) -> Arc<Piece> {
        let layout = self.layout;
        let code = failed.has_poison().then(|| layout.code(failed.section));
        let decision = |&(group, asked): &(u32, u32)| {
            let resolution = &verdicts[group as usize];
            match resolution.rounds.as_slice() {
                [_] => Decision::Patch(patch(layout, resolution, group, asked, 0)),
                _ => Decision::Pruned(Arc::as_ptr(resolution)),
            }
        };
        let decides = code.map_or(&[][..], |code| &code.decides);
        let key = (Arc::as_ptr(failed), decides.iter().map(decision).collect());
        let piece = self.pieces.entry(key).or_insert_with(|| {
            let reached = code.map(|code| {
                let given = |&Member { insn, group, place, asked }: &Member| {
                    let patch = patch(layout, &verdicts[group as usize], group, asked, place)?;
                    Some((insn?, patch))
                };
                let poisoned = failed.relocations.iter().filter(|(.., failure)| !failure.refused);
                let poisoned = poisoned.filter_map(|&(_, insn, _)| Some((insn?, Patch::Poison)));
                code.flow.reachable(poisoned.chain(code.deciding.iter().filter_map(given)))
            });
            let unresolved = |(relocation, insn, failure): &(u32, Option<InsnIndex>, Failure)| Unresolved {
                relocation: *relocation,
                // What is refused is said whatever the code; so is what lies outside of it.
                reached: failure.refused
                    || reached.as_ref().is_none_or(|it| insn.is_none_or(|insn| it.contains(insn))),
                reason: Arc::clone(&failure.reason),
            };
            let object = layout.sections[failed.section as usize].object as u32;
            let unresolved = failed.relocations.iter().map(unresolved).collect();
            Arc::new(Piece { section: failed.section, object, unresolved })
        });
        Arc::clone(piece)
    }
}

impl Failed {
    fn has_poison(&self) -> bool {
        self.relocations.iter().any(|(.., failure)| !failure.refused)
    }
}

/// What the relocation at a place of its group, which asks that, makes of its instruction.
fn patch(layout: &Layout<'_>, resolution: &Resolution, group: u32, asked: u32, place: u32) -> Option<Patch> {
    let (asked, _) = layout.groups[group as usize][asked as usize];
    match resolution.verdict(place, asked.query)? {
        Verdict::Misread(..) if asked.accesses_memory => Some(Patch::Poison),
        Verdict::Value(value) | Verdict::Misread(value, _) => Some(Patch::Value(*value)),
        Verdict::Poison(_) => Some(Patch::Poison),
        Verdict::Refused(_) => None,
    }
}

/// What fails in each round of a group.
fn failing(layout: &Layout<'_>, group: u32, resolution: &Resolution) -> Vec<Failing> {
    let mut failing = Vec::new();
    for (number, round) in resolution.rounds.iter().enumerate() {
        let end = resolution.rounds.get(number + 1).map_or(u32::MAX, |next| next.start);
        for (place, (asked, _)) in layout.groups[group as usize].iter().enumerate() {
            let failure = match &round.verdicts[asked.query as usize] {
                Some(Verdict::Misread(_, size)) if asked.accesses_memory => {
                    let reason = format!(
                        "the field has {size} bytes there and is no pointer or unsigned integer on both sides, so that a plain load would misread it"
                    );
                    Failure { refused: false, reason: reason.into() }
                }
                Some(Verdict::Poison(reason)) => Failure { refused: false, reason: Arc::clone(reason) },
                Some(Verdict::Refused(reason)) => Failure { refused: true, reason: Arc::clone(reason) },
                Some(Verdict::Value(_) | Verdict::Misread(..)) | None => continue,
            };
            failing.push(Failing { group, start: round.start, end, asked: place, failure });
        }
    }
    failing
}

/// What fails in each section.
fn failed<'f>(layout: &Layout<'_>, failing: impl Iterator<Item = &'f Failing>) -> Vec<Failed> {
    let mut by_section: Memo<u32, Vec<(u32, Option<InsnIndex>, Failure)>> = Memo::default();
    for Failing { group, start, end, asked, failure } in failing {
        let (_, sites) = &layout.groups[*group as usize][*asked];
        let first = sites.partition_point(|site| site.place < *start);
        for site in sites[first..].iter().take_while(|site| site.place < *end) {
            let section = by_section.entry(site.section).or_default();
            section.push((site.relocation, site.insn, failure.clone()));
        }
    }
    let mut failed: Vec<Failed> = Vec::with_capacity(by_section.len());
    for (section, mut relocations) in by_section {
        relocations.sort_unstable_by_key(|(relocation, ..)| *relocation);
        failed.push(Failed { section, relocations });
    }
    failed.sort_unstable_by_key(|failed| failed.section);
    failed
}
