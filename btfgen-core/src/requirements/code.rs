//! Code: functions, their calls of each other, and what their instructions need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::externs::{Extern, ExternKind};
use super::helpers::Helper;
use super::instruction_set::InstructionSet;
use super::maps::Map;
use crate::memo::{Id, Memo, ids};
use crate::object::{Insn, InsnIndex, Object, Symbol};

ids! {
    /// A function: a program or subprogram.
    FunctionId;
}

/// Index of a map among the object's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapId(pub usize);

/// Index of an extern among the object's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternId(pub usize);

/// Something that an instruction needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// A helper that it calls.
    Helper(Helper),
    /// A map that it refers to.
    Map(MapId),
    /// An extern that it calls or refers to.
    Extern(ExternId),
    /// An extension of the instruction set.
    InstructionSet(InstructionSet),
    /// The CO-RE relocation with that index in [`Object::relocations`].
    Relocation(usize),
}

/// An instruction of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// Its section.
    pub section: Arc<str>,
    /// Its index there.
    pub insn: InsnIndex,
}

/// Functions that a program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called(BTreeSet<FunctionId>);

/// Functions do not overlap: each ends where the next one of its section begins.
struct Function {
    section: Arc<str>,
    first: InsnIndex,
    insns: usize,
    calls: Vec<(InsnIndex, FunctionId)>,
    /// Without relocations.
    needs: Vec<(InsnIndex, Need)>,
    /// Relocations, by their index in the object.
    relocations: Vec<(InsnIndex, usize)>,
}

/// The functions of an object, by section and first instruction.
pub(super) struct Code {
    functions: Vec<Function>,
}

/// What instructions refer to.
struct Names<'a> {
    maps: Memo<&'a str, MapId>,
    data: Memo<&'a str, MapId>,
    externs: Memo<&'a str, ExternId>,
    kconfig: Option<MapId>,
}

/// What a reference or call leads to.
enum Found {
    Nothing,
    Call(FunctionId),
    Needs(Vec<Need>),
}

impl Code {
    pub(super) fn new(object: &Object, maps: &[Map], externs: &[Extern]) -> Self {
        let mut code = Self { functions: functions(object) };
        let names = Names::new(maps, externs);
        for (index, relocation) in object.relocations().iter().enumerate() {
            let insn = InsnIndex::from_offset(relocation.insn_offset);
            if let Some(function) = code.containing(object.section_of(relocation), insn) {
                code.functions[function.index()].relocations.push((insn, index));
            }
        }
        for section in object.code_sections() {
            let mut references = object.references(section).iter().peekable();
            let mut functions = code.functions_in(section).peekable();
            let mut current = None;
            for (at, insn) in object.insns(section) {
                while let Some(next) = functions.next_if(|next| code.functions[next.index()].first <= at) {
                    current = Some(next);
                }
                let Some(function) = current else { continue };
                while references.next_if(|reference| reference.insn < at).is_some() {}
                let symbol = references
                    .next_if(|reference| reference.insn == at)
                    .map(|reference| object.symbol_of(reference));
                let found = match symbol {
                    Some(symbol) => code.reference(insn, symbol, &names, externs),
                    None => code.plain(section, at, insn),
                };
                let function = &mut code.functions[function.index()];
                let needs = match found {
                    Found::Nothing => Vec::new(),
                    Found::Call(callee) => {
                        function.calls.push((at, callee));
                        vec![Need::InstructionSet(match insn.is_call() {
                            true => InstructionSet::SubprogramCall,
                            false => InstructionSet::FunctionPointer,
                        })]
                    }
                    Found::Needs(needs) => needs,
                };
                function.needs.extend(needs.into_iter().map(|need| (at, need)));
            }
        }
        code
    }

    /// The functions of a section, by their first instruction.
    fn functions_in(&self, section: &str) -> impl Iterator<Item = FunctionId> + use<> {
        let first = self.functions.partition_point(|function| *function.section < *section);
        let len = self.functions[first..].partition_point(|function| *function.section == *section);
        (first..first + len).map(FunctionId::new)
    }

    /// The function that contains an instruction.
    pub(super) fn containing(&self, section: &str, at: InsnIndex) -> Option<FunctionId> {
        let after =
            self.functions.partition_point(|function| (&*function.section, function.first) <= (section, at));
        let index = after.checked_sub(1)?;
        (*self.functions[index].section == *section).then(|| FunctionId::new(index))
    }

    /// The function at a byte offset of a section.
    pub(super) fn at(&self, section: &str, offset: u64) -> Option<FunctionId> {
        self.containing(section, InsnIndex::from_offset(u32::try_from(offset).ok()?))
    }

    /// An instruction without reference.
    fn plain(&self, section: &str, at: InsnIndex, insn: Insn) -> Found {
        let callee = || {
            let index = at.index() as i64 + 1 + i64::from(insn.imm);
            self.at(section, u64::try_from(index).ok()?.checked_mul(8)?)
        };
        match (insn.is_call(), insn.src) {
            (true, 0) => Found::Needs(vec![Need::Helper(Helper(insn.imm.cast_unsigned()))]),
            (true, 1) => callee().map_or(Found::Nothing, Found::Call),
            _ => Found::Needs(InstructionSet::of(insn).map(Need::InstructionSet).into_iter().collect()),
        }
    }

