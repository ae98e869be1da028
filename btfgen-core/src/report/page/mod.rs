//! Page: the report as one HTML file, with its styles, script and data inside and no request to anywhere.
//!
//! The summary is complete without script. The script reads the data, which is the report's JSON, and adds the matrix of programs and
//! kernels. Names and lines come from objects and are hostile text: `maud` escapes them, the script sets text only.

mod costs;
mod summary;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::data::Report;
use super::document::Document;

/// The styles of the page.
pub const STYLE: &str = concat!(include_str!("page.css"), include_str!("matrix.css"));

/// The script of the page. It defines one global function, `startReport()`, which reads the data and enhances the page, and calls it
/// if the page has data.
pub const SCRIPT: &str = concat!(
    "(() => {\n\"use strict\";\n",
    include_str!("model.js"),
    include_str!("grid.js"),
    include_str!("keyboard.js"),
    include_str!("details.js"),
    include_str!("page.js"),
    "})();\n"
);

/// The report as a document of its own. The same report gives the same bytes.
pub fn page(report: &Report) -> String {
    let head = html! {
        meta http-equiv="Content-Security-Policy" content=(content_security_policy());
        style { (PreEscaped(STYLE)) }
    };
    let body = html! {
        (content(report))
        script { (PreEscaped(SCRIPT)) }
    };
    frame(&summary::title(report), &head.into_string(), &body.into_string())
}

/// A document with the given head and body, which are HTML; the title is text.
pub fn frame(title: &str, head: &str, body: &str) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                (PreEscaped(head))
            }
            body { (PreEscaped(body)) }
        }
    };
    page.into_string()
}

/// The policy under which the page works: its own styles and script and nothing else.
pub fn content_security_policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

/// The summary and the data.
fn content(report: &Report) -> Markup {
    html! {
        main #report-page {
            (summary::summary(report))
            script type="application/json" #report { (PreEscaped(data(report))) }
        }
    }
}

/// The report's JSON, in which nothing ends a script element.
fn data(report: &Report) -> String {
    let json = serde_json::to_string(&Document::from(report)).expect("a report has text keys only");
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::testing;

    fn report(name: &str) -> Report {
        let mut forecast = testing::forecast();
        forecast.objects[0].programs[0].name = name.to_owned();
        forecast.reasons[2].why = format!("{name} is missing");
        forecast.reasons[2].line = Some(format!("{name}.c:1"));
        Report { forecast, ..Report::default() }
    }

    #[test]
    fn is_one_document_without_requests() {
        let text = page(&report("exec"));
        assert_eq!(text, page(&report("exec")));
        assert!(text.starts_with("<!DOCTYPE html><html lang=\"en\">") && text.ends_with("</html>"), "{text}");
        let summary = text.split("<script").next().unwrap_or_default();
        for expect in
            ["runs on 1 of 4 kernels", "<b>helper d</b>: missing", "debian 12", "exec_btf", "optional"]
        {
            assert!(summary.contains(expect), "{expect}");
        }
        // The policy forbids these.
        let body = &text[text.find("<body").unwrap_or_default()..];
        for forbidden in [" style=", " onclick=", " onload=", " src=", "<link", "<img"] {
            assert!(
                !summary.contains(forbidden) && !body.replace(SCRIPT, "").contains(forbidden),
                "{forbidden}"
            );
        }
    }

    #[test]
    fn the_policy_has_the_hashes() {
        let policy = content_security_policy();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(page(&report("exec")).contains(&policy));
        for text in [SCRIPT, STYLE] {
            assert!(!text.contains("</") && !text.contains("<!--"), "ends its element");
        }
    }

    #[test]
    fn hostile_names_are_text() {
        for name in ["</script><img src=x onerror=alert(1)>", "<!--<script>", "\"><b>", "a\u{2028}&amp;"] {
            let text = page(&report(name));
            assert!(!text.contains("<img") && !text.contains("<!--<"), "{name}");
            assert_eq!(text.matches("<script").count(), 2, "{name}");
            assert_eq!(text.matches("</script>").count(), 2, "{name}");
            let (_, data) = text.split_once("type=\"application/json\">").unwrap();
            let data = data.split("</script>").next().unwrap();
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["forecast"]["objects"][0]["programs"][0]["name"], name);
        }
    }

    #[test]
    fn a_report_without_kernels_is_a_page() {
        let text = page(&Report::default());
        assert!(text.contains("runs on 0 of 0 kernels"), "{text}");
    }
}
