//! [`File`]: facts in one file, through a restart and a crash.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError,
    TableDefinition, TableError, WriteTransaction,
};
use tokio::sync::Semaphore;

use crate::store::start;
use crate::{Error, Result, Store, Swap, Table};

/// The name of the file in its folder.
const FILE_NAME: &str = "state.redb";
/// Raised by a change that an older version would misread.
const FORMAT: u64 = 1;
const FORMAT_TABLE: TableDefinition<'_, &str, u64> = TableDefinition::new("format");
/// The facts are few and small; redb would take up to 1 GiB by itself.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// A store in one file, on redb. Each change is synced before it is answered.
///
/// All file work runs on tokio's threads for blocking work, so the methods need a tokio runtime. Changes queue for one
/// another before they take such a thread, since redb writes one at a time anyway.
pub struct File {
    database: Arc<Database>,
    path: PathBuf,
    writers: Arc<Semaphore>,
}

impl File {
    /// Opens the store in `folder`, and makes the folder and the file, both for this user alone, where they are missing.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::InUse`], [`Error::Damaged`] or [`Error::Format`]; each says what to do.
    pub async fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        let path = folder.join(FILE_NAME);
        let opened = tokio::task::spawn_blocking({
            let path = path.clone();
            move || open_blocking(&folder, &path)
        });
        let database = opened.await.unwrap_or_else(|panic| {
            // redb asserts what it reads; a file that trips such an assertion is a damaged one.
            Err(Error::Damaged { path: path.clone(), detail: panic.to_string() })
        })?;
        Ok(Self { database: Arc::new(database), path, writers: Arc::new(Semaphore::new(1)) })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T> {
        let database = Arc::clone(&self.database);
        finish("read", tokio::task::spawn_blocking(move || work(&database)).await)
    }

    /// Runs `work` in a transaction and commits it where it asks for that. Runs to its end even if the caller goes away.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<(T, Commit), redb::Error> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.writers)
            .acquire_owned()
            .await
            .map_err(|closed| Error::Unavailable { action: "write", detail: closed.to_string() })?;
        let database = Arc::clone(&self.database);
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let transaction = database.begin_write()?;
            let (value, commit) = work(&transaction)?;
            match commit {
                Commit::Yes => transaction.commit()?,
                Commit::No => transaction.abort()?,
            }
            Ok(value)
        });
        finish("write", done.await)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The least text behind all that begin with `prefix`; `None` where there is none.
fn after(prefix: &str) -> Option<String> {
    let mut characters = prefix.chars();
    while let Some(last) = characters.next_back() {
        // The last character that there is has none behind it; then the one before it counts.
        if let Some(next) = (last as u32 + 1..=char::MAX as u32).find_map(char::from_u32) {
            return Some(format!("{}{next}", characters.as_str()));
        }
    }
    None
}

/// Whether a transaction changed anything.
enum Commit {
    Yes,
    No,
}

fn definition(table: Table) -> TableDefinition<'static, &'static str, &'static [u8]> {
    TableDefinition::new(table.name())
}

fn finish<T>(action: &'static str, done: Result<Result<T, redb::Error>, tokio::task::JoinError>) -> Result<T> {
    match done {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::Unavailable { action, detail: error.to_string() }),
        Err(error) => Err(Error::Unavailable { action, detail: error.to_string() }),
    }
}

fn open_blocking(folder: &Path, path: &Path) -> Result<Database> {
    let cannot_open = |source| Error::Open { path: path.to_owned(), source };
    make_folder(folder).map_err(cannot_open)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(cannot_open)?;

    let damaged = |detail: String| Error::Damaged { path: path.to_owned(), detail };
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    let database = builder.create_file(file).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => Error::InUse { path: path.to_owned() },
        DatabaseError::Storage(StorageError::Io(source)) if source.kind() != io::ErrorKind::InvalidData => {
            cannot_open(source)
        }
        other => damaged(other.to_string()),
    })?;
    match check_format(&database) {
        Ok(FORMAT) => Ok(database),
        Ok(found) => Err(Error::Format { path: path.to_owned(), found, known: FORMAT }),
        Err(redb::Error::Io(source)) => Err(cannot_open(source)),
        Err(error) => Err(damaged(error.to_string())),
    }
}

