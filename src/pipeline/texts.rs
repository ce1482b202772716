//! The uses of texts in a pipeline file.

use crate::settings::variable;
use crate::yaml::expand;
use crate::yaml::texts::{Role, Rules};

pub(super) const RULES: Rules = Rules { role, instead };

fn role(path: &[&str]) -> Role {
    match path {
        ["artifacts", _, "file"] => Role::Local,
        ["artifacts", _, "text"] => Role::Free,
        ["artifacts", _, part @ ("transform" | "expect"), rest @ ..] => role(&[&[*part], rest].concat()),
        ["artifacts", _, rest @ ..] | ["archive", rest @ ..] => role(&[&["artifact"], rest].concat()),
        ["source", "file", "path"]
        | ["sources", _, "file", "path"]
        | ["transform", "map", "file", "path"]
        | ["artifact", "encrypt", _, "to"] => Role::Local,
        ["description"] => Role::Free,
        ["transform", "filter"] | ["transform", "set", ..] | ["transform", "aggregate", "columns", ..] => {
            Role::Expression
        }
        ["transform", ..]
        | ["source", _, "report" | "filter" | "fields", ..]
        | ["sources", _, _, "report" | "filter" | "fields", ..] => Role::Foreign,
        ["expect", "match", ..] => Role::Free,
        ["expect", "columns" | "types" | "not_null" | "unique" | "values" | "range" | "length" | "references", ..] => {
            Role::Foreign
        }
        ["expect", "fresh", "column" | "source_column" | "format"] => Role::Foreign,
        ["artifact", "json" | "ndjson" | "xml", "tree", .., "expr"] => Role::Expression,
        ["artifact", "json" | "ndjson" | "xml", "tree", ..] | ["artifact", "types", ..] => Role::Foreign,
        ["artifact", "name"]
        | ["artifact", "compress", "zip", "entry"]
        | ["deliver", _, "checksum" | "manifest" | "done_file" | "upload_as", ..] => Role::Name,
        ["deliver", _, "path"] => Role::Remote,
        ["deliver", _, "request", "json", .., "expr"] => Role::Expression,
        ["deliver", _, "ack_rows", "accepted" | "lines"] => Role::Expression,
        ["deliver", _, "ack_rows", ..] => Role::Foreign,
        ["deliver", _, "request", "response", "rows", "accepted"] => Role::Expression,
        ["deliver", _, "request", "response", "rows", ..] => Role::Foreign,
        ["deliver", _, "request", "json" | "path" | "headers", ..] => Role::Foreign,
        ["tests", ..] => Role::Free,
        [.., "tenant"] => Role::Label,
        _ => Role::Plain,
    }
}

fn instead(role: Role, path: &[&str], placeholder: &str) -> String {
    let format =
        expand::bare_format(placeholder).map_or("%Y%m%d", |found| &placeholder[found.offset..found.offset + found.len]);
    match (role, path) {
        (Role::Name, ["deliver", ..]) => "write `{name}` for the artifact's name, or the text itself".to_owned(),
        (Role::Name, _) => {
            format!("write `{{slot:{format}}}` for the slot's time, `{{pipeline}}` or `{{run}}`, or the text itself")
        }
        (_, ["deliver", _, "path"])
            if ["slot", "date", "%Y", "%m", "%d"].iter().any(|word| placeholder.contains(word)) =>
        {
            "write the directory itself, and put the slot into the artifact's name".to_owned()
        }
        (_, ["deliver", destination, "path"]) => format!(
            "write the directory itself; where environments differ, set the destination's by {} or {}",
            variable(&["destinations", destination, "sftp", "base"]),
            variable(&["destinations", destination, "local", "path"])
        ),
        _ => "write the text itself: pipeline files are the same in every environment".to_owned(),
    }
}
