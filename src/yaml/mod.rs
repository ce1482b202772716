//! A YAML file with positions → typed values, or every problem in it, rendered. Independent of the keys of any file.

/// Invisible and confusable characters.
pub mod characters;
/// Macros that declare the types of a file.
mod declare;
/// Placeholders of other programs.
pub mod expand;
/// Common YAML mistakes, recognised from the surrounding text.
mod mistakes;
/// Opens files within a size limit.
pub mod open;
/// The YAML parser's events → a tree, within limits.
pub mod parse;
/// A problem and its place.
pub mod problem;
/// Node → typed value.
pub mod read;
/// Masking of secrets in source lines that are shown.
pub mod redact;
/// Problems as text for people and as JSON.
pub mod render;
/// Numbers, times and sizes.
pub mod scalars;
/// The macro for the schema of a type with a hand-written parser.
mod schema;
/// The YAML parser's errors → messages.
mod syntax;
/// Texts that do not mean what they look like.
pub mod texts;
/// Nodes with their positions.
pub mod tree;
