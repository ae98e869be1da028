//! TSV: a line for each kernel, object and program.

use super::data::Report;

impl Report {
    /// The forecast as TSV, without a head: kernel id, object, program, verdict, and the reasons, joined by `; `.
    ///
    /// Tabs, newlines and backslashes in a field are escaped as `\t`, `\n` and `\\`.
    pub fn tsv(&self) -> String {
        let forecast = &self.forecast;
        let mut text = String::new();
        for (index, kernel) in forecast.kernels.iter().enumerate() {
            for object in &forecast.objects {
                for program in &object.programs {
                    let outcome = forecast.outcome(program, index);
                    let reasons = outcome.reasons.iter().map(|id| forecast.describe(*id, index));
                    let reasons = reasons.collect::<Vec<_>>().join("; ");
                    let fields = [
                        kernel.as_str(),
                        &object.whole.name,
                        &program.name,
                        outcome.verdict.name(),
                        &reasons,
                    ];
                    text += &fields.map(escape).join("\t");
                    text.push('\n');
                }
            }
        }
        text
    }
}

fn escape(field: &str) -> String {
    field.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::testing;

    #[test]
    fn a_line_for_each_kernel_object_and_program() {
        let mut forecast = testing::forecast();
        forecast.reasons[2].why = "a\tb\nc\\d".to_owned();
        forecast.objects[1].programs[0].name = "o\tp".to_owned();
        let tsv = Report { forecast, ..Report::default() }.tsv();
        let lines: Vec<&str> = tsv.lines().collect();
        assert_eq!(lines.len(), 4 * 4);
        assert_eq!(
            lines[3],
            "debian/11/x86_64/5.10.0-30-amd64\tb.o\to\\tp\tfails\thelper c: a\\tb\\nc\\\\d; helper b: missing"
        );
        assert_eq!(lines[12], "ubuntu/20.04/x86_64/5.4.0-84-generic\ta.o\texec\truns\t");
        assert!(lines.iter().all(|line| line.split('\t').count() == 5));
        assert!(lines[8].ends_with(
            "helper b: missing (nearest with it: debian/12/x86_64/6.1.0-50-amd64); helper a: missing"
        ));
    }
}
