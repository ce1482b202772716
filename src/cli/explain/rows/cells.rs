//! The steps `map`, `mask`, `fill` and `number`, and `on_error`, in sentences.

use super::{Content, Fact, Named, names};
use crate::pipeline::plan::{Fill, FillWith, Map, MapSource, Mask, MaskMethod, Number, OnError, Otherwise, REDACTED};

/// Returns the sentence about values without a result; none for the default.
pub(super) fn on_error(policy: OnError) -> Option<Fact> {
    let text = match policy {
        OnError::Fail => return None,
        OnError::Hold => {
            "A value for which this has no result counts as empty; the run is then held: nothing is sent until a person \
             releases or rejects it."
        }
        OnError::Empty => "A value for which this has no result counts as empty, with a warning.",
        OnError::DropRow => "A row with a value for which this has no result is left out, and kept beside the file.",
    };
    Some(Fact::new(text))
}

pub(super) fn map(number: usize, map: &Map, named: &mut Named) -> Vec<Fact> {
    let Map { column, to, table, source, otherwise } = map;
    let of = named.describe(&column.name);
    let (from, keys) = match source {
        MapSource::Values => ("in the pipeline file".to_owned(), table.len()),
        MapSource::File { file, key, value } => {
            (format!("in {} (SHA-256 {}): {key:?} gives {value:?}", file.name, &file.sha256[..12]), table.len())
        }
    };
    let values = if keys == 1 { "value" } else { "values" };
    let sentence = format!("Step {number}: {:?} is looked up for {of} among {keys} {values} {from}.", to.name);
    let rest = match otherwise {
        Otherwise::Keep => "Any other value stays as it is.".to_owned(),
        Otherwise::Value(text) => format!("Any other value becomes {text:?}."),
        Otherwise::OnError(OnError::Fail) => "Any other value fails the run.".to_owned(),
        Otherwise::OnError(OnError::Hold) => {
            "With any other value, which becomes empty, the run is held: nothing is sent until a person releases or \
             rejects it."
                .to_owned()
        }
        Otherwise::OnError(OnError::Empty) => "Any other value becomes empty, with a warning.".to_owned(),
        Otherwise::OnError(OnError::DropRow) => {
            "A row with any other value is left out, and kept beside the file.".to_owned()
        }
    };
    named.put(&to.name, Content::Computed(format!("what the map has for {of}")));
    vec![Fact::new(sentence), Fact::new(rest)]
}

pub(super) fn mask(number: usize, masks: &[Mask], named: &mut Named) -> Vec<Fact> {
    let mut items = Vec::new();
    for Mask { column, method, value: _ } in masks {
        let name = &column.name;
        let of = named.describe(name);
        let how = match method {
            MaskMethod::Redact => format!("{REDACTED:?} in place of {of}"),
            MaskMethod::Sha256 => format!("the SHA-256 of {of}"),
            MaskMethod::HmacSha256(secret) => format!("the HMAC-SHA-256 of {of} with the secret {secret:?}"),
            MaskMethod::KeepFirst(count) => format!("the first {} of {of}, then {REDACTED:?}", characters(*count)),
            MaskMethod::KeepLast(count) => format!("{REDACTED:?}, then the last {} of {of}", characters(*count)),
        };
        items.push(format!("{name:?} is {how}"));
        named.put(name, Content::Computed(how));
    }
    let sentence = format!("Step {number}: columns are masked; their values are shown nowhere before it.");
    vec![Fact::list(sentence, items)]
}

fn characters(count: u64) -> String {
    if count == 1 { "character".to_owned() } else { format!("{count} characters") }
}

pub(super) fn fill(number: usize, Fill { columns, with }: &Fill, named: &mut Named) -> Vec<Fact> {
    let filled = names(columns);
    let with = match with {
        FillWith::Previous => "the last value above".to_owned(),
        FillWith::Value { text, values: _ } => format!("{text:?}"),
    };
    for column in columns {
        let of = named.describe(&column.name);
        named.put(&column.name, Content::Computed(format!("{of}, or {with} where that is empty")));
    }
    vec![Fact::new(format!("Step {number}: where {filled} is empty, it becomes {with}."))]
}

pub(super) fn number(number: usize, Number { column, start }: &Number, named: &mut Named) -> Vec<Fact> {
    named.put(&column.name, Content::Computed(format!("the number of the row, from {start}")));
    vec![Fact::new(format!("Step {number}: {:?} numbers the rows that remain, from {start}.", column.name))]
}
