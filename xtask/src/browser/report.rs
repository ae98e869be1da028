//! Report: the page of `btfgen report --format html`, opened from a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fantoccini::key::Key;
use serde_json::{Value, json};

use super::check::{CONTRAST, equal, holds};
use super::driver::Browser;
use super::fixtures::{HOSTILE_FILE, HOSTILE_NAME, fixture, hostile_object};
use super::pages::{Page, Reports, index, text};
use crate::shell::{self, Outcome, cargo};
use crate::{engine, files};

/// Fixture objects of the page that is compared with its JSON.
const OBJECTS: [&str; 3] = ["requirements.o", "opensnoop.o", "tcpconnect.o"];

/// Copies of the first object, for a page with more than 220 programs.
const COPIES: usize = 38;

/// The least contrast of text (WCAG AA).
const MIN_CONTRAST: f64 = 4.5;

/// Largest page: 1.5 MB.
const MAX_PAGE_BYTES: u64 = 1_500_000;

/// Makes the pages and looks at them in a browser.
pub(super) fn run(screenshots: Option<&Path>) -> Outcome {
    let folder = shell::root().join("target/browser");
    files::empty_folder(&folder)?;
    let btfgen = shell::build(cargo().arg("build").args(engine::BTFGEN))?.executable()?.to_owned();
    let reports = Reports { btfgen, folder };
    let browser = Browser::start()?;
    let outcome = look(&browser, &reports, screenshots);
    browser.close()?;
    outcome
}

fn look(browser: &Browser, reports: &Reports, screenshots: Option<&Path>) -> Outcome {
    let objects: Vec<PathBuf> = OBJECTS.iter().map(|name| fixture(name)).collect();
    let page = reports.make("report", &objects)?;
    browser.open(&page.url())?;
    summary(browser, &page)?;
    verdicts(browser, &page)?;
    filters(browser, &page)?;
    details(browser, &page)?;
    keyboard(browser, &page)?;
    addresses(browser, &page)?;
    widths(browser)?;
    colors(browser)?;
    let requests: BTreeSet<String> = browser.requests()?.into_iter().collect();
    holds("the page's request", requests.contains(&page.url()), &requests)?;
    let others: Vec<&String> = requests.iter().filter(|url| !url.starts_with(&page.url())).collect();
    equal("requests to other addresses", others, Vec::<&String>::new())?;
    equal("messages on the console", browser.console()?, Vec::<String>::new())?;
    hostile(browser, reports)?;
    without_script(browser, &page)?;
    large(browser, reports)?;
    match screenshots {
        Some(folder) => take_screenshots(browser, &page, folder),
        None => Ok(()),
    }
}

/// The headline and the numbers.
fn summary(browser: &Browser, page: &Page) -> Outcome {
    let order = ["runs", "likely", "unknown", "fails"];
    let mut counts = BTreeMap::new();
    for (_, group) in page.kernels() {
        let objects = page.forecast()["objects"].as_array().into_iter().flatten();
        let verdicts = objects.map(|object| page.verdict(object, group));
        let worst = verdicts.max_by_key(|verdict| order.iter().position(|own| own == verdict));
        *counts.entry(worst.unwrap_or_default()).or_insert(0_u64) += 1;
    }
    let count = |verdict: &str| counts.get(verdict).copied().unwrap_or_default();
    let headline = browser.text("document.querySelector('h1').textContent")?;
    let expect = format!("runs on {} of {} kernels", count("runs"), page.kernels().count());
    holds("the headline", headline.starts_with(&expect), &headline)?;
    for verdict in order {
        let shown = browser.value(&format!(
            "Number(document.querySelector('.verdicts [data-verdict={verdict}] b').textContent)"
        ))?;
        equal(&format!("kernels with {verdict}"), shown.as_f64(), Some(count(verdict) as f64))?;
    }
    let bars = browser.value("document.querySelectorAll('#distributions svg').length")?;
    let versions: BTreeSet<Vec<&str>> =
        page.kernels().map(|(id, _)| id.split('/').take(2).collect()).collect();
    equal("bars of distributions", bars, json!(versions.len()))
}

