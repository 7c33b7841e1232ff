//! Finder's sequences, and what it needs in the answers.

use bytes::Bytes;
use http::StatusCode;

use super::{
    BARE, Errno, Finder, IS_EMPTY, MOVE, OPTIONS, PROBE, PROPFIND, READDIR, REFRESH, STAT, STATFS, WRITE, errno,
    httpdate,
};
use crate::clients::{BASIC, Lines, ROOTS, Site, chunked, elements, found, raw, token};

#[tokio::test]
async fn mounting_asks_for_the_level_the_root_the_password_and_the_room() {
    let site = Site::start().await;
    let mut finder = Finder::mounts(&site).await;
    for root in ["/", "/l/", "/b/"] {
        for options in [PROBE, OPTIONS] {
            let answer = finder.send(raw(options, "", &[("path", root)])).await;
            assert_eq!(answer.status, StatusCode::OK, "without a password");
            // `ParseDAVLevel`: without the token 2 the volume is read-only.
            assert!(answer.header("dav").split(',').any(|level| level.trim() == "2"), "{}", answer.header("dav"));
            // `identifyServerType`: it would take quirks of IIS for granted.
            assert!(!answer.header("server").starts_with("Microsoft-IIS/"));
        }
        let stat = raw(PROPFIND, STAT, &[("path", root), ("depth", "0")]);
        let refused = finder.send(stat.clone().without("Authorization")).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert!(refused.header("www-authenticate").starts_with("Basic realm="));
        let answer = finder.send(stat).await;
        assert_eq!(answer.status, StatusCode::MULTI_STATUS);
        assert!(found(&answer)[root].contains("<D:collection/>"), "{}", answer.text());
        let room = finder.propfind(root, "0", STATFS).await;
        assert_eq!(room.status, StatusCode::MULTI_STATUS);
        if root == "/l/" {
            for name in ["quota-available-bytes", "quota-used-bytes"] {
                let told = elements(&room.text(), name);
                assert!(told[0].parse::<u64>().is_ok(), "{name}: {told:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_new_file_is_made_locked_streamed_and_unlocked() {
    let site = Site::start().await;
    let mut finder = Finder::mounts(&site).await;
    let content: Vec<u8> = (0..700_000_u32).flat_map(|n| n.to_le_bytes()).collect();
    let length = content.len().to_string();
    for root in ROOTS {
        let path = format!("{root}/Film%20one.mov");
        assert_eq!(finder.stat(&path).await, None);
        let token = finder.create(&path).await;
        // The kernel looks again in between: a file of no bytes, not a missing one.
        assert!(finder.stat(&path).await.unwrap().contains("<D:getcontentlength>0</D:getcontentlength>"));
        let words = [("path", path.as_str()), ("token", &token), ("expected", &length)];
        let written = finder.send(raw(WRITE, chunked(&content, 65_536), &words)).await;
        assert_eq!(errno(written.status), Errno::Fine, "{root}: {}", written.status);
        // Without one of them Finder asks once more for each (`network_fsync`).
        assert!(!written.header("etag").is_empty() || !written.header("last-modified").is_empty(), "{root}");
        finder.unlock(&path, &token).await;
        assert!(finder.stat(&path).await.unwrap().contains(&format!("<D:getcontentlength>{length}<")));
        assert!(site.read(&path).await.unwrap() == content, "{root}");
    }
}

#[tokio::test]
async fn a_write_that_is_cut_or_short_leaves_the_file_as_it_was_and_can_be_repeated() {
    let site = Site::start().await;
    let mut finder = Finder::mounts(&site).await;
    for root in ROOTS {
        let path = format!("{root}/document");
        site.put(&path, "former").await;
        let token = finder.lock(&path).await;
        let words = [("path", path.as_str()), ("token", &token), ("expected", "20")];
        // The last chunk does not come: what was sent is less than what was announced.
        let short = finder.send(raw(WRITE, chunked(b"only this", 4), &words)).await;
        assert_ne!(errno(short.status), Errno::Fine, "{root}: a file that lost its end is not stored");
        assert_ne!(errno(short.status), Errno::NoEnt, "{root}: nor is it told as gone");
        assert_eq!(site.read(&path).await.unwrap(), "former");
        // The cable is pulled in the middle.
        let mut cut = site.connect().await;
        let half = chunked(b"only this and then", 9);
        cut.write(&raw(WRITE, &half[..half.len() - 12], &words)).await;
        drop(cut);
        assert_eq!(site.read(&path).await.unwrap(), "former");
        // Nobody else gets in meanwhile, and the same lock still writes.
        let other = site.davmux.send("PUT", &path, &[("Authorization", BASIC)], "other").await;
        assert_eq!(errno(other.status), Errno::Busy, "{root}");
        let again = finder.send(raw(WRITE, chunked(b"twenty bytes in all.", 7), &words)).await;
        assert_eq!(errno(again.status), Errno::Fine, "{root}: {}", again.status);
        finder.unlock(&path, &token).await;
        assert_eq!(site.read(&path).await.unwrap(), "twenty bytes in all.");
    }
}

#[tokio::test]
async fn a_lock_is_refreshed_without_a_body() {
    let site = Site::start().await;
    let mut finder = Finder::mounts(&site).await;
    for root in ROOTS {
        let path = format!("{root}/held");
        let held = finder.create(&path).await;
        for _ in 0..2 {
            let refreshed = finder.send(raw(REFRESH, "", &[("path", &path), ("token", &held)])).await;
            assert_eq!(refreshed.status, StatusCode::OK, "{root}");
            assert_eq!(token(&refreshed), held, "{root}: the token stays");
        }
        finder.unlock(&path, &held).await;
        let gone = finder.send(raw(REFRESH, "", &[("path", &path), ("token", &held)])).await;
        assert_ne!(errno(gone.status), Errno::Fine, "{root}");
    }
}

#[tokio::test]
async fn files_and_folders_are_renamed_with_and_without_a_lock() {
    let site = Site::start().await;
    let mut finder = Finder::mounts(&site).await;
    for root in ROOTS {
        let made = finder.bare("MKCOL", &format!("{root}/untitled%20folder/")).await;
        assert_eq!(made.status, StatusCode::CREATED);
        httpdate(made.header("date"));
        let (from, to) = (format!("{root}/untitled%20folder/"), format!("{root}/Films/"));
        // The empty folder just made is given its name.
        let renamed = finder.send(raw(MOVE, "", &[("path", &from), ("to", &to)]).without("If:")).await;
        assert_eq!(renamed.status, StatusCode::CREATED, "{root}");
        httpdate(renamed.header("date"));
        assert_eq!(finder.stat(&from).await, None);
        assert!(finder.stat(&to).await.unwrap().contains("<D:collection/>"), "{root}");
        // A file that is open is renamed with its lock.
        let (from, to) = (format!("{root}/Films/a"), format!("{root}/Films/b"));
        let token = finder.create(&from).await;
        let renamed = finder.send(raw(MOVE, "", &[("path", &from), ("to", &to), ("token", &token)])).await;
        assert_eq!(renamed.status, StatusCode::CREATED, "{root}");
        assert_eq!(site.members(&format!("{root}/Films/")).await, std::slice::from_ref(&to));
        // Over a folder only when it is empty; then without asking whether to replace it.
        let (from, over) = (format!("{root}/Films/"), format!("{root}/Empty/"));
        finder.bare("MKCOL", &over).await;
        let empty = finder.propfind(&over, "1", IS_EMPTY).await;
        assert_eq!(empty.hrefs(), std::slice::from_ref(&over));
        let renamed = finder.send(raw(MOVE, "", &[("path", &from), ("to", &over)]).without("If:")).await;
        assert_eq!(errno(renamed.status), Errno::Fine, "{root}: {}", renamed.status);
        assert_eq!(site.members(&over).await, [format!("{root}/Empty/b")]);
    }
}

#[tokio::test]
async fn a_folder_is_deleted_only_after_its_members() {
    let site = Site::start().await;
    let mut finder = Finder::mounts(&site).await;
    for root in ROOTS {
        let (folder, file) = (format!("{root}/folder/"), format!("{root}/folder/file"));
        finder.bare("MKCOL", &folder).await;
        let token = finder.create(&file).await;
        assert_eq!(finder.propfind(&folder, "1", IS_EMPTY).await.hrefs().len(), 2);
        let words = [("method", "DELETE"), ("path", file.as_str()), ("token", &token)];
        let deleted = finder.send(raw(BARE, "", &words)).await;
        assert_eq!(errno(deleted.status), Errno::Fine, "{root}: with its lock, {}", deleted.status);
        httpdate(deleted.header("date"));
        // The folder stays when its last member has gone.
        assert_eq!(finder.propfind(&folder, "1", IS_EMPTY).await.hrefs(), std::slice::from_ref(&folder), "{root}");
        assert_eq!(errno(finder.bare("DELETE", &folder).await.status), Errno::Fine);
        assert_eq!(finder.stat(&folder).await, None, "{root}");
    }
}

#[tokio::test]
async fn finders_own_files_are_kept_like_all_others() {
    let site = Site::start().await;
    let mut finder = Finder::mounts(&site).await;
    for root in ROOTS {
        // What is asked for at once after mounting, and not there.
        for name in [".hidden", "._.", ".metadata_never_index", ".Spotlight-V100", "mach_kernel", "Backups.backupdb"] {
            assert_eq!(finder.stat(&format!("{root}/{name}")).await, None, "{name}");
        }
        let picture = format!("{root}/picture.jpg");
        finder.writes(&picture, b"picture").await;
        let double = format!("{root}/._picture.jpg");
        assert_eq!(finder.stat(&double).await, None);
        finder.writes(&double, &[0; 4096]).await;
        finder.writes(&format!("{root}/.DS_Store"), &[1; 6148]).await;
        let listed = finder.propfind(&format!("{root}/"), "1", READDIR).await;
        assert_eq!(listed.status, StatusCode::MULTI_STATUS);
        let mut hrefs = listed.hrefs();
        hrefs.sort();
        assert_eq!(hrefs, [format!("{root}/"), format!("{root}/.DS_Store"), double.clone(), picture.clone()]);
        // A property of Apple's that is not there must not spoil those that are.
        assert!(found(&listed)[&picture].contains("<D:getcontentlength>7</D:getcontentlength>"), "{}", listed.text());
        // `parser_opendir_add` mends names that were torn at an ampersand: none stands in an href.
        assert!(!listed.hrefs().iter().any(|href| href.contains('&')));
        for path in [double, picture] {
            assert_eq!(errno(finder.bare("DELETE", &path).await.status), Errno::Fine);
        }
    }
}

#[tokio::test]
async fn finders_own_files_may_be_refused_and_nothing_else_suffers() {
    let refuse = ["junk: refuse"];
    let site = Site::with(Lines { local: &refuse, bucket: &refuse, ..Lines::default() }).await;
    let mut finder = Finder::mounts(&site).await;
    for root in ROOTS {
        let picture = format!("{root}/picture.jpg");
        finder.writes(&picture, b"picture").await;
        for name in ["._picture.jpg", ".DS_Store", "._.DS_Store"] {
            let path = format!("{root}/{name}");
            // It looks, finds nothing, and is told that it may not, rather than that something is missing or broken.
            assert_eq!(finder.stat(&path).await, None);
            let refused = finder.send(raw(super::CREATE, "", &[("path", &path)])).await;
            assert_eq!((errno(refused.status), refused.status), (Errno::Perm, StatusCode::FORBIDDEN), "{path}");
            let refused = finder.send(raw(super::LOCK, super::LOCKINFO, &[("path", &path)])).await;
            assert_eq!(errno(refused.status), Errno::Perm, "{path}: nor by a lock");
            assert_eq!(finder.stat(&path).await, None);
        }
        assert_eq!(site.members(&format!("{root}/")).await, std::slice::from_ref(&picture));
        assert_eq!(site.read(&picture).await.unwrap(), "picture");
        assert_eq!(errno(finder.bare("DELETE", &picture).await.status), Errno::Fine, "{root}");
    }
    // What another program left is shown, read and deleted, so that no folder is stuck with it.
    std::fs::create_dir(site.here("folder")).unwrap();
    std::fs::write(site.here("folder/.DS_Store"), "old").unwrap();
    assert_eq!(finder.propfind("/l/folder/", "1", IS_EMPTY).await.hrefs(), ["/l/folder/", "/l/folder/.DS_Store"]);
    assert_eq!(finder.get("/l/folder/.DS_Store", "Range: bytes=0-2").await.text(), "old");
    for path in ["/l/folder/.DS_Store", "/l/folder/"] {
        assert_eq!(errno(finder.bare("DELETE", path).await.status), Errno::Fine, "{path}");
    }
}

#[tokio::test]
async fn names_in_the_decomposed_form_find_what_is_composed() {
    let site = Site::start().await;
    let mut finder = Finder::mounts(&site).await;
    for root in ROOTS {
        // `create_cfurl_from_node` escapes the UTF-8 of what the kernel hands down, which is decomposed.
        let (composed, decomposed) = (format!("{root}/%C3%BCber.txt"), format!("{root}/u%CC%88ber.txt"));
        site.put(&composed, "by another").await;
        assert!(finder.stat(&decomposed).await.is_some(), "{root}");
        assert_eq!(finder.get(&decomposed, "Range: bytes=0-9").await.text(), "by another");
        let own = format!("{root}/Cafe%CC%81.txt");
        finder.writes(&own, b"own").await;
        assert!(finder.stat(&own).await.is_some());
        let members = site.members(&format!("{root}/")).await;
        assert_eq!(members.len(), 2, "one file for each name: {members:?}");
        assert_eq!(site.read(&format!("{root}/Caf%C3%A9.txt")).await.unwrap(), "own");
    }
}

#[tokio::test]
async fn a_large_file_is_relayed_in_ranges_and_goes_on_by_its_date() {
    let site = Site::start().await;
    let mut finder = Finder::mounts(&site).await;
    let content = Bytes::from((0..200_000_u32).flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>());
    for root in ROOTS {
        let path = format!("{root}/large");
        site.put(&path, content.clone()).await;
        let whole = finder.get(&path, "X-Nothing: 1").await;
        // Redirected it would carry the password along (CFNetwork's `constructRedirectedRequest` copies all headers).
        assert_eq!(whole.status, StatusCode::OK, "{root}");
        let modified = whole.header("last-modified").to_owned();
        httpdate(&modified);
        // `network_read`: parts of a file that is not in the cache.
        let part = finder.get(&path, "Range: bytes=4096-8191").await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.body.unwrap(), content.slice(4096..8192));
        // `network_open`: the rest of a download that was cut, if the file is still the same.
        let rest = finder.get(&path, &format!("If-Range: {modified}\nRange: bytes=500000-")).await;
        assert_eq!(rest.status, StatusCode::PARTIAL_CONTENT, "{root}");
        assert_eq!(rest.body.unwrap(), content.slice(500_000..));
        let other = finder.get(&path, "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\nRange: bytes=500000-").await;
        assert_eq!(other.status, StatusCode::OK, "{root}: all of it, since it is another version");
        assert_eq!(other.body.unwrap(), content);
        // A file that is whole in the cache.
        let same = finder.get(&path, &format!("If-Modified-Since: {modified}")).await;
        assert_eq!(same.status, StatusCode::NOT_MODIFIED, "{root}");
        // A file that was read to its end by another size is EINVAL, not ENOENT.
        let past = finder.get(&path, "Range: bytes=800000-800999").await;
        assert_eq!(errno(past.status), Errno::Inval, "{root}: {}", past.status);
        assert_eq!(past.header("content-range"), "bytes */800000");
    }
}

#[test]
fn finder_takes_each_status_for_an_error_of_its_own() {
    for (status, expected) in [(207, Errno::Fine), (403, Errno::Perm), (503, Errno::NoEnt), (507, Errno::NoSpace)] {
        assert_eq!(errno(StatusCode::from_u16(status).unwrap()), expected, "{status}");
    }
    assert_eq!(errno(StatusCode::PAYLOAD_TOO_LARGE), Errno::TooBig);
    assert_eq!(errno(StatusCode::URI_TOO_LONG), Errno::NameTooLong);
}
