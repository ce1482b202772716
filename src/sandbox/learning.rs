//! Generated learning data: a seed and a row's number determine that row's CSV, so that no row is stored.
//!
//! Row `i` depends only on the seed and `i`, so that ten million can be streamed, any page can be generated alone, and the
//! same seed always gives the same bytes. Fields: UTF-8, comma, quotes where needed, LF.

use super::reports::{Column, Report};
use super::samples::{BRANCHES, COURSES, PEOPLE};

/// Courses in which one person is enrolled.
const COURSES_EACH: u64 = 8;
/// Range of dates: 2025-01-01 and the 690 days after it.
const DAYS: usize = 691;
/// One row in so many is duplicated.
const TWICE_IN: u64 = 211;

/// The rows of one report.
pub(super) struct Learning {
    report: &'static Report,
    seed: u64,
    rows: u64,
    days: Vec<String>,
}

/// Subject of one row.
struct Facts {
    person: u64,
    /// Random bits of the person.
    who: u64,
    course: usize,
    /// Random bits of the enrollment.
    dice: u64,
}

impl Learning {
    pub(super) fn new(report: &'static Report, seed: u64, rows: u64) -> Self {
        let start = jiff::civil::date(2025, 1, 1);
        let days = std::iter::successors(Some(start), |day| day.tomorrow().ok())
            .take(DAYS)
            .map(|day| day.to_string())
            .collect();
        Self { report, seed, rows, days }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the report's headers, in order.
    pub(super) fn headers(&self) -> impl Iterator<Item = &'static str> {
        self.report.columns.iter().map(|(header, _)| *header)
    }

    /// Appends row `index` and a line feed to `out`.
    pub(super) fn write_row(&self, index: u64, out: &mut Vec<u8>) {
        let facts = self.facts(index);
        for (at, (_, column)) in self.report.columns.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.write_cell(*column, &facts, out);
        }
        out.push(b'\n');
    }

    fn facts(&self, index: u64) -> Facts {
        // A duplicate repeats the row before it.
        let own = if index > 0 && mix(self.seed ^ 0x7719, index).is_multiple_of(TWICE_IN) { index - 1 } else { index };
        let person = own / COURSES_EACH;
        let who = mix(self.seed, person);
        let course = ((own % COURSES_EACH) * 3 + who % 3) as usize % COURSES.len();
        Facts { person, who, course, dice: mix(self.seed ^ 0xD1CE, own) }
    }

    fn write_cell(&self, column: Column, facts: &Facts, out: &mut Vec<u8>) {
        let dice = facts.dice;
        let (firsts, lasts) = PEOPLE[alphabet(facts.who)];
        let completed = dice % 100 < 55;
        let started = completed || dice % 100 < 85;
        match column {
            Column::EmployeeNumber => digits(out, facts.person + 1207, 8),
            Column::Username => {
                out.extend_from_slice(b"user");
                digits(out, facts.person + 1, 6);
            }
            Column::Email => {
                out.extend_from_slice(b"user");
                digits(out, facts.person + 1, 6);
                out.extend_from_slice(b"@acme.example");
            }
            Column::FirstName => out.extend_from_slice(pick(firsts, facts.who >> 8)),
            Column::LastName => out.extend_from_slice(pick(lasts, facts.who >> 24)),
            Column::Branch => out.extend_from_slice(pick(BRANCHES, facts.who >> 40)),
            Column::CourseCode => out.extend_from_slice(COURSES[facts.course].0.as_bytes()),
            Column::CourseTitle => out.extend_from_slice(COURSES[facts.course].1.as_bytes()),
            Column::Status => out.extend_from_slice(match (completed, started) {
                (true, _) => b"Completed",
                (_, true) => b"In Progress",
                _ => b"Enrolled",
            }),
            Column::EnrollmentDate => self.moment(out, self.enrolled(dice), dice >> 20),
            Column::CompletionDate if completed => self.moment(out, self.completed(dice), dice >> 36),
            Column::LastAccess if started => self.moment(out, self.completed(dice), dice >> 30),
            Column::Expires if completed => out.extend_from_slice(self.days[DAYS - 1].as_bytes()),
            Column::Score if completed => {
                digits(out, 60 + (dice >> 12) % 40, 1);
                out.push(b'.');
                digits(out, (dice >> 18) % 10, 1);
            }
            Column::CompletionDate | Column::LastAccess | Column::Expires | Column::Score => {}
            Column::Minutes => digits(out, if started { (dice >> 14) % 480 } else { 0 }, 1),
            Column::Seconds => digits(out, if started { (dice >> 14) % 28800 } else { 0 }, 1),
            Column::Progress => digits(
                out,
                if completed {
                    100
                } else if started {
                    1 + (dice >> 9) % 98
                } else {
                    0
                },
                1,
            ),
            Column::Credits => digits(out, facts.course as u64 % 6, 1),
            Column::Archived => out.extend_from_slice(if dice.is_multiple_of(31) { b"Yes" } else { b"No" }),
            Column::Session => {
                out.extend_from_slice(b"Session ");
                digits(out, 1 + (dice >> 22) % 12, 1);
            }
            Column::Attended => out.extend_from_slice(if completed { b"Yes" } else { b"No" }),
        }
    }

    /// Returns the day of the enrollment: at least 60 days before the last day.
    fn enrolled(&self, dice: u64) -> usize {
        (dice >> 44) as usize % (DAYS - 60)
    }

    fn completed(&self, dice: u64) -> usize {
        self.enrolled(dice) + 1 + (dice >> 54) as usize % 59
    }

    /// Formats as `YYYY-MM-DD HH:MM:SS`, UTC.
    fn moment(&self, out: &mut Vec<u8>, day: usize, dice: u64) {
        out.extend_from_slice(self.days[day].as_bytes());
        out.push(b' ');
        digits(out, 6 + dice % 14, 2);
        out.push(b':');
        digits(out, (dice >> 5) % 60, 2);
        out.push(b':');
        digits(out, (dice >> 11) % 60, 2);
    }
}

