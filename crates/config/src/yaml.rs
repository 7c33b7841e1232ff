//! YAML to a tree in which everything knows its place.
//!
//! Built from the parser's events: the trees that saphyr itself offers stop at the first duplicate key, or silently keep
//! the last one.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use crate::expand::{Environment, expand};
use crate::mistake::Position;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

/// What a value is. Whether a scalar is a number, a flag or a text is decided by the key that it belongs to, after its
/// variables were expanded.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar, expanded.
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Pair>),
    /// A mistake here is recorded already.
    Broken,
}

/// A scalar as it stands in the file and as it is meant. Messages show the former: the latter may be a secret out of the
/// environment.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) written: String,
    pub(crate) text: String,
}

/// A member of a map. Duplicates are still there.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) at: Position,
    pub(crate) key: String,
    pub(crate) node: Node,
}

/// Deeper than any mounts file goes.
const DEPTH: usize = 32;
/// How many nodes aliases may add: a few lines can stand for billions.
const ALIASED: usize = 10_000;

type Wrong = (Position, String);

/// Parses a text. `None`: nothing in it can be used; `wrong` says why.
pub(crate) fn parse(text: &str, environment: Environment<'_>, wrong: &mut Vec<Wrong>) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder { environment, wrong, open: Vec::new(), anchors: HashMap::new(), aliased: 0, root: None };
    let mut documents = 0;
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(found) => found,
            Err(error) => {
                let message = format!("this is not YAML: {}", error.info());
                builder.wrong.push((position(*error.marker()), message));
                return None;
            }
        };
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    let message = "a second document begins here; the file is one document".to_owned();
                    builder.wrong.push((position(span.start), message));
                    return None;
                }
            }
            event => {
                if builder.take(event, span).is_err() {
                    return None;
                }
            }
        }
    }
    if builder.root.is_none() && builder.wrong.is_empty() {
        builder.wrong.push((Position::START, "the file is empty; it needs `version: 1` and `mounts`".to_owned()));
    }
    builder.root
}

fn position(mark: Marker) -> Position {
    // An empty text has line 0 in some of the parser's errors.
    Position { line: mark.line().max(1), column: mark.col() + 1 }
}

/// A collection that is not complete yet.
struct Open {
    at: Position,
    anchor: usize,
    collection: Collection,
}

enum Collection {
    List(Vec<Node>),
    Map { pairs: Vec<Pair>, key: Option<(Position, Option<String>)> },
}

struct Builder<'a> {
    environment: Environment<'a>,
    wrong: &'a mut Vec<Wrong>,
    open: Vec<Open>,
    /// Complete nodes with the number of nodes in them.
    anchors: HashMap<usize, (Node, usize)>,
    aliased: usize,
    root: Option<Node>,
}

