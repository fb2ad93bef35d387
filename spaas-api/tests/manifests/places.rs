//! SQL mistakes are placed in the file, however YAML writes the text.

use crate::mistakes_of;

fn stream_and_route(filter: &str) -> String {
    format!(
        "kind: Stream\nmetadata: {{ name: s }}\nspec:\n  format: json\n  columns:\n\
         \x20   - {{ name: a, type: string }}\n---\nkind: Route\nmetadata: {{ name: r }}\nspec:\n\
         \x20 from: s\n  to: {{ table: t }}\n  where: {filter}\n"
    )
}

/// The place of `needle` in `text`, from 1.
fn place_of(text: &str, needle: &str) -> (usize, usize) {
    let (row, line) = text
        .split('\n')
        .enumerate()
        .find(|(_, line)| line.contains(needle))
        .expect("the needle is in the text");
    let before = line.split(needle).next().unwrap_or_default();
    (row + 1, before.chars().count() + 1)
}

#[test]
fn an_unknown_column_is_found_in_every_kind_of_scalar() {
    for filter in [
        "wrong = 'x'",
        "a = 'x' AND wrong = 'y'",
        "a = 'x'\n    AND wrong = 'y'",
        "\"a = 'x' AND wrong = 'y'\"",
        "\"a = 'x'\\n\\tAND wrong = 'y'\"",
        "\"a = 'x' \\\n    AND wrong = 'y'\"",
        "\"a = '\\u00e9\\x41' AND wrong = 'y'\"",
        "'a = ''x'' AND wrong = ''y'''",
        "'a = ''x''\n\n    AND wrong = ''y'''",
        "|\n    a = 'x'\n      AND wrong = 'y'",
        "|-\n\n    a = 'é'\n    AND   wrong = 'y'",
        "|2-\n    a = 'x'\n      AND wrong = 'y'",
        ">\n    a = 'x'\n    AND wrong = 'y'",
        ">-\n    a = 'x'\n\n      AND wrong = 'y'\n    AND a = 'z'",
    ] {
        let text = stream_and_route(filter);
        let mistakes = mistakes_of(&text);
        assert_eq!(mistakes.len(), 1, "{filter}: {mistakes:?}");
        let found = (mistakes[0].line, mistakes[0].column);
        assert_eq!(found, place_of(&text, "wrong"), "{filter}\n{text}");
    }
}

#[test]
fn syntax_errors_are_placed_too_also_at_the_end_of_the_text() {
    let text = stream_and_route("|\n    a = 'x' AND\n    ) a = 'y'");
    let mistakes = mistakes_of(&text);
    assert_eq!((mistakes[0].line, mistakes[0].column), (15, 5), "{}", mistakes[0]);
    let text = stream_and_route("a = 'x' AND");
    let mistakes = mistakes_of(&text);
    assert_eq!(mistakes.len(), 1);
    assert_eq!(mistakes[0].line, 13, "{}", mistakes[0]);
}
