//! The catalogue of every warning and note: what a build or a dyno says without stopping. Ids never change;
//! `docs/warnings.md` is generated from it.
//!
//! What slugc says about lines of the Procfile is in the table of findings, as `slugc check` says it too.

use indoc::indoc;

/// What the catalogue knows of one warning or note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeEntry {
    /// The stable name.
    pub id: &'static str,
    /// What was noticed, in a sentence.
    pub title: &'static str,
    /// What to do about it.
    pub fix: &'static str,
}

macro_rules! notices {
    ($($code:ident => { id: $id:literal, title: $title:literal, fix: $fix:expr $(,)? })*) => {
        /// Names an entry of the catalogue.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum NoticeCode { $(#[doc = $title] $code),* }

        impl NoticeCode {
            /// Every entry, in the catalogue's order.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// Looks the entry up.
            pub fn entry(self) -> NoticeEntry {
                match self { $(Self::$code => NoticeEntry { id: $id, title: $title, fix: $fix }),* }
            }
        }
    };
}

notices! {
    // The source.
    SourceSpecialFile => {
        id: "source::special-file",
        title: "A socket, pipe or device is in the app's directory.",
        fix: indoc! {"
            Nothing, if a running server left it there. Name it in .gitignore
            to be rid of the warning: a slug has files, directories and links.
        "},
    }
    SourceLfsPointer => {
        id: "source::lfs-pointer",
        title: "A file is a pointer of Git LFS, not the file it stands for.",
        fix: indoc! {"
            Heroku doesn't fetch LFS files. Run `git lfs pull` and build the
            directory, or keep the file outside of the app.
        "},
    }
    SourceOutsideLink => {
        id: "source::outside-link",
        title: "A symbolic link leads out of the app.",
        fix: indoc! {"
            What it leads to isn't in the slug. Copy the file into the app, or
            make the link lead to a file of the app.
        "},
    }
    SourceBuildDirLink => {
        id: "source::build-dir-link",
        title: "A symbolic link holds the path of the app on this machine.",
        fix: indoc! {"
            Make it relative (`ln -s ../x y`): the app is elsewhere on a dyno.
        "},
    }
    SourceSubmoduleWithoutGitmodules => {
        id: "source::submodule-without-gitmodules",
        title: "The commit has a submodule that .gitmodules doesn't name.",
        fix: indoc! {"
            Its files aren't in the slug. Add it with `git submodule add`, or
            remove it with `git rm --cached`.
        "},
    }
    SourceNotCommitted => {
        id: "source::not-committed",
        title: "Files of the directory aren't committed as they are.",
        fix: indoc! {"
            Nothing, if that is what you want. Commit them for `git push` to
            deploy the same, or build what is committed with `--commit HEAD`.
        "},
    }
    // .slugignore.
    SlugignoreNoMatch => {
        id: "slugignore::no-match",
        title: "A pattern in .slugignore matches nothing.",
        fix: indoc! {"
            Delete it, or see whether its name is misspelled. `*` matches no
            leading dot, and a pattern with `/` counts from the top.
        "},
    }
    SlugignoreNeededFile => {
        id: "slugignore::needed-file",
        title: "A pattern in .slugignore removes a file that the build needs.",
        fix: indoc! {"
            Make the pattern narrower: .slugignore is applied before the
            build. What only the slug should lack goes in .slugignore.post.
        "},
    }
    SlugignoreEverything => {
        id: "slugignore::everything",
        title: "The patterns in .slugignore remove nearly everything.",
        fix: indoc! {"
            Look for a pattern such as `*` or `/*`, and make it narrower.
        "},
    }
    SlugignoreNegation => {
        id: "slugignore::negation",
        title: "A pattern in .slugignore starts with an exclamation mark.",
        fix: indoc! {"
            Heroku's .slugignore can't take a file back in. Name what is to be
            left out instead. For a name that starts so, write `\\!`.
        "},
    }
    SlugignoreOutside => {
        id: "slugignore::outside",
        title: "A pattern in .slugignore leads out of the app.",
        fix: indoc! {"
            Delete it: it has no effect.
        "},
    }
    SlugignorePostNoMatch => {
        id: "slugignore-post::no-match",
        title: "A pattern in .slugignore.post matches nothing.",
        fix: indoc! {"
            Delete it, or see whether its name is misspelled. It is read as a
            line of .gitignore: a name without `/` matches everywhere, and a
            pattern with `/` counts from the top. Packages are in
            .heroku/python/lib/python3.N/site-packages.
        "},
    }
    SlugignorePostNeededFile => {
        id: "slugignore-post::needed-file",
        title: "A pattern in .slugignore.post leaves out what the app needs.",
        fix: indoc! {"
            A name without `/` at its beginning matches in Python, too. For
            the app's own directory alone, put one before it: `/bin/`.
        "},
    }
    // Python and the packages.
    PythonVersionNotSpecified => {
        id: "python-version::not-specified",
        title: "The app doesn't say which version of Python it needs.",
        fix: indoc! {"
            Write the major version, such as 3.14, into .python-version, and
            commit that.
        "},
    }
    PythonVersionDeprecated => {
        id: "python-version::deprecated",
        title: "The Python version has little time left.",
        fix: indoc! {"
            Move to a newer Python before the one you use gets no more
            security fixes.
        "},
    }
    PythonVersionNewerPatch => {
        id: "python-version::newer-patch",
        title: "The Python version has a newer patch release.",
        fix: indoc! {"
            Name the version without its last part (3.14, not 3.14.1): builds
            then take the newest by themselves.
        "},
    }
    RuntimeTxtDeprecated => {
        id: "runtime-txt::deprecated",
        title: "runtime.txt is deprecated.",
        fix: indoc! {"
            Delete runtime.txt and write the major version, such as 3.14, into
            .python-version.
        "},
    }
    PythonRuntimeHost => {
        id: "python-runtime::host",
        title: "The slug has a copy of this machine's Python, as was asked for.",
        fix: indoc! {"
            Install the version that the app names on this machine, or leave
            out `--python-source host`: then Python comes from the catalogue.
        "},
    }
    PythonRuntimeHostFallback => {
        id: "python-runtime::host-fallback",
        title: "Python couldn't be downloaded, so this machine's was copied.",
        fix: indoc! {"
            Build where the catalogue can be reached, or set
            SLUGC_PYTHON_MIRROR. `--python-source host` says that the copy is
            meant; `--python-source catalogue` makes it an error.
        "},
    }
    InstallDependenciesGdal => {
        id: "install-dependencies::gdal",
        title: "A package needs the GDAL library to be built.",
        fix: indoc! {"
            Add a buildpack that has it before this one.
        "},
    }
    InstallDependenciesSqliteHeaders => {
        id: "install-dependencies::sqlite-headers",
        title: "A package is built against SQLite's headers.",
        fix: indoc! {"
            Use Python's own sqlite3 module, or a version of the package that
            has wheels.
        "},
    }
    InstallDependenciesInvalidMetadata => {
        id: "install-dependencies::invalid-metadata",
        title: "A package has metadata that pip doesn't take.",
        fix: indoc! {"
            Ask for a newer version of the package.
        "},
    }
    CollectstaticDisabledFile => {
        id: "collectstatic-disabled-file",
        title: "A file turns collectstatic off, which is an old way to do so.",
        fix: indoc! {"
            Delete .heroku/collectstatic_disabled, and set the config var
            DISABLE_COLLECTSTATIC=1 instead.
        "},
    }
    BuildPathInFile => {
        id: "build::path-in-file",
        title: "A build step has written the build directory's path into files.",
        fix: indoc! {"
            Make the step write paths relative to the app: that directory
            doesn't exist where the app runs.
        "},
    }
    // The slug.
    SlugSoftLimit => {
        id: "slug::soft-limit",
        title: "The slug is larger than 300 MB.",
        fix: indoc! {"
            Leave out what the app doesn't need when it runs: name it in
            .slugignore. A large slug takes longer to boot.
        "},
    }
    SlugNearLimit => {
        id: "slug::near-limit",
        title: "The slug is close to the limit of 500 MB.",
        fix: indoc! {"
            Leave out what the app doesn't need when it runs: name it in
            .slugignore, and look for packages that could be smaller.
        "},
    }
    // The store.
    StoreWritableByAll => {
        id: "store::writable-by-all",
        title: "Every user of this machine may put files into the store.",
        fix: indoc! {"
            What they put there would go into your slugs. Take that
            permission away: `chmod -R o-w` on the directory. To share a store,
            give it to a group (`chmod 2775`).
        "},
    }
    // The dyno.
    ConfigVarsUnread => {
        id: "config-vars::unread",
        title: "A file of config vars isn't read unless it is named.",
        fix: indoc! {"
            Give it by `--env-file .env`. Heroku has the config vars that
            `heroku config` lists, and reads no such file.
        "},
    }
    RunExitTimeout => {
        id: "run::exit-timeout",
        title: "A process didn't end in time after SIGTERM (R12).",
        fix: indoc! {"
            Let the app end on SIGTERM: a shell in between has to `exec` the
            program, and a handler of the app has to return.
        "},
    }
    RunCrashed => {
        id: "run::crashed",
        title: "A process ended by itself (H10, if it is the web process).",
        fix: indoc! {"
            See its last lines, and run `slugc check SLUG --boot`. Config vars
            are given with `--env-file`, `--env-dir` or `--set`.
        "},
    }
    RunManifestMismatch => {
        id: "run::manifest-mismatch",
        title: "The manifest beside the slug isn't that slug's.",
        fix: indoc! {"
            Keep slug.tgz and slug.tgz.json together as one build wrote them.
        "},
    }
    RunBootTimeout => {
        id: "run::boot-timeout",
        title: "A web process didn't listen on its port in time (R10).",
        fix: indoc! {"
            Bind to 0.0.0.0 and the port in $PORT, before anything slow is
            done. `--boot-timeout` gives more time here; Heroku gives 60 s.
        "},
    }
    RunBoundToLoopback => {
        id: "run::bound-to-loopback",
        title: "A web process listens on an address that only this machine reaches.",
        fix: indoc! {"
            Bind to 0.0.0.0, for example: gunicorn --bind 0.0.0.0:$PORT
        "},
    }
    RunMemoryQuotaExceeded => {
        id: "run::memory-quota-exceeded",
        title: "A dyno uses more memory than its size has (R14).",
        fix: indoc! {"
            Use fewer processes (WEB_CONCURRENCY), find what holds the memory,
            or use a bigger `--size`.
        "},
    }
    RunMemoryQuotaVastlyExceeded => {
        id: "run::memory-quota-vastly-exceeded",
        title: "A dyno was killed for the memory that it used (R15).",
        fix: indoc! {"
            Use fewer processes (WEB_CONCURRENCY), find what holds the memory,
            or use a bigger `--size`.
        "},
    }
    RunRestartFailed => {
        id: "run::restart-failed",
        title: "A dyno couldn't be replaced, and the old one stays.",
        fix: indoc! {"
            See what the new dyno has said. The slug's file is read again for
            a restart: check that it is whole.
        "},
    }
    // Looking into slugs.
    InspectMetadataTooLarge => {
        id: "inspect::metadata-too-large",
        title: "Metadata of distributions is too large to be read.",
        fix: indoc! {"
            No real METADATA or RECORD is that large. Look at the files in
            *.dist-info of the slug, and where they come from.
        "},
    }
    InspectManifestMismatch => {
        id: "inspect::manifest-mismatch",
        title: "The manifest beside the slug isn't that slug's.",
        fix: indoc! {"
            Keep slug.tgz and slug.tgz.json together as one build wrote them.
        "},
    }
    InspectProcfileUnreadable => {
        id: "inspect::procfile-unreadable",
        title: "The slug's Procfile can't be read.",
        fix: indoc! {"
            The Procfile is text in UTF-8 with a process type a line.
        "},
    }
    PackageManagerNotLocked => {
        id: "package-manager::not-locked",
        title: "The dependencies aren't locked.",
        fix: indoc! {"
            Lock them with the package manager, and commit the lock file: then
            every build installs the same versions.
        "},
    }
    PackageManagerOtherIgnored => {
        id: "package-manager::other-ignored",
        title: "The file of another package manager isn't read.",
        fix: indoc! {"
            Delete the one that isn't kept up to date, or leave it, if another
            tool needs it.
        "},
    }
    InstallerUvIndexIgnored => {
        id: "installer::uv-index-ignored",
        title: "A variable names a package index for uv alone.",
        fix: indoc! {"
            Name the index in PIP_INDEX_URL, PIP_EXTRA_INDEX_URL or
            PIP_FIND_LINKS: they count whichever program installs.
        "},
    }
    PackageManagerUvRecommended => {
        id: "package-manager::uv-recommended",
        title: "Another package manager than uv is used.",
        fix: indoc! {"
            Nothing: it works well. For a new app, uv is faster, and its lock file
            makes every build the same.
        "},
    }
    PipfileWithoutLock => {
        id: "pipfile-without-lock",
        title: "The Pipfile has no lock file.",
        fix: indoc! {"
            Run `pipenv lock`, and commit Pipfile.lock.
        "},
    }
    LockNothingForPlatform => {
        id: "lock::nothing-for-this-platform",
        title: "No package of the lock file is for this platform.",
        fix: indoc! {"
            If the app needs packages, lock them for Linux, too, and commit the
            lock file.
        "},
    }
    PdmLockNotChecked => {
        id: "pdm-lock-not-checked",
        title: "Whether pdm.lock is up to date can't be checked.",
        fix: indoc! {"
            Run `pdm lock` with a current PDM, and commit pdm.lock.
        "},
    }
    SourceGitIgnoredUnknown => {
        id: "source::git-ignored-unknown",
        title: "What git ignores isn't known.",
        fix: indoc! {"
            Install git, or build a directory that its repository tracks. Until
            then, files that .gitignore names are in the slug.
        "},
    }
    StackNotSet => {
        id: "stack::not-set",
        title: "STACK isn't set, so the running system is the stack.",
        fix: indoc! {"
            Set STACK, for example to heroku-24, if the app runs elsewhere.
        "},
    }
    StoreReadOnly => {
        id: "store::read-only",
        title: "What builds keep can only be read.",
        fix: indoc! {"
            Nothing, if that is what you want. Otherwise make the directory
            writable, or name another one with SLUGC_CACHE_DIR.
        "},
    }
    SlugLeftOut => {
        id: "slug::left-out",
        title: "A slug has entries that can't be unpacked.",
        fix: indoc! {"
            A slug has files, directories and links only. Make the slug without
            the entries that were left out.
        "},
    }
    BuildStepsNotIsolated => {
        id: "build::steps-not-isolated",
        title: "The app's own build steps aren't isolated from this machine.",
        fix: indoc! {"
            Allow user namespaces, or run slugc as root. Until then, build only apps
            that you trust. Pass --no-isolate if you do.
        "},
    }
    RunNotIsolated => {
        id: "run::not-isolated",
        title: "The dyno isn't isolated from this machine.",
        fix: indoc! {"
            Allow user namespaces, or run slugc as root. Pass --no-isolate if that
            is what you want.
        "},
    }
    RunNoRelease => {
        id: "run::no-release",
        title: "The slug has no process type `release`.",
        fix: indoc! {"
            Add a line `release: …` to the Procfile if something is to run before
            the app boots.
        "},
    }
    RunScratchLeft => {
        id: "run::scratch-left",
        title: "The directory of a dyno couldn't be deleted.",
        fix: indoc! {"
            Delete it by hand: it is below the directory for temporary files.
        "},
    }
}

/// Renders the table as the page `docs/warnings.md`.
pub fn render_warnings_markdown() -> String {
    let mut page = String::from(
        "# Warnings\n\n\
         What slugc says without stopping. Every warning has an id that never changes; what is said about the\n\
         Procfile is in [findings.md](findings.md). This page is generated from the table\n\
         (`src/error/notices.rs`) by `UPDATE_DOCS=1 cargo test _md`.\n",
    );
    for code in NoticeCode::ALL {
        let NoticeEntry { id, title, fix } = code.entry();
        page.push_str(&format!("\n## `{id}`\n\n{title}\n\n```text\n{}\n```\n", fix.trim_end()));
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_entry_is_a_sentence_with_a_way_out() {
        let mut seen = BTreeSet::new();
        for code in NoticeCode::ALL {
            let NoticeEntry { id, title, fix } = code.entry();
            assert!(seen.insert(id), "{id} is there twice");
            assert!(title.ends_with('.'), "{id}: {title}");
            assert!(fix.lines().all(|line| line.len() <= 72) && !fix.trim().is_empty(), "{id}: {fix}");
        }
    }
}
