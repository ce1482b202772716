//! Progress of the current run on standard error: bars on a terminal, elsewhere a line a minute while an export is awaited.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::{Timestamp, Unit};
use tokio::task::JoinHandle;

use crate::progress::{Meter, Progress, Wait};

/// Shows progress until dropped.
pub(super) struct Bars {
    showing: JoinHandle<()>,
    all: MultiProgress,
}

const REDRAW: Duration = Duration::from_millis(100);

/// Interval of the lines without a terminal.
const LINE_EVERY: Duration = Duration::from_secs(60);

impl Bars {
    pub(super) fn draw(title: &str, progress: &Progress) -> Self {
        let (all, progress) = (MultiProgress::new(), progress.clone());
        if !std::io::stderr().is_terminal() {
            let title = title.to_owned();
            let print = move |wait: &Wait| eprintln!("{title}: {}", describe(wait));
            return Self { showing: tokio::spawn(print_waits(progress, LINE_EVERY, print)), all };
        }
        let _ = all.println(title);
        let bars =
            ["extract", "transform", "deliver"].map(|stage| all.add(ProgressBar::no_length()).with_message(stage));
        let showing = tokio::spawn(async move {
            loop {
                let meters = [&progress.extract, &progress.transform, &progress.deliver];
                for (index, (bar, meter)) in bars.iter().zip(meters).enumerate() {
                    let wait = progress.wait().filter(|_| index == 0);
                    show(bar, meter, wait.as_ref());
                }
                tokio::time::sleep(REDRAW).await;
            }
        });
        Self { showing, all }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.showing.abort();
        let _ = self.all.clear();
    }
}

/// Prints what the run waits for, once per interval, for as long as it does.
async fn print_waits(progress: Progress, every: Duration, print: impl Fn(&Wait)) {
    loop {
        tokio::time::sleep(every).await;
        if let Some(wait) = progress.wait() {
            print(&wait);
        }
    }
}

/// Describes what the run waits for: `waiting for the export, last status IN_PROGRESS, next poll 05:31:12Z`.
fn describe(wait: &Wait) -> String {
    let status = match wait.status.as_str() {
        "" => "not polled yet".to_owned(),
        status => format!("last status {status}"),
    };
    format!("waiting for the export, {status}, next poll {}", time_of(wait.next_poll))
}

fn time_of(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(at).strftime("%H:%M:%SZ").to_string()
}

fn show(bar: &ProgressBar, meter: &Meter, wait: Option<&Wait>) {
    let (done, total) = (meter.done(), meter.total());
    let template = match (wait, done, total) {
        (Some(_), ..) => "  {msg:9} {spinner} {prefix}",
        (None, 0, _) => "  {msg:9} {spinner}",
        (None, _, 0) => "  {msg:9} {spinner} {bytes} {bytes_per_sec}",
        _ => "  {msg:9} [{bar:32}] {bytes} of {total_bytes} {bytes_per_sec}",
    };
    bar.set_prefix(wait.map(describe).unwrap_or_default());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    if total > 0 {
        bar.set_length(total);
    }
    bar.set_position(done);
    bar.tick();
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn lines_are_printed_while_an_export_is_awaited() {
        let (progress, lines) = (Progress::default(), Arc::new(Mutex::new(Vec::new())));
        let printed = lines.clone();
        let print = move |wait: &Wait| printed.lock().unwrap().push(describe(wait));
        let printing = tokio::spawn(print_waits(progress.clone(), Duration::from_millis(1), print));
        let next_poll = "2026-11-23T05:31:12.4Z".parse().unwrap();
        for (status, line) in [
            ("", "waiting for the export, not polled yet, next poll 05:31:12Z"),
            ("IN_PROGRESS", "waiting for the export, last status IN_PROGRESS, next poll 05:31:12Z"),
        ] {
            progress.set_wait(Some(Wait { status: status.to_owned(), next_poll }));
            while lines.lock().unwrap().last().is_none_or(|last| last != line) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        progress.set_wait(None);
        printing.abort();
        assert!(printing.await.unwrap_err().is_cancelled());
    }
}
