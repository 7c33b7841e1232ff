#!/usr/bin/env bash
# Players without a screen: ffmpeg, mpv and VLC each play a film's end after a seek, wget continues a download that was cut,
# davix gets and lists.
. "$(dirname "$0")/common.sh"
need ffmpeg ffmpeg
need mpv mpv
need cvlc 'vlc-bin, with vlc-plugin-base'
need wget wget
need davix-get davix
prepare players
wipe 'players test/'
# An MP4 with its index at the end, so that a player has to seek before it begins.
film=$work/film.mp4
[ -s "$film" ] || ffmpeg -loglevel error -f lavfi -i testsrc2=size=320x240:rate=12:duration=300 -c:v mpeg4 -b:v 700k "$film" || fail "no film"
size=$(stat -c %s "$film")
[ "$(status MKCOL 'players test/')" = 201 ] || fail "MKCOL failed"
curl -sf "${login[@]}" -T "$film" "$url$(escape 'players test/a film & more.mp4')" || fail "PUT failed"
name=$(escape 'players test/a film & more.mp4')
encoded=$(jq -rn --arg text "$password" '$text | @uri')
inside=${url/:\/\//:\/\/${user:+$user:$encoded@}}$name
did=()
# Runs a player, and looks that davmux answered it and not with an error: its User-Agent, its name and version, its command.
plays() {
  local agent=$1 version=$2 bad
  shift 2
  mark
  timeout 120 "$@" >player.txt 2>&1 </dev/null || { tail -20 player.txt; fail "$version did not play"; }
  # VLC ends well whatever it could play.
  if grep -qiE 'unable to open|stream error|error when loading' player.txt; then tail -20 player.txt; fail "$version did not play"; fi
  if [ -n "${DAV_LOG:-}" ]; then
    bad=$(logged "$agent" | jq -r 'select(.status >= 400 and .status != 401) | "\(.method) \(.status)"' | head -1)
    [ -z "$bad" ] || fail "$version was answered $bad"
    [ -n "$(logged "$agent")" ] || fail "$version did not ask as $agent: $(tail -n "+$((seen + 1))" "$DAV_LOG" | jq -r '.user_agent // empty' | sort -u | head -3)"
  fi
  did+=("$version$([ -z "${DAV_LOG:-}" ] || logged "$agent" | jq -r '.read // empty' | sort -u | sed 's/^/ (/; s/$/)/' | tr -d '\n')")
}
frames() { ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 "$1"; }

# ffmpeg reads the last 20 s alone.
plays Lavf "$(ffmpeg -version | head -1 | cut -d' ' -f1,3)" ffmpeg -loglevel error -y -ss 280 -i "$inside" -c copy end.mkv
[ "$(frames end.mkv)" -ge 230 ] || fail "ffmpeg read $(frames end.mkv) frames of 240"
plays libmpv "$(mpv --version | head -1 | cut -d' ' -f1,2)" mpv --no-config --vo=null --ao=null --untimed --start=290 --msg-level=all=error "$inside"
# VLC refuses to run as root; as nobody it needs a home.
vlc=(cvlc)
[ "$(id -u)" = 0 ] && vlc=(setpriv --reuid=65534 --regid=65534 --clear-groups cvlc)
home=$(mktemp -d) && chmod 777 "$home"
plays VLC "VLC $("${vlc[@]}" --version 2>/dev/null | grep -oE '[0-9]+\.[0-9.]+' | head -1)" env HOME="$home" XDG_RUNTIME_DIR="$home" "${vlc[@]}" \
  --start-time=290 --vout=dummy --aout=dummy --no-video-title-show "$inside" vlc://quit
rm -rf "$home"
redirected_from_bucket VLC .mp4
head -c 1000000 "$film" >cut.mp4
plays Wget "$(wget --version | head -1 | cut -d' ' -f2,3)" wget -q ${user:+--user="$user" --password="$password"} -c -O cut.mp4 "$url$name"
cmp cut.mp4 "$film" || fail "wget did not continue the download as it should"
# Told a login, davix 0.8.4 sends none after a 401, to `rclone serve webdav` neither.
davix=(${user:+-H "Authorization: Basic $(printf '%s' "$user:$password" | base64 -w0)"})
plays libdavix "davix $(davix-get --version 2>&1 | grep -oE '[0-9]+\.[0-9.]+' | head -1)" davix-get "${davix[@]}" "$url$name" davix.mp4
cmp davix.mp4 "$film" || fail "davix got other bytes"
davix-ls "${davix[@]}" "${url}players%20test/" | grep -q 'film' || fail "davix does not list the film"
status DELETE 'players test/' >/dev/null
gone 'players test/'
echo "$(printf '%s, ' "${did[@]}")film of $size bytes"
