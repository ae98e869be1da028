//! Site: the page with the drop zone, the report and problems as pages, and the files that they load.

use axum::extract::{Path, Request};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use btfgen_core::report::Report;
use btfgen_core::report::page::{self, frame};
use maud::html;

use super::problem::Problem;

/// The styles, and an icon that makes no request.
const HEAD: &str = "<link rel=\"stylesheet\" href=\"/assets/report.css\"><link rel=\"stylesheet\" href=\"/assets/site.css\">\
                    <link rel=\"icon\" href=\"data:,\">";

/// `GET /`
pub(super) async fn index() -> Html<String> {
    Html(frame("btfgen: on which kernels does it run?", HEAD, include_str!("index.html")))
}

/// `GET /assets/{file}`
pub(super) async fn asset(Path(file): Path<String>) -> Result<Response, Problem> {
    let (kind, text) = match file.as_str() {
        "report.css" => ("text/css; charset=utf-8", page::STYLE),
        "report.js" => ("text/javascript; charset=utf-8", page::SCRIPT),
        "site.css" => ("text/css; charset=utf-8", include_str!("site.css")),
        "site.js" => ("text/javascript; charset=utf-8", include_str!("site.js")),
        _ => return Err(Problem::not_found(format!("there is no file {file}"))),
    };
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text).into_response())
}

/// A report as a page of its own, which has its styles and script inside.
pub(super) fn report(report: &Report) -> Response {
    let policy = format!("{}; frame-ancestors 'none'", page::content_security_policy());
    ([(CONTENT_SECURITY_POLICY, policy)], Html(page::page(report))).into_response()
}

/// Gives a problem the form of a page, if the client is a browser.
pub(super) async fn problem_page(request: Request, next: Next) -> Response {
    let accepts_html = accepts_html(request.headers());
    let mut response = next.run(request).await;
    if accepts_html && let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let body = html! {
            main #problem {
                h1 { (problem.status.canonical_reason().unwrap_or("Problem")) }
                p { (problem.error) }
                @if let Some(hint) = problem.hint { p { (hint) } }
                p { a href="/" { "Back" } }
            }
        };
        let page = frame("btfgen: problem", HEAD, &body.into_string());
        response.headers_mut().remove(CONTENT_LENGTH);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        *response.body_mut() = page.into();
    }
    response
}

/// Whether a client prefers a page to JSON: it names `text/html`, and names JSON with no higher weight.
pub(super) fn accepts_html(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
    let weight = |wanted: &str| {
        let weights = ranges.iter().filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            parts.next().filter(|kind| kind.eq_ignore_ascii_case(wanted))?;
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map(str::parse);
            Some(weight.unwrap_or(Ok(1.0)).unwrap_or(0.0))
        });
        weights.fold(0.0, f32::max)
    };
    weight("text/html") > 0.0 && weight("text/html") >= weight("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_pages() {
        let check = |accept: &str, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
            assert_eq!(accepts_html(&headers), expect, "{accept}");
        };
        check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true);
        check("text/html", true);
        check("application/json, Text/HTML; q=1", true);
        check("application/json, text/html;q=0.5", false);
        check("*/*", false);
        check("text/*", false);
        check("text/html;q=0", false);
        check("text/html;q=x", false);
        assert!(!accepts_html(&HeaderMap::new()));
    }

    #[test]
    fn files_have_nothing_that_the_policy_forbids() {
        let page = include_str!("index.html");
        for forbidden in [" style=", " onclick=", " onload=", "javascript:", "http:", "<style"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(!include_str!("site.js").contains("innerHTML"));
    }
}
