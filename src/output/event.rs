//! What can happen during a build, as machines see it. The field names are a promise to scripts.

use serde::Serialize;

use crate::error::{Door, Failure, NoticeText};

/// The version of the events' form.
const SCHEMA: u32 = 1;

/// Something that happened. In JSON: an object whose `event` is the name in snake case.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A step of the build begins.
    Step {
        /// What begins.
        text: String,
    },
    /// The first event.
    Started {
        /// The version of the events' form.
        schema: u32,
        /// The command: `build`.
        command: &'static str,
        /// The version of slugc.
        version: &'static str,
    },
    /// Something within a step, or a line that a program wrote.
    Detail {
        /// The line.
        text: String,
        /// The program that wrote it; slugc itself if there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        program: Option<String>,
        /// Whether it may be wrapped: a program's line and what is to be pasted stay as they are.
        #[serde(skip)]
        is_prose: bool,
    },
    /// Something worth knowing.
    Notice {
        /// The stable id.
        id: &'static str,
        /// One or more lines.
        text: NoticeText,
    },
    /// Something that will go wrong one day.
    Warning {
        /// The stable id.
        id: &'static str,
        /// One or more lines.
        text: NoticeText,
    },
    /// The work failed.
    Error {
        /// The stable id of `docs/errors.md`.
        id: String,
        /// What went wrong, in a sentence.
        title: String,
        /// What was found in this app.
        message: String,
        /// A name or short value that narrows the error down.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// The file at fault.
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// The line of it, from 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<usize>,
        /// What to do.
        fix: String,
        /// The exit code of the program.
        exit_code: u8,
        /// The text form, as the door has it.
        #[serde(skip)]
        rendered: String,
    },
    /// A program was started.
    ProcessStarted {
        /// Its file name, without the directory.
        program: String,
    },
    /// A download begins; `url` is without credentials.
    DownloadStarted {
        /// The address.
        url: String,
    },
    /// A download ended well and its checksum was right.
    DownloadFinished {
        /// The address.
        url: String,
        /// Bytes received.
        bytes: u64,
    },
    /// A layer of an earlier build is used as it is.
    LayerReused {
        /// `runtime`, `installer`, `pip` or `dependencies`.
        layer: String,
        /// Its key, in hexadecimal.
        key: String,
    },
    /// A layer was made.
    LayerBuilt {
        /// `runtime`, `installer`, `pip` or `dependencies`.
        layer: String,
        /// Its key, in hexadecimal.
        key: String,
        /// Why no layer of an earlier build could be used; empty if there was none.
        reasons: Vec<String>,
    },
    /// The bytecode of a layer is there.
    BytecodeCompiled {
        /// How many source files were compiled now.
        compiled: u64,
        /// How many had been compiled by an earlier build.
        reused: u64,
    },
    /// The app's files were compared with those of the last build.
    SourceHashed {
        /// How many were read and hashed.
        files: u64,
        /// How many bytes these have.
        bytes: u64,
        /// How many nobody has touched since.
        known: u64,
    },
    /// The slug's segments were put together.
    SegmentsAssembled {
        /// How many came from the store.
        reused: u64,
        /// How many were compressed now.
        compressed: u64,
        /// How many bytes the latter had before.
        bytes: u64,
    },
    /// The work ended well.
    Finished {
        /// The slug's file.
        slug: String,
        /// Its SHA-256, in hexadecimal.
        sha256: String,
        /// The SHA-256 of the tar file inside, in hexadecimal: the lasting identity.
        tar_sha256: String,
        /// Its size in bytes.
        size: u64,
        /// How often what happened.
        counters: Counters,
    },
}

impl Event {
    /// Makes the event that comes first.
    pub fn started(command: &'static str) -> Self {
        Self::Started { schema: SCHEMA, command, version: env!("CARGO_PKG_VERSION") }
    }

    /// Makes the event of an error; `rendered` is its text form.
    pub fn error(failure: &Failure, door: Door, rendered: String) -> Self {
        let entry = failure.code().entry();
        let snippet = failure.error().snippet();
        Self::Error {
            id: entry.id.to_owned(),
            title: entry.title.to_owned(),
            message: failure.to_string(),
            detail: failure.error().detail(),
            line: snippet.as_ref().map(|snippet| snippet.line),
            file: snippet.map(|snippet| snippet.file),
            fix: failure.fix(door),
            exit_code: failure.exit_code(),
            rendered,
        }
    }
}

