//! The text of `klatsch --help`, made of the tables that the flags are read by.

use klatsch::NUMBER_OPTIONS;

use crate::args::{FLAGS, number_flag};

/// The whole text.
pub(crate) fn text() -> String {
    let mut text = String::from(HEAD);
    for flag in FLAGS {
        entry(&mut text, flag.name, flag.value, flag.meaning);
    }
    text.push_str("\nNumbers:\n");
    for option in NUMBER_OPTIONS {
        let range = format!("Default {}; from {} to {}.", option.default, option.min, option.max);
        entry(&mut text, &number_flag(option), "N", &format!("{} {range}", option.meaning));
    }
    text
}

/// A flag on a line of its own, its meaning below, indented and wrapped.
fn entry(text: &mut String, name: &str, value: &str, meaning: &str) {
    text.push_str("  --");
    text.push_str(name);
    if !value.is_empty() {
        text.push(' ');
        text.push_str(value);
    }
    let mut column = WIDTH;
    for word in meaning.split_whitespace() {
        if column + 1 + word.len() > WIDTH {
            text.push_str("\n     ");
            column = 5;
        }
        text.push(' ');
        text.push_str(word);
        column += 1 + word.len();
    }
    text.push('\n');
}

const HEAD: &str = "\
klatsch: a chat server on the klatsch engine.

  klatsch [serve] [FLAGS]

Serves in the foreground until SIGTERM or Ctrl-C; a second one ends it at once.

Flags:
";

/// How wide the text is, for terminals of 80 columns.
const WIDTH: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        for line in text().lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }
}
