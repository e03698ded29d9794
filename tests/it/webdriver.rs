//! A real browser, driven over the WebDriver protocol: chromedriver and Chromium, as Debian packages them.
//! <https://www.w3.org/TR/webdriver2/>

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::flask::free_port;
use crate::support::{has_program, skip};

/// The keys that have no letter.
pub(crate) mod keys {
    pub(crate) const BACKSPACE: &str = "\u{e003}";
    pub(crate) const ENTER: &str = "\u{e007}";
    pub(crate) const ESCAPE: &str = "\u{e00c}";
    pub(crate) const END: &str = "\u{e010}";
    pub(crate) const HOME: &str = "\u{e011}";
    pub(crate) const LEFT: &str = "\u{e012}";
    pub(crate) const UP: &str = "\u{e013}";
    pub(crate) const RIGHT: &str = "\u{e014}";
    pub(crate) const DOWN: &str = "\u{e015}";
}

/// A browser. It is closed when it is dropped.
pub(crate) struct Browser {
    driver: Child,
    agent: ureq::Agent,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser; there is none if the programs aren't there, which is said.
    pub(crate) fn start() -> Option<Self> {
        let browser =
            ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| has_program(name));
        let (Some(browser), true) = (browser, has_program("chromedriver")) else {
            skip("there is no chromium with chromedriver here, so the page isn't opened");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        // Whatever it keeps (crash reports, caches) goes with the profile.
        command.env("HOME", profile.path()).env("TMPDIR", profile.path());
        let driver = command.spawn().unwrap();
        let agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().new_agent();
        let base = format!("http://127.0.0.1:{port}");
        let mut browser_path = browser.to_owned();
        for dir in std::env::split_paths(&std::env::var_os("PATH").unwrap()) {
            if dir.join(browser).is_file() {
                browser_path = dir.join(browser).to_str().unwrap().to_owned();
                break;
            }
        }
        let mut started = Self { driver, agent, session: base.clone(), _profile: profile };
        started.wait_until_ready();
        let arguments: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
        ]
        .into_iter()
        .map(str::to_owned)
        .chain([format!("--user-data-dir={}", started._profile.path().join("profile").display())])
        .collect();
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": browser_path, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let session = started.post("/session", &capabilities);
        let id = session["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {session}"));
        started.session = format!("{base}/session/{id}");
        // What the browser's own first page asks for isn't the test's business.
        started.go("about:blank");
        started.logs();
        Some(started)
    }

    fn wait_until_ready(&self) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(30) {
            if self.agent.get(format!("{}/status", self.session)).call().is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("chromedriver doesn't answer");
    }

    #[track_caller]
    fn value(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Value {
        let mut answer = answer.unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let mut value: Value = serde_json::from_str(&text).unwrap();
        assert!(answer.status().is_success(), "{value:#}");
        value["value"].take()
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.agent.post(format!("{}{path}", self.session)).content_type("application/json");
        Self::value(request.send(body.to_string()))
    }

    /// Opens a file.
    #[track_caller]
    pub(crate) fn open(&self, file: &Path) {
        self.go(&format!("file://{}", file.display()));
    }

    #[track_caller]
    fn go(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Runs a script in the page and returns what it returns; a promise is waited for.
    #[track_caller]
    pub(crate) fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs a script that returns a text.
    #[track_caller]
    pub(crate) fn text(&self, script: &str) -> String {
        let value = self.script(script);
        value.as_str().unwrap_or_else(|| panic!("`{script}` gives {value}")).to_owned()
    }

    /// Clicks in the middle of an element, with the mouse.
    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        let element = self.post("/element", &json!({ "using": "css selector", "value": css }));
        let id = element.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.post(&format!("/element/{id}/click"), &json!({}));
    }

    /// Presses keys, one after the other, wherever the focus is.
    #[track_caller]
    pub(crate) fn press(&self, keys: &[&str]) {
        let actions: Vec<Value> = keys
            .iter()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        self.post(
            "/actions",
            &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }),
        );
    }

    #[track_caller]
    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Shows the page as a screen of this width and colour scheme does.
    #[track_caller]
    pub(crate) fn look(&self, width: u32, height: u32, scheme: &str) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &features);
        // Until it has been laid out and drawn again.
        self.script(
            "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))",
        );
    }

    /// Returns the picture of what is seen, as base64 of a PNG file.
    #[track_caller]
    pub(crate) fn picture(&self) -> String {
        let answer = Self::value(self.agent.get(format!("{}/screenshot", self.session)).call());
        answer.as_str().unwrap().to_owned()
    }

    /// Looks at pictures: width, height, the colour of the corner, and how many colours there are. The page is gone
    /// then: its policy would allow no picture.
    #[track_caller]
    pub(crate) fn measure(&self, pictures: &[String]) -> Vec<Value> {
        self.go("about:blank");
        let measure = |picture: &String| {
            self.script(&format!(
                "return new Promise((done, failed) => {{
                    const image = new Image();
                    image.onerror = failed;
                    image.onload = () => {{
                        const canvas = document.createElement('canvas');
                        [canvas.width, canvas.height] = [image.width, image.height];
                        const context = canvas.getContext('2d');
                        context.drawImage(image, 0, 0);
                        const {{ data }} = context.getImageData(0, 0, image.width, image.height);
                        const colours = new Set();
                        for (let at = 0; at < data.length; at += 4) colours.add(data[at] << 16 | data[at + 1] << 8 | data[at + 2]);
                        done({{ width: image.width, height: image.height, corner: [...data.slice(0, 3)], colours: colours.size }});
                    }};
                    image.src = 'data:image/png;base64,{picture}';
                }})"
            ))
        };
        pictures.iter().map(measure).collect()
    }

    /// Returns the messages of the console since the last time, and the addresses that were asked for.
    #[track_caller]
    pub(crate) fn logs(&self) -> (Vec<String>, Vec<String>) {
        let entries = |kind: &str| match self.post("/se/log", &json!({ "type": kind })) {
            Value::Array(entries) => entries,
            other => panic!("{other}"),
        };
        let console = entries("browser").iter().map(|entry| entry["message"].to_string()).collect();
        let asked = entries("performance").into_iter().filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            (message["method"] == "Network.requestWillBeSent")
                .then(|| message["params"]["request"]["url"].as_str().unwrap_or_default().to_owned())
                .filter(|url| url != "about:blank")
        });
        (console, asked.collect())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Closes the browser with all of its processes; the driver has none of its own then.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
