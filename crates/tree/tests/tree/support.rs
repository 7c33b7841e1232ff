//! A tree in a few words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use davmux_driver_placeholder::Placeholder;
use davmux_driver_testkit::{CallLog, Faulty, Memory};
use davmux_state::Uploads;
use davmux_tree::{
    Access, Driver, Error, Listing, Mount, MountOptions, OpenRequest, Opened, Put, PutRequest, RelPath, Requester,
    Result, Source, Transfer, Transferred, Tree, TreeOptions, TreePath, View, When, Written,
};
use futures_util::{StreamExt, TryStreamExt};

pub(crate) const KEPT: Duration = Duration::from_secs(60);

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

pub(crate) fn at(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

/// A bucket with placeholders.
pub(crate) fn bucket(memory: &Memory) -> Arc<dyn Driver> {
    Arc::new(Placeholder::new(Arc::new(memory.clone()), vec![".placeholder".to_owned()]).unwrap())
}

/// A driver that fails by script: its script, and it as a driver.
pub(crate) fn faulty(inner: Arc<dyn Driver>) -> Arc<Faulty> {
    Arc::new(Faulty::new(inner))
}

pub(crate) fn driver_of(faulty: &Arc<Faulty>) -> Arc<dyn Driver> {
    Arc::<Faulty>::clone(faulty)
}

/// Some storage under a tree, whose calls are counted and may fail.
pub(crate) struct One {
    pub(crate) memory: Memory,
    pub(crate) faulty: Arc<Faulty>,
    pub(crate) tree: Arc<Tree>,
    pub(crate) view: View,
    pub(crate) uploads: Uploads,
    pub(crate) store: Arc<davmux_state::Memory>,
}

impl One {
    pub(crate) fn log(&self) -> &CallLog {
        self.faulty.log()
    }
}

pub(crate) fn kept(list_cache: Duration) -> MountOptions {
    MountOptions { list_cache, ..MountOptions::default() }
}

/// A bucket at the root of the tree, with a list cache.
pub(crate) fn keys() -> One {
    let memory = Memory::keys();
    one(bucket(&memory), memory, kept(KEPT))
}

/// A folder at the root of the tree, with a list cache.
pub(crate) fn folders() -> One {
    let memory = Memory::folders();
    one(Arc::new(memory.clone()), memory, kept(KEPT))
}

/// Each kind of storage.
pub(crate) fn both() -> [One; 2] {
    [folders(), keys()]
}

pub(crate) fn one(driver: Arc<dyn Driver>, memory: Memory, options: MountOptions) -> One {
    let faulty = faulty(driver);
    let as_driver = driver_of(&faulty);
    let store = Arc::new(davmux_state::Memory::new());
    let uploads = Uploads::new(Arc::<davmux_state::Memory>::clone(&store));
    let mounts = vec![Mount::new(at("/"), as_driver, options)];
    let options = TreeOptions { redirect_rules: Vec::new(), store: Arc::<davmux_state::Memory>::clone(&store) };
    let tree = Tree::new(mounts, options);
    let view = View::new(Arc::clone(&tree), at("/"), Access::ReadWrite);
    One { memory, faulty, tree, view, uploads, store }
}

/// What a restart makes of it: the same storage and the same state, nothing in memory.
pub(crate) fn restarted(one: &One) -> View {
    let mounts = vec![Mount::new(at("/"), driver_of(&one.faulty), kept(KEPT))];
    let store = Arc::<davmux_state::Memory>::clone(&one.store);
    View::new(Tree::new(mounts, TreeOptions { redirect_rules: Vec::new(), store }), at("/"), Access::ReadWrite)
}

/// Several storages in one tree.
pub(crate) fn tree(mounts: Vec<(&str, Arc<dyn Driver>, MountOptions)>) -> (Arc<Tree>, View) {
    let mounts = mounts.into_iter().map(|(path, driver, options)| Mount::new(at(path), driver, options)).collect();
    let store = Arc::new(davmux_state::Memory::new());
    let tree = Tree::new(mounts, TreeOptions { redirect_rules: Vec::new(), store });
    let view = View::new(Arc::clone(&tree), at("/"), Access::ReadWrite);
    (tree, view)
}

/// The view of another tree over the same storage, which knows nothing yet.
pub(crate) fn afresh(one: &One) -> View {
    tree(vec![("/", driver_of(&one.faulty), kept(KEPT))]).1
}

pub(crate) async fn begin(view: &View, to: &str, data: &str) -> Result<Put> {
    let request = PutRequest { size: Some(data.len() as u64), ..PutRequest::default() };
    let mut put = view.put(&path(to), request).await?;
    if !data.is_empty() {
        put.write(Bytes::from(data.to_owned())).await?;
    }
    Ok(put)
}

pub(crate) async fn put(view: &View, to: &str, data: &str) -> Result<Written> {
    begin(view, to, data).await?.finish().await
}

/// Files with the folders above them.
pub(crate) async fn fill(view: &View, files: &[&str]) {
    for file in files {
        let mut above: Vec<RelPath> = std::iter::successors(path(file).parent(), RelPath::parent).collect();
        above.reverse();
        for folder in above.iter().filter(|folder| !folder.is_root()) {
            let _exists = view.create_dir(folder).await;
        }
        put(view, file, &format!("of {file}")).await.unwrap();
    }
}

pub(crate) async fn open(view: &View, from: &str, who: &Requester<'_>) -> Result<Opened> {
    view.open(&path(from), OpenRequest { requester: who, range: None, node: None }).await
}

pub(crate) async fn bytes(opened: Opened) -> Result<String> {
    let Source::Relay { body, .. } = opened.source else { panic!("it was redirected") };
    let chunks: Vec<Bytes> = body.try_collect().await?;
    Ok(String::from_utf8(chunks.concat()).unwrap())
}

pub(crate) async fn get(view: &View, from: &str) -> Result<String> {
    bytes(open(view, from, &Requester::default()).await?).await
}

pub(crate) async fn gather(mut listing: Listing) -> Result<Vec<davmux_tree::Node>> {
    let mut nodes = Vec::new();
    while let Some(page) = listing.next().await {
        nodes.extend(page?);
    }
    Ok(nodes)
}

/// The names in a folder, sorted.
pub(crate) async fn names(view: &View, folder: &str) -> Result<Vec<String>> {
    let mut names: Vec<_> =
        gather(view.list(&path(folder)).await?).await?.iter().map(|node| node.name.to_string()).collect();
    names.sort();
    Ok(names)
}

/// Everything below a folder: files with their content, folders with `None`.
pub(crate) async fn all(view: &View, folder: &str) -> Result<BTreeMap<String, Option<String>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![path(folder)];
    while let Some(folder) = open.pop() {
        for node in gather(view.list(&folder).await?).await? {
            let below = folder.child(&node.name).unwrap();
            let content = if node.is_dir() {
                open.push(below.clone());
                None
            } else {
                let content = get(view, below.as_str()).await?;
                assert_eq!(node.size, content.len() as u64, "{below}");
                Some(content)
            };
            assert!(found.insert(below.as_str().to_owned(), content).is_none(), "{below} is listed twice");
        }
    }
    Ok(found)
}

pub(crate) async fn delete(view: &View, what: &str) -> Result<Vec<(String, davmux_tree::Problem)>> {
    Ok(told(&view.delete(&path(what), When::Always).await?))
}

pub(crate) fn told(failed: &[davmux_tree::Failed]) -> Vec<(String, davmux_tree::Problem)> {
    failed.iter().map(|failed| (failed.path.to_string(), failed.error.problem())).collect()
}

pub(crate) async fn copy(view: &View, from: &str, to: &str) -> Result<Transferred> {
    view.copy(&path(from), &path(to), Transfer { overwrite: true, deep: true }).await
}

pub(crate) async fn rename(view: &View, from: &str, to: &str) -> Result<Transferred> {
    view.rename(&path(from), &path(to), true).await
}

pub(crate) fn problem<T: std::fmt::Debug>(result: Result<T, Error>) -> davmux_tree::Problem {
    result.unwrap_err().problem()
}

/// Lets all tasks run that can; the runtime of these tests has one thread.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
