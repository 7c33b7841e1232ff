//! Links: signed with aws-sigv4 for exactly the URL that the client will send, without a call.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use davmux_driver::{Error, ErrorKind, Link, LinkRequest, Native, RelPath, Result};
use http::{Request, Uri};

use crate::bucket::Bucket;
use crate::credentials::Signer;
use crate::error::{Failure, backend};
use crate::key::encode_value;
use crate::options::{LinkDisposition, RelayFrom};
use crate::place::Place;

/// The longest life that S3 gives a link.
const LONGEST: u64 = 7 * 24 * 60 * 60;
/// The life of a link that this process follows itself.
const RELAY: Duration = Duration::from_secs(15 * 60);

/// A link for a client; `Declined` where no client could follow it.
pub(crate) async fn link(bucket: &Bucket, path: &RelPath, request: &LinkRequest) -> Result<Native<Link>> {
    if bucket.settings.needs_key_to_read() {
        return Ok(Native::Declined);
    }
    let place = match &bucket.custom {
        Some(custom) if !custom.presign => return unsigned(bucket, path, &custom.place).map(Native::Done),
        Some(custom) => &custom.place,
        None => &bucket.endpoint,
    };
    // The whole URL first, the signature last.
    let mut url = place.url(&bucket.root.key(path));
    let mut separator = '?';
    let mut add = |name: &str, value: &str| {
        let _ = write!(url, "{separator}{name}={}", encode_value(value));
        separator = '&';
    };
    if let Some(disposition) = disposition(bucket.link_disposition, path) {
        add("response-content-disposition", &disposition);
    }
    if let Some(content_type) = request.content_type.as_deref() {
        add("response-content-type", content_type);
    }
    signed(bucket, path, &url, &[], request.valid_for).await.map(Signed::link).map(Native::Done)
}

/// A signed link of the endpoint itself, whatever host links usually name.
pub(crate) async fn endpoint_link(bucket: &Bucket, path: &RelPath, valid_for: Duration) -> Result<Link> {
    signed(bucket, path, &bucket.endpoint.url(&bucket.root.key(path)), &[], valid_for).await.map(Signed::link)
}

/// The name of a file for its receiver (RFC 6266 section 4.3, RFC 8187).
fn disposition(wanted: LinkDisposition, path: &RelPath) -> Option<String> {
    let word = match wanted {
        LinkDisposition::None => return None,
        LinkDisposition::Inline => "inline",
        LinkDisposition::Attachment => "attachment",
    };
    Some(format!("{word}; filename*=UTF-8''{}", encode_value(path.name())))
}

/// A request by which this process reads a file itself.
pub(crate) struct RelayRequest {
    pub(crate) request: http::request::Builder,
    /// The time in its signature, where it has one.
    pub(crate) signed: Option<SystemTime>,
}

pub(crate) async fn relay_request(bucket: &Bucket, path: &RelPath) -> Result<RelayRequest> {
    let place = match (&bucket.custom, bucket.relay_from) {
        (Some(custom), RelayFrom::CustomHost) if !custom.presign => {
            let request = with_agent(bucket, Request::get(unsigned(bucket, path, &custom.place)?.url));
            return Ok(RelayRequest { request, signed: None });
        }
        (Some(custom), RelayFrom::CustomHost) => &custom.place,
        _ => &bucket.endpoint,
    };
    let headers = bucket.settings.read_headers();
    let signed = signed(bucket, path, &place.url(&bucket.root.key(path)), &headers, RELAY).await?;
    let request = with_agent(bucket, Request::get(signed.url));
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    Ok(RelayRequest { request, signed: Some(signed.at) })
}

/// Whether this process reads from a public host, without a signature.
pub(crate) fn relays_unsigned(bucket: &Bucket) -> bool {
    bucket.relay_from == RelayFrom::CustomHost && bucket.custom.as_ref().is_some_and(|custom| !custom.presign)
}

/// A request to where such a host redirected.
pub(crate) fn follow_request(bucket: &Bucket, url: Uri) -> http::request::Builder {
    with_agent(bucket, Request::get(url))
}

fn with_agent(bucket: &Bucket, request: http::request::Builder) -> http::request::Builder {
    match &bucket.settings.user_agent {
        Some(agent) => request.header(http::header::USER_AGENT, agent),
        None => request,
    }
}

