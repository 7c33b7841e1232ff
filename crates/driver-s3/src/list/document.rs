//! The document of a listing, before anything in it is believed.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::error::{NOT_S3, is_web_page};

/// Why a document is no listing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAListing {
    #[error("the listing is cut")]
    Cut,
    /// Also what a key makes of a document that XML cannot say.
    #[error("the listing is not XML: {0}")]
    Garbled(String),
    #[error("the listing declares a document type, as no S3 server does; it is not read")]
    Declares,
    #[error("{NOT_S3}")]
    WebPage,
    /// An error with the status of a success. What it says is in the document.
    #[error("the answer is an error")]
    Error,
    #[error("the answer is not a listing; is the endpoint that of the S3 API?")]
    Another,
}

/// Refuses a listing whose document is cut or garbled. The SDK reads such a document as far as it goes and takes what it
/// found for all there is.
#[derive(Debug)]
pub(crate) struct WholeListing;

impl Intercept for WholeListing {
    fn name(&self) -> &'static str {
        "WholeListing"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        match response.body().bytes() {
            Some(body) if response.status().is_success() => Ok(check(body, "ListBucketResult")?),
            // A body that did not arrive is an error already.
            _ => Ok(()),
        }
    }
}

/// Whether this is one whole element of this name and nothing else.
pub(crate) fn check(document: &[u8], root: &str) -> Result<(), NotAListing> {
    if is_web_page(document) {
        return Err(NotAListing::WebPage);
    }
    let mut reader = Reader::from_reader(document);
    let mut depth = 0_u32;
    let mut found = false;
    loop {
        match reader.read_event() {
            Err(quick_xml::Error::Syntax(_)) => return Err(NotAListing::Cut),
            Err(error) => return Err(NotAListing::Garbled(error.to_string())),
            Ok(Event::Eof) if found && depth == 0 => return Ok(()),
            Ok(Event::Eof) => return Err(NotAListing::Cut),
            Ok(Event::DocType(_)) => return Err(NotAListing::Declares),
            Ok(Event::Start(start)) => {
                if depth == 0 && (found || start.local_name().as_ref() != root) {
                    let is_error = !found && start.local_name().as_ref() == "Error";
                    return Err(if is_error { NotAListing::Error } else { NotAListing::Another });
                }
                found = true;
                depth += 1;
            }
            // The reader has seen that it ends what was begun.
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_document_is_a_listing() {
        let check = |text: &str| check(text.as_bytes(), "L");
        assert!(check("<?xml version=\"1.0\"?>\n<L xmlns=\"x\"><a>&amp;</a><b/></L>\n").is_ok());
        for text in ["", "<L>", "<L><a></L>", "<L><a>x</b></L>", "<M></M>", "<L></L><L>", "<L></L", "<L></L><M></M>"] {
            assert!(check(text).is_err(), "{text:?}");
        }
        let bomb = "<!DOCTYPE L [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><L>&b;</L>";
        assert_eq!(check(bomb), Err(NotAListing::Declares));
        assert_eq!(check("<L><a>x"), Err(NotAListing::Cut));
        assert_eq!(check("<M></M>"), Err(NotAListing::Another));
        assert_eq!(check("<Error></Error>"), Err(NotAListing::Error));
        assert_eq!(check("\n<!DOCTYPE html><html lang=en></html>"), Err(NotAListing::WebPage));
    }
}
