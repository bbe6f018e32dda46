//! The engine: look up, else fetch once for all who wait, verify, store, stream.
