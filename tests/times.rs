//! Times that clients give their files: kept, shown by every answer alike, and gone with the file.

use std::sync::Arc;

use aws_sdk_s3::Client;
use davmux_s3_server::Running;
use http::StatusCode;

use crate::support::{Davmux, bucket, local, other, s3};

/// 2001-09-09T01:46:40Z.
const SECONDS: &str = "1000000000";
const DATE: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
const LATER: &str = "Mon, 10 Sep 2001 01:46:40 GMT";

struct Bench {
    s3: Running,
    davmux: Davmux,
    file: String,
}

impl Bench {
    /// A bucket at `/b` and a folder at `/l`.
    async fn new() -> Self {
        let s3 = s3().await;
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let folder = dir.path().join("l");
        std::fs::create_dir(&folder).unwrap();
        let file = format!(
            "version: 1\nserver:\n  anonymous: read-write\n  state_dir: {}\nmounts:\n{}{}",
            dir.path().join("state").display(),
            bucket("/b", &s3, &[]),
            local("/l", &folder)
        );
        let davmux = Davmux::serve_in(dir, &file).await;
        Self { s3, davmux, file }
    }

    async fn restarted(self) -> Self {
        let Self { s3, davmux, file } = self;
        let dir = Arc::clone(&davmux.dir);
        davmux.terminate().await;
        Self { s3, davmux: Davmux::serve_in(dir, &file).await, file }
    }

    /// Another program on the same bucket.
    fn other(&self) -> Client {
        other(&self.s3)
    }

    async fn put(&self, path: &str, body: &'static str) -> StatusCode {
        let answer = self.davmux.send("PUT", path, &[("X-OC-Mtime", SECONDS)], body).await;
        assert_eq!(answer.header("x-oc-mtime"), "accepted", "{path}");
        assert_eq!(answer.header("last-modified"), DATE, "{path}");
        answer.status
    }

    /// The date that all answers about a file agree on.
    async fn date(&self, path: &str) -> String {
        let head = self.davmux.send("HEAD", path, &[], "").await;
        assert_eq!(head.status, 200, "{path}");
        let date = head.header("last-modified").to_owned();
        let get = self.davmux.get(path).await;
        assert_eq!(get.header("last-modified"), date, "GET {path}");
        assert_eq!(get.header("etag"), head.header("etag"), "GET {path}");
        assert_eq!(listed(&self.davmux.propfind(path, "0").await.text(), path), date, "PROPFIND of {path}");
        let (folder, _) = path.rsplit_once('/').unwrap();
        assert_eq!(listed(&self.davmux.propfind(&format!("{folder}/"), "1").await.text(), path), date, "beside {path}");
        let unchanged = self.davmux.send("GET", path, &[("If-Modified-Since", &date)], "").await;
        assert_eq!(unchanged.status, 304, "{path}");
        let same = self.davmux.send("GET", path, &[("If-Range", &date), ("Range", "bytes=0-0")], "").await;
        assert_eq!(same.status, 206, "{path}");
        date
    }

    async fn patch(&self, path: &str, property: &str) -> String {
        let body = format!(
            "<D:propertyupdate xmlns:D='DAV:' xmlns:Z='urn:schemas-microsoft-com:'><D:set><D:prop>{property}</D:prop></D:set></D:propertyupdate>"
        );
        let answer = self.davmux.send("PROPPATCH", path, &[], body).await;
        assert_eq!(answer.status, 207);
        answer.text()
    }
}

