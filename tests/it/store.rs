//! What builds keep: `slugc cache`, the limit, and builds at the same time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Run, TestApp, can_unshare, python_minor, run, skip};

fn app() -> TestApp {
    let mut app =
        TestApp::new(&[("requirements.txt", ""), ("app.py", "print()\n"), ("Procfile", "web: x\n")]);
    app.store = app.out.parent().unwrap().join("store");
    app.set("SLUGC_CACHE_DIR", app.store.clone());
    app
}

fn json(run: &Run) -> serde_json::Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}\n{}", run.stdout, run.stderr))
}

fn layers(store: &Path) -> Vec<PathBuf> {
    let layers = walkdir::WalkDir::new(store.join("v1/layers")).min_depth(2).max_depth(2);
    layers.into_iter().filter_map(|entry| entry.ok().map(walkdir::DirEntry::into_path)).collect()
}

fn first_file(dir: &Path) -> PathBuf {
    let mut files = walkdir::WalkDir::new(dir).sort_by_file_name().into_iter().flatten();
    files.find(|entry| entry.file_type().is_file()).unwrap().into_path()
}

#[test]
fn a_store_that_is_not_there_is_empty_and_is_not_made() {
    let app = app();
    assert_eq!(app.run(&["cache", "dir"]).success().stdout, format!("{}\n", app.store.display()));
    assert_eq!(json(&app.run(&["cache", "info", "--json"]).success())["total"]["count"], 0);
    assert_eq!(json(&app.run(&["cache", "verify", "--json"]).success())["whole"], 0);
    app.run(&["cache", "prune", "--all"]).success();
    assert!(!app.store.exists());
}

#[test]
fn what_is_damaged_is_found_thrown_away_and_made_again() {
    if python_minor().is_none() {
        return;
    }
    let app = app();
    app.build(&[]).success();
    let slug = fs::read(app.slug()).unwrap();
    let info = json(&app.run(&["cache", "info", "--json"]).success());
    assert!(info["kinds"]["layers/runtime"]["bytes"].as_u64().unwrap() > 1_000_000, "{info}");
    assert!(info["kinds"]["segments"]["count"].as_u64().unwrap() > 0, "{info}");
    let sound = json(&app.run(&["cache", "verify", "--json"]).success());
    assert_eq!(sound["damaged"], serde_json::json!([]));
    assert!(sound["whole"].as_u64().unwrap() > 2);

    let segment = first_file(&app.store.join("v1/segments"));
    let runtime = layers(&app.store).into_iter().find(|path| path.parent().unwrap().ends_with("runtime"));
    let runtime = runtime.unwrap();
    for file in [&segment, &first_file(&runtime.join("tree"))] {
        let mut bytes = fs::read(file).unwrap();
        bytes.push(0);
        fs::remove_file(file).unwrap();
        fs::write(file, bytes).unwrap();
    }
    let verified = app.run(&["cache", "verify", "--json"]);
    assert_eq!(verified.code, Some(1), "{}", verified.stderr);
    assert_eq!(json(&verified)["damaged"].as_array().unwrap().len(), 2, "{}", verified.stdout);
    assert!(!segment.exists() && !runtime.exists());
    app.run(&["cache", "verify"]).success();
    app.build(&[]).success();
    assert!(fs::read(app.slug()).unwrap() == slug, "the slug is another one");
}

#[test]
fn pruning_takes_what_is_old_or_too_much_and_the_next_build_is_the_same() {
    if python_minor().is_none() {
        return;
    }
    let app = app();
    app.build(&[]).success();
    let slug = fs::read(app.slug()).unwrap();
    let none =
        json(&app.run(&["cache", "prune", "--older-than", "1d", "--max-size", "1G", "--json"]).success());
    assert_eq!(none["removed"]["count"], 0);
    let all = json(&app.run(&["cache", "prune", "--all", "--json"]).success());
    assert_eq!(all["left"]["count"], 0, "{all}");
    assert!(layers(&app.store).is_empty());
    app.build(&[]).success();
    assert!(fs::read(app.slug()).unwrap() == slug, "the slug is another one");
    assert_eq!(app.run(&["cache", "prune", "--max-size", "5X"]).code, Some(2));
    // U17: nothing is removed unless that is said.
    for args in [
        &["cache", "prune"][..],
        &["cache", "prune", "--all", "--older-than", "1d"],
        &["cache", "prune", "--json"],
    ] {
        let refused = app.run(args);
        assert_eq!(refused.code, Some(2), "{args:?} {}", refused.stdout);
        assert!(refused.stderr.contains("--all"), "{}", refused.stderr);
    }
}

