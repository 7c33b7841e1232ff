#!/usr/bin/env bash
# davfs2: the folder as a file system of the machine, with its locks; every byte compared past it.
. "$(dirname "$0")/common.sh"
need mount.davfs davfs2
[ -w /dev/fuse ] || { echo "davfs2 needs FUSE, and this machine has none"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "davfs2 needs root to mount, and on this machine this is another user"; exit 77; }
prepare davfs2
wipe 'davfs2 test/'
mkdir drive
# It gives up root and works as the user that Debian made for it.
cache=$(mktemp -d) && chown root:davfs2 "$cache" && chmod 775 "$cache" || fail "no cache folder for the user davfs2"
# Written at once, asked anew at each opening; locks as by default.
cat >davfs2.conf <<CONF
use_locks 1
delay_upload 0
dir_refresh 0
file_refresh 0
cache_dir $cache
ask_auth 0
secrets $dir/secrets
CONF
attach() {
  (umask 077 && printf '%s "%s" "%s"\n' "$dir/drive" "${user:-none}" "$1" >secrets)
  mount.davfs "$url" "$dir/drive" -o "conf=$dir/davfs2.conf" >mount.txt 2>&1 </dev/null
}
# It writes back when it is unmounted, and then ends.
detach() { umount drive >umount.txt 2>&1; }
trap 'mountpoint -q "$dir/drive" && umount -l "$dir/drive"; rm -rf "$cache"' EXIT
# A machine with FUSE may still not let it be mounted here.
attach "$password" || { cat mount.txt; grep -qi 'operation not permitted' mount.txt && echo "this machine lets nobody mount" && exit 77; fail "the mount failed"; }
mark
base='drive/davfs2 test'
mkdir "$base" "$base/sub folder" "$base/sub folder/ünder 🎬" || fail "mkdir failed"
cp files/* "$base/sub folder/" || fail "cp failed"
printf 'in place\n' >>"$base/sub folder/plain.txt" || fail "append failed"
cp files/large.bin "$base/sub folder/two words.txt" || fail "cp onto a file failed"
mv "$base/sub folder/a & b.txt" "$base/moved #3.txt" || fail "mv failed"
mv "$base/sub folder" "$base/other folder" || fail "mv of a folder failed"
rm "$base/other folder/emoji 🎬.txt" && rmdir "$base/other folder/ünder 🎬" || fail "rm failed"
# On some kernels davfs2 1.6.1 lists no folder (EINVAL), whatever the server: seen on Linux 6.18 with `rclone serve webdav`.
listed=", listed"
if ls "$base/other folder" >listing.txt 2>listing.err; then
  { printf '%s\n' "${names[@]}" empty.txt large.bin; } | grep -vE '^(a & b|emoji 🎬)' | LC_ALL=C sort | cmp - <(LC_ALL=C sort listing.txt) || { cat listing.txt; fail "the listing is another"; }
elif grep -q 'Invalid argument' listing.err; then
  listed=", not listed: davfs2 answers EINVAL on this kernel"
else
  cat listing.err
  fail "the folder cannot be listed"
fi
cat "$base/none.txt" 2>none.txt && fail "a missing file is there"
df --output=avail drive | tail -1
detach || { cat umount.txt; fail "umount failed"; }
for name in empty.txt large.bin '100 % #1.txt' 'ümlaut ß.txt' "it's (1) [2].txt" 'one+one=2.txt' 'semi;colon,comma@at.txt'; do
  same "davfs2 test/other folder/$name" "files/$name"
done
{ cat files/plain.txt && echo 'in place'; } >plain.wanted
same 'davfs2 test/other folder/plain.txt' plain.wanted
same 'davfs2 test/other folder/two words.txt' files/large.bin
same 'davfs2 test/moved #3.txt' 'files/a & b.txt'
gone 'davfs2 test/other folder/emoji 🎬.txt'
gone 'davfs2 test/sub folder'
# Without a cache it reads what is there.
rm -rf "${cache:?}"/*
attach "$password" || { cat mount.txt; fail "the second mount failed"; }
cmp files/large.bin "$base/other folder/large.bin" && cmp plain.wanted "$base/other folder/plain.txt" || fail "what it reads is another"
for name in "${names[@]}" empty.txt large.bin; do
  case $name in 'a & b.txt' | 'emoji 🎬.txt') continue ;; esac
  rm "$base/other folder/$name" || fail "rm of $name failed"
done
rm "$base/moved #3.txt" && rmdir "$base/other folder" && rmdir "$base" || fail "rmdir failed"
detach || { cat umount.txt; fail "umount failed"; }
gone 'davfs2 test/'
# No lock is left behind, and none of its reads was redirected: it does not follow.
if [ -n "${DAV_LOG:-}" ]; then
  [ "$(logged davfs2 | jq -r 'select(.method == "LOCK" and .status < 300) | .path' | sort -u | wc -l)" -gt 0 ] || fail "it did not lock"
  logged davfs2 | jq -e -s 'any(.[]; .status == 302)' >redirects.txt && fail "a read was redirected"
fi
if [ -n "$user" ]; then
  attach wrong && { detach; fail "a wrong password was taken"; }
fi
agent=$([ -z "${DAV_LOG:-}" ] || logged davfs2 | jq -r .user_agent | sort -u | head -1)
echo "${agent:-davfs2}: $((${#names[@]} + 2)) files, written, appended, moved, removed, read again$listed"
