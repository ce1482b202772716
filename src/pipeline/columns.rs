//! Which columns are there, step by step, as far as a file can tell without the data.
//!
//! A source's columns are not known until the data comes: every name may be one of them, until a `select` closes the set.
//! What a step renamed away or dropped is gone in either case.

use std::collections::BTreeMap;

use super::problem::{Problem, did_you_mean};
use super::tree::Origin;

#[derive(Default)]
pub struct Columns {
    /// All there are, once a `select` has closed the set.
    closed: Option<Vec<String>>,
    /// Made by a step: certainly there.
    made: Vec<String>,
    /// Certainly not there, and why.
    gone: BTreeMap<String, String>,
}

impl Columns {
    /// Reports a column that cannot be there.
    pub fn expect(&self, name: &str, origin: &Origin, problems: &mut Vec<Problem>) {
        if let Some(why) = self.gone.get(name) {
            problems.push(origin.error(format!("there is no column {name:?} here any more")).hint(why.clone()));
            return;
        }
        let Some(closed) = &self.closed else { return };
        if !closed.iter().any(|known| known == name) {
            let hint = did_you_mean(name, closed.iter().map(String::as_str))
                .unwrap_or_else(|| format!("the columns here are {}", super::read::list(closed)));
            problems.push(origin.error(format!("there is no column {name:?} here")).hint(hint));
        }
    }

    /// All renames of a step at once: new name and old name, each with its place.
    pub fn rename(&mut self, renames: &[(&str, &Origin, &str, &Origin)], problems: &mut Vec<Problem>) {
        for (index, (to, to_at, from, from_at)) in renames.iter().enumerate() {
            self.expect(from, from_at, problems);
            if renames[..index].iter().any(|(_, _, earlier, _)| earlier == from) {
                problems.push(
                    from_at
                        .error(format!("the column {from:?} is renamed twice"))
                        .hint("keep one name here; `set` makes a copy of a column"),
                );
            }
            let renamed_away = renames.iter().any(|(_, _, other, _)| other == to);
            if self.is_there(to) && !renamed_away {
                problems.push(
                    to_at.error(format!("there is a column {to:?} already")).hint("drop or rename that one first"),
                );
            }
        }
        for (to, to_at, from, _) in renames {
            self.take(from);
            self.gone.insert((*from).to_string(), format!("it was renamed to {to:?}{}", on_line(to_at)));
        }
        for (to, ..) in renames {
            self.make(to);
        }
    }

    pub fn select(&mut self, names: &[(&str, &Origin)], problems: &mut Vec<Problem>) {
        self.expect_each_once(names, problems);
        self.closed = Some(names.iter().map(|(name, _)| (*name).to_string()).collect());
        self.made.clear();
        for (name, _) in names {
            self.gone.remove(*name);
        }
    }

    pub fn drop(&mut self, names: &[(&str, &Origin)], problems: &mut Vec<Problem>) {
        self.expect_each_once(names, problems);
        for (name, at) in names {
            self.take(name);
            self.gone.insert((*name).to_string(), format!("it was dropped{}", on_line(at)));
        }
    }

    fn expect_each_once(&self, names: &[(&str, &Origin)], problems: &mut Vec<Problem>) {
        for (index, (name, at)) in names.iter().enumerate() {
            if names[..index].iter().any(|(earlier, _)| earlier == name) {
                problems.push(at.error(format!("the column {name:?} is named twice")).hint("keep one of them"));
            } else {
                self.expect(name, at, problems);
            }
        }
    }

    /// A column that a step makes, or replaces where it stands.
    pub fn make(&mut self, name: &str) {
        self.gone.remove(name);
        let known = self.closed.as_mut().unwrap_or(&mut self.made);
        if !known.iter().any(|known| known == name) {
            known.push(name.to_string());
        }
    }

    fn take(&mut self, name: &str) {
        self.made.retain(|made| made != name);
        if let Some(closed) = &mut self.closed {
            closed.retain(|known| known != name);
        }
    }

    fn is_there(&self, name: &str) -> bool {
        self.closed.as_ref().unwrap_or(&self.made).iter().any(|known| known == name)
    }
}

fn on_line(origin: &Origin) -> String {
    match origin {
        Origin::File(place) => format!(" on line {}", place.line),
        Origin::Named(_) => String::new(),
    }
}
