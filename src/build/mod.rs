//! Carries out a plan: the runtime first.

pub mod runtime;
