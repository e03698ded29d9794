//! What couldn't be fetched a while ago: it is remembered for a day, so that the next builds don't try again.

use crate::host::clock;
use crate::store::{Store, StoreError};

/// How long it is remembered: a day, in seconds.
const LASTS: u64 = 24 * 60 * 60;
const KIND: &str = "unreachable";

/// Remembers that the thing of this name couldn't be fetched.
pub(crate) fn remember(name: &str, store: &Store) -> Result<(), StoreError> {
    store.put_document(KIND, name, &(clock::unix_seconds() + LASTS))
}

/// Returns whether the thing of this name couldn't be fetched a while ago.
pub(crate) fn is_remembered(name: &str, store: &Store) -> bool {
    let now = clock::unix_seconds();
    // A clock that was set back must not make it last for years.
    store.document::<u64>(KIND, name).is_some_and(|until| until > now && until <= now + LASTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_remembered_by_name_and_only_for_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert!(!is_remembered("uv", &store));
        remember("uv", &store).unwrap();
        assert!(is_remembered("uv", &store) && !is_remembered("other", &store));
        for (until, expected) in
            [(clock::unix_seconds() - 1, false), (clock::unix_seconds() + 2 * LASTS, false)]
        {
            store.put_document(KIND, "uv", &until).unwrap();
            assert_eq!(is_remembered("uv", &store), expected, "{until}");
        }
    }
}
