//! The row counts of a year without a fault, which are not to be held.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use super::{EarlierRows, Severity};
use crate::expect::{EARLIER_RUNS_MAX, rows};
use crate::pipeline::plan::{Expect, RowsChange, Rule};

/// The ways in which the rows of a daily report come about.
#[derive(Clone, Copy, Debug)]
struct Profile {
    /// Rows of an ordinary weekday at the start of the year.
    pub rows: f64,
    /// At the end of the year, in parts of the start.
    pub growth: f64,
    /// Saturdays and Sundays, in parts of a weekday.
    pub weekend: f64,
    /// Mondays, in parts of another weekday.
    pub monday: f64,
    /// Scatter beyond chance in small numbers, as a standard deviation in parts of the mean.
    pub noise: f64,
}

/// Completions of a company's courses: a fifth at weekends, Monday peaks, growth.
const LARGE: Profile = Profile { rows: 4_000.0, growth: 1.4, weekend: 0.2, monday: 1.5, noise: 0.03 };
const MEDIUM: Profile = Profile { rows: 250.0, growth: 1.2, weekend: 0.2, monday: 1.3, noise: 0.04 };
/// Three to twenty rows a day: most of what differs is chance.
const SMALL: Profile = Profile { rows: 11.0, growth: 1.0, weekend: 1.0, monday: 1.0, noise: 0.0 };
const PROFILES: [Profile; 3] = [LARGE, MEDIUM, SMALL];

/// Returns the slots of a year, each day at 05:30 in New York, with the rows of a report without a fault. The same seed
/// gives the same year. Public holidays are left out: on those a report has the rows of a weekend, and a person decides.
fn rows_of_a_year(seed: u64, profile: Profile) -> Vec<(ZonedDateTime, u64)> {
    let mut random = fastrand::Rng::with_seed(seed);
    let zone = TimeZone::get("America/New_York").unwrap();
    let days = jiff::civil::date(2026, 1, 1).series(jiff::Span::new().days(1)).take(365);
    let mut year = Vec::new();
    for (number, day) in days.enumerate().filter(|(_, day)| !is_holiday(*day)) {
        let share = number as f64 / 364.0;
        let of_day = match day.weekday() {
            Weekday::Saturday | Weekday::Sunday => profile.weekend,
            Weekday::Monday => profile.monday,
            _ => 1.0,
        };
        let mean = profile.rows * (1.0 + (profile.growth - 1.0) * share) * of_day;
        let expected = mean * (1.0 + profile.noise * normal(&mut random)).max(0.1);
        let rows = poisson(&mut random, expected);
        let rows = if profile.rows < 20.0 { rows.clamp(3, 20) } else { rows };
        year.push((day.at(5, 30, 0, 0).to_zoned_datetime(zone.clone()).unwrap(), rows));
    }
    year
}

/// The public holidays of the United States that fall on a fixed weekday or date, in 2026.
fn is_holiday(day: Date) -> bool {
    const HOLIDAYS: [(i8, i8); 11] =
        [(1, 1), (1, 19), (2, 16), (5, 25), (6, 19), (7, 3), (9, 7), (10, 12), (11, 11), (11, 26), (12, 25)];
    HOLIDAYS.contains(&(day.month(), day.day()))
}

