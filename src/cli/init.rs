//! `init`: writes settings, an example pipeline and the editor's schemas; never overwrites a file.

use std::fs::{OpenOptions, create_dir_all};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use anyhow::Context;

use super::schema;

/// Writes settings, an example pipeline and the schema.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The folder to write to; created if missing
    #[arg(default_value = ".")]
    pub dir: PathBuf,
}

const SETTINGS: &str = include_str!("init/reportferry.yaml");
const EXAMPLE: &str = include_str!("init/example.yaml");

pub fn run(args: &Args) -> anyhow::Result<u8> {
    let files = [
        ("reportferry.yaml", SETTINGS.to_string()),
        ("pipelines/example.yaml", EXAMPLE.to_string()),
        ("settings.schema.json", schema::text(&schema::settings())? + "\n"),
        ("pipeline.schema.json", schema::text(&schema::pipeline())? + "\n"),
    ];
    for (name, text) in files {
        let path = args.dir.join(name);
        if let Some(folder) = path.parent() {
            create_dir_all(folder).with_context(|| format!("creating the folder {}", folder.display()))?;
        }
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
                println!("wrote {}", path.display());
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => println!("kept {}", path.display()),
            Err(error) => return Err(error).with_context(|| format!("writing {}", path.display())),
        }
    }
    Ok(0)
}
