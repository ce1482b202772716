//! What becomes of a delivered file, as written → as used.

use std::time::Duration;

use super::Check;
use crate::encode::name::NameTemplate;
use crate::pipeline::read::At;
use crate::pipeline::scalars::Length;
use crate::pipeline::written::Name;
use crate::settings::file::pickup::{AckFile, AckTable, PatienceFile, PickupFile, PickupKind, PickupWord};
use crate::settings::{Patience, Pickup};

const EVERY: Duration = Duration::from_secs(300);
/// A server is not asked more often than this.
const EVERY_MIN: Duration = Duration::from_secs(10);
const WITHIN_MIN: Duration = Duration::from_secs(1);
/// Any name of an artifact.
const SAMPLE: &str = "artifact.csv";

impl Check<'_> {
    /// `of_files` is whether the destination has files at all.
    pub(super) fn pickup(&mut self, written: Option<At<PickupFile>>, of_files: bool) -> Pickup {
        let Some(At { value, origin }) = written else { return Pickup::None };
        if !of_files && !matches!(value, PickupFile::Word(PickupWord::None)) {
            let problem = origin.error("a webhook has no files that a reader could pick up");
            self.problems.push(problem.hint("remove `pickup`: an answer of 2xx says that the receiver has it"));
            return Pickup::None;
        }
        match value {
            PickupFile::Word(PickupWord::None) => Pickup::None,
            PickupFile::Word(PickupWord::Moved) => Pickup::Moved { patience: None },
            PickupFile::Word(PickupWord::Immediate) => Pickup::Immediate,
            PickupFile::Kind(kind) => match *kind {
                PickupKind::Moved(At { value: PatienceFile { within, every }, .. }) => {
                    Pickup::Moved { patience: self.patience(within, every) }
                }
                PickupKind::AckFile(At { value: AckFile(AckTable { name, within, every }), .. }) => {
                    Pickup::AckFile { name: self.ack_name(name), patience: self.patience(within, every) }
                }
            },
        }
    }

    fn patience(&mut self, within: Option<At<Length>>, every: Option<At<Length>>) -> Option<Patience> {
        if let Some(within) = within.as_ref().filter(|within| within.value.0 < WITHIN_MIN) {
            let problem = within.origin.error("no reader picks a file up in no time");
            self.problems.push(problem.hint("write how long it has: `4h`; without `within` nobody waits for it"));
        }
        if let Some(every) = every.as_ref().filter(|every| every.value.0 < EVERY_MIN) {
            let problem = every.origin.error("the server would be asked too often");
            self.problems.push(problem.hint("write `10s` or more; `5m` is usual"));
        }
        if let (None, Some(every)) = (&within, &every) {
            let problem = every.origin.error("`every` says how often to look, and without `within` nobody looks");
            self.problems.push(problem.hint("write `within` beside it: `within: 4h`"));
        }
        Some(Patience { within: within?.value.0, every: every.map_or(EVERY, |every| every.value.0) })
    }

    fn ack_name(&mut self, written: At<Name>) -> NameTemplate {
        let At { value: Name(template), origin } = written;
        let told = match template.render_done(SAMPLE) {
            Err(error) => Some((error.to_string(), "`{name}` is the data file's name: `{name}.ack`")),
            Ok(name) if name == SAMPLE => Some((
                "this is the data file's own name, which is there from the beginning".to_owned(),
                "write a name of its own: `{name}.ack`",
            )),
            Ok(_) if !template.uses_name() => Some((
                "this name does not say which file is acknowledged".to_owned(),
                "put `{name}` into it, the data file's name: `{name}.ack`",
            )),
            Ok(_) => None,
        };
        if let Some((what, hint)) = told {
            self.problems.push(origin.error(what).hint(hint));
        }
        template
    }
}
