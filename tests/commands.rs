//! Commands that serve nothing: links, and what is generated.

use std::io::Write as _;
use std::process::Stdio;

use crate::support::{Davmux, binary, bucket, local, other, s3};

pub fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = binary().args(args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// A program that may not be on this machine.
pub fn is_there(program: &str) -> bool {
    let there = std::process::Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    if !there.status.success() {
        eprintln!("skipped: {program} is not installed");
    }
    there.status.success()
}

/// What a shell says of a script on its standard input.
fn fed(program: &str, args: &[&str], input: &str) -> (bool, String) {
    let mut child = std::process::Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Fetches a URL as somebody without a login does.
async fn fetched(url: &str) -> (u16, String) {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::client::legacy::Client;
    let client = Client::builder(hyper_util::rt::TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let response = client.get(url.parse().unwrap()).await.unwrap();
    let status = response.status().as_u16();
    (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

struct Place {
    dir: tempfile::TempDir,
    file: String,
}

fn place(file: &str) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mounts.yaml");
    std::fs::write(&path, file).unwrap();
    Place { file: path.to_str().unwrap().to_owned(), dir }
}

async fn linked(place: &Place, args: &[&str]) -> (Option<i32>, String, String) {
    let args: Vec<String> = ["link", &place.file].into_iter().chain(args.iter().copied()).map(str::to_owned).collect();
    let ran = tokio::task::spawn_blocking(move || run(&args.iter().map(String::as_str).collect::<Vec<_>>()));
    ran.await.unwrap()
}

async fn films(options: &[&str]) -> (davmux_s3_server::Running, Place) {
    let s3 = s3().await;
    let body = aws_sdk_s3::primitives::ByteStream::from_static(b"a film");
    other(&s3).put_object().bucket("bucket").key("a b/film ü.mkv").body(body).send().await.unwrap();
    let file = format!("version: 1\nserver: {{ anonymous: read-only }}\nmounts:\n{}", bucket("/films", &s3, options));
    (s3, place(&file))
}

/// Whether a link is signed for so many seconds; the second in which it was signed counts.
fn lives(url: &str, seconds: u32) -> bool {
    (seconds..=seconds + 1).any(|life| url.contains(&format!("X-Amz-Expires={life}&")))
}

#[tokio::test]
async fn a_link_stands_alone_on_standard_output_and_leads_to_the_bytes() {
    let (_s3, place) = films(&[]).await;
    let (code, url, said) = linked(&place, &["/films/a b/film ü.mkv"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(url.lines().count(), 1, "{url}");
    assert_eq!(fetched(url.trim()).await, (200, "a film".to_owned()));
    assert!(lives(&url, 14400), "the mount's own life: {url}");
    assert!(said.contains("for 4h") && !said.contains("X-Amz"), "the life is told, the link is not repeated: {said}");
}

#[tokio::test]
async fn a_link_lives_as_long_as_asked_and_json_says_until_when() {
    let (_s3, place) = films(&["sign_url_expire: 1h"]).await;
    let (code, out, said) = linked(&place, &["/films/a b/film ü.mkv", "--expire", "30m", "--json"]).await;
    assert_eq!(code, Some(0), "{said}");
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(lives(answer["url"].as_str().unwrap(), 1800), "{answer}");
    assert!(answer["expires_at"].as_str().unwrap().ends_with('Z'), "{answer}");
    for wrong in ["8d", "0s", "soon"] {
        let (code, out, said) = linked(&place, &["/films/a b/film ü.mkv", "--expire", wrong]).await;
        assert_eq!((code, out.as_str()), (Some(2), ""), "{wrong}: {said}");
        assert!(said.contains("7d"), "{said}");
    }
}

#[tokio::test]
async fn an_unsigned_link_is_said_not_to_expire() {
    let (_s3, place) = films(&["custom_host: https://cdn.example.com"]).await;
    let (code, url, said) = linked(&place, &["/films/a b/film ü.mkv", "--expire", "1h", "--json"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(url.contains("https://cdn.example.com/bucket/a%20b/film%20%C3%BC.mkv"), "{url}");
    assert!(url.contains("\"expires_at\":null"), "{url}");
    assert!(said.contains("does not expire") && said.contains("--expire does nothing"), "{said}");
}

#[tokio::test]
async fn what_has_no_link_says_what_to_do_and_prints_nothing() {
    let (_s3, mut place) = films(&[]).await;
    std::fs::write(place.dir.path().join("note é.txt"), "x").unwrap();
    let mut file = std::fs::read_to_string(&place.file).unwrap();
    file =
        file.replace("anonymous: read-only", "anonymous: read-only, base_path: /dav") + &local("/l", place.dir.path());
    std::fs::write(&place.file, file).unwrap();
    place.file = place.dir.path().join("mounts.yaml").to_str().unwrap().to_owned();
    for (path, part) in [
        ("/l/note é.txt", "/dav/l/note%20%C3%A9.txt"),
        ("/films/none", "nothing is there"),
        ("/nowhere/none", "nothing is there"),
        ("/films/a b", "is a folder"),
        ("/films", "is a folder"),
    ] {
        let (code, out, said) = linked(&place, &[path]).await;
        assert_eq!((code, out.as_str()), (Some(1), ""), "{path}: {said}");
        assert!(said.contains(part), "{path}: {said}");
    }
    assert_eq!(linked(&place, &["films/x"]).await.0, Some(2));
}

#[tokio::test]
async fn a_link_is_made_beside_a_server_that_runs() {
    let (_s3, place) = films(&[]).await;
    let file = std::fs::read_to_string(&place.file)
        .unwrap()
        .replace("anonymous: read-only", "anonymous: read-only, state_dir: state");
    let davmux = Davmux::serve_file(&file).await;
    let running = Place { file: davmux.dir.path().join("mounts.yaml").to_str().unwrap().to_owned(), dir: place.dir };
    let (code, url, said) = linked(&running, &["/films/a b/film ü.mkv"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fetched(url.trim()).await.0, 200);
}

#[test]
fn the_schema_is_the_one_that_is_shipped() {
    let (code, out, _) = run(&["schema"]);
    assert_eq!(code, Some(0));
    let shipped =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mounts.schema.json")).unwrap();
    let [out, shipped] = [out, shipped].map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap());
    assert!(out == shipped, "davmux schema > docs/mounts.schema.json");
}

#[test]
fn every_shell_takes_its_completions() {
    let checks: [(&str, &[&str]); 5] =
        [("bash", &["-n"]), ("zsh", &["-n"]), ("fish", &["-n"]), ("elvish", &["-compileonly"]), ("powershell", &[])];
    for (shell, check) in checks {
        let (code, script, said) = run(&["completions", shell]);
        assert_eq!(code, Some(0), "{said}");
        for word in ["serve", "hash-password", "log-format"] {
            assert!(script.contains(word), "{shell} completes {word}");
        }
        if !check.is_empty() && shell != "elvish" && is_there(shell) {
            let (good, said) = fed(shell, check, &script);
            assert!(good, "{shell}: {said}");
        }
    }
    let (code, out, _) = run(&["completions", "cmd"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
}

/// The commands as `--help` lists them.
fn commands() -> Vec<String> {
    let help = run(&["--help"]).1;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).filter(|name| name != "help").collect()
}

#[test]
fn the_manual_has_a_page_for_each_command_and_troff_takes_it() {
    let (code, page, _) = run(&["man"]);
    assert_eq!(code, Some(0));
    assert!(page.starts_with(".ie") || page.starts_with(".TH"), "{}", &page[..40]);
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man1");
    assert_eq!(run(&["man", "--dir", pages.to_str().unwrap()]).0, Some(0));
    assert!(commands().len() > 8);
    for name in commands().iter().map(|name| format!("davmux-{name}.1")).chain(["davmux.1".to_owned()]) {
        let page = std::fs::read_to_string(pages.join(&name)).unwrap_or_else(|_| panic!("there is no {name}"));
        if is_there("groff") {
            let (good, said) = fed("groff", &["-man", "-ww", "-Tutf8", "-z"], &page);
            assert!(good && said.is_empty(), "{name}: {said}");
        }
    }
}

#[test]
fn the_page_of_commands_shows_each_of_them_and_no_option_that_is_not_there() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/commands.md")).unwrap();
    for name in commands() {
        let section = page
            .split("\n## ")
            .find(|section| section.lines().next().unwrap().starts_with(&format!("davmux {name}")))
            .unwrap_or_else(|| panic!("docs/commands.md has no section `davmux {name}`"));
        assert!(section.contains("```sh\n"), "`davmux {name}` has no example");
        // `cors show`, `import alist` and their like have pages of their own.
        let mut help = run(&[&name, "--help"]).1;
        for below in help.clone().lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next()) {
            if below.chars().all(|c| c.is_ascii_lowercase()) && below != "help" {
                help.push_str(&run(&[&name, below, "--help"]).1);
            }
        }
        let words = |text: &str| -> std::collections::BTreeSet<String> {
            let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            parts.filter(|part| part.len() > 2 && part.starts_with("--")).map(str::to_owned).collect()
        };
        let everywhere = ["--help", "--log", "--log-format", "--version"].map(str::to_owned);
        let (told, there) = (words(section), words(&help));
        for option in told.iter().filter(|option| !everywhere.contains(option)) {
            assert!(
                there.contains(option),
                "docs/commands.md shows {option} of `davmux {name}`, which has no such option"
            );
        }
        for option in there.iter().filter(|option| !everywhere.contains(option)) {
            assert!(told.contains(option), "docs/commands.md does not show {option} of `davmux {name}`");
        }
    }
}

/// At a terminal of its own, with what a person types.
fn typed(lines: &str) -> Option<(bool, String)> {
    if !is_there("script") {
        return None;
    }
    let command = format!("{} hash-password", env!("CARGO_BIN_EXE_davmux"));
    let mut child = std::process::Command::new("script")
        .args(["--quiet", "--return", "--echo", "never", "--command", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Some((output.status.success(), String::from_utf8(output.stdout).unwrap()))
}

#[test]
fn a_password_is_asked_for_twice_at_a_terminal_and_not_shown() {
    let Some((good, screen)) = typed("correct horse\ncorrect horse\n") else { return };
    assert!(good && screen.contains("Password: ") && screen.contains("$argon2id$"), "{screen}");
    assert!(!screen.contains("horse"), "{screen}");
    let (good, screen) = typed("correct horse\ncorrect house\n").unwrap();
    assert!(!good && screen.contains("two different") && !screen.contains("$argon2id$"), "{screen}");
}

#[test]
fn a_file_with_mistakes_of_every_kind_tells_all_of_them_each_with_its_place() {
    let file = "\
version: 2
server:
  lisen: 127.0.0.1:8080
  http2: maybe
  drain: 30
  drain: 40s
users:
  - { name: \"a:b\", password: x, access: all }
redirect_rules:
  - { user_agent: \"(\", read: redirect }
mounts:
  - path: /films
    driver: s3
    bucket: films
    access_key_id: ${DAVMUX_TEST_UNSET}
    sign_url_expire: 8d
    placeholder: [a, a]
    color: red
  - path: /films
    driver: local
    root_folder_path: .
  - path: documents
    driver: locla
";
    let place = place(file);
    let (code, out, said) = run(&["check", &place.file]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let expected = [
        ("1:10", "version"),
        ("3:3", "did you mean `listen`?"),
        ("4:10", "true or false"),
        ("5:10", "drain"),
        ("6:3", "set already in line 5"),
        ("8:13", "colon"),
        ("8:41", "one of none, read-only, read-write"),
        ("10:19", "regular expression"),
        ("15:20", "DAVMUX_TEST_UNSET is not set"),
        ("16:22", "from 1s to 7d"),
        ("17:22", "twice"),
        ("18:5", "unknown key `color`"),
        ("19:11", "in line 12"),
        ("23:13", "locla"),
    ];
    for (at, part) in expected {
        let line = said.lines().find(|line| line.starts_with(&format!("{}:{at}: ", place.file)));
        assert!(line.is_some_and(|line| line.contains(part)), "{at} {part}:\n{said}");
    }
    let (code, out, _) = run(&["check", "--json", &place.file]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["ok"]), (Some(1), &serde_json::json!(false)));
    let places: Vec<String> =
        report["mistakes"].as_array().unwrap().iter().map(|m| format!("{}:{}", m["line"], m["column"])).collect();
    assert_eq!(places, expected.map(|(at, _)| at), "{said}");
}

#[test]
fn what_a_good_file_should_be_told_is_a_warning_with_its_place() {
    let place = place("version: 1\nmounts:\n  - { path: /a, driver: local, root_folder_path: . }\n");
    let (code, out, said) = run(&["check", &place.file, "--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!((&report["ok"], &report["mistakes"]), (&serde_json::json!(true), &serde_json::json!([])));
    assert!(
        report["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|w| w["line"] == 1 && w["message"].as_str().unwrap().contains("no users")),
        "{report}"
    );
    let (code, out, _) = run(&["check", "/nonexistent/mounts.yaml", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["ok"]), (Some(1), &serde_json::json!(false)));
    assert!(report["mistakes"][0]["message"].as_str().unwrap().contains("cannot be read"), "{report}");
}
