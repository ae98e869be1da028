//! Print: headings and the output of commands.

pub(super) fn heading(text: &str) {
    println!("\n{text}\n{}", "-".repeat(text.len()));
}

pub(super) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  | {line}\n")).collect()
}
