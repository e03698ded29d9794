//! Python's bytecode, compiled so that the same sources always give the same bytes, and kept for the next build.
//!
//! Unchecked-hash: the tar's fixed times never make it stale, and no source is read at start. What a process has
//! compiled before changes the reference flags in the next file. So files are compiled in groups, each in a process
//! that has compiled nothing before: a group's bytes depend on the interpreter and the group, not on how many cores
//! there are or on what else is installed, and can be kept under a key of just that.

mod ahead;
mod groups;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

pub use self::ahead::Ahead;
pub(crate) use self::ahead::compile_ahead;
use self::groups::{Group, find_groups};
use super::python::Python;
use super::tool_env::interpreter_environment;
use crate::env::Env;
use crate::error::{ErrorCode, Result, UserError};
use crate::host::files::{self, FileContext};
use crate::host::process::{Invocation, RunError, capture};
use crate::output::{Event, Output};
use crate::plan::LayerId;
use crate::store::Store;

/// Forks a process a group.
const DRIVER: &str = include_str!("compile.py");

/// The documents that say which bytecode a layer has.
const KEYS: &str = "bytecode";

/// The interpreter died while it compiled.
#[derive(Debug, thiserror::Error)]
#[error("Compiling the files below {} failed.", .tree.display())]
pub(crate) struct BytecodeError {
    tree: PathBuf,
    source: RunError,
}

impl UserError for BytecodeError {
    fn code(&self) -> ErrorCode {
        match &self.source {
            RunError::Interrupted(interrupted) => interrupted.code(),
            _ => ErrorCode::CompileBytecode,
        }
    }

