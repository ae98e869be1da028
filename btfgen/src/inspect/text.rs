//! The requirements of objects as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::data::{
    ExternData, Feature, HelperData, Inspection, MapData, ObjectData, ProgramData, Requirement,
};
use crate::output::count;

/// Width of the labels.
const LABEL: usize = 13;

/// Number of types whose relocations are listed, and of fields that are listed for one.
const MAX_TYPES: usize = 20;
const MAX_FIELDS: usize = 5;

/// The report: objects, their programs, then what libbpf creates and resolves for the whole object.
pub(super) fn text(inspection: &Inspection) -> String {
    let objects: Vec<String> = inspection.objects.iter().map(object).collect();
    objects.join("\n")
}

fn object(object: &ObjectData) -> String {
    let mut text = format!("{}: {}\n", object.name, count(object.programs.len(), "program"));
    for data in &object.programs {
        text.push('\n');
        program(&mut text, data);
    }
    if !object.maps.is_empty() || !object.externs.is_empty() {
        text.push_str("\nwhole object\n");
        group(&mut text, "maps", object.maps.iter().map(map));
        group(&mut text, "externs", object.externs.iter().map(external));
    }
    text
}

fn program(text: &mut String, data: &ProgramData) {
    let optional = if data.optional { " (optional: loaded only if the loader asks for it)" } else { "" };
    _ = writeln!(text, "program {}{optional}", data.name);
    let mut line = |label: &str, value: String| _ = writeln!(text, "  {label:LABEL$}{value}");
    line("section", data.section.clone());
    match &data.program_type {
        Some(program_type) => line("type", with_since(program_type)),
        None => line("type", "set by the loader: libbpf does not know the section".to_owned()),
    }
    if let Some(attach_type) = &data.attach_type {
        line("attach type", with_since(attach_type));
    }
    if let Some(link_type) = &data.link_type {
        line("link type", with_since(link_type));
    }
    for flag in &data.flags {
        line("flag", with_since(flag));
    }
    line("attaches to", target(data));
    if data.kernel_btf {
        line("kernel BTF", "the kernel's own is required".to_owned());
    }
    let limit =
        data.insns_since.as_ref().map_or(String::new(), |since| format!(" (more than 4096: since {since})"));
    line("instructions", format!("{}{limit}", data.insns));
    group(text, "", data.instruction_sets.iter().map(|set| row(set, Vec::new())));
    group(text, "helpers", data.helpers.iter().map(helper));
    group(text, "maps", data.maps.iter().map(|map| row(map, Vec::new())));
    group(text, "externs", data.externs.iter().map(|it| row(it, Vec::new())));
    relocations(text, data);
}

fn target(data: &ProgramData) -> String {
    let by = if data.auto_attach { "" } else { ", attached by the loader" };
    match &data.target {
        None if data.is_struct_ops() => "the struct_ops map that refers to it".to_owned(),
        None => "what the loader says".to_owned(),
        Some(target) if target.kind == "invalid" => {
            format!("nothing: libbpf refuses the target {:?}", target.name)
        }
        Some(target) => format!("{} {}{by}", target.kind, target.name),
    }
}

fn with_since(feature: &Feature) -> String {
    let since = feature.since.as_ref().map_or(String::new(), |since| format!(" (since {since})"));
    format!("{}{since}", feature.name)
}

/// A row of a group: a name, its version and remarks.
struct Row {
    name: String,
    since: String,
    remarks: Vec<String>,
}

/// Prints rows in columns, the first with a label.
fn group(text: &mut String, label: &str, rows: impl Iterator<Item = Row>) {
    let rows: Vec<Row> = rows.collect();
    let width = |cell: fn(&Row) -> &str| rows.iter().map(|row| cell(row).len()).max().unwrap_or(0);
    let (name_width, since_width) = (width(|row| &row.name), width(|row| &row.since));
    for (number, row) in rows.iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        let (name, since, remarks) = (&row.name, &row.since, row.remarks.join(", "));
        let since = if since_width == 0 { String::new() } else { format!("  {since:since_width$}") };
        let line = format!("  {label:LABEL$}{name:name_width$}{since}  {remarks}");
        _ = writeln!(text, "{}", line.trim_end());
    }
}

/// A requirement with its first C line.
fn row(requirement: &Requirement, mut remarks: Vec<String>) -> Row {
    if requirement.guarded {
        remarks.push("behind a check".to_owned());
    }
    let lines = requirement.sites.iter().filter_map(|site| site.line.as_deref());
    if let Some(line) = lines.clone().next() {
        remarks.insert(0, line.rsplit('/').next().unwrap_or(line).to_owned());
    }
    let Feature { name, since } = &requirement.feature;
    Row { name: name.clone(), since: since_text(since.as_ref()), remarks }
}

fn since_text(since: Option<&String>) -> String {
    since.map_or(String::new(), |since| format!("since {since}"))
}

fn helper(helper: &HelperData) -> Row {
    let mut remarks = Vec::new();
    if helper.never_allowed {
        remarks.push("not allowed for this program type".to_owned());
    }
    if let Some(since) = &helper.since_for_program_type {
        remarks.push(format!("for this program type since {since}"));
    }
    if let Some(fallback) = helper.fallback {
        remarks.push(format!("or else {fallback}"));
    }
    row(&helper.requirement, remarks)
}

fn map(map: &MapData) -> Row {
    let mut remarks = vec![with_since(&map.map_type)];
    if let Some(inner) = &map.inner_map_type {
        remarks.push(format!("of {}", with_since(inner)));
    }
    remarks.extend(map.flags.iter().map(with_since));
    Row { name: map.name.clone(), since: String::new(), remarks }
}

fn external(it: &ExternData) -> Row {
    let weak = if it.weak { "weak " } else { "" };
    let remarks = vec![format!("{weak}{}", it.kind)];
    Row { name: it.feature.name.clone(), since: since_text(it.feature.since.as_ref()), remarks }
}

/// The relocations that must resolve, by root type. A check resolves on every kernel.
fn relocations(text: &mut String, data: &ProgramData) {
    let mut roots: BTreeMap<&str, Vec<(&str, bool)>> = BTreeMap::new();
    for relocation in data.relocations.iter().filter(|relocation| !relocation.check) {
        let Requirement { feature, guarded, .. } = &relocation.requirement;
        let spec = feature.name.split(" = ").next().unwrap_or_default();
        let (root, access) = spec.split_at(spec.find(['.', ':', '[']).unwrap_or(spec.len()));
        let access = access.trim_start_matches(['.', ':']);
        let access = if access.is_empty() { relocation.kind.as_str() } else { access };
        let fields = roots.entry(root).or_default();
        match fields.iter_mut().find(|(known, _)| *known == access) {
            Some((_, known)) => *known &= guarded,
            None => fields.push((access, *guarded)),
        }
    }
    let more = roots.len().saturating_sub(MAX_TYPES);
    let rows = roots.into_iter().take(MAX_TYPES).map(|(root, fields)| {
        let field = |(access, guarded): &(&str, bool)| {
            if *guarded { format!("{access} (behind a check)") } else { (*access).to_owned() }
        };
        let mut remarks: Vec<String> = fields.iter().take(MAX_FIELDS).map(field).collect();
        if fields.len() > MAX_FIELDS {
            remarks.push(format!("and {} more", fields.len() - MAX_FIELDS));
        }
        Row { name: root.to_owned(), since: String::new(), remarks }
    });
    let more = (more > 0).then(|| Row {
        name: format!("{more} more types; --json lists all"),
        since: String::new(),
        remarks: Vec::new(),
    });
    group(text, "relocations", rows.chain(more));
}
