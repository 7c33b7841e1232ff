//! What an operation may cost in S3 calls, and how many of them wait for one another (design section 5). Times are not
//! looked at here; docs/performance.md has them.

use std::time::Duration;

use davmux_s3_server::Running;
use http::StatusCode;

use crate::support::{Davmux, bucket, other, s3};

/// So that calls which are sent together are seen to be: without it the first may have ended before the second begins.
const LATENCY: Duration = Duration::from_millis(10);

/// Lines of the mount: in which ways the same must cost the same.
type Mount = &'static [&'static str];

/// Each of these a test, listed by each version of S3's listing.
macro_rules! at_either_version {
    ($($name:ident),+ $(,)?) => {
        mod v1 {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&["list_object_version: v1"]).await;
            })+
        }
        mod v2 {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&["list_object_version: v2"]).await;
            })+
        }
    };
}

at_either_version!(
    a_listing_of_1_000_files_costs_its_pages_and_nothing_when_known,
    a_listing_of_10_000_files_costs_its_pages_and_nothing_when_known,
    a_look_at_one_file_is_one_round_trip,
    a_redirect_is_one_round_trip_and_free_once_known,
    a_relay_begins_after_one_round_trip,
    a_missing_file_is_one_round_trip_and_free_once_known_missing,
    a_small_upload_into_a_listed_folder_is_one_call,
    an_upload_of_100_megabytes_is_at_most_15_calls,
    a_new_folder_is_one_call_where_its_parent_is_listed_and_at_most_four_elsewhere,
    a_deletion_is_one_call_where_the_folder_is_listed_and_at_most_four_elsewhere,
    copying_moving_and_deleting_a_folder_of_1_000_files_stay_in_their_budgets,
    a_storage_that_asks_to_slow_down_is_copied_moved_and_emptied_all_the_same,
);

struct Bench {
    s3: Running,
    davmux: Davmux,
}

impl Bench {
    async fn new(mount: Mount) -> Self {
        let s3 = s3().await;
        s3.faults().latency(LATENCY);
        let davmux = Davmux::serve(&bucket("/b", &s3, mount)).await;
        // The look at the mount that every start makes must not be counted.
        davmux.logged("the mount is ready").await;
        s3.recorder().reset();
        Self { s3, davmux }
    }

    /// Puts objects into the bucket behind davmux's back.
    async fn seed(&self, keys: impl IntoIterator<Item = String>) {
        self.s3.faults().latency(Duration::ZERO);
        let client = other(&self.s3);
        use futures_util::StreamExt;
        futures_util::stream::iter(keys)
            .for_each_concurrent(16, |key| {
                let put = client.put_object().bucket("bucket").key(&key);
                let content = if key.ends_with(".placeholder") { Vec::new() } else { key.into_bytes() };
                async move { drop(put.body(content.into()).send().await.unwrap()) }
            })
            .await;
        self.s3.faults().latency(LATENCY);
        self.s3.recorder().reset();
    }

    /// The next two calls must be under way together: neither is answered before the other has arrived, however busy the
    /// machine is. Sent one after the other, the first is given up in time and repeated, which is a call too many.
    fn two_at_once(&self) {
        self.s3.faults().together(2);
    }

    /// The calls and round trips since the last time, which may not be more than these.
    #[track_caller]
    fn costs(&self, what: &str, calls: u64, round_trips: usize) {
        let recorder = self.s3.recorder();
        let (was, trips) = (recorder.total(), recorder.round_trips());
        assert!(
            was <= calls && trips <= round_trips,
            "{what}: {was} calls (at most {calls}), {trips} round trips (at most {round_trips}): {:?}",
            recorder.counts()
        );
        eprintln!("{what}: {was} calls, {trips} round trips");
        recorder.reset();
    }
}

async fn listing_of(count: usize, calls: u64, mount: Mount) {
    let bench = Bench::new(mount).await;
    let files = (0..count).map(|n| format!("d/file-{n:05}"));
    bench.seed(files.chain(["d/.placeholder".to_owned()])).await;
    let listed = bench.davmux.propfind("/b/d/", "1").await;
    assert_eq!(listed.hrefs().len(), count + 1);
    bench.costs(&format!("PROPFIND depth 1 of {count} files, cold"), calls, usize::try_from(calls).unwrap());
    assert_eq!(bench.davmux.propfind("/b/d/", "1").await.hrefs().len(), count + 1);
    bench.costs("the same again", 0, 0);
}

