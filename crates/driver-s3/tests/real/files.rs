//! Files: large ones, long names, copies, deletions.

use bytes::Bytes;
use davmux_driver::{
    ByteRange, Driver, Entry, ErrorKind, Kind, Native, ReadRequest, Removal, Upload, When, WriteRequest,
};
use davmux_driver_testkit::shorthand::{bytes_of, get, list, path, pattern, put, stat, try_get, try_put};

use crate::target::{Place, place};

const MIB: usize = 1 << 20;
const ODD: [&str; 7] = [
    "plain",
    "o+d %&d/a+b ?#%'()*~\u{1f600}",
    "<&\">",
    "cafe\u{301}",
    "caf\u{e9}",
    "%2F",
    "tilde~ (1) [2] {3} !$,;:@=",
];

async fn upload(place: &Place, name: &str, content: &Bytes, size: Option<u64>) -> Box<dyn Upload> {
    let request = WriteRequest { size, content_type: Some("text/x-test".into()), ..WriteRequest::default() };
    let mut upload = place.s3.write(&path(name), request).await.unwrap();
    for chunk in content.chunks(1 << 16) {
        upload.write(content.slice_ref(chunk)).await.unwrap();
    }
    upload
}

#[tokio::test]
async fn a_file_in_parts_arrives_whole_whatever_was_known_of_its_length() {
    let Some(place) = place() else { return };
    let content = pattern(17 * MIB + 11, 1);
    for (name, size) in [("known +%", Some(content.len() as u64)), ("unknown", None)] {
        let entry = upload(&place, name, &content, size).await.finish().await.unwrap();
        let looked = stat(&place.s3, name).await.unwrap();
        assert_eq!((entry.size, &entry.etag), (looked.size, &looked.etag), "{name}");
        assert_eq!(looked.content_type.as_deref(), Some("text/x-test"), "{name}");
        assert!(get(&place.s3, name).await == content, "{name} came back as other bytes");
        // Across the border of two parts.
        let range = Some(ByteRange::FromTo(5 * MIB as u64 - 3, 5 * MIB as u64 + 3));
        let reply = place.s3.read(&path(name), ReadRequest { range, ..ReadRequest::default() }).await.unwrap();
        assert_eq!(bytes_of(reply).await.unwrap(), content.slice(5 * MIB - 3..5 * MIB + 3));
        assert_eq!(place.uploads(name).await, 0, "{name}: an upload is left");
    }
}

#[tokio::test]
async fn an_upload_that_is_aborted_or_dropped_leaves_nothing() {
    let Some(place) = place() else { return };
    let content = pattern(11 * MIB, 2);
    let aborted = upload(&place, "d/aborted", &content, None).await;
    let id = aborted.upload_id().unwrap().to_owned();
    aborted.abort().await.unwrap();
    assert_eq!(place.uploads("d/aborted").await, 0);
    place.s3.abort_upload(&path("d/aborted"), &id).await.unwrap();
    drop(upload(&place, "d/dropped", &content, None).await);
    // The drop has begun the removal: nothing else would ever end this.
    while place.uploads("d/dropped").await > 0 {
        tokio::task::yield_now().await;
    }
    for name in ["d/aborted", "d/dropped"] {
        assert_eq!(try_get(&place.s3, name).await.unwrap_err().kind(), ErrorKind::NotFound, "{name}");
    }
    assert_eq!(list(&place.s3, "").await.unwrap().paths(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_copy_is_the_file_with_its_media_type_and_the_tag_that_it_then_has() {
    let Some(place) = place() else { return };
    for (number, name) in ODD.iter().enumerate() {
        let from = upload(&place, name, &Bytes::from(*name), None).await.finish().await.unwrap();
        copied(&place, &from, &format!("copies/{number} of {name}"), &Bytes::from(*name)).await;
    }
    let content = pattern(11 * MIB, 3);
    let from = upload(&place, "large", &content, None).await.finish().await.unwrap();
    copied(&place, &from, "copies/large", &content).await;
}

async fn copied(place: &Place, from: &Entry, to: &str, content: &Bytes) {
    let Native::Done(copy) = place.s3.copy(from, &path(to), &When::Always).await.unwrap() else {
        println!("declined: {from:?}");
        return;
    };
    let looked = stat(&place.s3, to).await.unwrap();
    assert_eq!((copy.size, &copy.etag), (looked.size, &looked.etag), "{to}");
    assert_eq!(looked.content_type.as_deref(), Some("text/x-test"), "{to}");
    assert!(get(&place.s3, to).await == content, "{to} is another file");
}

#[tokio::test]
async fn a_batch_deletes_the_keys_it_names_and_no_others() {
    let Some(place) = place() else { return };
    for name in ODD {
        put(&place.s3, name, "x").await;
    }
    put(&place.s3, "plain-neighbour", "stays").await;
    put(&place.s3, "o+d %&d/stays", "stays").await;
    let removal = |name: &str| Removal { path: path(name), kind: Kind::File, etag: None };
    let mut batch: Vec<Removal> = ODD.iter().map(|name| removal(name)).collect();
    batch
        .extend((batch.len()..place.s3.capabilities().delete_batch).map(|number| removal(&format!("absent-{number}"))));
    let failed = place.s3.delete(&batch).await.unwrap();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(place.keys().await, ["o+d %&d/stays", "plain-neighbour"]);
}

#[tokio::test]
async fn a_key_of_1024_bytes_is_written_listed_copied_and_deleted() {
    let Some(place) = place() else { return };
    let mut name = vec!["p".repeat(200); 4].join("/") + "/";
    name += &"\u{e9}".repeat((1024 - place.prefix.len() - name.len()) / 2);
    name += &"x".repeat(1024 - place.prefix.len() - name.len());
    assert_eq!(place.key(&name).len(), 1024);
    let from = put(&place.s3, &name, "deep").await;
    let folder = path(&name).parent().unwrap();
    assert_eq!(list(&place.s3, folder.as_str()).await.unwrap().paths(), [name.as_str()]);
    if let Native::Done(_) = place.s3.copy(&from, &path("up"), &When::Always).await.unwrap() {
        assert_eq!(get(&place.s3, "up").await, "deep");
    }
    let failed = place.s3.delete(&[Removal { path: from.path, kind: Kind::File, etag: None }]).await.unwrap();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(try_get(&place.s3, &name).await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// A server on a file system takes no name over 255 bytes. Then the error says so, and looking for it finds nothing.
#[tokio::test]
async fn a_name_of_300_bytes_is_a_file_or_a_clear_error() {
    let Some(place) = place() else { return };
    let name = "n".repeat(300);
    match try_put(&place.s3, &name, "x", When::Always).await {
        Ok(_) => assert_eq!(get(&place.s3, &name).await, "x"),
        Err(error) => {
            // rclone has an internal error; versitygw takes it for the name of a folder.
            let vague = matches!(place.s3.provider().word, "rclone" | "versitygw");
            assert!(vague || error.kind() == ErrorKind::InvalidPath, "{error}");
            let looked = stat(&place.s3, &name).await.unwrap_err();
            assert!(matches!(looked.kind(), ErrorKind::NotFound | ErrorKind::InvalidPath), "{looked}");
        }
    }
}
