//! Progress bars on a terminal: extract, transform and delivery of the current run.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use crate::progress::{Meter, Progress};

/// Progress bars, drawn until dropped. Draws nothing if standard error is not a terminal.
pub(super) struct Bars {
    drawing: Option<JoinHandle<()>>,
    all: MultiProgress,
}

const REDRAW: Duration = Duration::from_millis(100);

impl Bars {
    pub(super) fn draw(title: &str, progress: &Progress) -> Self {
        let all = MultiProgress::new();
        if !std::io::stderr().is_terminal() {
            return Self { drawing: None, all };
        }
        let _ = all.println(title);
        let bars =
            ["extract", "transform", "deliver"].map(|stage| all.add(ProgressBar::no_length()).with_message(stage));
        let progress = progress.clone();
        let drawing = tokio::spawn(async move {
            loop {
                for (bar, meter) in bars.iter().zip([&progress.extract, &progress.transform, &progress.deliver]) {
                    show(bar, meter);
                }
                tokio::time::sleep(REDRAW).await;
            }
        });
        Self { drawing: Some(drawing), all }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if let Some(drawing) = &self.drawing {
            drawing.abort();
            let _ = self.all.clear();
        }
    }
}

fn show(bar: &ProgressBar, meter: &Meter) {
    let (done, total) = (meter.done(), meter.total());
    let template = match (done, total) {
        (0, _) => "  {msg:9} {spinner}",
        (_, 0) => "  {msg:9} {spinner} {bytes} {bytes_per_sec}",
        _ => "  {msg:9} [{bar:32}] {bytes} of {total_bytes} {bytes_per_sec}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    if total > 0 {
        bar.set_length(total);
    }
    bar.set_position(done);
    bar.tick();
}
