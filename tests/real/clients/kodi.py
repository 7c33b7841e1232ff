"""Kodi itself, under Xvfb: lists a dav:// folder, plays a film that ffmpeg made, seeks, pauses, and stops.

    kodi.py URL WORK [local|bucket|relayed]

Kodi is asked over JSON-RPC by TCP, which listens on loopback only; its web server would listen everywhere. Everything it
keeps is in WORK. What it asked davmux for is read in davmux's access log, DAV_LOG. Waits are for what happens, never for
a time to pass; 60 s without it is a failure.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

LIMIT = 60
SECONDS = 300
FILM = "A film & more (2026) #1.mp4"


def fail(what):
    raise SystemExit(what)


def until(what, true):
    """Waits until `true()` is neither false nor none, and answers it."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        answer = true()
        if answer:
            return answer
        time.sleep(0.1)
    fail(f"{what}: not within {LIMIT} s")


def need(program, package):
    if not shutil.which(program):
        print(f"{program} is not installed (Debian package {package})")
        raise SystemExit(77)


class Kodi:
    """One Kodi with a home, a display and a port of its own."""

    def __init__(self, work, sources):
        self.work, self.started, self.id = work, [], 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        data = work / "home/.kodi/userdata"
        data.mkdir(parents=True)
        settings = {
            "services.esenabled": "true",
            "services.esallinterfaces": "false",
            "services.webserver": "false",
            "services.upnp": "false",
            "services.zeroconf": "false",
            "services.wsdiscovery": "false",
            "general.addonupdates": "2",
            "debug.showloginfo": "false",
        }
        (data / "guisettings.xml").write_text(
            '<settings version="2">'
            + "".join(f'<setting id="{name}">{value}</setting>' for name, value in settings.items())
            + "</settings>"
        )
        # Over JSON-RPC Kodi lists and plays only what is below one of its sources.
        paths = "".join(
            f'<source><name>{name}</name><path pathversion="1">{escape(path)}</path></source>'
            for name, path in sources.items()
        )
        (data / "sources.xml").write_text(f"<sources><video>{paths}</video></sources>")
        # A buffer smaller than the film, or a seek would be served from memory.
        (data / "advancedsettings.xml").write_text(
            f"<advancedsettings><jsonrpc><tcpport>{self.port}</tcpport></jsonrpc>"
            "<cache><buffermode>1</buffermode><memorysize>1048576</memorysize></cache></advancedsettings>"
        )

    def start(self):
        # Xvfb takes a free display and says which.
        read, write = os.pipe()
        self.run(
            ["Xvfb", "-displayfd", str(write), "-nolisten", "tcp", "-screen", "0", "640x480x24"], "xvfb", pass_fds=[write]
        )
        os.close(write)
        with os.fdopen(read) as said:
            display = said.readline().strip()
        if not display:
            fail("Xvfb did not start: " + (self.work / "xvfb.out").read_text())
        home = self.work / "home"
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "DISPLAY": f":{display}",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "GALLIUM_DRIVER": "llvmpipe",
            "LANG": "C.UTF-8",
        }
        kodi = self.run(["kodi", "--standalone", "--windowing=x11"], "kodi", env=env)

        def connected():
            if kodi.poll() is not None:
                fail(f"Kodi ended with {kodi.returncode}: " + (self.work / "kodi.out").read_text())
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT)
            except OSError:
                return None

        self.connection, self.text = until("Kodi listens", connected), ""
        if self.ask("JSONRPC.Ping") != "pong":
            fail("Kodi does not answer a ping")

    def run(self, command, name, **how):
        with open(self.work / f"{name}.out", "wb") as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.work, start_new_session=True, **how
            )
        self.started.append(process)
        return process

    def ask(self, method, **params):
        """One JSON-RPC call; the notifications that come before its answer are passed over."""
        self.id += 1
        call = {"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}
        self.connection.sendall(json.dumps(call).encode())
        while True:
            message = self.message()
            if message.get("id") == self.id:
                return message["result"] if "result" in message else message

    def message(self):
        while True:
            try:
                message, end = json.JSONDecoder().raw_decode(self.text)
                self.text = self.text[end:].lstrip()
                return message
            except json.JSONDecodeError:
                more = self.connection.recv(65536)
                if not more:
                    fail("Kodi hung up")
                self.text += more.decode()

    def stop(self):
        """Ends what was started here, each with its own children."""
        for process in reversed(self.started):
            for how in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, how)
                    process.wait(10)
                    break
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue


