//! `readers [NAME]`: the known readers, and what the profile of one fixes.

use serde::Serialize;

use super::opened::argument_hint;
use super::text::table;
use super::{Common, exit, print_json};
use crate::readers::{NAMES, Reader, find};
use crate::yaml::problem::did_you_mean;

#[derive(clap::Args)]
pub(super) struct ReadersArgs {
    /// A reader, to show what its profile fixes
    name: Option<String>,
}

#[derive(Serialize)]
struct Document {
    readers: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    name: &'static str,
    title: &'static str,
    sources: &'static [String],
    read_on: &'static str,
    confidence: &'static str,
    fixed: &'static [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<ShownColumns>,
    notes: &'static [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'static str>,
}

#[derive(Serialize)]
struct ShownColumns {
    required: &'static [String],
    optional: &'static [String],
    in_order: bool,
}

pub(super) fn run(args: &ReadersArgs, common: &Common) -> anyhow::Result<u8> {
    let readers = match &args.name {
        Some(name) => vec![reader(name)?],
        None => NAMES.iter().filter_map(|name| find(name)).collect(),
    };
    if common.json {
        let readers = readers.into_iter().map(|reader| Shown::of(reader, args.name.is_some())).collect();
        print_json(&Document { readers })?;
    } else if args.name.is_some() {
        readers.into_iter().for_each(show);
    } else {
        let row =
            |reader: &&Reader| vec![reader.name.to_owned(), reader.title.clone(), reader.confidence.name().to_owned()];
        print!("{}", table(&["reader", "delivers", "confidence"], &readers.iter().map(row).collect::<Vec<_>>()));
        println!("\n`readers NAME` shows what a profile fixes, and `init --reader NAME` writes a pipeline for it.");
    }
    Ok(exit::DONE)
}

/// Returns the reader of that name.
///
/// # Errors
/// There is none.
pub(super) fn reader(name: &str) -> anyhow::Result<&'static Reader> {
    find(name).ok_or_else(|| {
        let near = did_you_mean(name, NAMES.iter().copied());
        let hint = near.unwrap_or_else(|| "`reportferry readers` lists them".to_owned());
        argument_hint(format!("there is no reader {name:?}"), hint)
    })
}

impl Shown {
    fn of(reader: &'static Reader, is_whole: bool) -> Self {
        let columns = reader.columns.as_ref().map(|columns| ShownColumns {
            required: &columns.required,
            optional: &columns.optional,
            in_order: columns.in_order,
        });
        Self {
            name: reader.name,
            title: &reader.title,
            sources: &reader.sources,
            read_on: &reader.read_on,
            confidence: reader.confidence.name(),
            fixed: &reader.fixed,
            columns,
            notes: &reader.notes,
            profile: is_whole.then_some(reader.text),
        }
    }
}

fn show(reader: &Reader) {
    println!("{}: {}", reader.name, reader.title);
    println!("specification: {}, read {}", reader.sources.join("; "), reader.read_on);
    println!("confidence: {} ({})", reader.confidence.name(), reader.confidence.describe());
    println!("fixed: {}", reader.fixed.join(", "));
    if let Some(columns) = &reader.columns {
        let order = if columns.in_order { ", in this order" } else { "" };
        println!("columns{order}: {}", columns.required.join(", "));
        if !columns.optional.is_empty() {
            println!("optional columns: {}", columns.optional.join(", "));
        }
    }
    for note in &reader.notes {
        println!("- {note}");
    }
    println!("\nThe profile:\n\n{}", reader.text);
}
