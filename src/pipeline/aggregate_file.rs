//! An `aggregate` in a pipeline file.

use crate::expr::ExprProblem;
use crate::expr::aggregate::AggregateCall;
use crate::yaml::problem::{Problem, Severity};
use crate::yaml::read::{At, FromNode, Named, OneOrMore, scalar};
use crate::yaml::tree::Node;

crate::table! {
    pub struct AggregateFile {
        /// The columns whose values make a group. Default: one group of all rows.
        by: Option<OneOrMore<At<String>>>,
        /// Column: what it is of each group: `count(*)`, `max(done)`, `sum(score) filter (where status = 'Completed')`.
        columns: At<Named<At<AggregateText>>>,
    }
}

/// A call of an aggregate function.
pub struct AggregateText {
    pub call: AggregateCall,
    /// The node, for the positions of its columns and secrets.
    pub node: Node,
}

crate::schema_as!(AggregateText, {"type": "string"});

impl FromNode for AggregateText {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "an aggregate", problems)?;
        let within = |problem: ExprProblem| node.error_within(problem.offset, problem.len, problem.what, problem.hint);
        match AggregateCall::parse(text) {
            Ok(call) => {
                let warnings = call.warnings.iter().cloned().map(within);
                problems.extend(warnings.map(|problem| Problem { severity: Severity::Warning, ..problem }));
                Some(Self { call, node: node.clone() })
            }
            Err(problem) => {
                problems.push(within(problem));
                None
            }
        }
    }
}
