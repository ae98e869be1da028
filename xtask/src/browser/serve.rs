//! Serve: the page of `btfgen serve`. A fixture is uploaded, its report is read, and files are saved.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::check::{equal, holds};
use super::driver::Browser;
use super::fixtures::{HOSTILE_FILE, HOSTILE_NAME, fixture, hostile_object};
use super::pages::{Page, Reports};
use crate::shell::{self, Outcome, cargo};
use crate::{engine, files};

/// The uploaded fixture.
const OBJECT: &str = "requirements.o";

/// Kernels of a small archive, and one of them.
const KERNELS: &str = "debian/12/x86_64/*";
const KERNEL: &str = "debian/12/x86_64/6.1.0-56-amd64";

/// A program of the fixture.
const PROGRAM: &str = "with_subprogram";

/// How long a file may take to be saved.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server, ended when dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(btfgen: &Path) -> Outcome<Self> {
        let mut command = Command::new(btfgen);
        command.args(["serve", "--listen", "127.0.0.1:0", "--hub"]).arg(files::example_hub());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("the server has no standard output")?)
            .read_line(&mut line)?;
        let url = line.trim().strip_prefix("listening on ").ok_or("the server does not listen")?.to_owned();
        Ok(Self { process, url })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Uses the page in a browser.
pub(super) fn run(screenshots: Option<&Path>) -> Outcome {
    let folder = shell::root().join("target/browser/serve");
    files::empty_folder(&folder)?;
    let btfgen = shell::build(cargo().arg("build").args(engine::BTFGEN))?.executable()?.to_owned();
    let server = Server::start(&btfgen)?;
    let browser = Browser::start()?;
    let outcome = look(&browser, &server.url, &btfgen, &folder, screenshots);
    browser.close()?;
    outcome
}

fn look(browser: &Browser, url: &str, btfgen: &Path, folder: &Path, screenshots: Option<&Path>) -> Outcome {
    browser.open(url)?;
    if let Some(screenshots) = screenshots {
        files::write(&screenshots.join("serve.png"), &browser.screenshot()?)?;
    }
    let object = fixture(OBJECT);
    upload(browser, &object)?;
    let reports = Reports { btfgen: btfgen.to_owned(), folder: folder.to_owned() };
    let report = reports.make("report", std::slice::from_ref(&object))?;
    headline(browser, &report)?;
    cell(browser, &report)?;
    if let Some(screenshots) = screenshots {
        browser.value("window.scrollTo(0, 0)")?;
        files::write(&screenshots.join("serve-report.png"), &browser.screenshot()?)?;
    }
    downloads(browser, btfgen, &object, &report, folder)?;
    let others: Vec<String> = browser.requests()?.into_iter().filter(|own| !is_own(own, url)).collect();
    equal("requests to other addresses", others, Vec::<String>::new())?;
    equal("messages on the console", browser.console()?, Vec::<String>::new())?;
    hostile(browser, url, folder)?;
    refused(browser, url, folder)?;
    without_script(browser, url, &object)
}

fn is_own(request: &str, url: &str) -> bool {
    [url, "data:", "blob:"].iter().any(|start| request.starts_with(start))
}

/// Chooses a file, and waits for the report.
fn upload(browser: &Browser, object: &Path) -> Outcome {
    browser.type_into("#object", &object.display().to_string())?;
    browser.wait_for(
        "Boolean(document.getElementById('matrix') || !document.getElementById('message').hidden)",
    )?;
    equal("the message", browser.text("document.getElementById('message').textContent")?, "")
}

fn headline(browser: &Browser, report: &Page) -> Outcome {
    let (_, _, object) = report.rows().next().ok_or("the report has no object")?;
    let runs = report.kernels().filter(|(_, group)| report.verdict(object, *group) == "runs").count();
    let expect = format!("runs on {runs} of {} kernels", report.kernels().count());
    let shown = browser.text("document.querySelector('#report-page h1').textContent")?;
    holds("the headline", shown.starts_with(&expect), shown)
}

/// A click opens a cell, and a deep link another one.
fn cell(browser: &Browser, report: &Page) -> Outcome {
    browser.click("#grid .cell.fails")?;
    browser.wait_for("!document.getElementById('details').hidden")?;
    let reasons = browser.value("document.querySelectorAll('#details .reason').length")?;
    holds("reasons of a cell", reasons.as_u64() > Some(0), reasons)?;

    let (verdict, _) = report.line(KERNEL, OBJECT, PROGRAM)?;
    browser.value(&format!("location.hash = 'program={PROGRAM}&object={OBJECT}&kernel={KERNEL}'"))?;
    let linked = format!("document.querySelector('#details b').textContent === {}", json!(KERNEL));
    browser.wait_for(&linked)?;
    let shown = browser.text("document.querySelector('#details h3').textContent.slice(2)")?;
    equal("the verdict of the cell", shown.as_str(), verdict)
}

