//! One slug out of several trees: the segments in order, from the store or compressed now, as one gzip member.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::contents::Contents;
use super::deflate::END_OF_TAR;
use super::error::{SlugError, TooLarge};
use super::fingerprint::TarHash;
use super::manifest::{self, Manifest};
use super::merge::{self, Excluded, Merged};
use super::read::{MAX_DEPTH, printable};
use super::segment;
use super::segment_maker::{MadeSegment, SegmentMaker};
use super::size::{PartSizes, size_warning};
use super::tree::{EntryKind, Tree, TreeOrigin};
use super::writer::{SlugWriter, directory_of};
use crate::env::Env;
use crate::host::scratch::sweep;
use crate::output::{Event, Output};
use crate::store::Store;

/// What a slug is made of, and how.
pub struct SlugSpec<'a> {
    /// Its trees: a later one wins where two have the same path.
    pub trees: Vec<Tree>,
    /// The times that the entries bear.
    pub times: Times,
    /// Where in the tar file the app is.
    pub layout: Layout,
    /// Whether a path is left out; told the path and whether it is a directory or a link to one. A directory
    /// takes what is in it along.
    pub exclude: &'a dyn Fn(&[u8], bool) -> bool,
    /// The size in bytes that the slug may have.
    pub max_size: u64,
    /// How many threads compress.
    pub threads: usize,
    /// Where the slug goes.
    pub output: PathBuf,
    /// Names earlier slugs of the same app in the store.
    pub lineage: String,
}

/// The times that the entries of a slug bear, in seconds since 1970.
///
/// The app's may be that of its commit: servers tell browsers by it whether a file has changed. The layers' must not
/// change with every commit, or no compressed segment of theirs could be used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Of the app's own files.
    pub app: u64,
    /// Of what the build installed.
    pub layers: u64,
}

impl Times {
    /// Returns the time of the entries of a tree. A slug without any tree has the app's own directory.
    pub(super) fn of(self, tree: Option<&Tree>) -> u64 {
        match tree.map(|tree| tree.origin) {
            Some(TreeOrigin::Layer) => self.layers,
            Some(TreeOrigin::App) | None => self.app,
        }
    }
}

/// Where in the tar file the app is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// In `./app/`, as Heroku has it.
    #[default]
    App,
    /// At the top, as `slug import` of other platforms has it.
    Flat,
}

/// A slug that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug {
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The SHA-256 of the tar file inside, in hexadecimal: the lasting identity.
    pub tar_sha256: String,
    /// The length of the file in bytes.
    pub size: u64,
    /// The length of the tar file in bytes.
    pub uncompressed_size: u64,
    /// How many files and links are in it.
    pub files: u64,
    /// What `exclude` matched.
    pub excluded: Excluded,
    /// What takes how much, the biggest first.
    pub parts: Vec<Part>,
}

/// A part of a slug that a user would know: a distribution, a top-level name of the app, Python.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What it takes in the slug, in bytes.
    pub compressed: u64,
    /// What its files hold, in bytes.
    pub size: u64,
    /// How many files and links it has.
    pub files: u64,
}

/// Fails if a slug can't be written there, before any work is done for it.
/// What killed builds have left there is deleted.
pub fn check_output(path: &Path) -> Result<(), SlugError> {
    sweep(directory_of(path));
    SlugWriter::create(path).map(drop)
}

/// A slug that was made, beside its place: one that was there before is there still.
pub struct Prepared {
    slug: Slug,
    written: SlugWriter,
    /// The permissions of the files.
    mode: u32,
}

impl Prepared {
    /// Returns what there is to say about it.
    pub fn slug(&self) -> &Slug {
        &self.slug
    }

    /// Puts it in its place.
    pub fn publish(self) -> Result<Slug, SlugError> {
        self.written.persist(self.mode)?;
        Ok(self.slug)
    }

    /// Puts it in its place, with its manifest. All that can fail for want of room is done before either is there.
    pub fn publish_with(self, manifest: &Manifest, path: &Path) -> Result<Slug, SlugError> {
        let aside = manifest::write_aside(manifest, path, self.mode)?;
        let slug = self.publish()?;
        aside.persist(path).map_err(|error| manifest::failed(path, error.error))?;
        Ok(slug)
    }
}

