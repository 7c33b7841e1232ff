//! Two clients that PUT, MOVE and DELETE the same names at once, while the bucket fails and the server is killed: every
//! file that a client was told is stored is there, whole.
//!
//! The clients run in rounds of a few operations each. After a round all names are read, and what they hold must be what
//! some order of that round's operations leaves, with each operation's answer as it was: an operation that had ended
//! before another began comes before it. One that was answered with an error, or not at all, may have been done or not; a
//! MOVE in that case may have left the file at both places, and never at none.
//!
//! `DAVMUX_TOGETHER_SECONDS` makes it run for so long, and `DAVMUX_SEED` sets the seed, which is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use davmux_s3_server::{Fault, Running};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tempfile::TempDir;

use crate::support::{Davmux, PATIENCE, bucket, local, s3};

/// Rounds where no time is set.
const ROUNDS: usize = 40;
/// Operations of each client in a round.
const OPERATIONS: usize = 3;
const NAMES: [&str; 6] = ["/l/a", "/l/d/b", "/b/a", "/b/c", "/b/d/b", "/b/d/e"];
/// What the bucket does wrong, to which operation.
const FAULTS: [(&str, Fault); 8] = [
    ("PutObject", Fault::SlowDown),
    ("PutObject", Fault::LostAnswer),
    ("PutObject", Fault::Close),
    ("CopyObject", Fault::InternalError),
    ("CopyObject", Fault::LostAnswer),
    ("DeleteObject", Fault::LostAnswer),
    ("GetObject", Fault::CutBody(1000)),
    ("HeadObject", Fault::Close),
];

