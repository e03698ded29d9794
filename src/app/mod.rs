//! The app as it is on disk: its files, what is left out of the slug, its process types. Nothing here
//! knows of Python, and nothing writes.

pub(crate) mod deciders;
pub(crate) mod env_file;
pub(crate) mod gitmodules;
pub(crate) mod ignored;
pub(crate) mod left_out;
mod links;
mod manager_files;
pub(crate) mod meant_line;
pub(crate) mod names;
mod pattern;
pub(crate) mod procfile;
mod reading;
mod removal;
pub(crate) mod slugignore;
pub(crate) mod slugignore_post;
pub(crate) mod source;
mod source_error;
pub(crate) mod tree;
