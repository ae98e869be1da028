//! Broken: what does not run on which kernels, as text.

use super::kernels::describe_kernels;
use crate::forecast::{Broken, Forecast, Verdict};

/// Number of lines that are printed, unless the last one says how many more there are.
const MAX_LINES: usize = 16;

/// Number of reasons that are printed for each program.
const MAX_REASONS: usize = 3;

/// Number of programs that are named in one line.
const MAX_NAMES: usize = 3;

/// Describes what a gate finds: for each program the kernels, and below them the reasons with the nearest kernel that has what
/// is missing.
///
/// It has at most some 18 lines, without an end of the last one.
pub fn describe_broken(forecast: &Forecast, broken: &[Broken]) -> String {
    let mut lines = Vec::new();
    let mut shown = 0;
    for own in broken {
        let mut group =
            vec![format!("{} on {}", subject(forecast, own), kernels(forecast, own.kernels.iter().copied()))];
        for &id in own.reasons.iter().take(MAX_REASONS) {
            let nearest = own.kernels.iter().find(|&&kernel| forecast.nearest(id, kernel).is_some());
            let kernel = nearest.or(own.kernels.first());
            group.extend(kernel.map(|&kernel| format!("  {}", forecast.describe(id, kernel))));
        }
        match own.reasons.len().saturating_sub(MAX_REASONS) {
            0 => {}
            1 => group.push("  and 1 more reason".to_owned()),
            more => group.push(format!("  and {more} more reasons")),
        }
        if lines.len() + group.len() > MAX_LINES && shown > 0 {
            break;
        }
        lines.extend(group);
        shown += 1;
    }
    let more: usize = broken[shown..].iter().map(|it| it.programs.len().max(1)).sum();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

/// The programs that do not run, and the verb, such as `a.o: exec, exit fail`.
pub(super) fn subject(forecast: &Forecast, broken: &Broken) -> String {
    let object = &forecast.objects[broken.object];
    let names = broken.programs.iter().map(|&program| object.programs[program].name.as_str());
    let names: Vec<&str> = names.collect();
    let verb = match (broken.verdict, names.len()) {
        (Verdict::Fails, 0 | 1) => "fails",
        (Verdict::Fails, _) => "fail",
        _ => "may fail",
    };
    let names = match names.len() {
        // libbpf creates all maps and resolves all externs, whichever programs it loads.
        0 => "loading the object".to_owned(),
        count if count <= MAX_NAMES + 1 => names.join(", "),
        count => format!("{} and {} more programs", names[..MAX_NAMES].join(", "), count - MAX_NAMES),
    };
    format!("{}: {names} {verb}", object.whole.name)
}

/// A short description of some kernels of a forecast.
pub(super) fn kernels(forecast: &Forecast, kernels: impl Iterator<Item = usize>) -> String {
    let kernels: Vec<_> = kernels.map(|kernel| &forecast.kernels[kernel]).collect();
    describe_kernels(&kernels, &forecast.kernels.iter().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::testing;
    use crate::forecast::{Gate, Require, Unknown};

    #[test]
    fn describes_programs_kernels_and_reasons() {
        let check = |programs: &[&str], unknown, expect: &[&str]| {
            let require = vec![Require::new(&["debian/**"], programs).unwrap()];
            let forecast = testing::forecast();
            let broken = Gate { require, unknown }.check(&forecast).unwrap();
            let expect: Vec<&str> = expect.to_vec();
            assert_eq!(describe_broken(&forecast, &broken).lines().collect::<Vec<_>>(), expect);
        };
        let (first, last) = ("debian/11/x86_64/5.10.0-30-amd64", "debian/12/x86_64/6.1.0-51-amd64");
        check(
            &[],
            Unknown::Allow,
            &[
                &format!("a.o: exec, exit fail on {first}"),
                "  helper c: missing",
                &format!("b.o: loading the object fails on {first}"),
                "  helper d: missing",
                &format!("b.o: open fails on {first}"),
                "  helper c: missing",
            ],
        );
        check(
            &["exec"],
            Unknown::Deny,
            &[
                &format!("a.o: exec fails on {first}"),
                "  helper c: missing",
                "  helper b: missing",
                &format!("a.o: exec may fail on {last}"),
                "  helper b: missing (nearest with it: debian/12/x86_64/6.1.0-50-amd64)",
            ],
        );
    }

    #[test]
    fn is_short() {
        let forecast = testing::forecast();
        let reasons: Vec<_> = (0..4).map(crate::forecast::ReasonId).collect();
        let group =
            Broken { object: 0, programs: vec![0, 1], kernels: vec![0], verdict: Verdict::Fails, reasons };
        let text = describe_broken(&forecast, &vec![group; 20]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 16, "{text}");
        assert_eq!(lines[4], "  and 1 more reason");
        assert_eq!(lines[15], "and 34 more");
    }
}
