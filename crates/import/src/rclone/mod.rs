//! An rclone.conf.
//!
//! The form: rclone/rclone `fs/config/configfile`, which stands on unknwon/goconfig; names of places: `fs/fspath/path.go`; options:
//! `backend/{s3,local,alias,combine}`.

mod conf;
mod place;
mod s3;

use crate::Error;
use crate::draft::{Entry, Imported, Note};

use conf::Conf;
use place::Target;

/// Turns an rclone.conf into a mounts file. An alias becomes a mount, a combine one for each of its folders; what they lead to is
/// the mount's storage. A remote of type s3 is a whole account: of those, `buckets` become mounts (`remote:bucket`, or
/// `remote:bucket/folder`).
///
/// # Errors
/// [`Error`]; remotes that cannot be taken over are none, as long as one can.
pub fn rclone(text: &str, buckets: &[String]) -> Result<Imported, Error> {
    let conf = conf::parse(text)?;
    let mut notes = Vec::new();
    let mut mounts: Vec<Entry> = Vec::new();
    let mut used: Vec<String> = Vec::new();
    for remote in &conf.remotes {
        let what = format!("remote {}", remote.name);
        let mut note = |what: &str, why: String| notes.push(Note { what: what.to_owned(), why });
        match remote.get("type") {
            "alias" | "combine" => {
                let found = place::resolve(&conf, &format!("{}:", remote.name));
                for (below, target) in found {
                    let path = joined(&remote.name, &below);
                    match target {
                        Ok(target) => mounts.push(mount(&conf, &path, &target, &mut used, &mut notes)),
                        Err(why) => notes.push(Note { what: format!("{what}, as {path}"), why }),
                    }
                }
            }
            // Told below, where nothing leads there.
            "s3" => {}
            "local" => note(
                &what,
                "is the whole disk of this machine; only folders that an alias or a combine names are mounted"
                    .to_owned(),
            ),
            "" => note(&what, "has no type".to_owned()),
            other => note(&what, format!("the type {other} is not supported; s3, local, alias and combine are")),
        }
    }
    for bucket in buckets {
        let name = bucket.split(':').next().unwrap_or_default();
        match place::resolve(&conf, bucket).pop() {
            Some((_, Ok(target))) if matches!(target, Target::Bucket { .. }) => {
                let path = joined(name, bucket.split_once(':').map_or("", |(_, path)| path));
                mounts.push(mount(&conf, &path, &target, &mut used, &mut notes));
            }
            Some((_, Err(why))) => notes.push(Note { what: format!("--bucket {bucket}"), why }),
            _ => notes.push(Note {
                what: format!("--bucket {bucket}"),
                why: "is no bucket of a remote of type s3".to_owned(),
            }),
        }
    }
    for remote in conf.remotes.iter().filter(|remote| remote.get("type") == "s3" && !used.contains(&remote.name)) {
        notes.push(Note {
            what: format!("remote {}", remote.name),
            why: format!(
                "is an account, and a mount is one bucket of it: name each with --bucket {}:BUCKET",
                remote.name
            ),
        });
    }
    // The first of two at one path stays.
    let mut places = Vec::new();
    mounts.retain(|mount| {
        let is_new = !places.contains(&mount.name);
        if is_new {
            places.push(mount.name.clone());
        } else {
            notes.push(Note { what: format!("mount {}", mount.name), why: "a mount is there already".to_owned() });
        }
        is_new
    });
    if mounts.is_empty() {
        return Err(Error::NoMounts(notes));
    }
    let anonymous = ("read-only", "rclone.conf knows no users: add some before this listens beyond this machine");
    Ok(Imported { source: "an rclone.conf", anonymous, proxy_token: None, users: Vec::new(), mounts, notes })
}

fn joined(name: &str, below: &str) -> String {
    let below = below.trim_matches('/');
    if below.is_empty() { format!("/{name}") } else { format!("/{name}/{below}") }
}

fn mount(conf: &Conf, path: &str, target: &Target, used: &mut Vec<String>, notes: &mut Vec<Note>) -> Entry {
    let mut entry = Entry::new(path);
    entry.set("path", path);
    match target {
        Target::Folder { path } => {
            entry.set("driver", "local");
            entry.set("root_folder_path", path);
        }
        Target::Bucket { remote, bucket, prefix } => {
            let is_first = !used.contains(remote);
            if is_first {
                used.push(remote.clone());
            }
            let lost =
                conf.remote(remote).map(|remote| s3::mount(&mut entry, remote, bucket, prefix)).unwrap_or_default();
            // Once for the remote, however many mounts it has.
            if is_first {
                notes.extend(lost.into_iter().map(|why| Note { what: format!("remote {remote}"), why }));
            }
        }
    }
    entry
}
