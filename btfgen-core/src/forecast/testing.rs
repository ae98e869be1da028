//! A forecast for tests.

use btfgen_runtime::KernelId;

use super::*;

const KERNELS: [&str; 4] = [
    "debian/11/x86_64/5.10.0-30-amd64",
    "debian/12/x86_64/6.1.0-50-amd64",
    "debian/12/x86_64/6.1.0-51-amd64",
    "ubuntu/20.04/x86_64/5.4.0-84-generic",
];

/// Two objects on four kernels of a hub of six. The outcomes are `runs`, `likely`, `unknown`, `fails`, and that of an object that fails for
/// a reason of its own besides.
pub(crate) fn forecast() -> Forecast {
    let reason = |verdict, name: &str| Reason {
        verdict,
        requirement: Requirement { kind: "helper", name: name.to_owned(), since: None },
        why: "missing".to_owned(),
        line: None,
        text: None,
        setting: None,
    };
    let outcome = |verdict, reasons: &[usize]| Outcome {
        verdict,
        reasons: reasons.iter().map(|&id| ReasonId(id)).collect(),
    };
    let program = |name: &str, optional, outcomes: [usize; 4]| ProgramForecast {
        name: name.to_owned(),
        optional,
        outcomes: outcomes.map(OutcomeId).to_vec(),
    };
    let object =
        |name: &str, outcomes, programs| ObjectForecast { whole: program(name, false, outcomes), programs };
    let mut hub: Vec<KernelId> = KERNELS.iter().map(|id| id.parse().unwrap()).collect();
    let kernels = hub.clone();
    hub.push("debian/12/arm64/6.1.0-50-arm64".parse().unwrap());
    hub.push("debian/13/x86_64/6.12.0-1-amd64".parse().unwrap());
    hub.sort();
    let with_b = hub.iter().position(|id| id.as_str() == KERNELS[1]);
    let none = KernelSet::new;
    Forecast {
        kernels,
        available: vec![none(), with_b.into_iter().collect(), none(), none()],
        hub: hub.into_iter().collect(),
        reasons: vec![
            reason(Verdict::Likely, "a"),
            reason(Verdict::Unknown, "b"),
            reason(Verdict::Fails, "c"),
            reason(Verdict::Fails, "d"),
        ],
        outcomes: vec![
            outcome(Verdict::Runs, &[]),
            outcome(Verdict::Likely, &[0]),
            outcome(Verdict::Unknown, &[1, 0]),
            outcome(Verdict::Fails, &[2, 1]),
            outcome(Verdict::Fails, &[3, 2, 1]),
        ],
        objects: vec![
            object(
                "a.o",
                [3, 1, 2, 0],
                vec![
                    program("exec", false, [3, 1, 2, 0]),
                    program("exit", false, [3, 0, 0, 0]),
                    program("exec_btf", true, [3, 3, 3, 3]),
                ],
            ),
            object("b.o", [4, 0, 0, 0], vec![program("open", false, [3, 0, 0, 0])]),
        ],
    }
}
