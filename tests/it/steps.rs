//! The app's own steps in `slugc build`: hooks, collectstatic, NLTK. Without a network: uv is a script that installs
//! what a test gives it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Run, TestApp, flowing, run};

/// Makes an app that no earlier test has put into the store that they share.
fn unique(files: &[(&str, &str)]) -> TestApp {
    let app = TestApp::new(files);
    fs::write(app.dir.join("unique.txt"), app.dir.to_str().unwrap()).unwrap();
    app
}

/// Lets uv install these files into site-packages.
pub(crate) fn install(app: &mut TestApp, packages: &[(&str, &str)]) {
    let plan = app.run(&["plan", app.dir.to_str().unwrap(), "--format", "json"]).success().stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let version = plan["runtime"]["version"].as_str().unwrap().rsplit_once('.').unwrap().0.to_owned();
    let installed = app.out.parent().unwrap().join("installed");
    for (name, contents) in packages {
        let path = installed.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    fs::create_dir_all(&installed).unwrap();
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'uv 0.12.5'; exit; fi\n\
         case \" $* \" in *requirements.txt*) ;; *) exit ;; esac\n\
         while [ $# -gt 0 ]; do [ \"$1\" = --prefix ] && prefix=$2; shift; done\n\
         mkdir -p \"$prefix/lib/python{version}/site-packages\"\n\
         cp -R '{}/.' \"$prefix/lib/python{version}/site-packages\"\n",
        installed.display()
    );
    fs::write(app.env[OsStr::new("SLUGC_UV")].clone(), script).unwrap();
    // What this uv installs must not be found by others in the store that they share.
    let name = app.dir.parent().unwrap().display().to_string();
    fs::write(app.dir.join("requirements.txt"), format!("# {name}\n")).unwrap();
}

fn names_in_slug(app: &TestApp) -> Vec<String> {
    let list = run(Command::new("tar").arg("tzf").arg(app.slug())).success().stdout;
    list.lines().map(|line| line.trim_start_matches("./app/").to_owned()).collect()
}

fn file_in_slug(app: &TestApp, name: &str) -> String {
    run(Command::new("tar").arg("xzOf").arg(app.slug()).arg(format!("./app/{name}"))).success().stdout
}

fn finished(run: &Run) -> (String, u64) {
    let finished = run.event("finished");
    (finished["sha256"].as_str().unwrap().to_owned(), finished["counters"]["processes"].as_u64().unwrap())
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        walkdir::WalkDir::new(dir).into_iter().map(|entry| entry.unwrap().path().to_owned()).collect();
    files.sort();
    files
}

const HOOKS: &[(&str, &str)] = &[
    // No `#!`: a script for bash, as `[[` and arrays show.
    (
        "bin/pre_compile",
        "words=(one two)\n[[ ${#words[@]} = 2 ]] && echo \"before: $PWD\" | sed 's/[^ ]*app$/HERE/; s/[^ ]*tree$/HERE/'\n\
         touch requirements.txt\necho made > early.txt\necho to-stderr >&2\n",
    ),
    (
        "bin/post_compile",
        "#!/usr/bin/env bash\nset -eu\n\
         python -c 'import sys, os; print(\"prefix ok\", sys.prefix == os.environ[\"BUILD_DIR\"] + \"/.heroku/python\")'\n\
         python -c 'import helper'\n\
         cat early.txt > late.txt\nrm gone.txt\nrm -r .heroku/python/include\n\
         echo 'export FROM_HOOK=1' >> .profile.d/python.sh\n\
         echo 'job: python helper.py' > Procfile\n",
    ),
    ("gone.txt", "x"),
    ("helper.py", "print('a helper')\n"),
];

