"""What every Python client of this folder is asked to do: the same steps, checked by their results and once more by urllib.

A client's own file gives `run` a class with these methods on paths without a leading slash: mkdir, put(file, path),
get(path, file), names(path), size(path), exists(path), copy, move, delete; part(path, offset, length) and close() where it can.
Its constructor takes the URL, the user and the password.
"""

import base64
import os
import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

NAMES = [
    "plain.txt",
    "two words.txt",
    "a & b.txt",
    "100 % #1.txt",
    "one+one=2.txt",
    "ümlaut ß.txt",
    "emoji 🎬.txt",
    "it's (1) [2].txt",
    "semi;colon,comma@at.txt",
    "question?.txt",
]


def fail(what):
    raise SystemExit(what)


def not_installed(name):
    print(f"{name} is not installed (tests/real/clients/install python)")
    raise SystemExit(77)


class Seen:
    """What urllib, which knows nothing of WebDAV, gets at the same place."""

    def __init__(self, url, user, password):
        self.url = url
        self.headers = {}
        if user:
            self.headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def ask(self, method, path, **headers):
        request = urllib.request.Request(self.url + quote(path), method=method, headers={**self.headers, **headers})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, b""

    def same(self, path, content):
        status, body = self.ask("GET", path)
        if status != 200 or body != content:
            fail(f"{path} is not what was sent (status {status}, {len(body)} bytes)")

    def gone(self, path):
        status, _ = self.ask("PROPFIND", path, Depth="0")
        if status != 404:
            fail(f"{path} is still there ({status})")


def run(name, client, names=NAMES):
    """Runs the steps and prints what was done."""
    url, work = sys.argv[1], Path(sys.argv[2]) / name.split()[0]
    user, password = os.environ.get("DAV_USER", ""), os.environ.get("DAV_PASSWORD", "")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    seen = Seen(url, user, password)
    top = f"{name.split()[0]} test"
    seen.ask("DELETE", top + "/")
    contents = {each: f"This is {each}.\n".encode() for each in names}
    contents["empty.txt"], contents["large.bin"] = b"", os.urandom(20_000_000)
    for each, content in contents.items():
        (work / each).write_bytes(content)
    dav = client(url, user, password)

    folder = f"{top}/sub folder"
    for path in (top, folder, f"{folder}/ünder 🎬"):
        dav.mkdir(path)
    for each, content in contents.items():
        dav.put(work / each, f"{folder}/{each}")
        seen.same(f"{folder}/{each}", content)
        dav.get(f"{folder}/{each}", work / "back")
        if (work / "back").read_bytes() != content:
            fail(f"{each} did not come back as it was sent")
    listed = {each.strip("/") for each in dav.names(folder)}
    if listed != {*contents, "ünder 🎬"}:
        fail(f"the listing is another: {sorted(listed ^ {*contents, 'ünder 🎬'})}")
    if dav.size(f"{folder}/large.bin") != 20_000_000:
        fail("the size of large.bin is wrong")
    if hasattr(dav, "part") and dav.part(f"{folder}/large.bin", 10_000_001, 1000) != contents["large.bin"][10_000_001:10_001_001]:
        fail("a part of the file is another")

    dav.put(work / "large.bin", f"{folder}/plain.txt")
    seen.same(f"{folder}/plain.txt", contents["large.bin"])
    dav.put(work / "two words.txt", f"{folder}/plain.txt")
    seen.same(f"{folder}/plain.txt", contents["two words.txt"])
    copy = f"{top}/ünder & copy.txt"
    dav.copy(f"{folder}/a & b.txt", copy)
    seen.same(copy, contents["a & b.txt"])
    dav.move(copy, f"{top}/moved 🎬.txt")
    seen.same(f"{top}/moved 🎬.txt", contents["a & b.txt"])
    seen.gone(copy)
    dav.move(folder, f"{top}/other folder")
    for each in names[1:]:
        seen.same(f"{top}/other folder/{each}", contents[each])
    seen.gone(folder)
    if dav.exists(f"{top}/none.txt") or not (dav.exists(f"{top}/other folder") and dav.exists(f"{top}/other folder/empty.txt")):
        fail("what is there and what is not are mistaken for each other")
    dav.delete(f"{top}/moved 🎬.txt")
    seen.gone(f"{top}/moved 🎬.txt")
    dav.delete(top)
    seen.gone(top)
    if user:
        refused = client(url, user, "wrong")
        try:
            refused.names("")
        except Exception:
            pass
        else:
            fail("a wrong password was taken")
        getattr(refused, "close", lambda: None)()
    getattr(dav, "close", lambda: None)()
    print(f"{name}: {len(contents)} files, put, got, listed, overwritten, copied, moved, deleted")
