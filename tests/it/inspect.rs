//! `slugc inspect`, `slugc diff` and `slugc sbom` on slugs of other tools and of slugc.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::slugs::{distribution, noise, shop, write_slug};
use crate::support::{Run, TestApp, flowing, run, skip};

/// The program, without an app.
struct Bench(TestApp);

impl Bench {
    fn new() -> Self {
        Self(TestApp::new(&[]))
    }

    fn slug(&self, name: &str, files: &[(String, Vec<u8>)]) -> PathBuf {
        write_slug(&self.0.out.join(name), files, "./app")
    }

    fn run(&self, command: &str, files: &[&Path], args: &[&str]) -> Run {
        let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
        self.0.run(&[&[command], &files[..], args].concat())
    }

    fn json(&self, command: &str, files: &[&Path]) -> Value {
        serde_json::from_str(&self.run(command, files, &["--json", "--top", "0"]).stdout).unwrap()
    }
}

fn names(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_slug_says_what_is_in_it() {
    let bench = Bench::new();
    let slug = bench.slug("slug.tgz", &shop());
    let text = bench.run("inspect", &[&slug], &[]).success().stdout;
    for expected in [
        "Slug             slug.tgz\n",
        "Python           3.12.4 (by Python's own patchlevel.h)\n",
        "  web            gunicorn shop\n  worker         python work.py\n",
        "\nDistributions (2)\n",
        "Alpha-Beta 1.2\n",
        "gamma 2.0\n",
        "\nDuplicate files (1 set, wasting 39.",
        "static/two/logo.svg\n",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let biggest = text.split("\nFiles (").nth(1).unwrap().lines().nth(2).unwrap();
    assert!(biggest.ends_with("site-packages/alpha_beta/data.bin") && biggest.contains(" 195."), "{biggest}");
    let one = bench.run("inspect", &[&slug], &["--top", "1"]).success().stdout;
    assert!(
        one.contains("Alpha-Beta 1.2") && !one.contains("gamma 2.0") && one.contains("and 1 more"),
        "{one}"
    );
}

// U14: what matters stands first and last, in colour where that is wanted; licences that repeat are no line.
#[test]
fn a_report_says_first_and_last_what_matters() {
    let bench = Bench::new();
    let mut files = shop();
    let site = ".heroku/python/lib/python3.12/site-packages";
    for name in ["alpha_beta-1.2", "gamma-2.0"] {
        files.push((format!("{site}/{name}.dist-info/licenses/LICENSE"), noise(9_000, 5)));
    }
    files.push((".heroku/python/lib/python3.12/ensurepip/_bundled/pip.whl".to_owned(), noise(9_000, 7)));
    let slug = bench.slug("slug.tgz", &files);
    let text = bench.run("inspect", &[&slug], &[]).success().stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Slug             slug.tgz");
    assert!(lines[1].starts_with("Size             ") && lines[1].contains("K of 500M, unpacked "), "{text}");
    assert!(
        lines[2].starts_with("Could go         ") && lines[2].ends_with("K (listed at the end)"),
        "{text}"
    );
    let last = lines.last().unwrap();
    assert!(
        last.starts_with("slug.tgz: ") && last.contains(" of 500M; ") && last.ends_with("K could go"),
        "{text}"
    );
    assert!(
        text.contains("\nDuplicate files (2 sets, wasting ") && !text.contains("            .heroku/python"),
        "{text}"
    );
    assert!(text.contains("\n/.heroku/python/lib/python3.*/ensurepip/_bundled/\n"), "{text}");
    assert!(!text.contains('\u{1b}'));
    let coloured = bench.run("inspect", &[&slug], &["--color", "always"]).success().stdout;
    assert!(coloured.contains("\u{1b}[1mLayers\u{1b}[0m\n"), "{coloured}");
    let escapes = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    assert_eq!(escapes.replace_all(&coloured, ""), text, "colours are all that differs");
}

// U08, U14: one way to say the format, for every command; the older one is an alias that isn't shown.
#[test]
fn every_report_has_its_format_said_in_one_way() {
    let bench = Bench::new();
    let old = bench.slug("old.tgz", &shop());
    let mut files = shop();
    files.extend(distribution("delta", "3.0", "", 90_000));
    let new = bench.slug("new|<b>.tgz", &files);
    for (command, slugs) in [("inspect", &[&*old][..]), ("diff", &[&*old, &*new])] {
        let json = bench.run(command, slugs, &["--format", "json"]).stdout;
        serde_json::from_str::<Value>(&json).unwrap();
        assert_eq!(bench.run(command, slugs, &["--json"]).stdout, json, "{command}");
        assert_eq!(
            bench.run(command, slugs, &["--format", "text"]).stdout,
            bench.run(command, slugs, &[]).stdout
        );
        let both = bench.run(command, slugs, &["--json", "--format", "text"]);
        assert_eq!(both.code, Some(2), "{command}");
    }
    for arguments in [&["cache", "info"][..], &["cache", "dir"], &["cache", "verify"], &["version"]] {
        let format = |more: &[&str]| bench.0.run(&[arguments, more].concat()).success().stdout;
        let json = format(&["--format", "json"]);
        serde_json::from_str::<Value>(&json).unwrap();
        assert_eq!(format(&["--json"]), json, "{arguments:?}");
        assert_eq!(format(&["--format", "text"]), format(&[]), "{arguments:?}");
    }
    let help = bench.0.run(&["inspect", "--help"]).success().stdout;
    assert!(help.contains("--format <FORMAT>") && !help.contains("--json"), "{help}");
    let markdown = bench.run("inspect", &[&old], &["--format", "markdown"]).success().stdout;
    assert!(
        markdown.starts_with("# old.tgz: ") && markdown.contains("\n## Distributions (2)\n\n| in slug |"),
        "{markdown}"
    );
    assert!(markdown.contains(" | Alpha-Beta 1.2 |\n"), "{markdown}");
    let markdown = bench.run("diff", &[&old, &new], &["--format", "markdown"]).stdout;
    assert!(markdown.starts_with("# new\\|&lt;b\\>.tgz is "), "{markdown}");
    assert!(markdown.contains(" | delta 3.0, added |\n"), "{markdown}");
}

// U14: a budget for CI.
#[test]
fn a_slug_may_grow_by_so_much_and_no_more() {
    let bench = Bench::new();
    let old = bench.slug("old.tgz", &shop());
    let mut files = shop();
    files.extend(distribution("delta", "3.0", "", 90_000));
    let new = bench.slug("new.tgz", &files);
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    let growth = size(&new) - size(&old);
    for (pair, most, code) in [
        ([&old, &new], "1M".to_owned(), 0),
        ([&old, &new], growth.to_string(), 0),
        ([&old, &new], (growth - 1).to_string(), 1),
        ([&old, &new], "10K".to_owned(), 1),
        ([&old, &new], "0".to_owned(), 1),
        ([&new, &old], "0".to_owned(), 0),
        ([&old, &old], "0".to_owned(), 0),
        ([&old, &new], "much".to_owned(), 2),
    ] {
        let ran = bench.run("diff", &pair.map(|path| &**path), &["--max-growth", &most]);
        assert_eq!(ran.code, Some(code), "{most}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("diff::max-growth"), code == 1, "{most}: {}", ran.stderr);
        assert_eq!(ran.stdout.is_empty(), code == 2, "what made the difference is shown all the same");
    }
    assert_eq!(bench.run("diff", &[&old, &new], &[]).code, Some(1), "without a limit it is that of diff(1)");
}

#[test]
fn the_json_report_has_the_fields_that_scripts_know() {
    let bench = Bench::new();
    let slug = bench.slug("slug.tgz", &shop());
    let report = bench.json("inspect", &[&slug]);
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(
        fields(&report),
        "schema slug python process_types layers distributions directories files duplicates could_go totals manifest"
    );
    assert_eq!(
        fields(&report["slug"]),
        "file size uncompressed_size content_size checksum tar_checksum layout files directories links"
    );
    assert_eq!(
        fields(&report["distributions"][0]),
        "name version size compressed files licences summary location ways"
    );
    assert_eq!(report["schema"], 1);
    let sum = run(Command::new("sha256sum").arg(&slug)).success().stdout;
    assert_eq!(report["slug"]["checksum"], format!("SHA256:{}", &sum[..64]));
    let tar =
        run(Command::new("sh").arg("-c").arg(format!("gzip -dc {} | sha256sum", slug.display()))).success();
    assert_eq!(report["slug"]["tar_checksum"], format!("SHA256:{}", &tar.stdout[..64]));
    // Everything is somebody's, and together it is the slug.
    let sum = |list: &Value| {
        list.as_array().unwrap().iter().map(|row| row["compressed"].as_u64().unwrap()).sum::<u64>()
    };
    let (layers, size) = (sum(&report["layers"]), report["slug"]["size"].as_u64().unwrap());
    assert!(layers <= size && size - layers < 500, "{layers} of {size}");
    assert_eq!(names(&report["layers"], "name"), ["runtime", "dependencies", "app"]);
    let dependencies = report["layers"][1]["compressed"].as_u64().unwrap();
    assert_eq!(sum(&report["distributions"]), dependencies);
    assert_eq!(report["distributions"][0]["files"], 5, "with the bytecode that RECORD doesn't list");
    assert_eq!(report["distributions"][0]["licences"], serde_json::json!(["MIT"]));
}

#[test]
fn slugs_of_other_tools_are_read_alike() {
    let bench = Bench::new();
    let reports = ["./app", "app", "."].map(|top| {
        let slug = write_slug(&bench.0.out.join("slug.tgz"), &shop(), top);
        let report = bench.json("inspect", &[&slug]);
        assert_eq!(report["slug"]["layout"], if top == "." { "flat" } else { "app" }, "{top}");
        let versions = names(&report["distributions"], "version");
        (
            names(&report["files"], "path").len(),
            versions,
            report["python"]["version"].clone(),
            report["process_types"].clone(),
        )
    });
    assert_eq!(reports[0].1, ["1.2", "2.0"]);
    assert_eq!(reports[0], reports[1]);
    assert_eq!(reports[0], reports[2]);
}

#[test]
fn the_manifest_counts_if_it_is_about_this_slug() {
    let app = TestApp::new(&[("requirements.txt", ""), ("Procfile", "web: python app.py\n"), ("app.py", "")]);
    app.build(&[]).success();
    let slug = app.slug();
    let shown = app.run(&["inspect", slug.to_str().unwrap()]).success();
    assert!(
        shown.stdout.contains(" (by the manifest)\n") && shown.stderr.is_empty(),
        "{}{}",
        shown.stdout,
        shown.stderr
    );
    let other = app.out.join("other.tgz");
    write_slug(&other, &shop(), "./app");
    fs::copy(app.out.join("slug.tgz.json"), app.out.join("other.tgz.json")).unwrap();
    let shown = app.run(&["inspect", other.to_str().unwrap()]).success();
    assert!(flowing(&shown.stderr).contains("other.tgz.json is about another slug"), "{}", shown.stderr);
    assert!(shown.stdout.contains("  worker         python work.py\n"), "{}", shown.stdout);
    fs::write(app.out.join("other.tgz.json"), "[]").unwrap();
    let shown = app.run(&["inspect", other.to_str().unwrap()]).success();
    assert!(
        flowing(&shown.stderr).contains("other.tgz.json isn't the manifest of a slug."),
        "{}",
        shown.stderr
    );
}

// Y03
#[test]
fn what_is_no_slug_gets_an_answer_and_leaves_nothing_behind() {
    let bench = Bench::new();
    let slug = bench.slug("slug.tgz", &shop());
    let bytes = fs::read(&slug).unwrap();
    let page = bench.0.out.join("page.html");
    let bad = |name: &str, contents: &[u8]| {
        let path = bench.0.out.join(name);
        fs::write(&path, contents).unwrap();
        path
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"hello").unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 0x55;
    for (file, id, words) in [
        (bad("cut.tgz", &bytes[..bytes.len() / 2]), "slug::invalid", "is cut off"),
        (bad("damaged.tgz", &damaged), "slug::invalid", "damaged"),
        (bad("empty.tgz", b""), "slug::not-a-slug", "The file is empty."),
        (bad("text.tgz", b"hello"), "slug::not-a-slug", "isn't compressed by gzip"),
        (bad("archive.tgz", b"PK\x03\x04"), "slug::not-a-slug", "it looks like a zip file"),
        (bad("text.gz.tgz", &gzip.finish().unwrap()), "slug::not-a-slug", "there is no tar file in it"),
        (bench.0.out.join("missing.tgz"), "slug::not-a-slug", "No such file"),
        (bench.0.out.clone(), "slug::not-a-slug", "slugc build "),
        ("/dev/null".into(), "slug::not-a-slug", "isn't a regular file"),
    ] {
        let code = if id == "slug::invalid" { 1 } else { 2 };
        let check = |ran: Run, code: i32| {
            let words: Vec<&str> = words.split(' ').collect();
            let told: Vec<&str> = ran.stderr.split_whitespace().filter(|word| *word != "!").collect();
            assert!(
                told.windows(words.len()).any(|window| window.join(" ").contains(&words.join(" "))),
                "{words:?}: {}",
                ran.stderr
            );
            assert_eq!(ran.code, Some(code), "{}: {}", file.display(), ran.stderr);
            assert!(ran.stdout.is_empty() && !page.exists(), "{}", file.display());
        };
        for command in ["inspect", "sbom"] {
            let output = if command == "sbom" { "--output" } else { "--html" };
            check(bench.run(command, &[&file], &[output, page.to_str().unwrap()]).failure(id), code);
        }
        check(bench.run("run", &[&file], &[]).failure(id), code);
        for pair in [[&*slug, &*file], [&*file, &*slug]] {
            check(bench.run("diff", &pair, &[]).failure(id), 2);
        }
    }
    for place in ["gone/page.html", "."] {
        let place = bench.0.out.join(place);
        bench.run("inspect", &[&slug], &["--html", place.to_str().unwrap()]).failure("file-system::failed");
    }
    let bytes = fs::read(&slug).unwrap();
    bench.run("inspect", &[&slug], &["--html", slug.to_str().unwrap()]).failure("file-system::failed");
    bench.run("diff", &[&slug, &slug], &["--html", slug.to_str().unwrap()]).failure("file-system::failed");
    assert!(fs::read(&slug).unwrap() == bytes, "a page took the slug's place");
    let ran = bench.run("diff", &[&slug, &slug], &["--html", "/dev/null"]).failure("file-system::failed");
    assert_eq!(ran.code, Some(2));
    assert!(bench.0.left_in_out().iter().all(|name| name.ends_with(".tgz")), "{:?}", bench.0.left_in_out());
}

#[test]
fn the_same_slugs_are_said_to_be_the_same() {
    let bench = Bench::new();
    let slug = bench.slug("slug.tgz", &shop());
    let same = bench.run("diff", &[&slug, &slug], &[]).success();
    assert_eq!(same.stdout, "slug.tgz and slug.tgz are the same, byte for byte.\n");
    let again = bench.0.out.join("again.tgz");
    let script = format!("gzip -dc {} | gzip -1 > {}", slug.display(), again.display());
    run(Command::new("sh").arg("-c").arg(script)).success();
    let same = bench.run("diff", &[&slug, &again], &[]).success();
    assert!(
        same.stdout.starts_with(
            "slug.tgz and again.tgz hold the same tar file, byte for byte; only its compression differs"
        ),
        "{}",
        same.stdout
    );
    assert_eq!(bench.json("diff", &[&slug, &again])["verdict"], "same_tar");
    // Other times: not the same bytes, but the same files.
    let flat = write_slug(&bench.0.out.join("flat.tgz"), &shop(), ".");
    let other = bench.run("diff", &[&slug, &flat], &[]);
    assert_eq!(other.code, Some(1));
    assert!(other.stdout.starts_with("slug.tgz and flat.tgz hold the same files."), "{}", other.stdout);
}

#[test]
fn a_difference_says_first_what_made_it() {
    let bench = Bench::new();
    let old = bench.slug("old.tgz", &shop());
    let mut files: BTreeMap<String, Vec<u8>> = shop().into_iter().collect();
    files.retain(|path, _| !path.contains("/gamma") && path != "work.py");
    files.extend(distribution("delta", "3.0", "", 900_000));
    files.retain(|path, _| !path.contains("/alpha_beta"));
    files.extend(distribution("Alpha-Beta", "1.10", "", 400_000));
    files.insert("Procfile".into(), b"web: gunicorn --threads 4 shop\n".to_vec());
    files.insert("static/one/logo.svg".into(), noise(21_000, 9));
    let new = bench.slug("new.tgz", &files.into_iter().collect::<Vec<_>>());
    let ran = bench.run("diff", &[&old, &new], &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("new.tgz is 1006.7K bigger than old.tgz: "), "{}", ran.stdout);
    assert_eq!(lines[2], "What made the difference");
    assert!(
        lines[4].trim_start().starts_with("+88") && lines[4].ends_with("  delta 3.0, added"),
        "{}",
        ran.stdout
    );
    assert!(lines[5].contains("+19") && lines[5].ends_with("  Alpha-Beta 1.2 -> 1.10"), "{}", ran.stdout);
    assert!(lines[6].contains("-5") && lines[6].ends_with("  gamma 2.0, removed"), "{}", ran.stdout);
    for expected in [
        "  ~ web            gunicorn shop -> gunicorn --threads 4 shop\n",
        "  - worker         python work.py\n",
        "  + delta                        3.0\n",
        "  ~ Alpha-Beta                   1.2 -> 1.10\n",
        "  ~ static/one/logo.svg\n",
    ] {
        assert!(ran.stdout.contains(expected), "{expected}\n{}", ran.stdout);
    }
    let difference = bench.json("diff", &[&old, &new]);
    assert_eq!(difference["verdict"], "different");
    let changes = names(&difference["distributions"], "change");
    assert_eq!(changes, ["upgraded", "added", "removed"], "1.10 is later than 1.2");
    let back = bench.json("diff", &[&new, &old]);
    assert_eq!(names(&back["distributions"], "change"), ["downgraded", "removed", "added"]);
}

#[test]
fn names_of_strangers_obey_no_terminal() {
    let bench = Bench::new();
    let mut files = shop();
    files.push(("evil\u{1b}[31m<script>alert(1)</script>".into(), noise(500_000, 3)));
    let slug = bench.slug("slug.tgz", &files);
    let page = bench.0.out.join("page.html");
    let ran = bench.run("inspect", &[&slug], &["--html", page.to_str().unwrap()]).success();
    assert!(
        ran.stdout.contains("evil\\u{1b}[31m<script>") && !ran.stdout.contains('\u{1b}'),
        "{}",
        ran.stdout
    );
    let page = fs::read_to_string(page).unwrap();
    assert!(!page.contains("<script>alert") && page.contains("\\u003cscript>alert(1)"));
}

/// An app whose hook installs a distribution.
fn app_with_a_distribution() -> TestApp {
    let hook = "#!/bin/sh\nset -e\ncd .heroku/python/lib/python3*/site-packages\nmkdir made made-1.5.dist-info\n\
                printf 'Name: made\\nVersion: 1.5\\nLicense-Expression: 0BSD\\n\\n' > made-1.5.dist-info/METADATA\n\
                printf 'made/x.txt,,\\n' > made-1.5.dist-info/RECORD\necho x > made/x.txt\n";
    let app = TestApp::new(&[("requirements.txt", ""), ("app.py", ""), ("bin/post_compile", hook)]);
    run(Command::new("chmod").arg("+x").arg(app.dir.join("bin/post_compile"))).success();
    app
}

fn file_in(slug: &Path, name: &str) -> String {
    run(Command::new("tar").arg("xzOf").arg(slug).arg(format!("./app/{name}"))).success().stdout
}

#[test]
fn every_slug_has_its_list_of_components() {
    let mut app = app_with_a_distribution();
    let store = app.out.parent().unwrap().join("store");
    app.set("SLUGC_CACHE_DIR", store.clone());
    let first = app.build(&["--format", "json"]).success().event("finished");
    let slug = app.slug();
    let written = file_in(&slug, ".heroku/sbom.cdx.json");
    let bom: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(names(&bom["components"], "name"), ["python", "made"]);
    assert_eq!(bom["components"][1]["purl"], "pkg:pypi/made@1.5");
    assert_eq!(bom["components"][1]["licenses"][0]["license"]["id"], "0BSD");
    let path = slug.to_str().unwrap().to_owned();
    assert_eq!(app.run(&["sbom", &path]).success().stdout, written);
    assert_eq!(
        app.run(&["sbom", &path, "--recompute"]).success().stdout,
        written,
        "the slug's contents give the same"
    );
    app.run(&["sbom", &path, "-o", "list.json"]).success();
    assert_eq!(fs::read_to_string(app.out.join("list.json")).unwrap(), written);

    // A build without changes reads no metadata: it doesn't even notice that it is damaged.
    let find = run(Command::new("find").arg(&store).args(["-path", "*made-1.5.dist-info/METADATA"])).stdout;
    fs::write(find.trim(), "Name: other\nVersion: 6\n").unwrap();
    let again = app.build(&["--format", "json"]).success().event("finished");
    assert_eq!(again["sha256"], first["sha256"]);
    for counter in ["processes", "downloads", "segments_compressed", "layers_built"] {
        assert_eq!(again["counters"][counter], 0, "{counter}: {again}");
    }
    // One that must read it does notice, and makes the layer anew.
    fs::remove_dir_all(store.join("v1/documents/sbom")).unwrap();
    let repaired = app.build(&["--format", "json"]).success().event("finished");
    assert_eq!(repaired["sha256"], first["sha256"]);
    assert_eq!(repaired["counters"]["layers_built"], 1, "{repaired}");
}

#[test]
fn what_is_left_out_of_the_slug_is_not_in_its_list() {
    let app = app_with_a_distribution();
    fs::write(
        app.dir.join(".slugignore.post"),
        ".heroku/python/lib/python*/site-packages/made-*.dist-info\n",
    )
    .unwrap();
    app.build(&[]).success();
    let bom: Value = serde_json::from_str(&file_in(&app.slug(), ".heroku/sbom.cdx.json")).unwrap();
    assert_eq!(names(&bom["components"], "name"), ["python"]);
}

#[test]
fn the_classic_buildpack_writes_the_same_list() {
    let app = app_with_a_distribution();
    app.build(&[]).success();
    let listed = file_in(&app.slug(), ".heroku/sbom.cdx.json");
    let (dir, cache) = (app.dir.to_str().unwrap().to_owned(), app.out.join("cache"));
    fs::create_dir(&cache).unwrap();
    app.run(&["classic", "compile", &dir, cache.to_str().unwrap()]).success();
    assert_eq!(fs::read_to_string(app.dir.join(".heroku/sbom.cdx.json")).unwrap(), listed);
}

/// Distributions with every oddity that a validator could mind.
fn odd() -> Vec<(String, Vec<u8>)> {
    let mut files = shop();
    let odd = "Home-page: https://u:p@example.org/a b\nProject-URL: Source, https://example.org/%zz\n\
               Project-URL: Docs, https://example.org/docs\nLicense: a \"strange\" <licence>\nRequires-Dist: nothing ; broken\n";
    files.extend(distribution("Odd_Name.x", "1!2.0+local", odd, 10));
    files.extend(distribution("loop-a", "1", "Requires-Dist: loop-b\n", 10));
    files.extend(distribution(
        "loop-b",
        "1",
        "Requires-Dist: loop-a[x]\nLicense-Expression: MIT OR Apache-2.0\n",
        10,
    ));
    let site = ".heroku/python/lib/python3.12/site-packages";
    let mut add = |path: &str, text: &str| files.push((format!("{site}/{path}"), text.as_bytes().to_vec()));
    add(
        "gamma-2.0.dist-info/sboms/auditwheel.cdx.json",
        r#"{"bomFormat":"CycloneDX","specVersion":"1.4","components":[{"type":"library","name":"libssl","version":"3","purl":"pkg:deb/debian/openssl@3",
            "hashes":[{"alg":"SHA-256","content":"zz"},{"alg":"MD9","content":"00"}],"licenses":[{"nonsense":1}],"bom-ref":"app",
            "components":[{"type":"strange","name":"x"},{"type":"file","name":"libssl.so","hashes":[{"alg":"MD5","content":"d41d8cd98f00b204e9800998ecf8427e"}]}]}]}"#,
    );
    add("gamma-2.0.dist-info/sboms/with space.spdx.json", r#"{"spdxVersion":"SPDX-2.3"}"#);
    add("gamma-2.0.dist-info/sboms/broken.cdx.json", "{");
    add(
        "loop_a-1.dist-info/direct_url.json",
        r#"{"url":"https://user:secret@example.org/loop.git","vcs_info":{"vcs":"git","commit_id":"0123abc"}}"#,
    );
    add(
        "loop_b-1.dist-info/direct_url.json",
        r#"{"url":"https://example.org/loop_b-1.whl","archive_info":{"hashes":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}}"#,
    );
    // The same distribution in a second place.
    files.extend(
        shop()
            .into_iter()
            .filter(|(path, _)| path.contains("/gamma"))
            .map(|(path, bytes)| (format!("vendor/{path}"), bytes)),
    );
    files
}

#[test]
fn a_list_of_components_says_what_the_metadata_says() {
    let bench = Bench::new();
    let slug = bench.slug("slug.tgz", &odd());
    let text = bench.run("sbom", &[&slug], &[]).success().stdout;
    assert!(!text.contains("secret"), "{text}");
    let bom: Value = serde_json::from_str(&text).unwrap();
    let component = |name: &str| {
        bom["components"].as_array().unwrap().iter().find(|found| found["name"] == name).unwrap()
    };
    assert_eq!(bom["components"][0]["version"], "3.12.4");
    assert_eq!(component("Odd_Name.x")["purl"], "pkg:pypi/odd-name.x@1%212.0%2Blocal");
    assert_eq!(
        component("Odd_Name.x")["externalReferences"],
        serde_json::json!([{ "type": "documentation", "url": "https://example.org/docs" }])
    );
    assert_eq!(
        component("loop-a")["purl"],
        "pkg:pypi/loop-a@1?vcs_url=git%2Bhttps:%2F%2Fexample.org%2Floop.git%400123abc"
    );
    assert_eq!(component("loop-b")["externalReferences"][0]["hashes"][0]["alg"], "SHA-256");
    assert_eq!(component("loop-b")["licenses"][0]["expression"], "MIT OR Apache-2.0");
    let gamma = component("gamma");
    assert_eq!(
        names(&gamma["externalReferences"], "url").last().unwrap(),
        ".heroku/python/lib/python3.12/site-packages/gamma-2.0.dist-info/sboms/with%20space.spdx.json"
    );
    assert_eq!(names(&gamma["components"], "name").last().unwrap(), "libssl");
    let depends = |reference: &str| {
        let node =
            bom["dependencies"].as_array().unwrap().iter().find(|node| node["ref"] == reference).unwrap();
        node["dependsOn"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(depends("pkg:pypi/alpha-beta@1.2"), 2, "gamma is there twice");
    assert_eq!(depends(component("loop-a")["bom-ref"].as_str().unwrap()), 1);
    assert_eq!(depends("app"), 4, "Python, what nothing requires, and one of the circle");
    let references: Vec<&str> = bom["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["bom-ref"].as_str().unwrap())
        .collect();
    let unique: std::collections::BTreeSet<&str> = references.iter().copied().collect();
    assert_eq!(references.len(), unique.len(), "{references:?}");
    assert_eq!(bench.run("sbom", &[&slug], &[]).stdout, text, "twice the same");
}

/// Makes a virtual environment with the validator of the CycloneDX project.
fn validator(dir: &Path) -> Option<PathBuf> {
    let python = dir.join("venv/bin/python");
    let made = Command::new("python3").args(["-m", "venv"]).arg(dir.join("venv")).output();
    if !made.is_ok_and(|made| made.status.success()) {
        skip("python3 can't make a virtual environment here, so nothing validates the list");
        return None;
    }
    let arguments = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "cyclonedx-python-lib[validation]",
    ];
    run(Command::new(&python).args(arguments)).success();
    Some(python)
}

#[test]
#[ignore = "needs PyPI"]
fn lists_of_components_are_valid_cyclonedx() {
    let bench = Bench::new();
    let Some(python) = validator(&bench.0.out) else { return };
    let flask = TestApp::online("flask-getting-started");
    flask.build(&[]).success();
    let real: Value = serde_json::from_str(&file_in(&flask.slug(), ".heroku/sbom.cdx.json")).unwrap();
    assert!(names(&real["components"], "name").contains(&"Flask".to_owned()), "{real:#}");
    let path = flask.slug().to_str().unwrap().to_owned();
    assert_eq!(
        flask.run(&["sbom", &path, "--recompute"]).success().stdout,
        file_in(&flask.slug(), ".heroku/sbom.cdx.json")
    );
    let broken = bench.0.out.join("broken.json");
    fs::write(&broken, "{\"bomFormat\": \"CycloneDX\"}").unwrap();
    let odd = bench.slug("slug.tgz", &odd());
    let script = "import sys\nfrom cyclonedx.schema import SchemaVersion\nfrom cyclonedx.validation.json import JsonStrictValidator\n\
                  error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())\nsys.exit(error and str(error))\n";
    for (slug, name) in [(flask.slug(), "flask.json"), (odd, "odd.json")] {
        let list = bench.0.out.join(name);
        bench.run("sbom", &[&slug], &["-o", list.to_str().unwrap()]).success();
        run(Command::new(&python).args(["-c", script]).arg(&list)).success();
    }
    assert_eq!(run(Command::new(&python).args(["-c", script]).arg(&broken)).code, Some(1), "it does refuse");
}
