//! `parquet` and `xlsx` → their plan.

use super::tree::TreeRows;
use super::*;
use crate::feature;
use crate::pipeline::column_type::ColumnType;
use crate::pipeline::table_formats_file::{ParquetFile, XlsxFile, XlsxHeaderFile};
use crate::yaml::tree::Origin;

/// The types of columns as written.
pub(super) type Types = At<Named<At<ColumnType>>>;

const ROW_GROUP: usize = 100_000;
const SHEET_NAME_MAX: usize = 31;

impl Check<'_> {
    pub(super) fn parquet(
        &mut self,
        At { value: ParquetFile { compression, row_group }, origin }: At<ParquetFile>,
        types: Option<Types>,
        rows: &mut TreeRows<'_>,
    ) -> Option<Parquet> {
        let feature = self.built(feature::Parquet::built(), &origin);
        let types = self.types_of_table(types, rows);
        Some(Parquet {
            feature: feature?,
            compression: compression.unwrap_or(ParquetCompression::Zstd),
            row_group: row_group.map_or(ROW_GROUP, |rows| rows.0 as usize),
            types,
        })
    }

    pub(super) fn xlsx(
        &mut self,
        At { value: XlsxFile { sheet, header, widths }, origin }: At<XlsxFile>,
        types: Option<Types>,
        rows: &mut TreeRows<'_>,
    ) -> Option<Xlsx> {
        let feature = self.built(feature::Xlsx::built(), &origin);
        if let Some(sheet) = &sheet {
            self.check_sheet_name(&sheet.value, &sheet.origin);
        }
        let widths = widths.map(|widths| widths.0).unwrap_or_default().into_iter().map(|(key, width)| {
            let column = Column { at: self.place(&key.origin), name: key.text };
            rows.columns.require(&column);
            ColumnWidth { column, characters: width.0 as u16 }
        });
        let widths = widths.collect();
        let types = self.types_of_table(types, rows);
        Some(Xlsx {
            feature: feature?,
            sheet: sheet.map_or_else(|| "Sheet1".to_owned(), |sheet| sheet.value),
            bold_header: header.and_then(|XlsxHeaderFile { bold }| bold).unwrap_or(false),
            widths,
            types,
        })
    }

    fn types_of_table(&mut self, types: Option<Types>, rows: &mut TreeRows<'_>) -> ColumnTypes {
        let typed = types.map(|types| self.column_types(types.value, rows)).unwrap_or_default();
        ColumnTypes { typed, masked: rows.masked.clone() }
    }

    pub(super) fn column_types(&mut self, written: Named<At<ColumnType>>, rows: &mut TreeRows<'_>) -> Vec<TypedColumn> {
        let typed = |(key, column_type): (Key, At<ColumnType>)| {
            let column = Column { at: self.place(&key.origin), name: key.text };
            rows.columns.require(&column);
            TypedColumn { column, column_type: column_type.value, at: self.place(&column_type.origin) }
        };
        written.0.into_iter().map(typed).collect()
    }

    fn check_sheet_name(&mut self, name: &str, origin: &Origin) {
        let what = if name.is_empty() {
            "a sheet needs a name".to_owned()
        } else if name.encode_utf16().count() > SHEET_NAME_MAX {
            format!("{name:?} is longer than the {SHEET_NAME_MAX} characters that a sheet's name can have")
        } else if let Some(char) = name.chars().find(|char| r"*?:[]\/".contains(*char) || char.is_control()) {
            format!("a sheet's name cannot have {char:?}")
        } else if name.starts_with('\'') || name.ends_with('\'') {
            "a sheet's name cannot begin or end with an apostrophe".to_owned()
        } else if name.eq_ignore_ascii_case("history") {
            format!("Excel keeps the name {name:?} for itself")
        } else {
            return;
        };
        self.problems.push(origin.error(what).hint("choose another name, as `sheet: Roster`"));
    }

    /// Checks that a file with typed columns is one file.
    pub(super) fn check_not_split(&mut self, split: Option<&Origin>, format: &Format) {
        let (Some(split), Format::Parquet(_) | Format::Xlsx(_)) = (split, format) else { return };
        let problem = split.error(format!("a `{}` artifact cannot be split", format.key()));
        self.problems.push(problem.hint(match format {
            Format::Parquet(_) => "remove `split`: one file has any number of rows, in row groups",
            _ => "remove `split`, or write a `csv`: a sheet has 1048575 rows at most",
        }));
    }
}
