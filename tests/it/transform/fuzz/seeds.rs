//! The runner of the drivers: kept seeds first, then new ones.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

const DRIVERS: [&str; 4] = ["no_expression_panics", "no_csv_panics", "no_pipeline_text_panics", "no_zip_panics"];

/// Seeds that found something once: `DRIVER SEED what it found` a line.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/transform/fuzz_seeds.txt");

/// Runs `case` with the driver's kept seeds, and then with one seed after the other for 5 seconds, or for
/// `REPORTFERRY_FUZZ_SECONDS`. `REPORTFERRY_FUZZ_SEED` is the first of these; a failure names the seed and the case's own
/// description.
pub(super) fn fuzz(driver: &str, case: impl Fn(&mut fastrand::Rng, &mut String)) {
    let number = |name: &str, usual| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let time = Duration::from_secs(number("REPORTFERRY_FUZZ_SECONDS", 5));
    for seed in kept_seeds(&std::fs::read_to_string(KEPT).unwrap(), driver) {
        run_seed(driver, seed, &case);
    }
    let (first, started) = (number("REPORTFERRY_FUZZ_SEED", 1), Instant::now());
    let mut seed = first;
    while started.elapsed() < time {
        run_seed(driver, seed, &case);
        seed += 1;
    }
    assert!(seed - first >= 20, "only {} cases", seed - first);
}

fn run_seed(driver: &str, seed: u64, case: impl Fn(&mut fastrand::Rng, &mut String)) {
    let mut description = String::new();
    let mut rng = fastrand::Rng::with_seed(seed);
    if let Err(cause) = catch_unwind(AssertUnwindSafe(|| case(&mut rng, &mut description))) {
        let keep = format!("keep it in tests/it/transform/fuzz_seeds.txt: {driver} {seed}");
        panic!("seed {seed}: {}\n{description}\n{keep}", message(cause.as_ref()));
    }
}

/// Returns the seeds that `text` keeps for a driver. A line that names no driver would never run, and is refused.
fn kept_seeds(text: &str, driver: &str) -> Vec<u64> {
    assert!(DRIVERS.contains(&driver), "{driver} is missing in DRIVERS");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let kept = lines.map(|line| {
        let mut words = line.split_whitespace();
        let named = words.next().filter(|name| DRIVERS.contains(name));
        let seed = words.next().and_then(|seed| seed.parse().ok());
        named.zip(seed).unwrap_or_else(|| panic!("fuzz_seeds.txt: {line:?} is not `DRIVER SEED what it found`"))
    });
    kept.filter(|(name, _)| *name == driver).map(|(_, seed)| seed).collect()
}

fn message(cause: &dyn Any) -> &str {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("a panic")
}

#[test]
fn kept_seeds_are_those_of_the_driver_and_run() {
    let text = "# of any driver\n\nno_csv_panics 7 a quote\nno_zip_panics 8\nno_csv_panics 18446744073709551615\n";
    assert_eq!(kept_seeds(text, "no_csv_panics"), [7, u64::MAX]);
    assert!(kept_seeds(text, "no_expression_panics").is_empty());
    for line in ["no_cvs_panics 7", "no_csv_panics", "no_csv_panics seven"] {
        catch_unwind(|| kept_seeds(line, "no_csv_panics")).expect_err(line);
    }
    let failed = catch_unwind(|| run_seed("no_csv_panics", 7, |_, _| panic!("a bug"))).expect_err("it failed");
    assert!(message(failed.as_ref()).ends_with("fuzz_seeds.txt: no_csv_panics 7"), "{}", message(failed.as_ref()));
}