/// Makes a slug. It appears whole or not at all; one that was there before stays if this fails.
pub fn assemble(spec: &SlugSpec, store: &Store, env: &Env, output: &Output) -> Result<Slug, SlugError> {
    prepare(spec, store, env, output)?.publish()
}

/// Makes a slug, and doesn't put it in its place yet.
pub fn prepare(spec: &SlugSpec, store: &Store, env: &Env, output: &Output) -> Result<Prepared, SlugError> {
    let SlugSpec { trees, times, layout, exclude, max_size, threads, output: path, lineage } = spec;
    // First, so that a place that can't be written to doesn't cost the work.
    let mut writer = SlugWriter::create(path)?;

    let (mut entries, excluded) = merge::without(&merge::overlay(trees), *exclude);
    check_depth(&entries)?;
    merge::order_by_tree(&mut entries);
    // The app's directory belongs to what follows it, so that it isn't a segment of its own.
    let first_tree = entries.first().map_or(0, |entry| entry.tree);
    entries.insert(0, Merged { path: b"", kind: &EntryKind::Directory, tree: first_tree });
    let segments = segment::cut(&entries, trees, *layout);
    let keys: Vec<String> =
        segments.iter().map(|segment| segment::key(segment, &entries, trees, *layout, *times)).collect();

    let mut tar_hash = TarHash::resume(&keys, store, lineage);
    let segment_maker = SegmentMaker {
        contents: Contents::new(trees, &entries, &segments, *layout, *times),
        segments: &segments,
        keys: &keys,
        first_unknown: tar_hash.known(),
        store,
        env,
    };
    let bar = output.progress("Compressing", Some(segments.iter().map(|segment| segment.length).sum()));
    let mut parts = PartSizes::default();
    let (mut reused, mut compressed, mut bytes) = (0, 0, 0);
    segment_maker.run((*threads).max(1), |number, made| {
        let MadeSegment { blob, content, is_new } = made;
        if let Some(content) = content {
            tar_hash.add(&keys[number], &content);
        }
        writer.add(&blob)?;
        parts.add(&segments[number], blob.deflated().len() as u64, &entries, trees);
        if is_new {
            compressed += 1;
            bytes += segments[number].length;
        } else {
            reused += 1;
        }
        bar.add(segments[number].length);
        Ok(())
    })?;
    drop(bar);
    output.event(Event::SegmentsAssembled { reused, compressed, bytes });

    let tar_sha256 = tar_hash.finish(&END_OF_TAR, store, lineage)?;
    let written = writer.finish()?;
    let parts = parts.into_parts();
    if written.size > *max_size {
        return Err(TooLarge { size: written.size, max: *max_size, parts, advice: String::new() }.into());
    }
    env.interrupt.check()?;
    let slug = Slug {
        tar_sha256,
        size: written.size,
        uncompressed_size: written.uncompressed_size,
        files: entries.iter().filter(|entry| *entry.kind != EntryKind::Directory).count() as u64,
        excluded,
        parts,
        sha256: written.sha256(),
    };
    if let Some((code, text)) = size_warning(slug.size) {
        output.warning(code, text);
    }
    Ok(Prepared { slug, written, mode: env.file_mode() })
}

