//! Would it boot? Findings about an app, each with a stable id, a place and a way out.
//!
//! Facts are gathered from a directory, a slug or a build that has just ended; the checks are functions of those
//! facts. Confirming a finding by booting the app is the dyno's work.
