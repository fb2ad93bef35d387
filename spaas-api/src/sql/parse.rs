//! SQL text → one question, or why it is none: what may be asked, by its form.

use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::sql::parser::{DFParserBuilder, Statement as DfStatement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{
    ObjectName, ShowStatementOptions, Spanned, Statement, Visit,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::error::{Place, SqlError, SqlErrorKind, find, place};
use super::guard::Guard;

/// Nesting of parentheses and subqueries.
const MAX_NESTING: usize = 50;
/// Operators and keywords that chain. `a + a + …` becomes a tree as deep as it is long, and code
/// that plans, evaluates or drops it recurses on it.
const MAX_CHAINED: usize = 400;
/// Keywords a row of which makes a tree as deep as the row is long.
#[rustfmt::skip]
const CHAINING: [&str; 36] = [
    "ALL", "AND", "ANY", "APPLY", "AT", "BETWEEN", "COLLATE", "DIV", "ESCAPE", "EXCEPT", "EXISTS",
    "ILIKE",
    "IN", "INTERSECT", "INTERVAL", "IS", "ISNULL", "JOIN", "LATERAL", "LIKE", "MATCH", "MEMBER",
    "MINUS",
    "NOT", "NOTNULL", "OPERATOR", "OR", "OVERLAPS", "PIVOT", "REGEXP", "RLIKE", "SIMILAR", "UNION",
    "UNPIVOT", "WITH", "XOR",
];

/// A question that only reads.
#[derive(Debug)]
pub(crate) enum Question {
    /// A query, or EXPLAIN of one.
    Query {
        /// As parsed.
        statement: DfStatement,
        /// The tables it names, each once.
        tables: Vec<Named>,
    },
    /// `SHOW TABLES`.
    ShowTables,
    /// `DESCRIBE table`.
    Describe(Named),
}

/// A table as the text names it.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) reference: TableReference,
    pub(crate) at: Place,
}

/// Reads exactly one question.
pub(crate) fn parse(sql: &str) -> Result<Question, SqlError> {
    let dialect = GenericDialect {};
    let tokens = Tokens::read(sql, dialect)?;
    let mut statements = DFParserBuilder::new(sql)
        .with_dialect(&dialect)
        .with_recursion_limit(MAX_NESTING)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|e| tokens.refuse_instead(SqlError::from_datafusion(sql, &e)))?;
    let Some(statement) = statements.pop_front() else {
        return Err(SqlError::new(SqlErrorKind::Invalid, "there is no statement")
            .hint("write `SELECT … FROM …`"));
    };
    if !statements.is_empty() {
        return Err(SqlError::new(SqlErrorKind::Refused, "one statement at a time")
            .hint("remove everything after the first `;`")
            .at(tokens.second_statement()));
    }
    question(sql, statement, &tokens)
}

fn question(sql: &str, statement: DfStatement, tokens: &Tokens) -> Result<Question, SqlError> {
    let query = match &statement {
        DfStatement::Explain(explain) => match explain.statement.as_ref() {
            DfStatement::Statement(inner) => inner,
            _ => return Err(tokens.refuse_statement()),
        },
        DfStatement::Statement(inner) => inner,
        _ => return Err(tokens.refuse_statement()),
    };
    let explained = matches!(statement, DfStatement::Explain(_));
    match query.as_ref() {
        Statement::Query(_) => {}
        Statement::ShowTables { show_options, .. } if !explained && plain(show_options) => {
            return Ok(Question::ShowTables);
        }
        Statement::ExplainTable { table_name, .. } if !explained => {
            return Ok(Question::Describe(named(sql, table_name)?));
        }
        _ => return Err(tokens.refuse_statement()),
    }
    let mut guard = Guard::new(tokens);
    if let ControlFlow::Break(error) = query.visit(&mut guard) {
        return Err(error);
    }
    let (references, _) = resolve_table_references(&statement, true)
        .map_err(|e| SqlError::from_datafusion(sql, &e))?;
    let tables = references
        .into_iter()
        .map(|reference| {
            // Names in single quotes come without a place.
            let at = guard.place_of(&reference).filter(|at| *at != (1, 1));
            let at = at.unwrap_or_else(|| find(sql, reference.table()));
            Named { reference, at }
        })
        .collect();
    Ok(Question::Query { statement, tables })
}

fn plain(options: &ShowStatementOptions) -> bool {
    let ShowStatementOptions { show_in, starts_with, limit, limit_from, filter_position } = options;
    show_in.is_none()
        && starts_with.is_none()
        && limit.is_none()
        && limit_from.is_none()
        && filter_position.is_none()
}

