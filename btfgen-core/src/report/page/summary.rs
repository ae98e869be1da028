//! Summary: the part of the page that needs no script.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::costs::{Cost, costs};
use crate::forecast::{Forecast, ObjectForecast, ProgramForecast, Verdict};
use crate::report::Count;
use crate::report::data::Report;
use crate::report::overview::{counts, kernels_text, programs_text};

/// Reasons that are shown at once, and those that are shown on demand.
const MAX_COSTS: usize = 7;
const MAX_MORE_COSTS: usize = 40;

/// The numbers of kernels by verdict, in the order of [`Verdict::ALL`].
type Counts = [usize; 4];

/// The document's title, such as `runs on 540 of 581 kernels: tool.bpf.o`.
pub(super) fn title(report: &Report) -> String {
    format!("{}: {}", headline(&report.forecast), object_names(&report.forecast))
}

/// Everything but the data.
pub(super) fn summary(report: &Report) -> Markup {
    let forecast = &report.forecast;
    html! {
        header {
            h1 { (headline(forecast)) }
            p.subject { (object_names(forecast)) ": " (subject(forecast)) }
        }
        @if !forecast.objects.is_empty() {
            div.overview {
                div {
                    (verdicts(forecast))
                    section #distributions aria-labelledby="distributions-title" {
                        h2 #distributions-title { "Kernels by distribution" }
                        (distributions(forecast))
                    }
                }
                section #reasons aria-labelledby="reasons-title" {
                    h2 #reasons-title { "Reasons that cost the most kernels" }
                    (reasons(forecast))
                }
            }
            section #programs aria-labelledby="programs-title" {
                h2 #programs-title { "Programs" }
                (programs(forecast))
            }
        }
        footer { p { (report) } }
    }
}

fn headline(forecast: &Forecast) -> String {
    let [runs, likely, ..] = tally(forecast.verdicts());
    let more = if likely > 0 { format!(", likely on {likely} more") } else { String::new() };
    format!("runs on {runs} of {}{more}", Count(forecast.kernels.len(), "kernel"))
}

fn object_names(forecast: &Forecast) -> String {
    match forecast.objects.as_slice() {
        [] => "no objects".to_owned(),
        [one] => one.whole.name.clone(),
        [one, two] => format!("{} and {}", one.whole.name, two.whole.name),
        several => format!("{} objects", several.len()),
    }
}

fn subject(forecast: &Forecast) -> String {
    let programs = || forecast.objects.iter().flat_map(|object| &object.programs);
    let all = Count(programs().count(), "program");
    match programs().filter(|program| program.optional).count() {
        0 => format!("{all}; a kernel counts if all of them run there"),
        optional => format!("{all}, {optional} of them optional; a kernel counts if all others run there"),
    }
}

/// The verdicts of the objects together, each with its number of kernels and its meaning.
fn verdicts(forecast: &Forecast) -> Markup {
    let counts = tally(forecast.verdicts());
    html! {
        ul.verdicts {
            @for (verdict, count) in Verdict::ALL.into_iter().zip(counts) {
                li class=(verdict) data-verdict=(verdict) {
                    (signed(verdict))
                    b { (count) }
                    span { (verdict) }
                    small { (meaning(verdict)) }
                }
            }
        }
    }
}

fn distributions(forecast: &Forecast) -> Markup {
    let mut rows: BTreeMap<(&str, &str), Vec<Verdict>> = BTreeMap::new();
    for (id, verdict) in forecast.kernels.iter().zip(forecast.verdicts()) {
        rows.entry((id.distro(), id.version())).or_default().push(verdict);
    }
    html! {
        table.bars {
            thead { tr { th scope="col" { "distribution" } th scope="col" { "kernels" } th scope="col" { "verdicts" } } }
            tbody {
                @for ((distro, version), verdicts) in rows {
                    @let counts = tally(verdicts);
                    tr data-kernels={ (distro) "/" (version) "/**" } {
                        th scope="row" { (distro) " " (version) }
                        td { (bar(counts)) }
                        td { (count_list(counts)) }
                    }
                }
            }
        }
    }
}