class Log:
    """What davmux wrote into its access log of Kodi since it was last asked."""

    def __init__(self, file):
        self.file, self.at = file, os.path.getsize(file)

    def lines(self):
        with open(self.file, "rb") as log:
            log.seek(self.at)
            # The last line may still be being written.
            text = log.read().rpartition(b"\n")[0]
        lines = (json.loads(line) for line in text.splitlines())
        return [line for line in lines if line.get("target") == "access" and line.get("user_agent", "").startswith("Kodi")]


def make_film(file):
    # Without sound: Kodi without a sound card would wait for it. The index of an MP4 is at its end: a player has to seek before it can begin.
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", f"testsrc2=size=320x240:rate=12:duration={SECONDS}"]
        + ["-c:v", "mpeg4", "-b:v", "700k", str(file)],
        check=True,
    )
    if file.stat().st_size < 8 << 20:
        fail("the film is too small: Kodi would hold it in memory")


def curl(*arguments, check=True):
    user = f"{os.environ['DAV_USER']}:{os.environ['DAV_PASSWORD']}"
    subprocess.run(["curl", "-fsS", "-o", "/dev/null", "-u", user, *map(str, arguments)], check=check)


def seconds(of):
    return of["hours"] * 3600 + of["minutes"] * 60 + of["seconds"] + of["milliseconds"] / 1000


def play(kodi, film, log, redirected):
    def position():
        answer = kodi.ask("Player.GetProperties", playerid=1, properties=["time", "totaltime", "speed"])
        return None if "error" in answer else answer

    def moves_on(after):
        first = until("the film plays", lambda: (p := position()) and seconds(p["totaltime"]) and seconds(p["time"]) >= after and p)
        at = seconds(first["time"])
        until("the position moves on", lambda: (p := position()) and seconds(p["time"]) > at + 1)
        return first

    answer = kodi.ask("Player.Open", item={"file": film})
    if answer != "OK":
        fail(f"Player.Open: {answer}")
    first = moves_on(0)
    if abs(seconds(first["totaltime"]) - SECONDS) > 2:
        fail(f"Kodi takes the film for {seconds(first['totaltime'])} s long instead of {SECONDS} s")
    seeks = []
    for minutes in (4, 1):
        seeks.append(time.time())
        target = {"hours": 0, "minutes": minutes, "seconds": 10, "milliseconds": 0}
        answer = kodi.ask("Player.Seek", playerid=1, value={"time": target})
        if "error" in answer:
            fail(f"Player.Seek: {answer}")
        at = minutes * 60
        until("the seek is done", lambda: (p := position()) and at <= seconds(p["time"]) < at + 50)
        moves_on(at)
    if kodi.ask("Player.Stop", playerid=1) != "OK":
        fail("Player.Stop was refused")
    stopped = time.time()
    until("the player stops", lambda: kodi.ask("Player.GetActivePlayers") == [])
    # Then it looks whether the film is still there, to keep the position.
    until("Kodi asks for the film's HEAD", lambda: any(line["method"] == "HEAD" for line in of_film(log.lines())))
    # A seek is a request of its own: to the storage itself on a link, here otherwise. It is logged when it ends.
    for begin, end in zip(seeks, [*seeks[1:], stopped]):

        def asked():
            gets = [line for line in log.lines() if line["method"] == "GET" and line["status"] in (200, 206, 302)]
            return [line for line in gets if begin <= began(line) <= end]

        if not redirected:
            until("the seek asks davmux for its part of the film", asked)
        elif asked():
            fail(f"after the redirect a seek came back to davmux: {asked()[0]}")


