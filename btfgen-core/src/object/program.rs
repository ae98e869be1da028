//! Programs of an object.

use super::reach::InsnIndex;

/// A program, or a subprogram in `.text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The function's name.
    pub name: String,
    /// Its section, such as `raw_tracepoint/sched_process_exec`.
    pub section: String,
    /// Its offset in the section, in bytes.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// The first instructions of a section's programs and subprograms; `programs` is ordered by section.
pub(super) fn entries(programs: &[Program], section: &str) -> Vec<InsnIndex> {
    let first = programs.partition_point(|program| *program.section < *section);
    let own = programs[first..].iter().take_while(|program| program.section == section);
    own.filter_map(|program| u32::try_from(program.offset).ok().map(InsnIndex::from_offset)).collect()
}
