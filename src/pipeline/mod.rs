//! ① A pipeline file → a `plan::Plan`, or every `problem::Problem` in it.

/// The YAML parser's events → a tree, within limits.
mod build;
/// Characters that nobody sees, or that look like others.
mod characters;
/// Pipeline files and what the settings know → plans.
mod check;
/// Which columns are there, step by step.
mod columns;
/// What the coming slots of a plan will meet.
mod coming;
/// How the types of a file are declared.
mod declare;
/// The done file: its name, or its name and its content.
pub mod done;
/// Placeholders of other programs.
mod expand;
/// What may be written in a pipeline file.
pub mod file;
/// Text → bytes limits and UTF-8: how files that people write are opened.
pub mod open;
pub mod plan;
pub mod problem;
/// A node → what is expected there.
pub mod read;
/// Numbers, times and sizes.
pub mod scalars;
/// Problems, drawn for people and as JSON.
pub mod show;
/// Slips of YAML, by the text around them.
mod slips;
/// The YAML parser's complaints in plain words.
mod syntax;
/// What is expected of texts and does not happen.
pub mod texts;
/// YAML → nodes that know where they are written.
pub mod tree;
/// Texts that have a grammar of their own.
pub mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plan::Plan;
use problem::{Problem, Severity};

use crate::settings::Settings;

/// All pipelines that could be read, by name, and all problems of those and the others.
#[derive(Default)]
pub struct Loaded {
    pub plans: Vec<Arc<Plan>>,
    /// In the order of files and lines; warnings are among them.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// The names of pipelines whose files cannot be used, each once.
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

    /// Whether some file cannot be used.
    pub fn failed(&self) -> bool {
        problem::any_error(&self.problems)
    }
}

/// Reads one pipeline file. With a plan come its warnings; without, every problem of the file.
pub fn load(settings: &Settings, path: &Path) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
    load_one(Some(settings), path)
}

fn load_one(settings: Option<&Settings>, path: &Path) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
    let file = Arc::new(path.to_path_buf());
    let text = open::text(&file).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let name = name_of(&file, &text, &mut problems);
    let (node, found) = tree::parse(&file, &text);
    let syntax_failed = problem::any_error(&found);
    problems.extend(found);
    let plan = node.as_ref().and_then(|node| check::plan(settings, &file, &text, &name, node, &mut problems));
    if let Some(node) = &node {
        texts::note(texts::File::Pipeline, &text, node, &mut problems);
    }
    problem::sort(&mut problems);
    match plan {
        Some(plan) if !syntax_failed && !problem::any_error(&problems) => Ok((plan, problems)),
        _ => Err(problems),
    }
}

/// Reads the files named; where none is named, all of the settings' pipelines folder.
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

/// As [`load_all`] where the settings cannot be used: the problems that the files have without them.
pub fn problems_of_all(folder: &Path, paths: &[PathBuf]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for path in files(folder, paths, &mut problems) {
        problems.extend(load_one(None, &path).map_or_else(|found| found, |(_, found)| found));
    }
    problems
}

/// The files named, those of named folders among them; where none is named, those of `folder`.
pub fn files(folder: &Path, paths: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let folder = [folder.to_path_buf()];
    let mut files = Vec::new();
    for path in if paths.is_empty() { &folder } else { paths } {
        match path.is_dir() {
            true => files.extend(in_folder(path, problems)),
            // An absent default folder holds no pipelines; a named file that is absent is a problem when it is opened.
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

/// The `.yaml` and `.yml` files of a folder, by name; hidden ones and folders below it are left alone.
fn in_folder(folder: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut files: Vec<PathBuf> = match entries {
        Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
        Err(error) => {
            problems.push(Problem::error(None, format!("cannot list the folder {}: {error}", folder.display())));
            Vec::new()
        }
    };
    files.retain(|path| {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        yaml && !hidden && !path.is_dir()
    });
    files.sort();
    files
}

/// The file's stem, which stands in names of runs, rows and folders.
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

/// Bytes of a pipeline's name.
pub const NAME_BYTES_MAX: usize = 100;
