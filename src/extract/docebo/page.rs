//! One page's body → its rows, and its hints about the number of rows and pages.
//!
//! The format around the rows is undocumented: hints are recognized by their usual names, anywhere except in rows.

use std::hash::{DefaultHasher, Hash, Hasher};

use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The maximum depth at which hints are searched.
const DEPTH_MAX: usize = 4;

/// One row: names and cells in their original order, duplicate names included.
pub(super) struct Row(pub Vec<(String, String)>);

/// One page.
#[derive(Default)]
pub(super) struct Page {
    pub rows: Vec<Row>,
    pub hints: Hints,
    /// `"success": false`, which comes with 200.
    pub is_refusal: bool,
}

/// A page's hints about what follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hints {
    /// The `nextToken`, as it must be sent back.
    pub token: Option<String>,
    /// It has a `nextToken` that is null or empty: an explicit end.
    pub ends: bool,
    /// True if it states that there are more rows, false if none.
    pub more: Option<bool>,
    /// The total number of rows; all different statements.
    pub totals: Vec<u64>,
    /// The total number of pages.
    pub pages: Option<u64>,
    /// The number of this page.
    pub current: Option<u64>,
    /// The `cursor`, as it must be sent back with the next page's number.
    pub cursor: Option<String>,
}

/// The entries of a JSON object, with the values unparsed.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Entries<'de>;
            fn expecting(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
                to.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Entries<'de>, M::Error> {
                let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        from.deserialize_map(Pairs)
    }
}

impl Page {
    /// Parses a page.
    ///
    /// # Errors
    /// A message: it is not JSON, or has no list of rows.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let entries: Entries<'_> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let mut page = Self::default();
        let mut counts = Vec::new();
        if !page.read_object(&entries, 0, &mut counts)? {
            return Err("it has no list of rows".to_owned());
        }
        // A count equal to the page's rows is the page's own.
        let own = page.rows.len() as u64;
        page.hints.totals.extend(counts.into_iter().filter(|count| *count != own));
        Ok(page)
    }

    /// Reads rows and hints from an object. Returns true if it holds the rows.
    fn read_object(&mut self, entries: &Entries<'_>, depth: usize, counts: &mut Vec<u64>) -> Result<bool, String> {
        let mut has_rows = false;
        for (name, value) in &entries.0 {
            let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            let name = name.to_ascii_lowercase();
            let text = value.get();
            let holds_rows = matches!(name.as_str(), "data" | "items" | "rows" | "results" | "records");
            if text.starts_with('[') && holds_rows && !has_rows {
                let rows: Vec<Entries<'_>> = serde_json::from_str(text).map_err(|error| error.to_string())?;
                self.rows = rows.into_iter().map(row).collect::<Result<_, _>>()?;
                has_rows = true;
            } else if text.starts_with('{') && depth < DEPTH_MAX && name != "nexttoken" {
                let inner: Entries<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
                has_rows |= self.read_object(&inner, depth + 1, counts)?;
            } else if name == "success" {
                self.is_refusal |= text == "false";
            } else {
                self.hints.note(&name, text, counts)?;
            }
        }
        Ok(has_rows)
    }

    /// Returns a digest of each row.
    pub(super) fn digests(&self) -> Vec<u64> {
        let digest = |row: &Row| {
            let mut hasher = DefaultHasher::new();
            row.0.hash(&mut hasher);
            hasher.finish()
        };
        self.rows.iter().map(digest).collect()
    }
}

impl Hints {
    fn note(&mut self, name: &str, text: &str, counts: &mut Vec<u64>) -> Result<(), String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let number = match &value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let truth = match &value {
            Value::Bool(truth) => Some(*truth),
            Value::Number(number) => number.as_u64().map(|number| number > 0),
            Value::String(text) if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
            _ => None,
        };
        match name {
            "nexttoken" => match &value {
                Value::Null | Value::Bool(false) => self.ends = true,
                Value::String(token) if token.is_empty() => self.ends = true,
                Value::String(token) => self.token = Some(token.clone()),
                // Keeps the digits: it may be larger than any integer type.
                Value::Number(_) => self.token = Some(text.to_owned()),
                _ => return Err("its nextToken is neither a text nor a number".to_owned()),
            },
            "cursor" => {
                self.cursor = match &value {
                    Value::String(cursor) if !cursor.is_empty() => Some(cursor.clone()),
                    Value::Number(_) => Some(text.to_owned()),
                    _ => None,
                }
            }
            "hasmoredata" | "hasmore" | "hasnext" | "hasnextpage" => self.more = truth.or(self.more),
            "islast" | "islastpage" => self.more = truth.map(|last| !last).or(self.more),
            "next" | "nextpage" | "nexturl" | "nextlink" | "nextcursor" | "nextpagetoken" | "continuationtoken" => {
                let has_value = !matches!(&value, Value::Null | Value::Bool(false)) && text != "\"\"" && text != "0";
                if has_value && self.more.is_none() {
                    self.more = Some(true);
                }
            }
            "totalcount" | "total" | "totalrows" | "totalresults" | "totalitems" | "totalrecords" | "rowcount" => {
                self.totals.extend(number);
            }
            "count" => counts.extend(number),
            "totalpagecount" | "totalpages" | "pagecount" | "lastpage" => self.pages = number.or(self.pages),
            "currentpage" | "pagenumber" | "page" => self.current = number.or(self.current),
            _ => {}
        }
        Ok(())
    }
}

