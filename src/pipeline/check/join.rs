//! A `join` → its plan.

use super::*;
use crate::pipeline::join_file::{AddedFile, JoinFile, KindWord, UnmatchedWord, WithFile};
use crate::yaml::read::choice;

impl Check<'_> {
    pub(super) fn join(&mut self, join: JoinFile, origin: &Origin) -> Option<StepKind> {
        let with = self.table_ref(join.with);
        if join.r#match.value.0.is_empty() {
            let problem = join.r#match.origin.error("no columns to match are written here");
            self.problems
                .push(problem.hint("write a column of the rows and one of the table: `{employee_id: Number}`"));
        }
        let kind = join.kind.unwrap_or(KindWord::Left);
        let pair = |(ours, theirs): (Key, At<String>)| Match {
            ours: Column { at: self.place(&ours.origin), name: ours.text },
            theirs: self.column(theirs),
        };
        let matches = join.r#match.value.0.into_iter().map(pair).collect();
        let kind = match kind {
            KindWord::Semi | KindWord::Anti => {
                self.check_no_lookup(kind, join.columns, join.many, join.unmatched);
                if kind == KindWord::Semi { JoinKind::Semi } else { JoinKind::Anti }
            }
            KindWord::Left | KindWord::Inner => {
                let lookup = Lookup {
                    columns: self.added(join.columns, origin),
                    many: join.many.is_some_and(|many| many.value),
                    hold: self.holds(kind, join.unmatched),
                };
                if kind == KindWord::Left { JoinKind::Left(lookup) } else { JoinKind::Inner(lookup) }
            }
        };
        Some(StepKind::Join(Join { with: with?, matches, kind }))
    }

    fn table_ref(&mut self, written: WithFile) -> Option<TableRef> {
        match written {
            WithFile::File(table) => Some(TableRef::File(self.table(&table.file)?, table.csv.unwrap_or_default())),
            WithFile::Source(name) => {
                if self.sources.contains(&name.value) {
                    return Some(TableRef::Source(name.value));
                }
                let problem = name.origin.error(format!("there is no source `{}` in this pipeline", name.value));
                let near = did_you_mean(&name.value, self.sources.iter().map(String::as_str));
                let hint = near.unwrap_or_else(|| match self.sources.as_slice() {
                    [] => {
                        "name it under `sources`, or write a file beside the pipeline file: `{file: users.csv}`".into()
                    }
                    sources => format!("its sources are {}; a file is written `{{file: users.csv}}`", list(sources)),
                });
                self.problems.push(problem.hint(hint));
                None
            }
        }
    }

    fn added(&mut self, columns: Option<At<AddedFile>>, join: &Origin) -> Vec<Rename> {
        let hint = "name the columns of the table that are added, or write `kind: semi` to add none";
        let Some(columns) = columns else {
            self.problems.push(join.error("`columns` is missing in the join").hint(hint));
            return Vec::new();
        };
        if columns.value.0.is_empty() {
            self.problems.push(columns.origin.error("no column to add is named here").hint(hint));
        }
        let mut added: Vec<Rename> = Vec::new();
        for (to, from) in columns.value.0 {
            if added.iter().any(|other| other.to.name == to.text) {
                let problem = to.origin.error(format!("the column {:?} is added twice", to.text));
                self.problems.push(problem.hint("keep one of them"));
                continue;
            }
            added.push(Rename { to: Column { at: self.place(&to.origin), name: to.text }, from: self.column(from) });
        }
        added
    }

    /// Returns true if rows without a match hold the run.
    fn holds(&mut self, kind: KindWord, unmatched: Option<At<UnmatchedWord>>) -> bool {
        let Some(At { value, origin }) = unmatched else { return false };
        let contradiction = match (kind, value) {
            (KindWord::Left, UnmatchedWord::Drop) => ("a left join keeps the rows without a match", "kind: inner"),
            (KindWord::Inner, UnmatchedWord::Keep) => ("an inner join drops the rows without a match", "kind: left"),
            _ => return value == UnmatchedWord::Hold,
        };
        self.problems.push(origin.error(contradiction.0).hint(format!("write `{}` instead", contradiction.1)));
        false
    }

    /// Reports what only joins that add columns have.
    fn check_no_lookup(
        &mut self,
        kind: KindWord,
        columns: Option<At<AddedFile>>,
        many: Option<At<bool>>,
        unmatched: Option<At<UnmatchedWord>>,
    ) {
        let kind = if kind == KindWord::Semi { "a semi join" } else { "an anti join" };
        let written = [
            (columns.map(|columns| columns.origin), format!("{kind} adds no columns")),
            (many.map(|many| many.origin), format!("{kind} keeps each row at most once, so `many` has no effect")),
            (unmatched.map(|unmatched| unmatched.origin), format!("{kind} itself decides on rows without a match")),
        ];
        for (origin, what) in written {
            if let Some(origin) = origin {
                let hint = format!("remove it, or write {}", choice(&["kind: left", "kind: inner"]));
                self.problems.push(origin.error(what).hint(hint));
            }
        }
    }
}