async fn a_listing_of_1_000_files_costs_its_pages_and_nothing_when_known(mount: Mount) {
    listing_of(1_000, 3, mount).await;
}

async fn a_listing_of_10_000_files_costs_its_pages_and_nothing_when_known(mount: Mount) {
    listing_of(10_000, 12, mount).await;
}

async fn a_look_at_one_file_is_one_round_trip(mount: Mount) {
    let bench = Bench::new(mount).await;
    bench.seed(["d/file".to_owned()]).await;
    bench.two_at_once();
    assert_eq!(bench.davmux.propfind("/b/d/file", "0").await.status, StatusCode::MULTI_STATUS);
    bench.costs("PROPFIND depth 0 of a file, cold", 2, 1);
}

async fn a_redirect_is_one_round_trip_and_free_once_known(mount: Mount) {
    let bench = Bench::new(mount).await;
    let large = "x".repeat(300 * 1024);
    bench.davmux.put("/b/large", large).await;
    // A second process knows nothing yet.
    let fresh = Davmux::serve(&bucket("/b", &bench.s3, mount)).await;
    fresh.logged("the mount is ready").await;
    bench.s3.recorder().reset();
    let kodi = [("User-Agent", "Kodi/21.0")];
    bench.two_at_once();
    assert_eq!(fresh.send("GET", "/b/large", &kodi, "").await.status, StatusCode::FOUND);
    bench.costs("GET to a 302, folder not listed before", 2, 1);
    assert_eq!(fresh.send("GET", "/b/large", &kodi, "").await.status, StatusCode::FOUND);
    bench.costs("the same again", 0, 0);
}

async fn a_relay_begins_after_one_round_trip(mount: Mount) {
    let bench = Bench::new(mount).await;
    bench.seed(["d/file".to_owned()]).await;
    bench.two_at_once();
    assert_eq!(bench.davmux.get("/b/d/file").await.text(), "d/file");
    bench.costs("GET relayed, folder not listed before", 2, 1);
}

async fn a_missing_file_is_one_round_trip_and_free_once_known_missing(mount: Mount) {
    let bench = Bench::new(mount).await;
    bench.two_at_once();
    assert_eq!(bench.davmux.get("/b/missing").await.status, StatusCode::NOT_FOUND);
    bench.costs("GET of a missing file", 2, 1);
    assert_eq!(bench.davmux.get("/b/missing").await.status, StatusCode::NOT_FOUND);
    bench.costs("the same again", 0, 0);
}

async fn a_small_upload_into_a_listed_folder_is_one_call(mount: Mount) {
    let bench = Bench::new(mount).await;
    bench.seed(["d/other".to_owned()]).await;
    bench.davmux.propfind("/b/d/", "1").await;
    bench.s3.recorder().reset();
    assert_eq!(bench.davmux.put("/b/d/new", vec![1; 100]).await, StatusCode::CREATED);
    bench.costs("PUT of 100 bytes into a listed folder", 1, 1);
    assert_eq!(bench.davmux.put("/b/d/new", vec![2; 100]).await, StatusCode::NO_CONTENT);
    bench.costs("the same again", 1, 1);
}

async fn an_upload_of_100_megabytes_is_at_most_15_calls(mount: Mount) {
    let bench = Bench::new(mount).await;
    bench.davmux.propfind("/b/", "1").await;
    bench.s3.recorder().reset();
    assert_eq!(bench.davmux.put("/b/large", vec![7; 100_000_000]).await, StatusCode::CREATED);
    bench.costs("PUT of 100 MB", 15, 15);
}

async fn a_new_folder_is_one_call_where_its_parent_is_listed_and_at_most_four_elsewhere(mount: Mount) {
    let bench = Bench::new(mount).await;
    bench.seed(["d/file".to_owned(), "e/file".to_owned()]).await;
    assert_eq!(bench.davmux.send("MKCOL", "/b/d/cold", &[], "").await.status, StatusCode::CREATED);
    bench.costs("MKCOL in a folder that is not listed", 4, 2);
    bench.davmux.propfind("/b/e/", "1").await;
    bench.s3.recorder().reset();
    assert_eq!(bench.davmux.send("MKCOL", "/b/e/warm", &[], "").await.status, StatusCode::CREATED);
    bench.costs("MKCOL in a listed folder", 1, 1);
}

