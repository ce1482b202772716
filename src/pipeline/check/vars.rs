//! Values of a pipeline's own → names and expressions that hold them.

use super::*;
use crate::name::NameTemplate;
use crate::name::vars::VarProblem;
use crate::pipeline::vars_file::VarText;

impl<'a> Check<'a> {
    /// Returns a check that has found nothing yet, with the values that the pipeline file names.
    pub(super) fn new(
        settings: Option<&'a Settings>,
        file: &'a Arc<PathBuf>,
        problems: &'a mut Vec<Problem>,
        named: &'a mut Vec<PathBuf>,
        vars: Option<Lenient<Named<At<VarText>>>>,
    ) -> Self {
        let read = vars.map(|written| written.0);
        let vars_unread = matches!(read, Some(None));
        let vars = read.flatten().map_or_else(Vec::new, |named| named.0);
        let vars = vars.into_iter().map(|(key, text)| (key.text, text.value.0)).collect();
        Self { settings, file, problems, tables: Vec::new(), sources: Vec::new(), named, vars, vars_unread }
    }

    /// Puts values into an expression.
    pub(super) fn with_vars(&mut self, written: Written) -> Written {
        let unknown = written.expr.unset_vars().filter(|name| !self.vars.contains_key(*name));
        let unknown: Vec<Problem> = unknown.map(|name| self.unknown_var(name, &written.origin_of(name))).collect();
        if !unknown.is_empty() {
            self.problems.extend(unknown.into_iter().filter(|_| !self.vars_unread));
            return written;
        }
        match written.expr.with_vars(&|name| self.vars.get(name).cloned()) {
            Ok(expr) => Written { expr, ..written },
            Err(problem) => {
                self.problems.push(written.node.error(problem.what));
                written
            }
        }
    }

    /// Puts values into a name.
    pub(super) fn name_with_vars(&mut self, written: At<NameTemplate>) -> At<NameTemplate> {
        match written.value.with_vars(|name| self.vars.get(name).map(String::as_str)) {
            Ok(value) => At { value, ..written },
            Err(VarProblem::Unknown(name)) => {
                if !self.vars_unread {
                    let problem = self.unknown_var(&name, &written.origin);
                    self.problems.push(problem);
                }
                written
            }
            Err(VarProblem::Unfit(name, what)) => {
                let problem = written.origin.error(format!("the value of `{name}` cannot be in a name: {what}"));
                self.problems.push(problem.hint("change it under `vars`"));
                written
            }
        }
    }

    fn unknown_var(&self, name: &str, origin: &Origin) -> Problem {
        let known: Vec<&str> = self.vars.keys().map(String::as_str).collect();
        let hint = match known.as_slice() {
            [] => format!("write it at the top of the pipeline file: `vars: {{{name}: \"…\"}}`"),
            known => did_you_mean(name, known.iter().copied()).unwrap_or_else(|| format!("`vars` has {}", list(known))),
        };
        origin.error(format!("there is no value {name:?} in `vars`")).hint(hint)
    }
}
