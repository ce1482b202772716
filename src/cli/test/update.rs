//! Expected rows and files, replaced by what came out.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use anyhow::Context;

use crate::pipeline::load_text;
use crate::pipeline::plan::{Expected, ExpectedData, Plan, TestCase, TestRows};
use crate::run::trial::Output;
use crate::settings::Settings;

/// New expected results of a pipeline's tests.
#[derive(Default)]
pub(super) struct Updates {
    /// By the name of the test: the bytes of its rows in the file, and the new rows.
    rows: BTreeMap<String, (Range<usize>, Vec<Row>)>,
}

/// The cells of a row, with their columns.
type Row = Vec<(String, String)>;

impl Updates {
    /// Notes the result of a test that differs. Writes an expected file at once.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn add(&mut self, test: &TestCase, output: &Output) -> anyhow::Result<()> {
        let Expected::Output(expected) = &test.expected else { return Ok(()) };
        match &expected.data {
            // A text stays as it is written: its line ends and escapes are its author's.
            None | Some(ExpectedData::Text(_)) => {}
            Some(ExpectedData::File(file)) => {
                let writing = || format!("writing {}", file.path.display());
                if let Some(folder) = file.path.parent() {
                    std::fs::create_dir_all(folder).with_context(writing)?;
                }
                std::fs::write(&file.path, &output.bytes).with_context(writing)?;
            }
            Some(ExpectedData::Rows(rows)) => {
                self.rows.insert(test.name.clone(), (rows.span.clone(), cells(output)));
            }
        }
        Ok(())
    }

    /// Returns the rows of a test as text to put into the file by hand.
    pub(super) fn paste(&self, test: &str) -> Option<String> {
        let (_, rows) = self.rows.get(test)?;
        Some(rows.iter().map(|row| format!("- {}\n", flow(row))).collect())
    }

    /// Writes the new rows into the pipeline file, and nothing if the file would not mean them then.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(super) fn write(&self, plan: &Plan, settings: &Settings) -> anyhow::Result<()> {
        let path: &Path = &plan.file;
        if self.rows.is_empty() {
            return Ok(());
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let Some(new) = replaced(&text, self.rows.values().cloned().collect()) else { return Ok(()) };
        if self.are_meant(&new, path, settings) {
            std::fs::write(path, new).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    /// Returns true if the text is a valid pipeline whose tests expect the new rows.
    fn are_meant(&self, text: &str, path: &Path, settings: &Settings) -> bool {
        let Ok((plan, _)) = load_text(settings, path, text) else { return false };
        let is_meant = |(name, (_, rows)): (&String, &(Range<usize>, Vec<Row>))| {
            let test = plan.tests.iter().find(|test| test.name == *name);
            let expected = match test.map(|test| &test.expected) {
                Some(Expected::Output(expected)) => &expected.data,
                _ => return false,
            };
            matches!(expected, Some(ExpectedData::Rows(expected)) if written(expected) == *rows)
        };
        self.rows.iter().all(is_meant)
    }
}

fn cells(output: &Output) -> Vec<Row> {
    let row = |row: &Vec<String>| output.columns.iter().cloned().zip(row.iter().cloned()).collect();
    output.rows.iter().map(row).collect()
}

fn written(rows: &TestRows) -> Vec<Row> {
    let cell = |cell: &Option<String>| cell.clone().unwrap_or_default();
    rows.rows.iter().map(|row| rows.columns.iter().cloned().zip(row.iter().map(cell)).collect()).collect()
}

/// Replaces lists of rows in a text; `None` if one cannot be found in it.
fn replaced(text: &str, mut lists: Vec<(Range<usize>, Vec<Row>)>) -> Option<String> {
    lists.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut new = text.to_owned();
    for (span, rows) in lists {
        let end = closed(text, &span)?;
        let before = &text[..span.start];
        let line = &before[before.rfind('\n').map_or(0, |newline| newline + 1)..];
        let list = match text[span.start..].chars().next()? {
            '[' => flow_list(&rows, line),
            '-' => block_list(&rows, &" ".repeat(line.chars().count())),
            _ => return None,
        };
        new.replace_range(span.start..end, &list);
    }
    Some(new)
}

/// Writes rows one below the other, each after `- `; the first one begins where the list did.
fn block_list(rows: &[Row], indent: &str) -> String {
    match rows {
        [] => "[]".to_owned(),
        rows => rows.iter().map(|row| format!("- {}", flow(row))).collect::<Vec<_>>().join(&format!("\n{indent}")),
    }
}

/// Writes rows in brackets; several of them on lines of their own, below the line of the list.
fn flow_list(rows: &[Row], line: &str) -> String {
    match rows {
        [] => "[]".to_owned(),
        [row] => format!("[{}]", flow(row)),
        rows => {
            let indent = " ".repeat(line.chars().take_while(|character| " -".contains(*character)).count());
            let rows: String = rows.iter().map(|row| format!("{indent}  {},\n", flow(row))).collect();
            format!("[\n{rows}{indent}]")
        }
    }
}

/// Writes a row in braces.
fn flow(row: &Row) -> String {
    let cells: Vec<String> = row.iter().map(|(column, cell)| format!("{}: {}", scalar(column), scalar(cell))).collect();
    format!("{{{}}}", cells.join(", "))
}

/// Writes a text as YAML: plain where nothing can be taken for anything else, otherwise in double quotes.
fn scalar(text: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "_./@+%()- ".contains(character);
    let begins = text.starts_with(|character: char| character.is_alphanumeric() || character == '_');
    // What other readers of YAML take for something else than a text stays a text for them too.
    let is_word = ["null", "true", "false", "yes", "no", "on", "off"].contains(&&*text.to_lowercase());
    let is_code = text.len() > 1 && text.starts_with('0');
    if begins && !text.ends_with(' ') && !is_word && !is_code && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            character if character.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(character))),
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns the end of a list whose last value ends with the span: brackets that are still open are closed behind it.
fn closed(text: &str, span: &Range<usize>) -> Option<usize> {
    if span.is_empty() {
        return None;
    }
    let mut open = 0_i32;
    let mut quote = None;
    let mut bytes = text.bytes().enumerate().skip(span.start).peekable();
    while let Some((at, byte)) = bytes.next() {
        if at >= span.end && open <= 0 && quote.is_none() {
            // The colon of a last key without a value.
            return Some(if byte == b':' { at + 1 } else { at });
        }
        match (quote, byte) {
            (Some(b'"'), b'\\') => {
                bytes.next();
            }
            (Some(with), byte) if byte == with => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') if begins_text(text.as_bytes().get(at.wrapping_sub(1))) => quote = Some(byte),
            (None, b'[' | b'{') => open += 1,
            (None, b']' | b'}') => open -= 1,
            (None, b'#') if text.as_bytes().get(at.wrapping_sub(1)).is_some_and(u8::is_ascii_whitespace) => {
                while bytes.next_if(|(_, byte)| *byte != b'\n').is_some() {}
            }
            (None, _) => {}
        }
    }
    Some(text.len())
}