/// Every cell that is drawn, at several places of the whole matrix.
fn verdicts(browser: &Browser, page: &Page) -> Outcome {
    let mut expect = BTreeMap::new();
    for (object, program, own) in page.rows() {
        for (kernel, group) in page.kernels() {
            expect.insert((object, program, kernel), page.verdict(own, group));
        }
    }
    browser.click("#expand")?;
    browser.value("document.getElementById('matrix').scrollIntoView()")?;
    let mut seen = BTreeSet::new();
    for place in 0..=8 {
        browser.value(&format!(
            "(() => {{ const grid = document.getElementById('grid'); grid.scrollLeft = grid.scrollWidth * {place} / 8; }})()"
        ))?;
        browser.wait_for(
            "(() => { const grid = document.getElementById('grid').getBoundingClientRect(); \
             const at = document.elementFromPoint(grid.right - 60, grid.top + 300); return Boolean(at && at.closest('.cell')); })()",
        )?;
        let cells = browser.value(
            "[...document.querySelectorAll('#grid .cell')].map((cell) => \
             [cell.row.object, cell.row.program || '', cell.node.key, cell.getAttribute('aria-label'), cell.textContent])",
        )?;
        for cell in cells.as_array().into_iter().flatten() {
            let [object, program, kernel, label, sign] = [0, 1, 2, 3, 4].map(|at| text(&cell[at]));
            let verdict = expect.get(&(object, program, kernel)).copied().unwrap_or_default();
            equal(&format!("{object} {program} on {kernel}"), label, verdict)?;
            let signs = BTreeMap::from([("runs", "✓"), ("likely", "~"), ("fails", "✗"), ("unknown", "?")]);
            equal("the sign", Some(&sign), signs.get(verdict))?;
            seen.insert((object.to_owned(), program.to_owned(), kernel.to_owned()));
        }
    }
    println!("{} verdicts of the matrix are those of the JSON", seen.len());
    holds("cells seen", seen.len() > expect.len() / 3, seen.len())?;
    browser.click("#collapse")
}

/// The number of programs and kernels that the page says are shown.
fn shown(browser: &Browser) -> Outcome<String> {
    browser.text("document.getElementById('shown').textContent")
}

fn filters(browser: &Browser, page: &Page) -> Outcome {
    let programs = page.rows().filter(|(_, program, _)| !program.is_empty()).count();
    let kernels = page.kernels().count();
    equal("everything", shown(browser)?, format!("{programs} programs, {kernels} kernels"))?;

    let failing = page.rows().filter(|(_, program, own)| {
        !program.is_empty() && page.kernels().any(|(_, group)| page.verdict(own, group) == "fails")
    });
    let failing = failing.count();
    browser.click(".verdict-filter .fails")?;
    let text = shown(browser)?;
    holds("programs that fail", text.starts_with(&format!("{failing} of {programs} programs, ")), &text)?;
    browser.click("#clear")?;

    browser.type_into("#find-program", "with_sub")?;
    equal("one program", shown(browser)?, format!("1 of {programs} programs, {kernels} kernels"))?;
    browser.click("#clear")?;

    let arm64 = page.kernels().filter(|(id, _)| id.contains("/arm64/")).count();
    browser.type_into("#choose-architecture", "arm64")?;
    equal("an architecture", shown(browser)?, format!("{programs} programs, {arm64} of {kernels} kernels"))?;
    let cloud = page.kernels().filter(|(id, _)| id.contains("/arm64/") && id.contains("cloud")).count();
    browser.type_into("#find-kernel", "cloud")?;
    equal("kernels by text", shown(browser)?, format!("{programs} programs, {cloud} of {kernels} kernels"))?;
    browser.type_into("#find-kernel", " nothing")?;
    let text = browser.text("document.querySelector('#grid .nothing').textContent")?;
    holds("the message for no match", text.starts_with("Nothing matches"), text)?;
    browser.click("#clear")?;
    equal("everything again", shown(browser)?, format!("{programs} programs, {kernels} kernels"))
}