#[test]
fn hooks_change_the_slug_and_not_the_users_directory() {
    let app = unique(HOOKS);
    let before = files_below(&app.dir);
    let build = app.build(&[]).success();
    for line in [
        "-----> Running bin/pre_compile hook\n",
        "       before: HERE\n",
        "       to-stderr\n",
        "-----> Running bin/post_compile hook\n       prefix ok True\n       a helper\n",
        "Procfile declares types -> job",
    ] {
        assert!(build.stderr.contains(line), "no {line:?} in\n{}", build.stderr);
    }
    assert!(!build.stderr.contains("There is no Procfile"), "{}", build.stderr);
    assert_eq!(files_below(&app.dir), before);
    let names = names_in_slug(&app);
    for (name, expected) in [
        ("early.txt", true),
        ("late.txt", true),
        ("requirements.txt", true),
        ("helper.py", true),
        ("gone.txt", false),
        ("__pycache__/", false),
        (".heroku/python/lib/", true),
        (".heroku/python/include/", false),
        (".profile.d/WEB_CONCURRENCY.sh", true),
        (".profile.d/python.gunicorn.sh", true),
        (".heroku/.slugc-removed", false),
    ] {
        assert_eq!(names.iter().any(|found| found == name), expected, "{name}");
    }
    assert!(file_in_slug(&app, ".profile.d/python.sh").ends_with("export FROM_HOOK=1\n"));
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "job"]).success();
    assert!(ran.stdout.contains("a helper"), "{}", ran.stdout);
}

#[test]
fn what_hooks_made_is_remembered_until_something_changes() {
    let mut app = unique(HOOKS);
    let marker = app.out.join("ran");
    let hook = format!("echo ran >> '{}'\ntouch requirements.txt\n", marker.display());
    fs::write(app.dir.join("bin/pre_compile"), hook).unwrap();
    fs::write(app.dir.join("bin/post_compile"), format!("echo ran >> '{}'\n", marker.display())).unwrap();
    let times = || fs::read_to_string(&marker).unwrap().lines().count();
    // The marker is outside of what a step can reach.
    let json = ["--no-isolate", "--format", "json"];
    let (first, processes) = finished(&app.build(&json).success());
    assert!(processes >= 2);
    assert_eq!(times(), 2);
    let again = app.build(&json).success();
    assert_eq!(finished(&again), (first.clone(), 0), "{}", again.stdout);
    let text = app.build(&["--no-isolate"]).success().stderr;
    assert!(text.contains("Using what an earlier build has made with bin/post_compile"), "{text}");
    assert_eq!(times(), 2);
    app.build(&["--no-isolate", "--refresh"]).success();
    assert_eq!(times(), 4, "refreshed");
    let vars = app.out.join("vars");
    fs::write(&vars, "NAME=value\n").unwrap();
    app.build(&["--no-isolate", "--env-file", vars.to_str().unwrap()]).success();
    assert_eq!(times(), 6, "config vars");
    fs::write(app.dir.join("helper.py"), "print('changed')\n").unwrap();
    app.build(&json).success();
    assert_eq!(times(), 8, "a file");
    app.set("UNRELATED", "1");
    app.build(&json).success();
    assert_eq!(times(), 8, "the user's environment");
}

#[test]
fn a_build_with_hooks_gives_the_same_bytes_elsewhere() {
    let first = TestApp::new(HOOKS);
    let mut second = TestApp::new(HOOKS);
    second.store = second.out.parent().unwrap().join("another store");
    second.set("SLUGC_CACHE_DIR", second.store.clone());
    let shas = [&first, &second].map(|app| finished(&app.build(&["--format", "json"]).success()).0);
    assert_eq!(shas[0], shas[1]);
}

#[test]
fn a_failed_hook_says_which_and_leaves_nothing() {
    for (path, contents, id, said) in [
        ("bin/pre_compile", "echo so far\nexit 3\n", "hooks::pre_compile", "exit code 3"),
        ("bin/post_compile", "#!/bin/sh\necho so far; false\n", "hooks::post_compile", "exit code 1"),
        ("bin/post_compile", "#!/bin/sh\r\necho\r\n", "hooks::post_compile", "carriage return"),
        ("bin/post_compile", "#!/no/such/program\n", "hooks::post_compile", "couldn't be started"),
    ] {
        let app = unique(&[("requirements.txt", ""), (path, contents)]);
        let build = app.build(&[]).failure(id);
        assert!(build.stderr.contains(said), "{}", build.stderr);
        assert_eq!(build.stderr.contains("       so far\n"), contents.contains("so far"), "{}", build.stderr);
        assert_eq!(build.code, Some(1));
        assert!(app.left_in_out().is_empty());
    }
}

