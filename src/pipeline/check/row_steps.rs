//! The steps `map`, `mask`, `fill` and `number`, and `on_error`: written → plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Check;
use crate::expr::Expr;
use crate::pipeline::expect_file::ExpectFile;
use crate::pipeline::lookup_csv::{CsvMistake, LookupCsv};
use crate::pipeline::plan::*;
use crate::pipeline::row_steps_file::{ElseFile, FillFile, MapFile, MapTableFile, MaskFile, MaskTable, NumberFile};
use crate::pipeline::step_file::StepFile;
use crate::settings::SecretRef;
use crate::yaml::problem::{Problem, did_you_mean};
use crate::yaml::read::{At, Lenient, Named};
use crate::yaml::tree::{Key, Origin};

/// The largest file of a map.
pub(super) const MAP_BYTES_MAX: u64 = 64 << 20;
/// The largest number of keys of a map.
pub(super) const MAP_KEYS_MAX: usize = 1_000_000;
/// The number of faulty lines of a file that are shown.
const FAULTS_SHOWN_MAX: usize = 10;

impl Check<'_> {
    /// Turns `on_error` beside a map into its `else`, which it is another word for.
    pub(super) fn else_of_map(
        &mut self,
        step: StepFile,
        on_error: Option<At<OnError>>,
    ) -> (StepFile, Option<At<OnError>>) {
        match (step, on_error) {
            (StepFile::Map(mut map), Some(At { value, origin })) => {
                if map.value.r#else.is_some() {
                    let problem = origin.error("`else` and `on_error` are mutually exclusive in `map`");
                    self.problems.push(problem.hint("keep `else`, which also has `keep` and `{value: X}`"));
                }
                map.value.r#else = Some(At { value: ElseFile(Otherwise::OnError(value)), origin });
                (StepFile::Map(map), None)
            }
            (step, on_error) => (step, on_error),
        }
    }

    pub(super) fn on_error(&mut self, kind: &StepKind, written: Option<At<OnError>>) -> OnError {
        match (kind, written) {
            (_, None) => OnError::Fail,
            (StepKind::Filter(_) | StepKind::Set(_), Some(written)) => written.value,
            (kind, Some(written)) => {
                let what = format!("`on_error` has no effect on `{}`", kind.declaration().kind);
                let hint = "it is for `filter`, `set` and `map`, whose values may have no result: remove it";
                self.problems.push(written.origin.error(what).hint(hint));
                OnError::Fail
            }
        }
    }

    pub(super) fn map(&mut self, written: MapFile) -> Option<Map> {
        let MapFile { column, to, values, file, r#else } = written;
        let origin = column.origin.clone();
        let column = self.column(column);
        let to = to.map_or_else(|| Column { name: column.name.clone(), at: column.at.clone() }, |to| self.column(to));
        let otherwise = r#else.map_or(Otherwise::OnError(OnError::Hold), |written| written.value.0);
        let (table, source) = match (values, file) {
            (Some(values), None) => (self.map_values(values)?, MapSource::Values),
            (None, Some(file)) => self.map_file(file.value)?,
            (Some(_), Some(file)) => {
                let problem = file.origin.error("`values` and `file` are mutually exclusive");
                self.problems.push(problem.hint("keep one of them"));
                return None;
            }
            (None, None) => {
                let problem = origin.error("`map` needs the values to replace, as `values` or a `file`");
                self.problems
                    .push(problem.hint("write `values: {Completed: C}`, or `file: {path: …, key: …, value: …}`"));
                return None;
            }
        };
        Some(Map { column, to, table: Arc::new(table), source, otherwise })
    }

    fn map_values(&mut self, written: At<Named<String>>) -> Option<MapTable> {
        let mut table = MapTable::default();
        for (Key { text, .. }, value) in &written.value.0 {
            let _ = table.insert(text.as_bytes(), value.as_bytes()); // the keys of a table are unique
        }
        if table.len() == 0 {
            let problem = written.origin.error("no value is written here");
            self.problems.push(problem.hint("write each value and its result: `{Completed: C}`"));
            return None;
        }
        Some(table)
    }

    /// Reads the file of a map.
    fn map_file(&mut self, written: MapTableFile) -> Option<(MapTable, MapSource)> {
        let MapTableFile { path, key, value } = written;
        let file = self.table(&path)?;
        let bytes = match file.read(MAP_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) => {
                let what = format!("cannot read {}: {error}", file.path.display());
                self.problems.push(path.origin.error(what));
                return None;
            }
        };
        let refused = |CsvMistake { line, what }| {
            let problem = path.origin.error(format!("{}, line {line} {what}", file.name));
            problem.hint("the file is a CSV in UTF-8, with commas between its cells and a header")
        };
        let table = LookupCsv::new(&bytes)
            .map_err(refused)
            .and_then(|csv| read_table(csv, &file.name, [&key, &value], &path.origin, &refused));
        match table {
            Ok((table, problems)) => {
                let is_sound = problems.is_empty();
                self.problems.extend(problems);
                let source = MapSource::File { file, key: key.value, value: value.value };
                is_sound.then_some((table, source))
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    pub(super) fn mask(
        &mut self,
        written: At<Named<At<MaskFile>>>,
        secrets: &mut BTreeMap<String, SecretRef>,
    ) -> Option<Vec<Mask>> {
        let key = written.origin.key();
        let is_reported = |problem: &Problem| problem.place.as_ref().is_some_and(|place| place.key.starts_with(key));
        if written.value.0.is_empty() && !self.problems.iter().any(is_reported) {
            let problem = written.origin.error("no column is masked here");
            self.problems.push(problem.hint("write a column and how it is masked: `{name: redact}`"));
        }
        let mut masks = Vec::new();
        for (name, At { value, origin }) in written.value.0 {
            let column = Column { at: self.place(&name.origin), name: name.text };
            let (method, origin) = match value {
                MaskFile::Redact => (MaskMethod::Redact, origin),
                MaskFile::Sha256 => (MaskMethod::Sha256, origin),
                MaskFile::Table(MaskTable::HmacSha256(secret)) => (MaskMethod::HmacSha256(secret.value), secret.origin),
                MaskFile::Table(MaskTable::KeepFirst(count)) => (MaskMethod::KeepFirst(count.0), origin),
                MaskFile::Table(MaskTable::KeepLast(count)) => (MaskMethod::KeepLast(count.0), origin),
            };
            let value = self.made(&method.expression(&column.name), &column, &origin, secrets)?;
            masks.push(Mask { column, method, value });
        }
        Some(masks)
    }

    pub(super) fn fill(&mut self, written: FillFile, origin: &Origin) -> Option<Fill> {
        let FillFile { column, columns, with, value } = written;
        let exclusive = |a: &str, b: &str, at: &Origin| {
            at.error(format!("`{a}` and `{b}` are mutually exclusive")).hint("keep one of them")
        };
        let columns = match (column, columns) {
            (Some(column), None) => vec![self.column(column)],
            (None, Some(columns)) if !columns.value.0.is_empty() => self.columns(columns.value.0),
            (Some(_), Some(columns)) => {
                self.problems.push(exclusive("column", "columns", &columns.origin));
                return None;
            }
            (None, _) => {
                let problem = origin.error("`fill` needs the columns whose empty cells are filled");
                self.problems.push(problem.hint("write `column: branch`, or `columns: [branch, team]`"));
                return None;
            }
        };
        let with = match (with, value) {
            (Some(At { value: _, origin: _ }), None) => FillWith::Previous,
            (None, Some(At { value: text, origin })) => {
                let mut values = Vec::new();
                for column in &columns {
                    let expression = format!("coalesce({}, {})", quoted(&column.name, '"'), quoted(&text, '\''));
                    values.push(self.made(&expression, column, &origin, &mut BTreeMap::new())?);
                }
                FillWith::Value { text, values }
            }
            (Some(_), Some(value)) => {
                self.problems.push(exclusive("with", "value", &value.origin));
                return None;
            }
            (None, None) => {
                let problem = origin.error("`fill` needs what empty cells become");
                self.problems.push(problem.hint("write `with: previous` for the last value above, or `value: X`"));
                return None;
            }
        };
        Some(Fill { columns, with })
    }

    pub(super) fn number(&mut self, written: NumberFile) -> Number {
        Number { column: self.column(written.column), start: written.start.map_or(1, |start| start.0) }
    }

    /// Compiles an expression that a step stands for. It reads one column; its problems are at `origin`.
    fn made(
        &mut self,
        text: &str,
        column: &Column,
        origin: &Origin,
        secrets: &mut BTreeMap<String, SecretRef>,
    ) -> Option<Expression> {
        let expr = match Expr::parse(text) {
            Ok(expr) => expr,
            Err(problem) => {
                self.problems.push(origin.error(problem.what));
                return None;
            }
        };
        for secret in expr.secrets() {
            self.secret(secret, origin, secrets);
        }
        Some(Expression::new(expr, |_| column.at.clone()))
    }

    /// Sets the default limit of dropped rows, where a step drops any. `limit` is the origin of one that is written.
    pub(super) fn dropped_rows(&mut self, steps: &[TransformStep], limit: Option<Origin>, expect: &mut Expect) {
        let drops = steps.iter().any(|step| step.policy() == OnError::DropRow);
        if let Some(limit) = limit.filter(|_| !drops) {
            let problem = limit.error("`dropped_rows` has no effect, as no step drops rows for their values");
            self.problems.push(problem.hint("write `on_error: drop_row` below a step's own key, or remove this"));
        }
        let default = Rule { severity: Severity::Hold, expected: DroppedMax::DEFAULT };
        expect.dropped_rows = drops.then(|| expect.dropped_rows.take().unwrap_or(default));
    }
}

/// Returns the origin of `expect.dropped_rows.max`, if it is written.
pub(super) fn origin_of_limit(expect: Option<&Lenient<ExpectFile>>) -> Option<Origin> {
    let rows = expect?.0.as_ref()?.dropped_rows.as_ref()?.0.as_ref()?;
    Some(rows.max.origin.clone())
}

/// Reads keys and values. Returns the problems of lines, or the problem that keeps all from being read.
fn read_table(
    mut csv: LookupCsv<'_>,
    name: &str,
    columns: [&At<String>; 2],
    at: &Origin,
    refused: &dyn Fn(CsvMistake) -> Problem,
) -> Result<(MapTable, Vec<Problem>), Problem> {
    if csv.next().map_err(refused)?.is_none() {
        return Err(at.error(format!("{name} is empty, without even a header")));
    }
    let width = csv.width();
    let header: Vec<String> = (0..width).map(|column| String::from_utf8_lossy(csv.cell(column)).into_owned()).collect();
    let [key, value] = columns.map(|column| position(column, &header, name));
    let (key, value) = (key?, value?);
    let (mut table, mut lines, mut problems) = (MapTable::default(), Vec::new(), Vec::new());
    while let Some(line) = csv.next().map_err(refused)? {
        if csv.width() != width {
            let what = format!(
                "{name}, line {line} has another number of cells than the header: {}, not {width}",
                csv.width()
            );
            return Err(at.error(what).hint("a cell that holds a comma must be quoted"));
        }
        let (key, value) = (csv.cell(key), csv.cell(value));
        if key.is_empty() {
            continue; // an empty cell is null, which is equal to nothing
        }
        match table.insert(key, value) {
            Ok(()) if table.len() > MAP_KEYS_MAX => {
                return Err(at.error(format!("{name} has more than {MAP_KEYS_MAX} keys, the most that is read")));
            }
            Ok(()) => lines.push(line),
            Err(index) if table.entry(index).1 == value => {}
            Err(index) => {
                let (earlier, key) = (String::from_utf8_lossy(table.entry(index).1), String::from_utf8_lossy(key));
                let value = String::from_utf8_lossy(value);
                let what = format!(
                    "{name}, lines {} and {line}: the key {key:?} has the values {earlier:?} and {value:?}",
                    lines[index]
                );
                problems.push(at.error(what).hint("keep one of the lines"));
                if problems.len() == FAULTS_SHOWN_MAX {
                    break;
                }
            }
        }
    }
    Ok((table, problems))
}

/// Returns the position of a column that is written.
fn position(column: &At<String>, header: &[String], name: &str) -> Result<usize, Problem> {
    let mut found = header.iter().enumerate().filter(|(_, known)| **known == column.value).map(|(index, _)| index);
    match (found.next(), found.next()) {
        (Some(index), None) => Ok(index),
        (Some(_), Some(_)) => {
            let what = format!("{name} has more than one column {:?}", column.value);
            Err(column.origin.error(what).hint("rename one of them in the file"))
        }
        (None, _) => {
            let near = did_you_mean(&column.value, header.iter().map(String::as_str));
            let there = format!("its columns are {}", crate::yaml::read::list(header));
            let problem = column.origin.error(format!("{name} has no column {:?}", column.value));
            Err(problem.hint(near.unwrap_or(there)))
        }
    }
}
