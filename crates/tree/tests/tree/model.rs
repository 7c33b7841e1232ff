//! The same random operations on a tree and on a map.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use davmux_driver_testkit::{Fault, Faulty, Memory, Op};
use davmux_tree::{Driver, ErrorKind, MountOptions, Problem, Result, Transfer, View, When};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::*;

/// Paths of files with their content, of folders with `None`.
type Model = BTreeMap<String, Option<String>>;

#[derive(Clone, Debug)]
enum Step {
    Put(String),
    Mkdir(String),
    Delete(String),
    Copy { from: String, to: String, overwrite: bool, deep: bool },
    Move { from: String, to: String, overwrite: bool },
    Stat(String),
    List(String),
    Read(String),
    CheckAll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NotFound,
    NoParent,
    Exists,
    IsDir,
    NotDir,
    MountPoint,
    Overlap,
}

const MOUNTS: &[&str] = &["", "k", "k/in", "l"];

fn is_fixed(path: &str) -> bool {
    MOUNTS.iter().any(|mount| is_within(mount, path))
}

fn is_within(path: &str, folder: &str) -> bool {
    folder.is_empty() || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn is_folder(model: &Model, path: &str) -> bool {
    path.is_empty() || model.get(path).is_some_and(Option::is_none)
}

fn empty() -> Model {
    MOUNTS.iter().filter(|mount| !mount.is_empty()).map(|mount| ((*mount).to_owned(), None)).collect()
}

fn below(model: &Model, top: &str) -> Model {
    model.iter().filter(|(path, _)| is_within(path, top)).map(|(p, c)| (p.clone(), c.clone())).collect()
}

/// What a step does to the map, or why not.
fn apply(model: &mut Model, step: &Step, content: &str) -> Result<(), Refusal> {
    let target_free = |model: &Model, to: &str, overwrite: bool| {
        if !model.contains_key(to) && !is_folder(model, parent(to)) {
            return Err(Refusal::NoParent);
        }
        if model.contains_key(to) && !overwrite { Err(Refusal::Exists) } else { Ok(()) }
    };
    match step {
        Step::Put(path) => {
            if is_fixed(path) {
                return Err(Refusal::MountPoint);
            }
            if is_folder(model, path) {
                return Err(Refusal::IsDir);
            }
            target_free(model, path, true)?;
            model.insert(path.clone(), Some(content.to_owned()));
        }
        Step::Mkdir(path) => {
            if path.is_empty() {
                return Err(Refusal::MountPoint);
            }
            target_free(model, path, false)?;
            model.insert(path.clone(), None);
        }
        Step::Delete(path) => {
            if is_fixed(path) {
                return Err(Refusal::MountPoint);
            }
            if !model.contains_key(path) {
                return Err(Refusal::NotFound);
            }
            model.retain(|at, _| !is_within(at, path));
        }
        Step::Copy { from, to, .. } | Step::Move { from, to, .. } => {
            let (overwrite, deep, take) = match step {
                Step::Copy { overwrite, deep, .. } => (*overwrite, *deep, false),
                Step::Move { overwrite, .. } => (*overwrite, true, true),
                _ => unreachable!(),
            };
            if (take && from.is_empty()) || to.is_empty() {
                return Err(Refusal::MountPoint);
            }
            if is_within(from, to) || is_within(to, from) {
                return Err(Refusal::Overlap);
            }
            if (take && is_fixed(from)) || is_fixed(to) {
                return Err(Refusal::MountPoint);
            }
            if !model.contains_key(from) {
                return Err(Refusal::NotFound);
            }
            target_free(model, to, overwrite)?;
            let source = below(model, from);
            model.retain(|at, _| !(is_within(at, to) || take && is_within(at, from)));
            for (path, content) in source {
                let rest = &path[from.len()..];
                if deep || rest.is_empty() {
                    model.insert(format!("{to}{rest}"), content);
                }
            }
        }
        Step::Stat(path) | Step::Read(path) | Step::List(path) => {
            if !path.is_empty() && !model.contains_key(path) {
                return Err(Refusal::NotFound);
            }
            match step {
                Step::Read(_) if is_folder(model, path) => return Err(Refusal::IsDir),
                Step::List(_) if !is_folder(model, path) => return Err(Refusal::NotDir),
                _ => {}
            }
        }
        Step::CheckAll => {}
    }
    Ok(())
}

fn refusal(problem: Problem) -> Option<Refusal> {
    Some(match problem {
        Problem::NotFound | Problem::Storage(ErrorKind::NotFound) => Refusal::NotFound,
        Problem::NoParent => Refusal::NoParent,
        Problem::Exists => Refusal::Exists,
        Problem::MountPoint => Refusal::MountPoint,
        Problem::Overlap => Refusal::Overlap,
        Problem::Storage(ErrorKind::IsDir) => Refusal::IsDir,
        Problem::Storage(ErrorKind::NotDir) => Refusal::NotDir,
        _ => return None,
    })
}

/// What happened: done whole, done in part, refused or failed.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Part(Vec<(String, Problem)>),
    Refused(Problem),
}

