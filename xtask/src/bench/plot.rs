//! Plot: curves over logarithmic axes as SVG, where a straight line that climbs less than the axes is sub-linear growth.

use std::fmt::Write as _;

/// Curves over one pair of axes.
pub(super) struct Plot {
    pub(super) lines: Vec<Line>,
    /// What the axes count.
    pub(super) x: &'static str,
    pub(super) y: &'static str,
}

/// One curve, of positive values.
pub(super) struct Line {
    pub(super) label: String,
    pub(super) points: Vec<(f64, f64)>,
}

const COLOURS: [&str; 6] = ["steelblue", "darkorange", "seagreen", "crimson", "slateblue", "gray"];

/// Where the axes lie in an image of 720 by 400.
const LEFT: f64 = 70.0;
const TOP: f64 = 20.0;
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 320.0;

/// A logarithmic axis, from one power of ten to another.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// The least that holds all values.
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min).log10().floor();
        let high = values.fold(0.0, f64::max).log10().ceil();
        if low.is_finite() && high > low { Self { low, high } } else { Self { low: 0.0, high: 1.0 } }
    }

    /// Where a value lies, from 0 to 1.
    fn place(self, value: f64) -> f64 {
        (value.log10() - self.low) / (self.high - self.low)
    }

    fn ticks(self) -> impl Iterator<Item = f64> {
        let (mut power, high) = (self.low, self.high);
        std::iter::from_fn(move || {
            let tick = (power <= high).then(|| 10f64.powf(power));
            power += 1.0;
            tick
        })
    }
}

impl Plot {
    /// The image.
    pub(super) fn svg(&self) -> String {
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let (across, up) = (Axis::of(all().map(|point| point.0)), Axis::of(all().map(|point| point.1)));
        let x = |value| LEFT + across.place(value) * WIDTH;
        let y = |value| TOP + (1.0 - up.place(value)) * HEIGHT;
        let (right, bottom) = (LEFT + WIDTH, TOP + HEIGHT);
        let mut svg = String::from(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 400\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"720\" height=\"400\" fill=\"white\"/>\n",
        );
        for tick in across.ticks() {
            let at = x(tick);
            let _ = writeln!(svg, "<path d=\"M{at:.1},{TOP} V{bottom}\" stroke=\"lightgray\"/>");
            let _ = writeln!(
                svg,
                "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
                bottom + 18.0
            );
        }
        for tick in up.ticks() {
            let at = y(tick);
            let _ = writeln!(svg, "<path d=\"M{LEFT},{at:.1} H{right}\" stroke=\"lightgray\"/>");
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
                LEFT - 6.0,
                at + 4.0
            );
        }
        for (number, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let points: Vec<String> =
                line.points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
            let points = points.join(" ");
            let _ = writeln!(
                svg,
                "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
            );
            let height = line.points.last().map_or(bottom, |point| y(point.1)) + 4.0;
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{height:.1}\" fill=\"{colour}\">{}</text>",
                right + 8.0,
                line.label
            );
        }
        let middle = LEFT + WIDTH / 2.0;
        let _ = writeln!(
            svg,
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 40.0,
            self.x
        );
        let _ = writeln!(
            svg,
            "<text transform=\"translate(16,{}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            TOP + HEIGHT / 2.0,
            self.y
        );
        svg + "</svg>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_hold_all_values() {
        let check = |values: &[f64], low, high| {
            assert_eq!(Axis::of(values.iter().copied()), Axis { low, high }, "{values:?}");
        };
        check(&[25.0, 4300.0], 1.0, 4.0);
        check(&[0.5, 99.0], -1.0, 2.0);
        check(&[], 0.0, 1.0);
        assert_eq!(Axis { low: 1.0, high: 3.0 }.ticks().collect::<Vec<_>>(), [10.0, 100.0, 1000.0]);
    }

    #[test]
    fn draws_lines() {
        let line = Line { label: "large".to_owned(), points: vec![(10.0, 1.0), (1000.0, 10.0)] };
        let svg = Plot { lines: vec![line], x: "kernels", y: "ms" }.svg();
        assert!(svg.contains("<polyline points=\"70.0,340.0 530.0,20.0\""), "{svg}");
        assert!(svg.contains(">large</text>") && svg.ends_with("</svg>\n"), "{svg}");
    }
}
