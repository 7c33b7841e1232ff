//! The contract of a driver, and what calls cost, at the strict front of each provider's row: an S3 server that refuses
//! what the provider is known to refuse.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use bytes::Bytes;
use davmux_driver::meter::Meter;
use davmux_driver::{Driver, Entry, Expect, Kind, Native, RelPath, Removal, When, WriteRequest};
use davmux_driver_s3::provider::{Addressing, BulkDelete, Provider};
use davmux_driver_s3::{S3, S3Options, Secret, UploadMemory};
use davmux_driver_testkit::Fixture;
use davmux_driver_testkit::s3::S3Fixture;
use davmux_s3_server::{Condition, Conditions, Server, Strict};
use futures_util::TryStreamExt as _;

/// Rows without a front of their own: what is known of them is what is known of S3.
const WITHOUT_FRONT: [&str; 9] =
    ["wasabi", "digitalocean", "hetzner", "ceph", "versitygw", "seaweedfs", "garage", "rclone", "other"];

/// A driver that goes by the row of this word, at a front.
async fn at(front: Strict, word: &str) -> (S3Fixture, S3) {
    let row = Provider::named(word).unwrap();
    let server = S3Fixture::start_with(Server::builder().strict(front)).await;
    let mut options = S3Options::new(&server.bucket);
    options.provider = Some(row);
    let port = server.endpoint.rsplit_once(':').unwrap().1;
    options.endpoint = Some(match row.dialect.addressing {
        Addressing::Path => server.endpoint.clone(),
        Addressing::Host | Addressing::Either => format!("http://localhost:{port}"),
    });
    options.access_key_id = Some(server.access_key.clone());
    options.secret_access_key = Some(Secret::new(&server.secret_key));
    options.part_size = Some(5 << 20);
    let s3 = S3::open(options, UploadMemory::default()).unwrap();
    (server, s3)
}

async fn row(word: &str) -> (S3Fixture, S3) {
    let (_, front) = Strict::rows().find(|(name, _)| *name == word).unwrap();
    at(front, word).await
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

async fn metered<T>(future: impl Future<Output = T>) -> (T, u64) {
    let meter = Meter::new();
    let value = meter.clone().scope(future).await;
    (value, meter.calls())
}

async fn put(s3: &S3, name: &str, when: When) -> davmux_driver::Result<Entry> {
    let request = WriteRequest { size: Some(1), when, ..WriteRequest::default() };
    let mut upload = s3.write(&path(name), request).await?;
    upload.write(Bytes::from_static(b"x")).await?;
    upload.finish().await
}

/// What each call costs, whatever the provider lacks.
async fn costs(word: &str) {
    let (_server, s3) = row(word).await;
    let dialect = Provider::named(word).unwrap().dialect;
    let look_before = u64::from(!dialect.conditions.write_absent);
    let (file, calls) = metered(put(&s3, "d/a", When::Always)).await;
    assert_eq!(calls, 1, "a small file is one PutObject");
    let (_, calls) = metered(put(&s3, "d/b", When::Absent)).await;
    assert_eq!(calls, 1 + look_before, "a condition that is not checked there costs a look");
    assert!(put(&s3, "d/b", When::Absent).await.is_err(), "and holds");
    let (found, calls) = metered(s3.stat(&path("d/a"), Expect::Any)).await;
    assert_eq!((found.unwrap().size, calls), (1, 2), "a look is a HEAD and a LIST");
    let (pages, calls) = metered(s3.list(&path("d")).try_collect::<Vec<_>>()).await;
    assert_eq!((pages.unwrap().iter().map(|page| page.entries.len()).sum::<usize>(), calls), (2, 1));
    let file = file.unwrap();
    let (copied, calls) = metered(s3.copy(&file, &path("d/c"), &When::Always)).await;
    assert!(matches!(copied.unwrap(), Native::Done(_)), "a copy stays in the storage");
    let look_before = u64::from(!dialect.conditions.copy_source);
    assert_eq!(calls, 1 + look_before, "a copy is one CopyObject");
    let batch: Vec<_> =
        ["d/a", "d/b", "d/c"].map(|name| Removal { path: path(name), kind: Kind::File, etag: None }).to_vec();
    let (refused, calls) = metered(s3.delete(&batch)).await;
    let one_call = matches!(dialect.bulk_delete, BulkDelete::Keys(_));
    assert_eq!((refused.unwrap().len(), calls), (0, if one_call { 1 } else { 3 }));
    assert!(s3.stat(&path("d/a"), Expect::Any).await.is_err());
}

fn fixture(word: &str, server: S3Fixture, s3: S3) -> Fixture {
    let fixture = Fixture::new(Arc::new(s3)).with_guard(server);
    // Two names that differ in their Unicode form alone are one key there.
    if word == "r2" { fixture.changing_names() } else { fixture }
}

macro_rules! rows {
    ($($word:ident),* $(,)?) => {
        const TESTED: &[&str] = &[$(stringify!($word)),*];
        $(
            mod $word {
                async fn fixture() -> super::Fixture {
                    let (server, s3) = super::row(stringify!($word)).await;
                    super::fixture(stringify!($word), server, s3)
                }
                davmux_driver_testkit::driver_contract!(fixture);

                #[tokio::test]
                async fn calls_cost_what_they_should() {
                    super::costs(stringify!($word)).await;
                }
            }
        )*
    };
}

rows!(amazon, oss, cos, oos, bos, kodo, obs, jd, dogecloud, eos, upyun, r2, b2, scaleway, minio, gcs);

/// A provider that nobody has described, and that knows the least. Only the condition on the source of a copy is trusted
/// everywhere: S3 had it from its beginning, and what a storage without it copies is a newer version, never less.
mod unknown {
    async fn fixture() -> super::Fixture {
        let least = super::Strict {
            conditions: super::Conditions::writes(super::Condition::Ignored),
            ..super::Strict::careful()
        };
        let (server, s3) = super::at(least, "other").await;
        super::fixture("other", server, s3)
    }
    davmux_driver_testkit::driver_contract!(fixture);
}

#[test]
fn every_row_has_a_front_or_a_reason() {
    let fronts: Vec<_> = Strict::rows().map(|(word, _)| word).collect();
    assert_eq!(fronts, TESTED);
    let mut rows: Vec<_> = Provider::all().map(|row| row.word).collect();
    let mut known: Vec<_> = fronts.into_iter().chain(WITHOUT_FRONT).collect();
    rows.sort_unstable();
    known.sort_unstable();
    assert_eq!(rows, known);
}
