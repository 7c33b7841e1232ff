#!/usr/bin/env bash
# GNOME's gvfs, by gio, in a session bus of its own: mount with a password, list, put, get, copy, rename, move, remove.
. "$(dirname "$0")/common.sh"
need gio libglib2.0-bin
need dbus-run-session dbus
[ -x /usr/libexec/gvfsd-dav ] || [ -x /usr/lib/gvfs/gvfsd-dav ] || { echo "gvfs's WebDAV part is not installed (Debian package gvfs-backends)"; exit 77; }

# The rest runs inside of the session.
if [ "${DAVMUX_IN_SESSION:-}" != yes ]; then
  export DAVMUX_IN_SESSION=yes GIO_USE_VFS=gvfs GVFS_DISABLE_FUSE=1
  runtime=$(mktemp -d) && export XDG_RUNTIME_DIR=$runtime HOME=$runtime
  # The session's programs say much at its end that nobody needs to know.
  dbus-run-session -- bash "$0" "$@" 2>"$work/gvfs.err"
  status=$?
  [ $status = 0 ] || cat "$work/gvfs.err"
  rm -rf "$runtime"
  exit $status
fi

prepare gvfs
wipe 'gvfs test/'
mark
dav=dav://${user:+$user@}${url#*://}
at() { printf '%s%s' "$dav" "$(escape "$1")"; }
mounted() { gio mount -l | grep -q 'dav://'; }
# What is asked for stands on stdin; the folder that is mounted is the one named.
gio mount "$dav" <<<"$password" >mount.txt 2>&1 || { cat mount.txt; fail "gio mount failed"; }
for path in 'gvfs test' 'gvfs test/sub folder' 'gvfs test/sub folder/ünder 🎬'; do gio mkdir "$(at "$path")" || fail "mkdir $path failed"; done
for name in "${names[@]}" empty.txt large.bin; do
  gio copy "files/$name" "$(at "gvfs test/sub folder/$name")" || fail "copy of $name failed"
  same "gvfs test/sub folder/$name" "files/$name"
  gio copy "$(at "gvfs test/sub folder/$name")" back && cmp back "files/$name" || fail "$name did not come back as it was sent"
done
redirected_from_bucket gvfs large.bin
gio list -h "$(at 'gvfs test/sub folder')" | sort >listed
{ printf '%s\n' "${names[@]}" empty.txt large.bin 'ünder 🎬'; } | sort | cmp - listed || { cat listed; fail "the listing is another"; }
[ "$(gio info -a standard::size "$(at 'gvfs test/sub folder/large.bin')" | grep -oE 'standard::size: .*')" = 'standard::size: 20000000' ] || fail "the size is wrong"
# Overwritten, as an editor does and as a file manager does.
gio save "$(at 'gvfs test/sub folder/plain.txt')" <files/large.bin || fail "save failed"
same 'gvfs test/sub folder/plain.txt' files/large.bin
gio copy 'files/two words.txt' "$(at 'gvfs test/sub folder/plain.txt')" || fail "copy onto a file failed"
same 'gvfs test/sub folder/plain.txt' 'files/two words.txt'
gio copy "$(at 'gvfs test/sub folder/a & b.txt')" "$(at 'gvfs test/ünder & copy.txt')" || fail "copy on the server failed"
same 'gvfs test/ünder & copy.txt' 'files/a & b.txt'
gio rename "$(at 'gvfs test/ünder & copy.txt')" 'renamed #2.txt' || fail "rename failed"
same 'gvfs test/renamed #2.txt' 'files/a & b.txt'
gio move "$(at 'gvfs test/renamed #2.txt')" "$(at 'gvfs test/sub folder/moved.txt')" || fail "move failed"
same 'gvfs test/sub folder/moved.txt' 'files/a & b.txt'
gone 'gvfs test/renamed #2.txt'
gio rename "$(at 'gvfs test/sub folder')" 'other folder' || fail "rename of a folder failed"
same 'gvfs test/other folder/moved.txt' 'files/a & b.txt'
gio cat "$(at 'gvfs test/none.txt')" 2>none.txt && fail "a missing file is there"
gio info -f "$(at '')" | grep -E 'filesystem::(size|free|used)' | paste -sd' '
gio list -h "$(at 'gvfs test/other folder')" | while read -r name; do gio remove "$(at "gvfs test/other folder/$name")" || exit 1; done || fail "remove failed"
gio remove "$(at 'gvfs test/other folder')" && gio remove "$(at 'gvfs test')" || fail "removal of a folder failed"
gone 'gvfs test/'
gio mount -u "$dav" || fail "unmount failed"
if [ -n "$user" ]; then
  gio mount "$dav" <<<wrong >wrong.txt 2>&1 && fail "a wrong password was taken"
fi
agent=$([ -z "${DAV_LOG:-}" ] || logged gvfs | jq -r .user_agent | sort -u | head -1)
echo "${agent:-gvfs}: $((${#names[@]} + 2)) files, put, saved, copied, renamed, moved, removed"
