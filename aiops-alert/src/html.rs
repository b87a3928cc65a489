//! Text in HTML and SVG.

/// Without what HTML would take for its own; control characters are spaces.
pub(crate) fn escape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&quot;"),
            '\'' => result.push_str("&#39;"),
            c if c < ' ' => result.push(' '),
            other => result.push(other),
        }
    }
    result
}
