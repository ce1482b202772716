//! ① A pipeline file → a `plan::Plan`, or every `Problem` in it.

/// The step `aggregate`.
mod aggregate_file;
/// A pipeline file and the settings → a plan.
mod check;
/// The types of delivered columns.
pub mod column_type;
/// The columns after each step.
pub mod columns;
/// The format of a CSV.
mod csv;
mod csv_escape;
/// The step `delta`.
mod delta_file;
/// The source `docebo`: a report, or records.
mod docebo;
/// The done file: its name, or its name and its content.
pub mod done;
/// The expectations in a pipeline file.
pub mod encoding_file;
/// The policy for a final name that is taken.
pub mod existing_file;
mod expect_file;
/// The contents of a pipeline file.
pub mod file;
mod fixed_file;
/// The step `join`.
mod join_file;
/// The formats `json` and `ndjson`.
mod json_file;
mod layout_file;
/// The CSV of a table file.
mod lookup_csv;
/// The columns whose values are masked.
pub mod masked;
/// The columns that later steps need.
pub(crate) mod needed;
/// The declaration of each transform operator.
pub mod operator;
/// The step `pivot`.
mod pack_file;
mod pivot_file;
pub mod plan;

pub mod answers_file;
/// Records of a list endpoint.
pub mod records;
/// Requests of a pipeline's own.
pub mod request_file;
/// The steps that change cells.
pub mod row_steps_file;
/// Texts with a grammar of their own.
pub mod scalars;
/// Deliveries of several pipelines to the same names.
mod shared;
/// The source in a pipeline file, or several.
pub mod sources_file;
/// One item of `transform`.
pub mod step_file;
/// Names of steps in messages.
pub mod step_name;
/// Files that a pipeline file names.
mod table_file;
/// The formats `parquet` and `xlsx`.
mod table_formats_file;
/// Steps on whole tables, as they are written.
pub mod table_steps_file;
/// The tests in a pipeline file.
pub mod tests_file;
/// The uses of texts in a pipeline file.
mod texts;
/// Trees of values.
pub mod tree_file;
/// Warnings about a plan's upcoming slots.
mod upcoming;
/// The types of values.
pub mod value_type;
/// Values of a pipeline file's own.
pub mod vars_file;
/// The format `xml`.
mod xml_file;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plan::Plan;
pub use shared::shared_names;

use crate::readers::{self, Reader};
use crate::settings::Settings;
use crate::yaml::problem::{self, Problem, Severity};
use crate::yaml::read::{At, FromNode};
use crate::yaml::tree::Node;
use crate::yaml::{self, open, parse, tree};

/// All valid pipelines, by name, and all problems of valid and invalid ones.
#[derive(Default)]
pub struct Loaded {
    pub plans: Vec<Arc<Plan>>,
    /// In the order of files and lines, including warnings.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// Returns the names of pipelines whose files are invalid, each once.
    pub fn broken(&self) -> BTreeSet<String> {
        let wrong = self.problems.iter().filter(|problem| problem.severity == Severity::Error);
        let names = wrong.filter_map(|problem| {
            let place = problem.place.as_ref()?;
            Some(place.file.file_stem()?.to_string_lossy().into_owned())
        });
        let mut broken: BTreeSet<String> = names.collect();
        for plan in &self.plans {
            broken.remove(&plan.name);
        }
        broken
    }

    /// Returns true if a file is invalid.
    pub fn failed(&self) -> bool {
        problem::any_error(&self.problems)
    }
}

/// Loads one pipeline file. Returns a plan with its warnings, or every problem of the file.
///
/// ```
/// use std::path::Path;
/// use reportferry::{pipeline, settings::Settings};
///
/// let (settings, _) = Settings::load(Some(Path::new("reportferry.yaml")), &[]).unwrap();
/// let (plan, warnings) = pipeline::load(&settings, Path::new("pipelines/compliance-completions.yaml")).unwrap();
/// assert_eq!((plan.name.as_str(), warnings.len()), ("compliance-completions", 0));
/// ```
pub fn load(settings: &Settings, path: &Path) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
    load_one(Some(settings), path)
}

/// Loads as [`load`], with the text given: an earlier version of the file.
pub fn load_text(settings: &Settings, path: &Path, text: &str) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
    parse_one(Some(settings), &Arc::new(path.to_path_buf()), text)
}

fn load_one(settings: Option<&Settings>, path: &Path) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
    let file = Arc::new(path.to_path_buf());
    let text = open::text(&file).map_err(|problem| vec![problem])?;
    parse_one(settings, &file, &text)
}

/// Loads as [`load_text`]. Adds the paths of the files that the text names to `named`, whether they can be read or not: the
/// outcome may change when they do.
pub fn load_watched(
    settings: &Settings,
    path: &Path,
    text: &str,
    named: &mut Vec<PathBuf>,
) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
    parse_naming(Some(settings), &Arc::new(path.to_path_buf()), text, named)
}

fn parse_one(
    settings: Option<&Settings>,
    file: &Arc<PathBuf>,
    text: &str,
) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
    parse_naming(settings, file, text, &mut Vec::new())
}

