//! The app as it is on disk: its files, what is left out of the slug, its process types. Nothing here
//! knows of Python, and nothing writes.

pub mod env_file;
mod links;
pub mod names;
mod pattern;
pub mod procfile;
mod removal;
pub mod slugignore;
pub mod source;
pub mod tree;
