//! Layout: the relocations of a set of objects, arranged by group and by section.

use crate::btf::TypeId;
use crate::memo::{Id, Memo, ids};
use crate::object::{ControlFlow, InsnIndex, Object, Relocation, SectionId};
use crate::resolve::{Lookup, QueryId, RootId, Roots};
use crate::threads::on_all_cores;

ids! {
    /// An object, by its index among the objects of a run.
    ObjectId;
    /// A relocation, by its index in its object.
    RelocationId;
    /// A group of relocations.
    GroupId;
    /// A query, by its index in its group.
    GroupQueryId;
    /// A use, by its index in its group.
    UseId;
    /// A relocation, by its index in its group.
    GroupIndex;
}

/// How the relocations of all objects are arranged. All threads of a run share it.
pub(crate) struct Layout {
    pub(super) groups: Vec<Group>,
    pub(super) sections: Vec<Section>,
}

/// The relocations of one object that share a local root type, and with it libbpf's list of candidates.
pub(super) struct Group {
    pub(super) root: RootId,
    /// The queries of the relocations.
    pub(super) queries: Vec<QueryId>,
    /// The query of each relocation, in the order of the object.
    pub(super) relocations: Vec<GroupQueryId>,
    /// The distinct ways in which relocations use the queries' values.
    pub(super) uses: Vec<Use>,
}

/// How relocations of a group use the value of a query.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Use {
    pub(super) query: GroupQueryId,
    /// Whether the instruction is a load or store, whose size is adjusted and not only its offset.
    pub(super) accesses_memory: bool,
    /// Whether the value can affect a branch.
    pub(super) affects_branch: bool,
}

/// A section that has relocations.
pub(super) struct Section {
    pub(super) object: ObjectId,
    pub(super) flow: ControlFlow,
    /// The relocations of the section, group by group.
    pub(super) parts: Vec<SectionPart>,
}

/// The relocations of one group in one section.
pub(super) struct SectionPart {
    pub(super) group: GroupId,
    pub(super) sites: Vec<Site>,
}

/// A relocation in its section.
pub(super) struct Site {
    pub(super) relocation: RelocationId,
    pub(super) index: GroupIndex,
    pub(super) usage: UseId,
    pub(super) insn: InsnIndex,
}

impl Layout {
    /// Arranges the relocations of all objects.
    pub(crate) fn new(objects: &[Object], roots: &Roots) -> Self {
        let names: Vec<(ObjectId, &str)> = (0..)
            .zip(objects)
            .flat_map(|(index, object)| {
                object.sections().iter().map(move |section| (ObjectId::new(index), &*section.name))
            })
            .collect();
        let section = |(): &mut (), index: usize| {
            let (object, name) = names[index];
            Section { object, flow: objects[object.index()].control_flow(name), parts: Vec::new() }
        };
        let sections = on_all_cores(names.len(), || (), section);
        let mut layout = Self { groups: Vec::new(), sections };
        let mut first_section = 0;
        for (object, lookups) in objects.iter().zip(roots.lookups()) {
            layout.add(object, lookups, first_section);
            first_section += object.sections().len();
        }
        layout
    }

    /// The control flow of a section, by its index among those of all objects that have relocations.
    pub(crate) fn flow(&self, section: usize) -> &ControlFlow {
        &self.sections[section].flow
    }

    /// Adds the relocations of an object, whose sections begin at `first_section`.
    fn add(&mut self, object: &Object, lookups: &[Lookup], first_section: usize) {
        let mut groups: Memo<TypeId, GroupId> = Memo::default();
        let mut queries: Memo<(GroupId, QueryId), GroupQueryId> = Memo::default();
        let mut uses: Memo<(GroupId, Use), UseId> = Memo::default();
        let mut parts: Memo<(SectionId, GroupId), usize> = Memo::default();
        let code: Vec<&[u8]> = object.sections().iter().map(|section| object.code(&section.name)).collect();
        for (index, (relocation, lookup)) in object.relocations().iter().zip(lookups).enumerate() {
            let Lookup::Target { root, query, local_type_id } = *lookup else { continue };
            let group_id = *groups.entry(local_type_id).or_insert_with(|| {
                let (queries, relocations, uses) = (Vec::new(), Vec::new(), Vec::new());
                self.groups.push(Group { root, queries, relocations, uses });
                GroupId::new(self.groups.len() - 1)
            });
            let group = &mut self.groups[group_id.index()];
            let query = *queries.entry((group_id, query)).or_insert_with(|| {
                group.queries.push(query);
                GroupQueryId::new(group.queries.len() - 1)
            });
            let section = &mut self.sections[first_section + relocation.section.index()];
            let insn = InsnIndex::from_offset(relocation.insn_offset);
            let usage = Use {
                query,
                accesses_memory: accesses_memory(code[relocation.section.index()], relocation),
                affects_branch: section.flow.affects_branch(insn),
            };
            let usage = *uses.entry((group_id, usage)).or_insert_with(|| {
                group.uses.push(usage);
                UseId::new(group.uses.len() - 1)
            });
            let group_index = GroupIndex::new(group.relocations.len());
            group.relocations.push(query);
            let part = *parts.entry((relocation.section, group_id)).or_insert_with(|| {
                section.parts.push(SectionPart { group: group_id, sites: Vec::new() });
                section.parts.len() - 1
            });
            let site = Site { relocation: RelocationId::new(index), index: group_index, usage, insn };
            section.parts[part].sites.push(site);
        }
    }
}

/// Whether a relocation's instruction is a load or store.
fn accesses_memory(code: &[u8], relocation: &Relocation) -> bool {
    code.get(relocation.insn_offset as usize).is_some_and(|code| matches!(code & 7, 1..=3))
}
