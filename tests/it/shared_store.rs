//! A store that several users of a machine share, with real users.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Run, TestApp, has_program, python_minor, run, skip};

const GROUP: u32 = 61_000;
const USERS: [u32; 2] = [61_001, 61_002];

/// A store with these permissions, and an app that everybody may read.
struct Shared {
    app: TestApp,
    world: tempfile::TempDir,
}

impl Shared {
    fn new(mode: u32) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !has_program("setpriv") {
            skip("only root can become several users, by setpriv");
            return None;
        }
        python_minor()?;
        let mut app = TestApp::new(&[]);
        let world = tempfile::tempdir().unwrap();
        fs::set_permissions(world.path(), Permissions::from_mode(0o755)).unwrap();
        // Where the program and the tests are, others may not be let in.
        fs::copy(env!("CARGO_BIN_EXE_slugc"), world.path().join("slugc")).unwrap();
        let uv = world.path().join("uv");
        fs::copy(&app.env[std::ffi::OsStr::new("SLUGC_UV")], &uv).unwrap();
        app.set("SLUGC_UV", uv);
        app.env.remove(std::ffi::OsStr::new("PYENV_ROOT"));
        let shared = Self { app, world };
        for (name, contents) in [("requirements.txt", ""), ("app.py", "print()\n"), ("Procfile", "web: x\n")]
        {
            fs::create_dir_all(shared.dir("app")).unwrap();
            fs::write(shared.dir("app").join(name), contents).unwrap();
        }
        let store = shared.dir("store");
        fs::create_dir(&store).unwrap();
        std::os::unix::fs::chown(&store, Some(0), Some(GROUP)).unwrap();
        fs::set_permissions(&store, Permissions::from_mode(mode)).unwrap();
        for user in USERS {
            fs::create_dir(shared.dir(&user.to_string())).unwrap();
            std::os::unix::fs::chown(shared.dir(&user.to_string()), Some(user), Some(user)).unwrap();
        }
        Some(shared)
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.world.path().join(name)
    }

    /// Runs the program as a user who is in the group or not.
    fn run(&self, user: u32, umask: &str, in_group: bool, args: &[&str]) -> Run {
        let home = self.dir(&user.to_string());
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={user}"), format!("--regid={user}")]);
        match in_group {
            true => command.arg(format!("--groups={GROUP}")),
            false => command.arg("--clear-groups"),
        };
        command.args(["sh", "-c", &format!("umask {umask}; exec \"$@\""), "sh"]);
        command.arg(self.dir("slugc")).args(args).env_clear().envs(&self.app.env);
        run(command.env("HOME", &home).env("SLUGC_CACHE_DIR", self.dir("store")).current_dir(home))
    }

    fn build(&self, user: u32, umask: &str) -> Run {
        let app = self.dir("app");
        self.run(user, umask, true, &["build", app.to_str().unwrap(), "--format", "json"]).success()
    }

    /// Whether a user can use a Python of this machine at all.
    fn can_build(&self) -> bool {
        let app = self.dir("app");
        let store = self.dir("probe");
        let args = ["plan", app.to_str().unwrap(), "--cache-dir", store.to_str().unwrap()];
        fs::create_dir(&store).unwrap();
        fs::set_permissions(&store, Permissions::from_mode(0o777)).unwrap();
        let can = self.run(USERS[0], "022", true, &args).code == Some(0);
        if !can {
            skip("other users can't read this machine's Python");
        }
        can
    }
}

fn layers_built(run: &Run) -> u64 {
    run.event("finished")["counters"]["layers_built"].as_u64().unwrap()
}

fn below(dir: &Path) -> impl Iterator<Item = (PathBuf, fs::Metadata)> {
    let entries = walkdir::WalkDir::new(dir).min_depth(1).into_iter().map(Result::unwrap);
    entries.map(|entry| (entry.path().to_owned(), entry.metadata().unwrap()))
}

