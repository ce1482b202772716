//! One source or several → the plan's.

use super::*;
use crate::pipeline::sources_file::{NamedSourceFile, SourceFile, SourceRowsFile, SourcesFile};

/// Returns true if one of the steps reads the source of this name.
pub(super) fn is_read_by(steps: &[TransformStep], name: &str) -> bool {
    let is_it = |table: &TableRef| matches!(table, TableRef::Source(source) if source == name);
    steps.iter().filter_map(|step| step.kind.table()).any(is_it)
}

/// The longest name of a source, in bytes: folders have it.
const NAME_BYTES_MAX: usize = 40;

/// The sources of a pipeline, as far as they are valid.
#[derive(Default)]
pub(super) struct Sources {
    pub source: Option<Source>,
    pub main: MainSource,
    /// The names of all sources, the main one first, if they have some.
    pub names: Vec<String>,
    others: Vec<(Key, NamedSource)>,
}

impl Check<'_> {
    /// Checks `source` or `sources`, of which exactly one is written.
    pub(super) fn all_sources(
        &mut self,
        node: &Node,
        one: Option<Lenient<SourceFile>>,
        several: Option<At<SourcesFile>>,
    ) -> Sources {
        if let (Some(_), Some(several)) = (&one, &several) {
            let problem = several.origin.error("`source` and `sources` are mutually exclusive");
            self.problems.push(problem.hint("keep `sources`, and name the other one there as its first"));
        }
        match (one, several) {
            (_, Some(several)) => self.named_sources(several.value),
            (Some(one), None) => Sources { source: one.0.and_then(|source| self.source(source)), ..Sources::default() },
            (None, None) => {
                if node.get("sources").is_none() {
                    Lenient::<SourceFile>::missing(node, "source", self.problems);
                }
                Sources::default()
            }
        }
    }

    fn named_sources(&mut self, SourcesFile(written): SourcesFile) -> Sources {
        let mut sources = Sources::default();
        for (index, (key, entry)) in written.into_iter().enumerate() {
            self.check_source_name(&key);
            sources.names.push(key.text.clone());
            let is_main = index == 0;
            if !is_main {
                self.sources.push(key.text.clone());
            }
            let Some(NamedSourceFile { source, rows }) = entry.0 else { continue };
            let rows_max = rows.map(|rows| self.rows_max(rows));
            let source = self.source(source);
            match (is_main, source) {
                (true, source) => {
                    sources.source = source;
                    sources.main = MainSource { name: Some(key.text), rows_max };
                }
                (false, Some(mut source)) => {
                    self.check_reads_all(&key, &source);
                    if let Source::File(file) = &mut source {
                        file.copy = true; // it is read more than once
                    }
                    let name = key.text.clone();
                    sources.others.push((key, NamedSource { name, source, rows_max }));
                }
                (false, None) => {}
            }
        }
        sources
    }

    fn check_source_name(&mut self, key: &Key) {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if key.text.is_empty() || key.text.len() > NAME_BYTES_MAX || !key.text.chars().all(is_allowed) {
            let problem = key.origin.error(format!("{:?} cannot be a source's name", key.text));
            self.problems.push(problem.hint("a name has up to 40 letters, digits, `_` and `-`"));
        }
    }

    fn rows_max(&mut self, At { value: SourceRowsFile { max }, origin }: At<SourceRowsFile>) -> u64 {
        if let Some(limit) = self.settings.map(|settings| settings.limits.rows).filter(|limit| *limit < max.0) {
            let problem = origin.warning(format!("`max` has no effect above the settings' limits.rows ({limit})"));
            self.problems.push(problem.hint("lower it, or raise limits.rows"));
        }
        max.0
    }

    /// Reports a source besides the main one that reads only what has changed: the next run would join with less.
    fn check_reads_all(&mut self, key: &Key, source: &Source) {
        let records = source.records().map(|(_, records)| &records.updated_since);
        if let Some(UpdatedSince::LastDelivered { .. }) = records {
            let what = format!("`{}` reads only what has changed, which only the first source can do", key.text);
            self.problems.push(key.origin.error(what).hint("write `updated_since: never`, or name it first"));
        }
    }

    /// Returns the sources that are read. The others are requested by no run.
    pub(super) fn used_sources(
        &mut self,
        sources: &mut Sources,
        is_used: impl Fn(&str) -> bool,
        all_steps_are_valid: bool,
    ) -> Vec<NamedSource> {
        let sources = std::mem::take(&mut sources.others);
        let (used, unused): (Vec<_>, Vec<_>) = sources.into_iter().partition(|(key, _)| is_used(&key.text));
        for (key, _) in unused.iter().filter(|_| all_steps_are_valid) {
            let problem =
                key.origin.warning(format!("no step reads the source `{}`, and no run requests it", key.text));
            self.problems.push(problem.hint(format!("write `- join: {{with: {}, …}}`, or remove it", key.text)));
        }
        used.into_iter().map(|(_, source)| source).collect()
    }
}

impl Sources {
    /// Returns a copy of a source, if it is valid: the one of this name, or the only one.
    pub(super) fn named(&self, name: Option<&str>) -> Option<NamedSource> {
        if name == self.names.first().map(String::as_str) {
            let name = name.unwrap_or_default().to_owned();
            return Some(NamedSource { name, source: self.source.clone()?, rows_max: self.main.rows_max });
        }
        self.others.iter().map(|(_, other)| other).find(|other| Some(other.name.as_str()) == name).cloned()
    }

    /// Has the main source copied if it is a file: several artifacts read it.
    pub(super) fn copy_main(&mut self) {
        if let Some(Source::File(file)) = &mut self.source {
            file.copy = true;
        }
    }
}
