//! The pages of `slugc inspect` and `slugc diff`, opened in a real browser: what is drawn, mouse, keys, search, and that
//! nothing leaves the page.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::slugs::{distribution, noise, shop, write_slug};
use crate::support::TestApp;
use crate::webdriver::{Browser, keys};

/// Makes the page about a slug with many files.
fn report_page(app: &TestApp) -> PathBuf {
    let mut files = shop();
    // Something that could go, and what says why it is there.
    files.push((".heroku/python/lib/python3.12/ensurepip/_bundled/pip.whl".to_owned(), noise(900, 7)));
    files.push(("requirements.txt".to_owned(), b"alpha.beta\n".to_vec()));
    files.extend((0..300).map(|number| (format!("static/many/file-{number:03}.txt"), noise(200, number))));
    let slug = write_slug(&app.out.join("slug.tgz"), &files, "./app");
    let page = app.out.join("report.html");
    app.run(&["inspect", slug.to_str().unwrap(), "--html", page.to_str().unwrap()]).success();
    page
}

fn diff_page(app: &TestApp) -> PathBuf {
    let old = write_slug(&app.out.join("old.tgz"), &shop(), "./app");
    let mut files = shop();
    files.retain(|(path, _)| !path.contains("/gamma"));
    files.extend(distribution("delta", "3.0", "", 900_000));
    let new = write_slug(&app.out.join("new.tgz"), &files, "./app");
    let page = app.out.join("diff.html");
    let ran =
        app.run(&["diff", old.to_str().unwrap(), new.to_str().unwrap(), "--html", page.to_str().unwrap()]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    page
}

const CELLS: &str =
    "return [...document.querySelectorAll('#map > button')].map((cell) => cell.getAttribute('aria-label'))";
const ROWS: &str = "return [...document.querySelectorAll('#panel tbody tr')].map((row) => row.textContent)";
const PLACE: &str =
    "return [...document.querySelectorAll('#crumbs li')].map((crumb) => crumb.textContent).join(' > ')";
const FOCUS: &str = "return document.activeElement.getAttribute('aria-label') ?? document.activeElement.id";

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_cells(browser: &Browser, beginnings: &[&str]) {
    let cells = texts(&browser.script(CELLS));
    assert_eq!(cells.len(), beginnings.len(), "{cells:#?}");
    for (cell, beginning) in cells.iter().zip(beginnings) {
        assert!(cell.starts_with(beginning), "{cell} isn't {beginning}");
    }
}

/// Every cell has an area, all together fill the map, and none lies over another.
fn assert_tiled(browser: &Browser) {
    let tiled = browser.script(
        "const map = document.getElementById('map').getBoundingClientRect();
         const boxes = [...document.querySelectorAll('#map > button')].map((cell) => cell.getBoundingClientRect());
         const area = boxes.reduce((sum, box) => sum + box.width * box.height, 0);
         const over = boxes.some((a, i) => boxes.some((b, j) => i < j && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
           && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1));
         return { full: area / (map.width * map.height), over, thin: boxes.some((box) => box.width <= 0 || box.height <= 0) };",
    );
    let full = tiled["full"].as_f64().unwrap();
    assert!((0.97..1.03).contains(&full), "{tiled}");
    assert_eq!((&tiled["over"], &tiled["thin"]), (&json!(false), &json!(false)), "{tiled}");
}

#[test]
fn the_map_is_walked_by_mouse_and_by_keys() {
    let app = TestApp::new(&[]);
    let page = report_page(&app);
    let Some(browser) = Browser::start() else { return };
    browser.look(1280, 900, "light");
    browser.open(&page);
    assert_eq!(browser.text("return document.querySelector('h1').textContent"), "slug.tgz");
    // By distribution: what takes most comes first.
    assert_cells(
        &browser,
        &[
            "Alpha-Beta, distribution, 19",
            "The app, part, ",
            "Python runtime, part, ",
            "gamma, distribution, 5",
        ],
    );
    assert_tiled(&browser);
    let inner = browser.script("return document.querySelectorAll('#map .inner').length").as_u64().unwrap();
    assert!(inner > 100, "{inner} cells are drawn inside of cells");

    // By mouse: in, and out by the path above the map.
    browser.click("#map > button:first-child");
    assert_eq!(browser.text(PLACE), "slug.tgz > Alpha-Beta");
    let cells = texts(&browser.script(CELLS));
    assert!(cells[0].starts_with("alpha_beta, directory, ") && cells.len() == 2, "{cells:?}");
    browser.click("#crumbs button");
    assert_eq!(browser.text(PLACE), "slug.tgz");
    assert!(browser.text(FOCUS).starts_with("Alpha-Beta, "), "the focus is where it came from");

    // By keys: around, in, deeper, and out again.
    browser.press(&[keys::RIGHT]);
    let right = browser.text(FOCUS);
    assert!(!right.starts_with("Alpha-Beta, "), "{right}");
    browser.press(&[keys::LEFT]);
    assert!(browser.text(FOCUS).starts_with("Alpha-Beta, "));
    browser.press(&[keys::END, keys::HOME, keys::DOWN, keys::UP]);
    assert!(browser.text(FOCUS).starts_with("Alpha-Beta, "));
    browser.press(&[keys::ENTER, keys::ENTER]);
    assert_eq!(browser.text(PLACE), "slug.tgz > Alpha-Beta > alpha_beta");
    assert!(browser.text("return document.getElementById('said').textContent").starts_with("alpha_beta: 19"));
    let hint = browser.text("return document.getElementById('map-hint').textContent");
    assert!(hint.contains("site-packages/alpha_beta") && hint.contains("in the slug"), "{hint}");
    browser.press(&[keys::ESCAPE]);
    assert_eq!(browser.text(PLACE), "slug.tgz > Alpha-Beta");
    browser.press(&[keys::BACKSPACE]);
    assert_eq!(browser.text(PLACE), "slug.tgz");
    assert!(browser.text(FOCUS).starts_with("Alpha-Beta, "));
    browser.press(&[keys::ESCAPE]);
    assert_eq!(browser.text(PLACE), "slug.tgz", "there is nothing above");

    // By directory, and unpacked instead of compressed.
    browser.click("input[value=directory] + span");
    assert_cells(
        &browser,
        &[
            ".heroku/python, directory, ",
            "static, directory, ",
            "work.py, file, ",
            "Procfile, file, ",
            "requirements.txt, file, ",
        ],
    );
    assert_tiled(&browser);
    browser.click("input[value=size] + span");
    assert!(texts(&browser.script(CELLS))[0].contains(", 33"), "{:?}", browser.script(CELLS));
    assert_no_complaints(&browser, &page);
}

#[test]
fn lists_are_searched_and_sorted_and_lead_to_the_map() {
    let app = TestApp::new(&[]);
    let page = report_page(&app);
    let Some(browser) = Browser::start() else { return };
    browser.look(1280, 900, "light");
    browser.open(&page);
    let rows = texts(&browser.script(ROWS));
    assert!(rows.len() == 2 && rows[0].starts_with("Alpha-BetaAll about Alpha-Beta1.2"), "{rows:?}");
    // U13: why they are there, and how much of the limit all takes.
    assert!(rows[0].contains("← requirements.txt"), "{rows:?}");
    assert!(rows[1].contains("← Alpha-Beta ← requirements.txt"), "{rows:?}");
    let facts = browser.text("return document.getElementById('facts').textContent");
    assert!(facts.contains("K of 500M"), "{facts}");
    browser.click("#panel th button");
    assert_eq!(
        browser.text("return document.querySelector('#panel th').getAttribute('aria-sort')"),
        "ascending"
    );
    browser.click("#panel th button");
    assert!(texts(&browser.script(ROWS))[0].starts_with("gamma"));

    // Tabs, by mouse and by keys.
    browser.click("#tab-files");
    assert_eq!(texts(&browser.script(ROWS)).len(), 100);
    assert!(browser.text("return document.querySelector('.below').textContent").starts_with("100 of 3"));
    browser.click(".below button");
    assert!(texts(&browser.script(ROWS)).len() > 300);
    browser.press(&["/"]);
    assert_eq!(browser.text(FOCUS), "search");
    browser.press(&["m", "a", "n", "y", "/", "f", "i", "l", "e", "-", "2", "9", " ", "a", "p", "p"]);
    assert_eq!(texts(&browser.script(ROWS)).len(), 10, "the slash is a letter like others in there");
    // U13: what is found is added up, and marked in the map.
    let said = browser.text("return document.getElementById('said').textContent");
    assert!(said.starts_with("10 rows, ") && said.ends_with("K in the slug"), "{said}");
    let marked = "return [...document.querySelectorAll('#map > button.hit')].map((cell) => cell.getAttribute('aria-label').split(',')[0])";
    assert_eq!(browser.script(marked), json!(["The app"]));
    assert_eq!(browser.text("return document.getElementById('tab-files').textContent"), "Files (10)");
    assert_eq!(
        browser.text("return document.getElementById('tab-distributions').textContent"),
        "Distributions (0)"
    );
    browser.press(&["z"]);
    assert!(texts(&browser.script(ROWS)).is_empty());
    assert_eq!(browser.text("return document.querySelector('.below span').textContent"), "No matches");
    assert_eq!(browser.script(marked), json!([]));
    browser.press(&[keys::ESCAPE]);
    assert_eq!(texts(&browser.script(ROWS)).len(), 100);
    // What is found is shown in the map.
    browser.press(&["l", "o", "g", "o"]);
    assert_eq!(texts(&browser.script(ROWS)).len(), 2);
    browser.click("#panel tbody tr:first-child .link");
    assert!(browser.text(PLACE).starts_with("slug.tgz > static > "), "{}", browser.text(PLACE));
    assert!(browser.text(FOCUS).starts_with("logo.svg, file, 39."), "{}", browser.text(FOCUS));

    browser.script("document.getElementById('tab-files').focus()");
    browser.press(&[keys::RIGHT]);
    assert_eq!(browser.text(FOCUS), "tab-removable");
    let lines = browser.text("return document.getElementById('lines').textContent");
    assert_eq!(lines, "/.heroku/python/lib/python3.*/ensurepip/_bundled/");
    browser.press(&[keys::RIGHT]);
    assert_eq!(browser.text(FOCUS), "tab-duplicates");
    let rows = texts(&browser.script(ROWS));
    assert!(rows.len() == 1 && rows[0].contains("static/two/logo.svg"), "{rows:?}");
    browser.press(&[keys::RIGHT]);
    let details = browser.text("return document.getElementById('panel').textContent");
    assert!(details.contains("SHA256:") && details.contains("python work.py"), "{details}");
    let roles = browser.script(
        "return ['[role=tablist] [role=tab][aria-selected=true]', '[role=tabpanel][aria-labelledby=tab-details]',
                 '[role=status][aria-live=polite]', '#map[role=group][aria-label]', 'nav[aria-label]', 'html[lang=en]', 'main', 'header']
           .filter((selector) => document.querySelectorAll(selector).length !== 1)",
    );
    assert_eq!(roles, json!([]));
    assert_no_complaints(&browser, &page);
}