#[test]
fn users_of_one_group_use_replace_and_throw_away_what_the_others_have_made() {
    let Some(shared) = Shared::new(0o2775).filter(Shared::can_build) else { return };
    let [one, other] = USERS;
    let first = shared.build(one, "022");
    assert!(layers_built(&first) > 0);
    // Even those who give nobody anything by default.
    let second = shared.build(other, "027");
    assert_eq!(layers_built(&second), 0, "{}", second.stdout);
    assert_eq!(first.event("finished")["sha256"], second.event("finished")["sha256"]);
    assert!(!second.stdout.contains("can only be read"), "{}", second.stdout);

    // Each changes something: documents are replaced, locks taken, layers added.
    for (user, contents) in [(other, "# two\n"), (one, "# three\n"), (other, "# two\n")] {
        fs::write(shared.dir("app/requirements.txt"), contents).unwrap();
        shared.build(user, "027");
    }
    // Neither knows what the other has compressed: files of layers are read.
    fs::remove_dir_all(shared.dir("store/v1/segments")).unwrap();
    fs::write(shared.dir("app/requirements.txt"), "# three\n").unwrap();
    assert_eq!(layers_built(&shared.build(other, "022")), 0);
    for (path, meta) in below(&shared.dir("store")).filter(|(_, meta)| meta.is_dir()) {
        let is_private = path.file_name().unwrap().to_str().unwrap().starts_with("uv-");
        let expected = if is_private { 0o700 } else { 0o2775 };
        assert_eq!(
            (meta.mode() & 0o2777, meta.gid()),
            (expected | meta.mode() & 0o2000, GROUP),
            "{}",
            path.display()
        );
    }
    let args = ["cache", "prune", "--all", "--json"];
    let pruned = shared.run(one, "022", true, &args).success();
    let pruned: serde_json::Value = serde_json::from_str(&pruned.stdout).unwrap();
    let layers = below(&shared.dir("store/v1/layers")).filter(|(_, meta)| !meta.is_dir()).count();
    assert_eq!((layers, below(&shared.dir("store/v1/tmp")).count()), (0, 0), "{pruned}");
    shared.build(other, "022");
}

#[test]
fn others_may_read_a_store_if_its_permissions_say_so() {
    let Some(shared) = Shared::new(0o2775).filter(Shared::can_build) else { return };
    let [one, other] = USERS;
    shared.build(one, "022");
    let app = shared.dir("app");
    let args = ["build", app.to_str().unwrap(), "--format", "json"];
    let reader = shared.run(other, "022", false, &args).success();
    assert_eq!(layers_built(&reader), 0, "{}", reader.stdout);
    assert!(reader.stdout.contains("can only be read"), "{}", reader.stdout);
}

#[test]
fn a_store_that_slugc_makes_is_its_users_own() {
    let Some(shared) = Shared::new(0o1777).filter(Shared::can_build) else { return };
    let store = shared.dir(&USERS[0].to_string()).join("new/store");
    let (app, dir) = (shared.dir("app"), store.to_str().unwrap().to_owned());
    let args = ["build", app.to_str().unwrap(), "--cache-dir", &dir, "--format", "json"];
    shared.run(USERS[0], "000", true, &args).success();
    assert_eq!(fs::metadata(&store).unwrap().mode() & 0o777, 0o700);
    let open = below(&store.join("v1")).find(|(path, meta)| {
        let is_inside = path.components().any(|part| part.as_os_str() == "tree");
        !is_inside && meta.is_dir() && meta.mode() & 0o077 != 0
    });
    assert!(open.is_none(), "{open:?}");
}

#[test]
fn a_store_that_anybody_may_write_to_is_warned_of() {
    let Some(shared) = Shared::new(0o777).filter(Shared::can_build) else { return };
    let warned = |run: &Run| run.stdout.contains("store::writable-by-all");
    assert!(warned(&shared.build(USERS[0], "022")));
    // As /tmp is: what is mine there can't be replaced by others.
    fs::set_permissions(shared.dir("store"), Permissions::from_mode(0o1777)).unwrap();
    assert!(!warned(&shared.build(USERS[0], "022")));
    assert!(warned(&shared.build(USERS[1], "022")), "it is somebody else's");
    let below_v1 = below(&shared.dir("store/v1")).find(|(path, meta)| {
        let is_inside = path.components().any(|part| part.as_os_str() == "tree");
        !is_inside && !meta.is_symlink() && meta.mode() & 0o002 != 0
    });
    assert!(below_v1.is_none(), "{below_v1:?}");
}
