//! Reading the XML of request bodies, within bounds: no document type, no entities of its own, a limit on depth.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{NamespaceResolver, PrefixDeclaration, ResolveResult};
use quick_xml::{NsReader, XmlVersion};

use crate::status::Failure;

/// The namespace of WebDAV.
pub(crate) const DAV: &str = "DAV:";

/// How deep elements may lie in each other.
const DEEPEST: usize = 32;
/// How many elements a body may hold; its length is bounded too.
const MOST_ELEMENTS: usize = 50_000;
/// How many attributes and declarations an element may have.
const MOST_ATTRIBUTES: usize = 100;
/// The longest namespace in bytes: declared once, it may have to be written many times.
const LONGEST_NAMESPACE: usize = 512;

/// The name of an element or a property.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    /// `""`: none.
    pub(crate) namespace: Arc<str>,
    pub(crate) local: Arc<str>,
}

impl Name {
    pub(crate) fn new(namespace: &str, local: &str) -> Self {
        Self { namespace: Arc::from(namespace), local: Arc::from(local) }
    }

    pub(crate) fn is_dav(&self, local: &str) -> bool {
        &*self.namespace == DAV && &*self.local == local
    }

    /// Writes an empty element of this name, in a document that binds `D` to `DAV:` and has no default namespace.
    pub(crate) fn put_empty(&self, out: &mut BytesMut) {
        self.put_start(out);
        out.put_slice(b"/>");
    }

    /// Writes the start of its tag, without the end of that.
    pub(crate) fn put_start(&self, out: &mut BytesMut) {
        match &*self.namespace {
            DAV => {
                out.put_slice(b"<D:");
                out.put_slice(self.local.as_bytes());
            }
            "" => {
                out.put_u8(b'<');
                out.put_slice(self.local.as_bytes());
            }
            namespace => {
                out.put_slice(b"<x:");
                out.put_slice(self.local.as_bytes());
                out.put_slice(b" xmlns:x=\"");
                put_quoted(out, namespace);
                out.put_u8(b'"');
            }
        }
    }

    pub(crate) fn put_end(&self, out: &mut BytesMut) {
        out.put_slice(match &*self.namespace {
            DAV => b"</D:",
            "" => b"</",
            _ => b"</x:",
        });
        out.put_slice(self.local.as_bytes());
        out.put_u8(b'>');
    }
}

/// An element with what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: Name,
    /// The prefix that it was written with; `""`: none.
    pub(crate) prefix: Box<str>,
    /// In their order, without declarations of namespaces.
    pub(crate) attributes: Vec<Attribute>,
    /// Prefixes that it declares (`""`: the default) and their namespaces.
    pub(crate) declared: Vec<(Box<str>, Box<str>)>,
    pub(crate) content: Vec<Content>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// `""`: none.
    pub(crate) prefix: Box<str>,
    pub(crate) local: Box<str>,
    /// `""`: none.
    pub(crate) namespace: Box<str>,
    pub(crate) value: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Element(Element),
    Text(String),
}

impl Element {
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.content.iter().filter_map(|content| match content {
            Content::Element(element) => Some(element),
            Content::Text(_) => None,
        })
    }

    /// The first child of this name in `DAV:`.
    pub(crate) fn dav(&self, local: &str) -> Option<&Self> {
        self.elements().find(|element| element.name.is_dav(local))
    }

    /// Its own text.
    pub(crate) fn text(&self) -> String {
        self.content
            .iter()
            .filter_map(|content| match content {
                Content::Text(text) => Some(text.as_str()),
                Content::Element(_) => None,
            })
            .collect()
    }

    /// Its language (`xml:lang`), where it says one.
    pub(crate) fn lang(&self) -> Option<&str> {
        let lang = self.attributes.iter().find(|attribute| &*attribute.prefix == "xml" && &*attribute.local == "lang");
        lang.map(|attribute| &*attribute.value)
    }
}

/// Writes text between tags, with what XML and HTML would misread there escaped.
pub(crate) fn put_text(out: &mut BytesMut, text: &str) {
    put(out, text, |byte| match byte {
        b'&' => Some(b"&amp;"),
        b'<' => Some(b"&lt;"),
        b'>' => Some(b"&gt;"),
        b'\r' => Some(b"&#13;"),
        _ => None,
    });
}

