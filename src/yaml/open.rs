//! Opening of files that people write: a size limit, UTF-8, and problems that name the file.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use super::problem::Problem;
use super::tree::{FILE_BYTES_MAX, place};
use crate::disk::open_regular;

/// Returns the text of a file, at most [`FILE_BYTES_MAX`] bytes of UTF-8.
pub fn text(file: &Arc<PathBuf>) -> Result<String, Problem> {
    let at = || place(file, "", 0..0, "");
    let mut bytes = Vec::new();
    let read = open_regular(file).and_then(|opened| opened.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Err(match error.kind() {
            std::io::ErrorKind::NotFound if file.is_symlink() => {
                Problem::error(at(), format!("{} is a link to a file that does not exist", file.display()))
            }
            std::io::ErrorKind::NotFound => Problem::error(None, format!("there is no file {}", file.display())),
            _ => Problem::error(at(), format!("cannot read {}: {error}", file.display())),
        });
    }
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Problem::error(at(), format!("the file is larger than {FILE_BYTES_MAX} bytes"))
            .hint("a file that people write is smaller: is this the right one?"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
        Problem::error(place(file, &text, valid..valid, ""), "this is not UTF-8").hint("save the file as UTF-8")
    })
}