/// The rest of the file cannot be understood.
struct Stop;

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let at = position(span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.check_tag(at, tag.as_deref());
                // A key is taken as it is written.
                let value = if self.expects_key() {
                    Value::Scalar(Scalar { written: String::new(), text: text.into_owned() })
                } else {
                    self.scalar(at, text.into_owned(), style)
                };
                self.place(Node { at, value }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(at, tag.as_deref());
                self.begin(at, anchor, Collection::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(at, tag.as_deref());
                self.begin(at, anchor, Collection::Map { pairs: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { at, anchor, collection }) => {
                    let value = match collection {
                        Collection::List(items) => Value::List(items),
                        Collection::Map { pairs, .. } => Value::Map(pairs),
                    };
                    self.place(Node { at, value }, anchor)
                }
                // The parser never ends what it did not begin.
                None => Err(Stop),
            },
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    self.wrong.push((at, "this alias stands inside of what it names".to_owned()));
                    return self.place(Node { at, value: Value::Broken }, 0);
                };
                self.aliased += size;
                if self.aliased > ALIASED {
                    self.wrong.push((at, format!("aliases add more than {ALIASED} values")));
                    return Err(Stop);
                }
                self.place(node, 0)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn check_tag(&mut self, at: Position, tag: Option<&Tag>) {
        if let Some(tag) = tag
            && !tag.is_yaml_core_schema()
            && tag.to_string() != "!"
        {
            // Not repeated: it may be a password.
            let message = "this is a tag of YAML, and none has a meaning here; a text that begins with ! needs quotes";
            self.wrong.push((at, message.to_owned()));
        }
    }

    fn scalar(&mut self, at: Position, written: String, style: ScalarStyle) -> Value {
        if style == ScalarStyle::Plain && matches!(written.as_str(), "" | "~" | "null" | "Null" | "NULL") {
            return Value::Null;
        }
        match expand(&written, self.environment) {
            Ok(text) => Value::Scalar(Scalar { written, text }),
            Err(messages) => {
                self.wrong.extend(messages.into_iter().map(|message| (at, message)));
                Value::Broken
            }
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { collection: Collection::Map { key: None, .. }, .. }))
    }

    fn begin(&mut self, at: Position, anchor: usize, collection: Collection) -> Result<(), Stop> {
        if self.open.len() == DEPTH {
            self.wrong.push((at, format!("nested deeper than {DEPTH} levels")));
            return Err(Stop);
        }
        self.open.push(Open { at, anchor, collection });
        Ok(())
    }

    /// A node is complete: it belongs to the innermost open collection.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        if anchor > 0 {
            let size = count(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.collection) {
            None => self.root = Some(node),
            Some(Collection::List(items)) => items.push(node),
            Some(Collection::Map { pairs, key }) => match key.take() {
                None => {
                    let name = match node.value {
                        Value::Scalar(scalar) => Some(scalar.text),
                        _ => {
                            self.wrong.push((node.at, "a key is a plain text".to_owned()));
                            None
                        }
                    };
                    *key = Some((node.at, name));
                }
                Some((at, Some(name))) => pairs.push(Pair { at, key: name, node }),
                Some((_, None)) => {}
            },
        }
        Ok(())
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(count).sum(),
        Value::Map(pairs) => pairs.iter().map(|pair| count(&pair.node)).sum(),
        Value::Null | Value::Scalar(_) | Value::Broken => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Option<Node>, Vec<String>) {
        let mut wrong = Vec::new();
        let environment = |name: &str| (name == "A").then(|| "alpha".to_owned());
        let node = parse(text, &environment, &mut wrong);
        (node, wrong.into_iter().map(|(at, text)| format!("{}:{}: {text}", at.line, at.column)).collect())
    }

    fn map(node: &Node) -> &[Pair] {
        match &node.value {
            Value::Map(pairs) => pairs,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_and_values_know_their_places() {
        let (node, wrong) = parsed("\u{feff}# first\na: 1\nb:\n  - é: \"${A}\"\n    c: {d: x}\n  -\n");
        assert!(wrong.is_empty(), "{wrong:?}");
        let node = node.unwrap();
        let top = map(&node);
        assert_eq!((top[0].at, top[0].node.at), (Position { line: 2, column: 1 }, Position { line: 2, column: 4 }));
        let Value::List(items) = &top[1].node.value else { panic!() };
        assert_eq!(items[0].at, Position { line: 4, column: 5 });
        let inner = map(&items[0]);
        assert_eq!((inner[0].key.as_str(), inner[0].node.at), ("é", Position { line: 4, column: 8 }));
        let Value::Scalar(scalar) = &inner[0].node.value else { panic!() };
        assert_eq!((scalar.written.as_str(), scalar.text.as_str()), ("${A}", "alpha"));
        assert_eq!(map(&inner[1].node)[0].at, Position { line: 5, column: 9 });
        assert!(matches!(items[1].value, Value::Null));
    }

    #[test]
    fn keys_are_not_expanded_and_duplicates_are_kept_for_the_walk() {
        let (node, wrong) = parsed("${A}: 1\n${A}: 2\n");
        assert!(wrong.is_empty());
        assert_eq!(map(&node.unwrap()).iter().map(|pair| pair.key.as_str()).collect::<Vec<_>>(), ["${A}", "${A}"]);
    }

    #[test]
    fn an_alias_stands_for_what_it_names() {
        let (node, wrong) = parsed("a: &x {k: v}\nb: *x\n");
        assert!(wrong.is_empty());
        let node = node.unwrap();
        assert_eq!(map(&map(&node)[1].node)[0].key, "k");
    }

    #[test]
    fn aliases_cannot_grow_without_bound_and_depth_is_bounded() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..9 {
            let item = format!("*a{}", n - 1);
            bomb.push_str(&format!("a{n}: &a{n} [{}]\n", [item.as_str(); 10].join(",")));
        }
        let (node, wrong) = parsed(&bomb);
        assert!(node.is_none() && wrong[0].contains("aliases add"), "{wrong:?}");
        let (node, wrong) = parsed(&"[".repeat(10_000));
        assert!(node.is_none() && wrong.len() == 1, "{wrong:?}");
    }

    #[test]
    fn what_is_no_document_is_told_with_its_place() {
        for (text, expected) in [
            ("", "1:1: the file is empty"),
            ("# only\n", "1:1: the file is empty"),
            ("a: [1\n", "2:1: this is not YAML"),
            ("a: 1\n---\nb: 2\n", "2:1: a second document"),
            ("a: &x [*x]\n", "1:8: this alias"),
            ("a: !odd 1\n", "1:4: this is a tag"),
            ("? [a]\n: 1\n", "1:3: a key is a plain text"),
            ("a: ${B}\n", "1:4: the environment variable B"),
        ] {
            let (_, wrong) = parsed(text);
            assert!(wrong.first().is_some_and(|message| message.starts_with(expected)), "{text:?}: {wrong:?}");
        }
    }
}