#[test]
fn hooks_get_config_vars_and_not_the_users_environment() {
    let mut app = unique(&[
        ("requirements.txt", ""),
        ("bin/post_compile", "echo \"A=$A B=$B C=$C PATH_KEPT=${PATH//*\\/usr\\/bin*/yes} P=$PYTHONPATH\"\n"),
    ]);
    app.set("C", "from the shell");
    app.set("PYTHONPATH", "/elsewhere");
    let dir = app.out.join("env");
    fs::create_dir(&dir).unwrap();
    for (name, value) in [("A", "from the directory\n"), ("B", "from the directory"), ("PATH", "/nowhere")] {
        fs::write(dir.join(name), value).unwrap();
    }
    fs::write(app.out.join("file"), "B=from the file\n").unwrap();
    let build = app.build(&["--env-dir", dir.to_str().unwrap(), "--env-file", "file"]).success();
    let line = "       A=from the directory B=from the file C= PATH_KEPT=yes P=\n";
    assert!(build.stderr.contains(line), "{}", build.stderr);
    app.build(&["--env-dir", "missing"]).failure("command-line::no-such-path");
}

#[test]
fn config_vars_are_not_kept() {
    let mut app = unique(&[("requirements.txt", ""), ("bin/post_compile", "test -n \"$TOKEN\"\n")]);
    app.store = app.out.parent().unwrap().join("store");
    app.set("SLUGC_CACHE_DIR", app.store.clone());
    fs::write(app.out.join("file"), "TOKEN=hush-hush-hush\n").unwrap();
    let build = app.build(&["--env-file", "file", "--format", "json"]).success();
    assert!(!build.stdout.contains("hush-hush-hush") && !build.stderr.contains("hush-hush-hush"));
    for place in [&app.store, &app.out] {
        let found = run(Command::new("grep").args(["-rlFa", "hush-hush-hush", "--exclude=file"]).arg(place));
        assert_eq!(found.stdout, "", "a config var is kept");
    }
}

const DJANGO: &[(&str, &str)] =
    &[("Django-5.2.dist-info/METADATA", "Name: Django\nVersion: 5.2\n"), ("django/__init__.py", "")];

/// What a `manage.py` does here, in place of Django.
const COLLECT: &str = "import os, sys\nassert sys.argv[1:] == ['collectstatic', '--noinput', '--traceback'], sys.argv\n\
                       import django\nos.makedirs('staticfiles', exist_ok=True)\n\
                       open('staticfiles/app.css', 'w').write('body {}')\n\
                       print('1 static file copied,', os.environ['PYTHONPATH'])\n";

#[test]
fn collectstatic_runs_and_its_files_are_in_the_slug() {
    let mut app = unique(&[("requirements.txt", ""), ("site/manage.py", COLLECT)]);
    install(&mut app, DJANGO);
    let build = app.build(&[]).success();
    let log = "-----> $ python site/manage.py collectstatic --noinput\n       1 static file copied, .\n";
    assert!(build.stderr.contains(log), "{}", build.stderr);
    assert!(!app.dir.join("staticfiles").exists());
    assert_eq!(file_in_slug(&app, "staticfiles/app.css"), "body {}");
    let again = app.build(&["--format", "json"]).success();
    assert_eq!(again.event("finished")["counters"]["processes"], 0);
}

#[test]
fn a_linked_manage_py_counts() {
    let mut app = unique(&[("requirements.txt", ""), ("tools/real.py", COLLECT)]);
    install(&mut app, DJANGO);
    std::os::unix::fs::symlink("tools/real.py", app.dir.join("manage.py")).unwrap();
    let build = app.build(&[]).success();
    assert!(build.stderr.contains("-----> $ python manage.py collectstatic --noinput\n"), "{}", build.stderr);
    assert_eq!(file_in_slug(&app, "staticfiles/app.css"), "body {}");
}