/// Writes text inside double quotes.
pub(crate) fn put_quoted(out: &mut BytesMut, text: &str) {
    put(out, text, |byte| match byte {
        b'&' => Some(b"&amp;"),
        b'<' => Some(b"&lt;"),
        b'>' => Some(b"&gt;"),
        b'"' => Some(b"&quot;"),
        b'\t' => Some(b"&#9;"),
        b'\n' => Some(b"&#10;"),
        b'\r' => Some(b"&#13;"),
        _ => None,
    });
}

fn put(out: &mut BytesMut, text: &str, escape: impl Fn(u8) -> Option<&'static [u8]>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if let Some(escaped) = escape(byte) {
            out.put_slice(&bytes[from..at]);
            out.put_slice(escaped);
            from = at + 1;
        }
    }
    out.put_slice(&bytes[from..]);
}

/// Reads a whole document; 400 for anything that is not one, or that goes beyond the bounds.
pub(crate) fn parse(body: &[u8]) -> Result<Element, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("it is not UTF-8"))?;
    let mut reader = NsReader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    let mut count = 0;
    loop {
        let (resolved, event) = reader.read_resolved_event().map_err(|_| malformed("it is not well-formed"))?;
        match event {
            Event::Start(start) => {
                count += 1;
                if root.is_some() {
                    return Err(malformed("it has more than one root element"));
                }
                if open.len() == DEEPEST || count > MOST_ELEMENTS {
                    return Err(malformed("it holds too much"));
                }
                let namespace = match resolved {
                    ResolveResult::Bound(namespace) => unescape(namespace.0).map_err(|_| malformed("a namespace"))?,
                    ResolveResult::Unbound => "".into(),
                    ResolveResult::Unknown(_) => return Err(malformed("a prefix is not declared")),
                };
                check_characters(&namespace)?;
                let local = start.local_name();
                let local: &str = local.as_ref();
                if !is_name(local) {
                    return Err(malformed("an element's name is not one"));
                }
                if namespace.len() > LONGEST_NAMESPACE {
                    return Err(malformed("it holds too much"));
                }
                let name = Name { namespace: Arc::from(&*namespace), local: Arc::from(local) };
                let prefix = match start.name().prefix() {
                    Some(prefix) if is_name(prefix.as_ref()) => Box::from(prefix.as_ref()),
                    Some(_) => return Err(malformed("an element's name is not one")),
                    None => Box::default(),
                };
                let (attributes, declared) = attributes(&start, reader.resolver())?;
                open.push(Element { name, prefix, attributes, declared, content: Vec::new() });
            }
            Event::End(_) => {
                let Some(element) = open.pop() else { return Err(malformed("it is not well-formed")) };
                match open.last_mut() {
                    Some(parent) => parent.content.push(Content::Element(element)),
                    None => root = Some(element),
                }
            }
            // Expanded above.
            Event::Empty(_) => return Err(malformed("it is not well-formed")),
            Event::Text(text) => add_text(&mut open, &text.xml10_content())?,
            Event::CData(text) => add_text(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|_| malformed("a character reference"))?;
                match (character, resolve_predefined_entity(&reference)) {
                    (Some(character), _) => add_text(&mut open, character.encode_utf8(&mut [0; 4]))?,
                    (None, Some(text)) => add_text(&mut open, text)?,
                    (None, None) => return Err(malformed("it uses an entity")),
                }
            }
            Event::DocType(_) => return Err(malformed("it has a document type")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match root {
        Some(root) if open.is_empty() => Ok(root),
        _ => Err(malformed("it ends too early")),
    }
}

type Attributes = (Vec<Attribute>, Vec<(Box<str>, Box<str>)>);

/// The attributes of an element, and the namespaces that it declares.
fn attributes(start: &BytesStart<'_>, resolver: &NamespaceResolver) -> Result<Attributes, Failure> {
    let (mut attributes, mut declared): Attributes = Default::default();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| malformed("an attribute"))?;
        // Each is compared with all before it.
        if attributes.len() + declared.len() == MOST_ATTRIBUTES {
            return Err(malformed("it holds too much"));
        }
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| malformed("an attribute"))?;
        check_characters(&value)?;
        let (local, prefix) = attribute.key.decompose();
        let (local, prefix) = (local.as_ref(), prefix.map_or("", |prefix| prefix.into_inner()));
        if let Some(declaration) = attribute.key.as_namespace_binding() {
            let prefix = match declaration {
                PrefixDeclaration::Default => "",
                PrefixDeclaration::Named(prefix) => prefix,
            };
            // Namespaces in XML 1.0, section 2.2: a prefix may not be unbound.
            if !prefix.is_empty() && (value.is_empty() || !is_name(prefix)) {
                return Err(malformed("a prefix is bound to nothing"));
            }
            if value.len() > LONGEST_NAMESPACE {
                return Err(malformed("it holds too much"));
            }
            if prefix != "xml" {
                declared.push((Box::from(prefix), Box::from(&*value)));
            }
            continue;
        }
        if !is_name(local) || !(prefix.is_empty() || is_name(prefix)) {
            return Err(malformed("an attribute's name is not one"));
        }
        let namespace = match resolver.resolve_attribute(attribute.key).0 {
            ResolveResult::Bound(namespace) => unescape(namespace.0).map_err(|_| malformed("a namespace"))?,
            ResolveResult::Unbound => "".into(),
            ResolveResult::Unknown(_) => return Err(malformed("a prefix is not declared")),
        };
        let same = |known: &Attribute| *known.local == *local && *known.namespace == *namespace;
        if attributes.iter().any(same) {
            return Err(malformed("an attribute is there twice"));
        }
        attributes.push(Attribute {
            prefix: Box::from(prefix),
            local: Box::from(local),
            namespace: Box::from(&*namespace),
            value: Box::from(&*value),
        });
    }
    Ok((attributes, declared))
}

