//! Rows and columns in sentences: each step, then the origin of each column.

mod aggregate;
mod cells;
mod delta;
mod join;
mod pivot;
mod tables;

use super::Fact;
use crate::pipeline::plan::{Assign, Column, Expression, Rename, StepKind, TableFile, TransformStep};

/// The content of a column.
#[derive(Clone)]
enum Content {
    /// This column of the source, unchanged.
    Source(String),
    /// What a step computed, in English.
    Computed(String),
}

/// The columns that steps have named so far.
#[derive(Default)]
struct Named {
    columns: Vec<(String, Content)>,
    /// True if there are no others.
    is_closed: bool,
    dropped: Vec<String>,
}

impl Named {
    fn content(&self, name: &str) -> Content {
        let known = self.columns.iter().find(|(known, _)| known == name);
        known.map_or_else(|| Content::Source(name.to_owned()), |(_, content)| content.clone())
    }

    /// Describes a column in an expression: by the report's name, unless a step computed it.
    fn describe(&self, name: &str) -> String {
        match self.content(name) {
            Content::Source(source) => format!("{source:?}"),
            Content::Computed(_) => format!("{name:?}"),
        }
    }

    fn put(&mut self, name: &str, content: Content) {
        match self.columns.iter_mut().find(|(known, _)| known == name) {
            Some(column) => column.1 = content,
            None => self.columns.push((name.to_owned(), content)),
        }
    }
}

pub(super) fn rows<'a>(
    steps: &[TransformStep],
    tables: &[TableFile],
    secrets: impl Iterator<Item = &'a String>,
) -> Vec<Fact> {
    let mut named = Named::default();
    let mut facts: Vec<Fact> = steps
        .iter()
        .enumerate()
        .flat_map(|(index, TransformStep { at: _, kind, on_error })| {
            let mut facts = step(index + 1, kind, &mut named);
            facts.extend(cells::on_error(*on_error));
            facts
        })
        .collect();
    if steps.is_empty() {
        facts.push(Fact::new("Every row and every column of the source is delivered as it is."));
        return facts;
    }
    let column = |(name, content): &(String, Content)| match content {
        Content::Source(source) if source == name => format!("{name}: as in the source"),
        Content::Source(source) => format!("{name}: {source:?} of the source, unchanged"),
        Content::Computed(value) => format!("{name}: {value}"),
    };
    let columns = named.columns.iter().map(column);
    match named.is_closed {
        true => facts.push(Fact::list("The columns of the file are, in this order:", columns)),
        false => {
            facts.push(Fact::list("These columns of the file are renamed or computed:", columns));
            facts.push(Fact::new(
                "ALL OTHER COLUMNS of the source are delivered as they are, also those that it gets later.",
            ));
        }
    }
    if !named.dropped.is_empty() {
        facts.push(Fact::list("These columns are removed:", named.dropped));
    }
    if !tables.is_empty() {
        let table = |TableFile { name, path: _, sha256 }: &TableFile| format!("{name}, SHA-256 {}", &sha256[..12]);
        facts.push(Fact::list("These files beside the pipeline file are read:", tables.iter().map(table)));
    }
    let secrets: Vec<String> = secrets.map(|name| format!("{name:?}")).collect();
    if !secrets.is_empty() {
        facts.push(Fact::new(format!(
            "The secrets used are named {}; their texts are in the settings.",
            secrets.join(", ")
        )));
    }
    facts
}

fn step(number: usize, kind: &StepKind, named: &mut Named) -> Vec<Fact> {
    match kind {
        StepKind::Rename(renames) => rename(number, renames, named),
        StepKind::Select(columns) => select(number, columns, named),
        StepKind::Drop(columns) => drop(number, columns, named),
        StepKind::Filter(condition) => filter(number, condition, named),
        StepKind::Set(assigns) => set(number, assigns, named),
        StepKind::Sort(sort) => tables::sort(number, sort),
        StepKind::Dedupe(dedupe) => tables::dedupe(number, dedupe),
        StepKind::Limit(most) => tables::limit(number, *most),
        StepKind::Unpivot(unpivot) => tables::unpivot(number, unpivot, named),
        StepKind::Join(plan) => join::join(number, plan, named),
        StepKind::Aggregate(plan) => aggregate::aggregate(number, plan, named),
        StepKind::Pivot(plan) => pivot::pivot(number, plan, named),
        StepKind::Map(map) => cells::map(number, map, named),
        StepKind::Mask(masks) => cells::mask(number, masks, named),
        StepKind::Fill(fill) => cells::fill(number, fill, named),
        StepKind::Number(of) => cells::number(number, of, named),
        StepKind::Delta(written) => delta::facts(number, written, named),
    }
}

fn rename(number: usize, renames: &[Rename], named: &mut Named) -> Vec<Fact> {
    let contents: Vec<Content> = renames.iter().map(|Rename { from, .. }| named.content(&from.name)).collect();
    named.columns.retain(|(name, _)| !renames.iter().any(|rename| rename.from.name == *name));
    for (Rename { to, .. }, content) in renames.iter().zip(contents) {
        named.put(&to.name, content);
    }
    let items = renames.iter().map(|Rename { to, from }| format!("{:?} is called {:?}", from.name, to.name));
    vec![Fact::list(format!("Step {number}: columns get other names."), items)]
}

fn select(number: usize, columns: &[Column], named: &mut Named) -> Vec<Fact> {
    named.columns = columns.iter().map(|column| (column.name.clone(), named.content(&column.name))).collect();
    named.is_closed = true;
    vec![Fact::new(format!("Step {number}: all columns but {} are left out.", names(columns)))]
}

fn drop(number: usize, columns: &[Column], named: &mut Named) -> Vec<Fact> {
    for Column { name, at: _ } in columns {
        named.dropped.push(named.describe(name));
        named.columns.retain(|(known, _)| known != name);
    }
    vec![Fact::new(format!("Step {number}: removed: {}.", names(columns)))]
}

fn filter(number: usize, Expression { expr, columns: _ }: &Expression, named: &Named) -> Vec<Fact> {
    let mut conditions = expr.explain_conditions(&|name| named.describe(name));
    let unknown = "A row for which that cannot be decided, because a cell is empty, does not remain.";
    let fact = match conditions.len() {
        1 => Fact::new(format!("Step {number}: a row remains only if {}.", conditions.remove(0))),
        _ => Fact::list(format!("Step {number}: a row remains only if all of these hold:"), conditions),
    };
    vec![fact, Fact::new(unknown)]
}

fn set(number: usize, assigns: &[Assign], named: &mut Named) -> Vec<Fact> {
    // Each assignment reads the values before the step.
    let computed: Vec<(String, Content)> = assigns
        .iter()
        .map(|Assign { column, value, at: _ }| {
            let described = value.expr.explain(&|name| match named.content(name) {
                Content::Computed(before) if name == column => format!("({before})"),
                _ => named.describe(name),
            });
            (column.clone(), Content::Computed(described))
        })
        .collect();
    let text = |content: &Content| match content {
        Content::Source(source) => format!("{source:?}"),
        Content::Computed(text) => text.clone(),
    };
    let items: Vec<String> = computed.iter().map(|(name, content)| format!("{name:?} is {}", text(content))).collect();
    for (name, content) in computed {
        named.put(&name, content);
    }
    vec![Fact::list(format!("Step {number}: columns are computed."), items)]
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| format!("{:?}", column.name)).collect::<Vec<_>>().join(", ")
}