/// Twelve uniform numbers: close enough to a normal distribution, and never beyond six deviations.
fn normal(random: &mut fastrand::Rng) -> f64 {
    (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
}

/// Chance in numbers of independent events: exact for small means, its normal limit for large ones.
fn poisson(random: &mut fastrand::Rng, mean: f64) -> u64 {
    if mean > 200.0 {
        return (mean + mean.sqrt() * normal(random)).round().max(0.0) as u64;
    }
    let (limit, mut product, mut events) = ((-mean).exp(), random.f64(), 0);
    while product > limit {
        product *= random.f64();
        events += 1;
    }
    events
}

fn mean(year: &[(ZonedDateTime, u64)], of: impl Fn(&ZonedDateTime) -> bool) -> f64 {
    let rows: Vec<f64> = year.iter().filter(|(slot, _)| of(slot)).map(|(_, rows)| *rows as f64).collect();
    rows.iter().sum::<f64>() / rows.len() as f64
}

#[test]
fn a_year_has_the_shape_of_its_profile() {
    for seed in 0..20 {
        let year = rows_of_a_year(seed, LARGE);
        assert_eq!(year.len(), 354, "365 days without 11 holidays");
        assert!(year.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(year[0].0.timestamp(), "2026-01-02T10:30:00Z".parse::<Timestamp>().unwrap());
        let midsummer = |slot: &ZonedDateTime| (6..=7).contains(&slot.month());
        let of = |days: &[Weekday]| mean(&year, |slot| midsummer(slot) && days.contains(&slot.weekday()));
        let weekday = of(&[Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday]);
        let weekend = of(&[Weekday::Saturday, Weekday::Sunday]);
        assert!((0.18..0.22).contains(&(weekend / weekday)), "{seed}: {weekend} {weekday}");
        assert!((1.4..1.6).contains(&(of(&[Weekday::Monday]) / weekday)), "{seed}");
        let month = |month| mean(&year, |slot| slot.month() == month && slot.weekday() == Weekday::Wednesday);
        assert!((1.25..1.5).contains(&(month(12) / month(1))), "{seed}");
        assert_eq!(year, rows_of_a_year(seed, LARGE), "the same seed, the same year");
        assert_ne!(year, rows_of_a_year(seed + 1, LARGE));
    }
}

#[test]
fn small_reports_vary_by_chance() {
    for seed in 0..20 {
        let year = rows_of_a_year(seed, SMALL);
        let (min, max) = (year.iter().map(|day| day.1).min().unwrap(), year.iter().map(|day| day.1).max().unwrap());
        assert!(min >= 3 && max <= 20 && max - min >= 10, "{seed}: {min} to {max}");
        assert!((9.5..12.5).contains(&mean(&year, |_| true)), "{seed}");
    }
    assert_eq!(PROFILES.map(|profile| profile.rows), [4_000.0, 250.0, 11.0]);
}

/// Returns what `change: 30%` says about the rows of a day after these earlier ones, newest first.
fn change_on(day: Date, rows: u64, earlier: &[EarlierRows]) -> Option<String> {
    let expected = RowsChange { by: 0.3, over: 5, same_weekday: true };
    let expect = Expect { rows_change: Some(Rule { severity: Severity::Hold, expected }), ..Expect::default() };
    let earlier = &earlier[..earlier.len().min(EARLIER_RUNS_MAX)];
    rows::check(rows, &expect, earlier, day).unwrap().first().map(|finding| finding.message.clone())
}

fn delivered((slot, rows): &(ZonedDateTime, u64)) -> EarlierRows {
    EarlierRows { run: "r".into(), slot: slot.date().to_string(), rows: *rows }
}

/// The first runs of a small report have nothing to tell chance by.
const FIRST_RUNS: usize = 3;

#[test]
fn nothing_is_held_in_a_year_without_a_fault() {
    for profile in PROFILES {
        let mut held = Vec::new();
        for seed in 0..20 {
            let mut earlier: Vec<EarlierRows> = Vec::new();
            for (number, day) in rows_of_a_year(seed, profile).iter().enumerate() {
                let found = change_on(day.0.date(), day.1, &earlier);
                held.extend(
                    found.filter(|_| number >= FIRST_RUNS).map(|found| format!("seed {seed}, {}: {found}", day.0)),
                );
                earlier.insert(0, delivered(day));
            }
        }
        // One in twenty years: chance knows no bounds.
        assert!(held.len() <= 1, "{profile:?}: {held:#?}");
    }
}

#[test]
fn half_the_rows_are_held_on_every_day() {
    for (profile, rows_min) in [(LARGE, 0), (MEDIUM, 65), (SMALL, 65)] {
        for seed in 0..5 {
            let year = rows_of_a_year(seed, profile);
            let mut earlier: Vec<EarlierRows> = Vec::new();
            for day in &year {
                let same = earlier.iter().filter(|run| run.slot.parse::<Date>().unwrap().weekday() == day.0.weekday());
                let mut usual: Vec<u64> = same.take(5).map(|run| run.rows).collect();
                usual.sort_unstable();
                // From the sixth week on, each weekday has five numbers to compare with.
                if let [_, _, usual, _, _] = usual[..]
                    && usual >= rows_min
                {
                    assert!(
                        change_on(day.0.date(), usual / 2, &earlier).is_some(),
                        "seed {seed}, {}: half of {usual}",
                        day.0
                    );
                }
                earlier.insert(0, delivered(day));
            }
        }
    }
}