/// Makes the folder where it is missing, for this user alone: what clients lock and call their files is nobody else's.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// The format of the file, which is this version's for a new one.
fn check_format(database: &Database) -> Result<u64, redb::Error> {
    match database.begin_read()?.open_table(FORMAT_TABLE) {
        Ok(table) => {
            if let Some(found) = table.get("format")? {
                return Ok(found.value());
            }
        }
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let transaction = database.begin_write()?;
    transaction.open_table(FORMAT_TABLE)?.insert("format", FORMAT)?;
    transaction.commit()?;
    Ok(FORMAT)
}

#[async_trait]
impl Store for File {
    async fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>> {
        let key = key.to_owned();
        self.read(move |database| match database.begin_read()?.open_table(definition(table)) {
            Ok(facts) => Ok(facts.get(key.as_str())?.map(|value| value.value().to_vec())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    async fn put(&self, table: Table, key: &str, value: &[u8]) -> Result<()> {
        let (key, value) = (key.to_owned(), value.to_vec());
        self.write(move |transaction| {
            transaction.open_table(definition(table))?.insert(key.as_str(), value.as_slice())?;
            Ok(((), Commit::Yes))
        })
        .await
    }

    async fn remove(&self, table: Table, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.write(move |transaction| {
            let removed = transaction.open_table(definition(table))?.remove(key.as_str())?.is_some();
            Ok(((), if removed { Commit::Yes } else { Commit::No }))
        })
        .await
    }

    async fn list(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        Ok(self.list_up_to(table, prefix, "", usize::MAX).await?.0)
    }

    async fn list_up_to(
        &self,
        table: Table,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<(Vec<(String, Vec<u8>)>, bool)> {
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        self.read(move |database| {
            let facts = match database.begin_read()?.open_table(definition(table)) {
                Ok(facts) => facts,
                Err(TableError::TableDoesNotExist(_)) => return Ok((Vec::new(), true)),
                Err(error) => return Err(error.into()),
            };
            let (mut found, mut bytes) = (Vec::new(), 0);
            for fact in facts.range::<&str>((start(&prefix, &after), Bound::Unbounded))? {
                let (key, value) = fact?;
                if !key.value().starts_with(&prefix) {
                    break;
                }
                if bytes >= most {
                    return Ok((found, false));
                }
                bytes += key.value().len() + value.value().len();
                found.push((key.value().to_owned(), value.value().to_vec()));
            }
            Ok((found, true))
        })
        .await
    }

    async fn replace(&self, table: Table, key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<bool> {
        let key = key.to_owned();
        let (expected, value) = (expected.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
        self.write(move |transaction| {
            let mut facts = transaction.open_table(definition(table))?;
            let stands = facts.get(key.as_str())?.map(|found| found.value().to_vec()) == expected;
            if !stands {
                return Ok((false, Commit::No));
            }
            match value {
                Some(value) => drop(facts.insert(key.as_str(), value.as_slice())?),
                None => drop(facts.remove(key.as_str())?),
            }
            Ok((true, Commit::Yes))
        })
        .await
    }

    async fn is_empty(&self, table: Table) -> Result<bool> {
        self.read(move |database| match database.begin_read()?.open_table(definition(table)) {
            Ok(facts) => Ok(facts.is_empty()?),
            Err(TableError::TableDoesNotExist(_)) => Ok(true),
            Err(error) => Err(error.into()),
        })
        .await
    }

    async fn get_all(&self, table: Table, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>> {
        self.read(move |database| {
            let facts = match database.begin_read()?.open_table(definition(table)) {
                Ok(facts) => facts,
                Err(TableError::TableDoesNotExist(_)) => return Ok(vec![None; keys.len()]),
                Err(error) => return Err(error.into()),
            };
            keys.iter().map(|key| Ok(facts.get(key.as_str())?.map(|value| value.value().to_vec()))).collect()
        })
        .await
    }

    async fn replace_all(&self, table: Table, swaps: Vec<Swap>) -> Result<usize> {
        self.write(move |transaction| {
            let mut facts = transaction.open_table(definition(table))?;
            let mut done = 0;
            for Swap { key, expected, value } in swaps {
                if facts.get(key.as_str())?.map(|found| found.value().to_vec()) != expected {
                    continue;
                }
                match value {
                    Some(value) => drop(facts.insert(key.as_str(), value.as_slice())?),
                    None => drop(facts.remove(key.as_str())?),
                }
                done += 1;
            }
            Ok((done, if done > 0 { Commit::Yes } else { Commit::No }))
        })
        .await
    }

    async fn remove_all(&self, table: Table, prefixes: Vec<String>) -> Result<()> {
        self.write(move |transaction| {
            let mut facts = transaction.open_table(definition(table))?;
            let mut removed = false;
            for prefix in prefixes {
                let end = after(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
                let end = end.as_ref().map(String::as_str);
                let range = facts.extract_from_if::<&str, _>((Bound::Included(prefix.as_str()), end), |_, _| true)?;
                for fact in range {
                    fact?;
                    removed = true;
                }
            }
            Ok(((), if removed { Commit::Yes } else { Commit::No }))
        })
        .await
    }

    async fn change(&self, table: Table, changes: Vec<(String, Option<Vec<u8>>)>) -> Result<()> {
        self.write(move |transaction| {
            let mut facts = transaction.open_table(definition(table))?;
            let mut changed = false;
            for (key, value) in changes {
                changed |= match value {
                    Some(value) => {
                        facts.insert(key.as_str(), value.as_slice())?;
                        true
                    }
                    None => facts.remove(key.as_str())?.is_some(),
                };
            }
            Ok(((), if changed { Commit::Yes } else { Commit::No }))
        })
        .await
    }
}
