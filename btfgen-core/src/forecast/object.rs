//! Object: the verdicts of an object's programs on all kernels.

use std::cell::OnceCell;
use std::rc::Rc;

use super::answer::{Answer, Doubt};
use super::data::{ObjectForecast, ProgramForecast, Requirement, Verdict};
use super::features::Judge;
use super::flows::{FlowId, SectionFlows};
use super::reasons::{Context, KernelReasons, Reasons};
use crate::diagnose::{Effect, RelocationId, SectionStateId};
use crate::hub::file::KernelSet;
use crate::memo::{Id, Memo};
use crate::object::{InsnIndex, Object, Reachable};
use crate::requirements::{Called, Extern, ExternId, ExternKind, Need, Program, Requirements, Site};
use crate::resolve::{Lookup, Roots, describe_spec};
use crate::threads::on_all_cores;

/// An object with what is known of it, for all kernels.
pub(super) struct ObjectForecaster<'a> {
    pub(super) judge: &'a Judge<'a>,
    pub(super) object: &'a Object,
    pub(super) requirements: &'a Requirements,
    pub(super) roots: &'a Roots,
    pub(super) lookups: &'a [Lookup],
    /// The kernels to judge whose BTF can be used, by their index in the hub.
    pub(super) kernels: &'a KernelSet,
    /// The code sections.
    pub(super) sections: Vec<SectionFlows<'a>>,
    /// The answer for each extern.
    pub(super) extern_answers: Vec<Answer>,
}

/// The answers for needs of programs of a type and section, found by one thread.
type Answers = Memo<(Need, Option<(&'static str, &'static str)>), Rc<[Answer]>>;

/// Programs that are judged before their results are combined.
const PROGRAMS_AT_ONCE: usize = 256;

/// Kernels on which all sections of a program have the same flows.
struct Case {
    /// By the program's sections.
    flows: Vec<FlowId>,
    kernels: KernelSet,
    /// The instructions of each section that run whatever the settings are.
    certain: OnceCell<Vec<Reachable>>,
}

/// A program with the sections that it and its subprograms are in.
struct Scope<'s> {
    program: &'s Program,
    /// Indices of the sections.
    sections: Vec<usize>,
}

/// A relocation that libbpf refuses on some kernels.
struct Refusal {
    /// The program that it is in; none in a subprogram, which libbpf relocates for every program.
    program: Option<String>,
    answer: Answer,
}

impl<'a> ObjectForecaster<'a> {
    /// The forecast. `states` gives the state of each section on a kernel.
    pub(super) fn forecast(
        &mut self,
        reasons: &mut Reasons,
        states: &dyn Fn(usize, usize) -> Option<SectionStateId>,
        judged: &[usize],
        common: &KernelReasons,
        is_optional: &dyn Fn(&str) -> bool,
    ) -> ObjectForecast {
        let flows = self.flows(states);
        let refusals = self.refusals(&flows);
        let (mut whole, mut alone) = (KernelReasons(common.0.clone()), KernelReasons(common.0.clone()));
        self.creation(reasons, &mut whole, &mut alone);
        let programs = self.requirements.programs();
        let this = &*self;
        let mut forecasts = Vec::new();
        // In batches, because what is found takes memory for each program and kernel.
        for batch in programs.chunks(PROGRAMS_AT_ONCE) {
            let judge = |answers: &mut Answers, index: usize| {
                let (mut reasons, mut found) =
                    (Reasons::default(), KernelReasons(vec![Vec::new(); alone.0.len()]));
                this.program(&batch[index], &flows, &refusals, answers, &mut reasons, &mut found);
                (reasons, found)
            };
            let judged_alone = on_all_cores(batch.len(), Answers::default, judge);
            for (program, (own_reasons, own)) in batch.iter().zip(judged_alone) {
                let ids = reasons.merge(own_reasons);
                let mut found = KernelReasons(alone.0.clone());
                for (all, own) in found.0.iter_mut().zip(own.0) {
                    all.extend(own.into_iter().map(|id| ids[id.0]));
                }
                let optional = program.optional || is_optional(&program.name);
                if !optional {
                    whole.0.iter_mut().zip(&found.0).for_each(|(all, own)| all.extend(own));
                }
                forecasts.push(program_forecast(program.name.clone(), optional, found, judged, reasons));
            }
        }
        let whole = program_forecast(self.object.name().to_owned(), false, whole, judged, reasons);
        ObjectForecast { whole, programs: forecasts }
    }

