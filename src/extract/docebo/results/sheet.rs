//! Rows of pages → the CSV in the spool, with the columns of the first row.

use std::collections::HashSet;

use crate::extract::ExtractError;
use crate::extract::docebo::page::Row;

/// A CSV under construction.
pub(super) struct Sheet<'a> {
    pub header: Vec<String>,
    subject: &'a str,
    rows: u64,
    rows_max: u64,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(subject: &'a str, rows_max: u64) -> Self {
        Self { header: Vec::new(), subject, rows: 0, rows_max }
    }

    /// Returns the page's rows as CSV, with the columns of the first row.
    pub(super) fn add(&mut self, rows: Vec<Row>) -> Result<Vec<u8>, ExtractError> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let unwritable =
            |error: String| ExtractError::later(format!("{}: the CSV cannot be written: {error}", self.subject));
        if self.header.is_empty()
            && let Some(Row(first)) = rows.first()
        {
            self.header = header(first, self.subject)?;
            csv.write_record(&self.header).map_err(|error| unwritable(error.to_string()))?;
        }
        self.rows += rows.len() as u64;
        if self.rows > self.rows_max {
            let what = format!("{}: its results have more than {} rows (limits.rows)", self.subject, self.rows_max);
            return Err(ExtractError::refused(what, "narrow the report, or raise limits.rows"));
        }
        for (index, row) in rows.into_iter().enumerate() {
            let cells = arrange(&self.header, row.0).map_err(|how| ExtractError::Refused {
                what: format!("{}: the columns change within the results: page row {} {how}", self.subject, index + 1),
                hint: Some(
                    "the report was changed while being read, or its rows have different columns: run again".into(),
                ),
            })?;
            csv.write_record(&cells).map_err(|error| unwritable(error.to_string()))?;
        }
        csv.into_inner().map_err(|error| unwritable(error.to_string()))
    }
}

fn header(first: &[(String, String)], subject: &str) -> Result<Vec<String>, ExtractError> {
    let header: Vec<String> = first.iter().map(|(name, _)| name.clone()).collect();
    let mut seen = HashSet::new();
    if let Some(twice) = header.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(ExtractError::refused(
            format!("{subject}: two columns are called {twice:?}, which JSON results cannot distinguish"),
            "rename one in the report, or use `via: download`",
        ));
    }
    if header.is_empty() {
        return Err(ExtractError::Refused { what: format!("{subject}: its results have no columns"), hint: None });
    }
    Ok(header)
}

/// Returns the row's cells in the order of the header.
fn arrange(header: &[String], mut row: Vec<(String, String)>) -> Result<Vec<String>, String> {
    let in_order = header.len() == row.len() && header.iter().zip(&row).all(|(name, (own, _))| name == own);
    if in_order {
        return Ok(row.into_iter().map(|(_, cell)| cell).collect());
    }
    let mut cells = Vec::with_capacity(header.len());
    for name in header {
        match row.iter().position(|(own, _)| own == name) {
            Some(at) => cells.push(row.swap_remove(at).1),
            None => return Err(format!("lacks {name:?}")),
        }
    }
    match row.first() {
        Some((extra, _)) => Err(format!("has {extra:?} besides")),
        None => Ok(cells),
    }
}
