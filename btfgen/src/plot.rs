//! Plot: how the distinct types of a hub grow with its kernels, as text and as SVG.

use std::fmt::Write as _;

/// A curve: a value for each number of kernels, from 1 on, never falling.
pub(crate) struct Plot {
    pub(crate) points: Vec<u64>,
}

const WIDTH: usize = 60;
const HEIGHT: usize = 10;
/// Eighths of a cell.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Plot {
    fn top(&self) -> u64 {
        self.points.last().copied().unwrap_or(0).max(1)
    }

    /// The curve as bars of text.
    pub(crate) fn text(&self) -> String {
        if self.points.is_empty() {
            return String::new();
        }
        let width = WIDTH.min(self.points.len());
        // The value at the end of each column's share of the kernels.
        let heights: Vec<u64> = (1..=width)
            .map(|column| self.points[column * self.points.len() / width - 1])
            .map(|value| value * (HEIGHT as u64 * 8) / self.top())
            .collect();
        let mut text = format!("distinct types as kernels are added, up to {}\n", self.top());
        for row in (0..HEIGHT as u64).rev() {
            let cell = |height: &u64| BARS[height.saturating_sub(row * 8).min(8) as usize];
            let line: String = heights.iter().map(cell).collect();
            let _ = writeln!(text, "│{}", line.trim_end());
        }
        let _ = writeln!(text, "└{}", "─".repeat(width));
        let last = self.points.len().to_string();
        let _ = writeln!(text, " 1{last:>width$}", width = width.saturating_sub(1));
        text
    }

    /// The curve as an SVG image of 640 by 360.
    pub(crate) fn svg(&self) -> String {
        let (left, top, width, height) = (70, 20, 550, 290);
        let last = self.points.len().max(2) as u64 - 1;
        let mut line = String::new();
        for (kernel, &value) in self.points.iter().enumerate() {
            let x = left + kernel as u64 * width / last;
            let y = top + height - value * height / self.top();
            let _ = write!(line, "{x},{y} ");
        }
        let bottom = top + height;
        let right = left + width;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 360\" font-family=\"sans-serif\" \
             font-size=\"12\">\n\
             <rect width=\"640\" height=\"360\" fill=\"white\"/>\n\
             <path d=\"M{left},{top} V{bottom} H{right}\" fill=\"none\" stroke=\"gray\"/>\n\
             <polyline points=\"{}\" fill=\"none\" stroke=\"steelblue\" stroke-width=\"2\"/>\n\
             <text x=\"{left}\" y=\"{}\" text-anchor=\"middle\">1</text>\n\
             <text x=\"{right}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">distinct types, by kernels added</text>\n\
             </svg>\n",
            line.trim_end(),
            bottom + 18,
            bottom + 18,
            self.points.len(),
            left - 6,
            top + 6,
            self.top(),
            left + width / 2,
            bottom + 36,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_a_curve() {
        let plot = Plot { points: vec![50, 75, 100, 100] };
        let text = plot.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), HEIGHT + 3);
        assert_eq!(lines[0], "distinct types as kernels are added, up to 100");
        assert_eq!(lines[1], "│  ██");
        assert_eq!(lines[6], "│████");
        assert_eq!(lines[HEIGHT + 1], "└────");
        assert_eq!(lines[HEIGHT + 2], " 1  4");
        assert_eq!(Plot { points: Vec::new() }.text(), "");
    }

    #[test]
    fn draws_svg() {
        let svg = Plot { points: vec![50, 100] }.svg();
        assert!(svg.contains("points=\"70,165 620,20\""), "{svg}");
        assert!(svg.ends_with("</svg>\n"));
        assert!(Plot { points: vec![7] }.svg().contains("70,20"));
    }
}
