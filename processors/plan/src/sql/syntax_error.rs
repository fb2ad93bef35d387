//! What the parser could not read, and where.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::SqlError;

use super::dialect::FlinkDialect;
use super::statements::Piece;
use super::text::SourceText;

/// The error of a statement that could not be parsed.
///
/// The parser tries a parenthesis as a query, forgets why that failed, and complains about the word
/// after the parenthesis. So each query in parentheses is read alone, and the mistake found
/// furthest to the right is the one to show.
pub(super) fn explain(error: &ParserError, piece: &Piece, text: &SourceText<'_>) -> SqlError {
    let mut best = locate(error, piece, text);
    let words: Vec<usize> = (0..piece.tokens.len())
        .filter(|at| !matches!(piece.tokens[*at].token, Token::Whitespace(_)))
        .collect();
    for pair in words.windows(2) {
        let begins = piece.tokens[pair[0]].token == Token::LParen
            && matches!(&piece.tokens[pair[1]].token,
                Token::Word(word) if matches!(word.keyword, Keyword::SELECT | Keyword::WITH));
        if !begins {
            continue;
        }
        let tokens = piece.tokens[pair[1]..].to_vec();
        let mut parser = Parser::new(&FlinkDialect).with_tokens_with_locations(tokens);
        let inner = parser.parse_query().and_then(|_| parser.expect_token(&Token::RParen));
        if let Err(inner) = inner {
            let inner = locate(&inner, piece, text);
            if inner.0 > best.0 {
                best = inner;
            }
        }
    }
    let (at, message) = best;
    let token = token_at(at, piece, text);
    let end = token.map_or(at + 1, |token| text.range(token.span).end);
    let error = text.error(at..end, message);
    match token.map(|token| &token.token) {
        Some(Token::Word(word))
            if word.quote_style.is_none() && word.keyword != Keyword::NoKeyword =>
        {
            error.hint(format!("if `{}` is a name here, write it in back-quotes", word.value))
        }
        _ => error,
    }
}

fn token_at<'t>(at: usize, piece: &'t Piece, text: &SourceText<'_>) -> Option<&'t TokenWithSpan> {
    piece.tokens.iter().find(|token| text.range(token.span).start == at)
}

/// The byte and the message of a parser's error; the end of the statement when it names no place.
fn locate(error: &ParserError, piece: &Piece, text: &SourceText<'_>) -> (usize, String) {
    let message = match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return (piece.span.start, "the statement is nested too deeply".to_owned());
        }
    };
    let (message, at) = match message.rsplit_once(" at Line: ") {
        Some((message, place)) => (message, place_of(place).map(|(l, c)| text.offset(l, c))),
        None => (message.as_str(), None),
    };
    (at.unwrap_or(piece.span.end), wording(message))
}

fn place_of(place: &str) -> Option<(u64, u64)> {
    let (line, column) = place.split_once(", Column: ")?;
    Some((line.parse().ok()?, column.trim().parse().ok()?))
}

fn wording(message: &str) -> String {
    match message.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: ")) {
        Some((expected, "EOF")) => format!("expected {expected}, but the statement ends"),
        Some((expected, found)) => format!("expected {expected}, found `{found}`"),
        None => message.to_owned(),
    }
}
