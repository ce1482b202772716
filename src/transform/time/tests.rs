use super::*;

fn clock(zone: &str) -> ZoneClock {
    ZoneClock::new(TimeZone::get(zone).unwrap())
}

#[test]
fn iso_times_read() {
    for (text, seconds) in [
        ("1970-01-01", Some(0)),
        ("1970-01-01 00:00:01", Some(1)),
        ("1970-01-01T00:00:01Z", Some(1)),
        ("1970-01-01T01:00:01+01:00", Some(1)),
        ("1969-12-31 23:30:01-00:30", Some(1)),
        ("1970-01-01 00:00:01.5", Some(1)),
        ("1970-01-01 00:00:01.123456789Z", Some(1)),
        ("2024-02-29", Some(1_709_164_800)),
        ("9999-12-31 23:59:59", Some(253_402_300_799)),
        ("0000-01-01", Some(-62_167_219_200)),
        ("0000-01-01 00:00:00+00:01", None),
        ("9999-12-31 23:59:59-00:01", None),
        ("2023-02-29", None),
        ("2026-13-01", None),
        ("2026-00-01", None),
        ("2026-01-00", None),
        ("0000-00-00 00:00:00", None),
        ("2026-01-01 24:00:00", None),
        ("2026-01-01 00:60:00", None),
        ("2026-01-01 00:00:60", None),
        ("2026-01-01 00:00", None),
        ("2026-01-01 00:00:00.", None),
        ("2026-01-01 00:00:00.1234567890", None),
        ("2026-01-01 00:00:00+0100", None),
        ("2026-01-01 00:00:00+24:00", None),
        ("2026-01-01 00:00:00 ", None),
        ("2026-01-01x", None),
        ("2026/01/01", None),
        ("é026-01-01", None),
        ("", None),
    ] {
        assert_eq!(read_iso(text.as_bytes()).map(|moment| moment.seconds), seconds, "{text:?}");
    }
}

#[test]
fn every_day_of_eight_centuries_is_the_one_that_jiff_knows() {
    let mut date = jiff::civil::date(1600, 1, 1);
    let first = days_from_civil(1600, 1, 1);
    for offset in 0..292_194 {
        assert_eq!(civil_from_days(first + offset), (date.year().into(), date.month() as u32, date.day() as u32));
        assert_eq!(checked_days(date.year().into(), date.month().into(), date.day().into()), Some(first + offset));
        date = date.tomorrow().unwrap();
    }
}

#[test]
fn shown_times_are_jiffs_own_around_every_transition() {
    let format = TimeFormat::compile("%Y-%m-%d %H:%M:%S").unwrap();
    assert!(format.items.is_some());
    for name in ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "UTC"] {
        let zone = TimeZone::get(name).unwrap();
        let mut clock = clock(name);
        let edges = zone.preceding(Timestamp::from_second(2_000_000_000).unwrap()).take(80).map(|t| t.timestamp());
        let edges: Vec<i64> = edges.map(|edge| edge.as_second()).chain([0, -1, 1_700_000_000]).collect();
        for edge in edges {
            for seconds in [edge - 1, edge, edge + 1, edge - 86_400, edge + 86_400] {
                let mut out = Vec::new();
                format.write(Moment { seconds, nanoseconds: 0 }, &mut clock, &mut out).unwrap();
                let zoned = Timestamp::from_second(seconds).unwrap().to_zoned_datetime(zone.clone());
                let expected = zoned.strftime("%Y-%m-%d %H:%M:%S").to_string();
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{name} {seconds}");
                let local = seconds_of(zoned.datetime());
                let expected = zone.to_timestamp(zoned.datetime()).unwrap().as_second();
                assert_eq!(clock.instant_of(local).unwrap(), expected, "{name} {zoned}");
            }
        }
    }
}

#[test]
fn formats_beyond_the_common_numbers_are_jiffs() {
    for (format, shown) in [
        ("%d.%m.%Y um %H:%M", "05.07.2026 um 21:00"),
        ("%F %T", "2026-07-05 21:00:00"),
        ("100%% %y", "100% 26"),
        ("%b %-d, %Y %I:%M %p %Z", "Jul 5, 2026 09:00 PM EDT"),
        ("%FT%T%.3f%:z", "2026-07-05T21:00:00.250-04:00"),
    ] {
        let mut out = Vec::new();
        let moment = Moment { nanoseconds: 250_000_000, ..read_iso(b"2026-07-06 01:00:00").unwrap() };
        TimeFormat::compile(format).unwrap().write(moment, &mut clock("America/New_York"), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), shown, "{format}");
    }
    assert!(TimeFormat::compile("%Y-%!").is_err());
}

#[test]
fn written_times_read_back() {
    let mut zone = clock("America/New_York");
    for (format, text, shown) in [
        ("%m/%d/%Y", "07/05/2026", "2026-07-05 04:00:00"),
        ("%m/%d/%Y %H:%M", "01/05/2026 23:00", "2026-01-06 04:00:00"),
        ("%d %b %Y", "5 Jul 2026", "2026-07-05 04:00:00"),
        ("%Y-%m-%d %H:%M:%S%z", "2026-07-05 00:00:00+0200", "2026-07-04 22:00:00"),
        ("%s", "60", "1970-01-01 00:01:00"),
        // In the gap: by the offset before it. In the fold: the first.
        ("%F %T", "2026-03-08 02:30:00", "2026-03-08 07:30:00"),
        ("%F %T", "2026-11-01 01:30:00", "2026-11-01 05:30:00"),
    ] {
        let format = TimeFormat::compile(format).unwrap();
        format.reads_a_date().unwrap();
        let mut out = Vec::new();
        print_seconds(format.read(text.as_bytes(), &mut zone).unwrap(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), shown, "{text}");
    }
    let format = TimeFormat::compile("%m/%d/%Y").unwrap();
    for text in ["13/05/2026", "02/30/2026", "07/05/26x", "", "07/05/2026 "] {
        assert!(format.read(text.as_bytes(), &mut zone).is_err(), "{text:?}");
    }
    assert!(TimeFormat::compile("%H:%M").unwrap().reads_a_date().is_err());
}