fn unsigned(bucket: &Bucket, path: &RelPath, place: &Place) -> Result<Link> {
    let url = place.url(&bucket.root.key(path)).parse().map_err(|_| too_long(path))?;
    Ok(Link { url, expires_at: None })
}

/// A URL with a signature.
struct Signed {
    url: Uri,
    /// The time in the signature, by the storage's clock.
    at: SystemTime,
    /// By this machine's clock.
    expires_at: SystemTime,
}

impl Signed {
    fn link(self) -> Link {
        Link { url: self.url, expires_at: Some(self.expires_at) }
    }
}

async fn signed(
    bucket: &Bucket,
    path: &RelPath,
    url: &str,
    headers: &[(&'static str, String)],
    valid_for: Duration,
) -> Result<Signed> {
    let keys = async || {
        let signer = bucket.keys.signer_for(valid_for).await;
        signer.map_err(|why| bucket.failed("link", path, Failure::keys(&why)))
    };
    let mut signer = keys().await?;
    let ours = SystemTime::now();
    let at = bucket.clock.at(ours);
    // Keys are renewed by this machine's clock, and end by the storage's.
    if life(at, valid_for, signer.expiry()).is_none() && bucket.keys.refused(signer.credentials.access_key_id()) {
        signer = keys().await?;
    }
    let Some(life) = life(at, valid_for, signer.expiry()) else {
        return Err(Error::new(ErrorKind::Denied, "link", path).with_detail("the credentials have expired"));
    };
    let url = sign_get(&signer, &bucket.region, url, headers, at, life).ok_or_else(|| too_long(path))?;
    Ok(Signed { url, at, expires_at: whole_second(ours) + life })
}

/// A link is signed at a whole second, so it must last from there: rounded up, within what S3 takes and not past the
/// life of the credentials.
fn life(now: SystemTime, valid_for: Duration, expiry: Option<SystemTime>) -> Option<Duration> {
    let begun = now.duration_since(whole_second(now)).unwrap_or_default();
    let wanted = valid_for.min(Duration::from_secs(LONGEST)) + begun;
    let seconds = wanted.as_secs() + u64::from(wanted.subsec_nanos() > 0);
    let seconds = seconds.clamp(1, LONGEST);
    let left = match expiry {
        Some(expiry) => expiry.duration_since(whole_second(now)).unwrap_or_default().as_secs(),
        None => LONGEST,
    };
    (left > 0).then(|| Duration::from_secs(seconds.min(left)))
}

fn whole_second(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// Signs a GET of a URL whose path and query are encoded already, and of the headers that it will carry.
fn sign_get(
    signer: &Signer,
    region: &str,
    url: &str,
    headers: &[(&'static str, String)],
    now: SystemTime,
    life: Duration,
) -> Option<Uri> {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(life);
    let params = v4::SigningParams::builder()
        .identity(&signer.identity)
        .region(region)
        .name("s3")
        .time(now)
        .settings(settings)
        .build()
        .ok()?
        .into();
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let request = SignableRequest::new("GET", url, headers, SignableBody::UnsignedPayload).ok()?;
    let (instructions, _) = sign(request, &params).ok()?.into_parts();
    let mut request = Request::get(url).body(()).ok()?;
    instructions.apply_to_request_http1x(&mut request);
    Some(std::mem::take(request.uri_mut()))
}

fn too_long(path: &RelPath) -> Error {
    backend("link", path, "the link would be too long for a URL")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_credential_types::Credentials;

    use super::*;
    use crate::credentials::{Keys, Source};
    use crate::options::{S3Options, Secret};

    fn bucket(change: impl FnOnce(&mut S3Options)) -> Bucket {
        let mut options = S3Options::new("films");
        options.endpoint = Some("http://127.0.0.1:9000".into());
        options.access_key_id = Some("id".into());
        options.secret_access_key = Some(Secret::new("secret"));
        change(&mut options);
        Bucket::new(&options, None).unwrap()
    }

    async fn url(bucket: &Bucket) -> Uri {
        let request = LinkRequest { valid_for: Duration::from_secs(60), content_type: None };
        done(link(bucket, &RelPath::parse("a b/c").unwrap(), &request).await).url
    }

    fn done(link: Result<Native<Link>>) -> Link {
        match link.unwrap() {
            Native::Done(link) => link,
            Native::Declined => panic!("declined"),
        }
    }

    #[tokio::test]
    async fn a_link_names_the_endpoint_and_is_signed() {
        let url = url(&bucket(|_| ())).await;
        assert!(url.to_string().starts_with("http://127.0.0.1:9000/films/a%20b/c?"), "{url}");
        assert!(url.query().unwrap().contains("X-Amz-Signature="));
        assert!(url.query().unwrap().contains("X-Amz-SignedHeaders=host&") || url.query().unwrap().ends_with("host"));
    }

    #[tokio::test]
    async fn a_custom_host_is_unsigned_unless_asked() {
        let link_of = |options: fn(&mut S3Options)| async move { url(&bucket(options)).await.to_string() };
        let plain = link_of(|options| options.custom_host = Some("cdn.example.com".into())).await;
        assert_eq!(plain, "http://cdn.example.com/films/a%20b/c", "the scheme is the endpoint's");
        let removed = link_of(|options| {
            options.custom_host = Some("https://cdn.example.com/base/".into());
            options.remove_bucket = true;
        })
        .await;
        assert_eq!(removed, "https://cdn.example.com/base/a%20b/c");
        let signed = link_of(|options| {
            options.custom_host = Some("https://cdn.example.com".into());
            options.custom_host_presign = true;
            options.remove_bucket = true;
        })
        .await;
        assert!(signed.starts_with("https://cdn.example.com/a%20b/c?X-Amz-"), "{signed}");
    }

    #[tokio::test]
    async fn an_unsigned_link_does_not_expire_and_a_signed_one_says_when() {
        let request = LinkRequest { valid_for: Duration::from_secs(60), content_type: Some("a/b".into()) };
        let path = RelPath::parse("c").unwrap();
        let cdn = bucket(|options| options.custom_host = Some("cdn.example.com".into()));
        assert_eq!(done(link(&cdn, &path, &request).await).expires_at, None);
        let signed = done(link(&bucket(|_| ()), &path, &request).await);
        assert!(signed.expires_at.unwrap() >= SystemTime::now() + Duration::from_secs(58));
        assert!(signed.url.query().unwrap().contains("response-content-type=a%2Fb"));
    }

    #[tokio::test]
    async fn a_link_ends_with_its_keys_by_the_storages_clock() {
        const MINUTE: Duration = Duration::from_secs(60);
        let end = SystemTime::now() + 10 * MINUTE;
        let ends_after = |ahead: Duration| async move {
            let keys = Credentials::new("id", "secret", Some("token".into()), Some(end), "test");
            let mut options = S3Options::new("films");
            options.endpoint = Some("http://127.0.0.1:9000".into());
            let bucket = Bucket::new(&options, Some(Arc::new(Keys::new(Source::Fixed(keys))))).unwrap();
            bucket.clock.hear(Some(&httpdate::fmt_http_date(SystemTime::now() + ahead)), None);
            let request = LinkRequest { valid_for: 60 * MINUTE, content_type: None };
            link(&bucket, &RelPath::parse("a").unwrap(), &request).await.map(|link| done(Ok(link)).expires_at.unwrap())
        };
        // A `Date` has whole seconds.
        assert!(ends_after(Duration::ZERO).await.unwrap() <= end);
        assert!(ends_after(5 * MINUTE).await.unwrap() <= end - 5 * MINUTE + Duration::from_secs(2));
        assert_eq!(ends_after(20 * MINUTE).await.unwrap_err().kind(), ErrorKind::Denied);
    }

    #[test]
    fn a_life_is_whole_seconds_within_bounds() {
        let now = UNIX_EPOCH + Duration::from_millis(1_000_400);
        let secs = |valid: Duration, expiry| life(now, valid, expiry).map(|life| life.as_secs());
        assert_eq!(secs(Duration::ZERO, None), Some(1));
        assert_eq!(secs(Duration::from_secs(10), None), Some(11), "ten seconds from now, not from the second's begin");
        assert_eq!(secs(Duration::from_secs(u64::MAX), None), Some(LONGEST));
        assert_eq!(secs(Duration::from_secs(60), Some(now + Duration::from_secs(5))), Some(5));
        assert_eq!(secs(Duration::from_secs(60), Some(now - Duration::from_secs(5))), None);
    }
}
