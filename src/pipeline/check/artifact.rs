//! The artifact of a pipeline file → the plan's.

use super::json::JsonLayout;
use super::tree::TreeRows;
use super::*;
use crate::pipeline::file::{ArtifactFile, CsvFile};
use crate::pipeline::masked::MaskedColumns;

impl Check<'_> {
    /// Returns the artifact of the rows after the steps; `None` if it cannot be used.
    pub(super) fn artifact(
        &mut self,
        written: ArtifactFile,
        steps: &[TransformStep],
        columns: &mut Columns,
    ) -> Option<ArtifactPlan> {
        let ArtifactFile { name: At { value: name, origin }, csv, split, types, json, ndjson, xml } = written;
        match (&split, name.uses_number()) {
            (Some(split), false) => {
                let problem =
                    split.origin.error("the files need different names, and the artifact's name has no `{part}`");
                self.problems.push(problem.hint("write `name: \"completions_{slot:%Y%m%d}_{part}.csv\"`"));
            }
            (None, true) => {
                let problem = origin.error("`{part}` numbers the files of a split artifact, and this one is one file");
                self.problems.push(problem.hint("add `split: {rows: 50000}`, or remove `{part}`"));
            }
            _ => {}
        }
        if name.uses_name() {
            let problem = origin.error("`{name}` is the artifact's own name, which is being made here");
            self.problems.push(
                problem.hint("it belongs in `done_file`; a name is made of `{slot:%Y%m%d}`, `{pipeline}` and `{run}`"),
            );
        }
        let masked = MaskedColumns::of(steps);
        let mut rows = TreeRows { columns, masked: masked.before(steps.len()), omit_null: false };
        let written =
            [("csv", csv.is_some()), ("json", json.is_some()), ("ndjson", ndjson.is_some()), ("xml", xml.is_some())];
        let formats: Vec<&str> =
            written.into_iter().filter(|(_, is_written)| *is_written).map(|(key, _)| key).collect();
        if let [first, second, ..] = formats.as_slice() {
            let problem = origin.error(format!("`{first}` and `{second}` are mutually exclusive"));
            self.problems.push(problem.hint("keep one of them: an artifact has one format"));
            return None;
        }
        let format = match (csv, json, ndjson, xml) {
            (_, Some(json), _, _) => Format::Json(self.json(json, JsonLayout::Document, types, &mut rows)?),
            (_, _, Some(ndjson), _) => Format::Ndjson(self.json(ndjson, JsonLayout::Lines, types, &mut rows)?),
            (csv, None, None, xml) => {
                if let Some(types) = types {
                    let problem = types.origin.error("`types` are for `json` and `ndjson`: here all values are text");
                    self.problems.push(problem.hint("remove them, or write `ndjson: {}`"));
                }
                match xml {
                    Some(xml) => Format::Xml(self.xml(xml, &mut rows)?),
                    None => Format::Csv(csv.map(dialect).unwrap_or_default()),
                }
            }
        };
        let (at, split) = (self.place(&origin), split.map(|split| split.value.rows.0));
        Some(ArtifactPlan { at, name, format, keeps_rows: false, split })
    }
}

fn dialect(written: CsvFile) -> CsvDialect {
    let CsvFile { delimiter, quote, record_end, header, bom, formula_guard } = written;
    CsvDialect {
        delimiter: delimiter.map_or(b',', |delimiter| delimiter.0),
        quote: quote.unwrap_or(QuoteStyle::Necessary),
        record_end: record_end.unwrap_or(RecordEnd::Lf),
        header: header.map_or(Header::Names, |header| header.value),
        bom: bom.unwrap_or(false),
        formula_guard: formula_guard.unwrap_or(false),
    }
}
