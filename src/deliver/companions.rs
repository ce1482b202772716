//! The files of one delivery, in publishing order: the data, then its checksum, its manifest, and the done file last.
//!
//! For a split artifact, each file has its own companions. With `publish_together: true`, all data comes first, then one
//! companion of each kind.

use serde_json::json;

use super::names::{NUMBER_MAX, check_file_name, numbered};
use super::request::{DeliveryMeta, DeliveryRequest};
use super::{IntendedFile, Intent, Role, Verdict};
use crate::name::NameTemplate;
use crate::name::content::Fields;
use crate::pipeline::plan::Existing;

/// A file that a delivery publishes.
struct Named {
    role: Role,
    of: Option<usize>,
    name: String,
    bytes: u64,
    /// Lower-case hexadecimal.
    sha256: String,
}

/// Returns the files of a delivery under the first names that the plan's `existing` allows. `locate` maps a name to its
/// temporary and final path; `is_taken` inspects a final path, where the plan requires it. `directory` is for messages.
///
/// # Errors
/// `Rejected` (`fail`) or `Skipped` (`keep`) if the name is taken; `Rejected` if the name is invalid or all numbers are
/// taken; any error of `locate` and `is_taken`.
pub(super) fn choose_names(
    delivery: &DeliveryRequest<'_>,
    directory: &str,
    mut locate: impl FnMut(Role, &str) -> Result<(String, String), Verdict>,
    mut is_taken: impl FnMut(&str) -> Result<bool, Verdict>,
) -> Result<Intent, Verdict> {
    let existing = delivery.plan.existing;
    let number_max = if existing == Existing::Number { NUMBER_MAX } else { 0 };
    'numbers: for number in 0..=number_max {
        let mut files = Vec::new();
        for Named { role, of, name, bytes, sha256 } in named_files(delivery, number).map_err(path_rejected)? {
            let (temporary, final_path) = locate(role, &name)?;
            if is_taken(&final_path)? {
                match existing {
                    Existing::Number => continue 'numbers,
                    Existing::Keep if role != Role::Data => return Err(name_taken(Existing::Fail, &final_path)),
                    existing => return Err(name_taken(existing, &final_path)),
                }
            }
            let file = IntendedFile { role, of, temporary, final_path, bytes, sha256 };
            if let Some(other) = files.iter().find(|other| file.meets(other)) {
                return Err(upload_rejected(format!(
                    "{} and {} would be written over each other while they are uploaded",
                    other.final_path, file.final_path
                )));
            }
            files.push(file);
        }
        return Ok(Intent { files, batching: None, acks: Vec::new() });
    }
    Err(Verdict::Rejected {
        reason: format!("{} and its numbers up to {NUMBER_MAX} are all taken in {directory}", delivery.artifact.name),
        hint: Some("clear the directory, or put the slot into the artifact's name".to_owned()),
    })
}

/// Returns the verdict for a final name that is taken.
pub(super) fn name_taken(existing: Existing, path: &str) -> Verdict {
    let reason = format!("{path} is there already");
    match existing {
        Existing::Keep => Verdict::Skipped { reason },
        // The number was free when the intent was made; choose another one.
        Existing::Number => Verdict::Retryable { reason, wait: None },
        Existing::Wait(_) => Verdict::NameTaken { reason },
        Existing::Fail | Existing::Replace => Verdict::Rejected {
            reason,
            hint: Some(
                "remove it there, or set `existing: replace`, `keep`, `number` or `wait` for the delivery".to_owned(),
            ),
        },
    }
}

/// Returns the verdict for a path or name that a delivery must not use.
pub(super) fn path_rejected(reason: String) -> Verdict {
    let hint = "correct the delivery's `path`, `done_file` or the artifact's `name`";
    Verdict::Rejected { reason, hint: Some(hint.to_owned()) }
}

/// Returns the verdict for a name that `upload_as` must not give.
pub(super) fn upload_rejected(reason: String) -> Verdict {
    Verdict::Rejected { reason, hint: Some("correct the delivery's `upload_as`".to_owned()) }
}