/// Returns true if a quote after this byte begins a text; elsewhere it is a character of one, as in `O'Neil`.
fn begins_text(before: Option<&u8>) -> bool {
    before.is_none_or(|byte| byte.is_ascii_whitespace() || b"[{,:".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(cells: &[&str]) -> Vec<Row> {
        cells.iter().map(|cell| vec![("a".to_owned(), (*cell).to_owned())]).collect()
    }

    /// Replaces the list that begins at `^` and whose last value ends at `$`.
    fn edited(marked: &str, cells: &[&str]) -> String {
        let start = marked.find('^').unwrap();
        let end = marked.find('$').unwrap() - 1;
        replaced(&marked.replace(['^', '$'], ""), vec![(start..end, rows(cells))]).unwrap()
    }

    #[test]
    fn lists_are_replaced_in_their_style() {
        for (marked, cells, expected) in [
            ("r:\n  ^- {a: x$}\n# after\nb: 1\n", vec!["y", "z"], "r:\n  - {a: y}\n  - {a: z}\n# after\nb: 1\n"),
            ("r:\n  ^- a: x$ # why\nb: 1\n", vec!["y"], "r:\n  - {a: y} # why\nb: 1\n"),
            ("r:\n  ^- a$:\nb: 1\n", vec!["y"], "r:\n  - {a: y}\nb: 1\n"),
            ("r:\n  ^- {a: x$}\n", vec![], "r:\n  []\n"),
            ("r: ^[$]\nb: 1\n", vec!["y"], "r: [{a: y}]\nb: 1\n"),
            (
                "- r: ^[{a: \"x]\"$}, ] # why\nb: 1\n",
                vec!["y", "z"],
                "- r: [\n    {a: y},\n    {a: z},\n  ] # why\nb: 1\n",
            ),
            ("r: ^[{a: x$ # }\n}]\n", vec!["O'Neil"], "r: [{a: \"O'Neil\"}]\n"),
        ] {
            assert_eq!(edited(marked, &cells), expected, "{marked}");
        }
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        for (text, yaml) in [
            ("7", "7"),
            ("007", "\"007\""),
            ("Yes", "\"Yes\""),
            ("In Progress", "In Progress"),
            ("", "\"\""),
            ("null", "\"null\""),
            ("10:00", "\"10:00\""),
            ("a, b", "\"a, b\""),
            ("\"q\"\\\n", "\"\\\"q\\\"\\\\\\n\""),
            ("-1", "\"-1\""),
            ("x ", "\"x \""),
        ] {
            assert_eq!(scalar(text), yaml);
        }
    }
}
