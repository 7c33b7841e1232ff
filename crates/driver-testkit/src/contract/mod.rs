//! The contract of [`Driver`], a case a promise.
//!
//! ```ignore
//! mod folders {
//!     async fn fixture() -> Fixture {
//!         Fixture::new(Arc::new(Memory::folders()))
//!     }
//!     davmux_driver_testkit::driver_contract!(fixture);
//! }
//! ```
#![expect(clippy::unwrap_used, reason = "cases are tests, which fail by a panic")]

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use davmux_driver::{Driver, Entry, Error, ErrorKind, Result};

pub mod cancelled;
pub mod conditions;
pub mod folders;
pub mod look;
pub mod names;
pub mod reading;
pub mod shortcuts;
pub mod writing;

/// A fresh, empty storage, with what must live as long as it does.
pub struct Fixture {
    driver: Arc<dyn Driver>,
    keeps_names: bool,
    hides_folders: bool,
    tears_reads: bool,
    _guard: Option<Box<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture").field("driver", &self.driver).finish_non_exhaustive()
    }
}

impl Fixture {
    /// A storage that nobody else uses.
    pub fn new(driver: Arc<dyn Driver>) -> Self {
        Self { driver, keeps_names: true, hides_folders: false, tears_reads: false, _guard: None }
    }

    /// Keeps a folder or a server until the case has ended.
    #[must_use]
    pub fn with_guard(mut self, guard: impl Any + Send + Sync) -> Self {
        self._guard = Some(Box::new(guard));
        self
    }

    /// The storage changes names (to a Unicode form, to one case): the cases on names do not apply.
    #[must_use]
    pub fn changing_names(mut self) -> Self {
        self.keeps_names = false;
        self
    }

    /// A file that is put beside a folder of its name, as another process may do it, hides the folder from the storage's
    /// listings.
    #[must_use]
    pub fn hiding_folders(mut self) -> Self {
        self.hides_folders = true;
        self
    }

    /// A file that is read while it is replaced may be a mixture of both in the storage's own answer; the next read is not.
    #[must_use]
    pub fn tearing_reads(mut self) -> Self {
        self.tears_reads = true;
        self
    }

    /// The storage.
    pub fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    /// The storage, to be shared.
    pub fn shared(&self) -> Arc<dyn Driver> {
        Arc::clone(&self.driver)
    }
}

/// Says on the test's output why a case does not apply.
fn not_here(why: &str) {
    println!("does not apply: {why}");
}

/// Asserts that something failed, in one of some ways.
#[track_caller]
fn fails<T: fmt::Debug>(result: Result<T>, kinds: &[ErrorKind]) -> Error {
    match result {
        Err(error) if kinds.contains(&error.kind()) => error,
        other => panic!("expected one of {kinds:?}, got {other:?}"),
    }
}

/// Asserts that two looks at a file saw the same; a time that one of them did not tell is not compared.
#[track_caller]
fn same(a: &Entry, b: &Entry) {
    assert_eq!((&a.path, a.kind, a.size, &a.etag), (&b.path, b.kind, b.size, &b.etag));
    if let (Some(a), Some(b)) = (a.modified, b.modified) {
        assert_eq!(a, b, "one entry has one time");
    }
}

/// Expands to one `#[tokio::test]` for each case of the contract. It takes the name of an
/// `async fn() -> Fixture` in the same module that makes a fresh, empty storage; the crate that calls it needs tokio as `tokio`, with
/// `macros` and `rt-multi-thread`. It may answer `Option<Fixture>` instead: `None` skips the case, after it has said why.
#[macro_export]
macro_rules! driver_contract {
    ($fixture:ident) => {
        $crate::driver_contract! { @cases $fixture;
            look: the_root_is_a_folder, a_check_of_a_good_storage_passes, nothing_is_not_found, listing_nothing_is_not_found,
                listing_a_file_is_an_error, the_empty_root_lists_nothing, every_listed_path_stats_the_same,
                a_stat_heeds_what_is_expected, a_folder_does_not_swallow_its_neighbour, names_are_listed_once;
            reading: a_file_is_read_whole, every_form_of_range_is_read, a_range_behind_the_end_tells_the_size,
                a_stale_tag_is_not_read, an_empty_file_is_read, a_folder_is_not_read, a_missing_file_is_not_read;
            writing: finish_answers_the_entry_that_stat_then_gives, an_upload_without_an_announced_size_works,
                a_new_size_changes_the_tag, a_replaced_file_is_replaced_whole, a_large_file_in_odd_chunks_arrives,
                an_upload_dropped_at_any_chunk_changes_nothing, an_upload_aborted_at_any_chunk_changes_nothing,
                the_last_of_two_uploads_wins_whole, a_file_is_not_written_over_a_folder, the_root_is_not_written,
                an_unknown_upload_id_is_aborted_already, an_announced_time_is_kept_or_ignored;
            conditions: absent_loses_to_what_exists, absent_is_checked_again_at_the_end, matches_takes_only_its_version,
                matches_is_checked_again_at_the_end, of_many_absent_uploads_one_wins,
                a_conditional_delete_takes_only_its_version;
            names: odd_names_are_kept_as_given, unicode_forms_stay_apart, a_name_of_255_bytes_is_kept;
            folders: a_made_folder_is_there, a_folder_is_made_once, a_folder_needs_its_parent, a_kept_folder_outlives_its_last_member,
                deleting_nothing_succeeds, an_absent_entry_counts_as_deleted, a_whole_batch_is_deleted,
                an_empty_folder_is_deleted, a_folder_is_never_deleted_with_members, the_staging_folder_is_hidden_and_works;
            shortcuts: a_copied_file_is_there_twice, a_copy_replaces_a_file, a_copy_heeds_its_condition,
                a_copy_takes_only_the_version_asked, a_renamed_file_moves, a_renamed_folder_moves_with_its_members,
                a_rename_replaces_whatever_is_there, a_rename_heeds_its_condition, a_changed_source_is_not_renamed,
                a_rename_into_itself_changes_nothing, a_tree_lists_as_a_walk_does, a_set_time_is_shown,
                usage_grows_with_what_is_written;
            cancelled: looks_dropped_at_the_first_poll_change_nothing, an_upload_dropped_at_the_first_poll_of_each_step_is_whole_or_nothing,
                a_commit_dropped_at_the_first_poll_is_whole_or_nothing, changes_dropped_at_the_first_poll_are_whole_or_nothing;
        }
    };
    (@cases $fixture:ident; $($module:ident: $($case:ident),+;)+) => {
        $(
            mod $module {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $case() {
                        let fixture: ::core::option::Option<$crate::Fixture> = super::$fixture().await.into();
                        if let ::core::option::Option::Some(fixture) = fixture {
                            $crate::contract::$module::$case(&fixture).await;
                        }
                    }
                )+
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    /// A case that the macro does not name would never run.
    #[test]
    fn the_macro_names_every_case() {
        let listed = include_str!("mod.rs");
        let files = [
            include_str!("cancelled.rs"),
            include_str!("conditions.rs"),
            include_str!("folders.rs"),
            include_str!("look.rs"),
            include_str!("names.rs"),
            include_str!("reading.rs"),
            include_str!("shortcuts.rs"),
            include_str!("writing.rs"),
        ];
        let mut cases = 0;
        for line in files.iter().flat_map(|file| file.lines()) {
            if let Some(rest) = line.strip_prefix("pub async fn ") {
                let name = rest.split('(').next().unwrap();
                assert!(listed.contains(name), "{name} is in no list of driver_contract!");
                cases += 1;
            }
        }
        assert!(cases > 50, "{cases} cases");
    }
}