/// A cell that fails, by click: its reasons are those of the JSON.
fn details(browser: &Browser, page: &Page) -> Outcome {
    browser.click("#expand")?;
    browser.click("#grid .cell.fails:not(.mixed)")?;
    browser.wait_for("!document.getElementById('details').hidden")?;
    let [object, program, kernel] = address(browser)?;
    let group = page
        .kernels()
        .find(|(id, _)| *id == kernel)
        .map(|(_, group)| group)
        .ok_or("no kernel in the address")?;
    let own = page.rows().find(|(own, name, _)| *own == object && *name == program);
    let (_, _, own) = own.ok_or("no program in the address")?;
    let outcome = &page.forecast()["outcomes"][index(&own["outcomes"][group])];
    let reasons = outcome["reasons"].as_array().into_iter().flatten();
    let reasons: Vec<&Value> = reasons.map(|id| &page.forecast()["reasons"][index(id)]).collect();
    let expect: Vec<String> = reasons
        .iter()
        .map(|reason| {
            let setting =
                reason["setting"].as_str().map_or_else(String::new, |it| format!(", depending on {it}"));
            format!("{}{setting}", text(&reason["why"]))
        })
        .collect();
    let got =
        browser.value("[...document.querySelectorAll('#details .reason')].map((own) => own.textContent)")?;
    equal("the reasons", got, json!(expect))?;
    let lines: Vec<&str> = reasons.iter().filter_map(|reason| reason["text"].as_str()).collect();
    let got =
        browser.value("[...document.querySelectorAll('#details code')].map((own) => own.textContent)")?;
    equal("the C lines", got, json!(lines))?;
    browser.press(&[Key::Escape])?;
    browser.wait_for("document.getElementById('details').hidden")?;
    browser.click("#collapse")
}

/// Object, program and kernel of the page's address.
fn address(browser: &Browser) -> Outcome<[String; 3]> {
    let get = |name: &str| {
        browser.text(&format!("new URLSearchParams(location.hash.slice(1)).get('{name}') || ''"))
    };
    Ok([get("object")?, get("program")?, get("kernel")?])
}

fn keyboard(browser: &Browser, page: &Page) -> Outcome {
    browser.open(&page.url())?;
    browser.type_text("/")?;
    equal("the focus after /", browser.text("document.activeElement.id")?, "find-program")?;
    browser.value("document.getElementById('grid').focus()")?;
    // From the first object's head to its second program on the second group of kernels.
    browser.press(&[Key::Down, Key::Down, Key::Right, Key::Right, Key::Enter])?;
    browser.wait_for("!document.getElementById('details').hidden")?;
    let [object, program, kernel] = address(browser)?;
    let mut rows = page.rows();
    let (expect_object, expect, _) = rows.nth(2).ok_or("fewer than two programs")?;
    equal("the program", (object.as_str(), program.as_str()), (expect_object, expect))?;
    let groups: BTreeSet<&str> = page.kernels().filter_map(|(id, _)| Some(id.rsplit_once('/')?.0)).collect();
    let second = groups.iter().nth(1).ok_or("fewer than two series")?;
    equal("the series", kernel, format!("{second}/*"))?;
    holds("the focus", browser.text("document.activeElement.tagName")? == "H2", "elsewhere")?;
    browser.press(&[Key::Escape])?;
    equal("the focus after Escape", browser.text("document.activeElement.id")?, "grid")?;
    // Up to the head, where Enter opens the group.
    let columns = || browser.value("Number(document.getElementById('grid').getAttribute('aria-colcount'))");
    let before = columns()?.as_f64();
    browser.press(&[Key::Up, Key::Up, Key::Up, Key::Enter])?;
    let opened = columns()?.as_f64();
    holds("columns of an open group", opened > before, (before, opened))?;
    let expanded = "document.getElementById(document.getElementById('grid').getAttribute('aria-activedescendant')).getAttribute('aria-expanded')";
    equal("the group", browser.text(expanded)?, "true")?;
    browser.press(&[Key::Enter])?;
    equal("columns of a closed group", columns()?.as_f64(), before)
}

