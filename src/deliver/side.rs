//! The files of one delivery, in publishing order: the data, then its checksum, its manifest, and the done file last.
//!
//! Of a split artifact, each file has its own beside it; with `set: true` all data comes first, and then one of each kind.

use serde_json::json;

use super::names::{check_file_name, numbered};
use super::session::Put;
use super::{About, IntendedFile, Intent, Role};
use crate::encode::content::Fields;
use crate::encode::name::NameTemplate;

/// A file that a delivery publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub role: Role,
    pub of: Option<usize>,
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
        let called = |name: &str| if number == 0 { name.to_owned() } else { numbered(name, number) };
        let files = put.artifact.data_files();
        let names: Vec<String> = files.iter().map(|file| called(file.name)).collect();
        let is_set = put.artifact.set.is_some();
        let mut found = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let (of, name, bytes) = (is_set.then_some(index), names[index].clone(), file.bytes);
            add(&mut found, Named { role: Role::Data, of, name: name.clone(), bytes, sha256: file.sha256.to_owned() })?;
            if !(is_set && put.plan.set) {
                beside(put, of, &name, &names, &mut found)?;
            }
        }
        if is_set && put.plan.set {
            beside(put, None, &called(&put.artifact.name), &names, &mut found)?;
        }
        Ok(found)
    })
}

/// The files beside the data that is called `name`.
fn beside(
    put: &Put<'_>,
    of: Option<usize>,
    name: &str,
    names: &[String],
    found: &mut Vec<Named>,
) -> Result<(), String> {
    let plan = put.plan;
    let sides: [(Role, &Option<NameTemplate>); 3] =
        [(Role::Checksum, &plan.checksum), (Role::Manifest, &plan.manifest), (Role::Done, &plan.done_file)];
    for (role, template) in sides {
        if let Some(template) = template {
            let name = template.render_done(name).map_err(|problem| problem.to_string())?;
            let content = content(put, role, of, names)?;
            let (bytes, sha256) = (content.len() as u64, crate::digest::of(&content));
            add(found, Named { role, of, name, bytes, sha256 })?;
        }
    }
    Ok(())
}

fn add(found: &mut Vec<Named>, file: Named) -> Result<(), String> {
    check_file_name(&file.name)?;
    if let Some(other) = found.iter().find(|other| other.name == file.name) {
        return Err(format!("the {} has the {}'s name, {:?}", file.role.in_words(), other.role.in_words(), file.name));
    }
    found.push(file);
    Ok(())
}

/// What a side file holds, by the names that the data files have: the same each time.
fn content(put: &Put<'_>, role: Role, of: Option<usize>, names: &[String]) -> Result<Vec<u8>, String> {
    let artifact = put.artifact;
    let files = artifact.data_files();
    let told = || files.iter().zip(names).enumerate().filter(|(index, _)| of.is_none_or(|of| of == *index));
    let content = match role {
        Role::Data => Vec::new(),
        Role::Done => match &put.plan.done_content {
            Some(template) => {
                // Beside one file it is that file's, else that of the whole.
                let name = of.or((names.len() == 1).then_some(0)).and_then(|index| names.get(index));
                let name = name.map_or(artifact.name.as_str(), String::as_str);
                let About { slot, pipeline, .. } = put.about;
                template.render(Fields { name, slot, pipeline, run: put.run })?.into_bytes()
            }
            None => Vec::new(),
        },
        Role::Checksum => told().map(|(_, (file, name))| checksum(file.sha256, name)).collect::<String>().into_bytes(),
        Role::Manifest => {
            let facts: Vec<_> = told()
                .map(|(_, (file, name))| {
                    json!({"name": name, "bytes": file.bytes, "sha256": file.sha256, "rows": file.rows})
                })
                .collect();
            let mut manifest = match facts.as_slice() {
                [one] if artifact.set.is_none() || of.is_some() => one.clone(),
                several => json!({"files": several, "bytes": artifact.bytes, "rows": artifact.rows}),
            };
            manifest["columns"] = json!(artifact.columns);
            manifest["pipeline"] = json!(put.about.pipeline);
            manifest["slot"] = json!(put.about.slot);
            manifest["run"] = json!(put.run);
            format!("{manifest:#}\n").into_bytes()
        }
    };
    Ok(content)
}

/// What a file of the intent holds that is not data.
pub fn content_of(put: &Put<'_>, file: &IntendedFile, intent: &Intent) -> Vec<u8> {
    let name = |data: &IntendedFile| data.final_path.rsplit('/').next().unwrap_or_default().to_owned();
    // It was made before, for the intent.
    content(put, file.role, file.of, &intent.data().map(name).collect::<Vec<_>>()).unwrap_or_default()
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
