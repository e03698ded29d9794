//! What could go of a slug, and why a distribution is in it: `slugc inspect` on slugs of slugc's and of others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::flask::{free_port, stop, wait_for_page};
use crate::slugs::{distribution, noise, shop, write_slug};
use crate::support::{TestApp, run};

const SERVER: &str = "import http.server, os, picky, shelf\n\n\nclass Handler(http.server.BaseHTTPRequestHandler):\n    \
    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        \
    self.wfile.write((shelf.WHO + ' ' + picky.WHO).encode())\n\n\n\
    http.server.HTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()\n";

/// Two distributions: one with everything that may go, and one that needs all of that.
fn packages() -> Vec<(&'static str, Vec<u8>)> {
    let archive = [b"!<arch>\n".to_vec(), noise(4000, 7)].concat();
    let picky = b"from .tests.names import WHO\nSTUB = 'core.pyi'\nHEADER = open(__file__[:-11] + 'x.h')\n";
    let metadata = |name: &str| format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n").into_bytes();
    vec![
        ("shelf-1.0.dist-info/METADATA", metadata("shelf")),
        ("shelf/__init__.py", b"'''Run tests/test_all.py.'''\nWHO = 'shelf'\n".to_vec()),
        ("shelf/tests/__init__.py", b"".to_vec()),
        ("shelf/tests/test_all.py", text(30_000, 1)),
        ("shelf/inner/tests/data.bin", noise(20_000, 2)),
        ("shelf/docs/index.rst", text(9_000, 3)),
        ("shelf/examples/one.py", text(8_000, 4)),
        ("shelf/core.pyi", text(7_000, 5)),
        ("shelf/include/shelf.h", text(6_000, 6)),
        ("shelf/lib/libshelf.a", archive),
        ("shelf/locale/de/LC_MESSAGES/shelf.po", text(5_000, 8)),
        ("shelf/locale/de/LC_MESSAGES/shelf.mo", noise(500, 9)),
        ("shelf/locale/fr/LC_MESSAGES/shelf.po", text(5_000, 10)),
        ("picky-1.0.dist-info/METADATA", metadata("picky")),
        ("picky/__init__.py", picky.to_vec()),
        ("picky/tests/__init__.py", b"".to_vec()),
        ("picky/tests/names.py", b"WHO = 'picky'\n".to_vec()),
        ("picky/core.pyi", text(3_000, 11)),
        ("picky/x.h", text(3_000, 12)),
    ]
}

/// A text that hardly compresses.
fn text(length: usize, seed: u64) -> Vec<u8> {
    format!("# {}\n", hex::encode(noise(length / 2, seed))).into_bytes()
}

/// An app whose hook copies the packages into site-packages.
fn app() -> TestApp {
    let hook = "#!/bin/sh\nset -e\nsite=$(echo .heroku/python/lib/python3*/site-packages)\ncp -r packages/. $site/\nrm -r packages\n\
                mkdir -p .heroku/python/share/man/man1\necho .TH > .heroku/python/share/man/man1/shelf.1\n\
                for name in shelf picky; do\n(cd $site && find $name $name-1.0.dist-info -type f) | \
                sed 's/$/,,/' > list\nmv list $site/$name-1.0.dist-info/RECORD\ndone\n";
    let app = TestApp::new(&[
        ("requirements.txt", ""),
        ("Procfile", "web: python server.py\n"),
        ("server.py", SERVER),
        ("bin/post_compile", hook),
    ]);
    run(Command::new("chmod").arg("+x").arg(app.dir.join("bin/post_compile"))).success();
    for (name, contents) in packages() {
        let file = app.dir.join("packages").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, contents).unwrap();
    }
    app
}

fn inspect(app: &TestApp, slug: &Path) -> Value {
    let ran = app.run(&["inspect", slug.to_str().unwrap(), "--format", "json", "--top", "0"]).success();
    serde_json::from_str(&ran.stdout).unwrap()
}

fn files(report: &Value) -> BTreeMap<String, u64> {
    let files = report["files"].as_array().unwrap().iter();
    files.map(|file| (file["path"].as_str().unwrap().to_owned(), file["size"].as_u64().unwrap())).collect()
}