/// Deep links, and the nearest kernel that they name.
fn addresses(browser: &Browser, page: &Page) -> Outcome {
    let mut nearest = 0;
    for (object, program, _) in page.rows().filter(|(_, program, _)| !program.is_empty()) {
        for (kernel, _) in page.kernels().step_by(29) {
            let (verdict, reasons) = page.line(kernel, object, program)?;
            let query: String = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("program", program), ("object", object), ("kernel", kernel)])
                .finish();
            browser.open(&format!("{}#{query}", page.url()))?;
            let heading = "(document.querySelector('#details h2') || {}).firstChild?.textContent || ''";
            browser.wait_for(&format!("({heading}) === {}", json!(program)))?;
            browser.wait_for(&format!(
                "document.querySelector('#details b').textContent === {}",
                json!(kernel)
            ))?;
            let shown = browser.text("document.querySelector('#details h3').textContent.slice(2)")?;
            equal(&format!("{program} on {kernel}"), shown.as_str(), verdict)?;
            let expect: Vec<&str> = reasons
                .split("(nearest with it: ")
                .skip(1)
                .map(|rest| rest.split(')').next().unwrap_or_default())
                .collect();
            let got = browser.value(
                "[...document.querySelectorAll('#details .nearest a')].map((own) => own.textContent)",
            )?;
            equal(&format!("nearest kernels of {program} on {kernel}"), got, json!(expect))?;
            nearest += expect.len();
        }
    }
    println!("{nearest} nearest kernels are those of the TSV");
    holds("nearest kernels", nearest > 0, nearest)?;
    let before = address(browser)?;
    browser.back()?;
    let after = address(browser)?;
    holds("the address after going back", before != after, after)
}

/// Nothing is wider than the window, on a phone and on a large screen.
fn widths(browser: &Browser) -> Outcome {
    for width in [400, 1000, 1600] {
        browser.resize(width, 900)?;
        browser.wait_for(&format!("innerWidth === {width}"))?;
        let page = browser.value("document.documentElement.scrollWidth")?.as_f64().unwrap_or_default();
        holds("the page's width", page <= f64::from(width), page)?;
    }
    Ok(())
}

/// Light and dark differ, and text is readable in both.
fn colors(browser: &Browser) -> Outcome {
    let mut backgrounds = BTreeSet::new();
    for scheme in ["light", "dark"] {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.devtools("Emulation.setEmulatedMedia", features)?;
        backgrounds.insert(browser.text("getComputedStyle(document.body).backgroundColor")?);
        let selector =
            "h1, h2, h3, p, a, li, small, th, td, b, button, select, code, .cell, .row-head, .column, .sign";
        let worst = browser.value(&format!("{CONTRAST}({})", json!(selector)))?;
        holds(&format!("contrast in {scheme} mode"), worst[0].as_f64() >= Some(MIN_CONTRAST), &worst)?;
        println!("least contrast in {scheme} mode: {:.1}", worst[0].as_f64().unwrap_or_default());
    }
    equal("backgrounds", backgrounds.len(), 2)?;
    browser.devtools("Emulation.setEmulatedMedia", json!({ "features": [] })).map(drop)
}

/// Names that are markup stay text.
fn hostile(browser: &Browser, reports: &Reports) -> Outcome {
    let file = reports.folder.join(HOSTILE_FILE);
    files::write(&file, &hostile_object()?)?;
    let page = reports.make("hostile", &[file])?;
    let names: Vec<&str> = page.rows().map(|(_, program, _)| program).collect();
    holds("the hostile program", names.contains(&HOSTILE_NAME), &names)?;
    browser.open(&page.url())?;
    let title = browser.text("document.title")?;
    holds("the title", title.contains(HOSTILE_FILE), &title)?;
    browser.type_into("#find-program", HOSTILE_NAME)?;
    equal(
        "programs found",
        shown(browser)?,
        format!("1 of {} programs, {} kernels", names.len() - 1, page.kernels().count()),
    )?;
    browser.click(".row:not(.object) .row-head .name")?;
    browser.wait_for("!document.getElementById('details').hidden")?;
    equal("the heading", browser.text("document.querySelector('#details h2').textContent")?, HOSTILE_NAME)?;
    let injected = browser.value(
        "document.querySelectorAll('img, main script:not(#report), #grid i:not([aria-hidden])').length",
    )?;
    equal("injected elements", injected, json!(0))?;
    equal("messages on the console", browser.console()?, Vec::<String>::new())
}

