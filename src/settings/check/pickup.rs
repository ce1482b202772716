//! The pickup of delivered files, as configured → as used.

use std::time::Duration;

use super::Check;
use crate::name::NameTemplate;
use crate::settings::file::pickup::{AckFile, AckTable, PickupDeadlineFile, PickupFile, PickupForm, PickupWord};
use crate::settings::{Pickup, PickupDeadline};
use crate::yaml::read::At;
use crate::yaml::scalars::Length;

const EVERY: Duration = Duration::from_secs(300);
/// The shortest interval between polls of a server.
const EVERY_MIN: Duration = Duration::from_secs(10);
const DEADLINE_MIN: Duration = Duration::from_secs(1);
/// A sample artifact name.
const SAMPLE: &str = "artifact.csv";

impl Check<'_> {
    /// Reads `pickup`. `of_files` is true if the destination has files.
    pub(super) fn pickup(&mut self, written: Option<At<PickupFile>>, of_files: bool) -> Pickup {
        let Some(At { value, origin }) = written else { return Pickup::None };
        if !of_files && !matches!(value, PickupFile::Word(PickupWord::None)) {
            let problem = origin.error("a webhook has no files that a reader could pick up");
            self.problems.push(problem.hint("remove `pickup`: a 2xx response means that the receiver has it"));
            return Pickup::None;
        }
        match value {
            PickupFile::Word(PickupWord::None) => Pickup::None,
            PickupFile::Word(PickupWord::Moved) => Pickup::Moved { deadline: None },
            PickupFile::Word(PickupWord::Immediate) => Pickup::Immediate,
            PickupFile::Kind(kind) => match *kind {
                PickupForm::Moved(At { value: PickupDeadlineFile { deadline, every }, .. }) => {
                    Pickup::Moved { deadline: self.pickup_deadline(deadline, every) }
                }
                PickupForm::AckFile(At { value: AckFile(AckTable { name, deadline, every }), .. }) => {
                    Pickup::AckFile { name: self.ack_name(name), deadline: self.pickup_deadline(deadline, every) }
                }
            },
        }
    }

    fn pickup_deadline(&mut self, deadline: Option<At<Length>>, every: Option<At<Length>>) -> Option<PickupDeadline> {
        if let Some(deadline) = deadline.as_ref().filter(|deadline| deadline.value.0 < DEADLINE_MIN) {
            let problem = deadline.origin.error("the deadline is too short for a reader");
            self.problems.push(problem.hint("write its duration, as in `4h`; without `deadline` there is no alert"));
        }
        if let Some(every) = every.as_ref().filter(|every| every.value.0 < EVERY_MIN) {
            let problem = every.origin.error("the server would be polled too often");
            self.problems.push(problem.hint("write `10s` or more; `5m` is usual"));
        }
        if let (None, Some(every)) = (&deadline, &every) {
            let problem =
                every.origin.error("`every` is the polling interval, and without `deadline` nothing is polled");
            self.problems.push(problem.hint("add a deadline: `deadline: 4h`"));
        }
        Some(PickupDeadline { after: deadline?.value.0, every: every.map_or(EVERY, |every| every.value.0) })
    }

    fn ack_name(&mut self, written: At<NameTemplate>) -> NameTemplate {
        let At { value: template, origin } = written;
        let wrong = match template.render_done(SAMPLE) {
            Err(error) => Some((error.to_string(), "`{name}` is the data file's name: `{name}.ack`")),
            Ok(name) if name == SAMPLE => Some((
                "this is the data file's own name, which always exists".to_owned(),
                "write a name of its own: `{name}.ack`",
            )),
            Ok(_) if !template.uses_name() => Some((
                "this name does not identify the acknowledged file".to_owned(),
                "put `{name}` into it, the data file's name: `{name}.ack`",
            )),
            Ok(_) => None,
        };
        if let Some((what, hint)) = wrong {
            self.problems.push(origin.error(what).hint(hint));
        }
        template
    }
}
