//! The expectations of a pipeline file → the plan's.

use jiff::tz::TimeZone;

use super::Check;
use crate::pipeline::columns::Columns;
use crate::pipeline::expect_file::{
    ChangeTable, ColumnsFile, ExpectFile, FreshFile, RangeFile, RowsFile, SeverityFile, TypeFile, UniqueFile,
};
use crate::pipeline::plan::*;
use crate::yaml::read::{At, Lenient, Named};
use crate::yaml::tree::Key;

/// The delivered columns, and the severities by key.
struct Rules<'a> {
    columns: &'a mut Columns,
    severities: Vec<(Key, Severity, bool)>,
}

impl Rules<'_> {
    /// Returns the severity of a key that is written.
    fn severity(&mut self, key: &str) -> Severity {
        let found = self.severities.iter_mut().find(|(of, ..)| of.text == key);
        found.map_or(Severity::Hold, |(_, severity, is_used)| {
            *is_used = true;
            *severity
        })
    }

    fn rule<T>(&mut self, key: &str, expected: T) -> Rule<T> {
        Rule { severity: self.severity(key), expected }
    }
}

impl Check<'_> {
    /// `columns` are the delivered ones; those that do not exist are reported there.
    pub(super) fn expect(
        &mut self,
        written: Option<ExpectFile>,
        columns: &mut Columns,
        source: Option<&Source>,
    ) -> Expect {
        let Some(written) = written else { return Expect::default() };
        let SeverityFile(severities) = written.severity.0.unwrap_or_default();
        let severities = severities.into_iter().map(|(key, severity)| (key, severity, false)).collect();
        let mut rules = Rules { columns, severities };
        let mut expect =
            Expect { when_empty: lenient(written.when_empty).unwrap_or(WhenEmpty::Hold), ..Expect::default() };
        if let Some(rows) = lenient(written.rows) {
            self.rows(rows, &mut rules, &mut expect);
        }
        expect.columns = lenient(written.columns).map(|header| rules.rule("columns", self.header(header)));
        self.cells(written.types, "types", &mut rules, &mut expect, |_, written| {
            Some(condition_of_type(written.value))
        });
        for column in self.named_once(lenient(written.not_null).map(|columns| columns.0), &mut rules) {
            let rule = CellRule { column, condition: CellCondition::NotNull };
            expect.cells.push(rules.rule("not_null", rule));
        }
        self.cells(written.values, "values", &mut rules, &mut expect, |check, values| check.values(values));
        self.cells(written.range, "range", &mut rules, &mut expect, |check, range| check.range(range));
        let patterns =
            |_: &mut Self, pattern: crate::pipeline::expect_file::Pattern| Some(CellCondition::Match(pattern.0));
        self.cells(written.r#match, "match", &mut rules, &mut expect, patterns);
        if let Some(unique) = lenient(written.unique) {
            self.unique(unique, &mut rules, &mut expect);
        }
        self.references(written.references, &mut rules, &mut expect);
        expect.fresh = lenient(written.fresh).and_then(|fresh| self.fresh(fresh, &mut rules));
        expect.complete = lenient(written.complete).unwrap_or(true).then(|| rules.severity("complete"));
        expect.size_max = lenient(written.size).map(|size| rules.rule("size", size.max.0));
        if let Some(scope) = lenient(written.scope) {
            expect.scope = ScopeRule::Same(rules.severity("scope"));
            if let Some(Source::File(_)) = source {
                let what = "`scope: same` compares an account's assignments, and a file has no account";
                self.problems.push(scope.origin.error(what).hint("remove it"));
            }
        }
        for (key, _, _) in rules.severities.iter().filter(|(.., is_used)| !is_used) {
            let what = format!("the severity of `{}` has no effect: `expect` does not have this key", key.text);
            self.problems.push(key.origin.error(what).hint(format!("write `{}`, or remove its severity", key.text)));
        }
        expect
    }

    fn rows(&mut self, RowsFile { min, max, change }: RowsFile, rules: &mut Rules<'_>, expect: &mut Expect) {
        if let (Some(min), Some(max)) = (&min, &max)
            && min.value.0 > max.value.0
        {
            let what = format!("`min` is {} and `max` is {}: no number of rows is both", min.value.0, max.value.0);
            self.problems.push(max.origin.error(what));
        }
        if let (WhenEmpty::Send, Some(min)) = (expect.when_empty, &min)
            && min.value.0 > 0
        {
            self.problems.push(
                min.origin
                    .warning("an empty artifact is held for having too few rows, although `when_empty` is `send`")
                    .hint("remove one of the two"),
            );
        }
        expect.rows_min = min.map(|min| rules.rule("rows", min.value.0));
        expect.rows_max = max.map(|max| rules.rule("rows", max.value.0));
        expect.rows_change = change.map(|change| {
            let ChangeTable { by, over, same_weekday } = change.0;
            let over = over.map_or(CHANGE_OVER, usize::from);
            rules.rule("rows", RowsChange { by: by.0, over, same_weekday: same_weekday.unwrap_or(true) })
        });
        // Written without any of its keys.
        rules.severity("rows");
    }

    fn header(&mut self, written: At<ColumnsFile>) -> HeaderRule {
        match written.value {
            ColumnsFile::Exact => HeaderRule::Exact,
            ColumnsFile::Superset => HeaderRule::Superset,
            ColumnsFile::List(names) => {
                if names.is_empty() {
                    self.problems.push(written.origin.error("no column is written here").hint("write `exact`"));
                }
                for (index, name) in names.iter().enumerate() {
                    if names[..index].iter().any(|earlier| earlier.value == name.value) {
                        let what = format!("the column {:?} is named twice", name.value);
                        self.problems.push(name.origin.error(what).hint("keep one of them"));
                    }
                }
                HeaderRule::List(names.into_iter().map(|name| name.value).collect())
            }
        }
    }

    /// Adds the rules of a key that has a condition for each column.
    fn cells<T>(
        &mut self,
        written: Lenient<Named<T>>,
        key: &str,
        rules: &mut Rules<'_>,
        expect: &mut Expect,
        condition: impl Fn(&mut Self, T) -> Option<CellCondition>,
    ) {
        let Some(Named(columns)) = written.0 else {
            rules.severity(key);
            return;
        };
        for (name, value) in columns {
            let column = Column { at: self.place(&name.origin), name: name.text };
            rules.columns.require(&column);
            let severity = rules.severity(key);
            if let Some(condition) = condition(self, value) {
                expect.cells.push(Rule { severity, expected: CellRule { column, condition } });
            }
        }
    }

    fn values(&mut self, written: At<crate::yaml::read::OneOrMore<At<String>>>) -> Option<CellCondition> {
        let At { value: values, origin } = written;
        if values.0.is_empty() {
            self.problems.push(origin.error("no value is allowed here").hint("list the allowed values: `[Yes, No]`"));
        }
        if let Some(empty) = values.0.iter().find(|value| value.value.is_empty()) {
            let problem = empty.origin.error("an empty cell is null, which `values` ignores");
            self.problems.push(problem.hint("remove it; `not_null` refuses empty cells"));
        }
        Some(CellCondition::Values(ValueSet::new(values.0.into_iter().map(|value| value.value))))
    }

    fn range(&mut self, written: At<RangeFile>) -> Option<CellCondition> {
        let At { value: RangeFile { min, max }, origin } = written;
        let (min, max) = (min.map(|min| min.0), max.map(|max| max.0));
        match (min, max) {
            (None, None) => {
                self.problems
                    .push(origin.error("a range has a `min`, a `max` or both").hint("write `{min: 0, max: 100}`"));
            }
            (Some(min), Some(max)) if min.compare(max).is_gt() => {
                self.problems.push(origin.error("`min` is larger than `max`: no number is in this range"));
            }
            _ => {}
        }
        Some(CellCondition::Range { min, max })
    }

    /// Returns the columns of a list; reports those that are missing or named twice.
    fn named_once(&mut self, written: Option<Vec<At<String>>>, rules: &mut Rules<'_>) -> Vec<Column> {
        let columns = self.columns(written.unwrap_or_default());
        rules.columns.require_each_once(&columns);
        columns
    }

    fn unique(&mut self, written: At<UniqueFile>, rules: &mut Rules<'_>, expect: &mut Expect) {
        let At { value: UniqueFile(lists), origin } = written;
        for list in lists {
            if list.is_empty() {
                let problem = origin.error("no column is written here");
                self.problems.push(problem.hint("name the columns that identify a row: `[employee_id, course]`"));
            }
            let columns = self.named_once(Some(list), rules);
            expect.unique.push(rules.rule("unique", columns));
        }
    }

    fn references(&mut self, written: Lenient<Named<At<String>>>, rules: &mut Rules<'_>, expect: &mut Expect) {
        let Some(Named(references)) = written.0 else {
            rules.severity("references");
            return;
        };
        for (from, to) in references {
            if from.text == to.value {
                let what = format!("{:?} refers to itself, which is always true", to.value);
                self.problems.push(to.origin.error(what).hint("name the column in which its values occur"));
            }
            let from = Column { at: self.place(&from.origin), name: from.text };
            let to = self.column(to);
            rules.columns.require(&from);
            rules.columns.require(&to);
            expect.references.push(rules.rule("references", Reference { from, to }));
        }
    }

    fn fresh(&mut self, written: At<FreshFile>, rules: &mut Rules<'_>) -> Option<Rule<Fresh>> {
        let At { value: FreshFile { source_column, column, format, timezone, max_age }, origin } = written;
        let severity = rules.severity("fresh");
        let column = match (source_column, column) {
            (Some(source), None) => FreshColumn::Source(self.column(source)),
            (None, Some(delivered)) => {
                let delivered = self.column(delivered);
                rules.columns.require(&delivered);
                FreshColumn::Delivered(delivered)
            }
            (Some(_), Some(column)) => {
                let problem = column.origin.error("`source_column` and `column` are mutually exclusive");
                self.problems.push(problem.hint("keep one of them"));
                return None;
            }
            (None, None) => {
                let problem = origin.error("`fresh` needs a column with dates");
                self.problems.push(
                    problem.hint("write `source_column` for one of the extract, or `column` for a delivered one"),
                );
                return None;
            }
        };
        let zone = timezone.unwrap_or(TimeZone::UTC);
        let fresh = Fresh { column, format: format.map(|format| format.0), zone, max_age: max_age.0 };
        Some(Rule { severity, expected: fresh })
    }
}

/// The default of `rows.change.over`.
const CHANGE_OVER: usize = 5;

fn condition_of_type(written: TypeFile) -> CellCondition {
    match written {
        TypeFile::Integer => CellCondition::Integer,
        TypeFile::Decimal => CellCondition::Decimal,
        TypeFile::Date => CellCondition::Date,
        TypeFile::Timestamp => CellCondition::Timestamp,
        TypeFile::Format(format) => CellCondition::TimeFormat(format.0),
    }
}

/// Returns a part that was written and could be read.
fn lenient<T>(part: Option<Lenient<T>>) -> Option<T> {
    part.and_then(|part| part.0)
}
