//! Tests of the comparison, on reports and trials written by hand.

use super::*;

const KERNEL: &str = "debian/12/x86_64/6.1.0-56-amd64";

fn forecasts(tsv: &str) -> Outcome<Forecasts> {
    let mut forecasts = Forecasts::new();
    read(tsv, Mode::Own, &mut forecasts)?;
    Ok(forecasts)
}

fn trial(program: &str, end: End, why: &str) -> Trial {
    Trial { object: "a.o".into(), program: program.into(), mode: Mode::Own, end, why: why.into() }
}

#[test]
fn reads_a_report() {
    let check = |tsv: &str, expect: Option<&[(&str, Verdict, &str)]>| {
        let got = forecasts(tsv).ok();
        let got = got.as_ref().map(|forecasts| {
            forecasts
                .iter()
                .map(|((.., program), it)| (&**program, it.verdict, &*it.reasons))
                .collect::<Vec<_>>()
        });
        assert_eq!(got.as_deref(), expect, "{tsv}");
    };
    check("", Some(&[]));
    check(
        &format!("{KERNEL}\ta.o\tp\truns\t\n{KERNEL}\ta.o\tq\tfails\tno helper; no map\n"),
        Some(&[("p", Verdict::Runs, ""), ("q", Verdict::Fails, "no helper; no map")]),
    );
    check(&format!("{KERNEL}\ta.o\tp\truns\n"), None);
    check(&format!("{KERNEL}\ta.o\tp\tmaybe\t\n"), None);
    check("no kernel id\ta.o\tp\truns\t\n", None);
    check(&format!("{KERNEL}\ta.o\tp\truns\t\n{KERNEL}\ta.o\tp\tfails\t\n"), None);
}

#[test]
fn lists_what_is_wrong() {
    let forecasts = forecasts(&format!(
        "{KERNEL}\ta.o\truns\truns\t\n{KERNEL}\ta.o\tlikely\tlikely\tattachability\n{KERNEL}\ta.o\tfails\tfails\tno helper\n\
         {KERNEL}\ta.o\tunknown\tunknown\ta module\n"
    ))
    .unwrap();
    let check = |program: &str, end: End, wrong: usize, refused: usize, missing: usize| {
        let trials =
            BTreeMap::from([(KERNEL.parse().unwrap(), vec![trial(program, end, "errno 2, libbpf: no")])]);
        let got = compare(&trials, &forecasts);
        assert_eq!(
            (got.wrong.len(), got.refused.len(), got.missing.len()),
            (wrong, refused, missing),
            "{program} {end:?}: {}",
            got.text()
        );
        got.text()
    };
    for (program, wrong_if_ran) in [("runs", 0), ("likely", 0), ("fails", 1), ("unknown", 0)] {
        check(program, End::Ran, wrong_if_ran, 0, 0);
        check(program, End::Refused, 0, 1, 0);
    }
    for (program, wrong) in [("runs", 1), ("likely", 1), ("fails", 0), ("unknown", 0)] {
        check(program, End::NotLoaded, wrong, 0, 0);
        check(program, End::NotAttached, wrong, 0, 0);
    }
    check("other", End::Ran, 0, 0, 1);
    let text = check("likely", End::NotAttached, 1, 0, 0);
    let line = "own a.o likely: forecast likely: attachability\n  guest: errno 2, libbpf: no\n";
    assert!(text.ends_with(&format!("Wrong verdicts\n{KERNEL} {line}")), "{text}");
}

#[test]
fn keeps_its_promises() {
    use End::{NotAttached, NotLoaded, Ran, Refused};
    let check = |counts: &[(Verdict, End, usize)], expect: &[&str]| {
        let mut matrix = Matrix::default();
        for &(verdict, end, count) in counts {
            (0..count).for_each(|_| matrix.add(verdict, end));
        }
        assert_eq!(matrix.faults(), expect, "{counts:?}");
    };
    use Verdict::{Fails, Likely, Runs, Unknown};
    check(&[(Runs, Ran, 199), (Runs, NotLoaded, 1), (Fails, NotLoaded, 9)], &[]);
    check(
        &[(Runs, Ran, 198), (Runs, NotAttached, 1)],
        &["1 of 199 programs with verdict runs do not run, more than 1 in 200"],
    );
    check(&[(Likely, Ran, 97), (Likely, NotAttached, 3)], &[]);
    check(
        &[(Likely, Ran, 96), (Likely, NotAttached, 2), (Likely, NotLoaded, 1)],
        &["3 of 99 programs with verdict likely do not run, more than 3 in 100"],
    );
    check(&[(Runs, Ran, 1), (Fails, Ran, 2)], &["2 programs run that were forecast to fail"]);
    // Refusals count neither for nor against a verdict.
    check(&[(Runs, Ran, 10), (Runs, Refused, 90), (Unknown, Ran, 1)], &[]);
    check(&[(Runs, Ran, 9), (Unknown, NotLoaded, 1)], &["1 of 10 verdicts are unknown, a tenth or more"]);
    check(&[], &["0 of 0 verdicts are unknown, a tenth or more"]);
}