fn lines(removable: &Value) -> Vec<String> {
    removable["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

fn could_go(report: &Value) -> Vec<Value> {
    report["could_go"].as_array().unwrap().clone()
}

fn kinds(report: &Value) -> BTreeSet<String> {
    could_go(report).iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect()
}

fn sum(all: &[Value], field: &str) -> u64 {
    all.iter().map(|one| one[field].as_u64().unwrap()).sum()
}

// B25: what is said could go does go when its lines are pasted, nothing else does, and the app still answers.
#[test]
fn what_could_go_goes_by_its_lines_and_nothing_else_does() {
    let app = app();
    app.build(&[]).success();
    let before = inspect(&app, &app.slug());
    let found = could_go(&before);
    let there = kinds(&before);
    for kind in [
        "tests",
        "docs",
        "examples",
        "stubs",
        "headers",
        "static-libraries",
        "translation-sources",
        "manual-pages",
        "ensurepip",
    ] {
        assert!(there.contains(kind), "{kind}: {there:?}");
    }
    let sizes: Vec<u64> = found.iter().map(|one| one["compressed"].as_u64().unwrap()).collect();
    assert!(sizes.is_sorted_by(|one, next| one >= next), "{sizes:?}");
    let all: Vec<String> = found.iter().flat_map(lines).collect();
    assert!(!all.iter().any(|line| line.contains("picky")), "{all:#?}");

    // Kind by kind, and all of them.
    let whole = json!({ "kind": "all", "lines": all, "files": sum(&found, "files"), "size": sum(&found, "size"),
        "compressed": sum(&found, "compressed") });
    let old_files = files(&before);
    for one in found.iter().chain([&whole]) {
        let pasted = lines(one).join("\n") + "\n";
        fs::write(app.dir.join(".slugignore.post"), &pasted).unwrap();
        let built = app.build(&[]).success();
        assert!(!built.stderr.contains("matches nothing"), "{pasted}{}", built.stderr);
        let after = inspect(&app, &app.slug());
        let new_files = files(&after);
        let gone = old_files.iter().filter(|(path, _)| !new_files.contains_key(*path));
        let gone: Vec<u64> = gone.map(|(_, size)| *size).collect();
        for kept in
            ["picky/tests/names.py", "picky/core.pyi", "picky/x.h", "fr/LC_MESSAGES/shelf.po", "shelf.mo"]
        {
            assert!(new_files.keys().any(|path| path.ends_with(kept)), "{kept} is gone by {pasted}");
        }
        // Links count as files do.
        let links = |report: &Value| report["slug"]["links"].as_u64().unwrap();
        let gone_links = links(&before) - links(&after);
        assert_eq!(gone.len() as u64 + gone_links, one["files"].as_u64().unwrap(), "{one:#}");
        assert_eq!(gone.iter().sum::<u64>(), one["size"].as_u64().unwrap(), "{one:#}");
        let size = |report: &Value| report["slug"]["size"].as_i64().unwrap();
        let (saved, said) = (size(&before) - size(&after), one["compressed"].as_i64().unwrap());
        assert!((saved - said).abs() < said / 20 + 2000, "{saved} instead of {said}: {one:#}");
    }
    let after = inspect(&app, &app.slug());
    assert_eq!(after["could_go"], json!([]), "nothing is left to go");

    let port = free_port();
    let slug = app.slug();
    let arguments = ["run", slug.to_str().unwrap(), "web", "--port", &port.to_string()];
    let mut child = app.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let page = wait_for_page(port, &mut child);
    assert!(page.ends_with("shelf picky"), "{page}");
    stop(child);
}

const SITE: &str = ".heroku/python/lib/python3.12/site-packages";

/// A slug with a distribution `pack` that has all that may go, and pip beside it; with these files besides.
fn slug_with(app: &TestApp, more: &[(&str, &str)]) -> Value {
    let mut all = shop();
    all.extend(distribution("pip", "26.0", "", 5_000));
    all.extend(distribution("pack", "1.0", "", 10));
    for file in ["tests/test_x.py", "core.pyi", "x.h", "x.po", "x.mo", "deep/tests/y.py"] {
        all.push((format!("{SITE}/pack/{file}"), text(400, file.len() as u64)));
    }
    let inside = format!("{SITE}/pack/");
    let list = all.iter().filter_map(|(path, _)| path.strip_prefix(&inside));
    let list: String = list.map(|path| format!("pack/{path},,\n")).collect();
    all.push((format!("{SITE}/pack-1.0.dist-info/RECORD"), list.into_bytes()));
    all.push((SITE.replace("site-packages", "ensurepip/_bundled/pip-26.0-py3-none-any.whl"), noise(900, 5)));
    all.push(("static/a.ipynb".to_owned(), text(500, 6)));
    all.push(("node_modules/x/index.js".to_owned(), text(500, 7)));
    all.push((".git/HEAD".to_owned(), b"ref: refs/heads/main\n".to_vec()));
    for (name, contents) in more {
        let name = name.replace("SITE", SITE);
        all.retain(|(path, _)| *path != name);
        all.push((name, contents.as_bytes().to_vec()));
    }
    inspect(app, &write_slug(&app.out.join("slug.tgz"), &all, "./app"))
}

// B25: what something may need isn't said.
#[test]
fn what_something_could_need_is_not_said_to_go() {
    let app = TestApp::new(&[]);
    let all = kinds(&slug_with(&app, &[]));
    let expected = [
        "ensurepip",
        "git",
        "headers",
        "node-modules",
        "notebooks",
        "pip",
        "stubs",
        "tests",
        "translation-sources",
    ];
    assert_eq!(all.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    for (file, contents, needed) in [
        ("work.py", "import pack.tests.test_x\nimport pack.deep.tests\n", &["tests"][..]),
        ("SITE/pack/more.py", "from . import tests\n", &["tests"]),
        ("SITE/pack/more.py", "p = join(dirname(__file__), 'tests', 'data')\n", &["tests"]),
        ("SITE/pack/more.py", "import_module(f'{name}.tests')\n", &["tests"]),
        // Without the whole of the code, nothing is certain.
        ("SITE/pack/more.pyc", "x", &expected),
        ("SITE/gamma/run.py", "import subprocess\nsubprocess.run([exe, '-m', 'pip', 'install'])\n", &["pip"]),
        ("Procfile", "web: pip install x && python app.py\n", &["pip"]),
        ("start.sh", "#!/bin/sh\npip install x\n", &["pip"]),
        (
            "SITE/gamma-2.0.dist-info/METADATA",
            "Name: gamma\nVersion: 2.0\nRequires-Dist: pip>=20\n",
            &["pip"],
        ),
        ("work.py", "import venv\n", &["ensurepip"]),
        ("Procfile", "web: python -m venv x\n", &["ensurepip"]),
        ("SITE/pack/more.py", "__getattr__, *_ = lazy.attach_stub(__name__, __file__)\n", &["stubs"]),
        ("SITE/mypy-1.0.dist-info/METADATA", "Name: mypy\nVersion: 1.0\n", &["stubs"]),
        ("work.py", "ffi.cdef(open('pack/x.h').read())\n", &["headers"]),
        (".apt/usr/bin/x86_64-linux-gnu-gcc-13", "ELF", &["headers"]),
        ("SITE/torch-2.0.dist-info/METADATA", "Name: torch\nVersion: 2.0\n", &["headers"]),
        ("work.py", "catalogue = polib.pofile('x')\n", &["translation-sources"]),
        ("SITE/polib.py", "if name.endswith('.po'):\n    pass\n", &["translation-sources"]),
        ("work.py", "show('a.ipynb')\n", &["notebooks"]),
        ("Procfile", "web: voila static/a.ipynb\n", &["notebooks"]),
        ("settings.py", "STATICFILES_DIRS = ['node_modules']\n", &["node-modules"]),
        ("index.html", "<script src='/node_modules/x/index.js'></script>", &["node-modules"]),
        ("Procfile", "web: node server.js\n", &["node-modules"]),
        ("version.py", "subprocess.run(['git', 'rev-parse', 'HEAD'])\n", &["git"]),
        ("SITE/gamma/release.py", "open('.git/HEAD')\n", &["git"]),
    ] {
        let left = kinds(&slug_with(&app, &[(file, contents)]));
        let gone: Vec<&str> = all.difference(&left).map(String::as_str).collect();
        assert_eq!(gone, needed, "{file}: {contents:?}");
    }
}

// B25: services that something may talk to stay, and all of them if it can't be told which.
#[test]
fn data_of_services_goes_only_if_it_is_clear_which_are_used() {
    let app = TestApp::new(&[]);
    let kept = |code: &str| {
        let mut all = shop();
        all.extend(distribution("botocore", "1.0", "", 10));
        all.extend(distribution("boto3", "1.0", "Requires-Dist: botocore\n", 10));
        for service in ["ec2", "s3", "sqs", "sso", "sts"] {
            let file = format!("{SITE}/botocore/data/{service}/2020-01-01/service-2.json");
            all.push((file, noise(3_000, service.len() as u64)));
        }
        all.push((format!("{SITE}/botocore/data/endpoints.json"), noise(3_000, 99)));
        let session = b"def client(self, name):\n    return self.create_client(name)\n";
        all.push((format!("{SITE}/boto3/session.py"), session.to_vec()));
        all.push(("aws.py".to_owned(), code.as_bytes().to_vec()));
        let report = inspect(&app, &write_slug(&app.out.join("slug.tgz"), &all, "./app"));
        let found = could_go(&report).into_iter().find(|one| one["kind"] == "service-data")?;
        let kept = lines(&found).into_iter().filter(|line| line.starts_with('!'));
        let names = kept.map(|line| line.trim_end_matches('/').rsplit('/').next().unwrap().to_owned());
        Some(names.collect::<Vec<_>>().join(" "))
    };
    for (code, expected) in [
        ("import boto3\nboto3.client('s3')\n", Some("s3 sso sts")),
        (
            "import boto3\nboto3.resource(\"sqs\")\nboto3.client(service_name='ec2')\n",
            Some("ec2 sqs sso sts"),
        ),
        ("import boto3\nboto3.client(NAME)\n", None),
        ("import boto3\nboto3.client('s3')\nfor name in names:\n    session.client(name)\n", None),
        ("import boto3\nboto3.client('unheard-of')\n", None),
        ("import boto3\nboto3.client(**settings)\n", None),
        ("import boto3\n", None),
        ("print('hello')\n", None),
    ] {
        assert_eq!(kept(code).as_deref(), expected, "{code}");
    }
}

// B25: why a distribution is there, for each way to say what the app asks for.
#[test]
fn a_distribution_says_why_it_is_there() {
    let app = TestApp::new(&[]);
    let mut all = shop();
    all.retain(|(path, _)| !path.contains("/alpha_beta") && !path.contains("/gamma"));
    let web = "Requires-Dist: core>=1\nRequires-Dist: loop-a\nRequires-Dist: fast ; extra == 'speed'\n\
               Requires-Dist: never ; sys_platform == 'win32'\nProvides-Extra: speed\n";
    for (name, headers) in [
        ("Web", web),
        ("core", "Requires-Dist: deep\n"),
        ("deep", ""),
        ("fast", ""),
        ("never", ""),
        ("loop-a", "Requires-Dist: loop-b\n"),
        ("loop-b", "Requires-Dist: loop-a\n"),
    ] {
        all.extend(distribution(name, "1.0", headers, 10));
    }
    let slug = app.out.join("slug.tgz");
    let ask = |files: &[(&str, &str)], name: &str| {
        let mut all = all.clone();
        all.extend(files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())));
        write_slug(&slug, &all, "./app");
        let told = app.run(&["inspect", slug.to_str().unwrap(), "--why", name]).success().stdout;
        told.lines().skip(1).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let pip = &[
        (
            "requirements.txt",
            "-r more/requirements.txt\nweb[speed]==1.0 ; python_version > '3'\nnever ; sys_platform == 'win32'\n",
        ),
        ("more/requirements.txt", "deep\n"),
    ][..];
    let project = "[project]\nname = 'shop'\nversion = '1'\ndependencies = ['web']\n";
    let poetry = "[tool.poetry]\n[tool.poetry.dependencies]\nweb = {version = '*', extras = ['speed']}\n";
    let pylock = "[[packages]]\nname = 'web'\n[[packages]]\nname = 'core'\n";
    let nobody = "No file of the app and no other distribution in the slug asks for it.";
    for (files, name, expected) in [
        (pip, "WEB", &["Web ← requirements.txt"][..]),
        (pip, "core", &["core ← Web ← requirements.txt"]),
        (pip, "deep", &["deep ← more/requirements.txt", "deep ← core ← Web ← requirements.txt"]),
        (pip, "fast", &["fast ← Web[speed] ← requirements.txt"]),
        (pip, "never", &[nobody]),
        (pip, "loop_b", &["loop-b ← loop-a ← Web ← requirements.txt"]),
        (pip, "loop.a", &["loop-a ← Web ← requirements.txt"]),
        (&[("pyproject.toml", project), ("uv.lock", "")], "deep", &["deep ← core ← Web ← pyproject.toml"]),
        (&[("pyproject.toml", project), ("pdm.lock", "")], "core", &["core ← Web ← pyproject.toml"]),
        (&[("pyproject.toml", project)], "core", &["core ← Web ← pyproject.toml"]),
        (&[("pyproject.toml", poetry), ("poetry.lock", "")], "fast", &["fast ← Web[speed] ← pyproject.toml"]),
        (
            &[("Pipfile", "[packages]\nweb = '*'\n"), ("Pipfile.lock", "{}")],
            "core",
            &["core ← Web ← Pipfile"],
        ),
        (&[("pylock.toml", pylock)], "core", &["core ← Web ← pylock.toml"]),
        (&[], "core", &["core ← Web"]),
    ] {
        assert_eq!(ask(files, name), expected, "{name}: {files:?}");
    }
    let why = |args: &[&str]| app.run(&[&["inspect", slug.to_str().unwrap(), "--why"], args].concat());
    let ran = why(&["loopa"]).failure("inspect::no-such-distribution");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("Is loop-a meant?"), "{}", ran.stderr);
    let told: Value = serde_json::from_str(&why(&["core", "--format", "json"]).success().stdout).unwrap();
    assert_eq!(told[0]["ways"], json!([["core", "Web"]]));
    let markdown = why(&["core", "--format", "markdown"]).success().stdout;
    assert_eq!(markdown, "# core 1.0\n\n- core ← Web\n");
}