    fn exit_code(&self) -> u8 {
        match &self.source {
            RunError::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

/// Where bytecode is kept for later builds.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// The store.
    pub store: &'a Store,
    /// Names the app in it.
    pub lineage: &'a str,
    /// The layer that is compiled.
    pub layer: LayerId,
}

/// Compiles every `.py` file below `tree/.heroku/python/lib`. The code names its files as they are in a
/// dyno: below `/app`. Files that don't compile are left out, as packages ship such files on purpose.
/// With `kept`, what an earlier build has compiled by the same layer of Python is taken from there; what this build has
/// compiled ahead counts as compiled.
pub fn compile_bytecode(
    python: &Python,
    tree: &Path,
    kept: Option<(Kept<'_>, &Ahead)>,
    env: &Env,
    output: &Output,
) -> Result<()> {
    let _bar = output.progress("Compiling bytecode", None);
    let compiler = Compiler { python, tree };
    let groups = find_groups(tree);
    let Some(((kept, ahead), runtime)) = kept.zip(python.layer.as_deref()) else {
        let groups: Vec<&Group> = groups.iter().collect();
        compiler.compile(&groups, env, output)?;
        output.event(Event::BytecodeCompiled { compiled: count(groups), reused: 0 });
        return Ok(());
    };
    let keys = groups.par_iter().map(|group| compiler.key(group, runtime)).collect::<Result<Vec<_>>>()?;
    let restore = |(group, key): (&Group, &String)| compiler.restore(group, key, kept.store);
    let restored = groups.par_iter().zip(&keys).map(restore).collect::<Result<Vec<bool>>>()?;
    let missing = groups.iter().zip(&keys).zip(&restored).filter(|(_, restored)| !**restored);
    compiler.compile_and_keep(missing.map(|((group, key), _)| (group, key)), kept.store, env, output)?;
    kept.store.put_document(KEYS, &format!("{}-{}", kept.lineage, kept.layer), &keys)?;
    let is_new = |((_, key), restored): &((&Group, &String), &bool)| !**restored || ahead.contains(*key);
    let new = groups.iter().zip(&keys).zip(&restored).filter(is_new);
    let compiled = count(new.map(|((group, _), _)| group));
    output.event(Event::BytecodeCompiled { compiled, reused: count(&groups) - compiled });
    Ok(())
}

/// Throws away what the layers of the app don't have. For a store that belongs to one app and has no slugs.
pub fn forget_other_bytecode(lineage: &str, layers: &[LayerId], store: &Store) -> Result<()> {
    let documents = layers.iter().filter_map(|layer| store.document(KEYS, &format!("{lineage}-{layer}")));
    let keys: BTreeSet<String> = documents.flat_map(|keys: Vec<String>| keys).collect();
    Ok(store.retain_segments(&keys)?)
}

fn count<'a>(groups: impl IntoIterator<Item = &'a Group>) -> u64 {
    groups.into_iter().map(|group| group.len() as u64).sum()
}

/// One tree, and who compiles it.
struct Compiler<'a> {
    python: &'a Python,
    tree: &'a Path,
}

impl Compiler<'_> {
    /// Returns the name of a group's bytecode in the store: a digest of everything that decides it.
    fn key(&self, group: &Group, runtime: &str) -> Result<String> {
        let mut hasher = Sha256::new();
        hasher.update(format!("bytecode\0{runtime}\0"));
        hasher.update(Sha256::digest(DRIVER));
        for name in group {
            let path = self.path(name);
            let source = std::fs::read(&path).doing("reading", &path)?;
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name);
            hasher.update(Sha256::digest(&source));
        }
        Ok(hex::encode(hasher.finalize()))
    }

    /// Writes what the store has of a group: all or nothing.
    fn restore(&self, group: &Group, key: &str, store: &Store) -> Result<bool> {
        let Some(packed) = store.segment(key) else { return Ok(false) };
        let Some(contents) = unpack(&packed).filter(|contents| contents.len() == group.len()) else {
            return Ok(false);
        };
        for (name, contents) in group.iter().zip(contents) {
            let path = self.compiled_path(name);
            // It could be a link to a file of somebody else's.
            files::remove_file(&path)?;
            if let Some(contents) = contents {
                files::create_dir_all(path.parent().unwrap_or(self.tree))?;
                files::create_file(&path)?.write_all(contents).doing("writing", &path)?;
            }
        }
        Ok(true)
    }

    /// Has the interpreter compile groups, on all cores.
    fn compile(&self, groups: &[&Group], env: &Env, output: &Output) -> Result<()> {
        if groups.is_empty() {
            return Ok(());
        }
        let mut list = Vec::new();
        for group in groups {
            for name in *group {
                list.extend_from_slice(name);
                list.push(0);
            }
            list.push(0);
        }
        let mut invocation = Invocation::new(&self.python.executable)
            .args(["-B", "-s", "-S", "-W", "ignore", "-c", DRIVER])
            .arg(env.cores.to_string())
            .arg(self.tag())
            .arg(self.tree)
            .stdin(list);
        invocation.env = interpreter_environment();
        let failed = |source| BytecodeError { tree: self.tree.to_owned(), source };
        capture(&invocation, env, output).map_err(failed)?;
        Ok(())
    }

    /// Compiles groups, and keeps each in the store under its key.
    fn compile_and_keep<'a>(
        &self,
        groups: impl Iterator<Item = (&'a Group, &'a String)>,
        store: &Store,
        env: &Env,
        output: &Output,
    ) -> Result<()> {
        let (groups, keys): (Vec<_>, Vec<_>) = groups.unzip();
        self.compile(&groups, env, output)?;
        let keep = |(group, key): (&Group, &String)| -> Result<()> {
            store.put_segment(key, &self.pack(group)?)?;
            Ok(())
        };
        groups.into_par_iter().zip(keys).try_for_each(keep)
    }

    /// Reads the bytecode of a group as one piece: a length before each file, 0 if it doesn't compile.
    fn pack(&self, group: &Group) -> Result<Vec<u8>> {
        let mut packed = Vec::new();
        for name in group {
            let path = self.compiled_path(name);
            let contents = match std::fs::read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                contents => contents.doing("reading", &path)?,
            };
            packed.extend_from_slice(&(contents.len() as u64).to_le_bytes());
            packed.extend_from_slice(&contents);
        }
        Ok(packed)
    }

    fn path(&self, name: &[u8]) -> PathBuf {
        self.tree.join(std::ffi::OsStr::from_bytes(name))
    }

    fn compiled_path(&self, name: &[u8]) -> PathBuf {
        let source = self.path(name);
        let mut file_name = source.file_stem().unwrap_or_default().as_bytes().to_vec();
        file_name.extend_from_slice(format!(".{}.pyc", self.tag()).as_bytes());
        let cache = source.parent().unwrap_or(self.tree).join("__pycache__");
        cache.join(std::ffi::OsString::from_vec(file_name))
    }

    /// The part of a `.pyc`'s name that tells the interpreter.
    fn tag(&self) -> String {
        format!("cpython-{}", self.python.version.minor_version().replace('.', ""))
    }
}

/// Divides what [`Compiler::pack`] has made. Without a value if it is something else.
fn unpack(mut packed: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let mut contents = Vec::new();
    while !packed.is_empty() {
        let (length, rest) = packed.split_first_chunk::<8>()?;
        let (content, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        contents.push(Some(content).filter(|content| !content.is_empty()));
        packed = rest;
    }
    Some(contents)
}