/// Saved files are those that the commands write.
fn downloads(browser: &Browser, btfgen: &Path, object: &Path, report: &Page, folder: &Path) -> Outcome {
    let saved = folder.join("saved");
    fs::create_dir_all(&saved)?;
    let behavior = json!({ "behavior": "allow", "downloadPath": saved });
    browser.devtools("Browser.setDownloadBehavior", behavior)?;
    browser.wait_for("document.getElementById('kernels').childElementCount > 0")?;

    browser.click("#json button")?;
    let forecast: Value = serde_json::from_slice(&wait_for_file(&saved.join("forecast.json"))?)?;
    holds("the saved forecast", forecast == report.document, "another")?;

    browser.type_into("#pack-include", KERNELS)?;
    browser.click("#pack button")?;
    let archive = folder.join("archive");
    let mut pack = Command::new(btfgen);
    pack.arg("pack").arg("--hub").arg(files::example_hub()).args(["--include", KERNELS]).arg(object);
    shell::read(pack.arg("-o").arg(&archive))?;
    holds(
        "the saved archive",
        wait_for_file(&saved.join("btfgen.archive"))? == fs::read(&archive)?,
        "another",
    )?;

    browser.type_into("#kernel", KERNEL)?;
    browser.click("#minimize button")?;
    let btf = folder.join("btf");
    shell::read(
        Command::new(btfgen).args(["archive", "extract"]).arg(&archive).arg(KERNEL).arg("-o").arg(&btf),
    )?;
    holds("the saved BTF", wait_for_file(&saved.join("6.1.0-56-amd64.btf"))? == fs::read(btf)?, "another")
}

/// A file that the browser saves: Chromium reserves the name with an empty file, and renames the complete download to it.
fn wait_for_file(path: &Path) -> Outcome<Vec<u8>> {
    let start = Instant::now();
    loop {
        match fs::read(path) {
            Ok(bytes) if !bytes.is_empty() => return Ok(bytes),
            _ if start.elapsed() > PATIENCE => return Err(format!("{} was not saved", path.display()).into()),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Names that are markup stay text, also in the server's page.
fn hostile(browser: &Browser, url: &str, folder: &Path) -> Outcome {
    browser.open(url)?;
    let file = folder.join(HOSTILE_FILE);
    files::write(&file, &hostile_object()?)?;
    upload(browser, &file)?;
    let text = browser.text("document.getElementById('programs').textContent")?;
    holds("the hostile program", text.contains(HOSTILE_NAME), text)?;
    let injected = browser.value("document.querySelectorAll('img, #place script:not(#report)').length")?;
    equal("injected elements", injected, json!(0))?;
    equal("messages on the console", browser.console()?, Vec::<String>::new())
}

/// What cannot be used is told with what to do.
fn refused(browser: &Browser, url: &str, folder: &Path) -> Outcome {
    browser.open(url)?;
    let file: PathBuf = folder.join("none.o");
    files::write(&file, b"no object")?;
    browser.type_into("#object", &file.display().to_string())?;
    browser.wait_for("!document.getElementById('message').hidden")?;
    let message = browser.text("document.getElementById('message').textContent")?;
    holds(
        "the message",
        message.contains("cannot read object none.o") && message.contains("clang"),
        message,
    )?;
    // The browser itself reports a status that is no success.
    let console: Vec<String> = browser.console()?;
    holds("messages on the console", console.iter().all(|own| own.contains("422")), console)
}

/// The form gives the report. All by the protocol, because the page runs nothing.
fn without_script(browser: &Browser, url: &str, object: &Path) -> Outcome {
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true }))?;
    browser.open(url)?;
    let find = |selector: &str| -> Outcome<Value> {
        let document = browser.devtools("DOM.getDocument", json!({}))?;
        let query = json!({ "nodeId": document["root"]["nodeId"], "selector": selector });
        Ok(browser.devtools("DOM.querySelectorAll", query)?["nodeIds"].clone())
    };
    let input = json!({ "nodeId": find("#object")?[0], "files": [object] });
    browser.devtools("DOM.setFileInputFiles", input)?;
    browser.devtools("DOM.focus", json!({ "nodeId": find("#upload > button")?[0] }))?;
    let enter = json!({ "type": "keyDown", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r" });
    browser.devtools("Input.dispatchKeyEvent", enter)?;
    let start = Instant::now();
    let rows = loop {
        let rows = find("#programs tbody tr")?.as_array().map_or(0, Vec::len);
        if rows > 0 || start.elapsed() > PATIENCE {
            break rows;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": false }))?;
    holds("rows of programs without script", rows > 1, rows)?;
    equal("messages on the console", browser.console()?, Vec::<String>::new())
}
