//! Disks that are full or broken: each call by which slugc changes a file fails once.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use sha2::{Digest, Sha256};

use super::inject::{count, hit, inject, injector};
use super::rig::{Beginning, Clean, Rig, clean, clean_plain};
use crate::support::{Run, can_unshare, run, skip};

faults! {
    enospc_at_each: "No space left (ENOSPC)", "at each write, rename, link, sync, and making of a file or directory, of a build with a runtime in the store",
        "An error with an id, or the same slug. An old slug stays as it was. Nothing is left; the next build gives the same slug.";
    eio_at_each: "A disk that fails (EIO)", "at every seventh of these calls",
        "An error with an id, or the same slug. An old slug stays as it was. Nothing is left; the next build gives the same slug.";
    enospc_that_stays: "No space left, and none for anything after it", "from every eighth of these calls on",
        "An error with an id, or the same slug. An old slug stays as it was. Nothing is left; the next build gives the same slug.";
    short_writes: "Writes that write half of what they are given", "all writes of a build",
        "The rest is written: the same slug.";
    in_a_first_build: "No space left, or a disk that fails", "at calls spread over a build in an empty store, while Python is copied and compiled",
        "An error with an id, or the same slug. Nothing is left; the next build gives the same slug.";
    in_the_apps_own_steps: "No space left, or a disk that fails", "at calls spread over a build with a hook, while the app is laid out for it",
        "An error with an id, or the same slug. Nothing is left; the next build gives the same slug.";
    files_may_not_grow: "A limit for the size of files (RLIMIT_FSIZE)", "from 4 KiB to 4 MiB",
        "An error with an id, no end by SIGXFSZ. An old slug stays as it was; the next build gives the same slug.";
    full_file_systems: "A file system that is full, or has no inodes left", "a small tmpfs as the store, or where the slug goes",
        "An error with an id. Nothing is left; once there is room, the next build gives the same slug.";
}

const OLD: &str = "an old slug";

