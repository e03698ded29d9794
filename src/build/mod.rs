//! Carries a plan out: runtime, dependencies, bytecode, and the slug or the build directory made of them.

pub mod git;
pub mod runtime;
pub mod source;
mod submodules;
