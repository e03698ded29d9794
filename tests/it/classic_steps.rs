//! The app's own programs in the classic buildpack: what they leave runs where the app does, and nothing stale stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::classic::{door, warm_cache};
use crate::steps::install;
use crate::support::{Run, TestApp, copy_tree, run};

fn built_app(files: &[(&str, &str)]) -> TestApp {
    let mut app = TestApp::new(files);
    app.set("STACK", "heroku-24");
    warm_cache(&app.out.join("cache"));
    app
}

/// Builds a copy of the app in a directory of its own, as platforms do; `number` names it.
fn compile(app: &TestApp, number: u32) -> (Run, PathBuf) {
    let build_dir = app.out.join(format!("build_{number}_of_this_app"));
    fs::create_dir(&build_dir).unwrap();
    copy_tree(&app.dir, &build_dir);
    (door(app, "compile", &[&build_dir, &app.out.join("cache")]).success(), build_dir)
}

/// Moves a built app away, as a platform does, and runs a script in it as in a dyno.
fn boot(build_dir: &Path, script: &str) -> Run {
    let home = build_dir.with_extension("moved");
    if build_dir.exists() {
        fs::rename(build_dir, &home).unwrap();
    }
    let mut command = Command::new("bash");
    command.arg("-c").arg(format!("for file in .profile.d/*.sh; do . \"$file\"; done\n{script}"));
    run(command.current_dir(&home).env_clear().env("HOME", &home).env("PATH", "/usr/bin:/bin"))
}

/// Returns the files below a directory that hold a text, or are links to a path that does.
fn files_with(dir: &Path, text: &str) -> Vec<PathBuf> {
    let holds = |path: &Path| match fs::read_link(path) {
        Ok(target) => target.to_str().unwrap().contains(text),
        Err(_) => fs::read(path)
            .is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes())),
    };
    let entries = walkdir::WalkDir::new(dir).into_iter().map(|entry| entry.unwrap().into_path());
    entries.filter(|path| holds(path)).collect()
}

const HOOK: &str = "site=$(python -c 'import sysconfig; print(sysconfig.get_paths()[\"purelib\"])')\n\
    echo 'print(\"new\")' > $site/patched.py\n\
    echo 'print(\"added\")' > $site/added.py\n\
    python -m compileall -q $site/added.py\n\
    python -m compileall -q -f --invalidation-mode checked-hash $site/patched.py $site/kept.py\n\
    printf '#!%s/.heroku/python/bin/python3\\nimport added\\n' \"$BUILD_DIR\" > .heroku/python/bin/greet\n\
    chmod +x .heroku/python/bin/greet\n\
    echo \"$BUILD_DIR/src\" > $site/app.pth\n\
    rm $site/unwanted.py\n";

#[test]
fn what_a_hook_installs_and_edits_works_where_the_app_runs() {
    let mut app = built_app(&[
        ("requirements.txt", ""),
        ("bin/post_compile", HOOK),
        ("src/from_source.py", "print('from the source')\n"),
    ]);
    install(
        &mut app,
        &[
            ("patched.py", "print('old')\n"),
            ("unwanted.py", "print('unwanted')\n"),
            ("kept.py", "print('kept')\n"),
        ],
    );
    let (compiled, build_dir) = compile(&app, 1);
    assert!(!compiled.stdout.contains("path of the build directory"), "{}", compiled.stdout);
    for (script, expected) in [
        ("greet", "added\n"),
        ("python -c 'import patched, kept'", "new\nkept\n"),
        ("python -c 'import from_source'", "from the source\n"),
        ("python -c 'import unwanted' 2>/dev/null || echo gone", "gone\n"),
    ] {
        let ran = boot(&build_dir, script);
        assert_eq!(ran.stdout, expected, "{script}: {}", ran.stderr);
    }
    let moved = build_dir.with_extension("moved");
    assert_eq!(files_with(&moved.join(".heroku"), "build_1_of_this_app"), Vec::<PathBuf>::new());
    // Bytecode that the tar's times can't make stale, and none of what is gone.
    let bytecode: Vec<PathBuf> = walkdir::WalkDir::new(moved.join(".heroku"))
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.parent().unwrap().ends_with("site-packages/__pycache__"))
        .collect();
    let has = |name: &str| {
        bytecode.iter().any(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name))
    };
    assert!(has("added.") && has("patched.") && !has("unwanted."), "{bytecode:?}");
    assert!(bytecode.iter().all(|path| fs::read(path).unwrap()[4] != 0), "{bytecode:?}");
    // What the hook did isn't in the cache: without it, the next build has what was installed.
    fs::remove_file(app.dir.join("bin/post_compile")).unwrap();
    let (again, build_dir) = compile(&app, 2);
    assert!(!again.stdout.contains("Installing"), "{}", again.stdout);
    let ran = boot(&build_dir, "python -c 'import patched, unwanted'; which greet || echo no greet");
    assert_eq!(ran.stdout, "old\nunwanted\nno greet\n", "{}", ran.stderr);
}

