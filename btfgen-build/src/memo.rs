//! Memo: hash maps with a fast hash that is the same in every run.

use foldhash::fast::FixedState;

/// A map for what is worked out once; its order is never shown.
pub(crate) type Memo<K, V> = std::collections::HashMap<K, V, FixedState>;