/// Mostly Latin letters, sometimes others, rarely emoji.
fn alphabet(who: u64) -> usize {
    match (who >> 50) % 1000 {
        0..600 => 0,
        600..850 => 1,
        850..890 => 2,
        890..930 => 3,
        930..970 => 4,
        970..998 => 5,
        _ => 6,
    }
}

fn pick<'a>(from: &[&'a str], dice: u64) -> &'a [u8] {
    from[(dice % from.len() as u64) as usize].as_bytes()
}

/// Appends `number` with at least `width` digits.
fn digits(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut text = [b'0'; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at.min(text.len() - width)..]);
}

/// Mixes two numbers into well-spread bits, with splitmix64's finalizer.
fn mix(seed: u64, index: u64) -> u64 {
    let mut bits = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::reports::REPORTS;

    #[test]
    fn every_row_is_valid_csv_and_the_same_every_time() {
        for report in REPORTS {
            let learning = Learning::new(report, 1, 2000);
            let rows = |from: u64| {
                let mut csv = Vec::new();
                (from..2000).for_each(|index| learning.write_row(index, &mut csv));
                csv
            };
            let csv = rows(0);
            assert!(csv.ends_with(&rows(1500)), "a page alone is the same");
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_slice());
            let count = reader.records().map(|row| assert_eq!(row.unwrap().len(), report.columns.len())).count();
            assert_eq!(count, 2000, "{}", report.name);
        }
    }

    #[test]
    fn data_has_what_makes_real_data_hard() {
        let learning = Learning::new(&REPORTS[0], 1, 20_000);
        let mut csv = Vec::new();
        (0..20_000).for_each(|index| learning.write_row(index, &mut csv));
        let text = String::from_utf8(csv).unwrap();
        for hard in
            ["00001207", "Practice\nPart 1", "\"\"Speak Up\"\"", "Παπ", "Иван", "محمد", "鈴木", "🚀", "Müller", ",,"]
        {
            assert!(text.contains(hard), "{hard:?}");
        }
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.windows(2).any(|pair| pair[0] == pair[1] && pair[0].len() > 60), "duplicates");
    }
}
