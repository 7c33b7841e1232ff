//! Listings of more than a page, in both versions.

use std::collections::BTreeSet;

use davmux_driver::{Driver, Native};
use davmux_driver_s3::provider::{ListVersion, Overrides};
use davmux_driver_testkit::shorthand::{delete, gather, list, path, put, try_put};
use futures_util::{StreamExt as _, stream};

use crate::target::place;

#[tokio::test]
async fn pages_hold_every_name_once_in_both_versions() {
    let Some(place) = place() else { return };
    // `b` and 1,100 names that sort before `b/`: a page ends between them.
    let mut names: BTreeSet<String> = (0..1100).map(|number| format!("many/b!{number:04} +%")).collect();
    names.extend(["many/b0".to_owned(), "many/sub-1".to_owned(), "many/sub/member".to_owned()]);
    let writes = names.iter().map(|name| put(&place.s3, name, "x"));
    stream::iter(writes).buffer_unordered(16).collect::<Vec<_>>().await;
    // A file beside a folder of its name, where the storage holds both.
    put(&place.s3, "many/b", "a file").await;
    // MinIO takes both and hides one.
    let both =
        place.s3.provider().word != "minio" && try_put(&place.s3, "many/b/x", "x", Default::default()).await.is_ok();
    names.insert(if both { "many/b/x" } else { "many/b" }.to_owned());
    for version in [ListVersion::V1, ListVersion::V2] {
        let s3 = place.with(|options| {
            options.overrides = Overrides { list_version: Some(version), ..Overrides::default() };
        });
        let listing = list(&s3, "many").await.unwrap();
        let members: BTreeSet<String> =
            names.iter().map(|name| name.splitn(3, '/').take(2).collect::<Vec<_>>().join("/")).collect();
        assert_eq!(listing.paths(), members.iter().map(String::as_str).collect::<Vec<_>>(), "{version:?}");
        let Native::Done(pages) = s3.list_tree(&path("many")) else { panic!("declined") };
        let tree = gather(pages).await.unwrap();
        let files: Vec<_> = tree.entries.iter().filter(|entry| !entry.is_dir()).map(|e| e.path.as_str()).collect();
        assert_eq!(files, names.iter().map(String::as_str).collect::<Vec<_>>(), "{version:?}");
    }
}

/// Keys that no path can name, from another tool. What a server makes of them differs; a listing shows the rest in any
/// case, and deleting what can be named leaves them.
#[tokio::test]
async fn keys_without_a_name_harm_nothing() {
    let Some(place) = place() else { return };
    let mut held = Vec::new();
    for key in ["d//x", "d/./y", "d/../z", "/w", "d/ctrl\u{7}", "d/sub//v"] {
        let client = place.client();
        // The SDK sends dots as they are; `u` is what a server would take them for.
        let put = client.put_object().bucket(place.bucket()).key(place.key(key)).body(b"x".to_vec().into());
        match put.send().await {
            Ok(_) => held.push(key),
            Err(error) => println!("{key:?} is refused: {}", error.into_service_error()),
        }
    }
    put(&place.s3, "d/fine", "x").await;
    println!("taken: {held:?}; listed: {:?}", place.keys().await);
    let before = place.keys().await.len();
    let listing = list(&place.s3, "d").await.unwrap();
    assert!(listing.paths().contains(&"d/fine"), "{listing:?}");
    delete(&place.s3, "d/fine", davmux_driver::Kind::File).await.unwrap();
    assert_eq!(place.keys().await.len(), before - 1, "only the one that was named went");
}
