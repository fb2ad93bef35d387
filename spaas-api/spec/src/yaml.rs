//! YAML text to nodes that know their place; keys keep their order and their duplicates.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::mistake::{FieldId, NO_HINT, Report, Spot};

/// Deeper nesting than any manifest needs; keeps hostile text from building deep trees.
const MAX_DEPTH: usize = 32;

/// More than anybody keeps in one file; names are compared with each other.
const MAX_DOCUMENTS: usize = 1000;

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

/// A document and the lines it takes up, from 1.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) node: Node,
    /// Its first line: the one behind `---`.
    pub(crate) first: usize,
    /// The line behind its last: that of the next `---`, or the end of the file.
    pub(crate) end: usize,
    /// Whether it is an item of a list.
    pub(crate) listed: bool,
}

/// The documents of one file without the empty ones. After a syntax error, those before it.
///
/// A list in brackets with which the text begins, as in JSON, is a list of documents.
pub(crate) fn documents(file: usize, text: &str, report: &mut Report) -> Vec<Root> {
    let mut reader = Reader { file, list: text.trim_start().starts_with('['), ..Reader::default() };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let at = spot(file, error.marker());
                report.add(at, format!("not YAML: {}", error.info()), NO_HINT);
                break;
            }
        };
        let at = spot(file, &span.start);
        if reader.count() > MAX_DOCUMENTS {
            report.add(at, format!("more than {MAX_DOCUMENTS} documents in one text"), "split it");
            break;
        }
        if reader.open.len() > MAX_DEPTH {
            report.add(at, format!("nested deeper than {MAX_DEPTH} levels"), NO_HINT);
            break;
        }
        match &event {
            Event::DocumentStart(explicit) => reader.start(*explicit, at.line),
            _ => reader.take(event, at, report),
        }
    }
    reader.end(report.source(file).lines.len() + 1);
    reader.docs
}

fn spot(file: usize, mark: &Marker) -> Spot {
    Spot { file, line: mark.line(), column: mark.col() + 1, field: FieldId::NONE }
}

/// What has been read of a file.
#[derive(Default)]
struct Reader {
    file: usize,
    /// Whether a list at the root is one of documents.
    list: bool,
    open: Vec<Open>,
    docs: Vec<Root>,
    /// First line of the document being read.
    first: usize,
    /// Documents whose end is not known yet: those from here on.
    unfinished: usize,
}

impl Reader {
    /// Documents read so far.
    fn count(&self) -> usize {
        let listed = match self.open.first() {
            Some(Open::List(_, items)) if self.list => items.len(),
            _ => 0,
        };
        self.docs.len() + listed
    }

    fn start(&mut self, explicit: bool, line: usize) {
        self.first = match (explicit, self.docs.is_empty()) {
            (true, _) => line + 1,
            (false, true) => 1,
            (false, false) => line,
        };
        self.end(line);
    }

    fn end(&mut self, line: usize) {
        for doc in &mut self.docs[self.unfinished..] {
            doc.end = line;
        }
        self.unfinished = self.docs.len();
    }

    fn take(&mut self, event: Event<'_>, at: Spot, report: &mut Report) {
        let at = Spot { field: self.field(&event, report), ..at };
        refuse_tag(&event, at, report);
        let done = match event {
            Event::Scalar(text, style, ..) => {
                Some(Node { at, value: Value::Scalar(text.into_owned(), style) })
            }
            Event::Alias(_) => {
                report.add(at, "aliases are not supported", "write the value out");
                Some(Node { at, value: Value::Scalar(String::new(), ScalarStyle::Plain) })
            }
            Event::SequenceStart(..) => {
                self.open.push(Open::List(at, Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                self.open.push(Open::Map(at, Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => self.open.pop().map(close),
            _ => None,
        };
        if let Some(node) = done {
            self.attach(node);
        }
    }

    /// The field that a value which starts here belongs to. A key belongs to the field it names.
    fn field(&self, event: &Event<'_>, report: &mut Report) -> FieldId {
        let name = match event {
            Event::Scalar(name, ..) => name.as_ref(),
            Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_) => "",
            _ => return FieldId::NONE,
        };
        match self.open.last() {
            None => report.document(self.file, self.docs.len()),
            Some(Open::List(_, items)) if self.list && self.open.len() == 1 => {
                report.document(self.file, items.len())
            }
            Some(Open::List(at, items)) => {
                report.field(self.file, at.field, &items.len().to_string())
            }
            Some(Open::Map(_, _, Some(key))) => key.at.field,
            Some(Open::Map(at, _, None)) => report.field(self.file, at.field, name),
        }
    }

    fn attach(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.add_document(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries, key)) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
    }

    fn add_document(&mut self, node: Node) {
        let (listed, nodes) = match node.value {
            Value::List(items) if self.list => (true, items),
            value => (false, vec![Node { value, ..node }]),
        };
        let first = self.first;
        let nodes = nodes.into_iter().filter(|node| !node.is_null());
        self.docs.extend(nodes.map(|node| Root { node, first, end: first, listed }));
    }
}

fn refuse_tag(event: &Event<'_>, at: Spot, report: &mut Report) {
    let (Event::Scalar(.., Some(tag))
    | Event::SequenceStart(_, Some(tag))
    | Event::MappingStart(_, Some(tag))) = event
    else {
        return;
    };
    let tag = if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix) } else { tag.to_string() };
    report.add(at, format!("the tag `{tag}` has no meaning here"), "leave it out");
}

fn close(open: Open) -> Node {
    match open {
        Open::List(at, items) => Node { at, value: Value::List(items) },
        Open::Map(at, entries, _) => Node { at, value: Value::Map(entries) },
    }
}