async fn a_deletion_is_one_call_where_the_folder_is_listed_and_at_most_four_elsewhere(mount: Mount) {
    let bench = Bench::new(mount).await;
    bench.seed(["a", "b", "c"].map(|name| format!("d/{name}"))).await;
    assert_eq!(bench.davmux.send("DELETE", "/b/d/a", &[], "").await.status, StatusCode::NO_CONTENT);
    bench.costs("DELETE in a folder that is not listed", 4, 3);
    bench.davmux.propfind("/b/d/", "1").await;
    bench.s3.recorder().reset();
    assert_eq!(bench.davmux.send("DELETE", "/b/d/b", &[], "").await.status, StatusCode::NO_CONTENT);
    bench.costs("DELETE in a listed folder that keeps other members", 1, 1);
    assert_eq!(bench.davmux.send("DELETE", "/b/d/c", &[], "").await.status, StatusCode::NO_CONTENT);
    bench.costs("DELETE of the last member", 2, 2);
    assert_eq!(bench.davmux.propfind("/b/d/", "0").await.status, StatusCode::MULTI_STATUS, "the folder stays");
}

/// A folder of 1,000 files in 20 folders, with the markers that davmux makes.
fn deep_folder() -> impl Iterator<Item = String> {
    let files = (0..1_000).map(|n| format!("deep/{:02}/file-{n:04}", n % 20));
    let markers = (0..20).map(|n| format!("deep/{n:02}/.placeholder"));
    files.chain(markers).chain(["deep/.placeholder".to_owned()])
}

async fn copying_moving_and_deleting_a_folder_of_1_000_files_stay_in_their_budgets(mount: Mount) {
    let bench = Bench::new(mount).await;
    bench.seed(deep_folder()).await;
    let copied = bench.davmux.to("COPY", "/b/deep/", "/b/copy/").await;
    assert_eq!(copied.status, StatusCode::CREATED, "{:?}", copied.body);
    // How many of them overlap depends on the machine here.
    bench.costs("COPY of a folder, 1,000 files in 20 folders", 1_040, 1_000);
    let moved = bench.davmux.to("MOVE", "/b/copy/", "/b/moved/").await;
    assert_eq!(moved.status, StatusCode::CREATED, "{:?}", moved.body);
    bench.costs("MOVE of the same", 1_050, 1_000);
    assert_eq!(bench.davmux.send("DELETE", "/b/moved/", &[], "").await.status, StatusCode::NO_CONTENT);
    bench.costs("DELETE of the same", 8, 8);
    for gone in ["/b/copy/", "/b/moved/"] {
        assert_eq!(bench.davmux.propfind(gone, "0").await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(bench.davmux.propfind("/b/deep/07/", "1").await.hrefs().len(), 51);
}

async fn a_storage_that_asks_to_slow_down_is_copied_moved_and_emptied_all_the_same(mount: Mount) {
    let bench = Bench::new(mount).await;
    bench.s3.faults().latency(Duration::ZERO);
    bench.seed(deep_folder()).await;
    bench.s3.faults().latency(Duration::ZERO);
    // First more in a row than all that are under way try again by themselves, then a fifth.
    for nth in (1..=140).chain((141..400).step_by(5)) {
        bench.s3.faults().nth("CopyObject", nth, davmux_s3_server::Fault::SlowDown);
    }
    for nth in 1..=6 {
        bench.s3.faults().nth("DeleteObjects", nth, davmux_s3_server::Fault::SlowDown);
    }
    let copied = bench.davmux.to("COPY", "/b/deep/", "/b/copy/").await;
    assert_eq!(copied.status, StatusCode::CREATED, "{:?}", copied.body);
    assert!(bench.s3.recorder().count("CopyObject") >= 1_190, "{:?}", bench.s3.recorder().counts());
    let moved = bench.davmux.to("MOVE", "/b/copy/", "/b/moved/").await;
    assert_eq!(moved.status, StatusCode::CREATED, "{:?}", moved.body);
    assert_eq!(bench.davmux.send("DELETE", "/b/moved/", &[], "").await.status, StatusCode::NO_CONTENT);
    for gone in ["/b/copy/", "/b/moved/"] {
        assert_eq!(bench.davmux.propfind(gone, "0").await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(bench.davmux.propfind("/b/deep/07/", "1").await.hrefs().len(), 51);
}
