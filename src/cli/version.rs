//! The text of `--version`.

use std::sync::LazyLock;

use crate::feature;

/// The version, and the features of the build on a line of their own.
pub(super) static LONG: LazyLock<String> = LazyLock::new(|| {
    let features = match feature::built().as_slice() {
        [] => "none".to_owned(),
        built => built.join(", "),
    };
    format!("{}\nfeatures: {features}", env!("CARGO_PKG_VERSION"))
});
