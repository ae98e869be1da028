//! Causes: the reasons of a forecast, grouped. Programs share a cause on the same kernels, causes share a block of kernels.

use std::collections::{BTreeMap, BTreeSet};

use btfgen_runtime::KernelId;

use crate::forecast::{Forecast, Outcome, ProgramForecast, Reason, ReasonId, Requirement, Verdict};
use crate::memo::Memo;
use crate::series::{compare, series};

/// Which reasons are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Those that decide a verdict, of programs and of objects as a whole, for a screen.
    Screen,
    /// All of the programs.
    Programs,
}

impl Extent {
    /// The limit of a list.
    pub(super) fn max(self, on_screen: usize) -> usize {
        match self {
            Self::Screen => on_screen,
            Self::Programs => usize::MAX,
        }
    }
}

/// Indices in [`Forecast::kernels`], ascending.
pub(super) type Kernels = Vec<usize>;

/// Something that is missing or not known on the same kernels, for some programs.
#[derive(Debug)]
pub(super) struct Cause<'f> {
    /// One of its reasons; the others differ in their lines only.
    pub(super) reason: &'f Reason,
    pub(super) kernels: Kernels,
    /// For each series the nearest kernel that has what is required.
    pub(super) nearest: BTreeMap<&'f str, &'f KernelId>,
    /// The programs, in the order of the objects.
    pub(super) programs: Vec<AffectedProgram<'f>>,
}

/// A program, or an object as a whole, that has a cause.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AffectedProgram<'f> {
    /// The object's index.
    pub(super) object: usize,
    /// None: the object as a whole, because libbpf creates all its maps and resolves all its externs.
    pub(super) name: Option<&'f str>,
    pub(super) optional: bool,
    pub(super) line: Option<&'f str>,
}

/// Causes with the same verdict on the same kernels.
#[derive(Debug)]
pub(super) struct Block<'f> {
    pub(super) verdict: Verdict,
    pub(super) kernels: Kernels,
    pub(super) nearest: BTreeMap<&'f str, &'f KernelId>,
    pub(super) causes: Vec<Cause<'f>>,
}

impl Cause<'_> {
    /// Whether it affects optional programs only.
    pub(super) fn is_optional(&self) -> bool {
        self.programs.iter().all(|program| program.optional)
    }
}

/// What makes two reasons one cause, besides the kernels.
pub(super) type Key<'f> = (Verdict, &'f Requirement, &'f str, Option<&'f str>);

pub(super) fn key(reason: &Reason) -> Key<'_> {
    (reason.verdict, &reason.requirement, &reason.why, reason.setting.as_deref())
}

/// The kernels on which a program or object has each reason. Reasons that differ in their lines only are one, the first.
fn reasons_of<'f>(forecast: &'f Forecast, of: &ProgramForecast, extent: Extent) -> Vec<(ReasonId, Kernels)> {
    let mut found: Vec<(ReasonId, Kernels)> = Vec::new();
    let mut known: BTreeMap<Key<'f>, usize> = BTreeMap::new();
    for kernel in 0..of.outcomes.len() {
        let Outcome { verdict, reasons } = forecast.outcome(of, kernel);
        for &id in reasons {
            if extent == Extent::Screen && forecast.reasons[id.0].verdict != *verdict {
                continue;
            }
            let index = *known.entry(key(&forecast.reasons[id.0])).or_insert_with(|| {
                found.push((id, Kernels::new()));
                found.len() - 1
            });
            let kernels = &mut found[index].1;
            if kernels.last() != Some(&kernel) {
                kernels.push(kernel);
            }
        }
    }
    found
}

/// For each series the nearest kernel that has what a reason is about: nearest to the newest kernel that lacks it.
pub(super) fn nearest<'f>(
    forecast: &'f Forecast,
    id: ReasonId,
    kernels: &[usize],
) -> BTreeMap<&'f str, &'f KernelId> {
    let mut newest: BTreeMap<&str, usize> = BTreeMap::new();
    for &kernel in kernels {
        let own = newest.entry(series(&forecast.kernels[kernel])).or_insert(kernel);
        if compare(&forecast.kernels[*own], &forecast.kernels[kernel]).is_lt() {
            *own = kernel;
        }
    }
    newest.into_iter().filter_map(|(series, kernel)| Some((series, forecast.nearest(id, kernel)?))).collect()
}

/// The causes, in the order of the objects' programs.
pub(super) fn causes(forecast: &Forecast, extent: Extent) -> Vec<Cause<'_>> {
    let mut causes = Causes { forecast, all: Vec::new(), known: Memo::default() };
    for (object, own) in forecast.objects.iter().enumerate() {
        // What required programs have is not repeated for the object.
        let mut known: BTreeMap<Key<'_>, BTreeSet<usize>> = BTreeMap::new();
        for program in &own.programs {
            for (id, kernels) in reasons_of(forecast, program, extent) {
                let reason = &forecast.reasons[id.0];
                if !program.optional {
                    known.entry(key(reason)).or_default().extend(&kernels);
                }
                let (name, line) = (Some(program.name.as_str()), reason.line.as_deref());
                causes.add(id, kernels, AffectedProgram { object, name, optional: program.optional, line });
            }
        }
        let of_object = match extent {
            Extent::Screen => reasons_of(forecast, &own.whole, extent),
            Extent::Programs => Vec::new(),
        };
        for (id, kernels) in of_object {
            let known = known.get(&key(&forecast.reasons[id.0]));
            if known.is_none_or(|known| !kernels.iter().all(|kernel| known.contains(kernel))) {
                causes.add(id, kernels, AffectedProgram { object, name: None, optional: false, line: None });
            }
        }
    }
    causes.all
}

/// Causes as they are found.
struct Causes<'f> {
    forecast: &'f Forecast,
    all: Vec<Cause<'f>>,
    known: Memo<(Key<'f>, Kernels), usize>,
}

impl<'f> Causes<'f> {
    fn add(&mut self, id: ReasonId, kernels: Kernels, program: AffectedProgram<'f>) {
        let Self { forecast, all, known } = self;
        let reason = &forecast.reasons[id.0];
        let cause = *known.entry((key(reason), kernels)).or_insert_with_key(|(_, kernels)| {
            let nearest = nearest(forecast, id, kernels);
            all.push(Cause { reason, kernels: kernels.clone(), nearest, programs: Vec::new() });
            all.len() - 1
        });
        all[cause].programs.push(program);
    }
}

/// The causes in blocks: required programs before optional ones, then those with more kernels first.
pub(super) fn blocks(causes: Vec<Cause<'_>>) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut known: Memo<(Verdict, Kernels, Vec<&KernelId>), usize> = Memo::default();
    for cause in causes {
        let (verdict, kernels) = (cause.reason.verdict, cause.kernels.clone());
        let ids = cause.nearest.values().copied().collect();
        let block = *known.entry((verdict, kernels, ids)).or_insert_with_key(|(_, kernels, _)| {
            let (kernels, nearest) = (kernels.clone(), cause.nearest.clone());
            blocks.push(Block { verdict, kernels, nearest, causes: Vec::new() });
            blocks.len() - 1
        });
        blocks[block].causes.push(cause);
    }
    for block in &mut blocks {
        block.causes.sort_by_key(Cause::is_optional);
    }
    blocks
        .sort_by_key(|block| (block.causes.iter().all(Cause::is_optional), usize::MAX - block.kernels.len()));
    blocks
}
