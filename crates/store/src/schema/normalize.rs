//! SQL brought to one form, so that two texts of the same definition compare equal.

/// The tokens of `sql`, one space between them: comments and `IF NOT EXISTS` gone, names without their quotes and in lower
/// case, the schema name `main.` and the default order `ASC` left out. String literals stay as they are.
pub(crate) fn normalized(sql: &str) -> String {
    let mut tokens = tokens_of(sql);
    if let Some(at) = tokens.windows(3).position(|three| three == ["if", "not", "exists"]) {
        tokens.drain(at..at + 3);
    }
    while let Some(at) = tokens.windows(2).position(|two| two == ["main", "."]) {
        tokens.drain(at..at + 2);
    }
    tokens.retain(|token| token != "asc" && token != ";");
    tokens.join(" ")
}

/// `name` as an identifier in SQL, whatever letters it has.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn tokens_of(sql: &str) -> Vec<String> {
    let letters: Vec<char> = sql.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let letter = letters[at];
        let rest = &letters[at..];
        if letter.is_whitespace() {
            at += 1;
        } else if rest.starts_with(&['-', '-']) {
            at += rest.iter().position(|&letter| letter == '\n').unwrap_or(rest.len());
        } else if rest.starts_with(&['/', '*']) {
            at += rest.windows(2).skip(2).position(|two| two == ['*', '/']).map_or(rest.len(), |found| found + 4);
        } else if letter == '\'' {
            let (text, length) = quoted_text(rest, '\'');
            tokens.push(format!("'{}'", text.replace('\'', "''")));
            at += length;
        } else if let Some(end) = closing_quote(letter) {
            let (text, length) = quoted_text(rest, end);
            tokens.push(text.to_lowercase());
            at += length;
        } else if is_word(letter) {
            let length = rest.iter().position(|&letter| !is_word(letter)).unwrap_or(rest.len());
            tokens.push(rest[..length].iter().collect::<String>().to_lowercase());
            at += length;
        } else {
            tokens.push(letter.to_string());
            at += 1;
        }
    }
    tokens
}

fn closing_quote(open: char) -> Option<char> {
    match open {
        '"' | '`' => Some(open),
        '[' => Some(']'),
        _ => None,
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '$'
}

/// The text between the quotes at the start of `letters`, doubled quotes made single, and the length with quotes.
fn quoted_text(letters: &[char], end: char) -> (String, usize) {
    let mut text = String::new();
    let mut at = 1;
    while at < letters.len() {
        if letters[at] == end {
            if end != ']' && letters.get(at + 1) == Some(&end) {
                text.push(end);
                at += 2;
                continue;
            }
            return (text, at + 1);
        }
        text.push(letters[at]);
        at += 1;
    }
    (text, letters.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_definition_in_other_words_compares_equal() {
        let plain = "CREATE INDEX idx_x ON t(a, b DESC)";
        for other in [
            "create index IF NOT EXISTS \"idx_x\"\n  on main.[t] ( `a` ASC , b\tdesc );",
            "CREATE INDEX idx_x -- the newest first\n ON t(a,/* , */b DESC)",
        ] {
            assert_eq!(normalized(plain), normalized(other));
        }
    }

    #[test]
    fn another_definition_compares_different() {
        let plain = "CREATE INDEX idx_x ON t(a, b DESC)";
        for other in [
            "CREATE INDEX idx_x ON t(a, b)",
            "CREATE UNIQUE INDEX idx_x ON t(a, b DESC)",
            "CREATE INDEX idx_x ON t(b DESC, a)",
            "CREATE INDEX idx_x ON t(a, b DESC) WHERE a > 0",
            "CREATE INDEX idx_x ON t(a COLLATE NOCASE, b DESC)",
            "CREATE INDEX idx_x ON t(a, 'b' DESC)",
            "CREATE INDEX idx_x ON u(a, b DESC)",
        ] {
            assert_ne!(normalized(plain), normalized(other), "{other}");
        }
    }

    #[test]
    fn quoting_survives_any_name() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(normalized("\"a\"\"b\""), "a\"b");
        assert_eq!(normalized("'It''s'"), "'It''s'");
        assert_eq!(normalized("'unfinished"), "'unfinished'");
        assert_eq!(normalized("/* unfinished"), "");
    }
}
