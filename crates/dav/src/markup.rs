//! Writing an element's content as it came (RFC 4918 section 4.3): with its attributes, its prefixes and mixed content, and
//! so that it can stand anywhere: what it needs of the namespaces around it is declared anew.

use crate::xml::{Attribute, Content, DAV, Element, put_quoted, put_text};
use bytes::{BufMut, BytesMut};

/// A prefix (`""`: none) and the namespace that it stands for (`""`: none).
type Binding<'a> = (&'a str, &'a str);

impl Element {
    /// The content as XML that needs nothing around it; `None` where it is longer than `longest` bytes. A short document can
    /// ask for a very long one: each of many elements may need the declaration of a namespace that was written once.
    pub(crate) fn self_contained(&self, longest: usize) -> Option<String> {
        let mut out = BytesMut::new();
        let mut scope = Vec::new();
        put_content(&mut out, self, &mut scope, longest)?;
        // Made of text and of ASCII.
        String::from_utf8(out.to_vec()).ok()
    }
}

impl Element {
    /// The whole element as XML that stands in an answer, where `D` is bound to `DAV:`; `None` where it is longer than `longest`
    /// bytes. It is of `DAV:` and named with `D`, which some clients look for, unless it binds `D` to something else.
    pub(crate) fn in_multistatus(&self, longest: usize) -> Option<String> {
        let declared = self.declared.iter().map(|(prefix, namespace)| (&**prefix, &**namespace));
        let used = self.attributes.iter().map(|attribute| (&*attribute.prefix, &*attribute.namespace));
        let rebound = declared.chain(used).any(|(prefix, namespace)| prefix == "D" && namespace != DAV);
        let mut named = self.clone();
        if !rebound {
            named.prefix = Box::from("D");
        }
        let mut out = BytesMut::new();
        put_element(&mut out, &named, &mut vec![("D", DAV)], longest)?;
        (out.len() <= longest).then(|| String::from_utf8(out.to_vec()).ok()).flatten()
    }
}

fn put_content<'a>(
    out: &mut BytesMut,
    element: &'a Element,
    scope: &mut Vec<Binding<'a>>,
    longest: usize,
) -> Option<()> {
    for content in &element.content {
        match content {
            Content::Text(text) => put_text(out, text),
            Content::Element(element) => put_element(out, element, scope, longest)?,
        }
        if out.len() > longest {
            return None;
        }
    }
    Some(())
}

fn put_element<'a>(
    out: &mut BytesMut,
    element: &'a Element,
    scope: &mut Vec<Binding<'a>>,
    longest: usize,
) -> Option<()> {
    let outer = scope.len();
    out.put_u8(b'<');
    put_name(out, &element.prefix, &element.name.local);
    let own = (&*element.prefix, &*element.name.namespace);
    let declared = element.declared.iter().map(|(prefix, namespace)| (&**prefix, &**namespace));
    let used = element.attributes.iter().filter(|attribute| !attribute.prefix.is_empty());
    let used = used.map(|attribute| (&*attribute.prefix, &*attribute.namespace));
    for binding in std::iter::once(own).chain(declared).chain(used) {
        if !in_scope(scope, binding) {
            put_declaration(out, binding);
            scope.push(binding);
        }
    }
    for Attribute { prefix, local, value, .. } in &element.attributes {
        out.put_u8(b' ');
        put_name(out, prefix, local);
        put_value(out, value);
    }
    if element.content.is_empty() {
        out.put_slice(b"/>");
    } else {
        out.put_u8(b'>');
        put_content(out, element, scope, longest)?;
        out.put_slice(b"</");
        put_name(out, &element.prefix, &element.name.local);
        out.put_u8(b'>');
    }
    scope.truncate(outer);
    Some(())
}

