//! The YAML parser's events → a tree, within limits.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_saphyr::granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span};

use super::problem::Problem;
use super::tree::{DEPTH_MAX, Key, NODES_MAX, Node, NodeKind, Origin, Scalar, Style, place};
use super::{characters, mistakes, redact};

/// Parsing stops; the problem is already recorded.
struct Stop;

/// Parses one document. Returns `None` if nothing could be parsed; a tree may come with problems too.
pub fn document(file: &Arc<PathBuf>, text: &str) -> (Option<Node>, Vec<Problem>) {
    let control = |c: &char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    if let Some((at, c)) = text.char_indices().find(|(_, c)| control(c)) {
        let at = place(file, text, at..at + c.len_utf8(), "");
        let problem = Problem::error(at, format!("{} is not allowed in a YAML file", characters::named(c)));
        return (None, vec![problem.hint(characters::fix(c))]);
    }
    let mut build = Build { file, text, problems: Vec::new(), anchors: HashMap::new(), nodes: 0 };
    let node = build.document();
    (node, build.problems)
}

/// Parses a flow value (`[a, b]`, `{a: b}`) from the environment or a flag. All of its nodes get the origin `origin`.
pub fn value(origin: &Origin, text: &str) -> Option<Node> {
    let (node, problems) = document(&Arc::new(PathBuf::new()), text);
    let mut node = node.filter(|_| problems.is_empty())?;
    relocate(&mut node, origin);
    Some(node)
}

fn relocate(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    node.named = Some(origin.clone());
    match &mut node.kind {
        NodeKind::List(items) => items.iter_mut().for_each(|item| relocate(item, origin)),
        NodeKind::Table(entries) => entries.iter_mut().for_each(|(key, value)| {
            key.origin = origin.clone();
            relocate(value, origin);
        }),
        NodeKind::Null | NodeKind::Scalar(_) => {}
    }
}

struct Build<'a> {
    file: &'a Arc<PathBuf>,
    text: &'a str,
    problems: Vec<Problem>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

type Events<'a> = dyn Iterator<Item = Result<(Event<'a>, Span), ScanError>> + 'a;

impl<'a> Build<'a> {
    fn document(&mut self) -> Option<Node> {
        let mut options = Options::default();
        options.emit_unresolved_aliases = true;
        options.set_emit_comments(false);
        let mut parser = Parser::new_from_str_with_options(self.text, options);
        let events: &mut Events = &mut parser;
        let mut root = None;
        loop {
            match self.next(events) {
                Ok((Event::StreamEnd, _)) | Err(Stop) => break,
                Ok((Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd, _)) => {}
                Ok((_, span)) if root.is_some() => {
                    let at = self.origin(&span, "");
                    self.problems.push(
                        at.error("a second document starts here").hint("one file holds one document: remove `---`"),
                    );
                    break;
                }
                Ok((event, span)) => match self.node(events, event, &span, "", None, 0) {
                    Ok(node) => root = Some(node),
                    Err(Stop) => return None,
                },
            }
        }
        root.or_else(|| {
            let empty = Origin::File(place(self.file, self.text, 0..0, ""));
            self.problems.is_empty().then(|| Node {
                origin: empty.clone(),
                named: Some(empty),
                kind: NodeKind::Table(Vec::new()),
            })
        })
    }

