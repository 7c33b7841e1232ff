#!/usr/bin/env bash
# rclone as a WebDAV remote: sync a folder up, compare every byte, sync a change, copy, rename, sync back, mount, purge.
# RCLONE names the program; without it that of the PATH is taken. As the vendor owncloud (RCLONE_WEBDAV_VENDOR) times and
# checksums go along, and are compared too.
. "$(dirname "$0")/common.sh"
rclone=${RCLONE:-$(command -v rclone)}
[ -n "$rclone" ] || { echo "rclone is not installed (Debian package rclone)"; exit 77; }
prepare rclone
wipe test/
wipe moved/
mkdir -p "up/sub folder/ünder & plus+" up/empty
cp files/* "up/sub folder/ünder & plus+"
mv "up/sub folder/ünder & plus+/large.bin" up/large.bin
for n in $(seq 40); do printf 'file %s\n' "$n" >"up/sub folder/file $n.txt"; done
# Go sends the password to the same host name, whatever the port: under its other name it can be redirected.
asked=${url/127.0.0.1/localhost}
export RCLONE_CONFIG=$dir/none RCLONE_CACHE_DIR=$dir/cache RCLONE_WEBDAV_URL=$asked RCLONE_RETRIES=1 RCLONE_LOW_LEVEL_RETRIES=1
: >none
vendor=${RCLONE_WEBDAV_VENDOR:-other}
export RCLONE_WEBDAV_VENDOR=$vendor
find up -type f -exec touch -d '2001-02-03 04:05:06 UTC' {} +
if [ -n "$user" ]; then
  RCLONE_WEBDAV_USER=$user RCLONE_WEBDAV_PASS=$("$rclone" obscure - <<<"$password")
  export RCLONE_WEBDAV_USER RCLONE_WEBDAV_PASS
fi
rc() { "$rclone" "$@"; }
mark
rc sync --create-empty-src-dirs up :webdav:test || fail "sync up failed"
rc check --download up :webdav:test || fail "what is there is not what was sent"
redirected_from_bucket rclone/ large.bin
if [ "$vendor" = owncloud ]; then
  # By their checksums, without fetching a byte of them; those that have none are named.
  rc check up :webdav:test >check.txt 2>&1 || { cat check.txt; fail "the checksums are others"; }
  grep -q 'could not be checked' check.txt && { cat check.txt; fail "a file has no checksum"; }
fi
same test/large.bin up/large.bin
same 'test/sub folder/ünder & plus+/100 % #1.txt' 'files/100 % #1.txt'
rm "up/sub folder/file 7.txt" && printf 'changed, and longer\n' >"up/sub folder/file 8.txt"
rc sync --create-empty-src-dirs up :webdav:test || fail "the second sync failed"
rc check --download up :webdav:test || fail "after the second sync something differs"
rc copyto :webdav:test/large.bin :webdav:test/copy.bin && same test/copy.bin up/large.bin || fail "the copy failed"
rc deletefile :webdav:test/copy.bin || fail "the deletion failed"
gone test/copy.bin
head -c 1000 <(tail -c +10000001 up/large.bin) >part
rc cat --offset 10000000 --count 1000 :webdav:test/large.bin | cmp - part || fail "a part of the file is another"
head -c 3000000 up/large.bin | rc rcat :webdav:test/stream.bin || fail "an upload of unknown length failed"
head -c 3000000 up/large.bin | cmp - <(rc cat :webdav:test/stream.bin) || fail "an upload of unknown length is not what was sent"
rc deletefile :webdav:test/stream.bin
rc moveto :webdav:test :webdav:moved || fail "the move failed"
rc sync --create-empty-src-dirs :webdav:moved down || fail "sync down failed"
diff -r up down || fail "what came back is not what was sent"
times() { (cd "$1" && find . -type f -printf '%p %Ts\n' | LC_ALL=C sort); }
if [ "$vendor" = owncloud ] && ! diff <(times up) <(times down); then fail "a time came back as another"; fi
rc cat :webdav:moved/none.txt 2>none.txt && fail "a missing file is there"

# As a file system, where the machine has FUSE.
mounted=
arrived() {
  for _ in $(seq 300); do [ "$(status PROPFIND "$1" -H 'Depth: 0')" = 207 ] && return; sleep 0.1; done
  return 1
}
on_fuse() {
  [ -w /dev/fuse ] && command -v fusermount3 >/dev/null || { mounted=", no mount: no FUSE here"; return; }
  mkdir drive
  "$rclone" mount :webdav:moved "$dir/drive" --vfs-cache-mode writes --vfs-write-back 100ms >mount.txt 2>&1 &
  pid=$!
  trap 'fusermount3 -uz "$dir/drive" 2>/dev/null; kill $pid 2>/dev/null' EXIT
  for _ in $(seq 150); do mountpoint -q drive && break; kill -0 $pid 2>/dev/null || break; sleep 0.2; done
  if ! mountpoint -q drive; then
    kill $pid 2>/dev/null
    grep -qiE 'operation not permitted|permission denied' mount.txt || { cat mount.txt; fail "rclone does not mount"; }
    mounted=", no mount: this machine does not let it"
    return
  fi
  # A file that was written is uploaded after it was closed.
  diff -r up drive && cp files/large.bin 'drive/new 🎬.bin' && mkdir drive/made && arrived 'moved/new 🎬.bin' \
    && mv 'drive/new 🎬.bin' drive/made/ && cmp files/large.bin 'drive/made/new 🎬.bin' && arrived 'moved/made/new 🎬.bin' \
    && rm 'drive/sub folder/file 9.txt'
  local works=$?
  fusermount3 -u drive && wait $pid
  trap - EXIT
  [ $works = 0 ] || fail "the mounted drive does not work"
  same 'moved/made/new 🎬.bin' files/large.bin
  gone 'moved/sub folder/file 9.txt'
  mounted=", mounted"
}
on_fuse
rc purge :webdav:moved || fail "the purge failed"
rc lsf :webdav: | grep -qE '^(test|moved)/' && fail "something is left"
if [ -n "$user" ]; then
  RCLONE_WEBDAV_PASS=$("$rclone" obscure wrong) rc lsf :webdav: >wrong.txt 2>&1 && fail "a wrong password was taken"
fi
echo "$("$rclone" version | head -1) as $vendor: sync, check, change, copy, part, stream, move, sync back, purge$mounted: $(find up -type f | wc -l) files"
