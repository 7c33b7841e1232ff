//! What a worker asks the server, and what it is told: `POST /api/fs/link` of AList and OpenList, both sides of it.
//!
//! The request is `{"path": "/films/a.mkv"}` with the bare token in `Authorization`; the answer is always a 200 that holds the
//! real code: `{"code": 200, "message": "success", "data": {"url": "...", "header": {"Name": ["value"]}}}`
//! (OpenListTeam/OpenList `server/handles/fsmanage.go`, `server/common/common.go`; OpenListTeam/OpenList-Proxy). davmux adds
//! `expires_at` to `data`, in seconds since 1970; workers that do not know it pass over it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::{Map, Value, json};

/// Where it is asked, below where the tree begins.
pub const PATH: &str = "/api/fs/link";
/// The most bytes of a question, and of an answer.
pub const LONGEST: usize = 64 * 1024;

/// The question for the link of a path, as it is sent.
pub fn question(path: &str) -> String {
    json!({ "path": path }).to_string()
}

/// The path in a question; `None` where it is none.
pub fn asked_path(body: &[u8]) -> Option<String> {
    match serde_json::from_slice(body).ok()? {
        Value::Object(mut fields) => match fields.remove("path")? {
            Value::String(path) => Some(path),
            _ => None,
        },
        _ => None,
    }
}

/// Where a worker fetches a file.
#[derive(Clone)]
pub struct Fetch {
    /// The whole URL.
    pub url: Uri,
    /// What is sent along.
    pub headers: HeaderMap,
    /// When the URL stops working; `None`: it does not, or nobody says.
    pub expires_at: Option<SystemTime>,
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.url.authority().map(http::uri::Authority::as_str);
        f.debug_struct("Fetch")
            .field("authority", &authority)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why there is no link; the codes are those of OpenList's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The question is none.
    #[error("the body is not {{\"path\": \"/...\"}}")]
    Question,
    /// The token is not the one.
    #[error("the token is not this server's `proxy_token`")]
    Token,
    /// The mount is not read through a download proxy.
    #[error("there is no link for this path: its mount has no `read: proxy_url`, or its storage gives no links")]
    NoLink,
    /// Nothing is there, or a folder.
    #[error("no file is there")]
    NoFile,
    /// The storage does not answer.
    #[error("the storage does not answer; the server's log says more")]
    Unavailable,
}

impl Refusal {
    /// The code in the answer.
    pub fn code(self) -> u16 {
        match self {
            Self::Question => 400,
            Self::Token => 401,
            Self::NoLink => 403,
            Self::NoFile => 404,
            Self::Unavailable => 500,
        }
    }

