//! Driver: Chromium without a window, driven by chromedriver through the WebDriver protocol.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::shell::{self, Outcome};

/// The programs, with Debian's names.
const CHROMEDRIVER: &str = "chromedriver";
const CHROMIUM: &str = "chromium";

/// How long a condition of [`Browser::wait_for`] may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with one window.
pub(crate) struct Browser {
    runtime: Runtime,
    client: Client,
    _chromedriver: Chromedriver,
}

/// The process, which ends with this value.
struct Chromedriver(Child);

impl Drop for Chromedriver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command of chromedriver's own, below the session's address.
#[derive(Debug)]
struct VendorCommand {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for VendorCommand {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

/// Why no browser can be started here, if so.
pub(crate) fn obstacle() -> Option<String> {
    let missing = [CHROMEDRIVER, CHROMIUM].into_iter().find(|program| !shell::on_path(program))?;
    Some(format!("no {missing} here; install it with \"cargo xtask setup\""))
}

impl Browser {
    /// Starts a browser.
    pub(crate) fn start() -> Outcome<Self> {
        let mut command = Command::new(CHROMEDRIVER);
        let child = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut chromedriver =
            Chromedriver(child.map_err(|error| format!("cannot start {CHROMEDRIVER}: {error}"))?);
        let stdout = chromedriver.0.stdout.take().ok_or("chromedriver has no standard output")?;
        let port = BufReader::new(stdout).lines().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.ok_or("chromedriver does not say on which port it listens")?;

        let mut arguments = vec!["--headless=new", "--disable-gpu", "--window-size=1600,1000"];
        if shell::is_root() {
            arguments.push("--no-sandbox");
        }
        let mut capabilities = Capabilities::new();
        capabilities.insert("goog:chromeOptions".to_owned(), json!({ "args": arguments }));
        let logs = json!({ "browser": "ALL", "performance": "ALL" });
        capabilities.insert("goog:loggingPrefs".to_owned(), logs);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let address = format!("http://127.0.0.1:{port}");
        // Without TLS: chromedriver listens on this machine only.
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = runtime.block_on(builder.capabilities(capabilities).connect(&address))?;
        Ok(Self { runtime, client, _chromedriver: chromedriver })
    }

    /// Opens an address.
    pub(crate) fn open(&self, url: &str) -> Outcome {
        Ok(self.runtime.block_on(self.client.goto(url))?)
    }

    /// Goes back in the history.
    pub(crate) fn back(&self) -> Outcome {
        Ok(self.runtime.block_on(self.client.back())?)
    }

    /// Sets the window's size, whatever the smallest size of a window is.
    pub(crate) fn resize(&self, width: u32, height: u32) -> Outcome {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).map(drop)
    }

    /// The result of a script's expression.
    pub(crate) fn value(&self, expression: &str) -> Outcome<Value> {
        Ok(self.runtime.block_on(self.client.execute(&format!("return {expression};"), Vec::new()))?)
    }

    /// A text that an expression gives.
    pub(crate) fn text(&self, expression: &str) -> Outcome<String> {
        match self.value(expression)? {
            Value::String(text) => Ok(text),
            other => Err(format!("{expression} is {other}").into()),
        }
    }

    /// Clicks on the first element of a CSS selector, as a user does: it must be visible.
    pub(crate) fn click(&self, selector: &str) -> Outcome {
        let clicked =
            self.runtime.block_on(async { self.client.find(Locator::Css(selector)).await?.click().await });
        clicked.map_err(|error| format!("cannot click on {selector}: {error}").into())
    }

    /// Types into the first element of a CSS selector, or chooses a file there.
    pub(crate) fn type_into(&self, selector: &str, text: &str) -> Outcome {
        let typed = self
            .runtime
            .block_on(async { self.client.find(Locator::Css(selector)).await?.send_keys(text).await });
        typed.map_err(|error| format!("cannot type into {selector}: {error}").into())
    }

    /// Presses keys one after the other where the focus is.
    pub(crate) fn press(&self, keys: &[Key]) -> Outcome {
        let text: String = keys.iter().map(|key| char::from(*key)).collect();
        self.type_text(&text)
    }

    /// Types text where the focus is.
    pub(crate) fn type_text(&self, text: &str) -> Outcome {
        Ok(self.runtime.block_on(async { self.client.active_element().await?.send_keys(text).await })?)
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_for(&self, expression: &str) -> Outcome {
        let start = Instant::now();
        while self.value(expression)? != Value::Bool(true) {
            if start.elapsed() > PATIENCE {
                return Err(format!("waited {} s in vain for: {expression}", PATIENCE.as_secs()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Runs a command of the DevTools protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Outcome<Value> {
        self.vendor("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    /// The addresses that were requested since the last call.
    pub(crate) fn requests(&self) -> Outcome<Vec<String>> {
        let log = self.vendor("se/log", json!({ "type": "performance" }))?;
        let mut requests = Vec::new();
        for entry in log.as_array().into_iter().flatten() {
            let message: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default())?;
            if message["message"]["method"] == "Network.requestWillBeSent" {
                let url = &message["message"]["params"]["request"]["url"];
                requests.push(url.as_str().unwrap_or_default().to_owned());
            }
        }
        Ok(requests)
    }

    /// What the console reported since the last call: errors of scripts, violations of the policy, failed requests.
    pub(crate) fn console(&self) -> Outcome<Vec<String>> {
        let log = self.vendor("se/log", json!({ "type": "browser" }))?;
        let message = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        Ok(log.as_array().into_iter().flatten().map(message).collect())
    }

    /// The window's content as PNG.
    pub(crate) fn screenshot(&self) -> Outcome<Vec<u8>> {
        Ok(self.runtime.block_on(self.client.screenshot())?)
    }

    fn vendor(&self, path: &'static str, body: Value) -> Outcome<Value> {
        Ok(self.runtime.block_on(self.client.issue_cmd(VendorCommand { path, body }))?)
    }

    /// Closes the browser. Without this call chromedriver's end closes it.
    pub(crate) fn close(self) -> Outcome {
        Ok(self.runtime.block_on(self.client.clone().close())?)
    }
}
