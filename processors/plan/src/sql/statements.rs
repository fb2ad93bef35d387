//! A job's text as statements: where each begins and ends, and which kinds there are.

use std::ops::Range;

use datafusion::sql::sqlparser::ast::{
    CreateView, Ident, Insert, ObjectName, Query, Spanned, Statement as Ast, TableObject,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};

use crate::SqlError;

use super::dialect::FlinkDialect;
use super::syntax_error;
use super::text::SourceText;

/// A statement that a job can have.
#[derive(Debug)]
pub(crate) enum Statement {
    /// `CREATE [TEMPORARY] VIEW name [(columns)] AS query`.
    View { name: Ident, columns: Vec<Ident>, query: Box<Query> },
    /// `INSERT INTO sink [(columns)] query`.
    Insert { sink: Ident, columns: Vec<Ident>, query: Box<Query> },
}

/// The tokens of one statement and its bytes in the text.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) tokens: Vec<TokenWithSpan>,
    pub(crate) span: Range<usize>,
}

impl Piece {
    /// The n-th word of the statement in upper case; empty if there is none.
    fn word(&self, n: usize) -> String {
        match self.tokens.iter().filter(|token| meaningful(token)).nth(n).map(|t| &t.token) {
            Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_uppercase(),
            _ => String::new(),
        }
    }

    fn words<const N: usize>(&self) -> [String; N] {
        std::array::from_fn(|n| self.word(n))
    }

    /// Leaves out the first `count` meaningful tokens.
    fn drop_words(&mut self, count: usize, text: &SourceText<'_>) {
        let mut places = (0..self.tokens.len()).filter(|at| meaningful(&self.tokens[*at]));
        let from = places.nth(count).unwrap_or(self.tokens.len());
        self.tokens.drain(..from);
        if let Some(first) = self.tokens.first() {
            self.span.start = text.range(first.span).start;
        }
    }

    fn head(&self) -> Span {
        self.tokens.iter().find(|token| meaningful(token)).map_or(Span::empty(), |t| t.span)
    }
}

fn meaningful(token: &TokenWithSpan) -> bool {
    !matches!(token.token, Token::Whitespace(_) | Token::EOF)
}

/// Splits a text at its semicolons. Empty statements, and the frame of `EXECUTE STATEMENT SET BEGIN
/// … END`, are left out.
pub(crate) fn split(text: &SourceText<'_>) -> Result<Vec<Piece>, SqlError> {
    let tokens =
        Tokenizer::new(&FlinkDialect, text.text()).tokenize_with_location().map_err(|error| {
            let at = text.offset(error.location.line, error.location.column);
            text.error(at..at + 1, error.message)
        })?;
    let mut pieces = Vec::new();
    for tokens in tokens.split(|token| token.token == Token::SemiColon) {
        let Some(first) = tokens.iter().position(meaningful) else { continue };
        let last = tokens.iter().rposition(meaningful).unwrap_or(first);
        let tokens = tokens[first..=last].to_vec();
        let (start, end) =
            (text.range(tokens[0].span).start, text.range(tokens[last - first].span).end);
        let mut piece = Piece { tokens, span: start..end };
        let words = piece.words::<4>();
        match words.each_ref().map(String::as_str) {
            ["EXECUTE", "STATEMENT", "SET", "BEGIN"] => piece.drop_words(4, text),
            ["BEGIN", "STATEMENT", "SET", ""] | ["END", "", ..] => continue,
            _ => {}
        }
        if piece.tokens.iter().any(meaningful) {
            pieces.push(piece);
        }
    }
    Ok(pieces)
}

/// Reads one statement.
pub(crate) fn parse(piece: &Piece, text: &SourceText<'_>) -> Result<Statement, SqlError> {
    if let Some(error) = refused_statement(piece, text) {
        return Err(error);
    }
    let quoted = |token: &&TokenWithSpan| matches!(token.token, Token::DoubleQuotedString(_));
    if let Some(token) = piece.tokens.iter().find(quoted) {
        return Err(text
            .error_at(token.span, "double quotes have no meaning in Flink SQL")
            .hint("write names in back-quotes and texts in single quotes"));
    }
    let mut parser = Parser::new(&FlinkDialect).with_tokens_with_locations(piece.tokens.clone());
    let parsed =
        parser.parse_statement().and_then(|statement| match parser.peek_token_ref().token {
            Token::EOF => Ok(statement),
            _ => parser.expected("the end of the statement (`;`)", parser.peek_token()),
        });
    match parsed {
        Ok(statement) => accept(statement, piece, text),
        Err(error) => Err(syntax_error::explain(&error, piece, text)),
    }
}

fn accept(ast: Ast, piece: &Piece, text: &SourceText<'_>) -> Result<Statement, SqlError> {
    match ast {
        Ast::CreateView(view) => accept_view(view, text),
        Ast::Insert(insert) => accept_insert(insert, piece, text),
        _ => Err(text
            .error_at(piece.head(), "this is not a statement a job can have")
            .hint("a job is made of CREATE TEMPORARY VIEW and INSERT INTO … SELECT")),
    }
}

fn accept_view(view: CreateView, text: &SourceText<'_>) -> Result<Statement, SqlError> {
    let refuse =
        |what: &str| text.error_at(view.name.span(), format!("{what} is not supported yet"));
    if view.or_replace || view.or_alter || view.if_not_exists {
        return Err(
            refuse("replacing or keeping an existing view").hint("write CREATE TEMPORARY VIEW")
        );
    }
    if view.materialized {
        return Err(refuse("a materialized view").hint("write CREATE TEMPORARY VIEW"));
    }
    let name = single(&view.name, text)?;
    let columns = view.columns.into_iter().map(|column| column.name).collect();
    Ok(Statement::View { name, columns, query: view.query })
}

