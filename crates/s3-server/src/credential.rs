//! Who signs a request, and how, read before the signature is checked.

use http::header;
use http::request::Parts;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::operation::query_value;

/// The parts of an AWS signature, version 4, that say something beside the signature itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) access_key: String,
    /// The third word of the scope.
    pub(crate) region: String,
    /// When it was signed.
    pub(crate) signed: Option<OffsetDateTime>,
    pub(crate) signed_headers: Vec<String>,
    pub(crate) session_token: Option<String>,
    /// Seconds that a link lives; `None` for a signature in the header.
    pub(crate) expires: Option<u32>,
}

impl Credential {
    /// From the header or the query; `None` where nobody signed in a way that is known here.
    pub(crate) fn of(request: &Parts) -> Option<Self> {
        let header = |name: &str| request.headers.get(name)?.to_str().ok().map(str::to_owned);
        let query = request.uri.query().unwrap_or_default();
        if let Some(scope) = query_value(query, "X-Amz-Credential") {
            let (access_key, region) = scoped(&scope)?;
            return Some(Self {
                access_key,
                region,
                signed: query_value(query, "X-Amz-Date").as_deref().and_then(time_of),
                signed_headers: names(&query_value(query, "X-Amz-SignedHeaders").unwrap_or_default()),
                session_token: query_value(query, "X-Amz-Security-Token"),
                expires: Some(query_value(query, "X-Amz-Expires")?.parse().ok()?),
            });
        }
        let authorization = header(header::AUTHORIZATION.as_str())?;
        let fields = authorization.strip_prefix("AWS4-HMAC-SHA256")?;
        let field = |name: &str| {
            let found = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
            found.map(str::to_owned)
        };
        let (access_key, region) = scoped(&field("Credential")?)?;
        Some(Self {
            access_key,
            region,
            signed: header("x-amz-date").as_deref().and_then(time_of),
            signed_headers: names(&field("SignedHeaders")?),
            session_token: header("x-amz-security-token"),
            expires: None,
        })
    }
}

/// Access key id and region of `id/date/region/s3/aws4_request`.
fn scoped(scope: &str) -> Option<(String, String)> {
    let mut words = scope.split('/');
    let (access_key, _date, region) = (words.next()?, words.next()?, words.next()?);
    Some((access_key.to_owned(), region.to_owned()))
}

fn names(list: &str) -> Vec<String> {
    list.split(';').map(str::to_owned).collect()
}

fn time_of(text: &str) -> Option<OffsetDateTime> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    PrimitiveDateTime::parse(text, format).ok().map(PrimitiveDateTime::assume_utc)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_read_from_header_and_query() {
        let signed = "AWS4-HMAC-SHA256 Credential=AK/20261121/auto/s3/aws4_request, SignedHeaders=host;x-amz-date, \
                      Signature=00";
        let request = http::Request::get("/a").header("authorization", signed).header("x-amz-date", "20261121T010203Z");
        let found = Credential::of(&request.body(()).unwrap().into_parts().0).unwrap();
        let link = "/a?X-Amz-Credential=AK%2F20261121%2F%2Fs3%2Faws4_request&X-Amz-Date=20261121T010203Z&\
                    X-Amz-SignedHeaders=host&X-Amz-Expires=60&X-Amz-Security-Token=t%2B";
        let request = http::Request::get(link);
        let linked = Credential::of(&request.body(()).unwrap().into_parts().0).unwrap();
        assert_eq!((found.access_key.as_str(), found.region.as_str(), found.expires), ("AK", "auto", None));
        assert_eq!(found.signed_headers, ["host", "x-amz-date"]);
        assert_eq!(found.signed.unwrap().unix_timestamp(), 1_795_222_923);
        assert_eq!((linked.region.as_str(), linked.expires), ("", Some(60)));
        assert_eq!((linked.signed, linked.session_token.as_deref()), (found.signed, Some("t+")));
    }
}
