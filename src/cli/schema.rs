//! `schema`: prints the JSON Schemas of pipeline and settings files, for editors.

use schemars::Schema;
use schemars::generate::SchemaSettings;

use crate::pipeline::file::PipelineFile;
use crate::settings::file::SettingsFile;

/// Prints the JSON Schema of pipeline files or of the settings.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The file whose schema to print
    #[arg(value_parser = ["pipeline", "settings"], default_value = "pipeline")]
    pub file: String,
}

pub fn run(args: &Args) -> anyhow::Result<u8> {
    let schema = if args.file == "settings" { settings() } else { pipeline() };
    println!("{}", text(&schema)?);
    Ok(0)
}

/// Returns the schema of a pipeline file (JSON Schema 2020-12).
pub fn pipeline() -> Schema {
    generate::<PipelineFile>("reportferry pipeline")
}

/// Returns the schema of the settings file (JSON Schema 2020-12).
pub fn settings() -> Schema {
    generate::<SettingsFile>("reportferry settings")
}

pub fn text(schema: &Schema) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(schema)?)
}

fn generate<T: schemars::JsonSchema>(title: &str) -> Schema {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    schema.insert("title".into(), title.into());
    schema
}
