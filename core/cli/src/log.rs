//! What happens, to stderr: one event, one line, whatever clients send.

use std::io::{self, Write};

use tracing::Level;

/// Writes every event up to `level` to stderr from now on.
pub(crate) fn start(level: Level) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(false)
        .with_writer(|| OneLine(io::stderr()))
        .init();
}

/// Escapes control characters, so that no name and no path can forge a line or steer a terminal.
///
/// It is written one event at a time, with the line's end.
struct OneLine<W: Write>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let mut line = String::with_capacity(event.len() + 1);
        for char in String::from_utf8_lossy(event).trim_end_matches('\n').chars() {
            if char.is_control() || is_line_break(char) {
                line.extend(char.escape_default());
            } else {
                line.push(char);
            }
        }
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Line and paragraph separator: no control characters to Unicode, line ends to some readers.
fn is_line_break(char: char) -> bool {
    matches!(char, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_stays_one_line_and_cannot_steer_a_terminal() {
        let mut written = Vec::new();
        OneLine(&mut written)
            .write_all("INFO joined ann\r\nWARN forged \x1b[2J\u{85}\u{2028} 카페\n".as_bytes())
            .unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "INFO joined ann\\r\\nWARN forged \\u{1b}[2J\\u{85}\\u{2028} 카페\n"
        );
    }
}