#[test]
fn a_build_keeps_the_store_below_the_limit_but_not_at_its_own_cost() {
    if python_minor().is_none() {
        return;
    }
    let app = app();
    // Whoever has made layers has looked: the next look is in an hour, or after the next layer.
    app.build(&["--cache-limit", "1000G"]).success();
    let stale = app.store.join("v1/layers/runtime/stale");
    fs::create_dir(&stale).unwrap();
    fs::write(stale.join("file"), vec![0; 1000]).unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(90 * 86_400);
    fs::File::open(&stale).unwrap().set_modified(old).unwrap();
    // At most what the app's files are known by is put there now, so nobody looks.
    app.build(&["--cache-limit", "1K"]).success();
    assert!(stale.exists());
    fs::write(app.dir.join("requirements.txt"), "# changed\n").unwrap();
    let build = app.build(&["--cache-limit", "1K"]).success();
    assert!(!stale.exists(), "{}", build.stderr);
    assert!(build.stderr.contains("from the store"), "{}", build.stderr);
    // What this build has used is still there: the next one makes no layer.
    let again = app.build(&["--cache-limit", "1K", "--format", "json"]).success();
    assert_eq!(again.event("finished")["counters"]["layers_built"], 0);
}

#[test]
fn builds_at_the_same_time_make_each_layer_once_and_the_same_slug() {
    if python_minor().is_none() {
        return;
    }
    let app = app();
    let builds: Vec<_> = (0..8)
        .map(|number| {
            let slug = format!("{number}.tgz");
            let arguments = ["build", app.dir.to_str().unwrap(), "-o", &slug, "--format", "json"];
            let mut command = app.command(&arguments);
            std::thread::spawn(move || run(&mut command).success())
        })
        .collect();
    let runs: Vec<Run> = builds.into_iter().map(|build| build.join().unwrap()).collect();
    let built: u64 =
        runs.iter().map(|run| run.event("finished")["counters"]["layers_built"].as_u64().unwrap()).sum();
    assert_eq!(built, layers(&app.store).len() as u64, "each layer once");
    let first = runs[0].event("finished")["sha256"].clone();
    assert!(runs.iter().all(|run| run.event("finished")["sha256"] == first));
}

/// Runs the program while nobody can write to the store.
fn run_read_only(app: &TestApp, args: &[&str]) -> Run {
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, app.store.to_str().unwrap()]);
    command.arg(env!("CARGO_BIN_EXE_slugc")).args(args);
    run(command.env_clear().envs(&app.env).current_dir(&app.out))
}

#[test]
fn a_store_that_can_only_be_read_is_used_and_stays_as_it_is() {
    if python_minor().is_none() {
        return;
    }
    if !can_unshare() {
        skip("namespaces can't be made here, so nothing can be mounted read-only");
        return;
    }
    let app = app();
    app.build(&[]).success();
    let slug = fs::read(app.slug()).unwrap();
    let before = app.run(&["cache", "info", "--json"]).success().stdout;
    let build = ["build", app.dir.to_str().unwrap()];
    let read_only = |args: &[&str]| run_read_only(&app, &[&build, args].concat()).success();
    let same = read_only(&["--format", "json"]);
    assert_eq!(same.event("finished")["counters"]["layers_built"], 0, "all layers are there");
    assert!(same.event("notice")["text"].as_str().unwrap().contains("can only be read"), "{}", same.stdout);
    assert!(fs::read(app.slug()).unwrap() == slug, "the slug is another one");
    fs::write(app.dir.join("requirements.txt"), "# changed\n").unwrap();
    let changed = read_only(&["--format", "json"]);
    assert_eq!(changed.event("finished")["counters"]["layers_built"], 1);
    assert_eq!(app.run(&["cache", "info", "--json"]).success().stdout, before);
}

