//! YAML text to documents whose values know their place.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

/// Deeper than any manifest; keeps hostile text from building deep trees.
const MAX_DEPTH: usize = 64;

/// A place in a text. Both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

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

/// A document that is not empty.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) root: Node,
    /// Its first line, that of its `---` if it has one.
    pub(crate) first_line: usize,
}

impl Node {
    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// The key and the value of a member.
    pub(crate) fn member(&self, name: &str) -> Option<&(Node, Node)> {
        match &self.value {
            Value::Map(members) => members.iter().find(|(key, _)| key.text() == Some(name)),
            _ => None,
        }
    }

    /// The value of a member.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.member(name).map(|(_, value)| value)
    }

    /// What a JSON pointer leads to, or the last thing on the way that is there.
    pub(crate) fn nearest(&self, pointer: &str) -> &Node {
        let mut node = self;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match &node.value {
                Value::List(items) => step.parse().ok().and_then(|n: usize| items.get(n)),
                _ => node.get(&step),
            };
            match next {
                Some(next) => node = next,
                None => return node,
            }
        }
        node
    }

    fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(text, ScalarStyle::Plain)
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

enum Open {
    List(Spot, Vec<Node>),
    Map(Spot, Vec<(Node, Node)>, Option<Node>),
}

/// The documents of a text that are not empty.
///
/// # Errors
/// Where it stops being YAML, and why.
pub(crate) fn documents(text: &str) -> Result<Vec<Tree>, (Spot, String)> {
    let mut trees = Vec::new();
    let mut first_line = 1;
    let mut open: Vec<Open> = Vec::new();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) =
            event.map_err(|error| (spot(error.marker()), format!("not YAML: {}", error.info())))?;
        let at = spot(&span.start);
        if open.len() > MAX_DEPTH {
            return Err((at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let done = match event {
            Event::DocumentStart(_) => {
                first_line = at.line;
                None
            }
            Event::Scalar(text, style, ..) => {
                Some(Node { at, value: Value::Scalar(text.into_owned(), style) })
            }
            // The API refuses aliases and says so.
            Event::Alias(_) => {
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
        let Some(node) = done else { continue };
        match open.last_mut() {
            None if node.is_null() => {}
            None => trees.push(Tree { root: node, first_line }),
            Some(parent) => attach(node, parent),
        }
    }
    Ok(trees)
}

fn spot(mark: &Marker) -> Spot {
    Spot { line: mark.line(), column: mark.col() + 1 }
}

fn close(open: Open) -> Node {
    match open {
        Open::List(at, items) => Node { at, value: Value::List(items) },
        Open::Map(at, members, _) => Node { at, value: Value::Map(members) },
    }
}

fn attach(node: Node, parent: &mut Open) {
    match parent {
        Open::List(_, items) => items.push(node),
        Open::Map(_, members, key) => match key.take() {
            None => *key = Some(node),
            Some(key) => members.push((key, node)),
        },
    }
}
