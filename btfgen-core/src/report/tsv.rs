//! TSV: a line for each kernel, object and program.

use super::data::Report;

impl Report {
    /// The forecast as TSV, without a head: kernel id, object, program, verdict, and the reasons, joined by `; `.
    ///
    /// Tabs, newlines and backslashes in a field are escaped as `\\t`, `\\n` and `\\\\`.
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
