//! The artifact of a pipeline file → the plan's.

use super::fixed::Delivered;
use super::json::JsonLayout;
use super::table_formats::Types;
use super::tree::TreeRows;
use super::*;
use crate::name::NameTemplate;
use crate::pipeline::encoding_file::EncodingFile;
use crate::pipeline::file::{ArtifactFile, CsvFile, SplitFile};
use crate::pipeline::fixed_file::FixedFile;
use crate::pipeline::json_file::JsonFile;
use crate::pipeline::layout_file::LayoutFile;
use crate::pipeline::masked::MaskedColumns;
use crate::pipeline::table_formats_file::{ParquetFile, XlsxFile};
use crate::pipeline::xml_file::XmlFile;
use crate::yaml::tree::Origin;

/// The written formats with trees or typed columns, and the types.
struct Trees {
    types: Option<Types>,
    json: Option<JsonFile>,
    ndjson: Option<JsonFile>,
    xml: Option<XmlFile>,
    parquet: Option<At<ParquetFile>>,
    xlsx: Option<At<XlsxFile>>,
}

impl Check<'_> {
    /// Returns the only artifact as it is written.
    pub(super) fn one_artifact(&mut self, node: &Node, written: Option<Lenient<ArtifactFile>>) -> Option<ArtifactFile> {
        match written {
            Some(written) => written.0,
            None if node.get("artifacts").is_some() => None,
            None => Lenient::<ArtifactFile>::missing(node, "artifact", self.problems)?.0,
        }
    }

    /// Checks the placeholders of the artifact's name.
    fn check_artifact_name(&mut self, name: &NameTemplate, origin: &Origin, split: Option<&At<SplitFile>>) {
        match (split, name.uses_number()) {
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
    }

    /// Checks that no content depends on a name which depends on it.
    fn check_content_in_name(&mut self, origin: &Origin, format: &Format, compress: Option<&Compression>) {
        let layout = match format {
            Format::Layout(layout) => Some(layout),
            Format::Encoded(encoded) => match &encoded.format {
                Format::Layout(layout) => Some(layout),
                _ => None,
            },
            _ => None,
        };
        if let Some(value) = layout.and_then(|layout| layout.reading_file_name()) {
            let what = "a record cannot hold a `file_name` that holds the number of rows or the digest of all records";
            let problem = Problem::error(value.at.clone(), what);
            self.problems
                .push(problem.hint("remove `{count}` and `{sha256}` from the artifact's `name`, or this here"));
        }
        if let Some(Compression::Zip(None)) = compress {
            let what = "the entry in the ZIP would be called after the artifact, whose name is known after its content";
            let problem = origin.error(what);
            self.problems.push(problem.hint("give it a name: `compress: {zip: {entry: completions.csv}}`"));
        }
    }

    /// Returns the artifact of the rows after the steps; `None` if it cannot be used.
    pub(super) fn artifact(
        &mut self,
        written: ArtifactFile,
        steps: &[TransformStep],
        columns: &mut Columns,
    ) -> Option<ArtifactPlan> {
        let ArtifactFile {
            name,
            csv,
            split,
            types,
            json,
            ndjson,
            xml,
            compress,
            encrypt,
            fixed,
            encoding,
            parquet,
            xlsx,
            layout,
        } = written;
        let At { value: name, origin } = self.name_with_vars(name);
        self.check_artifact_name(&name, &origin, split.as_ref());
        let written = [
            ("csv", csv.is_some()),
            ("fixed", fixed.is_some()),
            ("json", json.is_some()),
            ("ndjson", ndjson.is_some()),
            ("xml", xml.is_some()),
            ("parquet", parquet.is_some()),
            ("xlsx", xlsx.is_some()),
        ];
        let formats: Vec<&str> =
            written.into_iter().filter(|(_, is_written)| *is_written).map(|(key, _)| key).collect();
        if let [first, second, ..] = formats.as_slice() {
            let problem = origin.error(format!("`{first}` and `{second}` are mutually exclusive"));
            self.problems.push(problem.hint("keep one of them: an artifact has one format"));
            return None;
        }
        let trees = Trees { types, json, ndjson, xml, parquet, xlsx };
        let format = match self.tree_format(trees, encoding.as_ref(), steps, columns)? {
            Some(format) => {
                if let Some(layout) = layout {
                    let problem =
                        layout.origin.error(format!("`layout` and `{}` are mutually exclusive", format.key()));
                    self.problems.push(problem.hint("keep one of them: `layout` is for `csv` and `fixed`"));
                }
                format
            }
            None => {
                self.check_grouped_files(split.as_ref(), layout.as_ref());
                self.text_format((csv, fixed), encoding, layout, &mut Delivered::of(columns, steps))
            }
        };
        self.check_not_split(split.as_ref().map(|split| &split.origin), &format);
        let compress = compress.map(|compress| self.compression(compress, split.is_some()));
        if name.uses_content() {
            self.check_content_in_name(&origin, &format, compress.as_ref());
        }
        let encrypt = match encrypt {
            Some(encrypt) => Some(Arc::new(self.encryption(encrypt)?)),
            None => None,
        };
        let (at, split) = (self.place(&origin), split.map(|split| split.value.rows.0));
        Some(ArtifactPlan { at, name, format, keeps_rows: false, split, compress, encrypt })
    }

    /// Returns a format with a tree or with typed columns, if one is written.
    fn tree_format(
        &mut self,
        Trees { types, json, ndjson, xml, parquet, xlsx }: Trees,
        encoding: Option<&At<EncodingFile>>,
        steps: &[TransformStep],
        columns: &mut Columns,
    ) -> Option<Option<Format>> {
        let masked = MaskedColumns::of(steps);
        let mut rows = TreeRows { columns, masked: masked.before(steps.len()), omit_null: false };
        let format = match (json, ndjson, parquet, xlsx) {
            (Some(json), ..) => Format::Json(self.json(json, JsonLayout::Document, types, &mut rows)?),
            (_, Some(ndjson), ..) => Format::Ndjson(self.json(ndjson, JsonLayout::Lines, types, &mut rows)?),
            (_, _, Some(parquet), _) => Format::Parquet(self.parquet(parquet, types, &mut rows)?),
            (.., Some(xlsx)) => Format::Xlsx(self.xlsx(xlsx, types, &mut rows)?),
            (None, None, None, None) => {
                if let Some(types) = types {
                    let problem = types
                        .origin
                        .error("`types` are for `json`, `ndjson`, `parquet` and `xlsx`: here all values are text");
                    self.problems.push(problem.hint("remove them, or write `ndjson: {}`"));
                }
                let Some(xml) = xml else { return Some(None) };
                Format::Xml(self.xml(xml, &mut rows)?)
            }
        };
        if let Some(encoding) = encoding {
            let problem = encoding.origin.error(format!("`{}` files are in UTF-8", format.key()));
            self.problems.push(problem.hint("remove `encoding`: it is for `csv` and `fixed`"));
        }
        Some(Some(format))
    }

    /// Returns a CSV or fixed-width format, in its charset.
    fn text_format(
        &mut self,
        (csv, fixed): (Option<At<CsvFile>>, Option<At<FixedFile>>),
        encoding: Option<At<EncodingFile>>,
        layout: Option<At<Box<LayoutFile>>>,
        delivered: &mut Delivered<'_>,
    ) -> Format {
        let charset = encoding.as_ref().and_then(|encoding| encoding.value.charset);
        let format = match (layout, csv, fixed) {
            (Some(layout), csv, fixed) => {
                Format::Layout(Box::new(self.layout(layout, (csv, fixed), charset, delivered)))
            }
            (None, _, Some(fixed)) => Format::Fixed(self.fixed(fixed, charset, delivered)),
            (None, Some(csv), None) => Format::Csv(self.csv(csv.value)),
            (None, None, None) => Format::Csv(CsvDialect::default()),
        };
        let (Some(charset), Some(At { value: EncodingFile { unmappable, .. }, origin })) = (charset, encoding) else {
            return format;
        };
        self.check_charset(charset, &origin, &format);
        Format::Encoded(Box::new(EncodedFormat { format, charset, unmappable }))
    }

    /// Checks that no group may be in several files.
    fn check_grouped_files(&mut self, split: Option<&At<SplitFile>>, layout: Option<&At<Box<LayoutFile>>>) {
        let group = layout.and_then(|layout| layout.value.group.as_ref());
        if let Some((_, group)) = split.zip(group) {
            let problem = group.origin.error("`split` may cut a group in two, so it is not possible with `group`");
            self.problems.push(problem.hint("remove one of them"));
        }
    }

    /// Checks that the charset has what the pipeline file has the format write.
    fn check_charset(&mut self, charset: Charset, origin: &Origin, format: &Format) {
        let upper_half = charset.upper_half();
        let has =
            |char: char| char.is_ascii() || charset.is_unicode() || upper_half.iter().any(|(known, _)| *known == char);
        let (texts, bom) = match format {
            Format::Csv(dialect) => dialect_texts(dialect),
            Format::Fixed(FixedFormat { record_end, fields, .. }) => (fills(fields) + &end_text(record_end), false),
            Format::Layout(layout) => {
                let fields = layout.records().map(|record| match record {
                    LayoutRecord::Fields(fields) => fills(fields),
                    LayoutRecord::Cells(_) => String::new(),
                });
                let fields: String = fields.collect();
                match &layout.base {
                    LayoutBase::Csv(dialect) => dialect_texts(dialect),
                    LayoutBase::Fixed { record_end, .. } => (fields + &end_text(record_end), false),
                }
            }
            Format::Json(_) | Format::Ndjson(_) | Format::Xml(_) | Format::Encoded(_) | Format::Several(_) => return,
            Format::Parquet(_) | Format::Xlsx(_) => return,
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

/// Returns the texts that a dialect writes, and true if it writes a byte order mark.
fn dialect_texts(CsvDialect { record_end, null_text, header, bom, .. }: &CsvDialect) -> (String, bool) {
    let names = if let Header::List(names) = header { names.concat() } else { String::new() };
    (end_text(record_end) + null_text + &names, *bom)
}

fn fills(fields: &[FixedField]) -> String {
    fields.iter().map(|field| field.fill).collect()
}

fn end_text(end: &RecordEnd) -> String {
    String::from_utf8_lossy(end.as_bytes()).into_owned()
}
