//! Writes HTML so that text cannot become markup.

use std::fmt::{self, Write};

/// A page under construction.
///
/// Markup is `&'static str`: only what stands in this crate's source can be
/// markup. Everything else goes through [`text`](Self::text), which escapes it.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Appends markup.
    pub(super) fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Appends text, escaped.
    pub(super) fn text(&mut self, text: impl fmt::Display) -> &mut Self {
        // Writing to a string does not fail.
        let _ = write!(Escaped(&mut self.0), "{text}");
        self
    }

    /// Appends a number inside an attribute.
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        let _ = write!(self.0, "{number}");
        self
    }

    /// Appends tenths of a percent as a length inside an attribute: `12.3%`.
    pub(super) fn share(&mut self, per_mille: u64) -> &mut Self {
        let _ = write!(self.0, "{}.{}%", per_mille / 10, per_mille % 10);
        self
    }

    /// Appends escaped text between two pieces of markup.
    pub(super) fn put(
        &mut self,
        before: &'static str,
        text: impl fmt::Display,
        after: &'static str,
    ) -> &mut Self {
        self.markup(before).text(text).markup(after)
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c if misleads(c) => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

/// Whether a character changes how its neighbours are shown: control
/// characters (a terminal obeys them) and those that turn the direction of
/// writing. Names and error texts of others may hold them.
pub(super) fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line of text without characters that mislead.
pub(super) fn plain(text: impl fmt::Display) -> String {
    text.to_string()
        .chars()
        .map(|c| if misleads(c) { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_never_becomes_markup() {
        let mut page = Page::default();
        page.put("<p>", "<script>alert('1')</script> & \"x\"", "</p>");
        assert_eq!(
            page.finish(),
            "<p>&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot;</p>"
        );
    }

    #[test]
    fn what_a_terminal_obeys_or_turns_text_around_is_replaced() {
        assert_eq!(
            plain("a\u{1b}[2Jb\u{202e}c\nd"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d"
        );
    }
}
