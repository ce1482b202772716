//! The files of one delivery, in publishing order: the data, then its checksum, its manifest, and the done file last.

use serde_json::json;

use super::names::{check_file_name, numbered};
use super::session::Put;
use super::{IntendedFile, Role};
use crate::encode::name::NameTemplate;

/// A file that a delivery publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub role: Role,
    pub name: String,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// The files that a delivery would publish, under the names that are tried one after the other: with `numbers`, those of
/// `existing: number`.
///
/// # Errors
/// A name that is none, or that two files would share.
pub fn candidates<'a>(put: &'a Put<'a>, numbers: u32) -> impl Iterator<Item = Result<Vec<Named>, String>> + 'a {
    (0..=numbers).map(move |number| {
        let artifact = put.artifact;
        let name = if number == 0 { artifact.name.clone() } else { numbered(&artifact.name, number) };
        check_file_name(&name)?;
        let data = Named { role: Role::Data, name, bytes: artifact.bytes, sha256: artifact.sha256.clone() };
        let mut files = vec![data];
        let plan = put.plan;
        let sides = [(Role::Checksum, &plan.checksum), (Role::Manifest, &plan.manifest), (Role::Done, &plan.done_file)];
        for (role, template) in sides {
            if let Some(template) = template {
                let side = side(put, role, template, &files)?;
                files.push(side);
            }
        }
        Ok(files)
    })
}

fn side(put: &Put<'_>, role: Role, template: &NameTemplate, before: &[Named]) -> Result<Named, String> {
    let data = &before[0].name;
    let name = template.render_done(data).map_err(|problem| problem.to_string())?;
    check_file_name(&name)?;
    if let Some(other) = before.iter().find(|other| other.name == name) {
        return Err(format!("the {} has the {}'s name, {name:?}", role.in_words(), other.role.in_words()));
    }
    let content = content(put, role, data);
    Ok(Named { role, name, bytes: content.len() as u64, sha256: crate::digest::of(&content) })
}

/// What a side file holds, by the name that the data has: the same each time.
pub fn content(put: &Put<'_>, role: Role, data: &str) -> Vec<u8> {
    match role {
        Role::Data | Role::Done => Vec::new(),
        Role::Checksum => checksum(&put.artifact.sha256, data).into_bytes(),
        Role::Manifest => {
            let artifact = put.artifact;
            let manifest = json!({
                "name": data, "bytes": artifact.bytes, "sha256": artifact.sha256, "rows": artifact.rows,
                "columns": artifact.columns, "pipeline": put.about.pipeline, "slot": put.about.slot, "run": put.run,
            });
            format!("{manifest:#}\n").into_bytes()
        }
    }
}

/// As [`content`], for a file of an intent whose first one is the data.
pub fn content_of(put: &Put<'_>, file: &IntendedFile, data_path: &str) -> Vec<u8> {
    content(put, file.role, data_path.rsplit('/').next().unwrap_or_default())
}

/// A line that `sha256sum -c` reads, as GNU coreutils writes it: a name with a backslash or a line break is escaped, and
/// the line begins with a backslash then.
fn checksum(sha256: &str, name: &str) -> String {
    let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let mark = if escaped == name { "" } else { "\\" };
    format!("{mark}{sha256}  {escaped}\n")
}

impl Role {
    /// `data file`, `checksum`, ….
    pub fn in_words(self) -> &'static str {
        match self {
            Role::Data => "data file",
            Role::Checksum => "checksum",
            Role::Manifest => "manifest",
            Role::Done => "done file",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_written_as_coreutils_does() {
        assert_eq!(checksum("ab", "a b.csv"), "ab  a b.csv\n");
        assert_eq!(checksum("ab", "a\\b.csv"), "\\ab  a\\\\b.csv\n");
    }
}
