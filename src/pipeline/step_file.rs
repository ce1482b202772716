//! The steps in a pipeline file.

use super::aggregate_file::AggregateFile;
use super::delta_file::DeltaFile;
use super::join_file::JoinFile;
use super::pivot_file::PivotFile;
use super::plan::OnError;
use super::row_steps_file::{FillFile, MapFile, MaskFile, NumberFile};
use super::scalars::{CellExpression, Expression};
use super::table_steps_file::{DedupeFile, SortFile, UnpivotFile};
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Named, OneOrMore, choice, table};
use crate::yaml::scalars::Whole;
use crate::yaml::tree::{Node, NodeKind};

crate::kinds! {
    /// One step, by its key.
    pub enum StepFile {
        /// New name: the column's old name.
        Rename = "rename": At<Named<At<String>>>,
        /// Keeps these columns, in this order.
        Select = "select": At<OneOrMore<At<String>>>,
        /// Removes these columns.
        Drop = "drop": At<OneOrMore<At<String>>>,
        /// Keeps the rows for which this expression is true.
        Filter = "filter": At<Expression>,
        /// Column: the expression for its value.
        Set = "set": At<Named<At<CellExpression>>>,
        /// Sorts the rows by these columns.
        Sort = "sort": At<SortFile>,
        /// Keeps one row of those that have the same cells in some columns.
        Dedupe = "dedupe": At<DedupeFile>,
        /// Keeps this many rows, the first ones.
        Limit = "limit": At<Whole<1, { u64::MAX }>>,
        /// Makes a row of each of some columns.
        Unpivot = "unpivot": At<UnpivotFile>,
        /// Adds columns of another table, or keeps the rows that have a match there.
        Join = "join": At<Box<JoinFile>>,
        /// Makes one row of each group of rows.
        Aggregate = "aggregate": At<AggregateFile>,
        /// Makes one row of each group of rows, and columns of the names in one of their columns.
        Pivot = "pivot": At<PivotFile>,
        /// Replaces a column's values by those of a table.
        Map = "map": At<Box<MapFile>>,
        /// Column: the way its values are hidden: `redact`, `sha256`, `{hmac_sha256: SECRET}`, `{keep_first: N}` or
        /// `{keep_last: N}`.
        Mask = "mask": At<Named<At<MaskFile>>>,
        /// Fills empty cells.
        Fill = "fill": At<Box<FillFile>>,
        /// Numbers the rows that arrive at the step.
        Number = "number": At<NumberFile>,
        /// Only the rows that were added, changed or removed since the last file that the destination received.
        Delta = "delta": At<Box<DeltaFile>>,
    }
}

/// One step, with one key of its own, and `on_error`.
pub struct StepItem {
    pub step: StepFile,
    pub on_error: Option<At<OnError>>,
}

/// The key beside a step's own.
const ON_ERROR: &str = "on_error";

impl FromNode for StepItem {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let known = [StepFile::KEYS, &[ON_ERROR]].concat();
        let node = table(node, &known, &[], problems)?;
        if let NodeKind::Table(entries) = &node.kind
            && let [(only, _)] = entries.as_slice()
            && only.text == ON_ERROR
        {
            let what = format!("one of {} is expected beside `{ON_ERROR}`", choice(StepFile::KEYS));
            problems.push(only.origin.error(what).hint("write the step first, and its policy below it"));
            return None;
        }
        let on_error = Option::from_key(&node, ON_ERROR, problems);
        let step = StepFile::of_kind(&node, problems);
        Some(Self { step: step?, on_error: on_error? })
    }
}

crate::schema_as!(StepItem, |generator| {
    let mut schema = <StepFile as schemars::JsonSchema>::json_schema(generator);
    let on_error = generator.subschema_for::<OnError>().to_value();
    let kinds = schema.get_mut("oneOf").and_then(serde_json::Value::as_array_mut);
    for kind in kinds.into_iter().flatten() {
        kind["properties"][ON_ERROR] = on_error.clone();
    }
    schema
});