fn named(sql: &str, name: &ObjectName) -> Result<Named, SqlError> {
    let start = name.span().start;
    let reference = datafusion::sql::planner::object_name_to_table_reference(name.clone(), true)
        .map_err(|e| SqlError::from_datafusion(sql, &e))?;
    Ok(Named { reference, at: place(start.line, start.column) })
}

/// Whether a row of such tokens makes a tree as deep as the row is long.
fn chains(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            word.quote_style.is_none()
                && CHAINING.iter().any(|keyword| keyword.eq_ignore_ascii_case(&word.value))
        }
        // Nesting in parentheses has its own limit.
        Token::Comma
        | Token::LParen
        | Token::RParen
        | Token::Period
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::EOF => false,
        _ => true,
    }
}

/// The text's tokens without white space and comments: they know places the syntax tree forgot.
pub(crate) struct Tokens(Vec<TokenWithSpan>);

impl Tokens {
    fn read(sql: &str, dialect: GenericDialect) -> Result<Self, SqlError> {
        let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|e| {
            SqlError::new(SqlErrorKind::Invalid, e.message)
                .at(place(e.location.line, e.location.column))
        })?;
        let tokens: Vec<_> =
            tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
        match tokens.iter().filter(|t| chains(&t.token)).nth(MAX_CHAINED) {
            None => Ok(Self(tokens)),
            Some(token) => {
                let message = format!("more than {MAX_CHAINED} operators and keywords");
                Err(SqlError::new(SqlErrorKind::TooLong, message)
                    .hint("write long chains of OR as `x IN (…)`")
                    .at(Self::at(token)))
            }
        }
    }

    fn at(token: &TokenWithSpan) -> Place {
        place(token.span.start.line, token.span.start.column)
    }

    /// Where one of the words first stands.
    pub(crate) fn find(&self, words: &[&str]) -> Option<Place> {
        let is = |t: &&TokenWithSpan| match &t.token {
            Token::Word(word) if word.quote_style.is_none() => {
                words.iter().any(|w| w.eq_ignore_ascii_case(&word.value))
            }
            _ => false,
        };
        self.0.iter().find(is).map(Self::at)
    }

    /// The first word after EXPLAIN and its options, which says what the statement does.
    fn verb(&self) -> (String, Place) {
        let before =
            ["EXPLAIN", "ANALYZE", "VERBOSE", "FORMAT", "TREE", "INDENT", "GRAPHVIZ", "PGJSON"];
        let words = self.0.iter().filter_map(|t| match &t.token {
            Token::Word(word) => Some((word.value.to_ascii_uppercase(), Self::at(t))),
            _ => None,
        });
        let mut words = words.peekable();
        if words.peek().is_some_and(|(first, _)| first == "EXPLAIN") {
            while words.next_if(|(w, _)| before.contains(&w.as_str())).is_some() {}
        }
        words.next().unwrap_or_else(|| (String::new(), self.0.first().map_or((1, 1), Self::at)))
    }

    fn refuse_statement(&self) -> SqlError {
        let (verb, at) = self.verb();
        SqlError::new(SqlErrorKind::Refused, format!("`{verb}` is not a question"))
            .hint("only SELECT, WITH, VALUES, EXPLAIN, DESCRIBE and SHOW TABLES are answered")
            .at(at)
    }

    /// What the parser does not understand is refused rather than explained when it starts with a
    /// word that would never be answered.
    fn refuse_instead(&self, error: SqlError) -> SqlError {
        const ANSWERED: [&str; 9] =
            ["SELECT", "WITH", "VALUES", "EXPLAIN", "DESCRIBE", "DESC", "SHOW", "FROM", "TABLE"];
        let (verb, _) = self.verb();
        let keyword = self.0.iter().any(|t| match &t.token {
            Token::Word(w) => {
                w.keyword != Keyword::NoKeyword && w.value.eq_ignore_ascii_case(&verb)
            }
            _ => false,
        });
        let opens_query = matches!(self.0.first().map(|t| &t.token), Some(Token::LParen));
        if keyword && !opens_query && !ANSWERED.contains(&verb.as_str()) {
            self.refuse_statement()
        } else {
            error
        }
    }

    /// Where the text after the first `;` starts.
    fn second_statement(&self) -> Place {
        let semicolon = |t: &TokenWithSpan| t.token == Token::SemiColon;
        let mut rest = self.0.iter().skip_while(|t| !semicolon(t)).skip_while(|t| semicolon(t));
        rest.next().map_or((1, 1), Self::at)
    }
}
