//! A table of cells, fitted to the width of the terminal: columns in several blocks, long cells cut.

use std::io::IsTerminal;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The width where there is no terminal.
const WIDTH: usize = 120;
/// The widest cell.
const CELL_WIDTH_MAX: usize = 40;
/// An empty cell, which is null.
const EMPTY: &str = "∅";
/// The gap between columns.
const GAP: usize = 2;

/// The device that a table is shown on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Screen {
    /// In columns of text.
    pub width: usize,
    pub has_color: bool,
}

impl Screen {
    /// Returns what is known of standard output.
    pub(super) fn stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
        Self {
            width: width.filter(|_| is_terminal).unwrap_or(WIDTH),
            has_color: is_terminal && crate::settings::wants_color(),
        }
    }
}

/// Rows below a head. All have a label at the left, which each block repeats.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    /// The lines of the head, each with a cell for each column.
    pub head: Vec<Vec<String>>,
    pub rows: Vec<GridRow>,
}

#[derive(Clone, Debug)]
pub(super) struct GridRow {
    pub label: String,
    pub cells: Vec<GridCell>,
    pub color: Color,
}

#[derive(Clone, Debug)]
pub(super) struct GridCell {
    text: String,
    color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Color {
    None,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Color {
    fn paint(self, text: String, screen: Screen) -> String {
        let code = match self {
            Self::None => return text,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
        };
        if screen.has_color { format!("\x1b[{code}m{text}\x1b[0m") } else { text }
    }
}

impl GridCell {
    /// Shows a value of the data; a changed one begins with `*`.
    pub(super) fn of(value: &str, is_changed: bool) -> Self {
        let (text, color) = match value {
            "" => (EMPTY.to_owned(), Color::Dim),
            value => (visible(value), Color::None),
        };
        match is_changed {
            true => Self { text: format!("*{text}"), color: Color::Yellow },
            false => Self { text, color },
        }
    }

    /// Shows a text that is not a value of the data.
    pub(super) fn note(text: &str) -> Self {
        Self { text: text.to_owned(), color: Color::Dim }
    }
}

impl Grid {
    /// Renders the table, each line after `indent` spaces.
    pub(super) fn render(&self, indent: usize, screen: Screen) -> String {
        let label_width = self.rows.iter().map(|row| row.label.width()).max().unwrap_or(0);
        let columns = self.head.first().map_or(0, Vec::len);
        let room = screen.width.saturating_sub(indent + label_width + GAP).max(8);
        let widths: Vec<usize> = (0..columns).map(|column| self.width_of(column).min(room)).collect();
        let mut text = String::new();
        let mut from = 0;
        while from < columns {
            let mut to = from + 1;
            let mut used = widths[from];
            while to < columns && used + GAP + widths[to] <= room {
                used += GAP + widths[to];
                to += 1;
            }
            if from > 0 {
                text.push('\n');
            }
            self.block(from..to, &widths, label_width, &" ".repeat(indent), screen, &mut text);
            from = to;
        }
        text
    }

    fn width_of(&self, column: usize) -> usize {
        let head = self.head.iter().map(|line| line[column].width());
        let cells = self.rows.iter().filter_map(|row| row.cells.get(column)).map(|cell| cell.text.width());
        head.chain(cells).max().unwrap_or(0).min(CELL_WIDTH_MAX)
    }

    fn block(
        &self,
        columns: std::ops::Range<usize>,
        widths: &[usize],
        label_width: usize,
        indent: &str,
        screen: Screen,
        text: &mut String,
    ) {
        let mut line = |label: &str, color: Color, cells: Vec<(&str, Color)>| {
            let mut line = format!("{indent}{}", color.paint(padded(label, label_width), screen));
            for ((cell, own), width) in cells.into_iter().zip(&widths[columns.clone()]) {
                let color = if own == Color::None { color } else { own };
                line.push_str(&" ".repeat(GAP));
                line.push_str(&color.paint(padded(&cut(cell, *width), *width), screen));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        };
        for head in &self.head {
            line("", Color::Dim, head[columns.clone()].iter().map(|cell| (cell.as_str(), Color::None)).collect());
        }
        for row in &self.rows {
            let cells = row.cells.iter().skip(columns.start).take(columns.len());
            line(&row.label, row.color, cells.map(|cell| (cell.text.as_str(), cell.color)).collect());
        }
    }
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Cuts a text that is wider, with `…` at its end.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = |character: &char| {
        used += character.width().unwrap_or(0);
        used <= width
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Returns a text with what a terminal would act on, or not show, escaped.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // Without width, or reversing the text that follows.
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                shown.extend(character.escape_unicode());
            }
            character if character.is_control() => shown.extend(character.escape_default()),
            character => shown.push(character),
        }
    }
    shown
}

/// Returns a line of a file with its ends, tabs and byte order mark visible.
pub(super) fn visible_line(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for character in line.chars() {
        match character {
            '\n' => shown.push('␊'),
            '\r' => shown.push('␍'),
            '\t' => shown.push('␉'),
            '\u{feff}' => shown.push_str("<BOM>"),
            character => shown.push_str(&visible(character.encode_utf8(&mut [0; 4]))),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Screen = Screen { width: 30, has_color: false };

    fn grid(columns: &[&str], rows: &[&[&str]]) -> Grid {
        let row = |(number, cells): (usize, &&[&str])| GridRow {
            label: (number + 1).to_string(),
            cells: cells.iter().map(|cell| GridCell::of(cell.trim_start_matches('*'), cell.starts_with('*'))).collect(),
            color: Color::None,
        };
        Grid {
            head: vec![columns.iter().map(|column| (*column).to_owned()).collect()],
            rows: rows.iter().enumerate().map(row).collect(),
        }
    }

    #[test]
    fn wide_tables_are_blocks_and_long_cells_are_cut() {
        let long = "x".repeat(60);
        let grid =
            grid(&["id", "name", "a long column", "note"], &[&["7", "*Ann", "", &long], &["10", "日本", "b\tc", ""]]);
        let text = grid.render(2, SCREEN);
        assert_eq!(
            text,
            "     id  name  a long column\n  1  7   *Ann  ∅\n  2  10  日本  b\\tc\n\n     note\n  1  \
             xxxxxxxxxxxxxxxxxxxxxxxx…\n  2  ∅\n"
        );
        assert!(text.lines().all(|line| line.width() <= SCREEN.width), "{text}");
    }

    #[test]
    fn colors_change_no_width() {
        let grid = grid(&["a", "b"], &[&["*1", ""]]);
        let colored = grid.render(0, Screen { has_color: true, ..SCREEN });
        assert!(colored.contains("\x1b[33m*1\x1b[0m") && colored.contains("\x1b[2m∅\x1b[0m"), "{colored:?}");
        let plain = ["\x1b[0m", "\x1b[2m", "\x1b[33m"].iter().fold(colored, |text, code| text.replace(code, ""));
        assert_eq!(plain, grid.render(0, SCREEN));
    }

    #[test]
    fn bytes_of_lines_are_visible() {
        assert_eq!(visible_line("\u{feff}a\tb\u{202e}\r\n"), "<BOM>a␉b\\u{202e}␍␊");
        assert_eq!(cut("日本語", 4), "日…");
    }
}
