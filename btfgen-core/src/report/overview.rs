//! Overview: the forecast for people, on a screen: a table of verdicts, then the reasons by kernels, the worst first.

use std::collections::{BTreeMap, BTreeSet};

use super::Count;
use super::causes::{AffectedProgram, Block, Cause, Extent, blocks, causes};
use crate::forecast::{Forecast, ObjectForecast, ProgramForecast, Verdict};
use crate::series::describe;

/// Programs of an object that have rows of their own; of more, those with equal numbers share a row.
const MAX_PROGRAMS: usize = 8;
/// Rows of the table; with more, only objects have rows.
const MAX_ROWS: usize = 30;
/// Names in one list.
const MAX_NAMES: usize = 4;
/// Blocks of kernels.
const MAX_BLOCKS: usize = 6;
/// Requirements in a block.
const MAX_CAUSES: usize = 4;
/// Columns of a line.
const WIDTH: usize = 118;

/// The lines of the forecast.
pub(super) fn overview(forecast: &Forecast, extent: Extent) -> Vec<String> {
    let mut lines = table(forecast, extent);
    let (known, gaps): (Vec<_>, Vec<_>) =
        causes(forecast, extent).into_iter().partition(|cause| !cause.reason.is_gap());
    let (likely, certain): (Vec<_>, Vec<_>) =
        known.into_iter().partition(|cause| cause.reason.verdict <= Verdict::Likely);
    let (fails, unknown): (Vec<_>, Vec<_>) =
        certain.into_iter().partition(|cause| cause.reason.verdict == Verdict::Fails);
    let blocks: Vec<Block<'_>> = [fails, unknown].into_iter().flat_map(blocks).collect();
    let max = extent.max(MAX_BLOCKS);
    for block in blocks.iter().take(max) {
        lines.push(String::new());
        block_lines(forecast, block, extent, &mut lines);
    }
    let more: Vec<&Block<'_>> = blocks.iter().skip(max).collect();
    if !more.is_empty() {
        lines.push(String::new());
        lines.push(more_text(&more));
    }
    gap_lines(forecast, &gaps, &mut lines);
    likely_lines(&likely, &mut lines);
    lines
}

/// A row of the table; none of numbers for a heading.
struct Row {
    name: String,
    counts: Option<[usize; 4]>,
}

/// The rows of objects and programs, with their numbers of kernels by verdict.
fn table(forecast: &Forecast, extent: Extent) -> Vec<String> {
    let mut rows: Vec<Row> =
        forecast.objects.iter().flat_map(|object| rows(forecast, object, extent)).collect();
    if rows.len() > extent.max(MAX_ROWS) {
        let object = |object: &ObjectForecast| Row {
            name: format!("{} ({})", object.whole.name, Count(object.programs.len(), "program")),
            counts: Some(counts(forecast, &object.whole)),
        };
        rows = forecast.objects.iter().map(object).collect();
    }
    let head = Count(forecast.kernels.len(), "kernel").to_string();
    let widths = rows.iter().map(|row| row.name.chars().count());
    let width = widths.chain([head.len()]).max().unwrap_or_default();
    let columns = Verdict::ALL.map(|verdict| format!("{:>9}", verdict.name())).concat();
    let mut lines = vec![format!("{head:width$}{columns}")];
    lines.extend(rows.into_iter().map(|Row { name, counts }| {
        let Some(counts) = counts else { return name };
        let counts =
            counts.map(|count| if count == 0 { format!("{:>9}", "-") } else { format!("{count:>9}") });
        format!("{name:width$}{}", counts.concat())
    }));
    lines
}

/// The numbers of kernels by verdict.
pub(super) fn counts(forecast: &Forecast, own: &ProgramForecast) -> [usize; 4] {
    Verdict::ALL.map(|verdict| forecast.count(own, verdict))
}

/// An object's row, and those of its programs.
fn rows(forecast: &Forecast, object: &ObjectForecast, extent: Extent) -> Vec<Row> {
    let counts = |own| counts(forecast, own);
    let whole = counts(&object.whole);
    if let ([program], Extent::Screen) = (object.programs.as_slice(), extent)
        && counts(program) == whole
    {
        let name = format!("{}: {}", object.whole.name, name_text(&program.name, program.optional));
        return vec![Row { name, counts: Some(whole) }];
    }
    let mut groups: Vec<([usize; 4], Vec<String>)> = Vec::new();
    for program in &object.programs {
        let (name, counts) = (name_text(&program.name, program.optional), counts(program));
        let mut known = groups.iter_mut().filter(|_| object.programs.len() > MAX_PROGRAMS);
        match known.find(|(own, _)| *own == counts) {
            Some((_, names)) => names.push(name),
            None => groups.push((counts, vec![name])),
        }
    }
    let whole = Row { name: object.whole.name.clone(), counts: (extent == Extent::Screen).then_some(whole) };
    let programs = groups.into_iter().map(|(counts, names)| {
        let name = format!("  {}", list(names, extent.max(2)).join(", "));
        Row { name, counts: Some(counts) }
    });
    std::iter::once(whole).chain(programs).collect()
}

