//! Compares the making of a slug with `tar czf` of the same tree, in one run on one machine.
//!
//! `cargo bench --bench compression [-- directory]`; without a directory, the library of the Python on PATH.

#![expect(clippy::disallowed_methods, reason = "it measures, and runs the programs that it compares with")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use slugc::testing::env::Env;
use slugc::testing::output::Output;
use slugc::testing::slug::{Layout, Slug, SlugSpec, Times, Tree, TreeOrigin, assemble, tree};
use slugc::testing::store::Store;

/// How often each way is taken; the fastest counts.
const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    // cargo adds `--bench`.
    let named = std::env::args_os().skip(1).find(|arg| !arg.as_encoded_bytes().starts_with(b"-"));
    let root = match named {
        Some(dir) => PathBuf::from(dir),
        None => match python_library() {
            Some(dir) => dir,
            None => {
                println!("skipped: there is no python3 on PATH, and no directory was given");
                return Ok(());
            }
        },
    };
    let env = Env::capture();
    let work = tempfile::tempdir()?;

    let tarball = work.path().join("tar.tgz");
    let by_tar = fastest(|| {
        let status = Command::new("tar").arg("czf").arg(&tarball).arg("-C").arg(&root).arg(".").status()?;
        if status.success() { Ok(()) } else { Err("tar failed".into()) }
    })?;
    let tar_size = std::fs::metadata(&tarball)?.len();

    let index = fastest(|| Ok(tree::index_directory(&root, &env)?))?;
    let entries = tree::index_directory(&root, &env)?;
    let make = |store: &Path| -> Result<Slug, Box<dyn Error>> {
        let tree = Tree {
            name: "tree".into(),
            root: root.clone(),
            origin: TreeOrigin::Layer,
            entries: entries.clone(),
        };
        let spec = SlugSpec {
            trees: vec![tree],
            times: Times { app: 315_532_800, layers: 315_532_800 },
            layout: Layout::App,
            exclude: &|_, _| false,
            max_size: u64::MAX,
            threads: env.cores,
            output: work.path().join("slug.tgz"),
            lineage: "benchmark".into(),
        };
        Ok(assemble(&spec, &Store::open(store)?, &env, &Output::silent())?)
    };
    let cold = fastest(|| make(tempfile::tempdir_in(work.path())?.path()))?;
    let store = tempfile::tempdir_in(work.path())?;
    let slug = make(store.path())?;
    let warm = fastest(|| make(store.path()))?;

    println!(
        "{}: {:.1} MB in {} files, {} threads",
        root.display(),
        megabytes(slug.uncompressed_size),
        slug.files,
        env.cores
    );
    println!("tar czf          {:>8.3} s  {:>8.2} MB", by_tar.as_secs_f64(), megabytes(tar_size));
    let row = |name: &str, time: Duration| {
        println!(
            "{name:<16} {:>8.3} s  {:>8.2} MB   {:>6.2} times as fast, {:.4} of the size",
            time.as_secs_f64(),
            megabytes(slug.size),
            by_tar.as_secs_f64() / time.as_secs_f64(),
            slug.size as f64 / tar_size as f64
        );
    };
    row("slug, cold", cold);
    row("slug, with index", cold + index);
    row("slug, warm", warm);
    Ok(())
}

fn python_library() -> Option<PathBuf> {
    let code = "import sysconfig; print(sysconfig.get_path('stdlib'))";
    let found = Command::new("python3").args(["-c", code]).output().ok()?;
    let dir = PathBuf::from(String::from_utf8(found.stdout).ok()?.trim());
    dir.is_dir().then_some(dir)
}

fn fastest<T>(mut work: impl FnMut() -> Result<T, Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        work()?;
        best = best.min(start.elapsed());
    }
    Ok(best)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