/// Whether a prefix means this namespace already. Outside there is no default namespace, and `xml` is always there.
fn in_scope(scope: &[Binding<'_>], (prefix, namespace): Binding<'_>) -> bool {
    match scope.iter().rev().find(|(known, _)| *known == prefix) {
        Some((_, known)) => *known == namespace,
        None => prefix == "xml" || (prefix.is_empty() && namespace.is_empty()),
    }
}

fn put_name(out: &mut BytesMut, prefix: &str, local: &str) {
    if !prefix.is_empty() {
        out.put_slice(prefix.as_bytes());
        out.put_u8(b':');
    }
    out.put_slice(local.as_bytes());
}

fn put_declaration(out: &mut BytesMut, (prefix, namespace): Binding<'_>) {
    out.put_slice(b" xmlns");
    if !prefix.is_empty() {
        out.put_u8(b':');
        out.put_slice(prefix.as_bytes());
    }
    put_value(out, namespace);
}

fn put_value(out: &mut BytesMut, value: &str) {
    out.put_slice(b"=\"");
    put_quoted(out, value);
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use crate::xml::parse;
    use proptest::prelude::*;

    const LONG: usize = 10_000;

    fn written(document: &str) -> String {
        parse(document.as_bytes()).unwrap().self_contained(LONG).unwrap()
    }

    #[test]
    fn what_is_declared_outside_is_declared_inside_once() {
        assert_eq!(
            written("<a xmlns='urn:d' xmlns:e='urn:e'>1<e:b><e:c/><d/></e:b>2<d e:x='1' y='2'/></a>"),
            "1<e:b xmlns:e=\"urn:e\"><e:c/><d xmlns=\"urn:d\"/></e:b>2<d xmlns=\"urn:d\" xmlns:e=\"urn:e\" e:x=\"1\" y=\"2\"/>"
        );
        assert_eq!(written("<a><b xmlns='urn:d'><c xmlns=''/></b></a>"), "<b xmlns=\"urn:d\"><c xmlns=\"\"/></b>");
        assert_eq!(
            written("<a xmlns:p='urn:1'><p:b><p:c xmlns:p='urn:2'/><p:d/></p:b></a>"),
            "<p:b xmlns:p=\"urn:1\"><p:c xmlns:p=\"urn:2\"/><p:d/></p:b>"
        );
        // A prefix that only a text uses.
        assert_eq!(written("<a><b xmlns:q='urn:q' t='q:x'/></a>"), "<b xmlns:q=\"urn:q\" t=\"q:x\"/>");
        assert_eq!(written("<a><b xml:lang='en'/></a>"), "<b xml:lang=\"en\"/>");
    }

    #[test]
    fn nothing_breaks_out_of_its_place() {
        assert_eq!(
            written("<a xmlns:e='urn:&quot;&gt;'><e:b c='&quot;&lt;&#10;'>&lt;/a&gt;]]&gt;</e:b></a>"),
            "<e:b xmlns:e=\"urn:&quot;&gt;\" c=\"&quot;&lt;&#10;\">&lt;/a&gt;]]&gt;</e:b>"
        );
    }

    #[test]
    fn a_short_document_does_not_grow_without_bounds() {
        let namespace = "n".repeat(500);
        let document = format!("<a xmlns:e='{namespace}'>{}</a>", "<e:b/>".repeat(1000));
        assert_eq!(parse(document.as_bytes()).unwrap().self_contained(LONG), None);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_written_the_same(
            inner in "(<(p|q|b) (p:x='1'|xmlns='urn:d'|xmlns:p='urn:2'|z='&#9;é')?>|</(p|q|b)>|<p:c/>|t&amp;|<b/>){0,8}"
        ) {
            if let Ok(element) = parse(format!("<a xmlns:p='urn:p'>{inner}</a>").as_bytes()) {
                let once = element.self_contained(LONG).unwrap();
                let again = parse(format!("<a>{once}</a>").as_bytes()).unwrap();
                prop_assert_eq!(again.self_contained(LONG).unwrap(), once);
            }
        }
    }
}
