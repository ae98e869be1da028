//! Layout: how the relocations of objects lie, by the local types that they name and by the sections that they patch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::memo::Memo;
use crate::object::{Flow, Object, Patch, Relocation};
use crate::roots::{Place, Roots};

/// Relocations of one object that share a local root type, and with it libbpf's list of candidates.
pub(super) struct Group {
    pub(super) object: usize,
    pub(super) root: usize,
    /// What is asked, each once.
    pub(super) asked: Vec<Asked>,
    /// Each relocation's place in the object, and in `asked`; in the order of the object.
    pub(super) relocations: Vec<(usize, usize)>,
}

/// What relocations of a group have alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// The root's question.
    pub(super) question: usize,
    /// Whether the instruction is a load or store, whose size is adjusted and not only its offset.
    pub(super) accesses_memory: bool,
}

/// A section's relocation: its instruction, and where its outcome stands.
#[derive(Clone, Copy)]
pub(super) struct Member {
    pub(super) insn: usize,
    pub(super) group: usize,
    /// The place among the group's relocations.
    pub(super) place: usize,
}

/// One section of an object.
struct Section {
    object: usize,
    name: Arc<str>,
    members: Vec<Member>,
    /// Decoded when a relocation of it first finds nothing; `taken` once a thread is at it.
    code: OnceLock<Code>,
    taken: AtomicBool,
}

/// A section's instructions.
pub(super) struct Code {
    flow: Flow,
    /// The relocations on whose values a branch can hang.
    pub(super) deciding: Vec<Member>,
    /// What these ask, each once: group and place in its `asked`.
    pub(super) decides: Vec<(usize, usize)>,
}

/// How the relocations of a set of objects lie; the threads of a run share one.
pub struct Layout<'o> {
    objects: &'o [Object],
    pub(super) groups: Vec<Group>,
    sections: Vec<Section>,
    /// For each object the section of each relocation.
    section_of: Vec<Vec<usize>>,
}

impl<'o> Layout<'o> {
    /// Groups the relocations of all objects.
    pub fn new(objects: &'o [Object], roots: &Roots) -> Self {
        let (mut groups, mut sections, mut section_of) = (Vec::<Group>::new(), Vec::new(), Vec::new());
        for (number, (object, places)) in objects.iter().zip(roots.places()).enumerate() {
            let mut by_type: Memo<u32, usize> = Memo::default();
            let mut by_name: Memo<&str, usize> = Memo::default();
            let mut by_asked: Memo<(usize, Asked), usize> = Memo::default();
            let mut own = Vec::with_capacity(object.relocations().len());
            // They stand section by section.
            let mut last: Option<(&Arc<str>, usize, &[u8])> = None;
            for (relocation, it) in object.relocations().enumerate() {
                let (_, section, code) = match last {
                    Some(last) if Arc::ptr_eq(last.0, it.section) => last,
                    _ => {
                        let section = *by_name.entry(it.section).or_insert_with(|| {
                            sections.push(Section::new(number, Arc::clone(it.section)));
                            sections.len() - 1
                        });
                        (it.section, section, object.code(it.section))
                    }
                };
                last = Some((it.section, section, code));
                own.push(section);
                let Place::Root { root, question, local } = places[it.asks] else { continue };
                let group = *by_type.entry(local).or_insert_with(|| {
                    groups.push(Group { object: number, root, asked: Vec::new(), relocations: Vec::new() });
                    groups.len() - 1
                });
                let Group { asked, relocations, .. } = &mut groups[group];
                let key = Asked { question, accesses_memory: accesses_memory(code, it) };
                let asked = *by_asked.entry((group, key)).or_insert_with(|| {
                    asked.push(key);
                    asked.len() - 1
                });
                sections[section].members.push(Member { insn: insn_of(it), group, place: relocations.len() });
                relocations.push((relocation, asked));
            }
            section_of.push(own);
        }
        Self { objects, groups, sections, section_of }
    }

    /// The section of an object's relocation, and the instruction there.
    pub(super) fn insn(&self, object: usize, relocation: usize) -> (usize, usize) {
        let insn = insn_of(self.objects[object].relocation(relocation));
        (self.section_of[object][relocation], insn)
    }

    /// Decodes sections, but those that another thread is at: several that are about to need the same do it together.
    pub(super) fn decode(&self, sections: impl Iterator<Item = usize>) {
        for section in sections {
            if !self.sections[section].taken.swap(true, Ordering::Relaxed) {
                self.code(section);
            }
        }
    }

    /// A section's instructions.
    pub(super) fn code(&self, section: usize) -> &Code {
        let Section { object, name, members, code, .. } = &self.sections[section];
        code.get_or_init(|| {
            let flow = self.objects[*object].flow(name);
            let deciding: Vec<Member> =
                members.iter().filter(|member| flow.decides(member.insn)).copied().collect();
            let asked =
                |member: &Member| (member.group, self.groups[member.group].relocations[member.place].1);
            let mut decides: Vec<(usize, usize)> = deciding.iter().map(asked).collect();
            decides.sort_unstable();
            decides.dedup();
            Code { flow, deciding, decides }
        })
    }
}

impl Section {
    fn new(object: usize, name: Arc<str>) -> Self {
        let (code, taken) = (OnceLock::new(), AtomicBool::new(false));
        Self { object, name, members: Vec::new(), code, taken }
    }
}

impl Code {
    /// Which instructions can be run.
    pub(super) fn reached(&self, patches: impl Iterator<Item = (usize, Patch)>) -> Vec<bool> {
        self.flow.reached(patches)
    }
}

/// The instruction that a relocation is of, by its place in the section.
fn insn_of(relocation: Relocation<'_>) -> usize {
    relocation.insn_offset as usize / 8
}

/// Whether a relocation's instruction is a load or store.
fn accesses_memory(code: &[u8], relocation: Relocation<'_>) -> bool {
    code.get(relocation.insn_offset as usize).is_some_and(|code| matches!(code & 7, 1..=3))
}
