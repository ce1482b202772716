//! The file in sentences.

mod layout;
mod table;
mod tree;

use jiff::Timestamp;

use super::{Fact, text_format as text};
use crate::pipeline::plan::{
    ArtifactPart, ArtifactPlan, Artifacts, Compression, Constant, CsvDialect, DecimalPoint, EncodedFormat, Encryption,
    Escape, EscapedLineEnds, Format, Header, LayoutBase, OpenPgpRecipient, Plan, QuoteStyle, SignWith,
};
use crate::schedule::slot::Slot;

/// Describes several artifacts together.
pub(super) fn several(plan: &Plan, artifacts: &Artifacts, now: Timestamp) -> Vec<Fact> {
    let Artifacts { parts, in_archive } = artifacts;
    if *in_archive {
        return artifact(plan, &plan.artifact, now);
    }
    let file = |part: &ArtifactPart| format!("{}: {}", part.key, part.name());
    vec![
        Fact::list("These files are delivered, in this order:", parts.iter().map(file)),
        Fact::new("They are published together: none has its name before all are written."),
    ]
}

/// Describes a file that is the same in every run.
pub(super) fn constant(constant: &Constant) -> Vec<Fact> {
    let Constant { at: _, name, bytes } = constant;
    vec![Fact::new(format!("It is a file of {} bytes called {name}, which is the same in every run.", bytes.len()))]
}

pub(super) fn artifact(plan: &Plan, artifact: &ArtifactPlan, now: Timestamp) -> Vec<Fact> {
    let ArtifactPlan { at: _, name, format, keeps_rows: _, split, compress, encrypt } = artifact;
    let next = plan.schedule.as_ref().and_then(|schedule| schedule.cron.next_after(now, &plan.zone));
    let slot = Slot::new(&plan.name, next.unwrap_or(now), plan.zone.clone());
    let kind = kind(format);
    let mut facts = vec![Fact::new(match artifact.first_name(&slot) {
        Ok(example) => format!("It is {kind} file called {name}: for the next time, {example}."),
        Err(error) => {
            format!("It is {kind} file called {name}, which gives no usable name for the next time: {error}.")
        }
    })];
    if let Some(rows) = split {
        facts.push(Fact::new(format!("It is split: a new file begins after {rows} rows.")));
    }
    facts.extend(described(format));
    if matches!(format, Format::Csv(_) | Format::Fixed(_) | Format::Layout(_)) {
        facts.push(Fact::new("The text is in UTF-8."));
    }
    facts.extend(compress.as_ref().map(compression));
    facts.extend(encrypt.as_deref().map(encryption));
    facts
}

fn kind(format: &Format) -> &'static str {
    match format {
        Format::Csv(_) => "a CSV",
        Format::Json(_) => "a JSON",
        Format::Ndjson(_) => "a newline-delimited JSON",
        Format::Xml(_) => "an XML",
        Format::Fixed(_) => "a fixed-width",
        Format::Encoded(encoded) => kind(&encoded.format),
        Format::Several(_) => "a ZIP",
        Format::Parquet(_) => "a Parquet",
        Format::Xlsx(_) => "an XLSX",
        Format::Layout(layout) => match layout.base {
            LayoutBase::Csv(_) => "a CSV",
            LayoutBase::Fixed { .. } => "a fixed-width",
        },
    }
}

fn described(format: &Format) -> Vec<Fact> {
    match format {
        Format::Csv(csv) => dialect(csv),
        Format::Json(content) => tree::document(content),
        Format::Ndjson(content) => tree::lines(content),
        Format::Xml(written) => tree::xml(written),
        Format::Fixed(fixed) => text::fixed(fixed),
        Format::Encoded(encoded) => {
            let EncodedFormat { format, charset: _, unmappable: _ } = &**encoded;
            let mut facts = described(format);
            facts.push(text::encoding(encoded));
            facts
        }
        Format::Several(Artifacts { parts, in_archive: _ }) => {
            let entry = |part: &ArtifactPart| format!("{}: {}", part.key, part.name());
            vec![Fact::list("It holds these files, in this order:", parts.iter().map(entry))]
        }
        Format::Parquet(written) => table::parquet(written),
        Format::Xlsx(written) => table::xlsx(written),
        Format::Layout(written) => layout::layout(written),
    }
}

fn compression(compress: &Compression) -> Fact {
    Fact::new(match compress {
        Compression::Gzip => "The file is compressed with gzip.".to_owned(),
        Compression::Zstd => "The file is compressed with Zstandard.".to_owned(),
        Compression::Zip(None) => "The file is in a ZIP, under the artifact's name without `.zip`.".to_owned(),
        Compression::Zip(Some(entry)) => format!("The file is in a ZIP, where it is called {entry}."),
    })
}

fn encryption(encrypt: &Encryption) -> Fact {
    match encrypt {
        Encryption::OpenPgp { to, sign, feature: _ } => {
            let signed = match sign {
                Some(SignWith { at: _, name, key: _ }) => format!("signed with the key {name} of the settings"),
                None => "not signed".to_owned(),
            };
            let recipient =
                |OpenPgpRecipient { at: _, file, key }: &OpenPgpRecipient| format!("{}, {file}", key.name());
            Fact::list(
                format!("It is encrypted with OpenPGP and {signed}. Only these can read it:"),
                to.iter().map(recipient),
            )
        }
        Encryption::Age { to, feature: _ } => {
            Fact::list("It is encrypted with age. Only these can read it:", to.iter().map(ToString::to_string))
        }
    }
}

fn dialect(csv: &CsvDialect) -> Vec<Fact> {
    let CsvDialect { delimiter, quote, record_end, header, bom, formula_guard, escape, null_text, decimal } = csv;
    let end = text::record_end_text(record_end);
    let quotes = match quote {
        QuoteStyle::Necessary => "Cells have quotes where they need them.",
        QuoteStyle::Always => "Every cell has quotes.",
        QuoteStyle::Never if escape.is_some() => "No cell has quotes.",
        QuoteStyle::Never => "No cell has quotes: one that would need them fails the run.",
        QuoteStyle::Text => "Cells have quotes, but not numbers and empty cells.",
    };
    let mut facts = vec![
        Fact::new(format!("Between the cells is {:?}, and each record ends with {end}.", char::from(*delimiter))),
        Fact::new(quotes),
        match header {
            Header::Names => Fact::new("The first record has the columns' names."),
            Header::Upper => Fact::new("The first record has the columns' names in upper case."),
            Header::None => Fact::new("There is no header: the first record is a row."),
            Header::List(names) => Fact::new(format!("The first record is: {}.", names.join(", "))),
        },
    ];
    if *bom {
        facts.push(Fact::new("It begins with a byte order mark."));
    }
    if let Some(Escape { character, line_ends }) = escape {
        let (character, line_ends) = (
            char::from(*character),
            match line_ends {
                EscapedLineEnds::Letters => "line ends are written as letters after it",
                EscapedLineEnds::Kept => "line ends follow it",
            },
        );
        facts.push(Fact::new(format!("Characters with a meaning are escaped by {character:?}; {line_ends}.")));
    }
    if !null_text.is_empty() {
        facts.push(Fact::new(format!("An empty cell is written {null_text:?}.")));
    }
    match decimal {
        DecimalPoint::Point => {}
        DecimalPoint::Comma => facts.push(Fact::new("Numbers have a decimal comma.")),
    }
    facts.push(Fact::new(match formula_guard {
        true => "Cells that a spreadsheet would run as a formula get an apostrophe.",
        false => "Cells that a spreadsheet would run as a formula are delivered as they are.",
    }));
    facts
}
