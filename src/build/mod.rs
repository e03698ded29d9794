//! Carries a plan out: runtime, dependencies, bytecode, and the slug or the build directory made of them.

pub mod bytecode;
pub mod collectstatic;
pub mod config_vars;
pub mod dependencies;
pub mod execute;
pub mod git;
pub mod hooks;
pub mod importable;
pub mod inputs;
pub mod install;
pub mod layers;
pub mod nltk;
pub mod normalise;
pub mod package;
pub mod pip_layer;
pub mod python;
pub mod record;
pub mod runtime;
pub mod slug;
pub mod source;
pub mod stage;
pub mod steps;
mod submodules;
pub mod survey;
pub mod sync;
pub mod tool_env;
pub mod uv;
