//! The artifact of a pipeline file → the plan's.

use super::Check;
use super::fixed::Delivered;
use crate::pipeline::encoding_file::EncodingFile;
use crate::pipeline::file::{ArtifactFile, CsvFile};
use crate::pipeline::fixed_file::FixedFile;
use crate::pipeline::plan::*;
use crate::yaml::read::At;
use crate::yaml::tree::Origin;

impl Check<'_> {
    pub(super) fn artifact(&mut self, written: ArtifactFile, delivered: &mut Delivered<'_>) -> ArtifactPlan {
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
        let format = self.format(written.csv, written.fixed, written.encoding, delivered);
        ArtifactPlan {
            at: self.place(&origin),
            name,
            format,
            keeps_rows: false,
            split: split.map(|split| split.value.rows.0),
        }
    }

    fn format(
        &mut self,
        csv: Option<At<CsvFile>>,
        fixed: Option<At<FixedFile>>,
        encoding: Option<At<EncodingFile>>,
        delivered: &mut Delivered<'_>,
    ) -> Format {
        let charset = encoding.as_ref().and_then(|encoding| encoding.value.charset);
        let format = match (csv, fixed) {
            (Some(_), Some(fixed)) => {
                let problem = fixed.origin.error("`csv` and `fixed` are mutually exclusive");
                self.problems.push(problem.hint("keep one of them"));
                Format::Csv(CsvDialect::default())
            }
            (_, Some(fixed)) => Format::Fixed(self.fixed(fixed, charset, delivered)),
            (Some(csv), None) => Format::Csv(self.csv(csv.value)),
            (None, None) => Format::Csv(CsvDialect::default()),
        };
        let (Some(charset), Some(At { value: EncodingFile { unmappable, .. }, origin })) = (charset, encoding) else {
            return format;
        };
        self.check_charset(charset, &origin, &format);
        Format::Encoded(Box::new(EncodedFormat { format, charset, unmappable }))
    }

    /// Checks that the charset has what the pipeline file has the format write.
    fn check_charset(&mut self, charset: Charset, origin: &Origin, format: &Format) {
        let upper_half = charset.upper_half();
        let has =
            |char: char| char.is_ascii() || charset.is_unicode() || upper_half.iter().any(|(known, _)| *known == char);
        let end = |end: &RecordEnd| String::from_utf8_lossy(end.as_bytes()).into_owned();
        let (texts, bom) = match format {
            Format::Csv(CsvDialect { record_end, null_text, header, bom, .. }) => {
                let names = if let Header::List(names) = header { names.concat() } else { String::new() };
                (end(record_end) + null_text + &names, *bom)
            }
            Format::Fixed(FixedFormat { record_end, fields, .. }) => {
                (fields.iter().map(|field| field.fill).collect::<String>() + &end(record_end), false)
            }
            Format::Encoded(_) => return,
        };
        let name = charset.name();
        if bom && !charset.is_unicode() {
            let problem = origin.error(format!("a byte order mark cannot be written in {name}"));
            self.problems.push(problem.hint("remove `bom: true`: the charset has no byte order"));
        }
        if let Some(char) = texts.chars().find(|char| !has(*char)) {
            let problem = origin.error(format!("{name} lacks {char:?}, which the format writes"));
            self.problems.push(problem.hint("change the header, `record_end`, `null_text` or `fill`"));
        }
    }
}
