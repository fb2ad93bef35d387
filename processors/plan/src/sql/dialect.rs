//! The lexical and syntactic rules of Flink SQL that no stock dialect of the parser has.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, Spanned,
};
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Span, Token};

use super::json_syntax;

/// Name of the call that stands for `TABLE t PARTITION BY …` as an argument: no text can spell it.
pub(crate) const TABLE_ARGUMENT: &str = "TABLE argument";

/// Flink SQL as far as it runs here.
#[derive(Debug)]
pub(crate) struct FlinkDialect;

impl Dialect for FlinkDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_match_recognize(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn require_interval_qualifier(&self) -> bool {
        true
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let Token::Word(word) = &parser.peek_token_ref().token else { return None };
        if word.quote_style.is_some() {
            return None;
        }
        if word.keyword == Keyword::TABLE {
            return Some(table_argument(parser));
        }
        let call = parser.peek_nth_token_ref(1).token == Token::LParen;
        let name = if call { word.value.to_ascii_uppercase() } else { return None };
        json_syntax::parse(&name, parser)
    }
}

/// `TABLE name [PARTITION BY column, …]` or `TABLE (query) …`, as a call of [`TABLE_ARGUMENT`]
/// whose argument is the name or the query and whose parameters are the columns.
fn table_argument(parser: &mut Parser) -> Result<Expr, ParserError> {
    let table = parser.next_token().span;
    let input = if parser.consume_token(&Token::LParen) {
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        Expr::Subquery(query)
    } else {
        compound(parser)?
    };
    let mut columns = Vec::new();
    if parser.parse_keywords(&[Keyword::PARTITION, Keyword::BY]) {
        let parenthesised = parser.consume_token(&Token::LParen);
        columns.push(unnamed(compound(parser)?));
        while continues_columns(parser) {
            parser.expect_token(&Token::Comma)?;
            columns.push(unnamed(compound(parser)?));
        }
        if parenthesised {
            parser.expect_token(&Token::RParen)?;
        }
    }
    let mut call = call(Ident::with_span(table, TABLE_ARGUMENT), vec![unnamed(input)]);
    call.parameters = list(columns);
    Ok(Expr::Function(call))
}

/// Whether a comma and one more column follow, rather than `, DESCRIPTOR(…)`, `, INTERVAL '…'` or
/// `, NAME => …`.
fn continues_columns(parser: &Parser) -> bool {
    let [comma, word, after] = parser.peek_tokens_ref::<3>().map(|token| &token.token);
    matches!(comma, Token::Comma)
        && matches!(word, Token::Word(_))
        && matches!(after, Token::Comma | Token::RParen | Token::Period)
}

fn compound(parser: &mut Parser) -> Result<Expr, ParserError> {
    let mut parts = vec![parser.parse_identifier()?];
    while parser.consume_token(&Token::Period) {
        parts.push(parser.parse_identifier()?);
    }
    Ok(Expr::CompoundIdentifier(parts))
}

/// An argument without a name.
pub(crate) fn unnamed(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

/// Arguments in parentheses.
pub(crate) fn list(args: Vec<FunctionArg>) -> FunctionArguments {
    FunctionArguments::List(FunctionArgumentList {
        duplicate_treatment: None,
        args,
        clauses: Vec::new(),
    })
}

/// A plain call.
pub(crate) fn call(name: Ident, args: Vec<FunctionArg>) -> Function {
    Function {
        name: ObjectName::from(vec![name]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: list(args),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

/// Where a call's name is.
pub(crate) fn name_span(function: &Function) -> Span {
    function.name.span()
}