    /// One of a fixed set of words, for logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Question => "bad-question",
            Self::Token => "wrong-token",
            Self::NoLink => "no-link",
            Self::NoFile => "no-file",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The body of the server's answer.
pub fn answer(outcome: Result<&Fetch, Refusal>) -> String {
    let answer = match outcome {
        Err(refusal) => json!({ "code": refusal.code(), "message": refusal.to_string(), "data": null }),
        Ok(fetch) => {
            let mut header: Map<String, Value> = Map::new();
            for (name, value) in &fetch.headers {
                let values = header.entry(name.as_str()).or_insert_with(|| json!([]));
                if let (Value::Array(values), Ok(value)) = (values, value.to_str()) {
                    values.push(value.into());
                }
            }
            let mut data = json!({ "url": fetch.url.to_string(), "header": header });
            if let Some(end) = fetch.expires_at {
                data["expires_at"] = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().into();
            }
            json!({ "code": 200, "message": "success", "data": data })
        }
    };
    answer.to_string()
}

/// Why a server's answer is no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFetch {
    /// The server said no, with this code.
    #[error("the server answered with code {code}: {message}")]
    Refused {
        /// Of [`Refusal::code`], or of another program.
        code: u64,
        /// What it said, shortened.
        message: String,
    },
    /// It is not of the form.
    #[error("the server's answer is not that of /api/fs/link: {0}")]
    Malformed(&'static str),
}

/// Reads a server's answer.
///
/// # Errors
/// [`NoFetch`]
pub fn told(body: &[u8]) -> Result<Fetch, NoFetch> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| NoFetch::Malformed("it is no JSON"))?;
    let code = answer["code"].as_u64().ok_or(NoFetch::Malformed("it has no code"))?;
    if code != 200 {
        let message =
            answer["message"].as_str().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(NoFetch::Refused { code, message });
    }
    let data = &answer["data"];
    let url = data["url"].as_str().ok_or(NoFetch::Malformed("it has no URL"))?;
    let url: Uri = url.parse().map_err(|_| NoFetch::Malformed("its URL is none"))?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    if !is_http || url.host().is_none_or(str::is_empty) {
        return Err(NoFetch::Malformed("its URL has no host, or is not of http or https"));
    }
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(NoFetch::Malformed("its URL has a name and a password"));
    }
    let mut headers = HeaderMap::new();
    for (name, values) in data["header"].as_object().into_iter().flatten() {
        for value in values.as_array().into_iter().flatten() {
            let name = HeaderName::from_bytes(name.as_bytes()).ok();
            let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
            let (Some(name), Some(mut value)) = (name, value) else {
                return Err(NoFetch::Malformed("it has a header that is none"));
            };
            value.set_sensitive(true);
            headers.append(name, value);
        }
    }
    let end = data["expires_at"].as_u64().and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    Ok(Fetch { url, headers, expires_at: end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_of_openlists_form_and_is_read_back() {
        let mut headers = HeaderMap::new();
        headers.append("x-one", HeaderValue::from_static("1"));
        headers.append("x-one", HeaderValue::from_static("2"));
        let url: Uri = "https://b.example/k?X-Amz-Signature=0".parse().unwrap();
        let fetch = Fetch { url, headers, expires_at: Some(UNIX_EPOCH + Duration::from_secs(77)) };
        let text = answer(Ok(&fetch));
        let value: Value = serde_json::from_str(&text).unwrap();
        let data = json!({ "url": "https://b.example/k?X-Amz-Signature=0", "header": { "x-one": ["1", "2"] }, "expires_at": 77 });
        assert_eq!(value, json!({ "code": 200, "message": "success", "data": data }));
        let read = told(text.as_bytes()).unwrap();
        assert_eq!(
            (read.url.clone(), read.headers.clone(), read.expires_at),
            (fetch.url, fetch.headers, fetch.expires_at)
        );
        assert!(!format!("{read:?}").contains("Signature"));
    }

    #[test]
    fn a_refusal_is_a_code_and_a_text() {
        for refusal in [Refusal::Question, Refusal::Token, Refusal::NoLink, Refusal::NoFile, Refusal::Unavailable] {
            let error = told(answer(Err(refusal)).as_bytes()).unwrap_err();
            assert_eq!(error, NoFetch::Refused { code: refusal.code().into(), message: refusal.to_string() });
        }
    }

    #[test]
    fn an_answer_that_names_nothing_to_fetch_is_refused() {
        let link = |url: &str| json!({ "code": 200, "message": "", "data": { "url": url } }).to_string();
        assert!(told(link("http://10.0.0.1:9000/a").as_bytes()).is_ok(), "the operator's own network");
        for url in ["", "/a", "//h/a", "file:///etc/passwd", "https://u:p@h/a", "gopher://h/", "http://"] {
            assert!(matches!(told(link(url).as_bytes()), Err(NoFetch::Malformed(_))), "{url}");
        }
        for body in ["", "[]", "{}", "{\"code\":\"200\"}", "{\"code\":200,\"data\":null}"] {
            assert!(matches!(told(body.as_bytes()), Err(NoFetch::Malformed(_))), "{body}");
        }
        let header = json!({ "code": 200, "data": { "url": "http://h/a", "header": { "a\nb": ["c"] } } });
        assert!(told(header.to_string().as_bytes()).is_err());
    }

    #[test]
    fn a_question_is_a_path_and_nothing_else() {
        assert_eq!(asked_path(question("/a \"b\"").as_bytes()).as_deref(), Some("/a \"b\""));
        for body in ["", "{}", "{\"path\": 1}", "[\"path\"]", "path=/a"] {
            assert_eq!(asked_path(body.as_bytes()), None, "{body}");
        }
    }
}