impl Hints {
    /// Adds the hints of the response headers.
    pub(super) fn note_headers(&mut self, headers: &HeaderMap) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let total = text("x-total-count").or_else(|| text("x-total")).or_else(|| {
            let (_, total) = text("content-range")?.rsplit_once('/')?;
            Some(total)
        });
        self.totals.extend(total.and_then(|total| total.trim().parse::<u64>().ok()));
        if self.more.is_none() && text("link").is_some_and(|link| link.replace('"', "").contains("rel=next")) {
            self.more = Some(true);
        }
    }
}

/// Converts the cells of a row to text: numbers keep their digits, nested values their JSON, null is empty.
fn row(entries: Entries<'_>) -> Result<Row, String> {
    let cell = |(name, value): (String, &RawValue)| {
        let text = value.get();
        let cell = match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).map_err(|error| error.to_string())?,
            _ if text == "null" => String::new(),
            _ => text.to_owned(),
        };
        Ok((name, cell))
    };
    entries.0.into_iter().map(cell).collect::<Result<_, String>>().map(Row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(text: &str) -> Hints {
        Page::read(text.as_bytes()).unwrap_or_else(|why| panic!("{text}: {why}")).hints
    }

    #[test]
    fn cells_keep_their_text() {
        let page = Page::read(
            r#"{"data":[{"a":3.00,"b":123456789012345678901234,"c":-1E+5,"d":true,"e":null,"f":{"x": [1.50, "é"]},"g":"\u00e9\n","h":0.10}]}"#
                .as_bytes(),
        );
        let cells: Vec<String> = page.unwrap().rows.remove(0).0.into_iter().map(|(_, cell)| cell).collect();
        let expected =
            ["3.00", "123456789012345678901234", "-1E+5", "true", "", r#"{"x": [1.50, "é"]}"#, "é\n", "0.10"];
        assert_eq!(cells, expected);
    }

    #[test]
    fn hints_are_found_anywhere() {
        for (text, expected) in [
            (r#"{"data":[]}"#, Hints::default()),
            (r#"{"data":[],"nextToken":null}"#, Hints { ends: true, ..Hints::default() }),
            (r#"{"data":[],"nextToken":""}"#, Hints { ends: true, ..Hints::default() }),
            (r#"{"data":[],"nextToken":"a b"}"#, Hints { token: Some("a b".into()), ..Hints::default() }),
            (
                r#"{"data":[],"nextToken":12345678901234567890123}"#,
                Hints { token: Some("12345678901234567890123".into()), ..Hints::default() },
            ),
            (
                r#"{"data":{"items":[],"has_more_data":true,"count":3,"current_page":1,"total_page_count":7}}"#,
                Hints { more: Some(true), totals: vec![3], pages: Some(7), current: Some(1), ..Hints::default() },
            ),
            (r#"{"data":{"items":[],"cursor":"a/b"}}"#, Hints { cursor: Some("a/b".into()), ..Hints::default() }),
            (r#"{"data":{"items":[],"cursor":null}}"#, Hints::default()),
            (
                r#"{"meta":{"pagination":{"total":"12"}},"hasMore":0,"data":[]}"#,
                Hints { more: Some(false), totals: vec![12], ..Hints::default() },
            ),
            (r#"{"data":[{"total":9,"count":8}],"count":1}"#, Hints::default()),
            (r#"{"data":[{"a":1}],"count":0}"#, Hints { totals: vec![0], ..Hints::default() }),
            (r#"{"links":{"next":"/results?page=2"},"data":[]}"#, Hints { more: Some(true), ..Hints::default() }),
            (r#"{"links":{"next":null},"data":[]}"#, Hints::default()),
            (r#"{"is_last_page":"false","data":[]}"#, Hints { more: Some(true), ..Hints::default() }),
        ] {
            assert_eq!(hints(text), expected, "{text}");
        }
        let headers = |name: &'static str, value: &'static str| {
            let mut hints = Hints::default();
            hints.note_headers(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]));
            hints
        };
        assert_eq!(headers("x-total-count", "12").totals, [12]);
        assert_eq!(headers("content-range", "items 0-199/600").totals, [600]);
        assert_eq!(headers("content-range", "items 0-199/*"), Hints::default());
        assert_eq!(headers("link", "</r?page=1>; rel=\"prev\", </r?page=3>; rel=\"next\"").more, Some(true));
        assert!(Page::read(br#"{"success":false,"data":[]}"#).unwrap().is_refusal);
        for bad in
            ["", "[]", "{}", r#"{"data":1}"#, r#"{"data":[1]}"#, r#"{"data":[],"nextToken":{}}"#, r#"{"data":[{}"#]
        {
            assert!(Page::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
