//! Layout: how relocations lie in the sections of objects, by what they ask and by the instructions that they patch.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::verdicts::Groups;
use crate::memo::Memo;
use crate::object::{ControlFlow, InsnIndex, Object, SectionId};

/// A section of an object that has relocations.
pub(crate) struct Section {
    /// The object, by its place.
    pub(crate) object: usize,
    section: SectionId,
    /// Its relocations, by their indices in the object.
    relocations: Vec<usize>,
}

/// What relocations of a group have alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// What they ask, by its place among the group's queries.
    pub(super) query: u32,
    /// Whether the instruction is a load or store, whose size is adjusted and not only its offset.
    pub(super) accesses_memory: bool,
}

/// Where a relocation lies.
#[derive(Clone, Copy)]
pub(super) struct Site {
    /// Its place in its group, and in its object.
    pub(super) place: u32,
    pub(super) relocation: u32,
    /// The section, and the instruction there.
    pub(super) section: u32,
    pub(super) insn: Option<InsnIndex>,
}

/// What a group's relocations ask, each once, and where those lie that ask it, in the order of the object.
pub(super) type Spread = Vec<(Asked, Vec<Site>)>;

/// How the relocations of some sections lie; the threads of a run share one.
pub(crate) struct Layout<'o> {
    objects: &'o [Object],
    pub(super) sections: &'o [Section],
    /// By group.
    pub(super) groups: Vec<Spread>,
    codes: Vec<Lazy>,
}

/// A section's instructions, decoded when a relocation there first finds nothing; `taken` once a thread is at it.
#[derive(Default)]
struct Lazy {
    code: OnceLock<Code>,
    taken: AtomicBool,
    /// Each relocation there: its instruction, group, place in the group, and place of what it asks.
    members: Vec<Member>,
}

#[derive(Clone, Copy)]
pub(super) struct Member {
    pub(super) insn: Option<InsnIndex>,
    pub(super) group: u32,
    pub(super) place: u32,
    pub(super) asked: u32,
}

/// A section's instructions.
pub(super) struct Code {
    pub(super) flow: ControlFlow,
    /// The relocations on whose values a branch can hang.
    pub(super) deciding: Vec<Member>,
    /// What these ask, each once: group and place there.
    pub(super) decides: Vec<(u32, u32)>,
}

/// The sections of a set of objects that have relocations, in the order of their first ones.
pub(crate) fn sections(objects: &[Object]) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for (object, it) in objects.iter().enumerate() {
        let mut by_id: Memo<SectionId, usize> = Memo::default();
        for (index, relocation) in it.relocations().iter().enumerate() {
            let section = *by_id.entry(relocation.section).or_insert_with(|| {
                sections.push(Section { object, section: relocation.section, relocations: Vec::new() });
                sections.len() - 1
            });
            sections[section].relocations.push(index);
        }
    }
    sections
}

impl<'o> Layout<'o> {
    /// How the relocations of all sections lie.
    pub(crate) fn new(objects: &'o [Object], sections: &'o [Section], groups: &Groups) -> Self {
        let mut spreads: Vec<Spread> = vec![Vec::new(); groups.len()];
        let mut by_asked: Memo<(u32, Asked), u32> = Memo::default();
        let mut codes: Vec<Lazy> = sections.iter().map(|_| Lazy::default()).collect();
        for (number, section) in sections.iter().enumerate() {
            let object = &objects[section.object];
            let code = object.code(&object.sections()[section.section.index()].name);
            for &relocation in &section.relocations {
                let Some(spot) = groups.spot(section.object, relocation) else { continue };
                let offset = object.relocations()[relocation].insn_offset;
                let query = groups.asked(spot);
                let key = Asked { query, accesses_memory: accesses_memory(code, offset) };
                let spread = &mut spreads[spot.group as usize];
                let asked = *by_asked.entry((spot.group, key)).or_insert_with(|| {
                    spread.push((key, Vec::new()));
                    spread.len() as u32 - 1
                });
                let insn = InsnIndex::from_offset(offset.into());
                let (place, relocation) = (spot.place, relocation as u32);
                spread[asked as usize].1.push(Site { place, relocation, section: number as u32, insn });
                codes[number].members.push(Member { insn, group: spot.group, place, asked });
            }
        }
        // They are already, unless a section's relocations do not stand in a row.
        spreads.iter_mut().flatten().for_each(|(_, sites)| sites.sort_by_key(|site| site.place));
        Self { objects, sections, groups: spreads, codes }
    }

    /// Decodes sections, but those that another thread is at: several that are about to need the same do it together.
    pub(super) fn decode(&self, sections: impl Iterator<Item = u32>) {
        for section in sections {
            if !self.codes[section as usize].taken.swap(true, Ordering::Relaxed) {
                self.code(section);
            }
        }
    }

    /// A section's instructions.
    pub(super) fn code(&self, section: u32) -> &Code {
        let Lazy { code, members, .. } = &self.codes[section as usize];
        code.get_or_init(|| {
            let Section { object, section, .. } = &self.sections[section as usize];
            let object = &self.objects[*object];
            let flow = object.control_flow(&object.sections()[section.index()].name);
            let deciding: Vec<Member> = members
                .iter()
                .filter(|member| member.insn.is_some_and(|insn| flow.affects_branch(insn)))
                .copied()
                .collect();
            let mut decides: Vec<(u32, u32)> =
                deciding.iter().map(|member| (member.group, member.asked)).collect();
            decides.sort_unstable();
            decides.dedup();
            Code { flow, deciding, decides }
        })
    }
}

/// Whether the instruction at an offset is a load or store.
fn accesses_memory(code: &[u8], offset: u32) -> bool {
    code.get(offset as usize).is_some_and(|code| matches!(code & 7, 1..=3))
}
