//! Columns and names that are not columns, for expressions that read both.

use super::{Columns, UNKNOWN};

impl Columns {
    /// Returns these columns and other names. Its problems are its own.
    pub(crate) fn with_names(&self, names: &[String]) -> Self {
        let mut known = self.known.clone();
        known.extend(names.iter().map(|name| (name.clone(), UNKNOWN)));
        let mut gone = self.gone.clone();
        gone.retain(|name, _| !names.contains(name));
        Self { known, is_closed: self.is_closed, gone, ..Self::default() }
    }
}
