//! By kernel: each program's verdict and all its reasons, for kernels that have the same.

use super::groups::groups;
use super::overview::{kernels_text, wrap};
use crate::forecast::{Forecast, ObjectForecast, ReasonId};
use crate::series::compare;

/// The lines of the forecast, kernels with the same outcomes together; with the objects as a whole, or without.
pub(super) fn by_kernel<'f>(forecast: &'f Forecast, with_objects: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let counted = |object: &'f ObjectForecast| {
        with_objects.then_some(&object.whole).into_iter().chain(&object.programs)
    };
    let outcomes = |kernel: usize| {
        let own = forecast.objects.iter().flat_map(counted).map(|own| own.outcomes[kernel]);
        own.collect::<Vec<_>>()
    };
    for kernels in groups(forecast.kernels.len(), outcomes) {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(wrap("", &kernels_text(forecast, &kernels), 2));
        // The nearest kernels are those of the newest one.
        let newest = kernels.iter().max_by(|&&a, &&b| compare(&forecast.kernels[a], &forecast.kernels[b]));
        let Some(&kernel) = newest else { continue };
        for object in &forecast.objects {
            let outcome = forecast.outcome(&object.whole, kernel);
            lines.push(match with_objects {
                true => format!("  {}: {}", object.whole.name, outcome.verdict),
                false => format!("  {}", object.whole.name),
            });
            let mut printed = Vec::new();
            for program in &object.programs {
                let outcome = forecast.outcome(program, kernel);
                let optional = if program.optional { " (optional)" } else { "" };
                lines.push(format!("    {}{optional}: {}", program.name, outcome.verdict));
                lines.extend(outcome.reasons.iter().map(|&id| reason(forecast, id, kernel)));
                printed.extend(
                    outcome.reasons.iter().map(|id| &forecast.reasons[id.0]).filter(|_| !program.optional),
                );
            }
            let own = outcome.reasons.iter().filter(|id| {
                let reason = &forecast.reasons[id.0];
                !printed.iter().any(|it| {
                    (&it.requirement, &it.why, &it.setting)
                        == (&reason.requirement, &reason.why, &reason.setting)
                })
            });
            let own: Vec<String> = own.map(|&id| reason(forecast, id, kernel)).collect();
            if with_objects && !own.is_empty() {
                lines.push("    the whole object".to_owned());
                lines.extend(own);
            }
        }
    }
    lines
}

fn reason(forecast: &Forecast, id: ReasonId, kernel: usize) -> String {
    format!("      {}: {}", forecast.reasons[id.0].verdict, forecast.describe(id, kernel))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::testing;

    #[test]
    fn lists_all_reasons_of_each_program() {
        let forecast = testing::forecast().select(|id| id.version() != "12", |_| true);
        let expect = [
            "debian/11/x86_64/5.10.0-30-amd64",
            "  a.o: fails",
            "    exec: fails",
            "      fails: helper c: missing",
            "      unknown: helper b: missing",
            "    exit: fails",
            "      fails: helper c: missing",
            "      unknown: helper b: missing",
            "    exec_btf (optional): fails",
            "      fails: helper c: missing",
            "      unknown: helper b: missing",
            "  b.o: fails",
            "    open: fails",
            "      fails: helper c: missing",
            "      unknown: helper b: missing",
            "    the whole object",
            "      fails: helper d: missing",
            "",
            "ubuntu/20.04/x86_64/5.4.0-84-generic",
            "  a.o: runs",
            "    exec: runs",
            "    exit: runs",
            "    exec_btf (optional): fails",
            "      fails: helper c: missing",
            "      unknown: helper b: missing",
            "  b.o: runs",
            "    open: runs",
        ];
        assert_eq!(by_kernel(&forecast, true), expect);
        let one = forecast.select(|_| true, |name| name == "exec_btf");
        let expect = [
            "all 2 kernels",
            "  a.o",
            "    exec_btf (optional): fails",
            "      fails: helper c: missing",
            "      unknown: helper b: missing",
        ];
        assert_eq!(by_kernel(&one, false), expect);
    }
}
