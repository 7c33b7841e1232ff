use std::path::Path;

use davmux_s3_server::{Folder, Server, Store as _};

use crate::client::{BUCKET, get, put, started};
use crate::keys::odd_keys;

fn blobs(root: &Path) -> usize {
    std::fs::read_dir(root.join("blobs")).unwrap().count()
}

fn staged(root: &Path) -> usize {
    std::fs::read_dir(root.join("staging")).unwrap().count()
}

#[tokio::test]
async fn objects_survive_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let (server, client) = started(Server::builder().store(Folder::open(root.path()).unwrap())).await;
    for key in odd_keys() {
        put(&client, &key, key.clone()).await;
    }
    let write = client.put_object().bucket(BUCKET).key("dressed").content_type("text/x-a").metadata("owner", "me");
    let written = write.body(vec![b'y'; 700_000].into()).send().await.unwrap();
    let before = client.head_object().bucket(BUCKET).key("dressed").send().await.unwrap();
    client.copy_object().bucket(BUCKET).key("copy").copy_source("films/dressed").send().await.unwrap();
    client.delete_object().bucket(BUCKET).key("a//b").send().await.unwrap();
    drop(client);
    server.stop().await;

    let (server, client) = started(Server::builder().store(Folder::open(root.path()).unwrap())).await;
    for key in odd_keys().into_iter().filter(|key| key != "a//b") {
        assert_eq!(get(&client, &key).await.as_deref(), Ok(key.as_bytes()), "{key:?}");
    }
    assert_eq!(get(&client, "a//b").await.unwrap_err(), "NoSuchKey");
    let after = client.head_object().bucket(BUCKET).key("dressed").send().await.unwrap();
    assert_eq!((after.e_tag(), after.content_type()), (written.e_tag(), Some("text/x-a")));
    assert_eq!((after.metadata(), after.last_modified()), (before.metadata(), before.last_modified()));
    client.delete_object().bucket(BUCKET).key("dressed").send().await.unwrap();
    assert_eq!(get(&client, "copy").await.unwrap(), vec![b'y'; 700_000], "a copy outlives its source");
    let part = client.get_object().bucket(BUCKET).key("copy").range("bytes=262140-262147").send().await.unwrap();
    assert_eq!(part.body.collect().await.unwrap().to_vec(), b"yyyyyyyy");
    drop(client);
    server.stop().await;
    assert_eq!(staged(root.path()), 0);
}

#[tokio::test]
async fn what_a_crash_left_is_removed_at_the_next_start() {
    let root = tempfile::tempdir().unwrap();
    let (server, client) = started(Server::builder().store(Folder::open(root.path()).unwrap())).await;
    put(&client, "k", "kept").await;
    let upload = client.create_multipart_upload().bucket(BUCKET).key("k").send().await.unwrap().upload_id.unwrap();
    let part = client.upload_part().bucket(BUCKET).key("k").upload_id(upload).part_number(1);
    part.body(b"part".to_vec().into()).send().await.unwrap();
    drop(client);
    server.stop().await;
    std::fs::write(root.path().join("staging/left"), "x").unwrap();
    assert_eq!(blobs(root.path()), 2);

    let (server, client) = started(Server::builder().store(Folder::open(root.path()).unwrap())).await;
    assert_eq!((blobs(root.path()), staged(root.path())), (1, 0));
    assert_eq!(get(&client, "k").await.unwrap(), b"kept");
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_folder_is_open_once() {
    let root = tempfile::tempdir().unwrap();
    let first = Folder::open(root.path()).unwrap();
    assert_eq!(Folder::open(root.path()).unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
    drop(first);
    Folder::open(root.path()).unwrap();
}

#[tokio::test]
async fn a_damaged_folder_is_an_error_and_not_a_shorter_listing() {
    let root = tempfile::tempdir().unwrap();
    let (server, client) = started(Server::builder().store(Folder::open(root.path()).unwrap())).await;
    put(&client, "k", "content").await;
    put(&client, "other", "other").await;
    drop(client);
    server.stop().await;
    let blob = std::fs::read_dir(root.path().join("blobs")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&blob, "cut").unwrap();
    let folder = Folder::open(root.path()).unwrap();
    assert_eq!(folder.load().unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    drop(folder);
    assert_eq!(blobs(root.path()), 2, "nothing was removed");
}
