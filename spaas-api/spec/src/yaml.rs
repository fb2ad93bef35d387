//! YAML text to nodes that know their place; keys keep their order and their duplicates.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::mistake::{NO_HINT, Report, Spot};

/// Deeper nesting than any manifest needs; keeps hostile text from building deep trees.
const MAX_DEPTH: usize = 32;

/// A value and where it starts.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: Spot,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Text as YAML understood it, and how it was written.
    Scalar(String, ScalarStyle),
    /// A sequence.
    List(Vec<Node>),
    /// Key and value pairs as written.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Whether the value was left out: nothing, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(text, ScalarStyle::Plain)
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

enum Open {
    List(Spot, Vec<Node>),
    Map(Spot, Vec<(Node, Node)>, Option<Node>),
}

/// The documents of one file. After a syntax error, those before it.
pub(crate) fn documents(file: usize, text: &str, report: &mut Report) -> Vec<Node> {
    let spot = |mark: &Marker| Spot { file, line: mark.line(), column: mark.col() + 1 };
    let mut parser = Parser::new_from_str(text);
    let mut docs = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                report.add(spot(error.marker()), format!("not YAML: {}", error.info()), NO_HINT);
                return docs;
            }
        };
        let at = spot(&span.start);
        if open.len() > MAX_DEPTH {
            report.add(at, format!("nested deeper than {MAX_DEPTH} levels"), NO_HINT);
            return docs;
        }
        let tagged = match &event {
            Event::Scalar(.., tag) | Event::SequenceStart(_, tag) | Event::MappingStart(_, tag) => {
                tag.as_ref()
            }
            _ => None,
        };
        if let Some(tag) = tagged {
            let tag = if tag.is_yaml_core_schema() {
                format!("!!{}", tag.suffix)
            } else {
                tag.to_string()
            };
            report.add(at, format!("the tag `{tag}` has no meaning here"), "leave it out");
        }
        let done = match event {
            Event::Scalar(text, style, ..) => {
                Some(Node { at, value: Value::Scalar(text.into_owned(), style) })
            }
            Event::Alias(_) => {
                report.add(at, "aliases are not supported", "write the value out");
                Some(Node { at, value: Value::Scalar(String::new(), ScalarStyle::Plain) })
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(at, Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(at, Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(close),
            _ => None,
        };
        if let Some(node) = done {
            attach(node, &mut open, &mut docs);
        }
    }
    docs
}

fn close(open: Open) -> Node {
    match open {
        Open::List(at, items) => Node { at, value: Value::List(items) },
        Open::Map(at, entries, _) => Node { at, value: Value::Map(entries) },
    }
}

fn attach(node: Node, open: &mut [Open], docs: &mut Vec<Node>) {
    match open.last_mut() {
        None => docs.push(node),
        Some(Open::List(_, items)) => items.push(node),
        Some(Open::Map(_, entries, key)) => match key.take() {
            None => *key = Some(node),
            Some(key) => entries.push((key, node)),
        },
    }
}
