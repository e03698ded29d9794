//! `slugc build`

use std::fs;
use std::path::Path;

use super::args::{AppArguments, Build, ConfigVarArguments};
use crate::app::env_file::parse_env_file;
use crate::build::config_vars::ConfigVars;
use crate::build::context::Context;
use crate::build::deadline::{Deadline, within};
use crate::build::record::Record;
use crate::build::slug::{BuiltSlug, SlugRequest, build_slug, lineage};
use crate::build::survey::BuildSettings;
use crate::env::Env;
use crate::error::{NoticeCode, Result};
use crate::host::files::FileContext;
use crate::output::{Event, Format, Output, shell_quote};
use crate::slug::assemble::Layout;

/// Builds the slug and says where it is and how to run it.
pub(super) fn run(arguments: &Build, env: &Env, output: &Output) -> Result<u8> {
    let store = super::open_store(arguments.app.cache_dir.as_deref(), env)?;
    if let Some(dir) = store.read_only() {
        output.notice(
            NoticeCode::StoreReadOnly,
            format!(
                "{} can only be read: what is in it is used, and what this build makes isn't kept.",
                dir.display()
            ),
        );
    }
    store.warn_if_open_to_all(output);
    let slug_file = env.absolute(&arguments.output);
    let threads = arguments.threads.map_or(env.cores, usize::from);
    let mut request = request(&arguments.app, arguments.layout, env);
    request.output = slug_file.clone();
    request.max_size = arguments.max_size;
    request.force = arguments.force;
    request.threads = threads;
    request.settings.refresh = arguments.refresh;
    request.settings.isolates_steps = !arguments.no_isolate;
    request.settings.config_vars = config_vars(&arguments.config_vars, env)?;
    let record = Record::default();
    let built = within(Deadline::of_seconds(arguments.timeout), env, output, || {
        build_slug(&request, Context { store: &store, env, output, record: &record })
    });
    store.keep_below(arguments.cache_limit, env, output);
    let BuiltSlug { slug, process_types } = built?;
    // Not after a failure or a signal: what isn't noted as written is looked at once more, that is all.
    store.wait_until_written();
    output.verbatim(format!("SHA256:{}", slug.sha256));
    let command = env.own_command();
    // Without a process type there is nothing to run. Whoever pushes sees what a hook says, and isn't on this machine:
    // git gives the hooks of a push the repository that they run in.
    let is_pushed_to = env.var("GIT_DIR").is_some_and(|dir| dir == ".");
    let chosen = match process_types.iter().find(|name| *name == "web").or(process_types.first()) {
        Some(name) if name == "web" => Some(String::new()),
        Some(name) => Some(format!(" {name}")),
        None => None,
    };
    if let Some(chosen) = chosen.filter(|_| !is_pushed_to) {
        output.verbatim(format!("To run it: {command} run {}{chosen}", shell_quote(&arguments.output)));
    }
    if output.has_more_to_say() {
        output.detail(format!("What a warning means: {command} explain ID"));
    }
    output.event(Event::Finished {
        slug: slug_file.display().to_string(),
        sha256: slug.sha256.clone(),
        tar_sha256: slug.tar_sha256.clone(),
        size: slug.size,
        counters: output.counters(),
    });
    if arguments.format == Format::Text {
        super::print_result(&format!("{}\n", slug_file.display()))?;
    }
    Ok(0)
}

/// Reads the config vars: `--set` wins over `--env-file`, which wins over `--env-dir`.
pub(super) fn config_vars(arguments: &ConfigVarArguments, env: &Env) -> Result<ConfigVars> {
    let ConfigVarArguments { env_file, env_dir, set } = arguments;
    let dir = env_dir.as_ref().map(|dir| env.absolute(dir));
    if let Some(dir) = &dir {
        // Buildpacks may be given one that isn't there; whoever names one here means one that is.
        super::paths::check_dir("--env-dir", dir)?;
        fs::read_dir(dir).doing("reading", dir)?;
    }
    let mut vars = ConfigVars::read(dir.as_deref())?;
    if let Some(file) = env_file {
        let path = env.absolute(file);
        super::paths::check_file("--env-file", &path)?;
        let parsed = parse_env_file(&fs::read(&path).doing("reading", &path)?);
        vars.extend(parsed.map_err(|error| error.in_file(file.display().to_string()))?);
    }
    vars.extend(set.iter().cloned());
    Ok(vars)
}

/// Makes a request of the arguments that `build` and `plan` share.
pub(super) fn request(arguments: &AppArguments, layout: Layout, env: &Env) -> SlugRequest {
    let source = without_dots(&env.absolute(&arguments.dir));
    SlugRequest {
        settings: BuildSettings {
            python_source: arguments.python_source.clone(),
            python_mirror: arguments.python_mirror.clone(),
            installer: arguments.installer,
            test: false,
            require_locked: arguments.require_locked,
            refresh: false,
            isolates_steps: true,
            lineage: lineage(&source, layout),
            last_python: None,
            config_vars: ConfigVars::default(),
        },
        source,
        commit: arguments.commit.clone(),
        include_ignored: arguments.include_ignored,
        force: false,
        output: env.absolute("slug.tgz"),
        layout,
        max_size: u64::MAX,
        threads: env.cores,
    }
}

/// Takes `.` components out of a path.
fn without_dots(path: &Path) -> std::path::PathBuf {
    path.components().collect()
}