#[test]
fn a_difference_is_shown_on_a_page_too() {
    let app = TestApp::new(&[]);
    let page = diff_page(&app);
    let Some(browser) = Browser::start() else { return };
    browser.look(1280, 900, "light");
    browser.open(&page);
    let title = browser.text("return document.querySelector('h1').textContent");
    assert!(title.starts_with("new.tgz is ") && title.ends_with("bigger than old.tgz"), "{title}");
    let first = browser.text("return document.querySelector('#parts li').textContent");
    assert!(first.starts_with("+88") && first.contains("delta 3.0, added"), "{first}");
    // U13: a map; what grows points to the right, what shrinks to the left.
    assert_cells(&browser, &["delta, added, +88", "gamma, removed, −5"]);
    assert_tiled(&browser);
    let bars = "return [...document.querySelectorAll('#parts .track > span')].map((bar) => {
        const [own, whole] = [bar.getBoundingClientRect(), bar.parentElement.getBoundingClientRect()];
        const middle = whole.left + whole.width / 2;
        return own.left >= middle - 1 ? 'right' : own.right <= middle + 1 ? 'left' : 'both';
    })";
    assert_eq!(browser.script(bars), json!(["right", "left"]));
    browser.click("#map > button:first-child");
    assert_eq!(browser.text(PLACE), "Changes > delta");
    browser.press(&[keys::ESCAPE]);
    browser.click("#tab-distributions");
    assert_eq!(texts(&browser.script(ROWS)), ["deltaadded—3.0", "gammaremoved2.0—"]);
    browser.click("#tab-files");
    browser.press(&["/", "d", "a", "t", "a", ".", "b", "i", "n"]);
    assert_eq!(texts(&browser.script(ROWS)).len(), 2);
    assert_no_complaints(&browser, &page);
}

