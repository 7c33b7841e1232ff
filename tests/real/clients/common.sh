# What the scripts of this folder share. Each of them is called with the URL of a folder, which ends in a slash, a folder to
# work in, and what the first is (local, bucket, relayed); the environment has DAV_USER and DAV_PASSWORD (none: no
# password is needed) and DAV_LOG, davmux's access log. It ends with a line of what it did; status 77: not installed, and how it is.
set -uo pipefail
url=$1 work=$2 mount=${3:-local}
user=${DAV_USER:-} password=${DAV_PASSWORD:-}
fail() { echo "$1"; exit 1; }
need() { command -v "$1" >/dev/null || { echo "$1 is not installed (Debian package $2)"; exit 77; }; }
need jq jq
need curl curl

# An empty folder of its own to work in, with what all clients send: one empty file, one small one a name that has to be
# escaped somewhere, and one of 20 MB.
names=('plain.txt' 'two words.txt' 'a & b.txt' '100 % #1.txt' 'one+one=2.txt' 'ümlaut ß.txt' 'emoji 🎬.txt' "it's (1) [2].txt" 'semi;colon,comma@at.txt')
prepare() {
  dir=$work/$1
  rm -rf "$dir" && mkdir -p "$dir/files" && cd "$dir" || exit 1
  local name
  for name in "${names[@]}"; do printf 'This is %s.\n' "$name" >"files/$name"; done
  : >files/empty.txt
  head -c 20000000 /dev/urandom >files/large.bin
}

# curl is the second opinion: what another client says is there is asked for once more.
login=()
[ -z "$user" ] || login=(-u "$user:$password")
escape() { jq -rn --arg text "$1" '$text | split("/") | map(@uri) | join("/")'; }
status() {
  local method=$1 path=$2
  shift 2
  curl -s --max-time 60 -o /dev/null -w '%{http_code}' "${login[@]}" -X "$method" "$@" "$url$(escape "$path")"
}
# The bytes at a path are those of a file.
same() {
  curl -sf "${login[@]}" "$url$(escape "$1")" -o "$dir/seen" || fail "$1 is not there"
  cmp "$dir/seen" "$2" || fail "$1 is not what was sent"
}
gone() {
  local said
  said=$(status PROPFIND "$1" -H 'Depth: 0')
  [ "$said" = 404 ] || fail "$1 is still there ($said)"
}
# Removes what a run before has left.
wipe() { status DELETE "$1" >/dev/null; }

# What davmux logged since `mark`, of one client; `logged User-Agent-Prefix`.
mark() { [ -z "${DAV_LOG:-}" ] || seen=$(wc -l <"$DAV_LOG"); }
logged() { tail -n "+$((seen + 1))" "$DAV_LOG" | jq -c --arg agent "$1" 'select(.target == "access" and ((.user_agent // "") | startswith($agent)))'; }
# Whether files of more than 256 KiB were redirected, as a client that follows is: from the bucket alone.
redirected_from_bucket() {
  [ -n "${DAV_LOG:-}" ] || return 0
  local reads wanted=relay
  [ "$mount" = bucket ] && wanted=redirect
  reads=$(logged "$1" | jq -r --arg file "$2" 'select(.method == "GET" and (.path | endswith($file)) and .read) | .read' | sort -u | paste -sd' ')
  [ "$reads" = $wanted ] || fail "GET of $2 by $1 was to be $wanted and was: ${reads:-never asked}"
}
