//! The expectations of a pipeline file → the plan's.

use jiff::tz::TimeZone;

use super::Check;
use crate::pipeline::columns::Columns;
use crate::pipeline::expect_file::{
    ChangeTable, ColumnsFile, ExpectFile, FreshFile, LengthFile, LengthTable, Pattern, RangeFile, RowsFile,
    SeverityFile, UniqueFile,
};
use crate::pipeline::plan::*;
use crate::pipeline::value_type::ValueType;
use crate::yaml::read::{At, Lenient, Named, OneOrMore};
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

    /// Returns the rule of a key that is written and could be read.
    fn part<T>(&mut self, key: &str, written: Option<Lenient<T>>) -> Option<Rule<T>> {
        let written = written?;
        let severity = self.severity(key);
        written.0.map(|expected| Rule { severity, expected })
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
        let SeverityFile(severities) = lenient(written.severity).unwrap_or_default();
        let severities = severities.into_iter().map(|(key, severity)| (key, severity, false)).collect();
        let mut rules = Rules { columns, severities };
        let mut expect =
            Expect { when_empty: lenient(written.when_empty).unwrap_or(WhenEmpty::Hold), ..Expect::default() };
        if let Some(rule) = rules.part("rows", written.rows) {
            self.rows(rule, &mut expect);
        }
        let columns = rules.part("columns", written.columns);
        expect.columns = columns.map(|rule| rule.map(|written| self.header(written)));
        self.cells(written.types, "types", &mut rules, &mut expect, |_, written| condition_of_type(written.value));
        if let Some(Rule { severity, expected }) = rules.part("not_null", written.not_null) {
            for column in self.named_once(expected.0, &mut rules) {
                let expected = CellRule { column, condition: CellCondition::NotNull };
                expect.cells.push(Rule { severity, expected });
            }
        }
        self.cells(written.values, "values", &mut rules, &mut expect, |check, values| check.values(values));
        self.cells(written.range, "range", &mut rules, &mut expect, |check, range| check.range(range));
        self.cells(written.length, "length", &mut rules, &mut expect, |check, length| check.length(length));
        self.cells(written.r#match, "match", &mut rules, &mut expect, |_, Pattern(regex)| {
            Some(CellCondition::Match(regex))
        });
        if let Some(rule) = rules.part("unique", written.unique) {
            expect.unique = self.unique(rule, &mut rules);
        }
        self.references(written.references, &mut rules, &mut expect);
        expect.fresh = rules.part("fresh", written.fresh).and_then(|rule| self.fresh(rule, &mut rules));
        expect.complete = lenient(written.complete).unwrap_or(true).then(|| rules.severity("complete"));
        expect.size_max = rules.part("size", written.size).map(|rule| rule.map(|size| size.max.0));
        if let Some(Rule { severity, expected }) = rules.part("scope", written.scope) {
            expect.scope = ScopeRule::Same(severity);
            if let Some(Source::File(_)) = source {
                let what = "`scope: same` compares an account's assignments, and a file has no account";
                self.problems.push(expected.origin.error(what).hint("remove it"));
            }
        }
        expect.dropped_rows =
            rules.part("dropped_rows", written.dropped_rows).map(|rule| rule.map(|rows| rows.max.value.0));
        for (key, ..) in rules.severities.iter().filter(|(.., is_used)| !is_used) {
            let what = format!("the severity of `{}` has no effect, as nothing here expects it", key.text);
            self.problems.push(key.origin.error(what).hint(format!("write `{}`, or remove its severity", key.text)));
        }
        expect
    }

    fn rows(&mut self, written: Rule<RowsFile>, expect: &mut Expect) {
        let Rule { severity, expected: RowsFile { min, max, change } } = written;
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
        expect.rows_min = min.map(|min| Rule { severity, expected: min.value.0 });
        expect.rows_max = max.map(|max| Rule { severity, expected: max.value.0 });
        expect.rows_change = change.map(|change| {
            let ChangeTable { by, over, same_weekday } = change.0;
            let over = over.map_or(CHANGE_OVER, usize::from);
            let expected = RowsChange { by: by.0, over, same_weekday: same_weekday.unwrap_or(true) };
            Rule { severity, expected }
        });
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
        written: Option<Lenient<Named<T>>>,
        key: &str,
        rules: &mut Rules<'_>,
        expect: &mut Expect,
        condition: impl Fn(&mut Self, T) -> Option<CellCondition>,
    ) {
        let Some(Rule { severity, expected: Named(columns) }) = rules.part(key, written) else { return };
        for (name, value) in columns {
            let column = Column { at: self.place(&name.origin), name: name.text };
            rules.columns.require(&column);
            if let Some(condition) = condition(self, value) {
                expect.cells.push(Rule { severity, expected: CellRule { column, condition } });
            }
        }
    }

    fn values(&mut self, written: At<OneOrMore<At<String>>>) -> Option<CellCondition> {
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

    fn length(&mut self, written: At<LengthFile>) -> Option<CellCondition> {
        let At { value: LengthFile(LengthTable { min, max }), origin } = written;
        let (min, max) = (min.map_or(0, |min| min.0), max.map_or(u64::MAX, |max| max.0));
        if (min, max) == (0, u64::MAX) {
            let problem = origin.error("a length has a `min`, a `max` or both");
            self.problems.push(problem.hint("write the largest number of characters, `255`, or `{min: 2, max: 255}`"));
        }
        if min > max {
            self.problems.push(origin.error("`min` is larger than `max`: no value has this length"));
        }
        Some(CellCondition::Length { min, max })
    }

    /// Returns the columns of a list; reports those that are missing or named twice.
    fn named_once(&mut self, written: Vec<At<String>>, rules: &mut Rules<'_>) -> Vec<Column> {
        let columns = self.columns(written);
        rules.columns.require_each_once(&columns);
        columns
    }

    fn unique(&mut self, written: Rule<At<UniqueFile>>, rules: &mut Rules<'_>) -> Vec<Rule<Vec<Column>>> {
        let Rule { severity, expected: At { value: UniqueFile(lists), origin } } = written;
        if lists.is_empty() || lists.iter().any(Vec::is_empty) {
            let problem = origin.error("no column is written here");
            self.problems.push(problem.hint("name the columns that identify a row: `[employee_id, course]`"));
        }
        lists.into_iter().map(|list| Rule { severity, expected: self.named_once(list, rules) }).collect()
    }

    fn references(&mut self, written: Option<Lenient<Named<At<String>>>>, rules: &mut Rules<'_>, expect: &mut Expect) {
        let Some(Rule { severity, expected: Named(references) }) = rules.part("references", written) else { return };
        for (from, to) in references {
            if from.text == to.value {
                let what = format!("{:?} refers to itself, which is always true", to.value);
                self.problems.push(to.origin.error(what).hint("name the column in which its values occur"));
            }
            let from = Column { at: self.place(&from.origin), name: from.text };
            let to = self.column(to);
            rules.columns.require(&from);
            rules.columns.require(&to);
            expect.references.push(Rule { severity, expected: Reference { from, to } });
        }
    }

    fn fresh(&mut self, written: Rule<At<FreshFile>>, rules: &mut Rules<'_>) -> Option<Rule<Fresh>> {
        let Rule { severity, expected: At { value, origin } } = written;
        let FreshFile { source_column, column, format, timezone, max_age } = value;
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

/// Returns the condition that a value has the type; `None` for a text, which any value is.
fn condition_of_type(written: ValueType) -> Option<CellCondition> {
    match written {
        ValueType::Text => None,
        ValueType::Integer => Some(CellCondition::Integer),
        ValueType::Decimal => Some(CellCondition::Decimal),
        ValueType::Boolean => Some(CellCondition::Boolean),
        ValueType::Date(None) => Some(CellCondition::Date),
        ValueType::Datetime(None) => Some(CellCondition::Datetime),
        ValueType::Date(Some(format)) | ValueType::Datetime(Some(format)) => Some(CellCondition::TimeFormat(format.0)),
    }
}

/// Returns a part that was written and could be read.
fn lenient<T>(part: Option<Lenient<T>>) -> Option<T> {
    part.and_then(|part| part.0)
}