#[test]
fn the_pages_look_right_on_wide_and_narrow_screens_by_day_and_by_night() {
    let app = TestApp::new(&[]);
    let pages = [report_page(&app), diff_page(&app)];
    let Some(browser) = Browser::start() else { return };
    for page in pages {
        browser.open(&page);
        let mut pictures = Vec::new();
        for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
            browser.look(width, 900, scheme);
            let wide = browser.script("return document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= u64::from(width), "{} is {wide} wide at {width}", page.display());
            let small = browser.script(
                "return [...document.querySelectorAll('button, input[type=search]')].filter((element) => element.offsetParent && !element.closest('#map')
                   && (element.offsetWidth < 12 || element.offsetHeight < 12)).map((element) => element.textContent)",
            );
            assert_eq!(small, json!([]), "{} at {width}", page.display());
            assert_tiled(&browser);
            // U13: a number is whole, or it isn't there.
            let cut = browser.script(
                "return [...document.querySelectorAll('#map .label i')].filter((size) => size.getBoundingClientRect().right
                   > size.closest('button').getBoundingClientRect().right - 2).map((size) => size.textContent)",
            );
            assert_eq!(cut, json!([]), "{} at {width}", page.display());
            pictures.push(browser.picture());
        }
        keep(&page, &pictures);
        assert_no_complaints(&browser, &page);
        let facts = browser.measure(&pictures);
        for (fact, width) in facts.iter().zip([1280, 1280, 390, 390]) {
            assert_eq!((&fact["width"], &fact["height"]), (&json!(width), &json!(900)), "{fact}");
            assert!(fact["colours"].as_u64().unwrap() > 50, "there is hardly anything: {fact}");
        }
        assert_eq!(facts[0]["corner"], json!([251, 251, 253]), "light");
        assert_eq!(facts[1]["corner"], json!([20, 22, 27]), "dark");
        assert_eq!((&facts[2]["corner"], &facts[3]["corner"]), (&facts[0]["corner"], &facts[1]["corner"]));
    }
}