    /// Finds what libbpf needs before it loads any program: it creates all maps and resolves all strong externs. A loader may
    /// leave maps out (`bpf_map__set_autocreate`), so a missing map does not make programs fail that do not use it.
    fn creation(&self, reasons: &mut Reasons, whole: &mut KernelReasons, alone: &mut KernelReasons) {
        let context = Context::default();
        // libbpf leaves out maps of global data that the kernel does not support.
        for map in self.requirements.maps().iter().filter(|map| !map.is_global_data()) {
            for answer in self.judge.map(map) {
                reasons.add(&answer, &context, self.kernels, whole);
                let answer = answer.for_map_that_may_be_left_out(&map.name);
                reasons.add(&answer, &context, self.kernels, alone);
            }
        }
        let externs = self.requirements.externs();
        for (_, answer) in externs.iter().zip(&self.extern_answers).filter(|(own, _)| !own.weak) {
            for found in [&mut *whole, &mut *alone] {
                reasons.add(answer, &context, self.kernels, found);
            }
        }
        // libbpf's `obj_needs_vmlinux_btf`.
        let is_typed = |own: &Extern| matches!(own.kind, ExternKind::Kfunc | ExternKind::TypedKsym);
        let typed = externs.iter().find(|own| is_typed(own)).map(|own| format!("ksym {}", own.name));
        let struct_ops = self.requirements.maps().iter().find(|map| map.struct_ops.is_some());
        if let Some(what) = typed.or(struct_ops.map(|map| format!("struct_ops map {}", map.name))) {
            for found in [whole, alone] {
                reasons.add(&self.judge.own_btf(&what), &context, self.kernels, found);
            }
        }
    }

    /// The flow of each section on each kernel of the hub that is judged.
    fn flows(&mut self, states: &dyn Fn(usize, usize) -> Option<SectionStateId>) -> Vec<Vec<FlowId>> {
        let Self { judge, kernels, sections, extern_answers, .. } = self;
        let mut flows = Vec::new();
        for kernel in kernels.iter() {
            let has = |id: ExternId| {
                let Answer { has, doubts, .. } = &extern_answers[id.0];
                let mut unknown = doubts.iter().filter(|doubt| doubt.verdict == Verdict::Unknown);
                let is_known = !unknown.any(|doubt| doubt.kernels.contains(kernel));
                is_known.then(|| has.contains(kernel))
            };
            let own = sections.iter_mut().enumerate();
            let own = own.map(|(section, it)| it.on_kernel(judge, kernel, states(section, kernel), &has));
            flows.resize(kernel, Vec::new());
            flows.push(own.collect());
        }
        flows
    }

    /// The relocations that libbpf refuses, with the kernels on which it does.
    fn refusals(&self, flows: &[Vec<FlowId>]) -> Vec<Refusal> {
        let refusal = |section: &str, insn, relocation: RelocationId, why: &str, kernels: KernelSet| {
            let program = self.requirements.program_at(section, insn).map(|program| program.name.clone());
            let has = self.judge.kernels.all.difference(&kernels);
            let answer = Answer::new(self.relocation(relocation), has).doubt(Verdict::Fails, why, kernels);
            Refusal { program, answer }
        };
        let mut refusals = Vec::new();
        for (index, lookup) in self.lookups.iter().enumerate() {
            if let Lookup::Failure(failure) = lookup {
                let relocation = &self.object.relocations()[index];
                let insn = InsnIndex::from_offset(relocation.insn_offset);
                let (section, all) = (self.object.section_of(relocation), self.kernels.clone());
                refusals.push(refusal(section, insn, RelocationId::new(index), &failure.to_string(), all));
            }
        }
        for (index, section) in self.sections.iter().enumerate() {
            let mut by_flow: Memo<FlowId, KernelSet> = Memo::default();
            self.kernels
                .iter()
                .for_each(|kernel| by_flow.entry(flows[kernel][index]).or_default().insert(kernel));
            let mut by_flow: Vec<_> = by_flow.into_iter().collect();
            by_flow.sort_unstable_by_key(|(flow, _)| *flow);
            for (flow, kernels) in by_flow {
                for (relocation, insn, effect) in section.failures(flow) {
                    if let Effect::Refuse(why) = effect {
                        refusals.push(refusal(section.name, insn, relocation, why, kernels.clone()));
                    }
                }
            }
        }
        refusals
    }

