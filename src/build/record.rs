//! What a build tells about itself afterwards: `bin/report` prints it, and the next build reads it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::host::clock::Stopwatch;

/// The longest text that is kept, in characters, as in Heroku's buildpack.
const LONGEST: usize = 200;

/// Names and values, gathered while a build goes on.
#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<BTreeMap<String, Value>>);

impl Record {
    fn values(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a value; a long text is cut.
    pub(crate) fn set(&self, name: &str, value: impl Into<Value>) {
        let value = match value.into() {
            Value::String(text) => Value::String(text.chars().take(LONGEST).collect()),
            other => other,
        };
        self.values().insert(name.to_owned(), value);
    }

    /// Does something, and notes how many seconds it took if it ended well.
    pub(crate) fn time<T, E>(&self, name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let watch = Stopwatch::start();
        let result = work()?;
        self.set_duration(name, watch.elapsed());
        Ok(result)
    }

    /// Notes how long something took, in seconds.
    pub(crate) fn set_duration(&self, name: &str, duration: Duration) {
        // Microseconds are as exact as it gets.
        self.set(name, (duration.as_secs_f64() * 1e6).round() / 1e6);
    }

    /// Returns all values, sorted by name.
    pub(crate) fn to_map(&self) -> BTreeMap<String, Value> {
        self.values().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_only_what_ends_well_is_timed() {
        let record = Record::default();
        record.set("long", "ä".repeat(300));
        record.set("flag", true);
        record.time("good", || Ok::<_, ()>(())).unwrap();
        record.time("bad", || Err::<(), _>(())).unwrap_err();
        let values = record.to_map();
        assert_eq!(values["long"], "ä".repeat(200));
        assert_eq!(values["flag"], true);
        assert!(values["good"].is_f64() && !values.contains_key("bad"), "{values:?}");
    }
}