/// A block: its kernels, what is required there by whom, and the nearest kernels that have it.
fn block_lines(forecast: &Forecast, block: &Block<'_>, extent: Extent, lines: &mut Vec<String>) {
    lines.extend(wrap(&format!("{} on ", block.verdict), &kernels_text(forecast, &block.kernels), 4));
    let max = extent.max(MAX_CAUSES);
    for cause in block.causes.iter().take(max) {
        let reason = cause.reason;
        let what = format!("  {}: {}", reason.requirement, reason.why);
        let mut programs = programs_text(forecast, &cause.programs);
        if let (Some(setting), Some(last)) = (&reason.setting, programs.last_mut()) {
            last.push_str(&format!(", depending on {setting}"));
        }
        let one_line = format!("{what} ({})", programs.join(", "));
        match one_line.chars().count() <= WIDTH {
            true => lines.push(one_line),
            false => {
                lines.push(what);
                lines.extend(wrap("    ", &programs, 4));
            }
        }
    }
    let more = block.causes.len().saturating_sub(max);
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    if !block.nearest.is_empty() {
        let nearest = block.nearest.values().map(ToString::to_string).collect();
        lines.extend(wrap("  nearest with it: ", &list(nearest, extent.max(MAX_NAMES)), 4));
    }
}

/// What is not printed, and how to print it.
fn more_text(blocks: &[&Block<'_>]) -> String {
    let kernels: BTreeSet<usize> = blocks.iter().flat_map(|block| &block.kernels).copied().collect();
    let causes: usize = blocks.iter().map(|block| block.causes.len()).sum();
    format!(
        "and {causes} more on {}; --program GLOB or --kernel GLOB lists them",
        Count(kernels.len(), "kernel")
    )
}

/// Of what facts the hub has none, by kernels.
fn gap_lines(forecast: &Forecast, gaps: &[Cause<'_>], lines: &mut Vec<String>) {
    let mut by_kernels: BTreeMap<&[usize], Vec<&Cause<'_>>> = BTreeMap::new();
    for cause in gaps {
        by_kernels.entry(&cause.kernels).or_default().push(cause);
    }
    for (kernels, causes) in by_kernels {
        lines.push(String::new());
        lines.extend(wrap("unknown on ", &kernels_text(forecast, kernels), 4));
        for (why, requirements) in by_why(causes) {
            let why = why.split("; ").next().unwrap_or_default();
            lines.extend(wrap(&format!("  {why}: "), &list(requirements, MAX_NAMES), 4));
        }
        lines.push("  add these kernels' packages or images to the hub with \"btfgen vendor\"".to_owned());
    }
}

/// What to bear in mind where programs are likely to run.
fn likely_lines(likely: &[Cause<'_>], lines: &mut Vec<String>) {
    if likely.is_empty() {
        return;
    }
    lines.extend([String::new(), "likely, not certain".to_owned()]);
    for (why, requirements) in by_why(likely) {
        lines.extend(wrap(&format!("  {why}: "), &list(requirements, MAX_NAMES), 4));
    }
}

/// The requirements of causes by their explanations.
fn by_why<'c>(causes: impl IntoIterator<Item = &'c Cause<'c>>) -> BTreeMap<&'c str, Vec<String>> {
    let mut by_why: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for Cause { reason, .. } in causes {
        by_why.entry(&reason.why).or_default().insert(reason.requirement.to_string());
    }
    by_why.into_iter().map(|(why, requirements)| (why, Vec::from_iter(requirements))).collect()
}

/// The kernels in a few parts.
pub(super) fn kernels_text(forecast: &Forecast, kernels: &[usize]) -> Vec<String> {
    let affected: Vec<_> = kernels.iter().map(|&kernel| &forecast.kernels[kernel]).collect();
    describe(&affected, &Vec::from_iter(&forecast.kernels))
}

/// The programs in a few parts, with their C lines.
pub(super) fn programs_text(forecast: &Forecast, programs: &[AffectedProgram<'_>]) -> Vec<String> {
    let several = forecast.objects.len() > 1;
    let mut parts = Vec::new();
    for own in programs.chunk_by(|a, b| a.object == b.object) {
        let object: &ObjectForecast = &forecast.objects[own[0].object];
        let count = own.iter().filter(|program| program.name.is_some()).count();
        let of_object = if several { format!(" of {}", object.whole.name) } else { String::new() };
        if count > MAX_NAMES && count == object.programs.len() {
            parts.push(format!("all {count} programs{of_object}"));
            continue;
        }
        for (index, program) in own.iter().enumerate() {
            let in_object =
                if several && index == 0 { format!("{}: ", object.whole.name) } else { String::new() };
            let name = match program.name {
                Some(name) => format!("{in_object}{}", name_text(name, program.optional)),
                None => format!("the whole object {}", object.whole.name),
            };
            parts.push(name + &program.line.map_or_else(String::new, |line| format!(" at {line}")));
        }
    }
    list(parts, MAX_NAMES)
}

fn name_text(name: &str, optional: bool) -> String {
    format!("{name}{}", if optional { " (optional)" } else { "" })
}

/// At most `max` names, and how many more there are.
fn list(mut names: Vec<String>, max: usize) -> Vec<String> {
    let more = names.len().saturating_sub(max);
    names.truncate(max);
    names.extend((more > 0).then(|| format!("{more} more")));
    names
}

/// Parts after a start, separated by commas, on as many lines as they need.
pub(super) fn wrap(start: &str, parts: &[String], indent: usize) -> Vec<String> {
    let mut lines = vec![start.to_owned()];
    for (index, part) in parts.iter().enumerate() {
        let comma = if index + 1 < parts.len() { "," } else { "" };
        let last = lines.len() - 1;
        let len = lines[last].chars().count() + part.chars().count() + comma.len();
        if index > 0 && len >= WIDTH {
            lines.push(format!("{:indent$}{part}{comma}", ""));
        } else {
            let space = if index > 0 { " " } else { "" };
            lines[last] += &format!("{space}{part}{comma}");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::testing;

    #[test]
    fn fits_on_a_screen() {
        let lines = overview(&testing::forecast(), Extent::Screen);
        let expect = [
            "4 kernels                 runs   likely    fails  unknown",
            "a.o                          1        1        1        1",
            "  exec                       1        1        1        1",
            "  exit                       3        -        1        -",
            "  exec_btf (optional)        -        -        4        -",
            "b.o: open                    3        -        1        -",
            "",
            "fails on debian/11/x86_64/5.10.0-30-amd64",
            "  helper c: missing (a.o: exec, exit, b.o: open)",
            "  helper d: missing (the whole object b.o)",
            "",
            "fails on all 4 kernels",
            "  helper c: missing (a.o: exec_btf (optional))",
            "",
            // Not where it fails anyway.
            "unknown on debian/12/x86_64/6.1.0-51-amd64",
            "  helper b: missing (a.o: exec)",
            "  nearest with it: debian/12/x86_64/6.1.0-50-amd64",
            "",
            "likely, not certain",
            "  missing: helper a",
        ];
        assert_eq!(lines, expect);
    }

    #[test]
    fn lists_programs_with_all_reasons() {
        let forecast = testing::forecast().select(|_| true, |name| name == "exec_btf");
        let lines = overview(&forecast, Extent::Programs);
        let expect = [
            "4 kernels                 runs   likely    fails  unknown",
            "a.o",
            "  exec_btf (optional)        -        -        4        -",
            "",
            "fails on all 4 kernels",
            "  helper c: missing (exec_btf (optional))",
            "",
            "unknown on all 4 kernels",
            "  helper b: missing (exec_btf (optional))",
            "  nearest with it: debian/12/x86_64/6.1.0-50-amd64",
        ];
        assert_eq!(lines, expect);
    }

    #[test]
    fn a_large_forecast_is_summarized() {
        let mut forecast = testing::forecast();
        let program = forecast.objects[0].programs[0].clone();
        forecast.objects[0].programs =
            (0..20).map(|number| ProgramForecast { name: format!("p{number}"), ..program.clone() }).collect();
        let table = |forecast: &Forecast| table(forecast, Extent::Screen);
        assert_eq!(
            table(&forecast)[1..3],
            [
                "a.o                      1        1        1        1",
                "  p0, p1, 18 more        1        1        1        1"
            ]
        );
        let lines = overview(&forecast, Extent::Screen);
        assert!(
            lines.contains(&"  helper c: missing (all 20 programs of a.o, b.o: open)".to_owned()),
            "{lines:#?}"
        );
        // With more rows than fit, objects only.
        forecast.objects = vec![forecast.objects[0].clone(); MAX_ROWS];
        assert_eq!(table(&forecast).len(), 1 + MAX_ROWS);
        assert_eq!(table(&forecast)[1], "a.o (20 programs)        1        1        1        1");
    }

    #[test]
    fn wraps_lists() {
        let names = |count: usize| (0..count).map(|number| format!("program_{number}")).collect::<Vec<_>>();
        let check = |count, max, expect: &[&str]| {
            assert_eq!(wrap("  on ", &list(names(count), max), 4), expect);
        };
        check(0, 4, &["  on "]);
        check(1, 4, &["  on program_0"]);
        check(4, 4, &["  on program_0, program_1, program_2, program_3"]);
        check(6, 4, &["  on program_0, program_1, program_2, program_3, 2 more"]);
        let lines = wrap("  on ", &names(30), 4);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:?}");
        assert_eq!(lines.len(), 4);
        assert!(lines[1].starts_with("    program_"), "{lines:?}");
    }
}