#[test]
fn collectstatic_is_skipped_with_a_reason() {
    const NONE: &[(&str, &str)] = &[];
    let unknown =
        "import sys\nsys.exit(\"Unknown command: 'collectstatic'\\nType 'manage.py help' for usage.\")\n";
    for (files, packages, vars, said) in [
        (&[("manage.py", "boom")][..], NONE, NONE, None),
        (&[], DJANGO, NONE, Some("Skipping Django collectstatic since there is no manage.py")),
        (&[("a/b/c/manage.py", "boom")], DJANGO, NONE, Some("since there is no manage.py")),
        (
            &[("manage.py", "boom")],
            DJANGO,
            &[("DISABLE_COLLECTSTATIC", "1")],
            Some("since DISABLE_COLLECTSTATIC is set"),
        ),
        (
            &[("manage.py", "boom"), ("bin/post_compile", "")],
            DJANGO,
            &[("DISABLE_COLLECTSTATIC", "1")],
            Some("since DISABLE_COLLECTSTATIC is set"),
        ),
        (
            &[("manage.py", "boom"), (".heroku/collectstatic_disabled", "")],
            DJANGO,
            NONE,
            Some("since the file '.heroku/collectstatic_disabled' exists"),
        ),
        (
            &[("manage.py", unknown)],
            DJANGO,
            NONE,
            Some("since 'django.contrib.staticfiles' isn't in INSTALLED_APPS"),
        ),
    ] {
        let mut app = unique(&[&[("requirements.txt", "")], files].concat());
        install(&mut app, packages);
        for (name, value) in vars {
            app.set(name, *value);
        }
        let build = app.build(&[]).success();
        match said {
            Some(said) => assert_eq!(build.stderr.matches(said).count(), 1, "{said:?} in\n{}", build.stderr),
            None => assert!(!build.stderr.contains("collectstatic"), "{}", build.stderr),
        }
    }
}

#[test]
fn a_failure_of_collectstatic_has_a_name() {
    for (manage, id) in [
        ("def :\n", "collectstatic-syntax-error"),
        ("raise Exception('ImproperlyConfigured: SECRET_KEY')\n", "collectstatic-improper-configuration"),
        ("raise ValueError(\"The CSS file 'x' references\")\n", "collectstatic-fancy-references"),
        ("raise OSError('gone')\n", "collectstatic-missing-file"),
        ("raise SystemExit(2)\n", "collectstatic-other"),
    ] {
        let mut app = unique(&[("requirements.txt", ""), ("manage.py", manage)]);
        install(&mut app, DJANGO);
        fs::write(app.out.join("vars"), "DEBUG_COLLECTSTATIC=1\nMY_VAR=hush-hush\nDISABLE_COLLECTSTATIC=0\n")
            .unwrap();
        app.set("DISABLE_COLLECTSTATIC", "1");
        let build = app.build(&["--env-file", "vars"]).failure(id);
        assert!(build.stderr.contains("       MY_VAR=(hidden)\n"), "{}", build.stderr);
        assert!(!build.stderr.contains("hush-hush"), "{}", build.stderr);
        assert_eq!(build.code, Some(1));
        let off = app.build(&[]).success();
        assert!(off.stderr.contains("since DISABLE_COLLECTSTATIC is set"), "{}", off.stderr);
    }
}

