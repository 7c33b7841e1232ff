//! The tables of docs/config.md: what the schema says of a key is what a reader of that page is told.

/// The page.
pub(crate) const PAGE: &str = include_str!("../../../docs/config.md");

/// A row of a table of keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) name: &'a str,
    /// The column `type`.
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with the tables of keys by a test"))]
    pub(crate) kind: &'a str,
    pub(crate) default: &'a str,
    pub(crate) meaning: &'a str,
}

/// The rows below a heading of the page.
pub(crate) fn rows<'a>(page: &'a str, heading: &str) -> Vec<Row<'a>> {
    let from = page.split_once(&format!("\n## {heading}\n")).map_or("", |(_, rest)| rest);
    let section = from.split("\n## ").next().unwrap_or_default();
    section.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row<'_>> {
    let mut cells = line.strip_prefix("| `")?.strip_suffix('|')?.splitn(4, '|').map(str::trim);
    let name = cells.next()?.trim_end_matches('`');
    Some(Row { name, kind: cells.next()?, default: cells.next()?, meaning: cells.next()? })
}

impl Row<'_> {
    /// The meaning as plain text: links are their texts.
    pub(crate) fn plain_meaning(&self) -> String {
        let mut plain = String::new();
        let mut rest = self.meaning;
        while let Some((before, after)) = rest.split_once('[') {
            plain.push_str(before);
            match after.split_once("](").and_then(|(text, after)| Some((text, after.split_once(')')?.1))) {
                Some((text, after)) => {
                    plain.push_str(text);
                    rest = after;
                }
                None => {
                    plain.push('[');
                    rest = after;
                }
            }
        }
        plain.push_str(rest);
        plain.replace('`', "")
    }

    /// The default, where it is one value and not a sentence.
    pub(crate) fn literal_default(&self) -> Option<&str> {
        self.default.strip_prefix('`')?.strip_suffix('`').filter(|value| !value.contains('`'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_meaning_without_markup_and_its_default() {
        let page = "\n## server\n\n| key | type | default | meaning |\n|---|---|---|---|\n| `a` | text | `/` | see [x](y#z), [0] and `b` |\n| `c` | | none | |\n\n## next\n| `d` | | | |\n";
        let rows = rows(page, "server");
        assert_eq!(rows.iter().map(|row| row.name).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(rows[0].plain_meaning(), "see x, [0] and b");
        assert_eq!((rows[0].literal_default(), rows[1].literal_default()), (Some("/"), None));
    }
}