    /// A relocation as a requirement.
    fn relocation(&self, id: RelocationId) -> Requirement {
        let relocation = &self.object.relocations()[id.index()];
        let name = match self.lookups[id.index()] {
            Lookup::Target { root, query, .. } => {
                let spec = &self.roots.root(root).queries[query.index()].spec;
                format!("<{}> {}", spec.kind, describe_spec(self.roots.types(), spec))
            }
            Lookup::Local | Lookup::Failure(_) => format!("#{}", relocation.number),
        };
        Requirement::new("relocation", name, None)
    }

    /// Finds the reasons of a program.
    fn program(
        &self,
        program: &Program,
        flows: &[Vec<FlowId>],
        refusals: &[Refusal],
        answers: &mut Answers,
        reasons: &mut Reasons,
        found: &mut KernelReasons,
    ) {
        let whole = Context::default();
        let mut own = self.judge.program(program, self.requirements.insn_count(program));
        own.extend(self.judge.target(program));
        if program.def.is_some_and(|def| def.program_type == "BPF_PROG_TYPE_STRUCT_OPS") {
            let maps = self.requirements.maps().iter().filter(|map| map.struct_ops.is_some());
            own.extend(maps.flat_map(|map| self.judge.map(map)));
        }
        own.iter().for_each(|answer| reasons.add(answer, &whole, self.kernels, found));
        for refusal in refusals {
            if refusal.program.as_ref().is_none_or(|name| *name == program.name) {
                reasons.add(&refusal.answer, &whole, self.kernels, found);
            }
        }
        let called = self.requirements.called(program, &|_, _| true);
        for (need, sites) in self.requirements.needs_of(&called, &|_, _| true) {
            if let Need::InstructionSet(set) = need
                && set.counts_everywhere()
            {
                let line = sites.first().and_then(|site| self.object.line_at(&site.section, site.insn));
                let context = Context { line, setting: None };
                reasons.add(&self.judge.instruction_set(set), &context, self.kernels, found);
            }
        }
        let names = self.requirements.sections_of(&called);
        let sections =
            (0..self.sections.len()).filter(|&at| names.contains(self.sections[at].name)).collect();
        let scope = Scope { program, sections };
        for case in self.cases(&scope, flows) {
            self.case(&scope, &case, answers, reasons, found);
        }
    }

    fn cases(&self, scope: &Scope<'_>, flows: &[Vec<FlowId>]) -> Vec<Case> {
        let mut cases: Vec<Case> = Vec::new();
        let mut by_flows: Memo<Vec<FlowId>, usize> = Memo::default();
        for kernel in self.kernels.iter() {
            let own: Vec<FlowId> = scope.sections.iter().map(|&section| flows[kernel][section]).collect();
            let case = *by_flows.entry(own).or_insert_with_key(|own| {
                let (flows, certain) = (own.clone(), OnceCell::new());
                cases.push(Case { flows, kernels: KernelSet::new(), certain });
                cases.len() - 1
            });
            cases[case].kernels.insert(kernel);
        }
        cases
    }

    /// Finds the reasons in the code of a program.
    fn case(
        &self,
        scope: &Scope<'_>,
        case: &Case,
        answers: &mut Answers,
        reasons: &mut Reasons,
        found: &mut KernelReasons,
    ) {
        let sections = || scope.sections.iter().map(|&at| &self.sections[at]);
        let reachable: Vec<&Reachable> =
            sections().zip(&case.flows).map(|(own, &flow)| own.reachable(flow)).collect();
        let can_run = |section: &str, insn| self.can_run(scope, &reachable, section, insn);
        let called = self.requirements.called(scope.program, &can_run);
        for (need, sites) in self.requirements.needs_of(&called, &can_run) {
            for answer in &*self.need(need, scope.program, answers) {
                self.add(answer, &sites, scope, case, reasons, found);
            }
        }
        for (own, &flow) in sections().zip(&case.flows) {
            for (relocation, insn, effect) in own.failures(flow) {
                let Effect::Poison(why) = effect else { continue };
                if !can_run(own.name, insn) || !self.requirements.contains(&called, own.name, insn) {
                    continue;
                }
                let has = self.judge.kernels.all.difference(&case.kernels);
                let answer = Answer::new(self.relocation(relocation), has);
                let answer = answer.doubt(Verdict::Fails, &**why, case.kernels.clone());
                let site = Site { section: own.name.into(), insn };
                self.add(&answer, &[site], scope, case, reasons, found);
            }
        }
    }