/// How often what happened, for tests that prove what a build did not do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Programs started.
    pub processes: u64,
    /// Downloads started by slugc itself; uv's and pip's own are counted as processes.
    pub downloads: u64,
    /// Layers made.
    pub layers_built: u64,
    /// Layers used as they were.
    pub layers_reused: u64,
    /// Source files compiled to bytecode.
    pub bytecode_compiled: u64,
    /// Source files whose bytecode came from the store.
    pub bytecode_reused: u64,
    /// Bytes of the app's files that were read to be hashed.
    pub bytes_hashed: u64,
    /// Bytes that were read to be compressed.
    pub bytes_compressed: u64,
    /// Segments compressed.
    pub segments_compressed: u64,
    /// Segments copied from the store.
    pub segments_reused: u64,
}

impl Counters {
    pub(super) fn count(&mut self, event: &Event) {
        match event {
            Event::ProcessStarted { .. } => self.processes += 1,
            Event::DownloadStarted { .. } => self.downloads += 1,
            Event::LayerBuilt { .. } => self.layers_built += 1,
            Event::LayerReused { .. } => self.layers_reused += 1,
            Event::BytecodeCompiled { compiled, reused } => {
                self.bytecode_compiled += compiled;
                self.bytecode_reused += reused;
            }
            Event::SourceHashed { bytes, .. } => self.bytes_hashed += bytes,
            Event::SegmentsAssembled { reused, compressed, bytes } => {
                self.bytes_compressed += bytes;
                self.segments_reused += reused;
                self.segments_compressed += compressed;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// One of each event, with every field. A new one has to be added where the compiler says so.
    fn examples() -> Vec<Event> {
        let text = || "x".to_owned();
        let examples = vec![
            Event::started("build"),
            Event::Step { text: text() },
            Event::Detail { text: text(), program: Some(text()), is_prose: false },
            Event::Notice { id: "x", text: text().into() },
            Event::Warning { id: "x", text: text().into() },
            Event::Error {
                id: text(),
                title: text(),
                message: text(),
                detail: Some(text()),
                file: Some(text()),
                line: Some(1),
                fix: text(),
                exit_code: 1,
                rendered: text(),
            },
            Event::ProcessStarted { program: text() },
            Event::DownloadStarted { url: text() },
            Event::DownloadFinished { url: text(), bytes: 1 },
            Event::LayerReused { layer: text(), key: text() },
            Event::LayerBuilt { layer: text(), key: text(), reasons: vec![] },
            Event::BytecodeCompiled { compiled: 1, reused: 1 },
            Event::SourceHashed { files: 1, bytes: 1, known: 1 },
            Event::SegmentsAssembled { reused: 1, compressed: 1, bytes: 1 },
            Event::Finished {
                slug: text(),
                sha256: text(),
                tar_sha256: text(),
                size: 1,
                counters: Counters::default(),
            },
        ];
        for example in &examples {
            match example {
                Event::Started { .. }
                | Event::Step { .. }
                | Event::Detail { .. }
                | Event::Notice { .. }
                | Event::Warning { .. }
                | Event::Error { .. }
                | Event::ProcessStarted { .. }
                | Event::DownloadStarted { .. }
                | Event::DownloadFinished { .. }
                | Event::LayerReused { .. }
                | Event::LayerBuilt { .. }
                | Event::BytecodeCompiled { .. }
                | Event::SourceHashed { .. }
                | Event::SegmentsAssembled { .. }
                | Event::Finished { .. } => {}
            }
        }
        examples
    }

    // T12
    #[test]
    fn every_event_and_field_is_on_the_page_and_no_other() {
        let mut page: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut event = String::new();
        for line in include_str!("../../docs/events.md").lines() {
            if let Some(name) = line.strip_prefix("## `").and_then(|rest| rest.strip_suffix('`')) {
                event = name.to_owned();
                page.entry(event.clone()).or_default();
            } else if let Some((field, _)) = line.strip_prefix("| `").and_then(|rest| rest.split_once('`')) {
                page.entry(event.clone()).or_default().insert(field.to_owned());
            }
        }
        let mut written: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for example in examples() {
            let serde_json::Value::Object(object) = serde_json::to_value(&example).unwrap() else { panic!() };
            let name = object["event"].as_str().unwrap().to_owned();
            written.insert(
                name,
                object.into_iter().map(|(field, _)| field).filter(|field| field != "event").collect(),
            );
        }
        assert_eq!(written, page);
    }
}
