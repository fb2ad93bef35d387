//! The clauses inside the parentheses of `JSON_VALUE`, `JSON_QUERY` and `JSON_EXISTS`.

use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, FunctionArg, Ident, Value};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::dialect::{call, unnamed};

/// Parses a call of the JSON function `name` if its clauses are ones an ordinary call cannot have.
pub(super) fn parse(name: &str, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    match name {
        "JSON_VALUE" => Some(json_value(parser)),
        "JSON_EXISTS" => Some(json_exists(parser)),
        _ => None,
    }
}

/// `JSON_VALUE(json, path [RETURNING type] [{NULL | DEFAULT x} ON EMPTY] [{NULL | DEFAULT x} ON
/// ERROR])` as `TRY_CAST(JSON_VALUE(json, path, on empty, on error) AS type)`.
fn json_value(parser: &mut Parser) -> Result<Expr, ParserError> {
    let (name, mut args) = json_and_path(parser)?;
    let returning = if word(parser, "RETURNING") { Some(parser.parse_data_type()?) } else { None };
    let (mut on_empty, mut on_error) = (null(), null());
    while let Some(value) = alternative(parser)? {
        if word(parser, "EMPTY") {
            on_empty = value;
        } else {
            parser.expect_keyword_is(Keyword::ERROR)?;
            on_error = value;
        }
    }
    parser.expect_token(&Token::RParen)?;
    args.push(unnamed(text(on_empty)));
    args.push(unnamed(text(on_error)));
    let value = Expr::Function(call(name, args));
    Ok(match returning {
        None => value,
        Some(data_type) => cast(CastKind::TryCast, value, data_type),
    })
}

/// `JSON_EXISTS(json, path [{TRUE | FALSE | UNKNOWN} ON ERROR])`.
fn json_exists(parser: &mut Parser) -> Result<Expr, ParserError> {
    let (name, mut args) = json_and_path(parser)?;
    let on_error =
        match parser.parse_one_of_keywords(&[Keyword::TRUE, Keyword::FALSE, Keyword::UNKNOWN]) {
            Some(Keyword::TRUE) => Some(Expr::value(Value::Boolean(true))),
            Some(Keyword::FALSE) => Some(Expr::value(Value::Boolean(false))),
            Some(_) => Some(null()),
            None => None,
        };
    if let Some(on_error) = on_error {
        parser.expect_keyword_is(Keyword::ON)?;
        parser.expect_keyword_is(Keyword::ERROR)?;
        args.push(unnamed(on_error));
    }
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Function(call(name, args)))
}

fn json_and_path(parser: &mut Parser) -> Result<(Ident, Vec<FunctionArg>), ParserError> {
    let name = parser.parse_identifier()?;
    parser.expect_token(&Token::LParen)?;
    let json = parser.parse_expr()?;
    parser.expect_token(&Token::Comma)?;
    let path = parser.parse_expr()?;
    Ok((name, vec![unnamed(json), unnamed(path)]))
}

/// `NULL ON` or `DEFAULT x ON`.
fn alternative(parser: &mut Parser) -> Result<Option<Expr>, ParserError> {
    let value = if parser.parse_keyword(Keyword::NULL) {
        null()
    } else if parser.parse_keyword(Keyword::DEFAULT) {
        parser.parse_prefix()?
    } else {
        return Ok(None);
    };
    parser.expect_keyword_is(Keyword::ON)?;
    Ok(Some(value))
}

/// Takes the next token if it is this word, which need not be a keyword.
fn word(parser: &mut Parser, expected: &str) -> bool {
    let next = &parser.peek_token_ref().token;
    let found = matches!(next, Token::Word(word) if word.value.eq_ignore_ascii_case(expected));
    if found {
        parser.next_token();
    }
    found
}

fn null() -> Expr {
    Expr::value(Value::Null)
}

fn text(value: Expr) -> Expr {
    cast(CastKind::Cast, value, DataType::String(None))
}

fn cast(kind: CastKind, value: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind, expr: Box::new(value), data_type, array: false, format: None }
}
