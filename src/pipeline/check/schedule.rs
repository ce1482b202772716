//! The schedule and the alerts of a pipeline file → the plan's.

use super::*;

impl Check<'_> {
    /// Returns the schedule, if the pipeline has one, and the zone of its slots; no schedule at all if it is not valid.
    pub(super) fn scheduled(&mut self, written: Option<Lenient<ScheduleFile>>) -> (Option<Option<Schedule>>, TimeZone) {
        match written.map(|written| written.0) {
            None => (Some(None), TimeZone::UTC),
            Some(None) => (None, TimeZone::UTC),
            Some(Some(written)) => {
                let (schedule, zone) = self.schedule(written);
                (Some(Some(schedule)), zone)
            }
        }
    }

    /// Returns the alerts of the pipeline, and gives its deliveries their time.
    pub(super) fn alerts_of(
        &mut self,
        written: Option<Lenient<PipelineAlertsFile>>,
        deliveries: Option<&mut [DeliveryPlan]>,
    ) -> Option<AlertPlan> {
        let alerts = written?.0?;
        for delivery in deliveries.into_iter().flatten() {
            delivery.alert_after = alerts.alert_after.or(delivery.alert_after);
        }
        Some(self.alerts(alerts))
    }

    fn schedule(&mut self, written: ScheduleFile) -> (Schedule, TimeZone) {
        let jitter = written.jitter.map_or(Duration::ZERO, |jitter| {
            if jitter.value.0 > JITTER_MAX {
                self.problems.push(jitter.origin.error("a jitter is at most 24h"));
            }
            jitter.value.0
        });
        let cron = written.cron.value;
        if cron.has_ambiguous_days() {
            self.problems.push(
                written
                    .cron
                    .origin
                    .warning("a day field with `*/…` and another restricted one: only days that match both are due")
                    .hint("Debian's cron requires both, other programs either; two pipelines make it unambiguous"),
            );
        }
        let schedule = Schedule {
            at: self.place(&written.cron.origin),
            cron,
            missed: written.missed.unwrap_or(Missed::Latest),
            missed_max_age: written.missed_max_age.map_or(MISSED_MAX_AGE, |within| within.0),
            overlap: written.overlap.unwrap_or(Overlap::Skip),
            while_held: written.while_held.unwrap_or(WhileHeld::Continue),
            jitter,
            expected_by: written.expected_by,
        };
        (schedule, written.timezone)
    }

    fn alerts(&mut self, written: PipelineAlertsFile) -> AlertPlan {
        let Some(Settings { alerts, .. }) = self.settings else {
            return AlertPlan { on: written.on.map(|on| on.0).unwrap_or_default(), channels: Vec::new() };
        };
        let channels = match written.channels {
            None => alerts.channels.keys().cloned().collect(),
            Some(OneOrMore(named)) => {
                for channel in named.iter().filter(|channel| !alerts.channels.contains_key(&channel.value)) {
                    let problem = unknown_name("channel", &channel.value, &channel.origin, alerts.channels.keys());
                    self.problems.push(problem);
                }
                named.into_iter().map(|channel| channel.value).collect()
            }
        };
        AlertPlan { on: written.on.map_or_else(|| alerts.on.clone(), |on| on.0), channels }
    }
}

/// The default of `missed_max_age`.
const MISSED_MAX_AGE: Duration = Duration::from_secs(24 * 3600);

const JITTER_MAX: Duration = Duration::from_secs(86_400);
