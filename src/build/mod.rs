//! Carries out a plan: the runtime first.

pub mod runtime;
//! Carries out: reads the source, executes a plan.
pub mod git;
pub mod source;
mod submodules;