#[test]
fn corpora_are_downloaded_into_the_slug() {
    let downloader = "import os, sys\nassert sys.argv[1] == '-d', sys.argv\n\
                      os.makedirs(sys.argv[2])\n\
                      [open(os.path.join(sys.argv[2], name), 'w').write('words') for name in sys.argv[3:]]\n\
                      sys.exit('no such package' if 'wrong' in sys.argv else 0)\n";
    let nltk =
        &[("nltk-3.9.dist-info/METADATA", ""), ("nltk/__init__.py", ""), ("nltk/downloader.py", downloader)];
    let mut app = unique(&[("requirements.txt", ""), ("nltk.txt", "# corpora\n\npunkt\nstopwords\n")]);
    install(&mut app, nltk);
    let build = app.build(&[]).success();
    assert!(build.stderr.contains("-----> Downloading NLTK packages: punkt stopwords\n"), "{}", build.stderr);
    assert_eq!(file_in_slug(&app, ".heroku/python/nltk_data/stopwords"), "words");
    let ran =
        app.run(&["run", app.slug().to_str().unwrap(), "--", "sh", "-c", "cat $NLTK_DATA/punkt"]).success();
    assert!(ran.stdout.contains("words"), "{}", ran.stdout);
    // Whatever else changes, they are downloaded once.
    fs::write(app.dir.join("other.py"), "").unwrap();
    let again = app.build(&[]).success();
    assert!(
        again.stderr.contains("-----> Using cached NLTK packages: punkt stopwords\n"),
        "{}",
        again.stderr
    );
    assert!(!again.stderr.contains("Downloading"), "{}", again.stderr);
    assert_eq!(file_in_slug(&app, ".heroku/python/nltk_data/stopwords"), "words");
    fs::write(app.dir.join("nltk.txt"), "wrong\n").unwrap();
    app.build(&[]).failure("nltk-downloader");
    fs::remove_file(app.dir.join("nltk.txt")).unwrap();
    let build = app.build(&[]).success();
    assert!(build.stderr.contains("'nltk.txt' wasn't found"), "{}", build.stderr);
}

// Their downloader is the app's own code.
#[test]
fn no_app_gets_corpora_that_another_has_made() {
    let made = |words: &str| {
        let downloader = format!(
            "import os, sys\nos.makedirs(sys.argv[2])\nopen(os.path.join(sys.argv[2], 'punkt'), 'w').write('{words}')\n"
        );
        let nltk = &[
            ("nltk-3.9.dist-info/METADATA", ""),
            ("nltk/__init__.py", ""),
            ("nltk/downloader.py", downloader.as_str()),
        ];
        let mut app = unique(&[("requirements.txt", ""), ("nltk.txt", "punkt\n")]);
        install(&mut app, nltk);
        app.build(&[]).success();
        file_in_slug(&app, ".heroku/python/nltk_data/punkt")
    };
    assert_eq!([made("one"), made("two")], ["one", "two"]);
}

#[test]
fn what_a_hook_does_to_the_installed_packages_works_where_the_slug_runs() {
    let hook = "site=$(python -c 'import sysconfig; print(sysconfig.get_paths()[\"purelib\"])')\n\
                echo 'print(\"new\")' > $site/patched.py\n\
                echo 'print(\"added\")' > $site/added.py\n\
                printf '#!%s/.heroku/python/bin/python3\\nimport added\\n' \"$BUILD_DIR\" > .heroku/python/bin/greet\n\
                chmod +x .heroku/python/bin/greet\n\
                rm $site/unwanted.py\n";
    let mut app = unique(&[("requirements.txt", ""), ("bin/post_compile", hook)]);
    install(&mut app, &[("patched.py", "print('old')\n"), ("unwanted.py", "print('unwanted')\n")]);
    let build = app.build(&[]).success();
    assert!(!build.stderr.contains("path of the build directory"), "{}", build.stderr);
    let slug = app.slug();
    for (command, expected) in [
        (&["greet"][..], "added\n"),
        (&["python", "-c", "import patched"], "new\n"),
        (&["python", "-c", "import unwanted"], ""),
    ] {
        let ran = app.run(&[&["run", slug.to_str().unwrap(), "--"], command].concat());
        assert_eq!(ran.stdout, expected, "{command:?}: {}", ran.stderr);
    }
    assert!(!names_in_slug(&app).iter().any(|name| name.contains("unwanted")), "its bytecode is left");
}

#[test]
fn a_path_of_the_build_in_a_file_is_told() {
    let app = unique(&[("requirements.txt", ""), ("bin/post_compile", "pwd > where.txt\n")]);
    let build = app.build(&[]).success();
    assert!(
        build.stderr.contains("where.txt") && flowing(&build.stderr).contains("path of the build"),
        "{}",
        build.stderr
    );
}