#[test]
#[ignore = "needs PyPI"]
fn a_hook_may_call_pip() {
    let mut app = TestApp::online("flask-getting-started");
    app.set("STACK", "heroku-24");
    fs::write(app.dir.join("requirements.txt"), "").unwrap();
    fs::create_dir_all(app.dir.join("bin")).unwrap();
    let hook = "#!/usr/bin/env bash\nset -e\npip install --quiet --root-user-action=ignore 'cowsay==6.1'\ncowsay -t 'in the build'\n";
    fs::write(app.dir.join("bin/post_compile"), hook).unwrap();
    let (compiled, build_dir) = compile(&app, 1);
    assert!(compiled.stdout.contains("| in the build |"), "{}", compiled.stdout);
    assert!(!compiled.stdout.contains("path of the build directory"), "{}", compiled.stdout);
    let ran = boot(&build_dir, "cowsay -t moo && pip list --format=freeze && pip check").success();
    assert!(ran.stdout.contains("| moo |") && ran.stdout.contains("cowsay==6.1\n"), "{}", ran.stdout);
    let left = files_with(&build_dir.with_extension("moved").join(".heroku"), "build_1_of_this_app");
    assert_eq!(left, Vec::<PathBuf>::new());
}

#[test]
fn a_hook_may_take_python_away() {
    let app = built_app(&[("requirements.txt", ""), ("bin/post_compile", "rm -r .heroku\n")]);
    let (_, build_dir) = compile(&app, 1);
    assert!(!build_dir.join(".heroku").exists());
}

#[test]
fn a_path_of_the_build_in_a_file_is_told() {
    for (hook, file) in [("bin/pre_compile", "early.txt"), ("bin/post_compile", "late.txt")] {
        let app = built_app(&[("requirements.txt", ""), (hook, &format!("pwd > {file}\n"))]);
        let (compiled, _) = compile(&app, 1);
        let warning = format!("into these files:\n !       {file}\n");
        assert!(compiled.stdout.contains(&warning), "{hook}: {}", compiled.stdout);
    }
}

/// A downloader that says when it is called.
const DOWNLOADER: &str = "import os, sys\n\
    assert sys.argv[1] == '-d' and not os.path.islink(sys.argv[2]), sys.argv\n\
    os.makedirs(sys.argv[2])\n\
    print('downloading', *sys.argv[3:])\n\
    [open(os.path.join(sys.argv[2], name), 'w').write('words') for name in sys.argv[3:]]\n\
    sys.exit('no such package' if 'wrong' in sys.argv else 0)\n";

#[test]
fn corpora_are_downloaded_once_and_nothing_stale_stays() {
    let mut app = built_app(&[("requirements.txt", ""), ("nltk.txt", "punkt\nstopwords\n")]);
    install(
        &mut app,
        &[("nltk-3.9.dist-info/METADATA", ""), ("nltk/__init__.py", ""), ("nltk/downloader.py", DOWNLOADER)],
    );
    let (first, _) = compile(&app, 1);
    let steps = "-----> Downloading NLTK corpora...\n-----> Downloading NLTK packages: punkt stopwords\n       downloading punkt stopwords\n";
    assert!(first.stdout.contains(steps), "{}", first.stdout);
    let (again, build_dir) = compile(&app, 2);
    assert!(
        again.stdout.contains("-----> Using cached NLTK packages: punkt stopwords\n"),
        "{}",
        again.stdout
    );
    assert!(!again.stdout.contains("downloading"), "{}", again.stdout);
    let list = "ls -1 $NLTK_DATA && echo in $NLTK_DATA";
    let listed = |names: &str, build_dir: &Path| {
        format!("{names}in {}/.heroku/python/nltk_data\n", build_dir.with_extension("moved").display())
    };
    assert_eq!(boot(&build_dir, list).stdout, listed("punkt\nstopwords\n", &build_dir));
    fs::write(app.dir.join("nltk.txt"), "# one\nstopwords\n").unwrap();
    let (changed, build_dir) = compile(&app, 3);
    assert!(changed.stdout.contains("       downloading stopwords\n"), "{}", changed.stdout);
    assert_eq!(boot(&build_dir, list).stdout, listed("stopwords\n", &build_dir));
    let kept = || fs::read_dir(app.out.join("cache/.slugc/v1/layers/nltk_data")).unwrap().count();
    assert_eq!(kept(), 1);
    // Damaged corpora are downloaded again.
    let damaged = walkdir::WalkDir::new(app.out.join("cache/.slugc/v1/layers/nltk_data"));
    let damaged = damaged.into_iter().map(Result::unwrap).find(|entry| entry.file_name() == "stopwords");
    fs::write(damaged.unwrap().path(), "wor").unwrap();
    let (healed, _) = compile(&app, 4);
    assert!(healed.stdout.contains("       downloading stopwords\n"), "{}", healed.stdout);
    fs::write(app.dir.join("nltk.txt"), "wrong\n").unwrap();
    let build_dir = app.out.join("build_5");
    fs::create_dir(&build_dir).unwrap();
    copy_tree(&app.dir, &build_dir);
    door(&app, "compile", &[&build_dir, &app.out.join("cache")]).failure("nltk-downloader");
    assert_eq!(kept(), 1, "a failed build leaves the cache as it was");
    fs::remove_file(app.dir.join("nltk.txt")).unwrap();
    let (without, build_dir) = compile(&app, 6);
    assert!(without.stdout.contains("'nltk.txt' wasn't found"), "{}", without.stdout);
    assert!(!build_dir.join(".heroku/python/nltk_data").exists());
    assert_eq!(kept(), 0);
}