/// Returns the files that a delivery publishes. A `number` other than 0 becomes part of their names.
fn named_files(delivery: &DeliveryRequest<'_>, number: u32) -> Result<Vec<Named>, String> {
    let called = |name: &str| if number == 0 { name.to_owned() } else { numbered(name, number) };
    let files = delivery.artifact.data_files();
    let names: Vec<String> = files.iter().map(|file| called(file.name)).collect();
    let is_set = delivery.artifact.group().is_some();
    let mut found = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let (of, name, bytes) = (is_set.then_some(index), names[index].clone(), file.bytes);
        add(&mut found, Named { role: Role::Data, of, name: name.clone(), bytes, sha256: file.sha256.to_owned() })?;
        if !(is_set && delivery.plan.publish_together) {
            add_companions(delivery, of, &name, &names, &mut found)?;
        }
    }
    if is_set && delivery.plan.publish_together {
        add_companions(delivery, None, &called(&delivery.artifact.name), &names, &mut found)?;
    }
    Ok(found)
}

/// Adds the companion files of the data file `name`.
fn add_companions(
    delivery: &DeliveryRequest<'_>,
    of: Option<usize>,
    name: &str,
    names: &[String],
    found: &mut Vec<Named>,
) -> Result<(), String> {
    let plan = delivery.plan;
    let companions: [(Role, &Option<NameTemplate>); 3] =
        [(Role::Checksum, &plan.checksum), (Role::Manifest, &plan.manifest), (Role::Done, &plan.done_file)];
    for (role, template) in companions {
        if let Some(template) = template {
            let name = template.render_done(name).map_err(|problem| problem.to_string())?;
            let content = content(delivery, role, of, names)?;
            let (bytes, sha256) = (content.len() as u64, crate::digest::of(&content));
            add(found, Named { role, of, name, bytes, sha256 })?;
        }
    }
    Ok(())
}

fn add(found: &mut Vec<Named>, file: Named) -> Result<(), String> {
    check_file_name(&file.name)?;
    if let Some(other) = found.iter().find(|other| other.name == file.name) {
        return Err(format!("the {} has the {}'s name, {:?}", file.role.label(), other.role.label(), file.name));
    }
    found.push(file);
    Ok(())
}

/// Returns a companion file's content, which depends only on the names of the data files.
fn content(delivery: &DeliveryRequest<'_>, role: Role, of: Option<usize>, names: &[String]) -> Result<Vec<u8>, String> {
    let artifact = delivery.artifact;
    let files = artifact.data_files();
    let described = || files.iter().zip(names).enumerate().filter(|(index, _)| of.is_none_or(|of| of == *index));
    let content = match role {
        Role::Data => Vec::new(),
        Role::Done => match &delivery.plan.done_content {
            Some(template) => {
                // A companion of one file carries that file's name, else that of the whole.
                let name = of.or((names.len() == 1).then_some(0)).and_then(|index| names.get(index));
                let name = name.map_or(artifact.name.as_str(), String::as_str);
                let DeliveryMeta { slot, pipeline, .. } = delivery.about;
                template.render(Fields { name, slot, pipeline, run: delivery.run })?.into_bytes()
            }
            None => Vec::new(),
        },
        Role::Checksum => {
            described().map(|(_, (file, name))| checksum(file.sha256, name)).collect::<String>().into_bytes()
        }
        Role::Manifest => {
            let facts: Vec<_> = described()
                .map(|(_, (file, name))| {
                    json!({"name": name, "bytes": file.bytes, "sha256": file.sha256, "rows": file.rows})
                })
                .collect();
            let mut manifest = match facts.as_slice() {
                [one] if artifact.group().is_none() || of.is_some() => one.clone(),
                several => json!({"files": several, "bytes": artifact.bytes, "rows": artifact.rows}),
            };
            manifest["columns"] = json!(artifact.columns);
            manifest["pipeline"] = json!(delivery.about.pipeline);
            manifest["slot"] = json!(delivery.about.slot);
            manifest["run"] = json!(delivery.run);
            format!("{manifest:#}\n").into_bytes()
        }
    };
    Ok(content)
}

/// Returns the content of one of the intent's companion files.
pub(super) fn content_of(delivery: &DeliveryRequest<'_>, file: &IntendedFile, intent: &Intent) -> Vec<u8> {
    let name = |data: &IntendedFile| data.final_path.rsplit('/').next().unwrap_or_default().to_owned();
    // The same content was rendered for the intent.
    content(delivery, file.role, file.of, &intent.data().map(name).collect::<Vec<_>>()).unwrap_or_default()
}

/// Returns a line for `sha256sum -c`, as GNU coreutils writes it: backslashes and line breaks in the name are escaped, and
/// the line then begins with a backslash.
fn checksum(sha256: &str, name: &str) -> String {
    let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let mark = if escaped == name { "" } else { "\\" };
    format!("{mark}{sha256}  {escaped}\n")
}

impl Role {
    /// Returns `data file`, `checksum`, ….
    pub fn label(self) -> &'static str {
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