/// What is in the place of the slug and of its manifest before a build: an earlier slug, which may be replaced.
fn old() -> [(&'static str, String); 2] {
    let checksum = format!("SHA256:{}", hex::encode(Sha256::digest(OLD)));
    let manifest = format!(r#"{{"schema": 1, "checksum": "{checksum}", "tar_checksum": "{checksum}"}}"#);
    [("slug.tgz", OLD.to_owned()), ("slug.tgz.json", manifest)]
}

fn put_old(rig: &Rig) {
    for (name, content) in old() {
        fs::write(rig.app.out.join(name), content).unwrap();
    }
}

/// The ids of the catalogue.
fn is_known(id: &str) -> bool {
    slugc::testing::error::ErrorCode::ALL.iter().any(|code| code.entry().id == id)
}

/// Fails unless a build has ended well, or with an id of the catalogue. Returns the id.
#[track_caller]
fn ended_properly(run: &Run, sha256: &str, after: &str) -> Option<String> {
    if run.code == Some(0) {
        assert_eq!(run.event("finished")["sha256"], sha256, "{after}: another slug");
        return None;
    }
    let said = format!("{after}: {:?}\n{}\n{}", run.code, run.stdout, run.stderr);
    assert!(!matches!(run.code, None | Some(101)) && !run.stderr.contains("panicked"), "{said}");
    let error = run.events().into_iter().rfind(|event| event["event"] == "error").expect(&said);
    let id = error["id"].as_str().unwrap();
    assert!(is_known(id) && id != "internal::abort", "{said}");
    assert_eq!(run.code, error["exit_code"].as_i64().map(|code| i32::try_from(code).unwrap()), "{said}");
    Some(id.to_owned())
}

/// Has one call of a build fail, and builds again. Returns what the failed build has said; none once there
/// is no call of that number.
fn one(rig: &Rig, clean: &Clean, beginning: Beginning, fault: &str, number: usize) -> Option<Option<String>> {
    rig.begin(beginning);
    put_old(rig);
    let below = rig.root();
    let run = run(&mut inject(injector()?, below, fault, number, &rig.build()));
    let hit = hit(below)?;
    let after = format!("{fault} at {number}: {hit}");
    let id = ended_properly(&run, &clean.sha256, &after);
    // It is the last of all: the slug is in its place then, and whole.
    let is_last = hit == "rename /out/slug.tgz.json";
    if id.is_some() && !is_last {
        for (name, content) in old() {
            let found = fs::read(rig.app.out.join(name)).unwrap();
            assert!(found == content.as_bytes(), "{after}: {name} isn't what it was");
        }
    }
    rig.assert_nothing_left(&after);
    rig.builds(&clean.sha256, &after);
    Some(id)
}

/// Goes through the calls of a build without a hook until there are no more.
fn each(fault: &str, first: usize, step: usize) -> Option<BTreeMap<Option<String>, usize>> {
    let rig = Rig::plain(Beginning::WithRuntime)?;
    injector()?;
    let mut ids = BTreeMap::new();
    let numbers = (first..).step_by(step);
    for id in numbers.map_while(|number| one(&rig, clean_plain(), Beginning::WithRuntime, fault, number)) {
        *ids.entry(id).or_default() += 1;
    }
    let total: usize = ids.values().sum();
    eprintln!("{fault}: {total} builds: {ids:?}");
    assert!(total * step > 50, "only {total} calls: are they still seen?");
    Some(ids)
}

fn enospc_at_each() {
    let Some(ids) = each("ENOSPC", 1, 1) else { return };
    assert!(ids.contains_key(&Some("store::unusable".to_owned())));
}

fn eio_at_each() {
    each("EIO", 2, 7);
}

fn enospc_that_stays() {
    each("ENOSPC+", 3, 8);
}

fn short_writes() {
    let (Some(rig), Some(injector)) = (Rig::plain(Beginning::WithRuntime), injector()) else { return };
    let run = run(&mut inject(injector, rig.root(), "short+", 1, &rig.build()));
    assert!(hit(rig.root()).is_some() && count(rig.root()) > 50, "{}", count(rig.root()));
    assert_eq!(ended_properly(&run, &clean_plain().sha256, "short writes"), None);
    eprintln!("{} short writes", count(rig.root()));
    rig.builds(&clean_plain().sha256, "short writes");
}

/// Faults at calls spread evenly over a build.
fn spread(rig: &Rig, clean: &Clean, beginning: Beginning, rounds: usize) {
    let Some(injector) = injector() else { return };
    rig.begin(beginning);
    run(&mut inject(injector, rig.root(), "ENOSPC", 0, &rig.build())).success();
    let total = count(rig.root());
    assert!(total > 500, "only {total} calls: are they still seen?");
    let mut ids = BTreeMap::<_, usize>::new();
    for round in 0..rounds {
        let fault = if round % 2 == 0 { "ENOSPC" } else { "EIO" };
        let number = 1 + (2 * round + 1) * total / (2 * rounds);
        if let Some(id) = one(rig, clean, beginning, fault, number) {
            *ids.entry(id).or_default() += 1;
        }
    }
    eprintln!("{rounds} of {total} calls: {ids:?}");
    assert!(ids.values().sum::<usize>() * 2 > rounds);
}

fn in_a_first_build() {
    let Some(rig) = Rig::plain(Beginning::Empty) else { return };
    spread(&rig, clean_plain(), Beginning::Empty, 4);
}

fn in_the_apps_own_steps() {
    let Some(rig) = Rig::new(Beginning::WithRuntime) else { return };
    spread(&rig, clean(), Beginning::WithRuntime, 4);
}

fn files_may_not_grow() {
    let Some(rig) = Rig::plain(Beginning::WithRuntime) else { return };
    let mut ids = Vec::new();
    for blocks in [4, 256, 4096] {
        rig.begin(Beginning::WithRuntime);
        put_old(&rig);
        let build = rig.build();
        let mut limited = Command::new("bash");
        limited.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
        limited.arg(build.get_program()).args(build.get_args());
        limited.env_clear().envs(&rig.app.env).current_dir(&rig.app.out);
        let run = run(&mut limited);
        let after = format!("files of at most {blocks} KiB");
        ids.push(ended_properly(&run, &clean_plain().sha256, &after));
        assert!(fs::read(rig.app.slug()).unwrap() == OLD.as_bytes(), "{after}: the slug isn't what it was");
        rig.assert_nothing_left(&after);
        rig.builds(&clean_plain().sha256, &after);
    }
    // The slug is larger than any of these limits.
    assert!(ids.iter().all(Option::is_some), "{ids:?}");
    eprintln!("files may not grow: {ids:?}");
}

fn full_file_systems() {
    let Some(rig) = Rig::plain(Beginning::WithRuntime) else { return };
    if !can_unshare() {
        skip("namespaces can't be made here, so nothing can be mounted");
        return;
    }
    let script = "place=$1; shift\nmount -t tmpfs -o \"$0\" none \"$place\" || exit 99\n\
                  \"$@\"; echo \"LEFT:$(find \"$place\" -name '*slugc-scratch-*')\" >&2\n\
                  mount -o remount,size=400M,nr_inodes=100000 none \"$place\"\n\"$@\"";
    for (store, options) in [
        (true, "size=1M"),
        (true, "size=30M"),
        (true, "nr_inodes=20"),
        (true, "nr_inodes=700"),
        (false, "size=64K"),
        (false, "nr_inodes=1"),
    ] {
        let place = if store { &rig.app.store } else { &rig.app.out };
        rig.begin(if store { Beginning::Empty } else { Beginning::WithRuntime });
        fs::create_dir_all(place).unwrap();
        let build = rig.build();
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "bash", "-c", script, options]);
        command.arg(place).arg(build.get_program()).args(build.get_args());
        let both = run(command.env_clear().envs(&rig.app.env).current_dir("/"));
        let after = format!("{options}, store: {store}: {}\n{}", both.stdout, both.stderr);
        if both.code == Some(99) {
            skip("no file system can be mounted here");
            return;
        }
        assert_eq!(both.code, Some(0), "{after}");
        assert!(both.stderr.contains("LEFT:\n"), "{after}");
        let errors = both.events().into_iter().filter(|event| event["event"] == "error").collect::<Vec<_>>();
        assert_eq!(errors.len(), 1, "{after}");
        assert!(is_known(errors[0]["id"].as_str().unwrap()), "{after}");
        eprintln!("{options}: {}: {}", errors[0]["id"], errors[0]["message"]);
        assert_eq!(both.event("finished")["sha256"], clean_plain().sha256.as_str(), "{after}");
    }
}