/// Without script the tables are there.
fn without_script(browser: &Browser, page: &Page) -> Outcome {
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true }))?;
    browser.open("about:blank")?;
    browser.open(&page.url())?;
    // By the protocol, because the page runs nothing.
    let document = browser.devtools("DOM.getDocument", json!({}))?;
    let find = |selector: &str| -> Outcome<Value> {
        let query = json!({ "nodeId": document["root"]["nodeId"], "selector": selector });
        Ok(browser.devtools("DOM.querySelectorAll", query)?["nodeIds"].clone())
    };
    equal("matrices", find("#matrix")?, json!([]))?;
    let rows = find("#programs tbody tr")?;
    equal("rows of programs", rows.as_array().map_or(0, Vec::len), page.rows().count())?;
    // Fails for what is not shown.
    browser.devtools("DOM.getBoxModel", json!({ "nodeId": rows[0] }))?;
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": false })).map(drop)
}

/// A page with hundreds of programs: its size and times.
fn large(browser: &Browser, reports: &Reports) -> Outcome {
    let object = fs::read(fixture(OBJECTS[0]))?;
    let copies: Vec<PathBuf> =
        (0..COPIES).map(|number| reports.folder.join(format!("copy{number}.o"))).collect();
    copies.iter().try_for_each(|copy| files::write(copy, &object))?;
    let page = reports.make("large", &copies)?;
    let bytes = fs::metadata(&page.html)?.len();
    holds("the page's bytes", bytes < MAX_PAGE_BYTES, bytes)?;
    browser.open(&page.url())?;
    let programs = page.rows().filter(|(_, program, _)| !program.is_empty()).count();
    println!("a page of {programs} programs on {} kernels, {bytes} bytes", page.kernels().count());
    browser.wait_for("performance.getEntriesByName('first-contentful-paint').length > 0")?;
    let paint = browser.value("performance.getEntriesByName('first-contentful-paint')[0].startTime")?;
    println!("  first paint after {:.0} ms", paint.as_f64().unwrap_or_default());
    browser.type_into("#find-program", "with_s")?;
    browser.click("#clear")?;
    browser.click(".verdict-filter .unknown")?;
    browser.click("#clear")?;
    browser.click("#expand")?;
    for (what, name) in
        [("start", "report-start"), ("a filter", "report-filter"), ("expanding all", "report-expand")]
    {
        let longest = browser.value(&format!(
            "Math.max(...performance.getEntriesByName('{name}').map((own) => own.duration))"
        ))?;
        println!("  {what} takes at most {:.0} ms", longest.as_f64().unwrap_or_default());
    }
    let elements = browser.value("document.querySelectorAll('#grid *').length")?;
    holds("elements of the matrix", elements.as_u64() < Some(20_000), &elements)?;
    println!("  {elements} elements in the matrix with all kernels");
    Ok(())
}

/// What a person should look at.
fn take_screenshots(browser: &Browser, page: &Page, folder: &Path) -> Outcome {
    let (object, program, _) = page.rows().nth(2).ok_or("no program")?;
    let cell = format!("{}#program={program}&object={object}", page.url());
    for (name, width, scheme, url) in [
        ("light", 1600, "light", page.url()),
        ("dark", 1600, "dark", cell.clone()),
        ("narrow", 400, "light", page.url()),
    ] {
        browser.resize(width, 1200)?;
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.devtools("Emulation.setEmulatedMedia", features)?;
        browser.open("about:blank")?;
        browser.open(&url)?;
        let file = folder.join(name).with_extension("png");
        files::write(&file, &browser.screenshot()?)?;
        println!("wrote {}", file.display());
    }
    Ok(())
}