fn accept_insert(
    insert: Insert,
    piece: &Piece,
    text: &SourceText<'_>,
) -> Result<Statement, SqlError> {
    if insert.overwrite {
        return Err(text
            .error_at(piece.head(), "INSERT OVERWRITE is not supported: a stream only adds rows")
            .hint("write INSERT INTO"));
    }
    if insert.partitioned.is_some() {
        return Err(text
            .error_at(insert.table.span(), "INSERT INTO … PARTITION is not supported yet")
            .hint("select the partition's value as a column"));
    }
    let TableObject::TableName(name) = &insert.table else {
        return Err(text.error_at(insert.table.span(), "INSERT INTO wants the name of a sink"));
    };
    let sink = single(name, text)?;
    let columns = insert.columns.iter().map(|name| single(name, text)).collect::<Result<_, _>>()?;
    let Some(query) = insert.source else {
        return Err(text
            .error_at(piece.head(), "nothing to insert")
            .hint("write INSERT INTO sink SELECT …"));
    };
    Ok(Statement::Insert { sink, columns, query })
}

/// A name without a catalog or database before it.
fn single(name: &ObjectName, text: &SourceText<'_>) -> Result<Ident, SqlError> {
    match name.0.as_slice() {
        [part] if part.as_ident().is_some() => {
            Ok(part.as_ident().cloned().expect("the guard saw an identifier"))
        }
        _ => Err(text
            .error_at(name.span(), "names of catalogs and databases are not supported yet")
            .hint("write the name alone")),
    }
}

/// A statement of Flink's that no job here can have, told by its first words.
fn refused_statement(piece: &Piece, text: &SourceText<'_>) -> Option<SqlError> {
    let words = piece.words::<3>();
    let watermark = piece.tokens.iter().any(
        |token| matches!(&token.token, Token::Word(word) if word.value.eq_ignore_ascii_case("WATERMARK")),
    );
    let (message, hint) = match words.each_ref().map(String::as_str) {
        ["CREATE", "TABLE", _] | ["CREATE", "TEMPORARY", "TABLE"] if watermark => (
            "CREATE TABLE with WATERMARK is not supported here",
            "streams, their event time and their watermark are declared in the stream's manifest",
        ),
        ["CREATE", "TABLE", _] | ["CREATE", "TEMPORARY", "TABLE"] => (
            "CREATE TABLE is not supported here",
            "streams and sinks are declared in manifests; name them in FROM and INSERT INTO",
        ),
        ["CREATE", "FUNCTION", _] | ["CREATE", "TEMPORARY", "FUNCTION" | "SYSTEM"] => (
            "CREATE FUNCTION is not supported yet",
            "functions are registered by the program that runs the job",
        ),
        ["CREATE", "CATALOG" | "DATABASE" | "MODEL", _] | ["USE" | "LOAD" | "UNLOAD", ..] => (
            "catalogs, databases, models and modules are not supported",
            "a job names the streams and sinks of its manifest",
        ),
        ["DROP" | "ALTER" | "ANALYZE" | "TRUNCATE", ..] => (
            "this Flink statement is not supported: a job changes nothing but its sinks",
            "leave it out",
        ),
        ["UPDATE" | "DELETE" | "MERGE" | "CALL", ..] => (
            "this Flink statement is not supported: it is no stream",
            "a job is made of CREATE TEMPORARY VIEW and INSERT INTO … SELECT",
        ),
        ["SET" | "RESET" | "ADD" | "REMOVE" | "SHOW" | "DESCRIBE" | "DESC", ..] => (
            "commands of Flink's SQL client are not supported",
            "options of a job are set in its manifest",
        ),
        ["EXPLAIN", ..] => {
            ("EXPLAIN is no part of a job", "ask for the plan of the statement without it")
        }
        ["SELECT" | "WITH" | "VALUES" | "TABLE", ..] => {
            ("a query alone has nowhere to write", "write INSERT INTO sink SELECT …")
        }
        _ => return None,
    };
    Some(text.error_at(piece.head(), message).hint(hint))
}

/// The statements after `EXPLAIN [PLAN FOR | ESTIMATED_COST, … ] `, or `None` if the text does not
/// begin with that word.
pub fn strip_explain(text: &str) -> Option<&str> {
    let source = SourceText::new(text);
    let tokens = Tokenizer::new(&FlinkDialect, text).tokenize_with_location().ok()?;
    let mut tokens = tokens.into_iter().filter(meaningful);
    let keyword = |token: &TokenWithSpan, wanted| match &token.token {
        Token::Word(word) => word.keyword == wanted,
        _ => false,
    };
    if !keyword(&tokens.next()?, Keyword::EXPLAIN) {
        return None;
    }
    let starts = [Keyword::INSERT, Keyword::CREATE, Keyword::EXECUTE, Keyword::STATEMENT];
    let begin = tokens.find(|token| starts.iter().any(|start| keyword(token, *start)))?;
    if keyword(&begin, Keyword::STATEMENT) {
        let begin = tokens.find(|token| keyword(token, Keyword::BEGIN))?;
        return Some(&text[source.range(begin.span).end..]);
    }
    Some(&text[source.range(begin.span).start..])
}