    /// Whether an instruction can run, by what can run of each section of a program.
    fn can_run(&self, scope: &Scope<'_>, reachable: &[&Reachable], section: &str, insn: InsnIndex) -> bool {
        let at = scope.sections.iter().position(|&at| self.sections[at].name == section);
        at.is_some_and(|at| reachable[at].contains(insn))
    }

    /// The answers for a need; none for a relocation, which `SectionFlows::failures` handles.
    fn need(&self, need: Need, program: &Program, known: &mut Answers) -> Rc<[Answer]> {
        let for_type = match need {
            Need::Helper(_) | Need::Extern(_) => program.def.map(|def| (def.program_type, def.section)),
            _ => None,
        };
        let answers = known.entry((need, for_type)).or_insert_with(|| match need {
            Need::Helper(helper) => [self.judge.helper(helper, program)].into(),
            Need::Map(map) => self.judge.map(&self.requirements.maps()[map.0]).into(),
            // Added once for the whole program, in `program`.
            Need::InstructionSet(set) if set.counts_everywhere() => [].into(),
            Need::InstructionSet(set) => [self.judge.instruction_set(set)].into(),
            Need::Extern(id) if self.requirements.externs()[id.0].kind == ExternKind::Kfunc => {
                [self.judge.call_kfunc(&self.extern_answers[id.0], program)].into()
            }
            Need::Extern(id) => [self.extern_answers[id.0].clone()].into(),
            Need::Relocation(_) => [].into(),
        });
        Rc::clone(answers)
    }

    /// Adds the doubts about something that instructions need.
    fn add(
        &self,
        answer: &Answer,
        sites: &[Site],
        scope: &Scope<'_>,
        case: &Case,
        reasons: &mut Reasons,
        found: &mut KernelReasons,
    ) {
        if answer.doubts.iter().all(|doubt| doubt.kernels.intersection(&case.kernels).is_empty()) {
            return;
        }
        let line = sites.first().and_then(|site| self.object.line_at(&site.section, site.insn));
        let is_missing = |doubt: &Doubt| {
            doubt.verdict >= Verdict::Unknown && !doubt.kernels.intersection(&case.kernels).is_empty()
        };
        let may_be_missing = answer.doubts.iter().any(is_missing);
        let setting = may_be_missing.then(|| self.setting(scope, case, sites)).flatten();
        let context = Context { line, setting };
        reasons.add(answer, &context, &case.kernels, found);
    }

    /// The setting that decides whether any of these instructions can run; `None` if one of them can with all settings.
    fn setting(&self, scope: &Scope<'_>, case: &Case, sites: &[Site]) -> Option<String> {
        let sections = || scope.sections.iter().map(|&at| &self.sections[at]).zip(&case.flows);
        let mut names: Vec<&str> = sections().flat_map(|(own, _)| own.settings()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return None;
        }
        let runs = |reachable: &[&Reachable]| {
            let can_run = |section: &str, insn| self.can_run(scope, reachable, section, insn);
            let called: Called = self.requirements.called(scope.program, &can_run);
            sites.iter().any(|site| {
                can_run(&site.section, site.insn)
                    && self.requirements.contains(&called, &site.section, site.insn)
            })
        };
        let certain = case.certain.get_or_init(|| sections().map(|(own, &flow)| own.certain(flow)).collect());
        if runs(&certain.iter().collect::<Vec<_>>()) {
            return None;
        }
        let decides = |name: &&&str| {
            let tries: Vec<[Reachable; 3]> =
                sections().map(|(own, &flow)| own.with_setting(flow, name)).collect();
            (0..3).any(|value| !runs(&tries.iter().map(|tries| &tries[value]).collect::<Vec<_>>()))
        };
        let setting = names.iter().find(decides);
        Some(setting.map_or_else(|| "several settings".to_owned(), |name| format!("setting {name}")))
    }
}

/// The outcomes on the judged kernels.
fn program_forecast(
    name: String,
    optional: bool,
    found: KernelReasons,
    judged: &[usize],
    reasons: &mut Reasons,
) -> ProgramForecast {
    let mut all = found.0;
    let outcomes = judged.iter().map(|&kernel| reasons.outcome(std::mem::take(&mut all[kernel])));
    ProgramForecast { name, optional, outcomes: outcomes.collect() }
}
