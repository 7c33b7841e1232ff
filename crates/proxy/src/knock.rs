//! Whether a download proxy is where the server sends its clients.

use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;

use crate::backend::{Backend, whole};
use crate::{BaseUrl, NoRoots, api};

/// Of nobody, and over since 1970.
const WRONG: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:1";

/// What answers a link with a wrong signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knock {
    /// It is refused, as a download proxy does.
    Refused,
    /// It is given something: the signature is not looked at.
    Opened,
    /// It is answered with another status.
    Strange(StatusCode),
}

/// Why nothing answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silent {
    /// Of this machine.
    #[error(transparent)]
    Roots(#[from] NoRoots),
    /// On the way.
    #[error("{0}")]
    Unreachable(String),
}

/// Asks a download proxy for its root with a wrong signature, once. Redirects are not followed.
///
/// # Errors
/// [`Silent`]: there is no answer.
pub async fn knock(proxy: &BaseUrl) -> Result<Knock, Silent> {
    let silent = |why: &dyn ToString| Silent::Unreachable(why.to_string());
    let request = Request::get(format!("{proxy}/?sign={WRONG}")).body(Full::default());
    let answer = Backend::new()?.send(request.map_err(|why| silent(&why))?).await.map_err(|why| silent(&why))?;
    Ok(match answer.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Knock::Refused,
        // AList's and OpenList's workers say it in the body.
        StatusCode::OK => match whole(answer.into_body(), api::LONGEST).await {
            Ok(body) if refuses(&body) => Knock::Refused,
            _ => Knock::Opened,
        },
        status => Knock::Strange(status),
    })
}

fn refuses(body: &[u8]) -> bool {
    serde_json::from_slice(body).is_ok_and(|answer: Value| matches!(answer["code"].as_u64(), Some(401 | 403)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_refusal_in_a_body_is_one() {
        assert!(refuses(br#"{"code":401,"message":"expire missing"}"#));
        for body in ["", "hello", "[]", r#"{"code":200}"#, r#"{"code":"401"}"#] {
            assert!(!refuses(body.as_bytes()), "{body}");
        }
    }
}