/// The date of one href in a 207.
fn listed(text: &str, href: &str) -> String {
    let (_, rest) = text.split_once(&format!("<D:href>{href}</D:href>")).unwrap_or_else(|| panic!("{href}: {text}"));
    let response = rest.split("</D:response>").next().unwrap();
    let date = response.split_once("<D:getlastmodified>").map_or("", |(_, rest)| rest);
    date.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_time_of_an_upload_is_shown_by_every_answer_before_and_after_a_restart() {
    let bench = Bench::new().await;
    for path in ["/b/f", "/l/f"] {
        assert_eq!(bench.put(path, "abc").await, StatusCode::CREATED);
        assert_eq!(bench.date(path).await, DATE);
    }
    let bench = bench.restarted().await;
    for path in ["/b/f", "/l/f"] {
        assert_eq!(bench.date(path).await, DATE);
    }
    // What rclone reads from the bucket itself.
    let head = bench.other().head_object().bucket("bucket").key("f").send().await.unwrap();
    assert_eq!(head.metadata().unwrap().get("mtime").unwrap(), SECONDS);
    // A value that is no time is passed over.
    let answer = bench.davmux.send("PUT", "/b/g", &[("X-OC-Mtime", "yesterday")], "abc").await;
    assert_eq!((answer.status, answer.header("x-oc-mtime")), (StatusCode::CREATED, ""));
}

#[tokio::test]
async fn what_another_program_wrote_over_it_has_its_own_time() {
    let bench = Bench::new().await;
    bench.put("/b/f", "abc").await;
    bench.other().put_object().bucket("bucket").key("f").body(b"other"[..].to_vec().into()).send().await.unwrap();
    let bench = bench.restarted().await;
    assert_ne!(bench.date("/b/f").await, DATE);
}

#[tokio::test]
async fn the_time_that_rclone_wrote_into_a_bucket_is_shown_once_the_file_was_looked_at() {
    let bench = Bench::new().await;
    for name in ["looked", "other"] {
        let put = bench.other().put_object().bucket("bucket").key(name).metadata("mtime", "1000000000.123456789");
        put.body(b"abc"[..].to_vec().into()).send().await.unwrap();
    }
    assert_eq!(bench.date("/b/looked").await, DATE);
    assert_ne!(
        listed(&bench.davmux.propfind("/b/", "1").await.text(), "/b/other"),
        DATE,
        "a listing asks for no metadata"
    );
}

#[tokio::test]
async fn the_time_that_rclone_gives_a_file_of_which_only_a_checksum_is_kept_is_shown() {
    let bench = Bench::new().await;
    let sum = [("OC-Checksum", "SHA1:a9993e364706816aba3e25717850c26c9cd0d89d")];
    assert_eq!(bench.davmux.send("PUT", "/b/f", &sum, "abc").await.status, StatusCode::CREATED);
    // It copies an object onto itself, whose ETag stays.
    let copy = bench.other().copy_object().bucket("bucket").key("f").copy_source("bucket/f");
    let replace = aws_sdk_s3::types::MetadataDirective::Replace;
    copy.metadata_directive(replace).metadata("mtime", SECONDS).send().await.unwrap();
    let bench = bench.restarted().await;
    assert_eq!(bench.date("/b/f").await, DATE);
}

#[tokio::test]
async fn a_time_alone_costs_a_bucket_no_call_and_is_shown_at_once() {
    let bench = Bench::new().await;
    for path in ["/b/f", "/l/f"] {
        bench.davmux.put(path, "abc").await;
        bench.davmux.propfind(&path[..3], "1").await;
        for (property, expected) in [
            (format!("<D:lastmodified>{SECONDS}</D:lastmodified>"), DATE),
            (format!("<D:getlastmodified>{LATER}</D:getlastmodified>"), LATER),
            (format!("<Z:Win32LastModifiedTime>{DATE}</Z:Win32LastModifiedTime>"), DATE),
        ] {
            bench.s3.recorder().reset();
            let told = bench.patch(path, &property).await;
            assert!(told.contains("200 OK") && !told.contains(" 403") && !told.contains(" 409"), "{told}");
            let shown = listed(&bench.davmux.propfind(&path[..3], "1").await.text(), path);
            assert_eq!((shown.as_str(), bench.s3.recorder().total()), (expected, 0), "{path} {property}");
        }
        assert_eq!(bench.date(path).await, DATE);
        // What Explorer sends with it is kept as it came.
        let windows = "<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes>";
        bench.patch(path, windows).await;
        let asked = "<D:propfind xmlns:D='DAV:' xmlns:Z='urn:schemas-microsoft-com:'><D:prop><Z:Win32FileAttributes/></D:prop></D:propfind>";
        let text = bench.davmux.send("PROPFIND", path, &[("Depth", "0")], asked).await.text();
        assert!(text.contains(">00000020</"), "{text}");
    }
}

#[tokio::test]
async fn times_go_with_a_folder_that_is_copied_or_moved_also_to_another_mount() {
    let bench = Bench::new().await;
    for mount in ["/b", "/l"] {
        bench.davmux.send("MKCOL", &format!("{mount}/d"), &[], "").await;
        bench.put(&format!("{mount}/d/f"), "abc").await;
        assert_eq!(bench.davmux.to("COPY", &format!("{mount}/d"), &format!("{mount}/copy")).await.status, 201);
        assert_eq!(bench.davmux.to("MOVE", &format!("{mount}/d"), &format!("{mount}/moved")).await.status, 201);
    }
    assert_eq!(bench.davmux.to("COPY", "/b/moved", "/l/from-b").await.status, 201);
    assert_eq!(bench.davmux.to("COPY", "/l/moved", "/b/from-l").await.status, 201);
    let bench = bench.restarted().await;
    for path in ["/b/moved/f", "/l/from-b/f", "/b/from-l/f", "/b/copy/f", "/l/moved/f"] {
        assert_eq!(bench.date(path).await, DATE, "{path}");
    }
}

#[tokio::test]
async fn a_file_that_comes_after_one_that_was_deleted_has_its_own_time() {
    let bench = Bench::new().await;
    for path in ["/b/f", "/l/f"] {
        bench.put(path, "abc").await;
        assert_eq!(bench.davmux.send("DELETE", path, &[], "").await.status, 204);
        assert_eq!(bench.davmux.put(path, "abc").await, StatusCode::CREATED);
        assert_ne!(bench.date(path).await, DATE);
        bench.put(path, "abc").await;
        assert_eq!(bench.davmux.put(path, "abc").await, StatusCode::NO_CONTENT);
        assert_ne!(bench.date(path).await, DATE, "replaced with the same content");
    }
}

#[tokio::test]
async fn a_new_folder_and_a_copy_have_the_time_that_was_asked_for() {
    let bench = Bench::new().await;
    for mount in ["/b", "/l"] {
        let folder = format!("{mount}/d/");
        let made = bench.davmux.send("MKCOL", &folder, &[("X-OC-Mtime", SECONDS)], "").await;
        assert_eq!((made.status, made.header("x-oc-mtime")), (StatusCode::CREATED, "accepted"));
        bench.davmux.put(&format!("{mount}/f"), "abc").await;
        let to = format!("http://{}{mount}/g", bench.davmux.addr);
        let copied = bench
            .davmux
            .send("COPY", &format!("{mount}/f"), &[("Destination", &to), ("X-OC-Mtime", SECONDS)], "")
            .await;
        assert_eq!((copied.status, copied.header("x-oc-mtime")), (StatusCode::CREATED, "accepted"));
    }
    let mut bench = bench;
    for _ in 0..2 {
        for mount in ["/b", "/l"] {
            let folder = format!("{mount}/d/");
            assert_eq!(listed(&bench.davmux.propfind(&folder, "0").await.text(), &folder), DATE);
            assert_eq!(listed(&bench.davmux.propfind(&format!("{mount}/"), "1").await.text(), &folder), DATE);
            assert_eq!(bench.date(&format!("{mount}/g")).await, DATE);
        }
        bench = bench.restarted().await;
    }
}

/// `davmux doctor --index` on the file of a bench, whose server may run or not: whether it ended well, and what it said.
async fn index(dir: &std::path::Path) -> (bool, String) {
    let mut command = crate::support::binary();
    command.args(["doctor", "--index", "--json"]).arg(dir.join("mounts.yaml"));
    // The S3 server answers from this runtime.
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn doctor_reads_the_times_of_all_files_once_while_the_server_is_stopped() {
    let bench = Bench::new().await;
    for n in 0..20 {
        let put = bench.other().put_object().bucket("bucket").key(format!("d/{n}"));
        let put = if n < 15 { put.metadata("mtime", SECONDS) } else { put };
        put.body(b"abc"[..].to_vec().into()).send().await.unwrap();
    }
    let dir = Arc::clone(&bench.davmux.dir);
    let (ended_well, said) = index(dir.path()).await;
    assert!(!ended_well && said.contains("stop"), "a running server holds the state file: {said}");
    let Bench { s3, davmux, file } = bench;
    davmux.terminate().await;
    let (ended_well, said) = index(dir.path()).await;
    assert!(ended_well && said.contains("\"unknown\":20") && said.contains("\"found\":15"), "{said}");
    s3.recorder().reset();
    let (ended_well, said) = index(dir.path()).await;
    assert!(ended_well && said.contains("\"unknown\":0"), "{said}");
    assert_eq!(s3.recorder().count("HeadObject"), 0, "nothing is read twice");
    let davmux = Davmux::serve_in(dir, &file).await;
    s3.recorder().reset();
    let text = davmux.propfind("/b/d/", "1").await.text();
    assert_eq!((listed(&text, "/b/d/3").as_str(), text.matches(DATE).count()), (DATE, 15));
    assert_eq!(s3.recorder().count("HeadObject"), 0);
}

#[tokio::test]
async fn doctor_has_nowhere_to_keep_times_without_a_state_dir() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mounts.yaml"), format!("version: 1\nmounts:\n{}", local("/l", dir.path())))
        .unwrap();
    let (ended_well, said) = index(dir.path()).await;
    assert!(!ended_well && said.contains("state_dir"), "{said}");
}
