//! The dialect of the artifact's CSV.

use super::Check;
use crate::pipeline::file::CsvFile;
use crate::pipeline::plan::*;
use crate::yaml::read::At;

impl Check<'_> {
    pub(super) fn csv(&mut self, written: CsvFile) -> CsvDialect {
        let CsvFile { delimiter, quote, record_end, header, bom, formula_guard, escape, null_text, decimal } = written;
        let delimiter = delimiter.map_or(b',', |delimiter| delimiter.0);
        let quote = quote.unwrap_or(QuoteStyle::Necessary);
        if let Some(At { value, origin }) = &escape
            && value.character == delimiter
        {
            let problem = origin.error("the escape character is also the delimiter");
            self.problems.push(problem.hint("write another one: `escape: \"\\\\\"`"));
        }
        let escape = escape.map(|escape| escape.value);
        if let Some(At { value: RecordEnd::Text(end), origin }) = &record_end
            && quote == QuoteStyle::Never
            && end.bytes().any(|byte| byte == delimiter || escape.is_some_and(|escape| escape.character == byte))
        {
            let problem = origin.error(format!("{end:?} contains the delimiter or the escape character"));
            self.problems
                .push(problem.hint("without quotes, no reader can distinguish them: choose another delimiter"));
        }
        if let Some(At { value: DecimalPoint::Comma, origin }) = &decimal
            && (quote, delimiter, escape) == (QuoteStyle::Never, b',', None)
        {
            let problem = origin.error("the decimal comma is also the delimiter, and `quote: never` cannot protect it");
            self.problems.push(problem.hint("write another delimiter: `delimiter: \";\"`"));
        }
        let record_end = record_end.map_or(RecordEnd::Lf, |end| end.value);
        if let Some(At { value, origin }) = &null_text
            && (value.bytes().any(|byte| byte == delimiter || b"\"\r\n\0".contains(&byte))
                || matches!(&record_end, RecordEnd::Text(end) if value.contains(end.trim_end())))
        {
            let what = format!("{value:?} cannot stand for an empty cell: it is written without quotes");
            let hint = "write a text without the delimiter, quotes, line ends and `record_end`: `NULL`, `\"\\\\N\"`";
            self.problems.push(origin.error(what).hint(hint));
        }
        CsvDialect {
            delimiter,
            quote,
            record_end,
            header: header.map_or(Header::Names, |header| header.value),
            bom: bom.unwrap_or(false),
            formula_guard: formula_guard.unwrap_or(false),
            escape,
            null_text: null_text.map(|text| text.value).unwrap_or_default(),
            decimal: decimal.map_or(DecimalPoint::Point, |decimal| decimal.value),
        }
    }
}
