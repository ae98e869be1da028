//! Tables: aligned columns for a terminal, without lines between them.

pub(crate) use comfy_table::CellAlignment as Alignment;
use comfy_table::presets::NOTHING;

/// A table of a head and rows; the first column is aligned to the left, the others as given.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>], alignment: Alignment) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(NOTHING).set_header(head.to_vec()).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((2, 0));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(alignment);
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text = table(&["a", "bb", ""], &[row(["ccc", "d", "e"])], Alignment::Right);
        assert_eq!(text, "  a    bb\n  ccc   d  e\n");
    }
}
