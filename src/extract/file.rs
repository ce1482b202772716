//! A local CSV as the source, for tests and replays.
