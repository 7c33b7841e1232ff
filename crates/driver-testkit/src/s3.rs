//! A bucket to test a driver on: an S3 server in the same process.

use std::fmt;

use davmux_s3_server::{Builder, Faults, Recorder, Running, Server};

/// The bucket that every fixture has.
const BUCKET: &str = "fixture";

/// A server with one fresh, empty bucket. It ends when this is dropped.
pub struct S3Fixture {
    /// `http://127.0.0.1:PORT`, for path style.
    pub endpoint: String,
    /// The bucket's name.
    pub bucket: String,
    /// Access key id.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// The calls that came so far.
    pub recorder: Recorder,
    server: Running,
}

impl fmt::Debug for S3Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Fixture")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

impl S3Fixture {
    /// Starts a server in memory on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If no port can be listened on: without a server there is nothing to test.
    pub async fn start() -> Self {
        Self::start_with(Server::builder()).await
    }

    /// Starts the server that `builder` describes: a strict profile, other limits, a store in a folder.
    ///
    /// # Panics
    /// As [`S3Fixture::start`].
    pub async fn start_with(builder: Builder) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "a test that has no server has failed, and should say so where it began"
        )]
        let server = builder.bucket(BUCKET).start().await.expect("the S3 server starts");
        Self {
            endpoint: server.endpoint(),
            bucket: BUCKET.to_owned(),
            access_key: server.access_key().to_owned(),
            secret_key: server.secret_key().to_owned(),
            recorder: server.recorder().clone(),
            server,
        }
    }

    /// The script of faults, to add to.
    pub fn faults(&self) -> &Faults {
        self.server.faults()
    }

    /// The server itself.
    pub fn server(&self) -> &Running {
        &self.server
    }

    /// Stops the server and waits for the calls that run; what is sent to it afterwards is refused.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_fixture_answers_and_counts() {
        let fixture = S3Fixture::start().await;
        let mut stream = tokio::net::TcpStream::connect(fixture.server().addr()).await.unwrap();
        let request = format!("GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", fixture.bucket);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 "), "an unsigned listing is refused: {answer}");
        assert_eq!((fixture.recorder.total(), fixture.recorder.count("ListObjects")), (1, 1));
    }
}
