//! What a marker is, and what it costs.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use davmux_driver::{
    Driver, Entry, ErrorKind, Expect, Kind, Native, Page, Pages, RelPath, Removal, When, WriteRequest,
};
use davmux_driver_placeholder::{InvalidNames, Placeholder};
use davmux_driver_s3::{S3, S3Options, Secret, UploadMemory};
use davmux_driver_testkit::s3::S3Fixture;
use futures_util::TryStreamExt as _;

/// A bucket, bare and marked.
struct Marked {
    server: S3Fixture,
    bare: Arc<S3>,
    driver: Placeholder,
}

async fn marked() -> Marked {
    let server = S3Fixture::start().await;
    let mut options = S3Options::new(&server.bucket);
    options.endpoint = Some(server.endpoint.clone());
    options.access_key_id = Some(server.access_key.clone());
    options.secret_access_key = Some(Secret::new(&server.secret_key));
    options.force_path_style = true;
    let bare = Arc::new(S3::open(options, UploadMemory::default()).unwrap());
    let names = vec![".first".to_owned(), ".other".to_owned()];
    let inner: Arc<dyn Driver> = Arc::<S3>::clone(&bare);
    Marked { server, bare, driver: Placeholder::new(inner, names).unwrap() }
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

async fn put(driver: &dyn Driver, name: &str) -> Entry {
    driver.write(&path(name), WriteRequest::default()).await.unwrap().finish().await.unwrap()
}

async fn names(pages: Pages) -> Vec<String> {
    let pages: Vec<Page> = pages.try_collect().await.unwrap();
    let entries = pages.into_iter().flat_map(|page| page.entries);
    let mut names: Vec<String> =
        entries.map(|entry| format!("{}{}", entry.path, if entry.is_dir() { "/" } else { "" })).collect();
    names.sort();
    names
}

fn tree(driver: &dyn Driver, dir: &str) -> Pages {
    match driver.list_tree(&path(dir)) {
        Native::Done(pages) => pages,
        Native::Declined => panic!("a bucket lists trees"),
    }
}

fn folder(name: &str) -> Removal {
    Removal { path: path(name), kind: Kind::Dir, etag: None }
}

#[tokio::test]
async fn a_folder_is_made_by_one_call_and_stays_empty() {
    let marked = marked().await;
    marked.driver.create_dir(&path("d")).await.unwrap();
    assert_eq!((marked.server.recorder.total(), marked.server.recorder.count("PutObject")), (1, 1));
    assert!(marked.driver.stat(&path("d"), Expect::Any).await.unwrap().is_dir());
    assert!(names(marked.driver.list(&path("d"))).await.is_empty());
    assert_eq!(names(marked.bare.list(&path("d"))).await, ["d/.first"]);
}

#[tokio::test]
async fn keeping_a_folder_twice_is_no_error() {
    let marked = marked().await;
    let file = put(&marked.driver, "d/a").await;
    marked.driver.keep_dir(&path("d")).await.unwrap();
    marked.driver.keep_dir(&path("d")).await.unwrap();
    marked.driver.keep_dir(&RelPath::root()).await.unwrap();
    let gone = Removal { path: file.path, kind: Kind::File, etag: None };
    assert!(marked.driver.delete(&[gone]).await.unwrap().is_empty());
    assert!(marked.driver.stat(&path("d"), Expect::Dir).await.unwrap().is_dir());
    assert_eq!(names(marked.bare.list(&RelPath::root())).await, ["d/"], "the root needs no marker");
}

#[tokio::test]
async fn markers_are_hidden_under_every_name() {
    let marked = marked().await;
    for name in ["d/.first", "d/.other", "d/e/.other", "d/a", ".first"] {
        put(&*marked.bare, name).await;
    }
    assert_eq!(names(marked.driver.list(&path("d"))).await, ["d/a", "d/e/"]);
    assert_eq!(names(marked.driver.list(&RelPath::root())).await, ["d/"]);
    assert_eq!(names(tree(&marked.driver, "d")).await, ["d/a", "d/e/"], "the marker is its folder, and not of the top");
    assert_eq!(names(tree(&marked.driver, "")).await, ["d/", "d/a", "d/e/"], "each folder once");
    for name in ["d/.first", "d/.other"] {
        for expect in [Expect::Any, Expect::File] {
            let error = marked.driver.stat(&path(name), expect).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{name}");
        }
        let error = marked.driver.read(&path(name), Default::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{name}");
    }
}

#[tokio::test]
async fn nobody_writes_a_marker_or_into_one() {
    let marked = marked().await;
    let file = put(&marked.driver, "a").await;
    marked.server.recorder.reset();
    for name in [".first", "d/.other", "d/.first/below"] {
        let to = path(name);
        let refused = [
            marked.driver.write(&to, WriteRequest::default()).await.map(drop),
            marked.driver.create_dir(&to).await,
            marked.driver.copy(&file, &to, &When::Always).await.map(drop),
            marked.driver.rename(&file, &to, &When::Always).await.map(drop),
        ];
        for result in refused {
            let error = result.unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidPath && error.detail().is_some(), "{name}: {error}");
        }
    }
    assert_eq!(marked.server.recorder.total(), 0);
}

#[tokio::test]
async fn a_deleted_folder_takes_all_its_markers_along() {
    let marked = marked().await;
    for name in ["d/", "e"] {
        put(&*marked.bare, &format!("{name}/.first").replace("//", "/")).await;
        put(&*marked.bare, &format!("{name}/.other").replace("//", "/")).await;
    }
    marked.server.recorder.reset();
    assert!(marked.driver.delete(&[folder("d")]).await.unwrap().is_empty());
    assert_eq!((marked.server.recorder.total(), marked.server.recorder.count("DeleteObjects")), (1, 1));
    assert_eq!(names(marked.bare.list(&RelPath::root())).await, ["e/"]);
}

#[tokio::test]
async fn a_thousand_files_in_twenty_folders_are_two_calls() {
    let marked = marked().await;
    let mut removals: Vec<Removal> = (0..1000)
        .map(|number| Removal { path: path(&format!("t/d{}/f{number}", number % 20)), kind: Kind::File, etag: None })
        .collect();
    removals.extend((0..20).map(|number| folder(&format!("t/d{number}"))));
    removals.push(folder("t"));
    for removal in removals.iter().filter(|removal| removal.kind == Kind::Dir) {
        marked.driver.create_dir(&removal.path).await.unwrap();
    }
    marked.server.recorder.reset();
    for batch in removals.chunks(marked.driver.capabilities().delete_batch) {
        assert!(marked.driver.delete(batch).await.unwrap().is_empty());
    }
    assert_eq!((marked.server.recorder.total(), marked.server.recorder.count("DeleteObjects")), (2, 2));
    assert!(names(marked.bare.list(&RelPath::root())).await.is_empty());
}

#[tokio::test]
async fn a_batch_of_folders_alone_goes_too() {
    let marked = marked().await;
    let batch: Vec<Removal> = (0..1000).map(|number| folder(&format!("d{number}"))).collect();
    for removal in batch.iter().take(5) {
        marked.driver.create_dir(&removal.path).await.unwrap();
    }
    marked.server.recorder.reset();
    assert!(marked.driver.delete(&batch).await.unwrap().is_empty());
    assert_eq!(marked.server.recorder.count("DeleteObjects"), 3, "three keys a folder");
    assert!(names(marked.bare.list(&RelPath::root())).await.is_empty());
}

#[test]
fn names_are_checked_when_they_are_set() {
    let new = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Placeholder::new(Arc::new(davmux_driver_testkit::Memory::keys()), names).err()
    };
    assert_eq!(new(&[]), Some(InvalidNames::None));
    for name in ["", "a/b", "..", "a\n"] {
        assert!(matches!(new(&[".ok", name]), Some(InvalidNames::Name(..))), "{name:?}");
    }
    assert_eq!(new(&[".ok"]), None);
}
