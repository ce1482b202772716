//! `init`: writes settings, an example pipeline and the editor's schemas; never overwrites a file.

use std::fs::{OpenOptions, create_dir_all};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use anyhow::Context;

use super::readers::reader;
use super::schema;
use crate::readers::Reader;

/// Writes settings, an example pipeline and the schema.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The folder to write to; created if missing
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// Writes a pipeline for this reader in place of the example; `readers` lists them
    #[arg(long, value_name = "NAME")]
    pub reader: Option<String>,
}

const SETTINGS: &str = include_str!("init/reportferry.yaml");
const EXAMPLE: &str = include_str!("init/example.yaml");

/// Returns the lines of a part of the settings, below its key.
fn indented(part: &str) -> String {
    part.lines().map(|line| format!("  {line}\n")).collect()
}

/// Returns the pipeline for a reader, with what its profile does.
fn for_reader(reader: &Reader) -> String {
    let mut text = "# yaml-language-server: $schema=../pipeline.schema.json\n#\n".to_owned();
    let mut comment = |line: &str| text.push_str(&format!("# {line}\n"));
    comment(&format!("{}. Specification: {}, read {}.", reader.title, reader.sources.join("; "), reader.read_on));
    comment(&format!(
        "Its profile fixes {}; names of reports and columns of the source are examples.",
        reader.fixed.join(", ")
    ));
    reader.notes.iter().for_each(|note| comment(note));
    text + "\n" + reader.example
}

pub fn run(args: &Args) -> anyhow::Result<u8> {
    let reader = args.reader.as_deref().map(reader).transpose()?;
    let (pipeline, text) = match reader {
        Some(reader) => (format!("pipelines/{}.yaml", reader.name), for_reader(reader)),
        None => ("pipelines/example.yaml".to_owned(), EXAMPLE.to_string()),
    };
    let destination = reader.map_or(String::new(), |reader| indented(&reader.destination));
    let settings = SETTINGS.replacen("destinations:\n", &format!("destinations:\n{destination}"), 1);
    let files = [
        ("reportferry.yaml".to_owned(), settings),
        (pipeline, text),
        ("settings.schema.json".to_owned(), schema::text(&schema::settings())? + "\n"),
        ("pipeline.schema.json".to_owned(), schema::text(&schema::pipeline())? + "\n"),
    ];
    for (name, text) in files {
        let path = args.dir.join(&name);
        if let Some(folder) = path.parent() {
            create_dir_all(folder).with_context(|| format!("creating the folder {}", folder.display()))?;
        }
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
                println!("wrote {}", path.display());
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                println!("kept {}", path.display());
                if name == "reportferry.yaml" && !destination.is_empty() {
                    println!(
                        "the pipeline delivers to a destination that its settings may lack:\n\ndestinations:\n{destination}"
                    );
                }
            }
            Err(error) => return Err(error).with_context(|| format!("writing {}", path.display())),
        }
    }
    Ok(0)
}