async fn run(view: &View, step: &Step, content: &str) -> Outcome {
    let result = match step {
        Step::Put(to) => put(view, to, content).await.map(|_| Vec::new()),
        Step::Mkdir(to) => view.create_dir(&path(to)).await.map(|()| Vec::new()),
        Step::Delete(what) => view.delete(&path(what), When::Always).await,
        Step::Copy { from, to, overwrite, deep } => {
            let options = Transfer { overwrite: *overwrite, deep: *deep };
            view.copy(&path(from), &path(to), options).await.map(|done| done.failed)
        }
        Step::Move { from, to, overwrite } => {
            view.rename(&path(from), &path(to), *overwrite).await.map(|done| done.failed)
        }
        Step::Stat(what) => view.stat(&path(what)).await.map(|_| Vec::new()),
        Step::List(what) => names(view, what).await.map(|_| Vec::new()),
        Step::Read(what) => get(view, what).await.map(|_| Vec::new()),
        Step::CheckAll => Ok(Vec::new()),
    };
    match result {
        Ok(failed) if failed.is_empty() => Outcome::Done,
        Ok(failed) => Outcome::Part(told(&failed)),
        Err(error) => Outcome::Refused(error.problem()),
    }
}

struct World {
    memories: Vec<Memory>,
    faulties: Vec<Arc<Faulty>>,
    options: MountOptions,
    view: View,
}

impl World {
    fn new(cached: bool) -> Self {
        let memories = vec![Memory::folders(), Memory::keys(), Memory::folders(), Memory::keys()];
        let memories: Vec<_> = memories.into_iter().map(|memory| memory.with_page_size(2)).collect();
        let faulties: Vec<_> = memories
            .iter()
            .map(|memory| {
                let keys = memory.capabilities().staging.is_none();
                faulty(if keys { bucket(memory) } else { Arc::new(memory.clone()) })
            })
            .collect();
        let options = if cached { kept(KEPT) } else { MountOptions::default() };
        let view = Self::fresh(&faulties, &options);
        Self { memories, faulties, options, view }
    }

    fn fresh(faulties: &[Arc<Faulty>], options: &MountOptions) -> View {
        let mounts = MOUNTS.iter().zip(faulties);
        let mounts = mounts.map(|(path, faulty)| (["/", path].concat(), driver_of(faulty)));
        let mounts: Vec<_> = mounts.collect();
        tree(mounts.iter().map(|(path, driver)| (path.as_str(), Arc::clone(driver), options.clone())).collect()).1
    }

    /// What the tree shows, and what one shows that knows nothing yet.
    async fn everything(&self) -> Model {
        let shown = all(&self.view, "").await.unwrap();
        let stored = all(&Self::fresh(&self.faulties, &self.options), "").await.unwrap();
        assert_eq!(shown, stored, "what is kept in memory is what is stored");
        stored
    }

    fn assert_nothing_is_left(&self) {
        for memory in &self.memories {
            assert_eq!(memory.uploads_in_progress(), 0, "an upload was left");
        }
    }
}

fn a_path() -> impl Strategy<Value = String> {
    let names = prop::collection::vec(select(&["a", "ab", "b"][..]), 0..3);
    (select(MOUNTS), names).prop_map(|(mount, names)| {
        let all: Vec<&str> = std::iter::once(mount).chain(names).filter(|part| !part.is_empty()).collect();
        all.join("/")
    })
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => a_path().prop_map(Step::Put),
        6 => a_path().prop_map(Step::Mkdir),
        3 => a_path().prop_map(Step::Delete),
        5 => (a_path(), a_path(), any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(from, to, overwrite, deep)| Step::Copy { from, to, overwrite, deep }),
        5 => (a_path(), a_path(), any::<bool>()).prop_map(|(from, to, overwrite)| Step::Move { from, to, overwrite }),
        1 => a_path().prop_map(Step::Stat),
        2 => a_path().prop_map(Step::List),
        1 => a_path().prop_map(Step::Read),
        1 => Just(Step::CheckAll),
    ]
}

fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn agrees(steps: &[Step], cached: bool) {
    let world = World::new(cached);
    let mut model = empty();
    for (number, step) in steps.iter().enumerate() {
        let content = format!("content {number}");
        let expected = apply(&mut model, step, &content);
        let outcome = run(&world.view, step, &content).await;
        match (&expected, &outcome) {
            (Ok(()), Outcome::Done) => {}
            (Err(refused), Outcome::Refused(problem)) if refusal(*problem) == Some(*refused) => {}
            _ => panic!("step {number} {step:?}: expected {expected:?}, got {outcome:?} in {steps:#?}"),
        }
        if matches!(step, Step::CheckAll) {
            assert_eq!(world.everything().await, model, "after step {number} of {steps:#?}");
        }
    }
    assert_eq!(world.everything().await, model, "after {steps:#?}");
    world.assert_nothing_is_left();
    for memory in &world.memories {
        assert!(memory.staged().is_empty(), "{:?}", memory.staged());
    }
}

#[derive(Clone, Debug)]
struct Trouble {
    mount: usize,
    op: Op,
    nth: usize,
    fault: Fault,
}

fn a_trouble() -> impl Strategy<Value = Trouble> {
    let ops = vec![
        Op::Stat,
        Op::List,
        Op::ListTree,
        Op::Read,
        Op::Write,
        Op::UploadWrite,
        Op::Finish,
        Op::CreateDir,
        Op::KeepDir,
        Op::Delete,
        Op::Copy,
        Op::Rename,
    ];
    let down = ErrorKind::Unavailable;
    let faults = vec![Fault::Before(down), Fault::After(down), Fault::CutAfter(1, down)];
    (0..MOUNTS.len(), select(ops), 1..4_usize, select(faults)).prop_map(|(mount, op, nth, fault)| Trouble {
        mount,
        op,
        nth,
        fault,
    })
}

fn contents(model: &Model) -> BTreeSet<String> {
    model.values().flatten().cloned().collect()
}

/// After a fault each file that the step does not destroy is somewhere, and the same step again ends the work.
async fn survives(steps: &[(Step, Option<Trouble>)], cached: bool) {
    let world = World::new(cached);
    let mut model = empty();
    for (number, (step, trouble)) in steps.iter().enumerate() {
        let content = format!("content {number}");
        let mut after = model.clone();
        let expected = apply(&mut after, step, &content);
        if let Some(Trouble { mount, op, nth, fault }) = trouble {
            world.faulties[*mount].on(*op).nth(*nth).fault(*fault);
        }
        let outcome = run(&world.view, step, &content).await;
        for faulty in &world.faulties {
            faulty.heal();
        }
        settle().await;
        let seen = || format!("step {number} {step:?} with {trouble:?}: {outcome:?} in {steps:#?}");
        match (&expected, &outcome) {
            (Ok(()), Outcome::Done) => {}
            (Err(refused), Outcome::Refused(problem)) if refusal(*problem) == Some(*refused) => {}
            _ if trouble.is_none() => panic!("{}", seen()),
            (Err(_), Outcome::Refused(_)) => {}
            (Ok(()), _) => {
                let there = world.everything().await;
                let kept: BTreeSet<_> = contents(&model).intersection(&contents(&after)).cloned().collect();
                let lost: Vec<_> = kept.difference(&contents(&there)).cloned().collect();
                assert!(lost.is_empty(), "lost {lost:?}: {}", seen());
                if there != after {
                    let again = match step.clone() {
                        Step::Copy { from, to, deep, .. } => Step::Copy { from, to, deep, overwrite: true },
                        Step::Move { from, to, .. } => Step::Move { from, to, overwrite: true },
                        other => other,
                    };
                    let outcome = run(&world.view, &again, &content).await;
                    assert_eq!(outcome, Outcome::Done, "asked again after {}, where {there:#?} stood", seen());
                }
            }
            (Err(_), _) => panic!("{}", seen()),
        }
        model = if expected.is_ok() { after } else { model };
        assert_eq!(world.everything().await, model, "{}", seen());
        world.assert_nothing_is_left();
    }
}

/// `PROPTEST_CASES` asks for more.
fn some_cases(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|more| more.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(some_cases(150))]

    #[test]
    fn the_tree_does_what_a_map_does(steps in prop::collection::vec(a_step(), 1..40), cached: bool) {
        block_on(agrees(&steps, cached));
    }

    #[test]
    fn a_fault_loses_no_file_and_the_same_request_again_ends_the_work(
        steps in prop::collection::vec((a_step(), prop::option::weighted(0.4, a_trouble())), 1..25),
        cached: bool,
    ) {
        block_on(survives(&steps, cached));
    }
}
