//! What a build says of a step that failed: what it was lacking, where, and what helps at this door.

use std::fs;

use crate::steps::install;
use crate::support::{TestApp, flowing, run};

const DJANGO: &[(&str, &str)] = &[("django-5.2.dist-info/METADATA", ""), ("django/__init__.py", "")];

fn app(files: &[(&str, &str)], packages: &[(&str, &str)]) -> TestApp {
    let mut app = TestApp::new(&[&[("requirements.txt", "")], files].concat());
    fs::write(app.dir.join("unique.txt"), app.dir.to_str().unwrap()).unwrap();
    install(&mut app, packages);
    app
}

// B05, B06
#[test]
fn a_variable_that_a_step_needs_is_named_with_its_place_and_what_helps_here() {
    const MANAGE: &str = "import site_settings\n";
    let decouple =
        "raise type('UndefinedValueError', (Exception,), {})('SECRET_KEY not found. Declare it as envvar')\n";
    for (files, place, id) in [
        (
            &[("manage.py", MANAGE), ("site_settings.py", "import os\n\nKEY = os.environ['SECRET_KEY']\n")][..],
            "site_settings.py, line 3",
            "collectstatic-other",
        ),
        (
            &[
                ("manage.py", MANAGE),
                (
                    "site_settings.py",
                    "import os\nif 'SECRET_KEY' not in os.environ:\n    raise type('ImproperlyConfigured', \
                     (Exception,), {})('Set the SECRET_KEY environment variable')\n",
                ),
            ],
            "site_settings.py, line 3",
            "collectstatic-improper-configuration",
        ),
        (
            &[
                ("manage.py", MANAGE),
                ("site_settings.py", &format!("import os\nif 'SECRET_KEY' not in os.environ: {decouple}")),
            ],
            "site_settings.py, line 2",
            "collectstatic-other",
        ),
        (
            &[("bin/post_compile", "set -u\necho \"$SECRET_KEY\" >/dev/null\n")],
            "bin/post_compile, line 2",
            "hooks::post_compile",
        ),
        (
            &[("bin/pre_compile", "#!/bin/bash\n: \"${SECRET_KEY:?}\"\n")],
            "bin/pre_compile, line 2",
            "hooks::pre_compile",
        ),
    ] {
        let app = app(files, DJANGO);
        let build = app.build(&[]).failure(id).stderr;
        let text = flowing(&build);
        assert!(text.contains("SECRET_KEY isn't set during the build"), "{build}");
        assert!(text.contains(place), "{place}: {build}");
        assert!(
            text.contains("slugc build --set SECRET_KEY=VALUE") && text.contains("--env-file"),
            "{build}"
        );
        assert!(!build.contains("heroku config"), "{build}");
        // What is advised helps.
        app.build(&["--set", "SECRET_KEY=x"]).success();
        // And at the other door.
        let (cache, env_dir) = (app.out.join("cache"), app.out.join("env"));
        fs::create_dir(&env_dir).unwrap();
        let args = ["classic", "compile"];
        let paths = [app.dir.clone(), cache, env_dir];
        let mut command = app.command(&[]);
        let compiled = run(command.args(args).args(paths).env("STACK", "heroku-24")).failure(id).stdout;
        assert!(compiled.contains("heroku config:set SECRET_KEY=VALUE"), "{compiled}");
        assert!(!compiled.contains("slugc build"), "{compiled}");
        assert!(flowing(&compiled).contains(place), "{place}: {compiled}");
    }
}

// B22
#[test]
fn a_module_that_a_step_needs_is_told_as_check_tells_it() {
    const PROCFILE: &str = "web: gunicorn app:app\n";
    for (files, expected) in [
        (
            &[
                (
                    "manage.py",
                    "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'conf')\nimport conf\n",
                ),
                (
                    "conf.py",
                    "INSTALLED_APPS = [\n    'whitenoise',\n]\nfor name in INSTALLED_APPS: __import__(name)\n",
                ),
                ("app.py", "import conf\n"),
                ("Procfile", PROCFILE),
            ][..],
            "conf.py lists `whitenoise`, which is neither installed",
        ),
        (
            &[("manage.py", "import corsheaders\n")],
            "The module `corsheaders`, which manage.py, line 1 needs, isn't installed.",
        ),
        (
            &[("bin/post_compile", "python -m jobs\n"), ("jobs.py", "import boto3\n")],
            "The module `boto3`, which jobs.py, line 1 needs, isn't installed.",
        ),
    ] {
        let app = app(files, DJANGO);
        let build = app.build(&[]).stderr;
        assert!(flowing(&build).contains(expected), "{expected}: {build}");
        assert!(!build.contains("DISABLE_COLLECTSTATIC"), "{build}");
    }
}
