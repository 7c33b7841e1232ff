//! `remote:path`, followed through aliases and combines to where it leads.

use super::conf::Conf;

/// What a mount can stand on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Folder { path: String },
    Bucket { remote: String, bucket: String, prefix: String },
}

/// What is found, each with where it is below the place that was asked for.
pub(crate) type Found = Vec<(String, Result<Target, String>)>;

/// Where a place leads. A combine leads to several; an error says why there is nothing that can be mounted.
pub(crate) fn resolve(conf: &Conf, place: &str) -> Found {
    follow(conf, place, &mut Vec::new())
}

fn follow(conf: &Conf, place: &str, through: &mut Vec<String>) -> Found {
    let only = |why: String| vec![(String::new(), Err(why))];
    let (name, path) = match split(place) {
        Ok(Split::Folder(path)) => return vec![(String::new(), folder(path))],
        Ok(Split::Remote(name, path)) => (name, path),
        Err(why) => return only(why),
    };
    let Some(remote) = conf.remote(name) else {
        return only(format!("it leads to the remote {name}, which is not in this file"));
    };
    if through.iter().any(|before| before == name) {
        return only(format!("it leads back to itself through {name}"));
    }
    match remote.get("type") {
        "s3" => {
            let path = clean(path);
            let (bucket, prefix) = path.split_once('/').unwrap_or((&path, ""));
            if bucket.is_empty() {
                return only(format!(
                    "{name}: is an account, and a mount is one bucket of it: name it behind the colon"
                ));
            }
            let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
            vec![(String::new(), Ok(Target::Bucket { remote: name.to_owned(), bucket, prefix }))]
        }
        "local" => vec![(String::new(), folder(path))],
        "alias" => {
            through.push(name.to_owned());
            let found = follow(conf, &join(remote.get("remote"), path), through);
            through.pop();
            found
        }
        "combine" => {
            through.push(name.to_owned());
            let found = combined(conf, remote.get("upstreams"), path, through);
            through.pop();
            found
        }
        other => {
            only(format!("it leads to {name}, whose type {other} is not supported; s3, local, alias and combine are"))
        }
    }
}

fn combined(conf: &Conf, upstreams: &str, path: &str, through: &mut Vec<String>) -> Found {
    let path = clean(path);
    let (first, rest) = path.split_once('/').unwrap_or((&path, ""));
    let mut found = Vec::new();
    for upstream in words(upstreams) {
        let Some((dir, place)) = upstream.split_once('=') else {
            found.push((String::new(), Err(format!("the upstream {upstream} has no ="))));
            continue;
        };
        if first.is_empty() {
            let below = follow(conf, place, through);
            found.extend(below.into_iter().map(|(sub, target)| (clean(&format!("{dir}/{sub}")), target)));
        } else if first == dir {
            found.extend(follow(conf, &join(place, rest), through));
        }
    }
    if found.is_empty() {
        found.push((String::new(), Err(format!("the combine has no folder {first}"))));
    }
    found
}

enum Split<'a> {
    Folder(&'a str),
    Remote(&'a str, &'a str),
}

/// A colon before any slash ends the name of a remote.
fn split(place: &str) -> Result<Split<'_>, String> {
    let name_end = place.find([':', '/', ',']);
    match name_end.map(|end| (end, place.as_bytes()[end])) {
        Some((0, b':')) => {
            Err(format!("{place} is a remote on the fly, which is not supported: give it a section of its own"))
        }
        Some((_, b',')) => {
            Err(format!("{place} sets options of its own, which is not supported: give it a section of its own"))
        }
        Some((end, b':')) => Ok(Split::Remote(&place[..end], &place[end + 1..])),
        _ => Ok(Split::Folder(place)),
    }
}

fn folder(path: &str) -> Result<Target, String> {
    if path.starts_with('/') {
        return Ok(Target::Folder { path: format!("/{}", clean(path)) });
    }
    let shown = if path.is_empty() {
        "the folder in which rclone runs".to_owned()
    } else {
        format!("{path} in the folder in which rclone runs")
    };
    Err(format!("it leads to {shown}: write the whole path"))
}

fn join(place: &str, path: &str) -> String {
    if path.is_empty() {
        return place.to_owned();
    }
    let between = if place.ends_with([':', '/']) || path.starts_with('/') { "" } else { "/" };
    format!("{place}{between}{path}")
}

/// Without `.`, `..`, double slashes, and slashes at its ends.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Words between spaces; one that begins with a quote ends with one, and two quotes in it are one (fs/config_list.go: CSV).
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let mut word = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let Some((before, after)) = quoted.split_once('"') else {
                    word.push_str(quoted);
                    quoted = "";
                    break;
                };
                word.push_str(before);
                match after.strip_prefix('"') {
                    Some(after) => {
                        word.push('"');
                        quoted = after;
                    }
                    None => {
                        quoted = after;
                        break;
                    }
                }
            }
            rest = quoted.trim_start();
        } else {
            let (before, after) = rest.split_once(' ').unwrap_or((rest, ""));
            word.push_str(before);
            rest = after.trim_start();
        }
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_words_of_which_some_are_quoted() {
        assert_eq!(words(r#"a=b:c "d e=f:g h" "i=j:""k""""#), ["a=b:c", "d e=f:g h", "i=j:\"k\""]);
        assert_eq!(words("  "), [""; 0]);
        assert_eq!(words("\"open"), ["open"]);
    }

    #[test]
    fn a_path_is_cleaned_and_never_leaves_its_place() {
        for (path, cleaned) in [("/a//b/", "a/b"), ("a/./b/../c", "a/c"), ("../../x", "x"), ("", "")] {
            assert_eq!(clean(path), cleaned);
        }
    }
}
