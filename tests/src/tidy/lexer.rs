//! Just enough of Rust's syntax to tell code from comments and strings, and where functions end.

/// A function: its name and its lines, counted from 1, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Name after `fn`.
    pub name: String,
    /// Line of the word `fn`.
    pub first: usize,
    /// Line of the closing brace.
    pub last: usize,
}

/// `source` with comments replaced by spaces and the inside of literals by `x`; lines stay lines.
pub fn blank(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match token(&chars, at) {
            Token::Comment(end) => {
                out.extend(chars[at..end].iter().map(|&c| if c == '\n' { c } else { ' ' }));
                end
            }
            Token::Literal(end) => {
                out.extend(chars[at..end].iter().map(|&c| if c == '\n' { c } else { 'x' }));
                end
            }
            Token::Code => {
                out.push(chars[at]);
                at + 1
            }
        };
        at = end;
    }
    out
}

enum Token {
    Comment(usize),
    Literal(usize),
    Code,
}

fn token(chars: &[char], at: usize) -> Token {
    let next = chars.get(at + 1).copied();
    let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match (chars[at], next) {
        ('/', Some('/')) => Token::Comment(until(chars, at, '\n')),
        ('/', Some('*')) => Token::Comment(block_comment(chars, at)),
        ('"', _) => Token::Literal(string(chars, at + 1)),
        ('r', Some('"' | '#')) if !in_word => raw_string(chars, at),
        ('b', Some('r')) if !in_word && matches!(chars.get(at + 2), Some('"' | '#')) => {
            raw_string(chars, at + 1)
        }
        ('\'', _) => character(chars, at),
        _ => Token::Code,
    }
}

fn until(chars: &[char], at: usize, stop: char) -> usize {
    (at..chars.len()).find(|&i| chars[i] == stop).unwrap_or(chars.len())
}

fn block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(chars.len())
}

/// The end of a string whose inside begins at `at`.
fn string(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// A raw string whose `r` is at `at`, or an identifier such as `r#type`.
fn raw_string(chars: &[char], at: usize) -> Token {
    let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
    let open = at + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return Token::Code;
    }
    let closes =
        |i: usize| chars[i] == '"' && chars[i + 1..].iter().take(hashes).all(|&c| c == '#');
    let end = (open + 1..chars.len()).find(|&i| closes(i)).unwrap_or(chars.len());
    Token::Literal((end + 1 + hashes).min(chars.len()))
}

/// A character literal, or the quote of a lifetime.
fn character(chars: &[char], at: usize) -> Token {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => Token::Literal((until(chars, at + 3, '\'') + 1).min(chars.len())),
        (Some(_), Some('\'')) => Token::Literal(at + 3),
        _ => Token::Code,
    }
}

/// The functions with a body in `blanked` text, in the order they begin.
pub fn functions(blanked: &str) -> Vec<Function> {
    let chars: Vec<char> = blanked.chars().collect();
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut line = 1;
    let mut found = Vec::new();
    for at in 0..chars.len() {
        if chars[at] == '\n' {
            line += 1;
        }
        let starts = chars[at..].starts_with(&['f', 'n', ' ']) && (at == 0 || !word(chars[at - 1]));
        if !starts {
            continue;
        }
        let name: String = chars[at + 3..].iter().take_while(|&&c| word(c)).collect();
        let Some(body) = body(&chars, at).filter(|_| !name.is_empty()) else { continue };
        let lines = chars[at..body].iter().filter(|&&c| c == '\n').count();
        found.push(Function { name, first: line, last: line + lines });
    }
    found
}

/// The end of the body of the function whose `fn` is at `at`; `None` if it ends in `;`.
fn body(chars: &[char], at: usize) -> Option<usize> {
    let mut brackets = 0_i32;
    let mut braces = 0_i32;
    for (i, c) in chars.iter().enumerate().skip(at) {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_in_strings_characters_and_comments_are_not_code() {
        let source =
            "fn a() {\n let _ = (\"}\", '}', r#\"}\"}\"#, b\"\\\"}\"); // }\n /* } /* } */ */\n}\n";
        assert_eq!(
            functions(&blank(source)),
            [Function { name: "a".into(), first: 1, last: 4 }],
            "{}",
            blank(source)
        );
    }

    #[test]
    fn lifetimes_and_raw_names_stay_code() {
        let source = "fn f<'a>(r#type: &'a str) -> &'a str {\n    r#type\n}";
        assert_eq!(blank(source), source);
        assert_eq!(functions(source)[0].last, 3);
    }

    #[test]
    fn a_declaration_has_no_body_and_an_array_type_does_not_end_it() {
        let source = "trait T { fn a(); }\nfn b(x: [u8; 4]) -> u8 {\n    x[0]\n}";
        let names: Vec<_> = functions(&blank(source)).into_iter().map(|f| f.name).collect();
        assert_eq!(names, ["b"]);
    }
}
