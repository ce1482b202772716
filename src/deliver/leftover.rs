//! Files that the replaced delivery has and the new one has not.

use super::{IntendedFile, Intent};

/// Files of the delivery that this one replaces, which it does not replace by name: of a larger file group, or companion
/// files that the pipeline no longer has. According to the ledger, they are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The run that delivered them.
    pub run: String,
    /// Where it delivered them, as in its receipt.
    pub address: String,
    /// In publishing order.
    pub files: Vec<IntendedFile>,
}

impl Leftover {
    /// Returns the files of an earlier delivery, at `address`, that `intent` leaves beside its own; `None` if it replaces
    /// all of them, or other files.
    pub fn of(run: &str, address: &str, earlier: Intent, intent: &Intent) -> Option<Leftover> {
        let is_replaced = |file: &IntendedFile| intent.files.iter().any(|new| new.final_path == file.final_path);
        if !earlier.data().any(is_replaced) {
            return None;
        }
        let files: Vec<IntendedFile> = earlier.files.into_iter().filter(|file| !is_replaced(file)).collect();
        (!files.is_empty()).then(|| Leftover { run: run.to_owned(), address: address.to_owned(), files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::Role;

    fn intent(names: &[(Role, &str)]) -> Intent {
        let file = |(role, name): &(Role, &str)| IntendedFile {
            role: *role,
            of: None,
            temporary: format!(".{name}.part"),
            final_path: (*name).to_owned(),
            bytes: 1,
            sha256: String::new(),
        };
        Intent { files: names.iter().map(file).collect(), batching: None, acks: Vec::new() }
    }

    #[test]
    fn only_the_rest_of_a_replaced_group_is_left_over() {
        let seven = intent(&[(Role::Data, "1"), (Role::Data, "2"), (Role::Data, "3"), (Role::Done, "done")]);
        let left = |now: &[(Role, &str)]| {
            let left = Leftover::of("run", "host:22", seven.clone(), &intent(now));
            left.map(|left| left.files.into_iter().map(|file| file.final_path).collect::<Vec<_>>())
        };
        assert_eq!(left(&[(Role::Data, "1"), (Role::Done, "done")]), Some(vec!["2".to_owned(), "3".to_owned()]));
        assert_eq!(left(&[(Role::Data, "1"), (Role::Data, "2"), (Role::Data, "3")]), Some(vec!["done".to_owned()]));
        assert_eq!(left(&[(Role::Data, "1"), (Role::Data, "2"), (Role::Data, "3"), (Role::Done, "done")]), None);
        // Another day's names: a done file with a constant name makes it no replacement.
        assert_eq!(left(&[(Role::Data, "tomorrow-1"), (Role::Done, "done")]), None);
    }
}