fn reasons(forecast: &Forecast) -> Markup {
    let costs = costs(forecast);
    let shown = costs.len().min(MAX_COSTS);
    let (first, rest) = costs.split_at(shown);
    html! {
        @if costs.is_empty() {
            p { "None: no program fails, and none is unknown." }
        }
        (cost_list(forecast, first))
        @if !rest.is_empty() {
            details {
                summary { (Count(rest.len(), "more reason")) }
                (cost_list(forecast, &rest[..rest.len().min(MAX_MORE_COSTS)]))
                @if rest.len() > MAX_MORE_COSTS {
                    p { "and " (rest.len() - MAX_MORE_COSTS) " more; the programs below have all of theirs" }
                }
            }
        }
    }
}

fn cost_list(forecast: &Forecast, costs: &[Cost<'_>]) -> Markup {
    html! {
        ol.costs {
            @for Cost { reason, kernels, programs } in costs {
                @let kernels: Vec<usize> = kernels.iter().copied().collect();
                li class=(reason.verdict) data-requirement=(reason.requirement.name) {
                    p.cost {
                        (signed(reason.verdict)) " " (reason.verdict) " on " b { (Count(kernels.len(), "kernel")) }
                    }
                    p.what {
                        b { (reason.requirement) } ": " (reason.why)
                        @if let Some(setting) = &reason.setting { ", depending on " (setting) }
                    }
                    p.where {
                        span { (programs_text(forecast, programs).join(", ")) }
                        " on " (kernels_text(forecast, &kernels).join(", "))
                    }
                }
            }
        }
    }
}

fn programs(forecast: &Forecast) -> Markup {
    html! {
        table.programs {
            thead {
                tr {
                    th scope="col" { "program" }
                    th scope="col" { "kernels" }
                    @for verdict in Verdict::ALL {
                        th.number scope="col" { (signed(verdict)) " " (verdict) }
                    }
                }
            }
            @for ObjectForecast { whole, programs } in &forecast.objects {
                tbody {
                    (row(forecast, whole, true))
                    @for program in programs { (row(forecast, program, false)) }
                }
            }
        }
    }
}

/// A row of the table of programs.
fn row(forecast: &Forecast, own: &ProgramForecast, is_object: bool) -> Markup {
    let counts = counts(forecast, own);
    html! {
        tr.object[is_object] {
            th scope="row" {
                (own.name)
                @if own.optional { " " small.optional { "optional" } }
            }
            td { (bar(counts)) }
            @for (verdict, count) in Verdict::ALL.into_iter().zip(counts) {
                @if count > 0 { td class={ "number " (verdict) } { (count) } } @else { td.number { "-" } }
            }
        }
    }
}

/// A bar with a segment for each verdict. The numbers are in the text next to it.
fn bar(counts: Counts) -> Markup {
    let total: usize = counts.iter().sum();
    let mut start = 0;
    let segments = Verdict::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0);
    let segments: Vec<_> = segments
        .map(|(verdict, count)| {
            start += count;
            (verdict, start - count, count)
        })
        .collect();
    html! {
        svg.bar viewBox={ "0 0 " (total) " 1" } preserveAspectRatio="none" aria-hidden="true" {
            @for (verdict, start, count) in segments {
                rect class=(verdict) x=(start) width=(count) height="1" {}
            }
        }
    }
}

/// The numbers above zero with their signs.
fn count_list(counts: Counts) -> Markup {
    html! {
        @for (verdict, count) in Verdict::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0) {
            span.count { (signed(verdict)) " " (count) " " (verdict) }
            " "
        }
    }
}

fn tally(verdicts: Vec<Verdict>) -> Counts {
    Verdict::ALL.map(|verdict| verdicts.iter().filter(|own| **own == verdict).count())
}

/// A verdict's sign in its color. The verdict is in the text next to it.
fn signed(verdict: Verdict) -> Markup {
    html! { span class={ "sign " (verdict) } aria-hidden="true" { (sign(verdict)) } }
}

/// The sign of a verdict, so that it does not depend on color.
fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Runs => "✓",
        Verdict::Likely => "~",
        Verdict::Unknown => "?",
        Verdict::Fails => "✗",
    }
}

fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Runs => "every requirement is met",
        Verdict::Likely => "all that BTF tells is there",
        Verdict::Fails => "a requirement is missing",
        Verdict::Unknown => "a requirement may be missing",
    }
}
