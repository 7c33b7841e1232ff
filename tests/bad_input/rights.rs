//! Who may.

use http::StatusCode;

use super::{LOCK, files};
use crate::support::{Davmux, local};

#[tokio::test]
async fn who_may_only_read_changes_nothing_by_any_method() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let file = format!(
        "version: 1\nusers:\n  - {{ name: r, password: r, access: read-only }}\n  - {{ name: w, password: w, access: \
         read-write }}\nmounts:\n{}{}    read_only: true\n",
        local("/l", folder.path()),
        local("/ro", folder.path())
    );
    let davmux = Davmux::serve_file(&file).await;
    let (reader, writer) = (("Authorization", "Basic cjpy"), ("Authorization", "Basic dzp3"));
    let patch = "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><a/></D:prop></D:set></D:propertyupdate>";
    for (user, path) in [(reader, "/l/file"), (writer, "/ro/file")] {
        for (method, body) in
            [("PUT", "y"), ("MKCOL", ""), ("DELETE", ""), ("MOVE", ""), ("PROPPATCH", patch), ("LOCK", LOCK)]
        {
            let answer = davmux.send(method, path, &[user, ("Destination", "/l/to")], body).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
        }
        let answer = davmux.send("COPY", path, &[user, ("Destination", "/ro/to")], "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(davmux.send("GET", path, &[user], "").await.text(), "x");
    }
    assert_eq!(files(folder.path()), [folder.path().join("file")]);
    let twice = [reader, writer];
    assert_eq!(davmux.send("GET", "/l/file", &twice, "").await.status, StatusCode::BAD_REQUEST);
    for wrong in ["Basic", "Basic !", "Bearer cjpy", "Basic cg==", "Basic /zr/"] {
        let answer = davmux.send("GET", "/l/file", &[("Authorization", wrong)], "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
}
