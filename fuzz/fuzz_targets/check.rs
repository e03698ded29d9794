//! The checks of an app, which read its Python files and its Procfile.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slugc::testing::app::procfile::Procfile;
use slugc::testing::check::facts::{Facts, FileFacts};
use slugc::testing::check::{check, report};

fuzz_target!(|data: &[u8]| {
    let (procfile, code) = slugc_fuzz::two(data);
    let mut facts = Facts { stack: "heroku-24".to_owned(), ..Facts::default() };
    for name in ["app.py", "manage.py", "package/__init__.py", "package/settings.py"] {
        let text = String::from_utf8_lossy(code).into_owned();
        facts.files.insert(name.to_owned(), FileFacts { size: text.len() as u64, ..FileFacts::default() });
        facts.texts.insert(name.to_owned(), text);
    }
    let parsed = Procfile::parse(procfile).ok();
    facts.procfile = parsed.map(|parsed| (parsed, String::from_utf8_lossy(procfile).into_owned()));
    let findings = check(&facts);
    let _ = (report::render_text(&findings, true, 80), report::render_json(&findings, &[], "x"));
    let _ = (report::render_sarif(&findings), report::render_github(&findings));
});