    fn next(&mut self, events: &mut Events<'a>) -> Result<(Event<'a>, Span), Stop> {
        match events.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let mark = error.marker();
                let offset = mark.byte_offset().unwrap_or_else(|| offset_of(self.text, mark.line(), mark.col()));
                self.problems.push(syntax(self.file, self.text, offset, &error));
                Err(Stop)
            }
            None => Err(Stop),
        }
    }

    fn origin(&self, span: &Span, key: &str) -> Origin {
        let range = span.byte_range().unwrap_or_else(|| {
            offset_of(self.text, span.start.line(), span.start.col())
                ..offset_of(self.text, span.end.line(), span.end.col())
        });
        Origin::File(place(self.file, self.text, range, key))
    }

    fn node(
        &mut self,
        events: &mut Events<'a>,
        event: Event<'a>,
        span: &Span,
        key: &str,
        named: Option<&Origin>,
        depth: usize,
    ) -> Result<Node, Stop> {
        let origin = self.origin(span, key);
        self.count(1, &origin)?;
        if depth > DEPTH_MAX {
            self.problems.push(origin.error(format!("lists and tables are nested more than {DEPTH_MAX} deep")));
            return Err(Stop);
        }
        if event.tag().is_some() {
            self.problems.push(origin.error("tags (`!…`) have no meaning here").hint("remove the tag"));
        }
        let anchor = event.anchor_id().filter(|id| *id > 0);
        let counted = self.nodes;
        let kind = match event {
            Event::Scalar(text, style, ..) => self.scalar(&origin, text.into_owned(), style),
            Event::SequenceStart(..) => self.list(events, key, depth)?,
            Event::MappingStart(..) => {
                let template = self.template(span);
                let table = self.table(events, key, depth, template.as_ref().map(|(text, _)| *text))?;
                match template {
                    Some((text, range)) => {
                        let scalar = Scalar { text: text.to_owned(), style: Style::Plain, raw: text.to_owned() };
                        let origin = Origin::File(place(self.file, self.text, range, key));
                        return Ok(Node { origin, named: named.cloned(), kind: NodeKind::Scalar(scalar) });
                    }
                    None => table,
                }
            }
            Event::Alias(id) => return self.alias(id, &origin, named),
            Event::UnresolvedAlias(name) => {
                self.problems.push(
                    origin
                        .error(format!("`*{name}` repeats an anchor that is not defined above it"))
                        .hint("a text that begins with `*` needs quotes"),
                );
                return Err(Stop);
            }
            _ => return Err(Stop),
        };
        let node = Node { origin, named: named.cloned(), kind };
        if let Some(id) = anchor {
            self.anchors.insert(id, (node.clone(), self.nodes - counted + 1));
        }
        Ok(node)
    }

    fn scalar(&self, origin: &Origin, text: String, style: ScalarStyle) -> NodeKind {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            _ => Style::Block,
        };
        if style == Style::Plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
            return NodeKind::Null;
        }
        let raw = match origin {
            Origin::File(place) => self.text.get(place.span.clone()).unwrap_or("").to_string(),
            Origin::Named(_) => text.clone(),
        };
        NodeKind::Scalar(Scalar { text, style, raw })
    }

    fn list(&mut self, events: &mut Events<'a>, key: &str, depth: usize) -> Result<NodeKind, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next(events)?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(NodeKind::List(items));
            }
            let path = format!("{key}[{}]", items.len());
            items.push(self.node(events, event, &span, &path, None, depth + 1)?);
        }
    }

    fn table(
        &mut self,
        events: &mut Events<'a>,
        key: &str,
        depth: usize,
        template: Option<&str>,
    ) -> Result<NodeKind, Stop> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = self.next(events)?;
            if matches!(event, Event::MappingEnd) {
                return Ok(NodeKind::Table(entries));
            }
            let name = self.node(events, event, &span, key, None, depth + 1)?;
            let text = match name.kind {
                NodeKind::Scalar(scalar) => Some(scalar.text),
                // Reported as a text when the table is built.
                NodeKind::Table(_) if template.is_some() => None,
                _ => {
                    self.problems.push(name.origin.error("a key is a plain text"));
                    None
                }
            };
            let path = match (key, text.as_deref().unwrap_or("?")) {
                ("", text) => text.to_string(),
                (key, text) => format!("{key}.{text}"),
            };
            let origin = self.origin(&span, &path);
            let (event, span) = self.next(events)?;
            let value = self.node(events, event, &span, &path, Some(&origin), depth + 1)?;
            let Some(text) = text else { continue };
            match entries.iter().find(|(known, _)| known.text == text) {
                Some((Key { origin: Origin::File(first), .. }, _)) => {
                    let line = first.line;
                    self.problems.push(
                        origin
                            .error(format!("`{text}` is written twice"))
                            .hint(format!("it is on line {line} already: keep one")),
                    );
                }
                _ => entries.push((Key { text, origin }, value)),
            }
        }
    }

    /// Returns the intended text of `{{ tenant }}`, which YAML parses as a table whose key is a table, and its range.
    fn template(&self, span: &Span) -> Option<(&'a str, std::ops::Range<usize>)> {
        let Origin::File(place) = self.origin(span, "") else { return None };
        let rest = self.text.get(place.span.start..).filter(|rest| rest.starts_with("{{"))?;
        let line = rest.split('\n').next()?;
        let end = line.find("}}")? + 2;
        Some((&rest[..end], place.span.start..place.span.start + end))
    }

    fn alias(&mut self, id: usize, origin: &Origin, named: Option<&Origin>) -> Result<Node, Stop> {
        let Some(size) = self.anchors.get(&id).map(|(_, size)| *size) else {
            self.problems.push(origin.error("an anchor cannot repeat itself"));
            return Err(Stop);
        };
        self.count(size, origin)?;
        match self.anchors.get(&id) {
            Some((node, _)) => Ok(Node { named: named.cloned(), ..node.clone() }),
            None => Err(Stop),
        }
    }

    fn count(&mut self, more: usize, origin: &Origin) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        self.problems.push(
            origin
                .error(format!("the file holds more than {NODES_MAX} values, repeated ones included"))
                .hint("write less, or repeat less by `*`"),
        );
        Err(Stop)
    }
}

fn syntax(file: &Arc<PathBuf>, text: &str, offset: usize, error: &ScanError) -> Problem {
    let at = place(file, text, offset..offset + 1, "syntax");
    let line = text.lines().nth(at.line.saturating_sub(1) as usize).unwrap_or("");
    let open = match error.kind() {
        // The parser stops at the bracket that is never closed.
        ErrorKind::UnclosedFlowCollection { .. } => Some(offset),
        _ => text.get(..offset).and_then(super::syntax::last_open_bracket),
    };
    if let Some((offset, len, what, hint)) = mistakes::cause_of_error(text, offset, open) {
        let line_end = text[offset..].find('\n').map_or(text.len(), |newline| offset + newline);
        let hint = match redact::may_be_secret(text, &(offset..line_end)) {
            true => "put the text in quotes, a space before it; a secret is written `{env: NAME}`".to_owned(),
            false => hint,
        };
        return Problem::error(place(file, text, offset..offset + len, "syntax"), what).hint(hint);
    }
    if let Some((offset, what, hint)) = super::syntax::opened_above(error.kind(), text, offset) {
        return Problem::error(place(file, text, offset..offset + 1, "syntax"), what).hint(hint);
    }
    let (what, hint) = super::syntax::describe(error.kind(), line);
    Problem::error(at, what).hint(hint)
}

fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(start..).unwrap_or("");
    start + rest.char_indices().nth(column).map_or(rest.len(), |(byte, _)| byte)
}
