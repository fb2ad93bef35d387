//! From a line and column within SQL to the line and column of the file the SQL is written in.

use saphyr_parser::ScalarStyle;

use super::mistake::{Report, Spot};
use super::yaml::{Node, Value};

/// Where in the file character `line`:`column` (from 1) of the node's text stands.
///
/// YAML folds and indents, but it keeps every character that is not white space, in order. So the
/// text and the source are walked side by side, white space skipped, escapes taken as one
/// character: this needs no knowledge of the folding rules and works for plain, quoted and block
/// scalars alike.
pub(crate) fn locate(node: &Node, line: usize, column: usize, report: &Report) -> Spot {
    let Value::Scalar(text, style) = &node.value else { return node.at };
    let lines = &report.source(node.at.file).lines;
    let mut cursor = Cursor { lines, line: node.at.line - 1, column: node.at.column - 1 };
    match style {
        ScalarStyle::Plain => {}
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => cursor.step(),
        ScalarStyle::Literal | ScalarStyle::Folded => {
            if matches!(cursor.peek(), Some('|' | '>')) {
                cursor.next_line();
            }
        }
    }
    let (mut at_line, mut at_column) = (1, 1);
    for c in text.chars() {
        if !c.is_whitespace() {
            cursor.skip_white_space(*style);
        }
        if (at_line, at_column) >= (line, column) {
            break;
        }
        if !c.is_whitespace() {
            cursor.pass(*style);
        }
        if c == '\n' {
            (at_line, at_column) = (at_line + 1, 1);
        } else {
            at_column += 1;
        }
    }
    Spot { line: cursor.line + 1, column: cursor.column + 1, ..node.at }
}

struct Cursor<'a> {
    lines: &'a [Vec<char>],
    line: usize,
    column: usize,
}

impl Cursor<'_> {
    /// The character here; a line break at the end of a line; nothing at the end of the file.
    fn peek(&self) -> Option<char> {
        let line = self.lines.get(self.line)?;
        Some(line.get(self.column).copied().unwrap_or('\n'))
    }

    fn step(&mut self) {
        match self.lines.get(self.line) {
            Some(line) if self.column < line.len() => self.column += 1,
            Some(_) if self.line + 1 < self.lines.len() => self.next_line(),
            _ => {}
        }
    }

    fn next_line(&mut self) {
        if self.line + 1 < self.lines.len() {
            (self.line, self.column) = (self.line + 1, 0);
        }
    }

    fn skip_white_space(&mut self, style: ScalarStyle) {
        loop {
            let before = (self.line, self.column);
            match self.peek() {
                Some(c) if c.is_whitespace() => self.step(),
                Some('\\') if style == ScalarStyle::DoubleQuoted && self.stands_for_space() => {
                    self.step();
                    self.step();
                }
                _ => return,
            }
            if before == (self.line, self.column) {
                return;
            }
        }
    }

    /// Whether the escape here is white space: `\n`, `\t`, a joined line …
    fn stands_for_space(&self) -> bool {
        let line = &self.lines[self.line];
        line.get(self.column + 1).is_none_or(|c| " \ttnrvfN_LP".contains(*c))
    }

    /// Moves behind the source of one character, which may be an escape.
    fn pass(&mut self, style: ScalarStyle) {
        let here = self.peek();
        self.step();
        match (style, here) {
            (ScalarStyle::SingleQuoted, Some('\'')) => self.step(),
            (ScalarStyle::DoubleQuoted, Some('\\')) => self.pass_escape(),
            _ => {}
        }
    }

    fn pass_escape(&mut self) {
        let digits = match self.peek() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        for _ in 0..=digits {
            self.step();
        }
    }
}
