//! The built-in profiles.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use super::{ColumnsFile, Reader, ReaderColumns, ReaderFile};
use crate::yaml::parse;
use crate::yaml::read::FromNode;

/// Declares the profiles: of each, `src/readers/NAME.yaml` and `pipelines/readers/NAME.yaml`.
macro_rules! profiles {
    ($($name:literal),* $(,)?) => {
        /// The names of the readers.
        pub const NAMES: &[&str] = &[$($name),*];

        const TEXTS: &[(&str, &str)] = &[$(
            (include_str!(concat!($name, ".yaml")), include_str!(concat!("../../pipelines/readers/", $name, ".yaml")))
        ),*];
    };
}

profiles![
    "degreed-completions",
    "sap-learning-history",
    "oracle-hcm-learning-record",
    "cornerstone-external-training",
    "lifeworks-users",
    "xapi-statements",
    "credly-badges",
    "servicenow-import-set",
    "power-bi-push",
    "viva-learning",
    "oracle-retail",
    "worldpay",
    "snowflake-drop",
];

/// Returns the reader of that name, if there is one.
pub fn find(name: &str) -> Option<&'static Reader> {
    static READERS: LazyLock<Vec<Reader>> = LazyLock::new(|| {
        NAMES.iter().zip(TEXTS).filter_map(|(name, (text, example))| parsed(name, text, example)).collect()
    });
    READERS.iter().find(|reader| reader.name == name)
}

/// Returns a profile; a test makes sure that all can be read.
fn parsed(name: &'static str, text: &'static str, example: &'static str) -> Option<Reader> {
    let mut problems = Vec::new();
    let (node, found) = parse::document(&Arc::new(PathBuf::from(name)), text);
    let file = ReaderFile::from_node(&node?, &mut problems)?;
    let ReaderFile { title, sources, read_on, confidence, fixed, notes, columns, destination, pipeline, delivery } =
        file;
    let columns = columns.map(|ColumnsFile { required, optional, in_order }| ReaderColumns {
        required,
        optional,
        in_order: in_order.unwrap_or(false),
    });
    let [pipeline, delivery] = [pipeline, delivery].map(|part| part.map(|part| part.0));
    let is_valid = found.is_empty() && problems.is_empty();
    is_valid.then_some(Reader {
        name,
        text,
        example,
        title,
        sources,
        read_on,
        confidence,
        fixed,
        notes,
        columns,
        destination,
        pipeline,
        delivery,
    })
}