fn add_text(open: &mut [Element], text: &str) -> Result<(), Failure> {
    check_characters(text)?;
    match open.last_mut() {
        Some(element) => match element.content.last_mut() {
            Some(Content::Text(former)) => former.push_str(text),
            _ => element.content.push(Content::Text(text.to_owned())),
        },
        None if text.trim().is_empty() => {}
        None => return Err(malformed("text stands outside its root element")),
    }
    Ok(())
}

/// XML 1.0 section 2.2, production Char.
fn check_characters(text: &str) -> Result<(), Failure> {
    let odd = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    if text.chars().any(odd) { Err(malformed("it holds a control character")) } else { Ok(()) }
}

/// Whether a text may be written as an element's name: stricter than XML for ASCII, laxer beyond it.
fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || (!c.is_ascii() && c.is_alphanumeric()))
        && characters.all(|c| {
            c.is_ascii_alphanumeric()
                || matches!(c, '-' | '.' | '_')
                || (!c.is_ascii() && !c.is_whitespace() && !c.is_control())
        })
}

fn malformed(why: &'static str) -> Failure {
    Failure::bad_request(format!("the XML of the request cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn namespaces_count_and_not_prefixes() {
        let root = parse(b"<?xml version=\"1.0\"?>\n<propfind xmlns='DAV:'><X:prop xmlns:X='DAV:'><a xmlns='urn:a&amp;b'/><b xmlns=''/></X:prop></propfind>").unwrap();
        assert!(root.name.is_dav("propfind"));
        let prop = root.dav("prop").unwrap();
        let names: Vec<_> = prop.elements().map(|e| (e.name.namespace.to_string(), e.name.local.to_string())).collect();
        assert_eq!(names, [("urn:a&b".to_owned(), "a".to_owned()), (String::new(), "b".to_owned())]);
    }

    #[test]
    fn text_is_put_together_from_all_its_forms() {
        let root = parse("<a>x &lt;&#233;<![CDATA[<y>]]>\r\nz</a>".as_bytes()).unwrap();
        assert_eq!(root.text(), "x <é<y>\nz");
    }

    #[test]
    fn what_is_not_a_document_is_400() {
        let deep = format!("{}{}", "<a>".repeat(DEEPEST + 1), "</a>".repeat(DEEPEST + 1));
        for bad in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>x",
            "<a>&e;</a>",
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>",
            "<b:a/>",
            "<b:a xmlns:b=''/>",
            "<a b:c=''/>",
            "<a p:c='' q:c='' xmlns:p='urn:n' xmlns:q='urn:n'/>",
            "<a b='&e;'/>",
            "<a 1=''/>",
            "<a b='1' b='2'/>",
            "<a>&#0;</a>",
            "<a>&#1;</a>",
            "<a>\u{1}</a>",
            "<a'b/>",
            "<1/>",
            deep.as_str(),
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(parse(b"<a>\xff</a>").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(text in "[<>/a-c:='\"&;#x! \\[\\]\\-?é]{0,60}") {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn text_comes_through_escaped(text in "\\PC{0,40}") {
            let mut out = BytesMut::from(&b"<a>"[..]);
            put_text(&mut out, &text);
            out.put_slice(b"</a>");
            prop_assert_eq!(parse(&out).unwrap().text(), text);
        }
    }
}
