//! The columns after an `unpivot`.

use super::{Columns, UNKNOWN, on_line};
use crate::pipeline::plan::Unpivot;

impl Columns {
    /// Replaces the unpivoted columns by two at the end.
    pub(crate) fn unpivot(&mut self, unpivot: &Unpivot) {
        self.find_each_once(&unpivot.columns);
        for column in &unpivot.columns {
            self.known.retain(|(name, _)| *name != column.name);
            self.gone.insert(column.name.clone(), format!("it was unpivoted{}", on_line(&column.at)));
        }
        for added in [&unpivot.name, &unpivot.value] {
            if self.known.iter().any(|(known, _)| *known == added.name) {
                let problem = added.error(format!("there is a column {:?} already", added.name));
                self.report(problem.hint("choose another name, or drop that one first"));
            } else {
                self.gone.remove(&added.name);
                self.known.push((added.name.clone(), UNKNOWN));
            }
        }
    }
}
