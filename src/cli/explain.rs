//! `explain PIPELINE`: what a pipeline does, in plain sentences for the person who approves it.
//!
//! Reads files only. Each part of a plan has one function, which takes it to pieces without `..` and matches its steps without `_`,
//! so a new key of a pipeline or a new step does not compile until it is explained. Settings are read by field.

/// Alerts of the pipeline.
mod alerts;
/// Destinations.
mod destinations;
/// The checks before anything is delivered.
mod expectations;
/// The file.
mod file;
/// Requests of a pipeline's own.
mod request;
/// Rows and columns.
mod rows;
/// Schedule and source.
mod source;
/// Fixed-width records and encodings.
mod text_format;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{Common, exit, print_json};
use crate::clock::Clock;
use crate::pipeline::plan::{ArtifactPart, Artifacts, Format, PartContent, Plan, Source, TestCase};
use crate::readers::Reader;
use crate::settings::Settings;

#[derive(clap::Args)]
pub(super) struct ExplainArgs {
    /// The pipeline's name, or its file
    pipeline: String,
}

/// The JSON document; its names are an interface.
#[derive(Serialize)]
struct Document<'a> {
    pipeline: &'a str,
    description: Option<&'a str>,
    sections: Vec<Section>,
}

#[derive(Serialize)]
struct Section {
    title: Cow<'static, str>,
    facts: Vec<Fact>,
}

/// One sentence, and what it lists.
#[derive(Serialize)]
struct Fact {
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<String>,
}

impl Fact {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), items: Vec::new() }
    }

    fn list(text: impl Into<String>, items: impl IntoIterator<Item = String>) -> Self {
        Self { text: text.into(), items: items.into_iter().collect() }
    }
}

/// Prints what the pipeline does.
pub(super) async fn run(args: ExplainArgs, common: &Common) -> anyhow::Result<u8> {
    let settings = super::opened::settings(common)?;
    let plan = super::opened::plan(&settings, &args.pipeline)?;
    let document = document(&plan, &settings, Clock::System.now());
    if common.json {
        print_json(&document)?;
    } else {
        print!("{}", text(&document));
    }
    Ok(exit::DONE)
}

fn document<'a>(plan: &'a Plan, settings: &Settings, now: Timestamp) -> Document<'a> {
    let Plan {
        name,
        file: _,
        digest: _,
        tables,
        description,
        reader,
        schedule,
        zone,
        source,
        main,
        others,
        steps,
        expect,
        artifact,
        deliveries,
        alerts,
        secrets,
        tests,
        vars,
    } = plan;
    let mut sections = vec![
        section("When it runs", self::source::schedule(plan, schedule.as_ref(), zone, now)),
        section("What is requested", self::source::sources(source, main, others, plan.several().is_some())),
    ];
    let mut made: Vec<Fact> = values(vars).into_iter().collect();
    made.extend(reader.map(|reader| {
        let Reader { name, title, sources, read_on, .. } = reader;
        Fact::new(format!("It is made for the reader {name} ({title}; {}, read {read_on}).", sources.join("; ")))
    }));
    match &artifact.format {
        Format::Several(artifacts) => sections.extend(several(plan, artifacts, made, now)),
        _ => {
            let mut checks = expectations::expect(expect, matches!(source, Source::Docebo(_)), true);
            checks.extend(tests_of(tests));
            let file = file::artifact(plan, artifact, now).into_iter().chain(made).collect();
            sections.extend([
                section("Rows and columns", rows::rows(steps, tables, secrets.keys())),
                section("Checks before anything is sent", checks),
                section("The file", file),
            ]);
        }
    }
    sections.extend([
        section("Where it goes", deliveries.iter().flat_map(destinations::delivery).collect()),
        section("Who is alerted", self::alerts::alerts(alerts.as_ref(), &settings.alerts)),
    ]);
    Document { pipeline: name, description: description.as_deref(), sections }
}

/// Returns the values that names and expressions take from `vars`.
fn values(vars: &BTreeMap<String, String>) -> Option<Fact> {
    let items = vars.iter().map(|(name, value)| format!("{name}: {value}"));
    (!vars.is_empty()).then(|| Fact::list("Names and expressions use these values of `vars`:", items))
}

fn section(title: impl Into<Cow<'static, str>>, facts: Vec<Fact>) -> Section {
    Section { title: title.into(), facts }
}

/// Describes several artifacts together, and then each.
fn several(plan: &Plan, artifacts: &Artifacts, made: Vec<Fact>, now: Timestamp) -> Vec<Section> {
    let mut together = file::several(plan, artifacts, now);
    together.extend(made);
    together.extend(tests_of(&plan.tests));
    let mut sections = vec![section("The artifacts", together)];
    for ArtifactPart { key, content } in &artifacts.parts {
        match content {
            PartContent::Constant(constant) => {
                sections.push(section(format!("{key}: the file"), file::constant(constant)));
            }
            PartContent::Rows(part) => {
                let from = part.main.name.as_ref().map(|name| format!("The rows come from the source `{name}`."));
                let mut rows: Vec<Fact> = from.into_iter().map(Fact::new).collect();
                rows.extend(rows::rows(&part.steps, &part.tables, part.secrets.keys()));
                let has_account = matches!(part.source, Source::Docebo(_));
                sections.extend([
                    section(format!("{key}: rows and columns"), rows),
                    section(
                        format!("{key}: checks before anything is sent"),
                        expectations::expect(&part.expect, has_account, false),
                    ),
                    section(format!("{key}: the file"), file::artifact(part, &part.artifact, now)),
                ]);
            }
        }
    }
    sections
}

/// Returns the number of tests, and their names.
fn tests_of(tests: &[TestCase]) -> Option<Fact> {
    let names = tests.iter().map(|test| test.name.clone());
    let count = match tests.len() {
        0 => return None,
        1 => "1 test".to_owned(),
        count => format!("{count} tests"),
    };
    Some(Fact::list(format!("The pipeline file has {count}, which `reportferry test` runs:"), names))
}

fn text(document: &Document<'_>) -> String {
    let mut text = format!("{}\n", document.pipeline);
    if let Some(description) = document.description {
        text.push_str(&format!("  {description}\n"));
    }
    for Section { title, facts } in &document.sections {
        text.push_str(&format!("\n{title}\n"));
        for Fact { text: sentence, items } in facts {
            text.push_str(&format!("  {sentence}\n"));
            items.iter().for_each(|item| text.push_str(&format!("    - {item}\n")));
        }
    }
    text
}

/// Returns a duration as text: `90 seconds`, `2 hours`.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let counted = |count: u64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match seconds {
        0 => counted(u64::from(duration.subsec_millis()), "millisecond"),
        _ if seconds > 86_400 && seconds.is_multiple_of(86_400) => counted(seconds / 86_400, "day"),
        _ if seconds.is_multiple_of(3_600) => counted(seconds / 3_600, "hour"),
        _ if seconds.is_multiple_of(60) => counted(seconds / 60, "minute"),
        _ => counted(seconds, "second"),
    }
}

#[cfg(test)]
mod tests;