/// A file's content is told by its number.
type Content = u64;
/// What the names hold.
type Held = BTreeMap<&'static str, Content>;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// The bytes of a content: they name it, its length follows from it, and no part of one is the beginning of another.
fn bytes_of(content: Content) -> Bytes {
    let line = format!("{content:016x};");
    let lines = match content % 16 {
        0 => 600_000,
        1..4 => 20_000,
        4 => 1,
        _ => 40,
    };
    Bytes::from(line.repeat(lines))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Put(&'static str, Content),
    Move(&'static str, &'static str),
    Delete(&'static str),
    Get(&'static str),
}

impl Operation {
    fn any(random: &mut Random, next: &mut Content) -> Self {
        let name = random.of(&NAMES);
        match random.below(10) {
            0..4 => {
                *next += 1;
                Self::Put(name, *next)
            }
            4..7 => match random.of(&NAMES) {
                other if other == name => Self::Get(name),
                other => Self::Move(name, other),
            },
            7 => Self::Delete(name),
            _ => Self::Get(name),
        }
    }
}

/// What a client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// 201 or 204. Which of them is found out before the change, and another one may slip in between.
    Done,
    /// 404
    Missing,
    /// 200 and all of this.
    Read(Content),
    /// An error, or nothing.
    Nothing,
}

/// One operation of a client, and when it was under way.
#[derive(Clone, Debug)]
struct Done {
    operation: Operation,
    told: Told,
    began: Instant,
    ended: Instant,
}

/// What may stand after an operation on what stood before; nothing, where the answer cannot be.
fn after(held: &Held, done: &Done) -> Vec<Held> {
    let with = |change: &dyn Fn(&mut Held)| {
        let mut held = held.clone();
        change(&mut held);
        held
    };
    let only_if = |can: bool, then: Held| if can { vec![then] } else { Vec::new() };
    match (done.operation, done.told) {
        (Operation::Put(name, content), told) => {
            let put = with(&|held| {
                held.insert(name, content);
            });
            if told == Told::Nothing { vec![held.clone(), put] } else { only_if(told == Told::Done, put) }
        }
        (Operation::Move(from, to), told) => {
            let Some(content) = held.get(from).copied() else {
                return only_if(matches!(told, Told::Missing | Told::Nothing), held.clone());
            };
            let copied = with(&|held| {
                held.insert(to, content);
            });
            let mut moved = copied.clone();
            moved.remove(from);
            if told == Told::Nothing { vec![held.clone(), copied, moved] } else { only_if(told == Told::Done, moved) }
        }
        (Operation::Delete(name), told) => {
            let deleted = with(&|held| {
                held.remove(name);
            });
            let expected = if held.contains_key(name) { Told::Done } else { Told::Missing };
            if told == Told::Nothing { vec![held.clone(), deleted] } else { only_if(told == expected, deleted) }
        }
        (Operation::Get(_), Told::Nothing) => vec![held.clone()],
        (Operation::Get(name), told) => {
            let expected = held.get(name).map_or(Told::Missing, |content| Told::Read(*content));
            only_if(told == expected, held.clone())
        }
    }
}

/// All that may stand after what two clients did.
fn outcomes(held: &Held, one: &[Done], other: &[Done], found: &mut BTreeSet<Held>) {
    if one.is_empty() && other.is_empty() {
        found.insert(held.clone());
    }
    for (mine, theirs, is_first) in [(one, other, true), (other, one, false)] {
        let Some((next, rest)) = mine.split_first() else { continue };
        // What had ended before this began comes before it.
        if theirs.first().is_some_and(|their| their.ended < next.began) {
            continue;
        }
        for then in after(held, next) {
            if is_first { outcomes(&then, rest, theirs, found) } else { outcomes(&then, theirs, rest, found) }
        }
    }
}

type Http = Client<HttpConnector, Full<Bytes>>;

/// One request; `None` where there was no whole answer.
async fn ask(http: &Http, addr: &str, method: &str, path: &str, to: Option<&str>, body: Bytes) -> Option<(u16, Bytes)> {
    let mut request =
        Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(format!("http://{addr}{path}"));
    if let Some(to) = to {
        request = request.header("Destination", to);
    }
    let asked = async {
        let response = http.request(request.body(Full::new(body)).unwrap()).await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.into_body().collect().await.ok()?.to_bytes()))
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("a request hangs")
}

/// The content that some bytes are. Panics where they are none: a torn file, or a mixture.
fn recognised(bytes: &Bytes, path: &str) -> Content {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
    let number = bytes.get(..16).and_then(|digits| u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
    let content = number.unwrap_or_else(|| panic!("{path} holds what nobody stored: {shown}"));
    assert!(*bytes == bytes_of(content), "{path} is not whole: {} bytes of {shown}", bytes.len());
    content
}

async fn run(http: &Http, addr: &str, operation: Operation) -> Done {
    let began = Instant::now();
    let answer = match operation {
        Operation::Put(name, content) => ask(http, addr, "PUT", name, None, bytes_of(content)).await,
        Operation::Move(from, to) => ask(http, addr, "MOVE", from, Some(to), Bytes::new()).await,
        Operation::Delete(name) => ask(http, addr, "DELETE", name, None, Bytes::new()).await,
        Operation::Get(name) => ask(http, addr, "GET", name, None, Bytes::new()).await,
    };
    let told = match (answer, operation) {
        (Some((200, body)), Operation::Get(name)) => Told::Read(recognised(&body, name)),
        (Some((201 | 204, _)), _) => Told::Done,
        (Some((404, _)), _) => Told::Missing,
        (None | Some((207 | 500.., _)), _) => Told::Nothing,
        (Some((status, body)), _) => panic!("{operation:?}: {status} {}", String::from_utf8_lossy(&body)),
    };
    Done { operation, told, began, ended: Instant::now() }
}

/// What all names hold, read and listed.
async fn look(http: &Http, addr: &str) -> Held {
    let mut held = Held::new();
    for name in NAMES {
        match ask(http, addr, "GET", name, None, Bytes::new()).await {
            Some((200, body)) => drop(held.insert(name, recognised(&body, name))),
            Some((404, _)) => {}
            answer => panic!("{name} cannot be read: {:?}", answer.map(|(status, _)| status)),
        }
    }
    held
}

struct Served {
    davmux: Davmux,
    dir: Arc<TempDir>,
    file: String,
}

impl Served {
    async fn start(s3: &Running, folder: &TempDir) -> Self {
        let file = format!(
            "version: 1\nserver: {{ anonymous: read-write, state_dir: state }}\nmounts:\n{}{}",
            bucket("/b", s3, &[]),
            local("/l", folder.path())
        );
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let davmux = Davmux::serve_in(Arc::clone(&dir), &file).await;
        Self { davmux, dir, file }
    }

    async fn restart(self) -> Self {
        self.davmux.kill();
        let davmux = Davmux::serve_in(Arc::clone(&self.dir), &self.file).await;
        Self { davmux, dir: self.dir, file: self.file }
    }

    fn kill(&self) {
        let killed = std::process::Command::new("kill").args(["-9", &self.davmux.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }
}

fn told(one: &[Done], other: &[Done], before: &Held, now: &Held) -> String {
    let mut text = format!("before: {before:x?}\nnow: {now:x?}\n");
    for (client, history) in [one, other].into_iter().enumerate() {
        for done in history {
            writeln!(text, "client {client}: {:x?} {:x?}", done.operation, done.told).unwrap();
        }
    }
    text
}

#[tokio::test]
async fn what_two_clients_were_told_is_stored_is_there_whole() {
    let seconds = std::env::var("DAVMUX_TOGETHER_SECONDS").ok().map(|seconds| seconds.parse().unwrap());
    let seed = std::env::var("DAVMUX_SEED").ok().map_or(1, |seed| seed.parse().unwrap());
    println!("DAVMUX_SEED={seed}");
    let (mut random, mut next) = (Random(seed), 0);
    let (began, length) = (Instant::now(), seconds.map(Duration::from_secs));
    let (s3, folder) = (s3().await, tempfile::tempdir().unwrap());
    let mut served = Served::start(&s3, &folder).await;
    for folder in ["/l/d", "/b/d"] {
        assert_eq!(served.davmux.send("MKCOL", folder, &[], "").await.status, 201);
    }
    let (mut held, mut rounds, mut kills, mut unknown) = (Held::new(), 0, 0, 0);
    while length.map_or(rounds < ROUNDS, |length| began.elapsed() < length) {
        rounds += 1;
        s3.faults().clear();
        if random.below(2) == 0 {
            for _ in 0..random.below(4) {
                let (operation, fault) = random.of(&FAULTS);
                s3.faults().nth(operation, 1 + random.below(3) as u64, fault);
            }
        }
        // How many operations end before the server is killed.
        let kill_after = (random.below(6) == 0).then(|| random.below(2 * OPERATIONS));
        let ended = Arc::new(AtomicUsize::new(0));
        let mut client = || {
            let operations: Vec<_> = (0..OPERATIONS).map(|_| Operation::any(&mut random, &mut next)).collect();
            let (addr, ended) = (served.davmux.addr.clone(), Arc::clone(&ended));
            tokio::spawn(async move {
                let http = Client::builder(TokioExecutor::new()).build_http();
                let mut history = Vec::new();
                for operation in operations {
                    history.push(run(&http, &addr, operation).await);
                    ended.fetch_add(1, Ordering::SeqCst);
                }
                history
            })
        };
        let (one, other) = (client(), client());
        if let Some(kill_after) = kill_after {
            while ended.load(Ordering::SeqCst) < kill_after && !one.is_finished() && !other.is_finished() {
                tokio::task::yield_now().await;
            }
            served.kill();
            kills += 1;
        }
        let (one, other) = (one.await.unwrap(), other.await.unwrap());
        unknown += [&one, &other].into_iter().flatten().filter(|done| done.told == Told::Nothing).count();
        s3.faults().clear();
        if kill_after.is_some() {
            served = served.restart().await;
        }
        let http: Http = Client::builder(TokioExecutor::new()).build_http();
        let mut now = look(&http, &served.davmux.addr).await;
        if kill_after.is_some() {
            // A call that was on its way to the bucket when the server was killed arrives all the same.
            loop {
                served = served.restart().await;
                let again = look(&http, &served.davmux.addr).await;
                if std::mem::replace(&mut now, again.clone()) == again {
                    break;
                }
            }
        }
        let mut possible = BTreeSet::new();
        outcomes(&held, &one, &other, &mut possible);
        assert!(
            possible.contains(&now),
            "seed {seed}, round {rounds}: no order of what was done leaves this\n{}{}",
            told(&one, &other, &held, &now),
            served.davmux.log().lines().rev().take(40).collect::<Vec<_>>().join("\n")
        );
        held = now;
    }
    println!("{rounds} rounds, {kills} kills, {unknown} operations without an answer, {next} files");
    assert!(!served.davmux.log().contains("panicked"), "{}", served.davmux.log());
}
