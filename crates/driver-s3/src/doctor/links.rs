//! Links, followed as a client follows them.

use std::time::Duration;

use bytes::Bytes;
use davmux_driver::{Finding, LinkRequest, Native};
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};

use super::{CONTENT, Doctor, said, words};
use crate::error::Failure;
use crate::{link, read};

const LINK: &str = "link";
const CUSTOM: &str = "custom host";
/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);
/// The most of a body that is read.
const BODY: usize = 64 * 1024;

/// An answer to a link.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Doctor<'_> {
    pub(super) async fn links(&self) {
        self.begin(LINK);
        if self.bucket.settings.needs_key_to_read() {
            self.tell(Finding::skipped(LINK, "objects with a customer key have no links; all reads are relayed"));
            return;
        }
        if let Err(failure) = self.put_small("small").await {
            self.tell(Finding::skipped(LINK, words(&failure)));
            return;
        }
        let url = match link::endpoint_link(self.bucket, &self.path("small"), Duration::from_secs(300)).await {
            Ok(link) => link.url,
            Err(error) => {
                self.tell(Finding::fails(LINK, said(&error)));
                return;
            }
        };
        let got = match follow(Method::GET, &url, None).await {
            Ok(answer) if answer.status == StatusCode::OK && answer.body == CONTENT => answer,
            Ok(answer) => {
                self.tell(
                    Finding::fails(LINK, format!("a signed link does not work: {}", refusal(&answer)))
                        .advise("with `read: relay` everything passes through this server"),
                );
                return;
            }
            Err(failure) => {
                self.tell(Finding::fails(LINK, words(&failure)));
                return;
            }
        };
        self.tell(Finding::works(LINK, "a signed link of the endpoint gives the object"));
        let disposition = got.headers.get(header::CONTENT_DISPOSITION).and_then(|value| value.to_str().ok());
        if disposition.is_some_and(|value| value.to_ascii_lowercase().starts_with("attachment")) {
            self.tell(
                Finding::notice(
                    "forced download",
                    "the storage makes every link of its own host a download to be saved",
                )
                .advise("bind a domain to the bucket and name it in `custom_host` with `custom_host_presign: true`"),
            );
        }
        self.begin("range on a link");
        let range = follow(Method::GET, &url, Some("bytes=1-3")).await;
        self.tell(match range {
            Ok(answer) if answer.status == StatusCode::PARTIAL_CONTENT && answer.body == CONTENT[1..4] => {
                Finding::works("range on a link", "a part of an object is given: players can seek")
            }
            Ok(answer) => Finding::fails("range on a link", format!("ranges are ignored: {}", refusal(&answer)))
                .advise("players cannot seek on links of this storage; set `read: relay`"),
            Err(failure) => Finding::fails("range on a link", words(&failure)),
        });
        self.begin("HEAD on a link");
        self.tell(match follow(Method::HEAD, &url, None).await {
            Ok(answer) if answer.status.is_success() => {
                Finding::works("HEAD on a link", "a link for GET answers HEAD too; davmux answers HEAD itself anyway")
            }
            Ok(answer) => Finding::works(
                "HEAD on a link",
                format!(
                    "refused ({}), as a link is signed for GET alone; davmux answers HEAD itself",
                    answer.status.as_u16()
                ),
            ),
            Err(failure) => Finding::notice("HEAD on a link", words(&failure)),
        });
    }

    pub(super) async fn custom_host(&self) {
        self.begin(CUSTOM);
        let Some(custom) = &self.bucket.custom else {
            self.tell(Finding::skipped(CUSTOM, "none is set; links name the endpoint"));
            return;
        };
        if self.bucket.settings.needs_key_to_read() {
            self.tell(Finding::skipped(CUSTOM, "objects with a customer key have no links"));
            return;
        }
        let request = LinkRequest { valid_for: Duration::from_secs(300), content_type: None };
        let url = match link::link(self.bucket, &self.path("small"), &request).await {
            Ok(Native::Done(link)) => link.url,
            Ok(Native::Declined) => return,
            Err(error) => {
                self.tell(Finding::fails(CUSTOM, said(&error)));
                return;
            }
        };
        let place = custom.place.base_url();
        let finding = match follow(Method::GET, &url, None).await {
            Ok(answer) if answer.status == StatusCode::OK && answer.body == CONTENT => {
                let how = if custom.presign { "signed" } else { "unsigned" };
                Finding::works(CUSTOM, format!("{how} links of {place} give the object"))
            }
            Ok(answer) => {
                let advice = match (custom.presign, answer.status.as_u16()) {
                    (false, 401 | 403) => {
                        "the object is not public there: make the host public, or set `custom_host_presign: true` where it \
                         is bound to the bucket"
                    }
                    (true, 401 | 403) => {
                        "the host does not take the signature: it must be bound to the bucket and pass on the name in Host; \
                         a CDN with rules of its own needs `custom_host_presign: false`"
                    }
                    (_, 404) => {
                        "the path does not fit: try the other value of `remove_bucket`, and whether the host stands for a \
                         folder of the bucket"
                    }
                    _ => "look whether this host gives objects of the bucket at all",
                };
                Finding::fails(CUSTOM, format!("links of {place} do not work: {}", refusal(&answer))).advise(advice)
            }
            Err(failure) => Finding::fails(CUSTOM, format!("{place}: {}", words(&failure))),
        };
        self.tell(finding);
    }
}

async fn follow(method: Method, url: &Uri, range: Option<&str>) -> Result<Answer, Failure> {
    let http = read::http().map_err(|error| Failure::nonsense(error.to_string()))?;
    let mut request = Request::builder().method(method).uri(url.clone());
    if let Some(range) = range {
        request = request.header(header::RANGE, range);
    }
    let request = request.body(Bytes::new().into()).map_err(|error| Failure::nonsense(error.to_string()))?;
    let work = async {
        let answer = http.request(request).await.map_err(|error| Failure::connection(&error))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, BODY).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    };
    match tokio::time::timeout(LIMIT, work).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::timeout()),
    }
}

fn refusal(answer: &Answer) -> String {
    words(&Failure::answer(answer.status, &answer.headers, &answer.body))
}