fn marks(store: &Path) -> Vec<PathBuf> {
    layers(store).into_iter().map(|layer| layer.join("written")).collect()
}

#[test]
fn what_a_power_cut_has_left_of_a_layer_is_seen_once_and_made_anew() {
    if python_minor().is_none() {
        return;
    }
    let app = app();
    let sha256 = app.build(&["--format", "json"]).success().event("finished")["sha256"].clone();
    let built = |run: &Run| run.event("finished")["counters"]["layers_built"].as_u64().unwrap();
    let before_the_power_cut = || {
        for mark in marks(&app.store) {
            assert_eq!(
                fs::read_to_string(&mark).unwrap().trim_end(),
                "on disk",
                "a build that ends well waits"
            );
            fs::write(mark, "an earlier run of the machine").unwrap();
        }
    };
    let runtime =
        || layers(&app.store).into_iter().find(|path| path.parent().unwrap().ends_with("runtime")).unwrap();
    let emptied = |file: &Path| {
        fs::remove_file(file).unwrap();
        fs::write(file, "").unwrap();
    };
    let large = |layer: &Path| {
        let files = walkdir::WalkDir::new(layer.join("tree")).sort_by_file_name().into_iter().flatten();
        let mut files = files.filter(|entry| entry.file_type().is_file());
        files.find(|entry| entry.metadata().unwrap().len() > 1000).unwrap().into_path()
    };
    type Damage<'a> = &'a dyn Fn(&Path);
    let damages: [(&str, Damage<'_>, u64); 5] = [
        ("nothing is lost", &|_| {}, 0),
        ("a file's bytes are lost", &|layer| emptied(&large(layer)), 1),
        ("a file is lost", &|layer| fs::remove_file(large(layer)).unwrap(), 1),
        ("the index's bytes are lost", &|layer| emptied(&layer.join("index")), 1),
        ("the mark's bytes are lost", &|layer| fs::write(layer.join("written"), [0; 7]).unwrap(), 0),
    ];
    for (name, damage, expected) in damages {
        before_the_power_cut();
        damage(&runtime());
        // A slug of which no segment is known, so that files are read.
        fs::write(app.dir.join("app.py"), format!("# {name}\n")).unwrap();
        let run = app.build(&["--format", "json"]).success();
        assert_eq!(built(&run), expected, "{name}");
        assert!(
            marks(&app.store).iter().all(|mark| fs::read_to_string(mark).unwrap().trim_end() == "on disk"),
            "{name}"
        );
        app.run(&["cache", "verify"]).success();
    }
    fs::write(app.dir.join("app.py"), "print()\n").unwrap();
    assert_eq!(app.build(&["--format", "json"]).success().event("finished")["sha256"], sha256);
}

#[test]
fn a_document_with_a_changed_byte_is_found_and_changes_no_slug() {
    if python_minor().is_none() {
        return;
    }
    let app = app();
    app.build(&[]).success();
    let slug = fs::read(app.slug()).unwrap();
    let documents: Vec<_> = walkdir::WalkDir::new(app.store.join("v1/documents"))
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    let damage = || {
        for path in &documents {
            let mut bytes = fs::read(path).unwrap();
            // A digit of a digest, say: it is JSON all the same.
            let at = bytes.iter().position(u8::is_ascii_digit).unwrap();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            fs::write(path, bytes).unwrap();
        }
    };
    damage();
    app.build(&[]).success();
    assert!(fs::read(app.slug()).unwrap() == slug, "the slug is another one");
    damage();
    let verified = app.run(&["cache", "verify", "--json"]);
    assert_eq!(
        (verified.code, json(&verified)["damaged"].as_array().unwrap().len()),
        (Some(1), documents.len())
    );
    app.run(&["cache", "verify"]).success();
}

#[test]
fn looking_after_a_store_has_an_answer_in_every_case() {
    let app = app();
    for (option, values) in [
        ("--max-size", ["", "-1", "5X", "1.5G", "99999999999G"]),
        ("--older-than", ["", "-1d", "1w", "soon", "999999999999999999d"]),
    ] {
        for value in values {
            let bad = app.run(&["cache", "prune", &format!("{option}={value}")]);
            assert_eq!(bad.code, Some(2), "{option}={value}");
            assert!(bad.stderr.contains(option) && bad.stdout.is_empty(), "{}", bad.stderr);
        }
    }
    // No store, an empty one, one with nothing that slugc knows, and no directory at all.
    let unknown = app.store.join("v1/layers/runtime/odd");
    let states: [(&str, &dyn Fn()); 4] = [
        ("none", &|| {}),
        ("empty", &|| fs::create_dir_all(app.store.join("v1")).unwrap()),
        ("odd", &|| {
            fs::create_dir_all(&unknown).unwrap();
            fs::write(app.store.join("v1/layers/file"), "").unwrap();
            std::os::unix::fs::symlink("nowhere", app.store.join("v1/segments")).unwrap();
        }),
        ("file", &|| {
            fs::remove_dir_all(&app.store).unwrap();
            fs::write(&app.store, "").unwrap();
        }),
    ];
    for (state, make) in states {
        make();
        assert_eq!(json(&app.run(&["cache", "dir", "--json"]).success())["schema"], 1, "{state}");
        let info = json(&app.run(&["cache", "info", "--json"]).success());
        assert_eq!(info["total"]["bytes"], 0, "{state}: {info}");
        let verified = json(&app.run(&["cache", "verify", "--json"]).success());
        assert_eq!(
            (&verified["whole"], &verified["damaged"]),
            (&0.into(), &serde_json::json!([])),
            "{state}"
        );
        for command in ["dir", "info", "verify"] {
            assert!(!app.run(&["cache", command]).success().stdout.is_empty(), "{state}");
        }
        let pruned = json(&app.run(&["cache", "prune", "--all", "--json"]).success());
        assert_eq!(pruned["left"]["count"], 0, "{state}: {pruned}");
    }
    assert!(!unknown.exists());
}

#[test]
fn a_store_that_can_only_be_read_can_be_looked_at_but_not_pruned() {
    if python_minor().is_none() {
        return;
    }
    if !can_unshare() {
        skip("namespaces can't be made here, so nothing can be mounted read-only");
        return;
    }
    let app = app();
    app.build(&[]).success();
    let info = json(&app.run(&["cache", "info", "--json"]).success());
    assert_eq!(json(&run_read_only(&app, &["cache", "info", "--json"]).success()), info);
    run_read_only(&app, &["cache", "verify"]).success();
    let pruned = json(&run_read_only(&app, &["cache", "prune", "--all", "--json"]).success());
    assert_eq!((&pruned["removed"]["count"], &pruned["refused"]), (&0.into(), &info["total"]["count"]));
    let text = run_read_only(&app, &["cache", "prune", "--all"]).success().stdout;
    assert!(text.contains("the store can only be read"), "{text}");
    let segment = first_file(&app.store.join("v1/segments"));
    fs::write(&segment, "").unwrap();
    let verified = run_read_only(&app, &["cache", "verify"]);
    assert_eq!(verified.code, Some(1), "{}", verified.stdout);
    assert!(verified.stderr.contains("couldn't be thrown away"), "{}", verified.stderr);
}

#[test]
fn pruning_while_builds_run_takes_nothing_from_them() {
    if python_minor().is_none() {
        return;
    }
    let app = app();
    let sha256 = app.build(&["--format", "json"]).success().event("finished")["sha256"].clone();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pruner = scope.spawn(|| {
            let mut removed = 0;
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                let pruned = json(&app.run(&["cache", "prune", "--all", "--json"]).success());
                removed += pruned["removed"]["count"].as_u64().unwrap();
                app.run(&["cache", "verify"]).success();
            }
            removed
        });
        for _ in 0..5 {
            assert_eq!(app.build(&["--format", "json"]).success().event("finished")["sha256"], sha256);
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(pruner.join().unwrap() > 0, "nothing was pruned meanwhile");
    });
    assert_eq!(fs::read_dir(app.store.join("v1/tmp")).unwrap().count(), 0);
}
