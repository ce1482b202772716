//! The rules and the dashboard of `deploy`: Prometheus fires each alert from what a worker shows, and none before.

use std::collections::BTreeSet;
use std::process::Command;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use reportferry::ledger::state::RunState as S;
use reportferry::schedule::slot::Slot;

use super::alerts::{Receiver, TOKEN};
use super::metrics::{PROMTOOL, get, listening};
use crate::stage::eventually;
use crate::stage::rig::Rig;
use crate::work::stand::{Stand, every_minute};

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");

/// Alerts whose cause a test cannot bring about, with a series that has it: what Prometheus adds, a loop that hangs, a full
/// disk.
const OTHERS: [(&str, &str, &str); 3] = [
    ("ReportferryDown", "up{job=\"reportferry\",instance=\"w\"}", "0"),
    ("ReportferryNotScheduling", "reportferry_heartbeat_age_seconds{job=\"reportferry\",instance=\"w\"}", "61"),
    ("ReportferryLowSpace", "reportferry_free_space_bytes{job=\"reportferry\",instance=\"w\",folder=\"data\"}", "1000"),
];

fn deployed(path: &str) -> String {
    std::fs::read_to_string(format!("{DEPLOY}/{path}")).unwrap()
}

/// The names of our metrics in a text, without the endings of a histogram's series.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c)).filter(|word| word.starts_with("reportferry_"));
    let plain = |word: &str| {
        ["_bucket", "_sum", "_count"].iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word).to_owned()
    };
    words.map(plain).collect()
}

/// A run of the pipeline's slot three hours ago, brought to a state.
fn run(stand: &Stand, pipeline: &str, states: &[S]) {
    let slot = Slot::new(pipeline, Timestamp::now() - SignedDuration::from_hours(3), TimeZone::UTC);
    stand.enter(&slot);
    stand.advance(&slot, states);
}

/// Samples as the series of a test: a counter's value comes after zeros, so that it grew.
fn series(scrape: &str) -> String {
    let mut text = String::new();
    for line in scrape.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let name = match name.strip_suffix('}') {
            Some(labelled) => format!("{labelled},job=\"reportferry\",instance=\"w\"}}"),
            None => format!("{name}{{job=\"reportferry\",instance=\"w\"}}"),
        };
        let values = match name.split('{').next().unwrap().ends_with("_total") {
            true => format!("0x5 {value}x25"),
            false => format!("{value}x30"),
        };
        text.push_str(&format!("      - {{series: '{name}', values: '{values}'}}\n"));
    }
    text
}

/// What promtool says of these series, with the alerts that fire after 20 minutes.
fn fires(alerts: &BTreeSet<&str>, series: &str) {
    let folder = crate::stage::folder();
    let expected: String =
        alerts.iter().map(|alert| format!("          - {{labels: '{{alertname=\"{alert}\"}}', value: 1}}\n")).collect();
    let test = format!(
        "rule_files: [{DEPLOY}/prometheus/rules.yml]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    \
         input_series:\n{series}    promql_expr_test:\n      \
         - expr: group by (alertname) (ALERTS{{alertstate=\"firing\"}})\n        eval_time: 15m\n        \
         exp_samples:\n{expected}"
    );
    let file = folder.path().join("test.yml");
    std::fs::write(&file, &test).unwrap();
    let output = Command::new(PROMTOOL).args(["test", "rules"]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}\n{test}", crate::stage::rig::both(&output));
}

#[test]
fn each_alert_fires_from_what_a_worker_shows_and_none_before() {
    let receiver = Receiver::start();
    let rig = Rig::new(&every_minute());
    crate::pickup::says(&rig, "{moved: {deadline: 2s}}");
    std::fs::write(rig.folder.path().join("desk"), format!("http://{}/desk/{TOKEN}", receiver.address)).unwrap();
    rig.settings(|text| {
        format!("alerts: {{channels: {{desk: {{webhook: {{url: {{file: desk}}, allow: [loopback]}}}}}}}}\n{text}")
    });
    let stand = Stand::new(rig);
    let yearly = every_minute().replace("* * * * *", "0 3 1 1 *");
    let bad = ["failed", "held", "blocked", "late"];
    for pipeline in bad {
        std::fs::write(stand.pipeline(pipeline), &yearly).unwrap();
    }
    let (worker, address) = listening(&stand);
    let scrape = || get(address, "/metrics").unwrap().1;
    let up = "      - {series: 'up{job=\"reportferry\",instance=\"w\"}', values: '1x30'}\n";
    fires(&BTreeSet::new(), &format!("{}{up}", series(&scrape())));

    receiver.answers("500 Broken");
    std::fs::write(stand.pipeline("broken"), "schedule: {corn: x}\n").unwrap();
    let open = [S::Extracting, S::Transforming];
    run(&stand, "failed", &[S::Extracting, S::Failed]);
    run(&stand, "held", &[open[0], open[1], S::Held]);
    run(&stand, "blocked", &[open[0], open[1], S::Delivering, S::Blocked]);
    stand.late("late");
    eventually("a slot is delivered", || stand.runs().iter().any(|run| run.state == S::Delivered));
    let shows = |text: &str| scrape().contains(text);
    eventually("it shows all of it", || {
        shows("reportferry_runs_failed{pipeline=\"failed\"} 1")
            && shows("reportferry_pipelines_with_problems 1")
            && !shows("reportferry_pickups_overdue{destination=\"hris\"} 0")
            && !shows("reportferry_alerts_total{channel=\"desk\",outcome=\"retried\"} 0")
            && shows("reportferry_runs_blocked{pipeline=\"blocked\"} 1")
    });
    let shown = scrape();
    let mut alerts: BTreeSet<&str> = BTreeSet::new();
    let rules = deployed("prometheus/rules.yml");
    alerts.extend(rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")));
    let mut all = shown.clone();
    for (alert, name, value) in OTHERS {
        assert!(alerts.contains(alert), "{alert}");
        let metric = name.split('{').next().unwrap();
        let labels = name.split_once('{').unwrap().1.replace("job=\"reportferry\",instance=\"w\"", "");
        let labels = labels.trim_matches([',', '}']);
        all = all.lines().filter(|line| !line.starts_with(metric)).collect::<Vec<_>>().join("\n");
        all.push_str(&match labels {
            "" => format!("\n{metric} {value}\n"),
            labels => format!("\n{metric}{{{labels}}} {value}\n"),
        });
    }
    fires(&alerts, &series(&all));
    // Who never delivered has a series from the first slot on.
    for metric in ["never_delivered_seconds", "late_seconds", "runs_failed", "runs_held", "runs_blocked"] {
        for pipeline in bad {
            let name = format!("reportferry_{metric}{{pipeline=\"{pipeline}\"}}");
            assert!(shown.contains(&name), "{name}\n{shown}");
        }
    }
    let known = names(&shown);
    for file in ["prometheus/rules.yml", "grafana/reportferry.json"] {
        let unknown: Vec<_> = names(&deployed(file)).into_iter().filter(|name| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
    serde_json::from_str::<serde_json::Value>(&deployed("grafana/reportferry.json")).unwrap();
    assert_eq!(worker.stop().code(), Some(0));
}