def began(line):
    """When a request that was logged at its end began."""
    return datetime.fromisoformat(line["timestamp"]).timestamp() - line["duration_ms"] / 1000


def of_film(lines):
    return [line for line in lines if line["path"].endswith(".mp4") and line["status"] != 401]


def check_log(lines, redirected):
    """What Kodi asked for and what it got."""
    bad = [line for line in lines if line["status"] >= 500 or line["status"] in (400, 403, 405, 429)]
    if bad:
        fail(f"davmux answered Kodi with an error: {bad[0]}")
    film = of_film(lines)
    heads = [line for line in film if line["method"] == "HEAD"]
    if any(line["status"] != 200 for line in heads):
        fail(f"HEAD of the film: {[line['status'] for line in heads]}, and 200 each time is meant")
    gets = [line for line in film if line["method"] == "GET"]
    decisions = {(line["status"], line.get("read")) for line in gets}
    if redirected and decisions != {(302, "redirect")}:
        fail(f"the film was to be redirected, and was {decisions}")
    if not redirected and (not decisions or any(status not in (200, 206) for status, _ in decisions)):
        fail(f"the film was to come from davmux, and was {decisions}")
    # A 401 is the answer to a request without a password, which is then repeated with it and answered.
    right = [line for line in lines if "/wrong/" not in line["path"]]
    refused = [line for line in right if line["status"] == 401]
    answered = {(line["method"], line["path"]) for line in right if line["status"] != 401}
    lost = {(line["method"], line["path"]) for line in refused} - answered
    if not refused or lost or len(refused) > len(right) - len(refused):
        fail(f"of {len(right)} requests {len(refused)} were 401, and these had no other answer: {sorted(lost)}")
    if any(line["status"] != 401 for line in lines if "/wrong/" in line["path"]):
        fail("a wrong password was taken")
    counts = f"{len(heads)} HEAD, {len(gets)} GET {'redirected' if redirected else 'served'}, {len(refused)} 401"
    return f"{lines[0]['user_agent'].split()[0]}: listed, played, two seeks, stopped; {len(lines)} requests, {counts}"


def main():
    url, work, mount = sys.argv[1], Path(sys.argv[2]) / "kodi", (sys.argv[3:] or ["local"])[0]
    for program, package in (("kodi", "kodi"), ("Xvfb", "xvfb"), ("ffmpeg", "ffmpeg"), ("curl", "curl")):
        need(program, package)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    film = work.parent / "film.mp4"
    if not film.exists():
        make_film(film)
    folder = url + "kodi%20films/"
    # What a run that failed has left.
    curl("-X", "DELETE", folder, check=False)
    curl("-X", "MKCOL", folder)
    curl("-T", film, folder + quote(FILM))
    curl("-X", "MKCOL", folder + quote("Ünder 🎬") + "/")
    parts = urlsplit(folder)
    login = f"{quote(os.environ['DAV_USER'], safe='')}:{quote(os.environ['DAV_PASSWORD'], safe='')}"
    dav = f"dav://{login}@{parts.netloc}{parts.path}"
    wrong = f"dav://tester:wrong@{parts.netloc}{parts.path}wrong/"
    kodi = Kodi(work, {"right": dav, "wrong": wrong})
    try:
        kodi.start()
        log = Log(os.environ["DAV_LOG"])
        answer = kodi.ask("Files.GetDirectory", directory=dav, media="video", properties=["size", "lastmodified"])
        files = {entry["label"]: entry for entry in answer.get("files", [])}
        if set(files) != {FILM, "Ünder 🎬"}:
            fail(f"the listing: {answer}")
        if files[FILM]["size"] != film.stat().st_size or files["Ünder 🎬"]["filetype"] != "directory":
            fail(f"the listing says another size or kind: {answer}")
        if not kodi.ask("Files.GetDirectory", directory=wrong).get("error"):
            fail("a wrong password lists the folder")
        play(kodi, files[FILM]["file"], log, redirected=mount == "bucket")
        said = check_log(log.lines(), redirected=mount == "bucket")
    finally:
        kodi.stop()
    curl("-X", "DELETE", folder)
    print(said)


main()
