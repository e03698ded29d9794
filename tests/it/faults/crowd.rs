//! Many builds at once in one store.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::rig::{Beginning, Rig, clean, names};
use crate::support::{Run, TestApp, run};

faults! {
    of_the_same_app: "20 builds of one app at once", "in one store that was empty, each with an output of its own",
        "All give the same slug as a build alone. Each layer is made once.";
    of_different_apps: "20 builds of 20 apps at once", "in one store that was empty",
        "Each gives the same slug as when they are built one after the other. Each layer is made once.";
    #[ignore = "needs PyPI"]
    of_real_apps: "4 builds of 4 real apps at once", "in one store that was empty: Python, uv, Flask, Django and others are fetched",
        "Each gives the same slug as a build alone. Each layer is made once.";
}

/// Runs these builds at once and returns what they say, in the same order.
fn at_once(builds: Vec<std::process::Command>) -> Vec<Run> {
    let start = |mut build: std::process::Command| std::thread::spawn(move || run(&mut build));
    let threads: Vec<_> = builds.into_iter().map(start).collect();
    threads.into_iter().map(|thread| thread.join().unwrap().success()).collect()
}

/// Fails if a layer was made by two builds, and returns how many there are.
fn each_layer_once(runs: &[Run]) -> usize {
    let mut makers: BTreeMap<(String, String), usize> = BTreeMap::new();
    for event in runs.iter().flat_map(Run::events).filter(|event| event["event"] == "layer_built") {
        *makers.entry((event["layer"].to_string(), event["key"].to_string())).or_default() += 1;
    }
    assert!(makers.values().all(|times| *times == 1), "{makers:#?}");
    makers.len()
}

fn sha256(run: &Run) -> String {
    run.event("finished")["sha256"].as_str().unwrap().to_owned()
}

/// A build of an app in the store of another, with an output of its own.
fn build_in(store: &Rig, app: &Rig, slug: &str) -> std::process::Command {
    let slug = app.app.out.join(slug);
    let words = ["build", app.app.dir.to_str().unwrap(), "--format", "json", "-o", slug.to_str().unwrap()];
    let mut command = app.app.command(&words);
    command.env("SLUGC_CACHE_DIR", &store.app.store);
    command
}

fn of_the_same_app() {
    let Some(rig) = Rig::new(Beginning::Empty) else { return };
    let runs = at_once((0..20).map(|number| build_in(&rig, &rig, &format!("{number}.tgz"))).collect());
    let slugs: BTreeSet<String> = runs.iter().map(sha256).collect();
    assert_eq!(slugs, BTreeSet::from([clean().sha256.clone()]));
    assert_eq!(each_layer_once(&runs), 4, "runtime, pip, dependencies, stage");
    assert_eq!(names(&rig.app.store.join("v1/tmp")), [""; 0]);
    assert_eq!(names(&rig.temp), [""; 0]);
}

fn of_different_apps() {
    let Some(store) = Rig::plain(Beginning::Empty) else { return };
    let serial = Rig::plain(Beginning::WithRuntime).unwrap();
    let apps: Vec<Rig> = (0..20)
        .map(|number| {
            let rig = Rig::plain(Beginning::Empty).unwrap();
            fs::write(rig.app.dir.join("number.py"), format!("NUMBER = {number}\n")).unwrap();
            // Five sets of dependencies, which four apps each share.
            fs::write(rig.app.dir.join("requirements.txt"), format!("shelf==1.0\n# {}\n", number % 5))
                .unwrap();
            rig
        })
        .collect();
    let alone = |rig: &Rig| sha256(&run(&mut build_in(&serial, rig, "alone.tgz")).success());
    let alone: Vec<String> = apps.iter().map(alone).collect();
    assert_eq!(alone.iter().collect::<BTreeSet<_>>().len(), 20, "the apps differ");
    let runs = at_once(apps.iter().map(|rig| build_in(&store, rig, "crowd.tgz")).collect());
    assert_eq!(runs.iter().map(sha256).collect::<Vec<_>>(), alone);
    let layers = each_layer_once(&runs);
    assert!((7..=22).contains(&layers), "{layers} layers");
    assert_eq!(names(&store.app.store.join("v1/tmp")), [""; 0]);
}

fn of_real_apps() {
    let fixtures = ["flask-getting-started", "django-getting-started", "tests-pytest", "pip-nested"];
    let apps: Vec<Rig> = fixtures.iter().map(|fixture| Rig::with(TestApp::online(fixture))).collect();
    let store = Rig::with(TestApp::online("pip-nested"));
    let runs = at_once(apps.iter().map(|rig| build_in(&store, rig, "crowd.tgz")).collect());
    each_layer_once(&runs);
    assert_eq!(names(&store.app.store.join("v1/tmp")), [""; 0]);
    let crowd: Vec<String> = runs.iter().map(sha256).collect();
    for (number, rig) in apps.iter().enumerate() {
        assert_eq!(sha256(&run(&mut rig.build()).success()), crowd[number], "{}", fixtures[number]);
    }
}
