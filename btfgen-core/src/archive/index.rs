//! Index: kernel ids as templates and columns of small differences.

use std::collections::BTreeMap;

use btfgen_runtime::{KernelId, wire};

/// The kernels of one template, sorted by their numbers.
pub(super) struct Series<'a> {
    template: Vec<u8>,
    /// The numbers of the id and the blob.
    pub(super) rows: Vec<Row<'a>>,
}

type Row<'a> = (Vec<u32>, &'a [u8]);

/// Sorts kernels into series, which are in the order of their templates.
pub(super) fn series<'a>(contents: &BTreeMap<KernelId, &'a [u8]>) -> Vec<Series<'a>> {
    let mut by_template: BTreeMap<Vec<u8>, Vec<Row<'a>>> = BTreeMap::new();
    for (kernel, blob) in contents {
        let (mut template, mut numbers) = (Vec::new(), Vec::new());
        wire::split(kernel.as_str(), &mut template, &mut numbers);
        by_template.entry(template).or_default().push((numbers, *blob));
    }
    by_template
        .into_iter()
        .map(|(template, mut rows)| {
            rows.sort();
            Series { template, rows }
        })
        .collect()
}

/// Appends the index's second half: templates, sizes, columns, blob numbers.
pub(super) fn push_entries(raw: &mut Vec<u8>, series: &[Series<'_>], blobs: &BTreeMap<&[u8], u32>) {
    super::push_len(raw, series.len());
    for series in series {
        raw.extend_from_slice(&series.template);
        raw.push(wire::TEMPLATE_END);
    }
    for series in series {
        super::push_len(raw, series.rows.len());
    }
    for series in series {
        let width = series.template.iter().filter(|&&b| b == wire::NUMBER).count();
        for column in 0..width {
            push_column(raw, series.rows.iter().filter_map(|(numbers, _)| numbers.get(column).copied()));
        }
    }
    push_column(raw, series.iter().flat_map(|s| &s.rows).filter_map(|(_, blob)| blobs.get(blob).copied()));
}

fn push_column(raw: &mut Vec<u8>, values: impl Iterator<Item = u32>) {
    let mut last = 0;
    for value in values {
        wire::push_varint(raw, wire::delta(last, value));
        last = value;
    }
}