fn parse_naming(
    settings: Option<&Settings>,
    file: &Arc<PathBuf>,
    text: &str,
    named: &mut Vec<PathBuf>,
) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
    let mut problems = Vec::new();
    let name = name_of(file, text, &mut problems);
    let (node, found) = parse::document(file, text);
    let syntax_failed = problem::any_error(&found);
    problems.extend(found);
    let plan = node.as_ref().and_then(|node| {
        let (node, reader) = filled_in(node, &mut problems);
        check::plan(settings, file, text, (&name, reader), &node, &mut problems, named)
    });
    if let Some(node) = &node {
        yaml::texts::check(texts::RULES, text, node, &mut problems);
    }
    problem::sort(&mut problems);
    match plan {
        Some(plan) if !syntax_failed && !problem::any_error(&problems) => Ok((plan, problems)),
        _ => Err(problems),
    }
}

/// Returns the pipeline file with what its reader's profile fills in.
fn filled_in<'a>(node: &'a Node, problems: &mut Vec<Problem>) -> (Cow<'a, Node>, Option<&'static Reader>) {
    let Some(written) = node.get("reader").and_then(|node| At::<String>::from_node(node, &mut Vec::new())) else {
        return (Cow::Borrowed(node), None);
    };
    match readers::named(&written) {
        Ok(reader) => {
            let mut node = node.clone();
            readers::fill_in(&mut node, reader, &written.origin, problems);
            (Cow::Owned(node), Some(reader))
        }
        Err(problem) => {
            problems.push(problem);
            (Cow::Borrowed(node), None)
        }
    }
}

/// Loads the given files; without any, all files of the settings' pipelines folder.
pub fn load_all(settings: &Settings, paths: &[PathBuf]) -> Loaded {
    let mut loaded = Loaded::default();
    let mut names: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in files(&settings.pipelines, paths, &mut loaded.problems) {
        match load(settings, &path) {
            Ok((plan, warnings)) => {
                loaded.problems.extend(warnings);
                match names.get(&plan.name) {
                    Some(first) => loaded.problems.push(same_name(&plan, first)),
                    None => {
                        names.insert(plan.name.clone(), path);
                        loaded.plans.push(Arc::new(plan));
                    }
                }
            }
            Err(problems) => loaded.problems.extend(problems),
        }
    }
    loaded.plans.sort_by(|a, b| a.name.cmp(&b.name));
    loaded
}

/// Returns the problems of files as [`load_all`] does, for settings that cannot be used.
pub fn problems_of_all(folder: &Path, paths: &[PathBuf]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for path in files(folder, paths, &mut problems) {
        problems.extend(load_one(None, &path).map_or_else(|found| found, |(_, found)| found));
    }
    problems
}

/// Returns the given files, and those in given folders; without any, those of `folder`.
pub fn files(folder: &Path, paths: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let folder = [folder.to_path_buf()];
    let mut files = Vec::new();
    for path in if paths.is_empty() { &folder } else { paths } {
        match path.is_dir() {
            true => files.extend(in_folder(path, problems)),
            // `check` reports that there is nothing. A missing default folder contains no pipelines; a missing file is a problem when it is opened.
            false if paths.is_empty() && !path.exists() => {}
            false => files.push(path.clone()),
        }
    }
    files
}

fn same_name(plan: &Plan, first: &Path) -> Problem {
    let at = tree::place(&plan.file, "", 0..0, "");
    Problem::error(at, format!("the pipeline `{}` is in {} already", plan.name, first.display()))
        .hint("a pipeline's name is its file's name without the ending: rename one of the files")
}

/// Returns the `.yaml` and `.yml` files of a folder, sorted by name, without hidden ones. Those of subfolders are not read,
/// which is a warning. What is not a file, but has a file's ending, is a problem when it is opened.
fn in_folder(folder: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut files: Vec<PathBuf> = match entries {
        Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
        Err(error) => {
            problems.push(Problem::error(None, format!("cannot list the folder {}: {error}", folder.display())));
            Vec::new()
        }
    };
    files.retain(|path| !is_hidden(path));
    files.sort();
    problems.extend(files.iter().filter(|path| path.is_dir() && !path.is_symlink()).filter_map(|path| unread(path)));
    files.retain(|path| is_yaml(path));
    files
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// A subfolder with a file of this name is meant not to be read.
const IGNORED: &str = ".reportferry-ignore";

/// Returns a warning about the first pipeline file in a subfolder, at any depth below it.
fn unread(folder: &Path) -> Option<Problem> {
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        if folder.join(IGNORED).exists() {
            continue;
        }
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in entries.filter(|path| !is_hidden(path) && !path.is_symlink()) {
            if path.is_dir() {
                open.push(path);
            } else if is_yaml(&path) {
                let what = format!("{} is not read: pipelines in subfolders are ignored", path.display());
                let hint = "move it up into the pipelines folder, or put an empty file `.reportferry-ignore` beside it if it is meant not to be read";
                return Some(Problem { severity: Severity::Warning, ..Problem::error(None, what) }.hint(hint));
            }
        }
    }
    None
}

/// Returns the file's stem, which names runs, rows and folders.
fn name_of(file: &Arc<PathBuf>, text: &str, problems: &mut Vec<Problem>) -> String {
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.starts_with('.') || !name.chars().all(allowed) {
        let at = tree::place(file, text, 0..0, "");
        problems.push(
            Problem::error(at, format!("{name:?} cannot be a pipeline's name"))
                .hint("name the file with up to 100 letters, digits, `.`, `_` and `-`"),
        );
    }
    name
}

/// The longest name of a pipeline, in bytes.
pub const NAME_BYTES_MAX: usize = 100;
