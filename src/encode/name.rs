//! Name templates: `completions_{slot:%Y%m%d}.csv`.

/// A checked name template.
#[derive(Clone)]
pub struct NameTemplate;
