//! The artifact of a pipeline file → the plan's.

use super::Check;
use crate::pipeline::file::{ArtifactFile, CsvFile};
use crate::pipeline::plan::*;
use crate::yaml::read::At;

impl Check<'_> {
    pub(super) fn artifact(&mut self, written: ArtifactFile) -> Option<ArtifactPlan> {
        let At { value: name, origin } = written.name;
        let split = written.split;
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
        let csv = written.csv;
        let CsvFile { delimiter, quote, record_end, header, bom, formula_guard } = csv.unwrap_or(CsvFile {
            delimiter: None,
            quote: None,
            record_end: None,
            header: None,
            bom: None,
            formula_guard: None,
        });
        let compress = written.compress.map(|compress| self.compression(compress, split.is_some()));
        let encrypt = match written.encrypt {
            Some(encrypt) => Some(self.encryption(encrypt)?),
            None => None,
        };
        Some(ArtifactPlan {
            at: self.place(&origin),
            name,
            format: Format::Csv(CsvDialect {
                delimiter: delimiter.map_or(b',', |delimiter| delimiter.0),
                quote: quote.unwrap_or(QuoteStyle::Necessary),
                record_end: record_end.unwrap_or(RecordEnd::Lf),
                header: header.map_or(Header::Names, |header| header.value),
                bom: bom.unwrap_or(false),
                formula_guard: formula_guard.unwrap_or(false),
            }),
            keeps_rows: false,
            split: split.map(|split| split.value.rows.0),
            compress,
            encrypt,
        })
    }
}