/// Leaves the pictures where a developer can look at them.
fn keep(page: &Path, pictures: &[String]) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    std::fs::create_dir_all(&dir).unwrap();
    let stem = page.file_stem().unwrap().to_str().unwrap();
    for (number, picture) in pictures.iter().enumerate() {
        std::fs::write(dir.join(format!("{stem}-{number}.png.base64")), picture).unwrap();
    }
}

#[test]
fn nothing_leaves_the_page() {
    let app = TestApp::new(&[]);
    let page = report_page(&app);
    let Some(browser) = Browser::start() else { return };
    browser.open(&page);
    assert_no_complaints(&browser, &page);
    // Not even if something in it tried.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let tried = browser.script(&format!(
        "const image = new Promise((done) => {{ const image = new Image(); image.onerror = () => done('blocked'); image.onload = () => done('loaded'); image.src = '{address}'; }});
         const inline = document.createElement('script');
         inline.textContent = 'document.title = \"run\"';
         document.body.append(inline);
         return Promise.all([fetch('{address}').then(() => 'fetched', () => 'blocked'), image]).then((all) => [...all, document.title]);"
    ));
    assert_eq!(tried, json!(["blocked", "blocked", "slug.tgz: what is in the slug"]));
    assert!(listener.accept().is_err(), "somebody called");
}

/// The console is empty, and the page itself is all that was asked for.
#[track_caller]
fn assert_no_complaints(browser: &Browser, page: &Path) {
    let (console, asked) = browser.logs();
    assert!(console.is_empty(), "{console:#?}");
    let page = format!("file://{}", page.display());
    assert!(asked.iter().all(|url| *url == page || url.starts_with("data:")), "{asked:#?}");
    assert!(asked.contains(&page), "the log has the page: {asked:#?}");
}