/// What couldn't be read again isn't written.
fn check_depth(entries: &[Merged<'_>]) -> Result<(), SlugError> {
    // The first level is `app`.
    const MOST: usize = MAX_DEPTH - 1;
    let is_too_deep = |entry: &&Merged<'_>| entry.path.split(|byte| *byte == b'/').count() > MOST;
    match entries.iter().find(is_too_deep) {
        None => Ok(()),
        Some(entry) => {
            let start = printable(&entry.path[..entry.path.len().min(60)]);
            Err(SlugError::TooDeep { start, most: MOST })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::io::{self, Read};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    use indoc::indoc;
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};
    use tempfile::TempDir;

    use super::super::tree::{Entry, TreeOrigin, index_directory};
    use super::*;
    use crate::error::{ErrorCode, UserError};

    const MTIME: u64 = 315_532_800;

    /// An app in one directory, a store and an output directory in another.
    struct World {
        app: TempDir,
        work: TempDir,
        trees: Vec<Tree>,
        threads: usize,
        layout: Layout,
        max_size: u64,
        env: Env,
    }

    impl World {
        fn new(files: &[(&str, &[u8])]) -> Self {
            let (app, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            fs::create_dir(work.path().join("out")).unwrap();
            let env = Env::for_tests(&[]);
            let mut world =
                Self { app, work, trees: vec![], threads: 2, layout: Layout::App, max_size: u64::MAX, env };
            for (path, content) in files {
                world.write(path, content);
            }
            world.index(TreeOrigin::App);
            world
        }

        fn write(&self, path: &str, content: &[u8]) {
            let path = self.app.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn index(&mut self, origin: TreeOrigin) {
            let root = self.app.path().to_owned();
            let entries = index_directory(&root, &self.env).unwrap();
            self.trees = vec![Tree { name: "app".into(), root, origin, entries }];
        }

        fn output(&self) -> PathBuf {
            self.work.path().join("out/slug.tgz")
        }

        fn try_build(&self, exclude: &dyn Fn(&[u8], bool) -> bool) -> (Result<Slug, SlugError>, (u64, u64)) {
            let spec = SlugSpec {
                trees: self.trees.clone(),
                times: Times { app: MTIME, layers: MTIME },
                layout: self.layout,
                exclude,
                max_size: self.max_size,
                threads: self.threads,
                output: self.output(),
                lineage: "app".into(),
            };
            let store = Store::open(&self.work.path().join("store")).unwrap();
            let output = Output::silent();
            let result = assemble(&spec, &store, &self.env, &output);
            let counters = output.counters();
            (result, (counters.segments_reused, counters.segments_compressed))
        }

        /// Builds, checks what must hold for every slug, and returns it with the numbers of segments that were
        /// reused and compressed.
        fn build(&self) -> (Slug, (u64, u64)) {
            let (slug, counters) = self.try_build(&|_, _| false);
            let slug = slug.unwrap();
            let bytes = fs::read(self.output()).unwrap();
            assert_eq!(slug.sha256, hex::encode(Sha256::digest(&bytes)));
            assert_eq!(slug.size, bytes.len() as u64);
            let tar = gunzip(&bytes);
            assert_eq!(slug.tar_sha256, hex::encode(Sha256::digest(&tar)));
            assert_eq!(slug.uncompressed_size, tar.len() as u64);
            assert_eq!(self.in_output(), ["slug.tgz"]);
            (slug, counters)
        }

        fn fails(&self) -> SlugError {
            self.try_build(&|_, _| false).0.unwrap_err()
        }

        fn in_output(&self) -> Vec<String> {
            let files = fs::read_dir(self.work.path().join("out")).unwrap();
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
        }

        fn clear_store(&self) {
            fs::remove_dir_all(self.work.path().join("store")).unwrap();
        }
    }

    fn gunzip(bytes: &[u8]) -> Vec<u8> {
        let mut tar = Vec::new();
        let mut decoder = flate2::bufread::GzDecoder::new(bytes);
        decoder.read_to_end(&mut tar).unwrap();
        assert!(decoder.into_inner().is_empty(), "there is one member and nothing behind it");
        tar
    }

    /// Bytes that don't compress, the same every time.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = length as u64 + 1;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// An app with something of everything.
    fn rich() -> World {
        let mut world = World::new(&[
            ("Procfile", b"web: gunicorn app\n"),
            ("bin/run", b"#!/bin/sh\n"),
            ("private.pem", b"key"),
            ("big", &noise(9 << 20)),
            ("empty", b""),
            ("static/a.css", &b"a { }\n".repeat(100_000)),
            ("static/b.css", &noise(3 << 20)),
        ]);
        let app = world.app.path();
        let mode =
            |path: &str, mode| fs::set_permissions(app.join(path), fs::Permissions::from_mode(mode)).unwrap();
        mode("bin/run", 0o775);
        mode("private.pem", 0o600);
        symlink("run", app.join("bin/link")).unwrap();
        symlink("/nowhere", app.join("bin/broken")).unwrap();
        symlink("t".repeat(300), app.join("bin/long-target")).unwrap();
        fs::create_dir_all(app.join("empty-dir")).unwrap();
        let deep = format!("{}/{}", "d".repeat(200), "e".repeat(200));
        world.write(&format!("{deep}/file"), b"deep");
        fs::write(app.join(OsStr::from_bytes(b"caf\xe9")), "latin 1").unwrap();
        fs::hard_link(app.join("Procfile"), app.join("hard-link")).unwrap();
        world.index(TreeOrigin::App);
        world
    }

    /// Runs a program that may be absent, and returns what it prints.
    fn output_of(program: &str, args: &[&OsStr]) -> Option<String> {
        match Command::new(program).args(args).env("LC_ALL", "C").env("TZ", "UTC").output() {
            Ok(output) => {
                assert!(output.status.success() && output.stderr.is_empty(), "{program}: {output:?}");
                Some(String::from_utf8(output.stdout).unwrap())
            }
            Err(error) => {
                eprintln!("not compared with {program}: {error}");
                None
            }
        }
    }

    const LISTING: &str = indoc! {r"
        drwxr-xr-x root/root         0 1980-01-01 00:00 ./app/
        -rw-r--r-- root/root        18 1980-01-01 00:00 ./app/Procfile
        -rw-r--r-- root/root   9437184 1980-01-01 00:00 ./app/big
        drwxr-xr-x root/root         0 1980-01-01 00:00 ./app/bin/
        lrwxrwxrwx root/root         0 1980-01-01 00:00 ./app/bin/broken -> /nowhere
        lrwxrwxrwx root/root         0 1980-01-01 00:00 ./app/bin/link -> run
        lrwxrwxrwx root/root         0 1980-01-01 00:00 ./app/bin/long-target -> {300 times t}
        -rwxr-xr-x root/root        10 1980-01-01 00:00 ./app/bin/run
        -rw-r--r-- root/root         7 1980-01-01 00:00 ./app/caf\351
        drwxr-xr-x root/root         0 1980-01-01 00:00 ./app/{200 times d}/
        drwxr-xr-x root/root         0 1980-01-01 00:00 ./app/{200 times d}/{200 times e}/
        -rw-r--r-- root/root         4 1980-01-01 00:00 ./app/{200 times d}/{200 times e}/file
        -rw-r--r-- root/root         0 1980-01-01 00:00 ./app/empty
        drwxr-xr-x root/root         0 1980-01-01 00:00 ./app/empty-dir/
        -rw-r--r-- root/root        18 1980-01-01 00:00 ./app/hard-link
        -rw------- root/root         3 1980-01-01 00:00 ./app/private.pem
        drwxr-xr-x root/root         0 1980-01-01 00:00 ./app/static/
        -rw-r--r-- root/root    600000 1980-01-01 00:00 ./app/static/a.css
        -rw-r--r-- root/root   3145728 1980-01-01 00:00 ./app/static/b.css
    "};

    fn shortened(listing: &str) -> String {
        let mut listing = listing.to_owned();
        for (letter, count) in [("t", 300), ("d", 200), ("e", 200)] {
            listing = listing.replace(&letter.repeat(count), &format!("{{{count} times {letter}}}"));
        }
        listing
    }

    #[test]
    fn gnu_tar_and_gzip_read_it() {
        let world = rich();
        let (slug, _) = world.build();
        assert_eq!(slug.files, 13);
        let path = world.output();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        output_of("gzip", &["-t".as_ref(), path.as_ref()]);
        if let Some(listing) = output_of("tar", &["tvzf".as_ref(), path.as_ref()]) {
            assert_eq!(shortened(&listing), LISTING);
        }
        let to = world.work.path().join("unpacked");
        fs::create_dir(&to).unwrap();
        if output_of("tar", &["xzf".as_ref(), path.as_ref(), "-C".as_ref(), to.as_ref()]).is_some() {
            assert_eq!(index_directory(&to.join("app"), &world.env).unwrap(), world.trees[0].entries);
        }
    }

    #[test]
    fn pythons_tarfile_reads_it() {
        let world = rich();
        world.build();
        let code = indoc! {r#"
            import sys, tarfile
            with tarfile.open(sys.argv[1]) as tar:
                for m in tar:
                    owner = (m.uid, m.gid, m.uname, m.gname, m.mtime, m.pax_headers)
                    assert owner == (0, 0, "root", "root", 315532800, {}), owner
                    name = m.name.encode("utf-8", "surrogateescape").decode("latin-1")
                    print("%s %o %d %s %s" % (m.type.decode(), m.mode, m.size, ascii(name), m.linkname))
        "#};
        let path = world.output();
        let Some(listing) = output_of("python3", &["-c".as_ref(), code.as_ref(), path.as_ref()]) else {
            return;
        };
        let lines: Vec<String> = shortened(&listing).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 19);
        for expected in [
            "5 755 0 './app' ",
            "0 755 10 './app/bin/run' ",
            "0 600 3 './app/private.pem' ",
            "0 644 7 './app/caf\\xe9' ",
            "2 777 0 './app/bin/link' run",
            "2 777 0 './app/bin/long-target' {300 times t}",
            "0 644 4 './app/{200 times d}/{200 times e}/file' ",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:#?}");
        }
    }

    #[test]
    fn the_bytes_depend_on_the_content_alone() {
        let mut first = rich();
        let (expected, counters) = first.build();
        assert!(counters.0 == 0 && counters.1 >= 4, "{counters:?}");
        let (warm, (reused, compressed)) = first.build();
        assert_eq!((warm, reused, compressed), (expected.clone(), counters.1, 0));
        for threads in [0, 1, 5] {
            first.threads = threads;
            first.clear_store();
            assert_eq!(first.build().0, expected, "{threads} threads");
        }
        let second = rich();
        assert_eq!(second.build().0, expected, "in another directory");
    }

    #[test]
    fn the_flat_layout_has_the_app_at_the_top() {
        let mut world = World::new(&[("a/b", b"x")]);
        world.layout = Layout::Flat;
        world.build();
        let tar = gunzip(&fs::read(world.output()).unwrap());
        let names: Vec<&[u8]> =
            [0, 512, 1024].map(|start| tar[start..].split(|byte| *byte == 0).next().unwrap()).into();
        assert_eq!(names, [&b"./"[..], b"./a/", b"./a/b"]);
    }

    #[test]
    fn a_changed_file_costs_its_own_segment() {
        let mut world =
            World::new(&[("a", &noise(4_000_000)), ("b", &noise(4_000_001)), ("c", &noise(4_000_002))]);
        assert_eq!(world.build().1, (0, 3));
        world.write("b", &noise(3_900_000));
        world.index(TreeOrigin::App);
        let (changed, counters) = world.build();
        assert_eq!(counters, (2, 1));
        world.clear_store();
        assert_eq!(world.build().0, changed, "as if it had been made from nothing");
    }

    #[test]
    fn unchanged_layers_are_not_read() {
        let mut world = World::new(&[("a", &noise(5 << 20)), ("b", b"x")]);
        world.index(TreeOrigin::Layer);
        let (expected, _) = world.build();
        fs::remove_file(world.app.path().join("a")).unwrap();
        fs::remove_file(world.app.path().join("b")).unwrap();
        let (warm, counters) = world.build();
        assert_eq!((warm, counters.1), (expected, 0));
    }

    #[test]
    fn a_file_that_changes_during_the_build_is_an_error() {
        let big = noise(9 << 20);
        let files: [(&str, &[u8]); 2] = [("big", &big), ("small", b"12345")];
        let expected = World::new(&files).build().0;
        for (name, change) in [
            ("small", b"other".to_vec()),
            ("small", b"longer".to_vec()),
            ("small", vec![]),
            ("big", vec![]),
            ("big", big[..big.len() - 1].to_vec()),
            ("big", [big.as_slice(), b"x"].concat()),
            ("big", [b"x", &big[1..]].concat()),
            ("big", [&big[..5 << 20], b"x", &big[(5 << 20) + 1..]].concat()),
            ("big", [&big[..big.len() - 1], b"x"].concat()),
        ] {
            let world = World::new(&files);
            fs::write(world.output(), "an older slug").unwrap();
            world.write(name, &change);
            let error = world.fails();
            assert_eq!(error.code(), ErrorCode::SourceChanged, "{error}");
            assert!(error.to_string().contains(&format!("/{name} isn't")), "{error}");
            assert_eq!(error.damaged_layer(), None);
            assert_eq!(fs::read(world.output()).unwrap(), b"an older slug");
            assert_eq!(world.in_output(), ["slug.tgz"]);
            // Nothing wrong was kept: with the right content the slug is right.
            world.write(name, if name == "big" { &big } else { b"12345" });
            assert_eq!(world.build().0, expected, "{name} {}", change.len());
        }
    }

    #[test]
    fn a_layer_whose_files_have_changed_is_damaged() {
        let mut world = World::new(&[("a", b"12345")]);
        world.index(TreeOrigin::Layer);
        world.write("a", b"other");
        let error = world.fails();
        assert_eq!(error.code(), ErrorCode::StoreCorrupt);
        assert_eq!(error.damaged_layer(), Some("app"));
    }

    #[test]
    fn a_file_that_has_become_something_else_is_an_error() {
        let world = World::new(&[("file", b"12345"), ("target", b"12345")]);
        let path = world.app.path().join("file");
        let changes: [&dyn Fn(); 4] = [
            &|| symlink("target", &path).unwrap(),
            &|| fs::create_dir(&path).unwrap(),
            &|| assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
            &|| (),
        ];
        for change in changes {
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
            change();
            assert_eq!(world.fails().code(), ErrorCode::SourceChanged);
        }
    }

    #[test]
    fn a_damaged_segment_is_made_anew() {
        let world = rich();
        let (expected, (_, count)) = world.build();
        let segments: Vec<PathBuf> = walkdir::WalkDir::new(world.work.path().join("store/v1/segments"))
            .into_iter()
            .map(|entry| entry.unwrap().into_path())
            .filter(|path| path.is_file())
            .collect();
        assert_eq!(segments.len() as u64, count);
        let key = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let store = Store::open(&world.work.path().join("store")).unwrap();
        let damages: [&dyn Fn(&Path); 5] = [
            &|path| fs::remove_file(path).unwrap(),
            &|path| fs::write(path, "").unwrap(),
            &|path| {
                let mut bytes = fs::read(path).unwrap();
                bytes[50] ^= 1;
                fs::write(path, bytes).unwrap();
            },
            // What the store holds to be whole, and isn't a segment.
            &|path| store.put_segment(&key(path), b"").unwrap(),
            &|path| store.put_segment(&key(path), &[9; 1000]).unwrap(),
        ];
        for (number, damage) in damages.iter().enumerate() {
            damage(&segments[number % segments.len()]);
            assert_eq!(world.build(), (expected.clone(), (count - 1, 1)), "{number}");
        }
    }

    #[test]
    fn a_segment_that_does_not_decompress_is_made_anew() {
        let world = World::new(&[("a", b"x")]);
        let expected = world.build().0;
        let store = Store::open(&world.work.path().join("store")).unwrap();
        let segments = walkdir::WalkDir::new(store.root().join("segments")).sort_by_file_name();
        let key = segments.into_iter().map(|entry| entry.unwrap().file_name().to_owned()).last().unwrap();
        let key = key.to_str().unwrap();
        let mut blob = store.segment(key).unwrap();
        blob.truncate(20);
        store.put_segment(key, &blob).unwrap();
        // So that the content is needed for the hash of the tar file.
        store.remove_document("slugs", "app");
        assert_eq!(world.build(), (expected, (0, 1)));
    }

    #[test]
    fn an_empty_app_makes_a_slug() {
        for trees in [World::new(&[]).trees, vec![]] {
            let world = World { trees, ..World::new(&[]) };
            let (slug, counters) = world.build();
            assert_eq!((slug.files, slug.uncompressed_size, counters), (0, 512 + 1024, (0, 1)));
            assert_eq!(slug.parts, []);
            if let Some(listing) = output_of("tar", &["tzf".as_ref(), world.output().as_ref()]) {
                assert_eq!(listing, "./app/\n");
            }
        }
    }

    #[test]
    fn what_is_excluded_is_not_there_and_not_read() {
        let world = World::new(&[("docs/a", b"1"), ("docs/b/c", b"2"), ("docs-b", b"3"), ("x.psd", b"4")]);
        fs::remove_dir_all(world.app.path().join("docs")).unwrap();
        let exclude =
            |path: &[u8], is_directory: bool| (path == b"docs" && is_directory) || path.ends_with(b".psd");
        let (slug, _) = world.try_build(&exclude);
        let slug = slug.unwrap();
        assert_eq!((slug.files, slug.excluded.matched.len()), (1, 2));
        let Excluded { directories, files, bytes, .. } = slug.excluded;
        assert_eq!((directories, files, bytes), (1, 3, 3));
    }

    #[test]
    fn parts_are_counted_by_what_they_take() {
        let mut world =
            World::new(&[("a/1", &noise(100_000)), ("a/2", &noise(5 << 20)), ("b", &[0; 300_000])]);
        world.index(TreeOrigin::App);
        let (slug, _) = world.build();
        let names: Vec<_> =
            slug.parts.iter().map(|part| (part.name.as_str(), part.files, part.size)).collect();
        assert_eq!(names, [("a", 2, 100_000 + (5 << 20)), ("b", 1, 300_000)]);
        let compressed: u64 = slug.parts.iter().map(|part| part.compressed).sum();
        assert!(compressed <= slug.size && compressed > slug.size - 2000, "{compressed} {}", slug.size);
    }

    #[test]
    fn a_slug_over_the_limit_is_refused_and_the_older_one_stays() {
        let mut world = World::new(&[("a", &noise(2 << 20))]);
        let size = world.build().0.size;
        world.max_size = size;
        world.build();
        world.max_size = size - 1;
        fs::write(world.output(), "an older slug").unwrap();
        let error = world.fails();
        assert_eq!(error.code(), ErrorCode::SlugTooLarge);
        assert_eq!(error.detail().as_deref(), Some("2M"));
        assert!(error.to_string().contains("That is 1B over the limit."), "{error}");
        assert!(error.to_string().ends_with("2M  a"), "{error}");
        assert_eq!(fs::read(world.output()).unwrap(), b"an older slug");
        assert_eq!(world.in_output(), ["slug.tgz"]);
    }

    #[test]
    fn an_interrupt_ends_it_and_leaves_nothing() {
        let world = World::new(&[("a", b"x")]);
        world.env.interrupt.set(15);
        let error = world.fails();
        assert_eq!((error.code(), error.exit_code()), (ErrorCode::Interrupted, 143));
        assert!(world.in_output().is_empty());
    }

    #[test]
    fn a_place_that_cannot_be_written_to_is_an_error_of_the_output() {
        let world = World::new(&[("a", b"x")]);
        let work = world.work.path();
        fs::write(work.join("file"), "").unwrap();
        for path in [
            work.join("gone/slug.tgz"),
            work.join("file/slug.tgz"),
            work.into(),
            "/dev/null".into(),
            "/".into(),
        ] {
            let Err(error) = SlugWriter::create(&path) else { panic!("{}", path.display()) };
            assert_eq!(error.code(), ErrorCode::SlugOutput, "{}", path.display());
        }
    }

    /// Set in the process that runs a test again where disks are small.
    const MOUNTED: &str = "SLUGC_TEST_MOUNTED";

    /// Runs a test of this name again in a namespace where `$MOUNTED` is a small file system of its own. Returns
    /// its directory in there, and nothing outside.
    fn in_small_file_system(test: &str, options: &str) -> Option<PathBuf> {
        if let Some(dir) = std::env::var_os(MOUNTED) {
            return Some(dir.into());
        }
        let permitted =
            Command::new("unshare").args(["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
        if !permitted.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: no file system can be mounted here");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let script = format!(
            "mount -t tmpfs -o {options} none \"${MOUNTED}\" && exec \"$0\" --exact \"$1\" --nocapture"
        );
        let output = Command::new("unshare")
            .args(["-Urm", "sh", "-c", &script])
            .arg(std::env::current_exe().unwrap())
            .arg(format!("slug::assemble::tests::{test}"))
            .env(MOUNTED, dir.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
        None
    }

    #[test]
    fn a_full_disk_is_an_error_of_writing_and_the_older_slug_stays() {
        let name = "a_full_disk_is_an_error_of_writing_and_the_older_slug_stays";
        let Some(dir) = in_small_file_system(name, "size=1m") else { return };
        let world = World::new(&[("a", &noise(2 << 20))]);
        fs::remove_dir(world.work.path().join("out")).unwrap();
        symlink(&dir, world.work.path().join("out")).unwrap();
        fs::write(world.output(), "an older slug").unwrap();
        let error = world.fails();
        assert_eq!(error.code(), ErrorCode::SlugWrite, "{error}");
        let SlugError::Write { source, .. } = error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(world.output()).unwrap(), b"an older slug");
        assert_eq!(world.in_output(), ["slug.tgz"]);
    }

    #[test]
    fn a_read_only_disk_is_an_error_of_the_output() {
        let name = "a_read_only_disk_is_an_error_of_the_output";
        let Some(dir) = in_small_file_system(name, "ro") else { return };
        let Err(error) = SlugWriter::create(&dir.join("slug.tgz")) else { panic!("it was written") };
        assert_eq!(error.code(), ErrorCode::SlugOutput, "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_went_in_is_listed_back(
            files in proptest::collection::btree_map(
                proptest::collection::vec("[a-c\u{e4}.-]{1,60}|[\u{1}-\u{7f}&&[^/]]{1,3}", 1..5),
                (proptest::collection::vec(any::<u8>(), 0..2000), any::<bool>(), 0_usize..3),
                0..12,
            )
        ) {
            let dir = tempfile::tempdir().unwrap();
            for (components, (content, is_executable, _)) in &files {
                if components.iter().any(|component| component == "." || component == "..") {
                    continue;
                }
                let path = dir.path().join(components.join("/"));
                // Where one file's name is another's directory, it can't be there.
                if fs::create_dir_all(path.parent().unwrap()).is_ok() && fs::write(&path, content).is_ok() {
                    let mode = if *is_executable { 0o755 } else { 0o644 };
                    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                }
            }
            let mut world = World::new(&[]);
            world.app = dir;
            world.index(TreeOrigin::App);
            // The same entries, dealt out to three trees.
            let whole = world.trees.remove(0);
            world.trees = (0..3)
                .map(|number| {
                    let mine = |entry: &&Entry| entry.path.len() % 3 == number;
                    Tree { entries: whole.entries.iter().filter(mine).cloned().collect(), ..whole.clone() }
                })
                .collect();
            let expected: Vec<Entry> = whole.entries;
            world.build();
            let mut found = read_back(&world.output());
            for (index, entry) in found.iter().enumerate() {
                let parent = entry.path.iter().rposition(|byte| *byte == b'/').map(|slash| &entry.path[..slash]);
                let is_before = |parent: &[u8]| found[..index].iter().any(|entry| entry.path == parent);
                prop_assert!(parent.is_none_or(is_before), "{:?}", entry.path);
            }
            found.sort_by(|a, b| a.path.cmp(&b.path));
            prop_assert_eq!(found, expected);
        }
    }

    /// Reads a slug by the `tar` crate.
    fn read_back(path: &Path) -> Vec<Entry> {
        let tar = gunzip(&fs::read(path).unwrap());
        let mut archive = tar::Archive::new(tar.as_slice());
        let mut entries: Vec<Entry> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let path = entry.path_bytes().strip_prefix(b"./app/").unwrap().to_vec();
                let path = path.strip_suffix(b"/").unwrap_or(&path).to_vec();
                let (size, mode) = (entry.size(), entry.header().mode().unwrap());
                let kind = match entry.header().entry_type() {
                    tar::EntryType::Directory => EntryKind::Directory,
                    tar::EntryType::Regular => {
                        let mut content = Vec::new();
                        entry.read_to_end(&mut content).unwrap();
                        EntryKind::File { size, mode, digest: Sha256::digest(content).into() }
                    }
                    other => panic!("{other:?}"),
                };
                Entry { path, kind }
            })
            .collect();
        assert_eq!(entries.remove(0), Entry { path: vec![], kind: EntryKind::Directory });
        entries
    }
}