    /// An instruction that refers to a symbol (`bpf_program__record_reloc`).
    fn reference(&self, insn: Insn, symbol: &Symbol, names: &Names<'_>, externs: &[Extern]) -> Found {
        let Some(section) = symbol.section.as_deref() else {
            let Some(&id) = names.externs.get(&*symbol.name) else { return Found::Nothing };
            let Extern { kind, weak, .. } = externs[id.0];
            // The address of a weak symbol is 0 if it is missing, so only a call needs it.
            if weak && kind != ExternKind::Kconfig && !insn.is_call() {
                return Found::Nothing;
            }
            let mut needs = vec![Need::Extern(id)];
            match kind {
                ExternKind::Kfunc if insn.is_call() => {
                    needs.push(Need::InstructionSet(InstructionSet::KfuncCall));
                }
                ExternKind::Kconfig => {
                    needs.push(Need::InstructionSet(InstructionSet::GlobalData));
                    needs.extend(names.kconfig.map(Need::Map));
                }
                _ => {}
            }
            return Found::Needs(needs);
        };
        if let Some(&map) = names.data.get(section) {
            return Found::Needs(vec![Need::Map(map), Need::InstructionSet(InstructionSet::GlobalData)]);
        }
        if let Some(&map) = names.maps.get(&*symbol.name) {
            return Found::Needs(vec![Need::Map(map)]);
        }
        // A local function is referred to by its section, and the instruction has the offset.
        let imm = i64::from(insn.imm);
        let more = if insn.is_call() { (imm + 1).saturating_mul(8) } else { imm };
        let offset = symbol.offset.checked_add_signed(more);
        let callee = offset.and_then(|offset| self.at(section, offset));
        callee.map_or(Found::Nothing, Found::Call)
    }

    /// The number of instructions of a function and of all that it calls, as loaded by libbpf.
    pub(super) fn insn_count(&self, function: FunctionId) -> usize {
        self.called(function, &|_, _| true)
            .0
            .iter()
            .map(|function| self.functions[function.index()].insns)
            .sum()
    }

    /// The sections of functions.
    pub(super) fn sections_of(&self, called: &Called) -> BTreeSet<&str> {
        called.0.iter().map(|function| &*self.functions[function.index()].section).collect()
    }

    /// The relocations of functions, each with its instruction.
    pub(super) fn relocations_of<'a>(
        &'a self,
        called: &'a Called,
        can_run: &'a dyn Fn(&str, InsnIndex) -> bool,
    ) -> impl Iterator<Item = (Need, Site)> + 'a {
        let functions = called.0.iter().map(|function| &self.functions[function.index()]);
        functions.flat_map(move |function| {
            let own = function.relocations.iter().filter(|(insn, _)| can_run(&function.section, *insn));
            let site = |insn| Site { section: Arc::clone(&function.section), insn };
            own.map(move |&(insn, index)| (Need::Relocation(index), site(insn)))
        })
    }

    /// What functions need apart from relocations, each with the instructions that need it.
    pub(super) fn needs_of(
        &self,
        called: &Called,
        can_run: &dyn Fn(&str, InsnIndex) -> bool,
    ) -> BTreeMap<Need, Vec<Site>> {
        let mut needs: BTreeMap<Need, Vec<Site>> = BTreeMap::new();
        for &function in &called.0 {
            let function = &self.functions[function.index()];
            for &(insn, need) in function.needs.iter().filter(|(insn, _)| can_run(&function.section, *insn)) {
                needs.entry(need).or_default().push(Site { section: Arc::clone(&function.section), insn });
            }
        }
        needs
    }

    /// A function and those that its instructions that can run call, directly or not.
    pub(super) fn called(&self, function: FunctionId, can_run: &dyn Fn(&str, InsnIndex) -> bool) -> Called {
        let (mut called, mut open) = (BTreeSet::from([function]), vec![function]);
        while let Some(function) = open.pop() {
            let function = &self.functions[function.index()];
            for &(_, callee) in function.calls.iter().filter(|(insn, _)| can_run(&function.section, *insn)) {
                if called.insert(callee) {
                    open.push(callee);
                }
            }
        }
        Called(called)
    }
}

impl Called {
    pub(super) fn contains(&self, function: FunctionId) -> bool {
        self.0.contains(&function)
    }
}

impl<'a> Names<'a> {
    fn new(maps: &'a [Map], externs: &'a [Extern]) -> Self {
        let all = || (0..).map(MapId).zip(maps);
        let is_data = |map: &&'a Map| map.is_global_data();
        let data = || all().filter(move |(_, map)| is_data(map));
        Self {
            maps: all().filter(|(_, map)| !is_data(map)).map(|(id, map)| (map.name.as_str(), id)).collect(),
            data: data().map(|(id, map)| (map.section.as_str(), id)).collect(),
            externs: (0..).map(ExternId).zip(externs).map(|(id, it)| (it.name.as_str(), id)).collect(),
            kconfig: data().find(|(_, map)| map.section == ".kconfig").map(|(id, _)| id),
        }
    }
}

/// The functions of all sections with code, without what they call and need.
fn functions(object: &Object) -> Vec<Function> {
    let mut functions: Vec<Function> = Vec::new();
    for section in object.code_sections() {
        let name: Arc<str> = section.into();
        let len = object.code(section).len() / 8;
        let own = object.programs().iter().filter(|program| program.section == section);
        let starts = own.filter_map(|program| u32::try_from(program.offset).ok());
        let starts: BTreeSet<InsnIndex> =
            starts.map(InsnIndex::from_offset).filter(|start| start.index() < len).collect();
        let ends = starts.iter().skip(1).map(|start| start.index()).chain([len]);
        functions.extend(starts.iter().zip(ends).map(|(&first, end)| Function {
            section: Arc::clone(&name),
            first,
            insns: end - first.index(),
            calls: Vec::new(),
            needs: Vec::new(),
            relocations: Vec::new(),
        }));
    }
    functions
}
