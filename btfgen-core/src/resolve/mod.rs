//! CO-RE relocations resolved as by libbpf's `relo_core.c`.
//!
//! `bpf_core_calc_relo_insn` parses the local spec, matches it against each candidate, computes values, refuses ambiguous
//! results, and prunes the candidates that did not match. The steps here are the same, but the state is elsewhere:
//! [`Evaluator`] resolves a relocation against one candidate alone, and [`decide()`] derives libbpf's result for the whole
//! list of candidates, with the pruning of earlier relocations, from these results. So an evaluation depends on one pair
//! of definitions only, and is done once for all kernels that have the candidate.

mod compat;
mod decide;
mod evaluate;
mod evaluator;
mod explain;
mod failure;
mod format;
mod local;
mod matches;
mod member;
mod reads;
mod roots;
mod size;
mod value;

pub use decide::{Candidate, Outcome, decide, order_decides};
pub use evaluate::{MatchResult, Resolved};
pub use evaluator::{Evaluation, Evaluator};
pub use explain::explain_mismatch;
pub use failure::MatchFailure;
pub use format::describe_spec;
pub use local::{Accessor, LocalFailure, LocalSpec};
pub use reads::{Reads, TypeReads};
pub use roots::{Lookup, Query, QueryId, Root, RootId, RootKind, Roots};
pub(crate) use size::size_of;
